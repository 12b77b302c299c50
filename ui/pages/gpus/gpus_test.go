package gpus_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func start(t *testing.T) *visit.Lab {
	t.Helper()
	return visit.Start(t, uitest.WithGPUs(visit.AtNoon)).AsAdmin()
}

// That nothing is computed is said at the head, on each GPU and elsewhere.
func TestSimulatedIsSaid(t *testing.T) {
	l := start(t)
	_, body := l.Get("/gpus")
	if n := strings.Count(body, `<span class="tag">simulated</span>`); n != 2 {
		t.Errorf("%d of 2 GPUs say that they are simulated", n)
	}
	l.ExpectText(body, "These GPUs are simulated: nothing is computed on them.")
	_, overview := l.Get("/")
	l.ExpectText(overview, "<strong>2 GPUs</strong>", "3 of 7 given to pods, 1 pod waits", "1 unhealthy", `<span class="tag">simulated</span>`)
	_, system := l.Get("/system")
	l.ExpectText(system, "NVIDIA driver", "550.54.15, simulated", "CUDA, at most", "12.4")
	l.World.Change(func() { l.World.GPUs.Simulated = false })
	resp, body := l.Get("/gpus")
	l.Refuse(resp, body, ">simulated<", "nothing is computed", "/gpus/faults")
	_, system = l.Get("/system")
	l.ExpectText(system, "<dd>550.54.15</dd>")
	resp, none := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin().Get("/")
	l.Refuse(resp, none, "gpu-line")
}

func TestGPUsWithoutMetrics(t *testing.T) {
	l := start(t)
	l.World.Lock()
	l.World.Down["metrics"] = errors.New("dial tcp: secret")
	l.World.Unlock()
	resp, body := l.Get("/gpus")
	l.Expect(resp, body, 200, "Cannot show the usage.", "NVIDIA A100-SXM4-80GB")
	l.Refuse(resp, body, "secret")
}

// However many GPUs there are, a chart is one question.
func TestUsageIsAskedOncePerChart(t *testing.T) {
	l := start(t)
	l.World.Lock()
	before := l.World.Queries
	l.World.Unlock()
	_, body := l.Get("/gpus")
	l.World.Lock()
	defer l.World.Unlock()
	if n := l.World.Queries - before; n != 4 {
		t.Errorf("%d questions for 4 charts", n)
	}
	l.ExpectText(body, "Utilisation: now 30 % on average", "Power in watts: now 293 W in all")
}

func TestSharing(t *testing.T) {
	l := start(t)
	_, body := l.Get("/gpus?plan=1&replicas=2")
	l.ExpectText(body, "What would change if 2 pods take turns", "3 pods hold a GPU that has to be free before its parts can change.", `id="delete-pods" name="delete_pods" value="true" required`, "Delete them and share so")
	resp, body := l.Post("/gpus", "/gpus/share", url.Values{"replicas": {"2"}})
	l.Expect(resp, body, 400, `role="alert"`, "3 pods hold a GPU that has to be free before its parts can change.", "What would change if 2 pods take turns")
	resp, body = l.Follow("/gpus", "/gpus/share", url.Values{"replicas": {"2"}, "delete_pods": {"true"}})
	l.Expect(resp, body, 200, "Done: 2 pods take turns.", "2 pods on each GPU")
	// What was done is said while it is so.
	_, body = l.Get("/gpus?done=shared&replicas=3")
	l.Refuse(resp, body, "Done:")
	_, body = l.Get("/gpus?plan=1&mig=7x1g.10gb")
	l.ExpectText(body, "if each GPU is cut into 7 × 1g.10gb", ">Share so<")
	l.Refuse(resp, body, "delete-pods")
	_, body = l.Follow("/gpus", "/gpus/share", url.Values{"mig": {"7x1g.10gb"}})
	l.ExpectText(body, "Done: each GPU is cut into 7 × 1g.10gb.", "yes, strategy mixed", `value="7x1g.10gb"`)
	_, body = l.Follow("/gpus", "/gpus/share", nil)
	l.ExpectText(body, "Done: each GPU is one pod", "no: each is one pod")
	// What can't be done has no button.
	_, body = l.Get("/gpus?plan=1&mig=1g.5gb")
	l.ExpectText(body, "GPU 1 has no MIG profile 1g.5gb.")
	l.Refuse(resp, body, ">Share so<", "Delete them")
	_, body = l.Get("/gpus?plan=1&replicas=500")
	l.ExpectText(body, "500 pods in turn are too many: expected 1 to 100.")
	resp, body = l.Post("/gpus", "/gpus/share", url.Values{"mig": {"half"}})
	l.Expect(resp, body, 400, "is not a MIG profile: expected one such as 1g.10gb or 3g.40gb.", `value="half"`)
}

