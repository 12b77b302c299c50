package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
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

// TestHelp keeps every command's help in testdata.
func TestHelp(t *testing.T) {
	var commands [][]string
	var walk func(path []string, c *cobra.Command)
	walk = func(path []string, c *cobra.Command) {
		commands = append(commands, path)
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				walk(append(path[:len(path):len(path)], sub.Name()), sub)
			}
		}
	}
	walk(nil, root())
	if len(commands) < 14 {
		t.Errorf("only %d commands: %v", len(commands), commands)
	}
	written := map[string]bool{}
	for _, path := range commands {
		name := strings.Join(append([]string{"benchtop"}, path...), "-") + ".txt"
		written[name] = true
		c, _, err := root().Find(path)
		if err != nil {
			t.Fatal(err)
		}
		if c.Short == "" {
			t.Errorf("%v says nothing about itself", path)
		}
		if c.DisableFlagParsing {
			continue // its help is kubectl's or crictl's
		}
		t.Run(name, func(t *testing.T) {
			out, err := run(t, "", append(path[:len(path):len(path)], "--help")...)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, out)
		})
	}
	files, err := filepath.Glob("testdata/benchtop*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !written[filepath.Base(f)] {
			t.Errorf("%s is of a command that is gone", f)
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out, err := run(t, "", "completion", shell); err != nil || !strings.Contains(out, "benchtop") {
			t.Errorf("%s: %q, %v", shell, out, err)
		}
	}
	out, err := run(t, "", "__complete", "st")
	if err != nil || !strings.Contains(out, "status\t") {
		t.Errorf("st completes to %q, %v", out, err)
	}
}
