package appliance

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	if err := copyExecutable(from, filepath.Join(dir, "none", "to")); err == nil || !strings.HasPrefix(err.Error(), "create "+dir+"/none/to.new: ") {
		t.Errorf("error %v", err)
	}
	if err := copyExecutable(dir+"/missing", to); err == nil || !strings.HasPrefix(err.Error(), "open own executable: ") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(dir + "/*.new"); len(left) > 0 {
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

func TestTerminalPlain(t *testing.T) {
	var out bytes.Buffer
	term := NewTerminal(&out, false)
	term.Note("port %d", 80)
	term.Progress("waiting")
	term.Done("ready in 2s")
	term.Lines([]string{"a", "b"})
	if got := out.String(); got != "! port 80\n· waiting\n✓ ready in 2s\n\na\nb\n\n" {
		t.Errorf("it printed %q", got)
	}
}

func TestTerminalRewritesItsLine(t *testing.T) {
	var out bytes.Buffer
	term := NewTerminal(&out, true)
	term.Progress("one")
	term.Progress("one") // the same again is not drawn again
	term.Note("note")
	term.Progress("two")
	term.Done("done")
	const clear = "\r\x1b[K"
	want := clear + "· one" + clear + "! note\n· one" + clear + "· two" + clear + "\x1b[32m✓\x1b[0m done\n"
	if got := out.String(); got != want {
		t.Errorf("it printed %q\nexpected   %q", got, want)
	}
}

func TestTerminalShowsUnits(t *testing.T) {
	status := func(state supervise.State, progress string) supervise.Status {
		return supervise.Status{Name: "k3s", State: state, Progress: progress, Took: 8512 * time.Millisecond, Error: "no room", Lines: []supervise.Line{{Text: "disk full"}}}
	}
	steps := []supervise.Status{
		status(supervise.Waiting, ""), status(supervise.Starting, ""), status(supervise.Starting, "importing images: 1 of 7"),
		status(supervise.Ready, ""), status(supervise.Ready, ""), status(supervise.Failed, ""), status(supervise.Stopping, ""), status(supervise.Stopped, ""),
	}
	var plain bytes.Buffer
	term, seen := NewTerminal(&plain, false), map[string]string{}
	for _, s := range steps {
		term.show([]supervise.Status{s}, seen)
	}
	if got := plain.String(); got != "· k3s: starting\n✓ k3s         8.5s\n✗ k3s: no room\n    disk full\n" {
		t.Errorf("plain: %q", got)
	}
	var tty bytes.Buffer
	term, seen = NewTerminal(&tty, true), map[string]string{}
	for _, s := range steps {
		term.show([]supervise.Status{s}, seen)
	}
	for _, want := range []string{"· k3s", "· k3s: importing images: 1 of 7", "\x1b[32m✓\x1b[0m k3s         8.5s\n", "\x1b[31m✗\x1b[0m k3s: no room\n    disk full\n", "· stopping k3s"} {
		if !strings.Contains(tty.String(), want) {
			t.Errorf("a terminal does not show %q: %q", want, tty.String())
		}
	}
}

func TestTerminalFollows(t *testing.T) {
	var out output
	units := supervise.New(nil, nil)
	units.Announce(failing{}, supervise.Options{})
	stop := NewTerminal(&out, false).Follow(units)
	if err := units.Start(t.Context(), "minio"); err == nil {
		t.Error("a unit that fails was started")
	}
	stop()
	if got := out.String(); !strings.Contains(got, "✗ minio: the disk is full\n") {
		t.Errorf("it printed %q", got)
	}
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
	want := map[string]int{"web UI": 8888, "registry": 5000, "S3": 9000, "ingress HTTP": 81, "ingress HTTPS": 443, "Kubernetes API": 6443, "kubelet": 10250}
	if fmt.Sprint(ports) != fmt.Sprint(want) {
		t.Errorf("ports are %v, expected %v", ports, want)
	}
}

func TestDiagnoseProject(t *testing.T) {
	p := ProjectStatus{Project: "iris",
		Training:   &mlops.Training{Job: "iris-train-1", State: mlops.TrainingSucceeded},
		Deployment: &mlops.Deployment{Namespace: "iris", Version: "3", Ready: 1, Replicas: 1}}
	got := diagnoseProject(p)
	want := []doctor.Finding{
		{Check: "iris training", Level: doctor.OK, Detail: "iris-train-1 succeeded"},
		{Check: "iris server", Level: doctor.OK, Detail: "version 3, 1 of 1 ready"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %+v, expected %+v", got, want)
	}
	p.Training.State, p.Training.Message = mlops.TrainingFailed, "OOMKilled"
	p.Deployment.Ready, p.Deployment.Message = 0, "no model yet"
	got = diagnoseProject(p)
	want = []doctor.Finding{
		{Check: "iris training", Level: doctor.Fail, Detail: "iris-train-1 failed: OOMKilled", Fix: "see `benchtop logs iris`"},
		{Check: "iris server", Level: doctor.Fail, Detail: "no pod is ready: no model yet", Fix: "see `benchtop kubectl -n iris describe pods` and `benchtop logs iris`"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %+v, expected %+v", got, want)
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

func TestLinks(t *testing.T) {
	a := &Appliance{cfg: DefaultConfig(), paths: Paths{Data: "/data"}, tokens: newLoginTokens()}
	lines := a.links()
	if len(lines) != 3 || !strings.Contains(lines[0], ":8080/login?token=") || lines[1] != "Password  /data/secrets/admin-password (user admin)" {
		t.Fatalf("links are %q", lines)
	}
	_, token, _ := strings.Cut(lines[0], "token=")
	if !a.tokens.TakeLoginToken(token) {
		t.Error("the printed token does not work")
	}
	if !strings.HasPrefix(lines[2], "Try       curl 'http://") || !strings.HasSuffix(lines[2], "/models/iris/predict?x=5.1,3.5,1.4,0.2'") {
		t.Errorf("the curl line is %q", lines[2])
	}
	if got := a.ingressURL("192.168.1.9"); got != "http://192.168.1.9" {
		t.Errorf("the ingress is at %s", got)
	}
	a.cfg.HTTPPort = 8081
	if got := a.ingressURL("192.168.1.9"); got != "http://192.168.1.9:8081" {
		t.Errorf("the ingress is at %s", got)
	}
}

func TestPortOf(t *testing.T) {
	for addr, want := range map[string]int{":8080": 8080, "127.0.0.1:1": 1, "[::1]:65535": 65535} {
		if got := portOf(addr); got != want {
			t.Errorf("%s: %d", addr, got)
		}
	}
}
