// Stubs writes stubs.c: every function that nvml.h declares, answering that it is not supported. The functions are weak,
// so those that nvml.c defines stand in their place.
//
//	go run ./sim/stubs    in the folder of the module, whose go.mod pins the header
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	if err := run("sim/stubs.c"); err != nil {
		fmt.Fprintln(os.Stderr, "stubs:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	text, err := generate()
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

func generate() ([]byte, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module go-nvml, which brings nvml.h: %w", err)
	}
	header, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "gen", "nvml", "nvml.h"))
	if err != nil {
		return nil, fmt.Errorf("%w (go mod download brings it)", err)
	}
	return stubs(header)
}

var (
	prototype = regexp.MustCompile(`nvmlReturn_t\s+(?:DECLDIR\s+)?(nvml\w+)\s*\(([^;{]*)\)\s*;`)
	comments  = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
)

func stubs(header []byte) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("/* Written by `go run ./sim/stubs` from nvml.h of the module go-nvml. */\n#include \"nvml.inc.h\"\n\n")
	seen := map[string]bool{}
	for _, m := range prototype.FindAllSubmatch(comments.ReplaceAll(header, nil), -1) {
		name, params := string(m[1]), strings.Join(strings.Fields(string(m[2])), " ")
		if seen[name] {
			continue
		}
		seen[name] = true
		fmt.Fprintf(&out, "WEAK nvmlReturn_t %s(%s) { return NVML_ERROR_NOT_SUPPORTED; }\n", name, params)
	}
	if len(seen) < 300 {
		return nil, fmt.Errorf("nvml.h has %d functions that could be read, expected some hundreds: its form has changed", len(seen))
	}
	return out.Bytes(), nil
}
