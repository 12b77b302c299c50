package main

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	godigest "github.com/opencontainers/go-digest"
)

// WheelsStep installs the wheels of requirements.<arch>.lock, each pinned by its hash, for one version of Python.
type WheelsStep struct {
	Python string   `json:"python"`         // for example 3.11
	Into   string   `json:"into"`           // the directory of packages
	Drop   []string `json:"drop,omitempty"` // globs
	Keep   []string `json:"keep,omitempty"` // globs that win over Drop
	// Scripts says where a wheel's programs go that are no modules, by name. The others are left out.
	Scripts map[string]string `json:"scripts,omitempty"`
}

// CompileStep writes the bytecode of Python files beside them, so that a read-only root starts fast.
type CompileStep struct {
	Python string `json:"python"` // interpreter, in the stage or, if there is one, in the base
	// Groups are compiled at the same time, each by one process in a fixed order: bytecode depends a little on what
	// the same process compiled before.
	Groups [][]string `json:"groups"`
	// Imports must succeed in the finished tree, so that a pattern which drops too much fails the build.
	Path    string   `json:"path"`
	Imports []string `json:"imports"`
}

func (s *WheelsStep) key(b *Builder, r *Recipe) (string, error)  { return "", nil }
func (s *CompileStep) key(b *Builder, r *Recipe) (string, error) { return "", nil }

func wheelLockFile(r *Recipe, arch string) string {
	return filepath.Join(r.Dir, "requirements."+arch+".lock")
}

// manylinux lists the C libraries, by minor version of glibc, that wheels may ask for: up to Debian 12's.
var manylinux = []string{"2_17", "2_24", "2_26", "2_27", "2_28", "2_31", "2_34", "2_35", "2_36"}

// pipTarget tells pip which wheels fit the image, whatever Python pip itself runs on.
func pipTarget(arch, python string) ([]string, error) {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
	if machine == "" {
		return nil, fmt.Errorf("architecture %s: expected amd64 or arm64", arch)
	}
	args := []string{"--only-binary=:all:", "--python-version", python, "--implementation", "cp",
		"--abi", "cp" + strings.ReplaceAll(python, ".", ""), "--abi", "abi3", "--abi", "none"}
	for _, v := range manylinux {
		args = append(args, "--platform", "manylinux_"+v+"_"+machine)
	}
	return append(args, "--platform", "manylinux2014_"+machine, "--platform", "any"), nil
}

