package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPause builds the real pause and runs it as the process that a pod's namespaces hang on.
func TestPause(t *testing.T) {
	b := newBuilder("../..", t.TempDir(), os.Stderr)
	r, err := loadRecipe(recipesDir + "/pause/recipe.json")
	if err != nil {
		t.Fatal(err)
	}
	var sums []string
	stage := t.TempDir()
	program := filepath.Join(stage, "pause")
	for range 2 {
		if err := r.Steps[0].C.run(b, r, stage); err != nil {
			t.Fatal(err)
		}
		sum, size, err := hashFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if size > 32<<10 {
			t.Errorf("pause has %d bytes, expected no C library in it", size)
		}
		sums = append(sums, sum)
	}
	if sums[0] != sums[1] {
		t.Error("building twice made two different programs")
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("pause asks for a dynamic loader, which its image lacks")
		}
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		// As process 1 of its own namespace, as in a pod: the kernel shields it from signals that it does not handle.
		cmd := exec.Command(program)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		waitAsleep(t, cmd.Process.Pid)
		// A stray child signal must not end it.
		if err := cmd.Process.Signal(syscall.SIGCHLD); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("after %v: %v, expected a clean exit", sig, err)
			}
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			t.Errorf("after %v pause still runs", sig)
		}
	}
}

// waitAsleep waits until the process sleeps, which it does only with its signals blocked.
func waitAsleep(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status")); err == nil && strings.Contains(string(data), "State:\tS") {
			return
		}
	}
	t.Fatal("pause does not wait")
}

func TestGoStep(t *testing.T) {
	b := newBuilder("../..", t.TempDir(), os.Stderr)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":  "module example\n\ngo 1.24\n",
		"main.go": "package main\n\nvar version = \"unset\"\n\nfunc main() { println(version) }\n",
		"LICENSE": "free",
	} {
		overwrite(t, filepath.Join(dir, name), content)
	}
	step := &GoStep{Programs: map[string]string{"usr/bin/tool": "."}, Vars: map[string]string{"main.version": "1.2.3"}}
	// The caller's own flags must not reach the programs.
	t.Setenv("GOFLAGS", "-ldflags=-X=main.version=stray")
	var sums []string
	for range 2 {
		stage := t.TempDir()
		if err := step.run(b, &Recipe{Dir: dir}, stage); err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(stage, "usr/bin/tool")
		if out, err := exec.Command(program).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "1.2.3" {
			t.Errorf("the program says %q (%v), expected its version", out, err)
		}
		if text, err := os.ReadFile(filepath.Join(stage, "licenses/tool.txt")); err != nil || !strings.Contains(string(text), "Go standard library") {
			t.Errorf("licences: %q (%v)", text, err)
		}
		sum, _, err := hashFile(program)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
	}
	if sums[0] != sums[1] {
		t.Error("building twice made two different programs")
	}
	overwrite(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { nonsense }\n")
	if err := step.run(b, &Recipe{Dir: dir}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "undefined: nonsense") {
		t.Errorf("a program that does not compile: error %v", err)
	}
}
