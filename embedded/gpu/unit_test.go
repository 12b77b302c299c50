package gpu

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/gpu/simulated"
)

// agentAt answers at the socket of a folder with what handle says.
func agentAt(t *testing.T, dir string, handle http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handle, ReadHeaderTimeout: time.Second}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
}

// golden is what the agent answers: its own tests write the file.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../assets/images/gpu/agent/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheAgentsAnswersAreUnderstood(t *testing.T) {
	for name, check := range map[string]func(g mlops.GPUs) bool{
		"gpus.json": func(g mlops.GPUs) bool {
			return g.GPUs[0].Product == "NVIDIA A100-SXM4-80GB" && g.GPUs[0].Holders[0].Pod == "train-0" && g.GPUs[0].Profiles[0] == mlops.GPUProfile{Name: "1g.10gb", Count: 7}
		},
		"gpus-mig.json": func(g mlops.GPUs) bool { return g.GPUs[0].MIG == "Enabled" && len(g.GPUs[0].Partitions) > 0 },
	} {
		dec := json.NewDecoder(strings.NewReader(string(golden(t, name))))
		dec.DisallowUnknownFields()
		var s mlops.GPUState
		if err := dec.Decode(&s); err != nil || s.Generation == 0 || !s.Plugin.Running || !s.GPUs.Simulated || s.GPUs.Labels["nvidia.com/gpu.product"] == "" || len(s.GPUs.Resources) == 0 || !check(s.GPUs) {
			t.Errorf("%s: %+v (%v)", name, s, err)
		}
	}
}

func TestCallsOfTheAgent(t *testing.T) {
	dir := t.TempDir()
	status, answer := http.StatusOK, string(golden(t, "gpus.json"))
	var asked []string
	agentAt(t, dir, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+string(body)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	})
	a := NewAgent(filepath.Join(dir, socketName))
	ctx := t.Context()
	calls := []func() (mlops.GPUState, error){
		func() (mlops.GPUState, error) { return a.Now(ctx) },
		func() (mlops.GPUState, error) { return a.Next(ctx, 7, time.Minute) },
		func() (mlops.GPUState, error) { return a.Configure(ctx, []byte("version: v1")) },
		func() (mlops.GPUState, error) { return a.Partition(ctx, []byte("[]")) },
		func() (mlops.GPUState, error) { return a.Recover(ctx, "GPU-1") },
	}
	for _, call := range calls {
		if s, err := call(); err != nil || s.Generation == 0 {
			t.Errorf("%+v (%v)", s, err)
		}
	}
	want := "GET /v1/gpus\nGET /v1/gpus?since=7&wait=1m0s\nPUT /v1/config version: v1\nPUT /v1/mig []\nPOST /v1/gpus/GPU-1/recover"
	if got := strings.Join(asked, "\n"); got != want {
		t.Errorf("it asked\n%s", got)
	}
	for code, want := range map[int]mlops.Code{409: mlops.InvalidState, 404: mlops.NotFound, 400: mlops.Invalid, 422: mlops.Invalid, 500: mlops.Internal} {
		status, answer = code, `{"error": "pod iris/train holds GPU 0"}`
		if _, err := a.Now(ctx); mlops.CodeOf(err) != want || !strings.Contains(err.Error(), "pod iris/train holds GPU 0") {
			t.Errorf("%d gives %v", code, err)
		}
	}
	status, answer = 500, "no JSON"
	if _, err := a.Now(ctx); err == nil || !strings.Contains(err.Error(), "the GPU agent answers with status 500: no JSON") {
		t.Errorf("error is %v", err)
	}
	status, answer = 200, "no JSON"
	if _, err := a.Now(ctx); err == nil || !strings.Contains(err.Error(), "read the GPU agent's answer") {
		t.Errorf("error is %v", err)
	}
	if _, err := NewAgent(filepath.Join(t.TempDir(), socketName)).Now(ctx); mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("without an agent: %v", err)
	}
}

