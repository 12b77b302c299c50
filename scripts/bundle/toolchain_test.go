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
	if asksForLoader(t, program) {
		t.Error("pause asks for a dynamic loader, which its image lacks")
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

// TestGoStepLink builds a program that links the C library, in all ways. For those that serve programs
// which load a library later it leaves a function open.
func TestGoStepLink(t *testing.T) {
	b := newBuilder("../..", t.TempDir(), os.Stderr)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":  "module example\n\ngo 1.24\n",
		"LICENSE": "free",
	} {
		overwrite(t, filepath.Join(dir, name), content)
	}
	const plain = "package main\n\n// static int answer(int loaded) { return 42; }\nimport \"C\"\n\nfunc main() { println(C.answer(0)) }\n"
	const open = "package main\n\n// #cgo LDFLAGS: -Wl,--unresolved-symbols=ignore-in-object-files\n// int later(void);\n" +
		"// static int answer(int loaded) { return loaded ? later() : 42; }\nimport \"C\"\nimport \"os\"\n\nfunc main() { println(C.answer(C.int(len(os.Args) - 1))) }\n"
	for link, source := range map[string]string{linkStaticPIE: plain, linkStatic: open, linkDynamic: open} {
		overwrite(t, filepath.Join(dir, "main.go"), source)
		step := &GoStep{Programs: map[string]string{"tool": "."}, Cgo: true, Link: link}
		var sums []string
		for range 2 {
			stage := t.TempDir()
			if err := step.run(b, &Recipe{Dir: dir}, stage); err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(stage, "tool")
			if out, err := exec.Command(program).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "42" {
				t.Errorf("link %q: the program says %q (%v)", link, out, err)
			}
			if got := asksForLoader(t, program); got != (link == linkDynamic) {
				t.Errorf("link %q: the program asks for a loader: %v", link, got)
			}
			sum, _, err := hashFile(program)
			if err != nil {
				t.Fatal(err)
			}
			sums = append(sums, sum)
		}
		if sums[0] != sums[1] {
			t.Errorf("link %q: building twice made two different programs", link)
		}
	}
}

// TestCStepShared builds a library with a header of another module.
func TestCStepShared(t *testing.T) {
	b := newBuilder("../..", t.TempDir(), os.Stderr)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":           "module example\n\ngo 1.24\n\nrequire example.org/headers v1.0.0\n\nreplace example.org/headers => ./headers\n",
		"headers/go.mod":   "module example.org/headers\n\ngo 1.24\n",
		"headers/inc/up.h": "int up(int n);\n",
		"one.c":            "#pragma GCC visibility push(default)\n#include <up.h>\n#pragma GCC visibility pop\nint by(void);\nint up(int n) { return n + by(); }\n",
		"two.c":            "int by(void);\nint by(void) { return 1; }\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		overwrite(t, file, content)
	}
	step := &CStep{Sources: []string{"one.c", "two.c"}, Out: "sim/libup.so", Soname: "libup.so.1", Headers: []ModuleDir{{Module: "example.org/headers", Dir: "inc"}}}
	var sums []string
	for range 2 {
		stage := t.TempDir()
		if err := step.run(b, &Recipe{Dir: dir}, stage); err != nil {
			t.Fatal(err)
		}
		sum, _, err := hashFile(filepath.Join(stage, "sim/libup.so"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
		f, err := elf.Open(filepath.Join(stage, "sim/libup.so"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if name, err := f.DynString(elf.DT_SONAME); err != nil || len(name) != 1 || name[0] != "libup.so.1" {
			t.Errorf("the library calls itself %v (%v)", name, err)
		}
		if needs, err := f.ImportedLibraries(); err != nil || len(needs) > 0 {
			t.Errorf("the library needs %v (%v), expected none: it must load beside any C library", needs, err)
		}
		symbols, err := f.DynamicSymbols()
		if err != nil || len(symbols) != 1 || symbols[0].Name != "up" {
			t.Errorf("the library exports %v (%v), expected up alone", symbols, err)
		}
	}
	if sums[0] != sums[1] {
		t.Error("building twice made two different libraries")
	}
	step.Headers[0].Module = "example.org/missing"
	if err := step.run(b, &Recipe{Dir: dir}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "example.org/missing") {
		t.Errorf("headers of a module that go.mod lacks: error %v", err)
	}
}

func asksForLoader(t *testing.T, program string) bool {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}
