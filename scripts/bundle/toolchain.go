package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// GoStep builds one or more programs of Go modules.
type GoStep struct {
	// Programs maps a program's path in the stage to its package.
	Programs map[string]string `json:"programs"`
	// MainModule builds from the repository's own go.mod instead of the recipe's.
	MainModule bool `json:"mainModule,omitempty"`
	Cgo        bool `json:"cgo,omitempty"` // with the C compiler
	// Link, with Cgo, says how the C library is linked: static-pie, the default; static, at fixed addresses, for programs
	// that leave symbols of a driver's library open, which a static-pie can't; or dynamic, for those that load such a
	// library, which brings needs of its own. Their image must hold the loader and the C library.
	Link string   `json:"link,omitempty"`
	Tags []string `json:"tags,omitempty"`
	// Vars are set with -X: version strings.
	Vars map[string]string `json:"vars,omitempty"`
}

// Values of GoStep.Link.
const (
	linkStaticPIE = ""
	linkStatic    = "static"
	linkDynamic   = "dynamic"
)

// CStep compiles C files with no library at all.
type CStep struct {
	Sources []string `json:"sources"`
	Out     string   `json:"out"`
	// Soname makes a shared library of this name instead of a program.
	Soname string `json:"soname,omitempty"`
	// Headers are folders of modules that the recipe's go.mod pins.
	Headers []ModuleDir `json:"headers,omitempty"`
}

// ModuleDir is a folder of a module.
type ModuleDir struct {
	Module string `json:"module"`
	Dir    string `json:"dir"` // relative to the module's root
}

func (s *GoStep) key(b *Builder, r *Recipe) (string, error) {
	version, err := b.output(s.env(b), "", "go", "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	parts := []string{version}
	if s.MainModule {
		// The repository's go.mod changes often; what counts is the modules that this program is linked from.
		for _, out := range sortedKeys(s.Programs) {
			mods, err := b.output(s.env(b), b.Root, "go", "list", "-deps", "-tags", strings.Join(s.Tags, ","),
				"-f", "{{with .Module}}{{.Path}} {{.Version}}{{with .Replace}} => {{.Path}} {{.Version}}{{end}}{{end}}", s.Programs[out])
			if err != nil {
				return "", err
			}
			parts = append(parts, uniqueLines(mods)...)
		}
	}
	if s.Cgo {
		cc, err := b.compilerKey()
		if err != nil {
			return "", err
		}
		parts = append(parts, cc)
	}
	return strings.Join(parts, "\n"), nil
}

func (s *GoStep) run(b *Builder, r *Recipe, stage string) error {
	dir := r.Dir
	if s.MainModule {
		dir = b.Root
	}
	// No build id: it hashes the flags, which hold temporary paths when the C compiler links.
	ldflags := []string{"-s", "-w", "-buildid="}
	for _, name := range sortedKeys(s.Vars) {
		ldflags = append(ldflags, "-X", name+"="+s.Vars[name])
	}
	args := []string{"build", "-mod=readonly", "-trimpath", "-buildvcs=false"}
	if s.Cgo {
		flags := "-Wl,--build-id=none"
		switch s.Link {
		case linkStatic:
			flags = "-static " + flags
		case linkStaticPIE:
			flags = "-static-pie " + flags
			args = append(args, "-buildmode=pie")
		}
		ldflags = append(ldflags, "-linkmode", "external", "-extldflags", `"`+flags+`"`)
	}
	args = append(args, "-tags", strings.Join(s.Tags, ","), "-ldflags", strings.Join(ldflags, " "))
	for _, out := range sortedKeys(s.Programs) {
		file := filepath.Join(stage, out)
		if err := b.run(s.env(b), dir, "go", append(args[:len(args):len(args)], "-o", file, s.Programs[out])...); err != nil {
			return err
		}
		if err := b.addLicenses(s.env(b), dir, stage, out); err != nil {
			return err
		}
	}
	return nil
}

func (s *GoStep) env(b *Builder) []string {
	cgo := "0"
	if s.Cgo {
		cgo = "1"
	}
	// GOFLAGS and GOAMD64 of the caller's environment would change the bytes behind the key's back.
	return []string{"CGO_ENABLED=" + cgo, "GOOS=linux", "GOARCH=" + b.Arch, "GOFLAGS=", "GOWORK=off", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "CC=" + b.cc()}
}

// key: the modules' versions are in the recipe's go.mod, which every key holds.
func (s *CStep) key(b *Builder, r *Recipe) (string, error) { return b.compilerKey() }

func (s *CStep) run(b *Builder, r *Recipe, stage string) error {
	out, err := stagedPath(stage, s.Out)
	if err != nil {
		return err
	}
	// Loops stay loops: as calls of memcpy they would want a C library.
	args := []string{"-Wall", "-Wextra", "-Werror", "-Os", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-tree-loop-distribute-patterns",
		"-fno-asynchronous-unwind-tables", "-fno-ident", "-Wl,--build-id=none,-z,noexecstack,-z,norelro", "-s", "-o", out}
	if s.Soname != "" {
		args = append(args, "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-soname,"+s.Soname)
	} else {
		args = append(args, "-static")
	}
	for _, h := range s.Headers {
		// Download first: list says nothing of where a module is that is not there yet.
		if err := b.run(moduleEnv(), r.Dir, "go", "mod", "download", h.Module); err != nil {
			return err
		}
		dir, err := b.output(moduleEnv(), r.Dir, "go", "list", "-m", "-mod=readonly", "-f", "{{.Dir}}", h.Module)
		if err != nil {
			return err
		}
		// As a system's folder: its warnings are not ours.
		args = append(args, "-isystem", filepath.Join(dir, h.Dir))
	}
	return b.run(nil, r.Dir, b.cc(), append(args, s.Sources...)...)
}

// moduleEnv keeps the caller's flags from changing what a module's folder is.
func moduleEnv() []string { return []string{"GOFLAGS=", "GOWORK=off"} }

// cc is the C compiler for the target: $CC, or gcc with the target's triplet when it is not this machine's.
func (b *Builder) cc() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	if triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[b.Arch]; b.Arch != runtime.GOARCH && triplet != "" {
		return triplet + "-gcc"
	}
	return "gcc"
}

// compilerKey names the C compiler, the C library and libseccomp, which end up inside static programs.
func (b *Builder) compilerKey() (string, error) {
	if b.ccKey != "" {
		return b.ccKey, nil
	}
	version, err := b.output(nil, "", b.cc(), "-dumpfullversion", "-dumpmachine")
	if err != nil {
		return "", fmt.Errorf("%w (scripts/build-deps.sh installs the C compiler)", err)
	}
	sums := []string{version}
	for _, lib := range []string{"libc.a", "libseccomp.a"} {
		file, err := b.output(nil, "", b.cc(), "-print-file-name="+lib)
		if err != nil {
			return "", err
		}
		sum, _, err := hashFile(strings.TrimSpace(file))
		if err != nil {
			return "", fmt.Errorf("%s not found (scripts/build-deps.sh installs it): %w", lib, err)
		}
		sums = append(sums, sum)
	}
	b.ccKey = strings.Join(sums, " ")
	return b.ccKey, nil
}

// run executes a tool; its output is shown when it fails.
func (b *Builder) run(env []string, dir, name string, args ...string) error {
	_, err := b.output(env, dir, name, args...)
	return err
}

func (b *Builder) output(env []string, dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run %s %s: %w\n%s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()+stdout.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
