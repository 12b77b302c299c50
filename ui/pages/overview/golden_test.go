package overview_test

import (
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/", Name: "overview", Status: 200},
		{Scene: "own", Path: "/", Name: "overview", Status: 200},
		{Scene: "many", Path: "/", Name: "overview", Status: 200},
		{Scene: "empty", Path: "/", Name: "overview", Status: 200},
		{Scene: "booting", Path: "/", Name: "overview", Status: 200},
		{Scene: "boot-failed", Path: "/", Name: "overview", Status: 200},
		{Scene: "starting", Path: "/", Name: "overview", Status: 200},
		{Scene: "broken", Path: "/", Name: "overview", Status: 200},
	})
}

// A training that failed yesterday is not among the recent runs.
func TestRecentRunsAreRecent(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.AddMany(1)
	failed := &w.Trainings[len(w.Trainings)-1]
	l := visit.Start(t, w).AsAdmin()
	if _, body := l.Get("/"); !strings.Contains(recent(body), failed.Job) {
		t.Errorf("%s of an hour ago is not among the recent runs", failed.Job)
	}
	w.Change(func() { failed.CreatedAt = failed.CreatedAt.Add(-24 * time.Hour) })
	if _, body := l.Get("/"); strings.Contains(recent(body), failed.Job) {
		t.Errorf("%s of yesterday is among the recent runs", failed.Job)
	}
}

func recent(body string) string {
	_, after, _ := strings.Cut(body, `id="h-recent"`)
	return after
}