func TestRecover(t *testing.T) {
	l := start(t)
	_, body := l.Get("/gpus")
	l.ExpectText(body, `action="/gpus/1/recover"`, "The GPU has fallen off the bus (XID 79)", "No pod gets it until it has recovered.")
	resp, body := l.Follow("/gpus", "/gpus/1/recover", nil)
	l.Refuse(resp, body, "has fallen off", "/gpus/1/recover", "Pods that wait for a GPU")
	resp, body = l.Post("/gpus", "/gpus/7/recover", nil)
	l.Expect(resp, body, 404, "There is no GPU 7: expected one of 0, 1.")
	resp, body = l.Post("/gpus", "/gpus/x/recover", nil)
	l.Expect(resp, body, 404, "expected the index of one, from 0.")
}

func TestFaults(t *testing.T) {
	l := start(t)
	_, body := l.Follow("/gpus", "/gpus/faults", url.Values{"gpu": {"0"}, "kind": {"hot"}, "xid": {"79"}})
	l.ExpectText(body, "It was made to fail: hot.", "GPU 0: it gets too hot")
	resp, body := l.Post("/gpus", "/gpus/0/recover", nil)
	l.Expect(resp, body, 400, "GPU 0 is still too hot: end that first.")
	_, body = l.Follow("/gpus", "/gpus/faults", url.Values{"gpu": {"0"}, "kind": {"none"}})
	l.Refuse(resp, body, "It was made to fail")
	_, body = l.Follow("/gpus", "/gpus/faults", url.Values{"gpu": {"1"}, "kind": {"no-uvm"}})
	l.ExpectText(body, "All GPUs: the module nvidia-uvm is not loaded")
	resp, body = l.Post("/gpus", "/gpus/faults", url.Values{"gpu": {"1"}, "kind": {"xid"}, "xid": {"many"}})
	l.Expect(resp, body, 400, "expected a number from 1 to 999, for example xid=79", `value="many"`, `<option value="1" selected>GPU 1</option>`, `<option value="xid" selected>`)
	resp, body = l.Post("/gpus", "/gpus/faults", url.Values{"gpu": {"first"}, "kind": {"hot"}})
	l.Expect(resp, body, 400, "expected the index of one, from 0.")
	l.World.Change(func() { l.World.GPUs.Simulated = false })
	resp, body = l.Post("/gpus", "/gpus/faults", url.Values{"gpu": {"1"}, "kind": {"hot"}})
	l.Expect(resp, body, 400, "These GPUs are real: only simulated ones can be made to fail")
}

// Readers look, and change nothing.
func TestReadersLook(t *testing.T) {
	l := visit.Start(t, uitest.WithGPUs(visit.AtNoon)).SignIn("guest", "guest")
	resp, body := l.Get("/gpus?plan=1&replicas=2")
	l.Expect(resp, body, 200, "NVIDIA A100-SXM4-80GB", "4 pods on each GPU", "GPU 1: XID 79")
	l.Refuse(resp, body, "/gpus/1/recover", "/gpus/share", "/gpus/faults", "gpu-form", "What would change")
	for _, path := range []string{"/gpus/share", "/gpus/1/recover", "/gpus/faults"} {
		resp, body = l.Post("/gpus", path, nil)
		l.Expect(resp, body, 403)
	}
}

// When GPUs come or go, an open page is another one.
func TestGPUsComeWhileThePageIsOpen(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	next := l.Stream("/live/gpus")
	l.Await(next, "view", "none")
	l.World.Change(func() { l.World.GPUs = uitest.WithGPUs(visit.AtNoon).GPUs })
	l.Await(next, "view", "gpus")
	l.World.Change(func() { l.World.GPUs.GPUs[0].Temperature = 91 })
	l.Await(next, "cards", "91 °C")
}

