package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// run gives the command line args, and input to read, and returns what it
// prints. No configuration of the machine is read.
func run(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range appliance.Settings() {
		if _, ok := os.LookupEnv(s.Env()); ok {
			t.Setenv(s.Env(), "") // restored after the test
			os.Unsetenv(s.Env())
		}
	}
	cmd := root()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetIn(strings.NewReader(input))
	cmd.SetArgs(append([]string{"--config", config}, args...))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func expectMessage(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || userMessage(err) != want {
		t.Errorf("error is %v\nexpected %s", err, want)
	}
}

func TestArgumentErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"deploy"}, "accepts between 1 and 2 arg(s), received 0"},
		{[]string{"deploy", "iris", "x"}, `VERSION is "x": expected a number from 1`},
		{[]string{"deploy", ""}, "model is empty: expected the name of a registered model"},
		{[]string{"deploy", "iris", "--replicas", "-1"}, "replicas is -1: expected 0 to 20"},
		{[]string{"deploy", "iris", "--name", "My"}, `deployment name "My" is not usable: expected 1 to 40 lower-case letters, digits or '-', starting with a letter and not ending with '-'`},
		{[]string{"undeploy"}, "accepts 1 arg(s), received 0"},
		{[]string{"upp"}, "unknown command \"upp\" for \"benchtop\"\n\nDid you mean this?\n\tup\n\tgpu\n"},
		{[]string{"up", "now"}, `unknown command "now" for "benchtop up"`},
		{[]string{"status", "x"}, `unknown command "x" for "benchtop status"`},
		{[]string{"predict"}, "accepts between 1 and 2 arg(s), received 0"},
		{[]string{"predict", "a", "b", "c"}, "accepts between 1 and 2 arg(s), received 3"},
		{[]string{"train", "a", "b"}, "accepts at most 1 arg(s), received 2"},
		{[]string{"logs", "a", "b"}, "accepts at most 1 arg(s), received 2"},
		{[]string{"images", "load"}, "requires at least 1 arg(s), only received 0"},
		{[]string{"images", "remove"}, "requires at least 1 arg(s), only received 0"},
		{[]string{"images", "lod"}, `unknown command "lod" for "benchtop images"`},
		{[]string{"images", "load", "--name", "x:1", "a.tar", "b.tar"}, "--name names one image: load one FILE at a time with it"},
		{[]string{"images", "load", "/none.tar"}, "can't read /none.tar: no such file or directory"},
		{[]string{"packages", "add"}, "requires at least 1 arg(s), only received 0"},
		{[]string{"packages", "remove"}, "requires at least 1 arg(s), only received 0"},
		{[]string{"packages", "ad"}, `unknown command "ad" for "benchtop packages"`},
		{[]string{"packages", "add", "/none.whl"}, "can't read /none.whl: no such file or directory"},
		{[]string{"packages", "add", "testdata"}, "testdata holds no wheels and no source archives: expected names such as demo-1.0-py3-none-any.whl or demo-1.0.tar.gz"},
		{[]string{"packages", "add", "main.go"}, `main.go: "// Command benchtop turns a spare machine into an MLOps lab." is no pin: expected NAME==VERSION, as ` + "`uv pip compile` and `pip freeze` write it"},
		{[]string{"status", "--jsn"}, "unknown flag: --jsn"},
		{[]string{"logs", "--tail", "many"}, `invalid argument "many" for "-n, --tail" flag: strconv.ParseInt: parsing "many": invalid syntax`},
		{[]string{"status", "--http-addr", "80"}, `flag --http-addr: expected an address such as :8080 or 192.168.1.10:8080, found "80"`},
		{[]string{"status", "--config", "/none.yaml"}, "configuration file /none.yaml does not exist: create it, or leave --config out to use /etc/benchtop/config.yaml"},
	} {
		_, err := run(t, "", c.args...)
		expectMessage(t, err, c.want)
	}
}

