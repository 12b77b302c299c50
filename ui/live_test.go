package ui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestBootTurnsIntoOverview(t *testing.T) {
	w := uitest.Full(time.Now)
	w.SetBoot(2)
	l := visit.Start(t, w).AsAdmin()
	_, page := l.Get("/")
	l.Expect(&http.Response{StatusCode: 200, Request: &http.Request{URL: &url.URL{}}}, page, 200, "Starting your lab…", "2 of 7 units are ready", "importing images: 4 of 7, 212 MB", `sse-connect="/live/"`, `data-view="boot"`)
	next := l.Stream("/live/")
	if e := next(); e.Name != "build" || e.Data != "app-TEST.js style-TEST.css terminal-TEST.js terminal-TEST.css" {
		t.Errorf("first event %+v", e)
	}
	l.Await(next, "view", "boot")
	l.Await(next, "boot", "2 of 7 units are ready")
	w.Change(func() { w.SetBoot(5) })
	l.Await(next, "boot", "5 of 7 units are ready")
	w.Change(func() { w.SetBoot(7) })
	l.Await(next, "view", "overview")
	l.Await(next, "loops", "iris-train-14")
	l.Await(next, "charts", `"id":"cpu"`)
	_, page = l.Get("/")
	if !strings.Contains(page, `data-view="overview"`) {
		t.Error("the page is not the overview")
	}
}

func TestOnlyChangesAreSent(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	next := l.Stream("/live/runs")
	l.Await(next, "actions", "Train now")
	l.Await(next, "rows", "iris-train-14")
	w.Change(func() { w.Runs[0].Status, w.Runs[0].EndedAt = mlops.RunFinished, visit.Noon })
	// Neither the actions, with their token, nor the charts come again before it.
	if e := next(); e.Name != "rows" || strings.Contains(e.Data, "running") {
		t.Errorf("got %s", e.Name)
	}
}

func TestTrainNow(t *testing.T) {
	w := uitest.Full(time.Now)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Post("/", "/projects/unknown/train", nil)
	l.Expect(resp, body, 404, "There is no project")
	resp, body = l.Post("/", "/projects/iris/train", nil)
	l.Expect(resp, body, http.StatusSeeOther)
	at := resp.Header.Get("Location")
	resp, body = l.Get(at)
	l.Expect(resp, body, 200, "The Job is being created", "No run yet", "manual")
	_, body = l.Get("/runs")
	if !strings.Contains(body, `href="`+at+`"`) {
		t.Error("the list of runs lacks the training")
	}

	// Its page follows: the pod starts, the run appears, both end.
	next := l.Stream("/live" + at)
	job := w.Trainings[0].Job
	w.Change(func() {
		w.Trainings[0].State = mlops.TrainingRunning
		w.Pods = append(w.Pods, mlops.Pod{Namespace: "iris", Name: job + "-abcde", Phase: "Running", Ready: true})
		w.Logs["iris/"+job+"-abcde"] = []string{"hello"}
	})
	l.Await(next, "log", "/logs/pods/iris/"+job+"-abcde")
	w.Change(func() {
		w.Trainings[0].RunID = "feed"
		w.Runs = append([]mlops.Run{{ID: "feed", Name: "the-run", Status: mlops.RunRunning, StartedAt: time.Now(), Params: []mlops.KV{{Key: "C", Value: "2.5"}}}}, w.Runs...)
	})
	l.Await(next, "detail", "2.5")
	w.Change(func() {
		w.Trainings[0].State, w.Trainings[0].EndedAt, w.Trainings[0].Message = mlops.TrainingFailed, time.Now(), "The trainer ran out of memory."
		w.Runs[0].Status, w.Runs[0].EndedAt = mlops.RunFailed, time.Now()
	})
	l.Await(next, "head", "The trainer ran out of memory.")
}

func TestStreamEndsWithItsSession(t *testing.T) {
	defer ui.SetBeat(50 * time.Millisecond)()
	w := uitest.Full(time.Now)
	l := visit.Start(t, w).AsAdmin()
	live, logs := l.Stream("/live/system"), l.Stream("/logs/pods/iris/iris-7c9d8b6f54-q2x7k")
	l.Await(live, "units", "prometheus")
	l.Await(logs, "lines", "starting")
	w.Change(func() { clear(w.Sessions) })
	// Reading to the end is the test: await fails if an event is 10 s late.
	for _, next := range []func() *visit.Event{live, logs} {
		for next() != nil {
		}
	}
}

func TestStreamEndsWhenItsPageIsGone(t *testing.T) {
	w := uitest.Full(time.Now)
	l := visit.Start(t, w).AsAdmin()
	next := l.Stream("/live/models/iris")
	l.Await(next, "versions", "v12")
	w.Change(func() { w.Models = nil })
	for next() != nil {
	}
	resp, body := l.Get("/live/models/iris")
	l.Expect(resp, body, 404)
}

func TestPodLogs(t *testing.T) {
	w := uitest.Full(time.Now)
	l := visit.Start(t, w).AsAdmin()
	next := l.Stream("/logs/pods/iris/iris-7c9d8b6f54-q2x7k")
	e := l.Await(next, "lines", "POST /predict")
	if strings.Contains(e.Data, "\r") {
		t.Error("carriage returns")
	}
	l.Await(next, "lines", "GET /healthz")
	resp, body := l.Get("/logs/pods/iris/unknown")
	l.Expect(resp, body, 404, "There is no pod unknown")
	w.Down["cluster"] = uitest.Starting("The cluster")
	resp, body = l.Get("/logs/pods/iris/iris-7c9d8b6f54-q2x7k")
	l.Expect(resp, body, 503)
}

func TestTooManyStreams(t *testing.T) {
	l := visit.Start(t, uitest.Empty(time.Now)).AsAdmin()
	for range 128 {
		l.Stream("/live/models")
	}
	resp, body := l.Get("/live/models")
	l.Expect(resp, body, 503, "Too many live pages")
}
