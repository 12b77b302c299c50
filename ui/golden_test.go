package ui_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/no/such/page", Name: "not-found", Status: 404},
	})
	t.Run("login", func(t *testing.T) {
		l := visit.Start(t, visit.Scene(t, "empty"))
		_, body := l.Get("/login")
		visit.Compare(t, "login", body)
	})
	t.Run("another site", func(t *testing.T) {
		l := visit.Start(t, visit.Scene(t, "empty"))
		_, body := l.SignInFrom("http://lab.example:8088", "X-Forwarded-Host", "lab.example:8088")
		visit.Compare(t, "another-site", body)
	})
}