func simulating(t *testing.T, spec string, use func(context.Context) (map[PodName]PodUse, error)) *Unit {
	t.Helper()
	s, err := simulated.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	u := NewUnit(Config{Dir: t.TempDir(), Simulate: s, Use: use})
	if err := u.prepare(); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSimulatedGPUsAreAsBusyAsTheirPods(t *testing.T) {
	asked := 0
	use := map[PodName]PodUse{{"team", "train-0"}: {Cores: 0.5, Memory: 300 << 20}}
	u := simulating(t, "2xA100-80GB", func(context.Context) (map[PodName]PodUse, error) { asked++; return use, nil })
	answer := golden(t, "gpus.json")
	agentAt(t, u.Dir(), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
	if err := u.follow(t.Context()); err != nil || asked != 1 {
		t.Fatalf("asked %d times (%v)", asked, err)
	}
	// Nobody holds one: nobody is asked.
	answer = []byte(`{"generation": 1, "gpus": {"gpus": [{"index": 0}, {"index": 1}]}}`)
	if err := u.follow(t.Context()); err != nil || asked != 1 {
		t.Errorf("asked %d times (%v)", asked, err)
	}
	u.cfg.Use = func(context.Context) (map[PodName]PodUse, error) { return nil, errors.New("no luck") }
	answer = golden(t, "gpus.json")
	if err := u.follow(t.Context()); err == nil || err.Error() != "no luck" {
		t.Errorf("error is %v", err)
	}
}

func TestUnitOfSimulatedGPUs(t *testing.T) {
	u := simulating(t, "1xT4", nil)
	if u.Name() != "gpu" || !u.Simulated() || u.DriverRoot() != filepath.Join(u.Dir(), "driver") || u.Describe() != "simulated 1xT4" {
		t.Errorf("unit is %+v", u)
	}
	if err := u.Inject(mlops.GPUFault{Kind: "xid", XID: 79}); err != nil {
		t.Fatal(err)
	}
	if f := u.Faults(); len(f) != 1 || f[0].XID != 79 || f[0].Since.IsZero() {
		t.Errorf("faults are %+v", f)
	}
	if err := u.Inject(mlops.GPUFault{Kind: "none"}); err != nil || len(u.Faults()) != 0 {
		t.Errorf("faults stay: %+v (%v)", u.Faults(), err)
	}
	for _, f := range []mlops.GPUFault{{Kind: "fire"}, {Kind: "xid"}, {GPU: 1, Kind: "hot"}} {
		if err := u.Inject(f); mlops.CodeOf(err) != mlops.Invalid {
			t.Errorf("%+v: %v", f, err)
		}
	}
	// It runs as a unit, and ends.
	group := supervise.New(io.Discard, slog.LevelError)
	group.Announce(u, supervise.Options{StopTimeout: time.Second})
	if err := group.Start(t.Context(), "gpu"); err != nil {
		t.Fatal(err)
	}
	if err := group.Stop(); err != nil {
		t.Error(err)
	}
	real := NewUnit(Config{Dir: t.TempDir(), Driver: Driver{Root: "/", Folder: "/usr/lib64", Version: "550.54.15"}})
	if err := real.Inject(mlops.GPUFault{Kind: "hot"}); mlops.CodeOf(err) != mlops.InvalidState {
		t.Errorf("a real one: %v", err)
	}
	if real.DriverRoot() != "/" || real.Simulated() || real.Faults() != nil || real.Describe() != "NVIDIA driver 550.54.15" {
		t.Errorf("a real one is %+v", real)
	}
}

// privately runs do in a mount namespace of its own: what is mounted there the
// machine does not see. The thread ends with it.
func privately(t *testing.T, do func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks: nobody else may get this thread
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("make a mount namespace (these tests run as root): %v", err)
	}
}

func TestDriversElsewhereAreShownWhereProgramsLook(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	for _, f := range []string{"lib/libnvidia-ml.so.1", "bin/nvidia-smi"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	privately(t, func() {
		u := NewUnit(Config{Dir: dir, Driver: Driver{Root: root, Folder: filepath.Join(root, "lib")}})
		for range 2 { // another start mounts them once
			if err := u.prepare(); err != nil {
				t.Error(err)
				return
			}
		}
		for _, f := range []string{"usr/lib64/libnvidia-ml.so.1", "usr/bin/nvidia-smi"} {
			if _, err := os.Stat(filepath.Join(u.DriverRoot(), f)); err != nil {
				t.Error(err)
			}
			if err := os.Remove(filepath.Join(u.DriverRoot(), f)); !errors.Is(err, unix.EROFS) {
				t.Errorf("the driver's %s could be removed: %v", f, err)
			}
		}
		if err := Release(dir); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(filepath.Join(root, "lib/libnvidia-ml.so.1")); err != nil {
		t.Error("the driver went with the folder:", err)
	}
	if err := Release(dir); err != nil {
		t.Error("nothing is mounted:", err)
	}
}
