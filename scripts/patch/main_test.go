package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPatch changes the modules as the build does and asks the go command
// what it would link.
func TestPatch(t *testing.T) {
	t.Setenv("BENCHTOP_CACHE", t.TempDir())
	root := filepath.Join("..", "..")
	path, err := patch(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		cmd := exec.Command("go", "list", "-modfile", path, "-m", "-f", "{{.Dir}}", m.path)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, c := range m.changes {
			source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), c.file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(source), c.old) || !strings.Contains(string(source), c.new) {
				t.Errorf("%s is linked with %q", c.file, c.old)
			}
		}
	}
	again, err := patch(root)
	if err != nil || again != path {
		t.Errorf("the second time: %s, %v", again, err)
	}
}

func TestApply(t *testing.T) {
	c := change{"a.go", "x = slow()", "x = 1"}
	got, err := c.apply([]byte("var x = slow()\n"))
	if err != nil || string(got) != "var x = 1\n" {
		t.Errorf("%q, %v", got, err)
	}
	for _, source := range []string{"", "x = slow(); x = slow()"} {
		if _, err := c.apply([]byte(source)); err == nil || !strings.Contains(err.Error(), "a.go") {
			t.Errorf("%q: %v", source, err)
		}
	}
}

func TestWhole(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "cache", "x")
	broken := errors.New("disk full")
	if err := whole(dest, func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(dest)); err != nil || len(left) != 0 {
		t.Errorf("a failed copy leaves %v, %v", left, err)
	}
	for range 2 {
		if err := whole(dest, func(dir string) error { return os.WriteFile(filepath.Join(dir, "f"), nil, 0o600) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dest, "f")); err != nil {
		t.Error(err)
	}
}
