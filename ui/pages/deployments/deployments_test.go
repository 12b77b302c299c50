package deployments_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestChartsGoBackAsFarAsAsked(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w, func(c *ui.Config) { c.Retention = 48 * time.Hour }).AsAdmin()
	for _, path := range []string{"/", "/system", irisPage} {
		resp, body := l.Get(path)
		l.Expect(resp, body, 200, "last 15 minutes", `href="`+path+`?range=24h#`)
		resp, body = l.Get(path + "?range=6h")
		// The event stream is that of the same range.
		l.Expect(resp, body, 200, "last 6 hours", `sse-connect="/live`+path+`?range=6h"`, `?range=6h#`)
		for wrong, want := range map[string]string{
			"2h": "There is no range &#34;2h&#34;: expected one of 15m, 1h, 6h, 24h.", "7d": "The range 7d is longer than metrics are kept: expected one of 15m, 1h, 6h, 24h.",
		} {
			resp, body = l.Get(path + "?range=" + wrong)
			l.Expect(resp, body, 400, want)
			resp, body = l.Get("/live" + path + "?range=" + wrong)
			l.Expect(resp, body, 400, want)
		}
	}
	// What is far apart stands for what lies between.
	_, body := l.Get(irisPage + "?range=24h")
	l.ExpectText(body, "highest p99", "?range=24h", `href="/deployments/iris?pod=q2x7k&amp;range=24h#logs"`)
}

// A curve is read again only when its next point is due.
func TestCurvesAreKept(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	queries := func() int {
		w.Lock()
		defer w.Unlock()
		return w.Queries
	}
	l.Get("/system?range=24h")
	first := queries()
	l.Get("/system?range=24h")
	l.Get("/?range=24h")
	if n := queries() - first; first == 0 || n > 4 { // the overview asks for the traffic
		t.Errorf("two more looks at the same past asked %d more questions than the first, which asked %d", n, first)
	}
	w.Lock()
	w.Down["metrics"] = uitest.Starting("Prometheus")
	w.Unlock()
	resp, body := l.Get("/system?range=7d")
	l.Expect(resp, body, 200, "Prometheus is not ready yet", "3.0 GiB of 24.0 GiB") // of what was measured here
}

func TestPodsOfADeployment(t *testing.T) {
	w := uitest.Ailing(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(irisPage)
	l.Expect(resp, body, 200, "OOMKilled, exit code 137", "Error, exit code 1", "61.0 MiB", "limit 512 MiB", "asks for 50m", "no limit", "4m")
	resp, body = l.Get("/system/pods/iris/iris-7c9d8b6f54-m4xzt")
	l.Expect(resp, body, 200, "OOMKilled, exit code 137", "asks for 128 MiB, limit 512 MiB", "lab-python")
	resp, body = l.Get("/system/pods")
	l.Expect(resp, body, 200, "Last exit: OOMKilled, exit code 137")
}

func TestWhatIsWrong(t *testing.T) {
	w := uitest.Ailing(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(irisPage)
	l.Expect(resp, body, 200, "What is wrong", "Pod b7kfd keeps ending: last with exit code 1 (Error, 7 restarts)", "No module named &#39;xgboost&#39;",
		"needed more than its memory limit of 512 MiB", `<a href="#history">The history</a>`, "Delete old runs and artifacts")
	// Where the page has a button, there is no command; what the head says is not said twice.
	l.Refuse(resp, body, "benchtop rollback", "said at the head")
	w.Change(func() { w.Findings = nil })
	resp, body = l.Get(irisPage)
	l.Expect(resp, body, 200)
	l.Refuse(resp, body, "What is wrong")
}

func TestMergedLog(t *testing.T) {
	w := uitest.Ailing(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(irisPage + "?pod=b7kfd")
	l.Expect(resp, body, 200, `data-log="/logs/deployments/iris?pod=b7kfd"`, "Pod b7kfd")
	resp, body = l.Get(irisPage + "?pod=gone")
	l.Expect(resp, body, 200, "There is no pod gone any more")

	read := func(path string, n int) (lines []string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := l.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		in := bufio.NewScanner(resp.Body)
		for len(lines) < n && in.Scan() {
			if line, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				lines = append(lines, line)
			}
		}
		return lines
	}
	lines := read("/logs/deployments/iris", 60)
	for _, want := range []string{"b7kfd (ended)  INFO:", "m4xzt  INFO:", "q2x7k  INFO:", "GET /healthz"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want) }) {
			t.Errorf("%q is not in the log:\n%s", want, strings.Join(lines, "\n"))
		}
	}
	for _, line := range read("/logs/deployments/iris?pod=m4xzt", 6) {
		if !strings.HasPrefix(line, "m4xzt") {
			t.Errorf("the log of one pod has %q", line)
		}
	}
	resp, body = l.Get("/logs/deployments/none")
	l.Expect(resp, body, 404, "There is no deployment")
}

func TestGatesNeedABody(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon))
	put := func(body string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodPut, l.URL+"/api/projects/iris/gates", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", uitest.Password)
		resp, err := l.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(raw)
	}
	resp, body := put("")
	l.ExpectJSON(resp, body, 400, "INVALID_PARAMETER_VALUE", "the body is empty: expected a JSON object such as")
	resp, body = put("{}")
	l.Expect(resp, body, 200)
}

// Fifty projects cost no more questions than one, and little time.
func TestManyProjects(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.AddMany(50)
	l := visit.Start(t, w).AsAdmin()
	l.Get("/")
	w.Lock()
	w.Queries, w.DeploymentCalls = 0, 0
	w.Unlock()
	resp, body := l.Get("/")
	l.Expect(resp, body, 200, "project-03", "And 45 more")
	if first, second := strings.Index(body, "The loop of project-49"), strings.Index(body, "The loop of iris"); first < 0 || first > second {
		t.Errorf("the project whose training has failed is not the first: it is at %d, iris at %d", first, second)
	}
	if strings.Contains(body, "The loop of project-05") {
		t.Error("it draws more than six projects")
	}
	if w.Queries != 4 || w.DeploymentCalls != 1 {
		t.Errorf("it asked the metrics %d times and the servers %d times, want 4 and 1", w.Queries, w.DeploymentCalls)
	}
	took := make([]time.Duration, 40)
	for i := range took {
		begin := time.Now()
		l.Get("/")
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	t.Logf("the overview of 51 projects takes %s, p95 %s", took[20], took[37])
}
