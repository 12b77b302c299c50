package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// TestPreflight stops before anything is written.
func TestPreflight(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	cfg := appliance.DefaultConfig()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.HTTPAddr = ":" + strconv.Itoa(port)
	err = preflight(cfg)
	if mlops.CodeOf(err) != mlops.InvalidState {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"this machine cannot run the lab yet:\n", fmt.Sprintf("port %d (web UI) is held by benchtop.test (process %d)", port, os.Getpid()),
		"fix: stop that program, or choose another port: set http_addr", "nothing was started; `benchtop doctor` checks again"} {
		if !strings.Contains(userMessage(err), want) {
			t.Errorf("it does not say %q:\n%s", want, userMessage(err))
		}
	}
	if _, err := os.Stat(cfg.DataDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written (%v)", err)
	}
}

// A request that the machine cannot meet stops `up`, and no other command.
func TestUpWithARequestThatTheMachineCannotMeet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	_, err := run(t, "", "up", "--data-dir", dir, "--project-cpu-request", "100000")
	if mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(userMessage(err), "CPU request 100000 is more than this machine has") || !strings.Contains(userMessage(err), "Lower it where it is set") {
		t.Errorf("error %v", err)
	}
	out, _ := run(t, "", "doctor", "--data-dir", dir, "--project-cpu-request", "100000")
	if !strings.Contains(out, "\nwarn  requests ") {
		t.Errorf("it printed\n%s", out)
	}
	if _, err := run(t, "", "status", "--data-dir", dir, "--project-cpu-request", "100000"); err != nil && strings.Contains(err.Error(), "request") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written (%v)", err)
	}
}

func TestPreflightFindsAnotherInstance(t *testing.T) {
	cfg := appliance.DefaultConfig()
	cfg.DataDir = t.TempDir()
	lock, err := appliance.AcquireLock(appliance.Paths{Data: cfg.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	expectMessage(t, preflight(cfg), fmt.Sprintf("data dir %s is in use by another benchtop (process %d): stop it with `benchtop down --data-dir %s`, or choose another --data-dir", cfg.DataDir, os.Getpid(), cfg.DataDir))
}

func TestDoctorPrintsFixes(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := ":" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	out, err := run(t, "", "doctor", "--data-dir", t.TempDir(), "--s3-addr", addr)
	expectMessage(t, err, "something is broken: see the lines that start with fail")
	if !strings.Contains(out, "\nfail  ports ") || !strings.Contains(out, "fix: stop that program, or choose another port: set s3_addr") {
		t.Errorf("it printed\n%s", out)
	}
	out, err = run(t, "", "doctor", "--json", "--data-dir", t.TempDir(), "--s3-addr", addr)
	expectMessage(t, err, "something is broken: see the lines that start with fail")
	if !strings.Contains(out, `"check": "ports"`) || !strings.Contains(out, `"fix": "stop that program`) {
		t.Errorf("it printed\n%s", out)
	}
}