func (s *WheelsStep) run(b *Builder, r *Recipe, stage string) error {
	drop, err := compileGlobs(s.Drop)
	if err != nil {
		return err
	}
	keep, err := compileGlobs(s.Keep)
	if err != nil {
		return err
	}
	want := func(p string) bool { return keep.match(p) || !drop.match(p) }
	wheels, err := b.fetchWheels(r, s.Python)
	if err != nil {
		return err
	}
	for _, file := range wheels {
		if err := unpackWheel(file, stage, s.Into, s.Scripts, want); err != nil {
			return fmt.Errorf("unpack wheel %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

var hashPattern = regexp.MustCompile(`--hash=sha256:([0-9a-f]{64})`)

// lockedHashes returns the hashes that a lock file lists, and a name for the set of them.
func lockedHashes(lock []byte) (hashes map[string]bool, name string) {
	hashes = map[string]bool{}
	for _, m := range hashPattern.FindAllSubmatch(lock, -1) {
		hashes[string(m[1])] = true
	}
	return hashes, godigest.FromString(strings.Join(sortedKeys(hashes), " ")).Encoded()
}

// fetchWheels lets pip download and verify the locked wheels, unless the cache has them.
func (b *Builder) fetchWheels(r *Recipe, python string) ([]string, error) {
	lockFile := wheelLockFile(r, b.Arch)
	lock, err := os.ReadFile(lockFile)
	if err != nil {
		return nil, err
	}
	locked, name := lockedHashes(lock)
	dir := filepath.Join(b.Cache.dir, "wheels", name)
	if files, err := verifiedWheels(dir, locked); err == nil {
		return files, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	target, err := pipTarget(b.Arch, python)
	if err != nil {
		return nil, err
	}
	args := append([]string{"-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps", "--dest", tmp, "-r", lockFile}, target...)
	if err := b.run(nil, "", "python3", args...); err != nil {
		return nil, fmt.Errorf("%w (scripts/build-deps.sh installs pip)", err)
	}
	if _, err := verifiedWheels(tmp, locked); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return nil, err
	}
	return verifiedWheels(dir, locked)
}

// verifiedWheels lists the wheels in dir, or fails unless they are exactly the locked ones.
func verifiedWheels(dir string, locked map[string]bool) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return nil, err
	}
	if len(files) != len(locked) {
		return nil, fmt.Errorf("%d wheels in %s, the lock file has %d", len(files), dir, len(locked))
	}
	for _, file := range files {
		sum, _, err := hashFile(file)
		if err != nil {
			return nil, err
		}
		if !locked[sum] {
			return nil, fmt.Errorf("wheel %s has sha256 %s, which the lock file does not list", filepath.Base(file), sum)
		}
	}
	return files, nil
}

// unpackWheel installs a wheel's modules and metadata. Its command-line scripts, but for those named, and C headers are
// left out: in the image programs are started as modules (python3 -m uvicorn).
func unpackWheel(file, stage, into string, scripts map[string]string, want func(path string) bool) error {
	zr, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer zr.Close()
	for _, zf := range zr.File {
		target, ok := wheelTarget(zf.Name, into, scripts)
		if !ok || strings.HasSuffix(zf.Name, "/") || !want(target) {
			continue
		}
		rc, err := zf.Open()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(rc)
		rc.Close()
		if err != nil {
			return err
		}
		// Modules are not executed as files of their own, and libraries need no execute bit; a script that is put elsewhere
		// is a program.
		mode := fs.FileMode(0o644)
		if !strings.HasPrefix(target, into+"/") {
			mode = 0o755
		}
		if err := writeStaged(stage, target, data, mode); err != nil {
			return err
		}
	}
	return nil
}

// wheelTarget maps a name in a wheel to one in the image: below the package directory into, or a script's place. A wheel
// may carry <name>.data/<scheme>/….
func wheelTarget(name, into string, scripts map[string]string) (string, bool) {
	top, rest, found := strings.Cut(name, "/")
	if !found || !strings.HasSuffix(top, ".data") {
		return path.Join(into, name), true
	}
	scheme, rest, _ := strings.Cut(rest, "/")
	if scheme == "scripts" {
		target, ok := scripts[rest]
		return target, ok
	}
	return path.Join(into, rest), scheme == "purelib" || scheme == "platlib"
}

func (s *CompileStep) run(b *Builder, r *Recipe, stage string) error {
	root, err := b.pythonRoot(r, stage)
	if err != nil {
		return err
	}
	loader, libs, err := stagedLoader(b.Arch, root)
	if err != nil {
		return err
	}
	// The image's own interpreter compiles: bytecode belongs to one version of Python. Hashes are not checked when
	// it is loaded, so that it stays valid with every file dated 1970.
	env := []string{"PYTHONHOME=" + filepath.Join(root, "usr"), "PYTHONHASHSEED=0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=", "PYTHONNOUSERSITE=1"}
	errs := make([]error, len(s.Groups))
	var wg sync.WaitGroup
	for i, group := range s.Groups {
		wg.Add(1)
		go func() {
			defer wg.Done()
			args := []string{"--library-path", libs, filepath.Join(root, s.Python), "-S", "-B", "-m", "compileall", "-q",
				"--invalidation-mode", "unchecked-hash", "-s", stage, "-p", "/"}
			for _, dir := range group {
				args = append(args, filepath.Join(stage, dir))
			}
			errs[i] = b.run(env, stage, loader, args...)
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("compile Python files: %w", err)
		}
	}
	modules := filepath.Join(stage, s.Path)
	if root != stage {
		modules += ":" + filepath.Join(root, s.Path)
	}
	env = append(env, "PYTHONPATH="+modules)
	return b.run(env, stage, loader, "--library-path", libs, filepath.Join(root, s.Python), "-B", "-c", "import "+strings.Join(s.Imports, ", "))
}

// pythonRoot is where an image's interpreter and its libraries lie: the stage, or the unpacked base.
func (b *Builder) pythonRoot(r *Recipe, stage string) (string, error) {
	if r.base == nil {
		return stage, nil
	}
	return b.unpackBase(r, stage)
}

// stagedLoader finds the stage's dynamic loader and libraries: its interpreter runs with them, not with this
// machine's, and needs no chroot for it.
func stagedLoader(arch, stage string) (loader, libs string, err error) {
	switch arch {
	case "amd64":
		loader, libs = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"
	case "arm64":
		loader, libs = "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu"
	default:
		return "", "", fmt.Errorf("architecture %s: expected amd64 or arm64", arch)
	}
	return filepath.Join(stage, loader), filepath.Join(stage, libs), nil
}
