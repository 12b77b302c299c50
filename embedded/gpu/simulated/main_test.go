package simulated

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// module is the folder of the module that the image's programs and the library's headers come from.
const module = "../../../assets/images/gpu"

var built struct {
	dir     string // libnvidia-ml.so, libcuda.so, nvidia-smi and what goProgram made
	library func() error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "simulated-gpus-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir, built.library = dir, sync.OnceValue(buildLibraries)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func buildLibraries() error {
	dir, err := headers()
	if err != nil {
		return err
	}
	common := []string{"-Wall", "-Wextra", "-Werror", "-Os", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-tree-loop-distribute-patterns", "-isystem", dir}
	shared := append(common[:len(common):len(common)], "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,--no-undefined")
	for out, args := range map[string][]string{
		"libnvidia-ml.so": append(shared, "-Wl,-soname,libnvidia-ml.so.1", "nvml.c", "stubs.c", "sys.c"),
		"libcuda.so":      append(shared[:len(shared):len(shared)], "-Wl,-soname,libcuda.so.1", "cuda.c", "sys.c"),
		"nvidia-smi":      append(common[:len(common):len(common)], "-static", "smi.c", "nvml.c", "sys.c"),
	} {
		if _, err := command(filepath.Join(module, "sim"), nil, "gcc", append([]string{"-o", filepath.Join(built.dir, out)}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// headers is the folder of nvml.h.
func headers() (string, error) {
	const name = "github.com/NVIDIA/go-nvml"
	if _, err := command(module, nil, "go", "mod", "download", name); err != nil {
		return "", err
	}
	dir, err := command(module, nil, "go", "list", "-m", "-f", "{{.Dir}}", name)
	return filepath.Join(strings.TrimSpace(dir), "gen", "nvml"), err
}

// goProgram builds a program of the image's module, with cgo as there.
func goProgram(t *testing.T, pkg string) string {
	t.Helper()
	file := filepath.Join(built.dir, filepath.Base(pkg))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	if _, err := command(module, []string{"CGO_ENABLED=1", "GOFLAGS="}, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, pkg); err != nil {
		t.Fatal(err)
	}
	return file
}

func command(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, stderr.String(), out)
	}
	return string(out), nil
}

// open makes a driver with its libraries, as the agent installs them.
func open(t *testing.T, spec string) *Driver {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "driver"), spec)
}

func openAt(t *testing.T, dir, spec string) *Driver {
	t.Helper()
	if err := built.library(); err != nil {
		t.Fatal(err)
	}
	s, err := Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir, s)
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		"libnvidia-ml.so": LibDir() + "/libnvidia-ml.so." + Version,
		"libcuda.so":      LibDir() + "/libcuda.so." + Version,
		"nvidia-smi":      "usr/bin/nvidia-smi",
	} {
		data, err := os.ReadFile(filepath.Join(built.dir, from))
		if err != nil {
			t.Fatal(err)
		}
		to = d.path(to)
		if err := os.WriteFile(to+".new", data, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(to+".new", to); err != nil {
			t.Fatal(err)
		}
		if name, _, ok := strings.Cut(to, "."+Version); ok {
			os.Remove(name + ".1")
			if err := os.Symlink(filepath.Base(to), name+".1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d
}

func (d *Driver) library() string { return d.path(LibDir() + "/libnvidia-ml.so.1") }

// smi runs the stand-in of nvidia-smi.
func smi(t *testing.T, d *Driver, args ...string) string {
	t.Helper()
	out, err := command("", nil, d.path("usr/bin/nvidia-smi"), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// query asks for values of all GPUs, a line each.
func query(t *testing.T, d *Driver, fields string) []string {
	t.Helper()
	return strings.Split(strings.TrimSpace(smi(t, d, "--query-gpu="+fields, "--format=csv,noheader,nounits")), "\n")
}

// probe runs the program that asks with NVIDIA's libraries.
func probe(t *testing.T, d *Driver, args ...string) string {
	t.Helper()
	out, err := command("", nil, goProgram(t, "./sim/probe"), append([]string{d.library()}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}
