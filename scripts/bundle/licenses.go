package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// licenseDir is where an image or a set of programs carries the licence texts of what is linked into its programs.
const licenseDir = "licenses"

// addLicenses writes <stage>/licenses/<program>.txt: the licence and notice files of every module in the program, each
// text once. Most licences ask for that wherever a binary goes.
func (b *Builder) addLicenses(env []string, dir, stage, program string) error {
	info, err := buildinfo.ReadFile(filepath.Join(stage, program))
	if err != nil {
		return fmt.Errorf("read modules of %s: %w", program, err)
	}
	goroot, err := b.output(env, dir, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	dirs := map[string]string{"Go standard library " + info.GoVersion: goroot}
	args := []string{"list", "-m", "-mod=readonly", "-f", "{{.Path}} {{.Version}}\t{{.Dir}}"}
	for _, m := range info.Deps {
		args = append(args, m.Path)
	}
	out, err := b.output(env, dir, "go", args...)
	if err != nil {
		return err
	}
	for _, line := range strings.Split(out, "\n") {
		name, moduleDir, _ := strings.Cut(line, "\t")
		dirs[name] = moduleDir
	}
	text, err := licenseText(dirs)
	if err != nil {
		return err
	}
	return writeStaged(stage, filepath.Join(licenseDir, filepath.Base(program)+".txt"), text, 0o644)
}

// licenseText concatenates the licence files in the roots of modules, given by name, under the modules' names.
func licenseText(dirs map[string]string) ([]byte, error) {
	modules := map[string][]string{} // by text
	for _, name := range sortedKeys(dirs) {
		entries, err := os.ReadDir(dirs[name])
		if err != nil {
			return nil, fmt.Errorf("read licence of %s: %w", name, err)
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !isLicense(e.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dirs[name], e.Name()))
			if err != nil {
				return nil, err
			}
			key := string(bytes.TrimSpace(text))
			if !slices.Contains(modules[key], name) {
				modules[key] = append(modules[key], name)
			}
		}
	}
	texts := sortedKeys(modules)
	slices.SortStableFunc(texts, func(a, b string) int { return strings.Compare(modules[a][0], modules[b][0]) })
	var out bytes.Buffer
	for _, text := range texts {
		fmt.Fprintf(&out, "==== %s\n\n%s\n\n", strings.Join(modules[text], "\n==== "), text)
	}
	return out.Bytes(), nil
}

func isLicense(file string) bool {
	name := strings.ToUpper(file)
	for _, prefix := range []string{"LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "PATENTS"} {
		if strings.HasPrefix(name, prefix) {
			return !strings.HasSuffix(name, ".GO")
		}
	}
	return false
}
