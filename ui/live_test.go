package ui_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
)

type event struct{ name, data string }

// stream opens an event stream; the returned function waits for the next
// event, or returns none when the stream has ended.
func (l *lab) stream(path string) func() *event {
	l.t.Helper()
	r, err := http.NewRequest(http.MethodGet, l.url+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	resp, err := l.client.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Content-Encoding") != "" {
		l.t.Fatalf("%s: %s %v", path, resp.Status, resp.Header)
	}
	l.t.Cleanup(func() { _ = resp.Body.Close() })
	events := make(chan event, 100)
	go func() {
		defer close(events)
		var e event
		var data []string
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			switch line := lines.Text(); {
			case line == "":
				if e.name != "" {
					e.data = strings.Join(data, "\n")
					events <- e
				}
				e, data = event{}, nil
			case strings.HasPrefix(line, "event: "):
				e.name = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				data = append(data, line[len("data: "):])
			}
		}
	}()
	return func() *event {
		l.t.Helper()
		select {
		case e, ok := <-events:
			if !ok {
				return nil
			}
			return &e
		case <-time.After(10 * time.Second):
			l.t.Fatal("no event for 10 s")
			return nil
		}
	}
}

// await skips events until one has this name and contains text.
func (l *lab) await(next func() *event, name, text string) *event {
	l.t.Helper()
	for {
		e := next()
		if e == nil {
			l.t.Fatalf("the stream ended before %s with %q", name, text)
		}
		if e.name == name && strings.Contains(e.data, text) {
			return e
		}
	}
}

func TestBootTurnsIntoOverview(t *testing.T) {
	w := uitest.Full(time.Now)
	w.SetBoot(2)
	l := start(t, w).asAdmin()
	_, page := l.get("/")
	l.expect(&http.Response{StatusCode: 200, Request: &http.Request{URL: &url.URL{}}}, page, 200, "Starting your lab…", "2 of 7 units are ready", "importing images: 4 of 7, 212 MB", `sse-connect="/live/"`, `data-view="boot"`)
	next := l.stream("/live/")
	if e := next(); e.name != "build" || e.data != "app-TEST.js style-TEST.css" {
		t.Errorf("first event %+v", e)
	}
	l.await(next, "view", "boot")
	l.await(next, "boot", "2 of 7 units are ready")
	w.Change(func() { w.SetBoot(5) })
	l.await(next, "boot", "5 of 7 units are ready")
	w.Change(func() { w.SetBoot(7) })
	l.await(next, "view", "overview")
	l.await(next, "loops", "iris-train-14")
	l.await(next, "charts", `"id":"cpu"`)
	_, page = l.get("/")
	if !strings.Contains(page, `data-view="overview"`) {
		t.Error("the page is not the overview")
	}
}

func TestOnlyChangesAreSent(t *testing.T) {
	w := uitest.Full(atNoon)
	l := start(t, w).asAdmin()
	next := l.stream("/live/runs")
	l.await(next, "actions", "Train now")
	l.await(next, "rows", "iris-train-14")
	w.Change(func() { w.Runs[0].Status, w.Runs[0].EndedAt = mlops.RunFinished, noon })
	// Neither the actions, with their token, nor the charts come again before it.
	if e := next(); e.name != "rows" || strings.Contains(e.data, "running") {
		t.Errorf("got %s", e.name)
	}
}

func TestTrainNow(t *testing.T) {
	w := uitest.Full(time.Now)
	l := start(t, w).asAdmin()
	resp, body := l.post("/", "/projects/unknown/train", nil)
	l.expect(resp, body, 404, "There is no project")
	resp, body = l.post("/", "/projects/iris/train", nil)
	l.expect(resp, body, http.StatusSeeOther)
	at := resp.Header.Get("Location")
	resp, body = l.get(at)
	l.expect(resp, body, 200, "The Job is being created", "No run yet", "manual")
	_, body = l.get("/runs")
	if !strings.Contains(body, `href="`+at+`"`) {
		t.Error("the list of runs lacks the training")
	}

	// Its page follows: the pod starts, the run appears, both end.
	next := l.stream("/live" + at)
	job := w.Trainings[0].Job
	w.Change(func() {
		w.Trainings[0].State = mlops.TrainingRunning
		w.Pods = append(w.Pods, mlops.Pod{Namespace: "iris", Name: job + "-abcde", Phase: "Running", Ready: true})
		w.Logs["iris/"+job+"-abcde"] = []string{"hello"}
	})
	l.await(next, "log", "/logs/pods/iris/"+job+"-abcde")
	w.Change(func() {
		w.Trainings[0].RunID = "feed"
		w.Runs = append([]mlops.Run{{ID: "feed", Name: "the-run", Status: mlops.RunRunning, StartedAt: time.Now(), Params: []mlops.KV{{Key: "C", Value: "2.5"}}}}, w.Runs...)
	})
	l.await(next, "detail", "2.5")
	w.Change(func() {
		w.Trainings[0].State, w.Trainings[0].EndedAt, w.Trainings[0].Message = mlops.TrainingFailed, time.Now(), "The trainer ran out of memory."
		w.Runs[0].Status, w.Runs[0].EndedAt = mlops.RunFailed, time.Now()
	})
	l.await(next, "head", "The trainer ran out of memory.")
}

func TestStreamEndsWithItsSession(t *testing.T) {
	defer ui.SetBeat(50 * time.Millisecond)()
	w := uitest.Full(time.Now)
	l := start(t, w).asAdmin()
	live, logs := l.stream("/live/system"), l.stream("/logs/pods/iris/iris-7c9d8b6f54-q2x7k")
	l.await(live, "units", "prometheus")
	l.await(logs, "lines", "starting")
	w.Change(func() { clear(w.Sessions) })
	// Reading to the end is the test: await fails if an event is 10 s late.
	for _, next := range []func() *event{live, logs} {
		for next() != nil {
		}
	}
}

func TestStreamEndsWhenItsPageIsGone(t *testing.T) {
	w := uitest.Full(time.Now)
	l := start(t, w).asAdmin()
	next := l.stream("/live/models/iris")
	l.await(next, "versions", "v12")
	w.Change(func() { w.Models = nil })
	for next() != nil {
	}
	resp, body := l.get("/live/models/iris")
	l.expect(resp, body, 404)
}

func TestPodLogs(t *testing.T) {
	w := uitest.Full(time.Now)
	l := start(t, w).asAdmin()
	next := l.stream("/logs/pods/iris/iris-7c9d8b6f54-q2x7k")
	e := l.await(next, "lines", "POST /predict")
	if strings.Contains(e.data, "\r") {
		t.Error("carriage returns")
	}
	l.await(next, "lines", "GET /healthz")
	resp, body := l.get("/logs/pods/iris/unknown")
	l.expect(resp, body, 404, "There is no pod unknown")
	w.Down["cluster"] = uitest.Starting("The cluster")
	resp, body = l.get("/logs/pods/iris/iris-7c9d8b6f54-q2x7k")
	l.expect(resp, body, 503)
}

func TestTooManyStreams(t *testing.T) {
	l := start(t, uitest.Empty(time.Now)).asAdmin()
	for range 128 {
		l.stream("/live/models")
	}
	resp, body := l.get("/live/models")
	l.expect(resp, body, 503, "Too many live pages")
}