func TestCalls(t *testing.T) {
	l := start(t)
	do := func(method, path, body string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, l.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", uitest.Password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(raw)
	}
	gpus := func(resp *http.Response, body string) (g mlops.GPUs) {
		t.Helper()
		l.Expect(resp, body, 200)
		if err := json.Unmarshal([]byte(body), &g); err != nil {
			t.Fatal(err)
		}
		return g
	}
	if g := gpus(do("GET", "/api/gpus", "")); !g.Simulated || len(g.GPUs) != 2 || g.GPUs[0].Partitions[0].Profile != "3g.40gb" {
		t.Errorf("answered %+v", g)
	}
	resp, body := do("POST", "/api/gpus/plan", `{"mig": ["2x3g.40gb"]}`)
	l.Expect(resp, body, 200, `"blocked": "3 pods hold a GPU`, `"name": "nvidia.com/mig-3g.40gb"`)
	for _, c := range []struct{ path, body, text string }{
		{"/api/gpus/share", ``, "the body is empty: expected "},
		{"/api/gpus/share", `{"replica": 2}`, `unknown field "replica"`},
		{"/api/gpus/share", `{"replicas": -2}`, "replicas is -2: expected how many pods take turns on each GPU, 1 for none"},
		{"/api/gpus/plan", `{"mig": ["half"]}`, `"half" is not a MIG profile`},
		{"/api/gpus/faults", `{"kind": "hot"}`, "which GPU? Expected its index"},
		{"/api/gpus/faults", `{"gpu": 0, "kind": "xid"}`, "names no XID"},
	} {
		resp, body := do("POST", c.path, c.body)
		l.ExpectJSON(resp, body, 400, "INVALID_PARAMETER_VALUE", c.text)
	}
	resp, body = do("POST", "/api/gpus/share", `{"replicas": 2}`)
	l.ExpectJSON(resp, body, 400, "INVALID_STATE", "3 pods hold a GPU")
	if g := gpus(do("POST", "/api/gpus/share", `{"replicas": 2, "deletePods": true}`)); g.Sharing.Replicas != 2 {
		t.Errorf("shared as %+v", g.Sharing)
	}
	if g := gpus(do("POST", "/api/gpus/1/recover", "")); !g.GPUs[1].Healthy {
		t.Errorf("recovered to %+v", g.GPUs[1])
	}
	if g := gpus(do("POST", "/api/gpus/faults", `{"gpu": 0, "kind": "xid", "xid": 48}`)); g.GPUs[0].XID != 48 {
		t.Errorf("made to fail as %+v", g.GPUs[0])
	}
	resp, body = do("POST", "/api/gpus/9/recover", "")
	l.ExpectJSON(resp, body, 404, "RESOURCE_DOES_NOT_EXIST", "there is no GPU 9")
	resp, _ = do("GET", "/api/gpus/share", "")
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
		t.Errorf("%s, allowed %q", resp.Status, resp.Header.Get("Allow"))
	}
	l.World.Change(func() { l.World.GPUs = nil })
	resp, body = do("GET", "/api/gpus", "")
	l.ExpectJSON(resp, body, 404, "RESOURCE_DOES_NOT_EXIST", "this machine has no NVIDIA GPU on its PCI bus")
}

// hangs is a port whose driver does not answer.
type gpuPort = ports.GPUs

type hangs struct{ gpuPort }

func (hangs) GPUs(ctx context.Context) (mlops.GPUs, error) {
	<-ctx.Done()
	return mlops.GPUs{}, ctx.Err()
}

// A driver that hangs holds up no other page.
func TestDriverHangs(t *testing.T) {
	l := visit.Start(t, uitest.WithGPUs(visit.AtNoon), func(c *ui.Config) {
		c.GPUs = func() (ports.GPUs, error) { return hangs{}, nil }
	}).AsAdmin()
	for _, path := range []string{"/", "/system"} {
		begun := time.Now()
		resp, body := l.Get(path)
		l.Expect(resp, body, 200)
		l.Refuse(resp, body, "gpu-line", "NVIDIA driver")
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("%s took %s", path, took)
		}
	}
}