func TestSettingsFromTheEnvironment(t *testing.T) {
	cmd := root()
	cmd.SetArgs([]string{"status", "--config", os.DevNull})
	cmd.SetOut(&bytes.Buffer{})
	t.Setenv("BENCHTOP_S3_ADDR", "nonsense")
	expectMessage(t, cmd.ExecuteContext(t.Context()), `environment variable BENCHTOP_S3_ADDR: expected an address such as :8080 or 192.168.1.10:8080, found "nonsense"`)
}

// Every command that asks the appliance says what to do when it does not run.
func TestWhenNothingRuns(t *testing.T) {
	dir := t.TempDir()
	want := "benchtop does not run with data dir " + dir + ": start it with `benchtop up`, or name its --data-dir"
	for _, args := range [][]string{{"down"}, {"train"}, {"train", "wine", "--wait"}, {"predict", "1,2"}, {"logs", "iris"},
		{"images"}, {"images", "list", "--json"}, {"images", "load", "-"}, {"images", "remove", "a:1"},
		{"packages"}, {"packages", "list", "--json"}, {"packages", "remove", "a"}} {
		_, err := run(t, "", append(args, "--data-dir", dir)...)
		expectMessage(t, err, want)
	}
	_, err := run(t, "", "logs", "--data-dir", dir)
	expectMessage(t, err, "there is no log in "+dir+": benchtop has not run with this data dir")
	_, err = run(t, "", "logs", "minio", "--data-dir", dir)
	expectMessage(t, err, "there is no log in "+dir+": benchtop has not run with this data dir")
	out, err := run(t, "", "status", "--data-dir", dir)
	if err != nil || out != "benchtop is stopped, data dir "+dir+"\n" {
		t.Errorf("status printed %q, %v", out, err)
	}
	out, err = run(t, "", "status", "--json", "--data-dir", dir)
	if err != nil || !strings.Contains(out, `"state": "stopped"`) || !strings.Contains(out, `"warnings": []`) {
		t.Errorf("status --json printed %q, %v", out, err)
	}
}

