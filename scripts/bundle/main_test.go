package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

func TestCommandLineErrors(t *testing.T) {
	for args, want := range map[string]string{
		"":                      "no command",
		"bild":                  `unknown command "bild"`,
		"append":                "expected -o OUT and one program",
		"append -o x":           "expected -o OUT and one program",
		"size":                  "expected one file",
		"size /nonexistent":     "no such file",
		"build":                 "run this from the repository's root",
		"lock":                  "run this from the repository's root",
		"components":            "run this from the repository's root",
		"build -onyl pause":     "flag provided but not defined",
		"append -o x a b":       "expected -o OUT and one program",
		"size -compress go.mod": "no such file",
	} {
		var stdout, stderr bytes.Buffer
		if err := run(strings.Fields(args), &stdout, &stderr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("bundle %s: error %v, expected %q", args, err, want)
		}
	}
}

// TestBuildDeps runs the script where apt-get is missing.
func TestBuildDeps(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := exec.Command("ln", "-s", cat, bin+"/cat").Run(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sh, "../build-deps.sh")
	cmd.Env = []string{"PATH=" + bin}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not a Debian system") || !strings.Contains(string(out), "libseccomp") {
		t.Errorf("without apt-get: error %v, output %s; expected what is needed", err, out)
	}
}
