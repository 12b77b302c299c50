package appliance

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it)\nfound\n%s\nexpected\n%s", file, got, want)
	}
}

func TestUnitFile(t *testing.T) { golden(t, "benchtop.service", unitFile("/var/lib/benchtop")) }

func TestConfigurationFile(t *testing.T) { golden(t, "config.yaml", DefaultConfig().YAML()) }

func TestCopyExecutable(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	write(t, from, "new version")
	write(t, to, "old version")
	running, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	if err := copyExecutable(from, to); err != nil {
		t.Fatal(err)
	}
	expectMode(t, to, 0o755)
	if b, _ := os.ReadFile(to); string(b) != "new version" {
		t.Errorf("it holds %q", b)
	}
	old := make([]byte, 20)
	if n, _ := running.Read(old); string(old[:n]) != "old version" {
		t.Errorf("a running copy now reads %q", old[:n])
	}
	if err := copyExecutable(from, filepath.Join(dir, "none", "to")); err == nil || !strings.HasPrefix(err.Error(), "install "+dir+"/none/to: ") {
		t.Errorf("error %v", err)
	}
	if err := copyExecutable(dir+"/missing", to); err == nil || !strings.HasPrefix(err.Error(), "open own executable: ") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(dir + "/.*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestResetRefusesOtherDirectories(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/precious", "x")
	cfg := DefaultConfig()
	cfg.DataDir = dir
	_, err := Reset(t.Context(), cfg)
	want, code := dir+" is not a data dir of benchtop (it has no lock file): nothing was deleted", mlops.NotFound
	if os.Geteuid() != 0 {
		want, code = "only root may reset: run this with sudo", mlops.Denied
	}
	expectCode(t, err, code, want)
	if _, err := os.Stat(dir + "/precious"); err != nil {
		t.Error(err)
	}
}

func TestKubectlWithoutACluster(t *testing.T) {
	t.Setenv("KUBECONFIG", "")
	dir := t.TempDir()
	expectCode(t, Kubectl(dir, nil), mlops.Unavailable, "there is no cluster in "+dir+" yet: start it with `benchtop up`")
}

func TestMachine(t *testing.T) {
	c := DefaultConfig()
	c.HTTPAddr, c.HTTPPort = "192.168.1.9:8888", 81
	m := c.Machine()
	if !m.NodeAddress.Equal(net.IPv4(10, 44, 0, 1)) || m.DataDir != "/var/lib/benchtop" {
		t.Errorf("the machine is %+v", m)
	}
	ports := map[string]int{}
	for _, p := range m.Ports {
		ports[p.For] = p.Number
		if setting, ok := strings.CutPrefix(p.Change, "set "); ok && findSetting(setting) == nil {
			t.Errorf("%s: %q is no setting", p.For, setting)
		}
	}
	want := map[string]int{"web UI": 8888, "registry": 5000, "S3": 9000, "ingress HTTP": 81, "ingress HTTPS": 443, "Kubernetes API": 6443, "kubelet": 10250, "package index": 3141}
	if fmt.Sprint(ports) != fmt.Sprint(want) {
		t.Errorf("ports are %v, expected %v", ports, want)
	}
}

func TestDiagnoseProject(t *testing.T) {
	p := ProjectStatus{Project: "iris",
		Training:   &mlops.Training{Job: "iris-train-1", State: mlops.TrainingSucceeded},
		Deployment: &mlops.Deployment{Name: "iris", Namespace: "iris", Version: "3", Ready: 1, Replicas: 1}}
	got := diagnoseProject(p)
	want := []doctor.Finding{
		{Check: "iris training", Level: doctor.OK, Detail: "iris-train-1 succeeded"},
		{Check: "iris server", Level: doctor.OK, Detail: "version 3, 1 of 1 ready"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %+v, expected %+v", got, want)
	}
	p.Training.State, p.Training.Message = mlops.TrainingFailed, "no luck"
	p.Deployment.Ready = 0
	broken := doctor.Finding{Check: "iris server", Level: doctor.Fail, Detail: "no pod is ready: no model yet", Fix: "wait"}
	p.Findings = []doctor.Finding{{Check: doctor.CheckDisk, Level: doctor.Warn, Detail: "nearly full", Fix: "free some"}, broken}
	got = diagnoseProject(p)
	want = []doctor.Finding{
		{Check: "iris training", Level: doctor.Fail, Detail: "iris-train-1 failed: no luck", Fix: "mend what its log names, and train again", Command: "benchtop logs iris"},
		broken,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %+v, expected %+v", got, want)
	}
	p.Training.Message = "OOMKilled: the training needed more than its memory limit of 1Gi; raise it"
	if f := diagnoseProject(p)[0]; f.Fix != "give its trainings more memory, and train again" || f.Command != "benchtop project edit iris --memory AMOUNT" {
		t.Errorf("of a training without memory: %+v", f)
	}
	if got := diagnoseProject(ProjectStatus{Project: "new"}); len(got) != 0 {
		t.Errorf("of a project without anything: %+v", got)
	}
}

func TestDiagnoseWhileItRuns(t *testing.T) {
	a, _ := serveControl(t, nil)
	a.units.Announce(failing{}, supervise.Options{})
	a.units.Announce(named("loop"), supervise.Options{})
	_ = a.units.Start(t.Context(), "minio")
	cfg := DefaultConfig()
	cfg.DataDir = a.paths.Data
	findings, err := Diagnose(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	byCheck := map[string]doctor.Finding{}
	for _, f := range findings {
		byCheck[f.Check] = f
	}
	for _, want := range []doctor.Finding{
		{Check: "control", Level: doctor.OK, Detail: "ready"},
		{Check: "minio", Level: doctor.Fail, Detail: "failed: the disk is full", Fix: "see `benchtop logs minio`; `benchtop down` and `benchtop up` start it again"},
		{Check: "loop", Level: doctor.Warn, Detail: "waiting", Fix: "wait a little; see `benchtop logs loop` if it stays so"},
	} {
		if got := byCheck[want.Check]; got != want {
			t.Errorf("found %+v, expected %+v", got, want)
		}
	}
}

type named string

func (n named) Name() string { return string(n) }

func (n named) Run(ctx context.Context, h *supervise.Handle) error {
	h.Ready()
	<-ctx.Done()
	return nil
}

// The list of names that `benchtop logs` knows is the boot graph's.
func TestUnitNamesAreTheBootGraphs(t *testing.T) {
	a, _ := serveControl(t, nil)
	var names []string
	for _, s := range a.steps() {
		name := unitName(s.unit)
		names = append(names, name)
		if !IsUnit(name) {
			t.Errorf("`benchtop logs %s` would look for a project", name)
		}
	}
	if strings.Join(names, " ") != strings.Join(unitNames, " ") {
		t.Errorf("the graph is %v, the list %v", names, unitNames)
	}
	if IsUnit("iris") || IsUnit("") {
		t.Error("a project passes for a unit")
	}
}

// unitName asks a unit for its name; those of the embedded systems answer
// before they are built too.
func unitName(u supervise.Unit) string { return u.Name() }

func TestPortOf(t *testing.T) {
	for addr, want := range map[string]int{":8080": 8080, "127.0.0.1:1": 1, "[::1]:65535": 65535} {
		if got := portOf(addr); got != want {
			t.Errorf("%s: %d", addr, got)
		}
	}
}
