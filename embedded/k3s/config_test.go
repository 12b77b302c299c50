package k3s

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

func TestServerArguments(t *testing.T) {
	c := testConfig(t)
	args := c.args("native", []string{"lab.example.org"})
	for _, want := range []string{
		"--data-dir=" + c.Dir, "--node-name=node-a", "--node-ip=10.44.0.1", "--advertise-address=10.44.0.1", "--snapshotter=native",
		"--write-kubeconfig=" + c.Dir + "/kubeconfig.yaml", "--write-kubeconfig-mode=0600",
		"--pause-image=benchtop.local/pause:1-0123456789ab", "--kubelet-arg=fail-cgroupv1=false", "--tls-san=lab.example.org",
		"--resolv-conf=/run/lab/resolv.conf", "--kube-controller-manager-arg=node-monitor-grace-period=24h",
	} {
		if !slices.Contains(args, want) {
			t.Errorf("the server is not given %s: %v", want, args)
		}
	}
	if args[0] != "k3s" || args[1] != "server" {
		t.Errorf("the command is %v", args[:2])
	}
	for _, a := range args {
		if strings.HasSuffix(a, "=") {
			t.Errorf("argument %s is empty", a)
		}
	}
}

func TestPrepare(t *testing.T) {
	c := testConfig(t)
	for range 2 { // a second start finds the first one's files
		snapshotter, err := c.prepare()
		if err != nil {
			t.Fatal(err)
		}
		if snapshotter != "overlayfs" && snapshotter != "native" {
			t.Errorf("the snapshotter is %q", snapshotter)
		}
	}
	// K3s reports an error every 15 s without it.
	if st, err := os.Stat(filepath.Join(c.Dir, "server/manifests")); err != nil || !st.IsDir() {
		t.Errorf("the folder for people's own manifests: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(c.Dir, "agent/etc/containerd/config-v3.toml.d/10-benchtop.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); !strings.HasPrefix(s, "version = 3\n") || strings.Contains(s, "restrict_oom_score_adj = true") == canLowerOOMScore() {
		t.Errorf("containerd is given %q, a lower OOM score is possible: %t", s, canLowerOOMScore())
	}
	b, err = os.ReadFile(c.cniConf())
	if err != nil {
		t.Fatal(err)
	}
	var conf struct {
		Name, CNIVersion string
		Plugins          []struct {
			Type, Bridge string
			IPAM         struct {
				Type, DataDir string
				Ranges        [][]struct{ Subnet string }
			}
			Capabilities map[string]bool
		}
	}
	if err := json.Unmarshal(b, &conf); err != nil {
		t.Fatal(err)
	}
	if conf.Name != "benchtop" || conf.CNIVersion != "1.0.0" || len(conf.Plugins) != 2 {
		t.Fatalf("CNI configuration is %s", b)
	}
	if p := conf.Plugins[0]; p.Type != "bridge" || p.Bridge != "cni0" || p.IPAM.Ranges[0][0].Subnet != "10.42.0.0/24" || p.IPAM.DataDir != c.RunDir+"/cni" {
		t.Errorf("the bridge is %+v", p)
	}
	if p := conf.Plugins[1]; p.Type != "portmap" || !p.Capabilities["portMappings"] {
		t.Errorf("the second plugin is %+v", p)
	}
}

func TestPrepareErrors(t *testing.T) {
	c := testConfig(t)
	if err := os.MkdirAll(filepath.Dir(c.Dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.prepare()
	expectError(t, err, "create directory")
	expectError(t, err, "not a directory")
}

func TestRunsOncePerProcess(t *testing.T) {
	cfg := testConfig(t)
	cfg.BinDir = "/proc/none/bin" // the first run fails early
	u := NewUnit(cfg)
	h, ready := supervise.NewHandle(os.Stderr)
	expectError(t, u.Run(t.Context(), h), "install bundled programs")
	expectError(t, u.Run(t.Context(), h), "K3s can start only once per process: restart benchtop")
	select {
	case <-ready:
		t.Error("a unit that failed was ready")
	default:
	}
}

func TestExitsBecomeFailures(t *testing.T) {
	fatal := make(chan error, 1)
	interceptExits(fatal)
	t.Cleanup(restoreExits)
	done := make(chan struct{})
	go func() {
		defer close(done)
		exitAsComponent()
		t.Error("the goroutine that wanted to exit goes on")
	}()
	<-done
	expectError(t, <-fatal, "a K3s component exited with code 1; its last lines say why")
	// A second exit while nobody listens must not block.
	done = make(chan struct{})
	fatal <- nil
	go func() { defer close(done); exitAsComponent() }()
	<-done
}
