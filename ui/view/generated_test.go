package view

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const tools = "../../assets/web/tools/go.mod"

// TestGeneratedCodeIsCurrent generates the templates' code anew, elsewhere,
// and compares it with what is committed.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	dir := t.TempDir()
	templates, err := filepath.Glob("*.templ")
	if err != nil || len(templates) == 0 {
		t.Fatal("no templates", err)
	}
	for _, name := range templates {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "tool", "-modfile="+tools, "templ", "generate", "-path", dir, "-include-version=false").CombinedOutput(); err != nil {
		t.Fatalf("generate: %v\n%s", err, out)
	}
	committed, err := filepath.Glob("*_templ.go")
	if err != nil || len(committed) != len(templates) {
		t.Errorf("%d templates and %d generated files: run `go generate ./ui/view`", len(templates), len(committed))
	}
	for _, name := range committed {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s has no template", name)
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is out of date: run `go generate ./ui/view`", name)
		}
	}
}

// TestGeneratorMatchesRuntime holds the two go.mod files to one version.
func TestGeneratorMatchesRuntime(t *testing.T) {
	version := func(path string) string {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			fields := strings.Fields(line)
			for i, f := range fields {
				if f == "github.com/a-h/templ" && i+1 < len(fields) && strings.HasPrefix(fields[i+1], "v") {
					return fields[i+1]
				}
			}
		}
		t.Fatalf("%s does not require templ", path)
		return ""
	}
	if a, b := version(tools), version("../../go.mod"); a != b {
		t.Errorf("the generator is %s, the runtime %s: make them the same and run `go generate ./ui/view`", a, b)
	}
}
