package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/gpu"
	"github.com/benchtop-lab/benchtop/embedded/gpu/simulated"
)

// commandEnv makes the test's binary be the command.
const commandEnv = "GPUCHECK_COMMAND"

// TestMain lets the test's binary be the command, and what that starts with
// mounts of its own.
func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) != "" || os.Getenv(commandEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// bundle makes the image and runc, or takes them from the cache.
func bundle(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bundle")
	cmd := exec.CommandContext(t.Context(), "go", "run", "./scripts/bundle", "build", "-only", "gpu,runc", "-o", dir)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

var tableRow = regexp.MustCompile(`(?m)^(pass|FAIL|skip)  (\S.*?)  +(.*)$`)

func TestSimulatedGPUsPass(t *testing.T) {
	before, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var stdout, stderr bytes.Buffer
	code, err := outside(t.Context(), options{Bundle: bundle(t), Simulate: "1xA100-80GB,1xRTX-3090", Python: "python3"}, &stdout, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]string{}
	for _, m := range tableRow.FindAllStringSubmatch(stdout.String(), -1) {
		verdicts[m[2]] = m[1]
	}
	want := []string{"driver", "device plugin", "UUIDs", "agent", "agent's GPU 0", "agent's GPU 1", "labels", "CDI spec",
		"temperature of GPU 0", "power of GPU 0", "memory of GPU 0", "temperature of GPU 1", "power of GPU 1", "memory of GPU 1",
		"small container with device 0", "container of the machine's files with device 0", "metrics with device 0",
		"small container with device 1", "container of the machine's files with device 1", "metrics with device 1",
		"small container without a device", "small container with the driver but without a device",
		"container of the machine's files with the driver but without a device", "at the end"}
	for _, what := range want {
		if verdicts[what] != "pass" {
			t.Errorf("%s: %q, expected pass", what, verdicts[what])
		}
	}
	if verdicts["computing"] != "skip" || !strings.Contains(stdout.String(), "nothing computes on them") {
		t.Errorf("computing: %q, expected to be skipped with the reason", verdicts["computing"])
	}
	if code != 0 || t.Failed() {
		t.Errorf("code %d\n%s\n%s", code, stdout.String(), stderr.String())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v in its folder (%v)", left, err)
	}
	if after, err := os.ReadFile("/proc/self/mountinfo"); err != nil || string(after) != string(before) {
		t.Errorf("it leaves other mounts (%v):\n%s", err, after)
	}
	if left, err := filepath.Glob("/sys/fs/cgroup/*/gpucheck*"); err != nil || len(left) > 0 {
		t.Errorf("it leaves cgroups: %v (%v)", left, err)
	}
}

// TestNoDriverFails looks for a driver where there is none.
func TestNoDriverFails(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code, err := outside(t.Context(), options{Bundle: bundle(t), DriverRoot: t.TempDir()}, &stdout, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	if code != 1 || !strings.Contains(stdout.String(), "holds no libnvidia-ml.so.1") || !strings.Contains(stdout.String(), "0 passed, 1 failed") {
		t.Errorf("code %d\n%s\n%s", code, stdout.String(), stderr.String())
	}
}

// TestWithoutTheRightToMount runs it as in a container that is not privileged.
func TestWithoutTheRightToMount(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "setpriv", "--bounding-set=-sys_admin", self, "-simulate", "1xT4")
	cmd.Env = append(os.Environ(), commandEnv+"=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "it lacks CAP_SYS_ADMIN: run it on the machine itself or in a privileged container") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestFindsDifferences(t *testing.T) {
	spec, err := simulated.Parse("2xA100-80GB")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{opts: options{Dir: t.TempDir()}, unit: gpu.NewUnit(gpu.Config{Dir: t.TempDir(), Simulate: spec})}
	cards := []card{{uuid: "GPU-a", name: "NVIDIA A100", memory: 81920}, {uuid: "GPU-b", name: "NVIDIA A100", memory: 81920}}
	state := func(change func(*mlops.GPUs)) mlops.GPUs {
		g := mlops.GPUs{Simulated: true, GPUs: []mlops.GPU{
			{UUID: "GPU-a", Product: "NVIDIA A100", MemoryMiB: 81920, Healthy: true}, {Index: 1, UUID: "GPU-b", Product: "NVIDIA A100", MemoryMiB: 81920, Healthy: true}}}
		change(&g)
		return g
	}
	labels := func(change func(map[string]string)) map[string]string {
		m := map[string]string{"nvidia.com/gpu.product": "NVIDIA-A100", "nvidia.com/gpu.memory": "81920", "nvidia.com/gpu.count": "2", "benchtop.dev/gpu-simulated": "true"}
		change(m)
		return m
	}
	for what, c := range map[string]struct {
		check func(*table)
		fails []string
	}{
		"same":   {func(t *table) { l.checkState(t, state(func(*mlops.GPUs) {}), cards) }, nil},
		"memory": {func(t *table) { l.checkState(t, state(func(g *mlops.GPUs) { g.GPUs[1].MemoryMiB-- }), cards) }, []string{"agent's GPU 1"}},
		"product": {func(t *table) {
			l.checkState(t, state(func(g *mlops.GPUs) { g.GPUs[0].Product = "NVIDIA H100" }), cards)
		}, []string{"agent's GPU 0"}},
		"unhealthy":   {func(t *table) { l.checkState(t, state(func(g *mlops.GPUs) { g.GPUs[0].Healthy = false }), cards) }, []string{"agent's GPU 0"}},
		"one too few": {func(t *table) { l.checkState(t, state(func(g *mlops.GPUs) { g.GPUs = g.GPUs[:1] }), cards) }, []string{"agent", "agent's GPU GPU-b"}},
		"not marked":  {func(t *table) { l.checkState(t, state(func(g *mlops.GPUs) { g.Simulated = false }), cards) }, []string{"agent"}},
		"same labels": {func(t *table) { l.checkLabels(t, labels(func(map[string]string) {}), cards) }, nil},
		"product's label": {func(t *table) {
			l.checkLabels(t, labels(func(m map[string]string) { m["nvidia.com/gpu.product"] = "T4" }), cards)
		}, []string{"labels"}},
		"memory's label": {func(t *table) {
			l.checkLabels(t, labels(func(m map[string]string) { m["nvidia.com/gpu.memory"] = "80" }), cards)
		}, []string{"labels"}},
		"count's label": {func(t *table) {
			l.checkLabels(t, labels(func(m map[string]string) { m["nvidia.com/gpu.count"] = "1" }), cards)
		}, []string{"labels"}},
		"real by label": {func(t *table) {
			l.checkLabels(t, labels(func(m map[string]string) { delete(m, "benchtop.dev/gpu-simulated") }), cards)
		}, []string{"labels"}},
	} {
		var tab table
		c.check(&tab)
		var fails []string
		for _, r := range tab.rows {
			if r.verdict == "FAIL" {
				fails = append(fails, r.what)
			}
		}
		if !slices.Equal(fails, c.fails) {
			t.Errorf("%s: fails %q, expected %q", what, fails, c.fails)
		}
		var out strings.Builder
		if code := tab.print(&out); (code == 1) != (c.fails != nil) {
			t.Errorf("%s: code %d\n%s", what, code, out.String())
		}
	}
}

func TestCDIPathsThatAreMissing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "cdi"), 0o755); err != nil {
		t.Fatal(err)
	}
	spec := `{"cdiVersion":"0.5.0","kind":"example.com/gpu","devices":[{"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/null"},{"path":"/dev/x","hostPath":"/dev/missing-node"}]}}],
"containerEdits":{"mounts":[{"hostPath":"/missing-file","containerPath":"/file"}],"hooks":[{"hookName":"createContainer","path":"/missing-hook"}]}}`
	if err := os.WriteFile(filepath.Join(dir, "cdi", "example.json"), []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	var tab table
	if err := (&lab{opts: options{Dir: dir}}).checkPaths(&tab); err != nil {
		t.Fatal(err)
	}
	if len(tab.rows) != 1 || tab.rows[0].verdict != "FAIL" || !strings.HasPrefix(tab.rows[0].found, "4 paths") {
		t.Fatalf("%+v", tab.rows)
	}
	for _, missing := range []string{"/dev/missing-node", "/missing-file", "/missing-hook"} {
		if !strings.Contains(tab.rows[0].found, missing) {
			t.Errorf("%s is not named: %s", missing, tab.rows[0].found)
		}
	}
}

func TestImageThatIsNone(t *testing.T) {
	for what, c := range map[string]struct {
		o    options
		want string
	}{
		"no bundle": {options{Bundle: "/does/not/exist"}, "name a folder that `go run ./scripts/bundle build` made"},
		"no image":  {options{Image: "/does/not/exist", Runc: "/bin/true"}, "open the image"},
		"no tar":    {options{Image: "/proc/self/exe", Runc: "/bin/true"}, "read the image"},
	} {
		if _, err := fetch(c.o, t.TempDir(), t.TempDir()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", what, err, c.want)
		}
	}
}
