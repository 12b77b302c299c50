package appliance

import (
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
)

// testGPUs are those of a machine that has none.
func testGPUs() *gpus {
	return &gpus{none: mlops.Errorf(mlops.NotFound, "this machine has no NVIDIA GPU"), cluster: cluster.New(cluster.Config{})}
}

func newTestGPUs(t *testing.T, change func(*Config)) *gpus {
	t.Helper()
	c := DefaultConfig()
	change(&c)
	g, err := newGPUs(c, Paths{Data: t.TempDir()}, "test", func() *cluster.Cluster { return nil })
	if err != nil {
		t.Fatal(err)
	}
	g.cluster = cluster.New(cluster.Config{})
	return g
}

func TestWithoutGPUsNothingIsMade(t *testing.T) {
	g := newTestGPUs(t, func(c *Config) { c.GPUDriverRoot = "off" })
	if g.any() || g.clusterConfig() != nil || g.String() != "the lab leaves this machine's GPUs alone: gpu.driver_root is off" {
		t.Errorf("it made %+v", g)
	}
	if g.waiting() != nil {
		t.Error("the metrics count pods that wait for GPUs")
	}
	for name, call := range map[string]func() error{
		"show":    func() error { _, err := g.GPUs(t.Context()); return err },
		"plan":    func() error { _, err := g.PlanShare(t.Context(), mlops.GPUShare{}); return err },
		"share":   func() error { _, err := g.Share(t.Context(), mlops.GPUShare{}); return err },
		"recover": func() error { _, err := g.Recover(t.Context(), 0); return err },
		"inject":  func() error { _, err := g.Inject(t.Context(), mlops.GPUFault{}); return err },
	} {
		if err := call(); mlops.CodeOf(err) != mlops.NotFound || !strings.Contains(err.Error(), "gpu.driver_root is off") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestSimulatedGPUsBeforeTheAgent(t *testing.T) {
	g := newTestGPUs(t, func(c *Config) { c.GPUSimulate = "1xA100-80GB,2xT4" })
	if !g.any() || g.String() != "simulated 1xA100-80GB,2xT4" {
		t.Fatalf("it made %v", g)
	}
	if k := g.clusterConfig(); !k.Simulated || !strings.HasSuffix(k.DriverRoot, "/gpu/driver") {
		t.Errorf("the cluster is told %+v", k)
	}
	if n, err := g.waiting()(); n != 0 || mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("before the cluster serves, %d pods wait (%v)", n, err)
	}
	if _, err := g.GPUs(t.Context()); mlops.CodeOf(err) != mlops.Unavailable || !strings.Contains(err.Error(), "the GPU agent does not answer yet") {
		t.Errorf("error is %v", err)
	}
}

func TestDoctorOfGPUs(t *testing.T) {
	a, _ := serveControl(t, nil)
	cfg := DefaultConfig()
	cfg.DataDir = a.paths.Data
	a.cfg.GPUSimulate = "2xA100-80GB"
	found, err := DiagnoseGPUs(t.Context(), cfg)
	if err != nil || len(found) != 2 || found[0].Level != doctor.OK || !strings.Contains(found[0].Detail, "the lab simulates GPUs (2xA100-80GB)") || found[1].Check != "gpu lab" {
		t.Errorf("a lab that starts: %+v (%v)", found, err)
	}
	cfg.DataDir, cfg.GPUDriverRoot = t.TempDir(), "off"
	if found, err = DiagnoseGPUs(t.Context(), cfg); err != nil || len(found) != 1 || found[0].Detail != "the lab leaves the machine's GPUs alone: gpu.driver_root is off" {
		t.Errorf("a lab that does not run: %+v (%v)", found, err)
	}
	cfg.GPUDriverRoot = "/nowhere"
	if _, err = DiagnoseGPUs(t.Context(), cfg); mlops.CodeOf(err) != mlops.Invalid || !strings.HasPrefix(mlops.MessageOf(err), "gpu.driver_root: /nowhere holds no libnvidia-ml.so.1") {
		t.Errorf("error is %v", err)
	}
	if err := cfg.CheckMachine(); mlops.CodeOf(err) != mlops.Invalid || !strings.HasPrefix(mlops.MessageOf(err), "gpu.driver_root: /nowhere") {
		t.Errorf("`benchtop up` would start: %v", err)
	}
	cfg.GPUSimulate = "1xT4"
	if err := cfg.CheckMachine(); mlops.CodeOf(err) != mlops.Invalid || !strings.HasPrefix(mlops.MessageOf(err), "gpu.simulate and gpu.driver_root are both set") {
		t.Errorf("one of two settings would be ignored: %v", err)
	}
}

func TestGPUSettings(t *testing.T) {
	for key, want := range map[string]string{
		"gpu.driver_root": `expected an absolute path such as /usr/local/nvidia, or off, found "nvidia"`,
	} {
		c := DefaultConfig()
		if err := findSetting(key).set(&c, "nvidia"); err == nil || err.Error() != want {
			t.Errorf("%s: %v", key, err)
		}
	}
	c := DefaultConfig()
	if err := findSetting("gpu.simulate").set(&c, "2xV100"); err == nil || !strings.Contains(err.Error(), "A100-80GB") {
		t.Errorf("gpu.simulate: %v", err)
	}
	if findSetting("gpu.simulate").FlagName() != "simulate-gpus" {
		t.Error("the flag has another name than people know")
	}
}