func TestResetAsks(t *testing.T) {
	dir := t.TempDir()
	for _, answer := range []string{"", "no\n", "y\n", "yes please\n", "YES\n"} {
		out, err := run(t, answer, "reset", "--data-dir", dir)
		expectMessage(t, err, "nothing was deleted: type yes, or give --yes, to reset")
		if want := "This stops the lab and deletes everything in " + dir + ": models, runs, artifacts, datasets, images, secrets.\nType yes to go on: "; out != want {
			t.Errorf("it asks %q, expected %q", out, want)
		}
	}
	// A yes goes on, and finds that this is no data dir.
	want := dir + " is not a data dir of benchtop (it has no lock file): nothing was deleted"
	if os.Geteuid() != 0 {
		want = "only root may reset: run this with sudo"
	}
	_, err := run(t, "yes\n", "reset", "--data-dir", dir)
	expectMessage(t, err, want)
	out, err := run(t, "", "reset", "--yes", "--data-dir", dir)
	expectMessage(t, err, want)
	if out != "" {
		t.Errorf("--yes asks %q", out)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

func TestVersion(t *testing.T) {
	out, err := run(t, "", "version")
	if err != nil || !strings.HasPrefix(out, "benchtop devel (go1.") || !strings.Contains(out, "\n  K3s ") {
		t.Errorf("it printed %q, %v", out, err)
	}
}

func TestVersionFlag(t *testing.T) {
	if out, err := run(t, "", "--version"); err != nil || out != "benchtop version devel\n" {
		t.Errorf("it printed %q, %v", out, err)
	}
}

func TestTakeDataDir(t *testing.T) {
	for _, c := range []struct{ args, dir, rest string }{
		{"get pods", "/default", "get pods"},
		{"--data-dir /d get pods", "/d", "get pods"},
		{"--data-dir=/d get pods", "/d", "get pods"},
		{"--data-dir", "/default", "--data-dir"},
		{"get --data-dir /d", "/default", "get --data-dir /d"},
		{"", "/default", ""},
	} {
		dir, rest := takeDataDir("/default", strings.Fields(c.args))
		if dir != c.dir || strings.Join(rest, " ") != c.rest {
			t.Errorf("%q: %s, %v", c.args, dir, rest)
		}
	}
}

func TestUserMessage(t *testing.T) {
	known := &mlops.Error{Code: mlops.Unavailable, Message: "try again later", Err: fs.ErrNotExist}
	for want, err := range map[string]error{
		"open x: disk broken":    errors.New("open x: disk broken"),
		"try again later":        known,
		"no such run":            fmt.Errorf("find run: %w", mlops.Errorf(mlops.NotFound, "no such run")),
		"start minio: port held": fmt.Errorf("start minio: %w", errors.New("port held")),
	} {
		if got := userMessage(err); got != want {
			t.Errorf("%v: the user reads %q, expected %q", err, got, want)
		}
	}
}

func TestPrintImages(t *testing.T) {
	var out bytes.Buffer
	if err := printImages(&out, []mlops.Image{
		{Reference: "benchtop.local/pause:1.0.0-502bd0699e36", Digest: "sha256:163e89d9b2ad699fe224a23754913ee6adc54414c6a22e28bd5c225612dca73f", Bytes: 20 << 10, Source: mlops.ImageBundled},
		{Reference: "docker.io/library/myapp:1", Digest: "sha256:48f5dd9e57f528053037cdc49a5927d25bc0a608d8947fe362012b07a50014d5", Bytes: 3 << 30, Source: mlops.ImageLoaded, Pods: []string{"default/a", "default/b"}},
	}); err != nil {
		t.Fatal(err)
	}
	golden(t, "images.txt", out.String())
}

func TestPrintPackages(t *testing.T) {
	var out bytes.Buffer
	if err := printPackages(&out, []appliance.Package{
		{Name: "demo", Version: "1.0", File: "demo-1.0-py3-none-any.whl", Bytes: 3 << 20, From: "added", AddedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)},
		{Name: "xgboost", Version: "3.0.0", File: "xgboost-3.0.0-py3-none-manylinux_2_28_x86_64.whl", Bytes: 250 << 20, From: "packages.example.org", AddedAt: time.Date(2026, 1, 3, 3, 4, 5, 0, time.Local)},
	}); err != nil {
		t.Fatal(err)
	}
	golden(t, "packages.txt", out.String())
}

func TestPrintStatus(t *testing.T) {
	s := appliance.Status{
		State: appliance.StateDegraded, PID: 42, DataDir: "/data", UI: "http://192.168.1.9:8080",
		Units: []supervise.Status{
			{Name: "minio", State: supervise.Ready, TookMs: 912},
			{Name: "prometheus", State: supervise.Failed, Error: "port held"},
			{Name: "k3s", State: supervise.Starting, Progress: "importing images: 1 of 7"},
		},
		Loop: []appliance.ProjectStatus{{
			Project: "iris", NextTraining: time.Date(2026, 1, 2, 4, 30, 0, 0, time.FixedZone("CET", 3600)),
			Training:   &mlops.Training{Job: "iris-train-1", State: mlops.TrainingFailed, Message: "OOMKilled"},
			Deployment: &mlops.Deployment{Ready: 0, Replicas: 1, Host: "iris.lab.internal"},
		}, {
			Project: "wine", Training: &mlops.Training{Job: "wine-train-2", State: mlops.TrainingRunning, Message: "asks for 2 GPUs, the node has 1; 1 free"},
		}},
		Serving:  []appliance.ServingStatus{{Deployment: mlops.Deployment{Name: "shop", Model: "flower shop", Version: "2", Ready: 1, Replicas: 2, Host: "shop.lab.internal"}}},
		Warnings: []string{"prometheus failed: port held"},
	}
	var out bytes.Buffer
	if err := printStatus(&out, s); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", out.String())
}
