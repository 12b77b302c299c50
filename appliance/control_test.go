package appliance

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
	"github.com/benchtop-lab/benchtop/embedded/registry"
)

// serveControl starts the control unit of an appliance whose other units have
// not started; ingress answers for the deployments.
func serveControl(t *testing.T, ingress http.Handler) (*Appliance, *Control) {
	t.Helper()
	p := Paths{Data: shortDir(t)}
	if err := p.create(); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(ingress)
	t.Cleanup(web.Close)
	a := &Appliance{cfg: DefaultConfig(), paths: p, version: "1.2.3", quit: make(chan struct{}), log: slog.New(slog.DiscardHandler),
		units: supervise.New(io.Discard, slog.LevelInfo), cluster: cluster.New(cluster.Config{}), loop: &loopUnit{}, network: newNetwork(DefaultConfig(), "test"), gpus: testGPUs()}
	a.registry = registry.NewUnit(registry.UnitConfig{Path: filepath.Join(p.Data, "registry.db"), Addr: "127.0.0.1:0"})
	a.loopPort = loopPort{registry: a.registry, cluster: a.cluster, loop: a.loop, domain: "lab.internal",
		ingress: ingressClient{base: web.URL, http: web.Client()}}
	a.control = newControl(a)
	a.units.Announce(a.control, supervise.Options{})
	if err := a.units.Start(t.Context(), "control"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.units.Stop(); err != nil {
			t.Error(err)
		}
	})
	return a, NewControl(p.Data)
}

// shortDir returns a directory whose sockets have paths of legal length.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func expectCode(t *testing.T, err error, code mlops.Code, message string) {
	t.Helper()
	if mlops.CodeOf(err) != code || mlops.MessageOf(err) != message {
		t.Errorf("error is %v (%s)\nexpected %s (%s)", err, mlops.CodeOf(err), message, code)
	}
}

func TestControlWhenNothingRuns(t *testing.T) {
	for name, dir := range map[string]string{"no data dir": filepath.Join(t.TempDir(), "none"), "stopped": newPaths(t).Data} {
		c := NewControl(dir)
		s, err := c.Status(t.Context())
		if err != nil || s.State != StateStopped || s.DataDir != dir {
			t.Errorf("%s: status is %+v, %v", name, s, err)
		}
		b, err := json.Marshal(s)
		if err != nil || !strings.Contains(string(b), `"loop":[]`) || !strings.Contains(string(b), `"warnings":[]`) {
			t.Errorf("%s: status is written as %s (%v)", name, b, err)
		}
		want := "benchtop does not run with data dir " + dir + ": start it with `benchtop up`, or name its --data-dir"
		expectCode(t, c.Stop(t.Context()), mlops.Unavailable, want)
		_, err = c.Train(t.Context(), "iris")
		expectCode(t, err, mlops.Unavailable, want)
		_, err = c.Training(t.Context(), "iris", 1)
		expectCode(t, err, mlops.Unavailable, want)
		_, _, err = c.Predict(t.Context(), "iris", nil)
		expectCode(t, err, mlops.Unavailable, want)
		expectCode(t, c.Logs(t.Context(), LogRequest{Name: "iris", Tail: 1}, io.Discard), mlops.Unavailable, want)
		_, err = c.LoadImages(t.Context(), strings.NewReader("x"), "")
		expectCode(t, err, mlops.Unavailable, want)
	}
}

// A socket that kill -9 left behind refuses; so does one that does not exist yet.
func TestControlWithALeftSocket(t *testing.T) {
	p := Paths{Data: shortDir(t)}
	if err := p.create(); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.Socket()})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if s, err := NewControl(p.Data).Status(t.Context()); err != nil || s.State != StateStopped {
		t.Errorf("status is %+v, %v", s, err)
	}
	// Somebody holds the data dir, but does not answer: that is not "stopped".
	lock, err := AcquireLock(p)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if _, err := NewControl(p.Data).Status(t.Context()); mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("error %v", err)
	}
}

func TestControlWhileStarting(t *testing.T) {
	a, c := serveControl(t, http.NotFoundHandler())
	expectMode(t, a.paths.Socket(), 0o600)
	s, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.State != StateStarting || s.Version != "1.2.3" || s.PID != os.Getpid() || s.DataDir != a.paths.Data || len(s.Units) != 1 || s.Units[0].Name != "control" {
		t.Errorf("status is %+v", s)
	}
	if !strings.HasPrefix(s.UI, "http://") || !strings.HasSuffix(s.UI, ":8080") {
		t.Errorf("the UI is at %s", s.UI)
	}
	_, err = c.Train(t.Context(), "iris")
	expectCode(t, err, mlops.Unavailable, "the loop is still starting: try again in a few seconds")
	_, err = c.Training(t.Context(), "iris", 1)
	expectCode(t, err, mlops.Unavailable, "the registry is still starting: try again in a few seconds")
	expectCode(t, c.Logs(t.Context(), LogRequest{Name: "iris", Tail: 1}, io.Discard), mlops.Unavailable, "Kubernetes is still starting: try again in a few seconds")
	a.control.setServed()
	if s, err := c.Status(t.Context()); err != nil || s.State != StateReady {
		t.Errorf("with every unit ready the state is %s, %v", s.State, err)
	}
}

