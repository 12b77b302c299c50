package front_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	l := visit.Start(t, visit.Scene(t, "full"))
	_, body := l.Get("/front/", "Accept", "text/html")
	visit.Compare(t, "front", body)
	_, body = l.Get("/front/models/wine", "Accept", "text/html")
	visit.Compare(t, "front-not-found", body)
}