func TestStateFollowsTheUnits(t *testing.T) {
	a, c := serveControl(t, http.NotFoundHandler())
	a.control.setServed()
	a.units.Announce(failing{}, supervise.Options{})
	if s, err := c.Status(t.Context()); err != nil || s.State != StateStarting {
		t.Errorf("with a unit that waits the state is %s, %v", s.State, err)
	}
	if err := a.units.Start(t.Context(), "minio"); err == nil {
		t.Error("a unit that fails was started")
	}
	s, err := c.Status(t.Context())
	if err != nil || s.State != StateDegraded || len(s.Warnings) == 0 || s.Warnings[0] != "minio failed: the disk is full" {
		t.Errorf("with a failed unit the status is %+v, %v", s, err)
	}
}

type failing struct{}

func (failing) Name() string { return "minio" }

func (failing) Run(context.Context, *supervise.Handle) error { return errors.New("the disk is full") }

func TestControlStop(t *testing.T) {
	a, c := serveControl(t, http.NotFoundHandler())
	lock, err := AcquireLock(a.paths)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-a.quit
		time.Sleep(100 * time.Millisecond)
		_ = lock.Release()
	}()
	begin := time.Now()
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if time.Since(begin) < 100*time.Millisecond {
		t.Error("Stop did not wait for the data dir")
	}
	// Asking twice is harmless; one that does not end is named.
	if lock, err = AcquireLock(a.paths); err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = c.Stop(ctx)
	if mlops.CodeOf(err) != mlops.Unavailable || !strings.HasSuffix(mlops.MessageOf(err), "has been asked to stop but still runs: see `benchtop logs`, or end it with kill") {
		t.Errorf("error %v", err)
	}
}

// addProject starts the registry of serveControl with a project named iris.
func addProject(t *testing.T, a *Appliance) {
	t.Helper()
	a.units.Announce(a.registry, supervise.Options{})
	if err := a.units.Start(t.Context(), "registry"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.registry.Store().Projects.PutProject(t.Context(), mlops.Project{Name: "iris", Dataset: "iris", Schedule: "*/30 * * * *"}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.registry.Store().Deployments.EnsureDeployment(t.Context(), mlops.Deployment{Name: "iris", Project: "iris", Model: "iris"}); err != nil {
		t.Fatal(err)
	}
}

func TestControlPredict(t *testing.T) {
	a, c := serveControl(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("the deployment is asked by %s with %s", r.Method, r.Header)
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.URL.Path+" "+string(body))
	}))
	addProject(t, a)
	status, answer, err := c.Predict(t.Context(), "iris", []byte(`{"instances": []}`))
	if err != nil || status != http.StatusTeapot || string(answer) != `/models/iris/predict {"instances": []}` {
		t.Errorf("answered %d %s, %v", status, answer, err)
	}
	_, _, err = c.Predict(t.Context(), "../evil", nil)
	expectCode(t, err, mlops.NotFound, "deployment ../evil does not exist: expected one of iris")
}

func TestControlPredictWithoutIngress(t *testing.T) {
	a, c := serveControl(t, http.NotFoundHandler())
	addProject(t, a)
	a.loopPort.ingress.base = "http://127.0.0.1:1"
	_, _, err := c.Predict(t.Context(), "iris", nil)
	expectCode(t, err, mlops.Unavailable, "deployment iris does not answer: see its page, or `benchtop doctor`")
}

func TestControlUnexpectedAnswers(t *testing.T) {
	p := Paths{Data: shortDir(t)}
	if err := p.create(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", p.Socket())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/train") {
			http.Error(w, "boom", http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "not json")
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	c := NewControl(p.Data)
	if _, err := c.Train(t.Context(), "iris"); err == nil || err.Error() != "the appliance answered 500 Internal Server Error: boom" {
		t.Errorf("error %v", err)
	}
	if _, err := c.Status(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "decode answer of the appliance: ") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Training(ctx, "iris", 1); !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "ask the appliance: ") {
		t.Errorf("error %v", err)
	}
}

func TestDescribeDeployment(t *testing.T) {
	answers := map[string]struct {
		status int
		body   string
	}{
		"/models/ready/": {200, `{"ready": true, "model": {"name": "iris", "version": "7", "run_id": "abc", "features": ["a"], "classes": ["x", "y"], "created_at": "2026-01-02T03:04:05Z"}}`},
		"/models/empty/": {200, `{"ready": false, "model": null}`},
		"/models/other/": {502, `Bad Gateway`},
		"/models/error/": {500, `{"ready": true}`},
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := answers[r.URL.Path]
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	defer web.Close()
	c := ingressClient{base: web.URL, http: web.Client()}
	d := mlops.Deployment{Name: "ready", Model: "ready"}
	if err := c.describe(t.Context(), &d); err != nil || d.Model != "iris" || d.Version != "7" || d.RunID != "abc" || len(d.Classes) != 2 || d.LoadedAt.Year() != 2026 || d.Message != "" {
		t.Errorf("it is %+v, %v", d, err)
	}
	d = mlops.Deployment{Name: "empty", Model: "empty"}
	if err := c.describe(t.Context(), &d); err != nil || d.Model != "empty" || d.Version != "" || d.Message != "no model has been loaded yet" {
		t.Errorf("it is %+v, %v", d, err)
	}
	d = mlops.Deployment{Name: "empty", Message: "ErrImageNeverPull"}
	if err := c.describe(t.Context(), &d); err != nil || d.Message != "ErrImageNeverPull" {
		t.Errorf("what the cluster says is lost: %+v, %v", d, err)
	}
	for name, status := range map[string]string{"other": "502", "error": "500"} {
		if err := c.describe(t.Context(), &mlops.Deployment{Name: name}); err == nil || err.Error() != "it answered with status "+status {
			t.Errorf("error %v", err)
		}
	}
}
