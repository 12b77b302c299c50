package gpu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Host is what the files of a machine say of NVIDIA's GPUs and their driver.
type Host struct {
	Cards []Card
	// Module is the version of the kernel module that is loaded, "" if none is.
	Module string
	// Driver is the part of the driver that programs load; zero if there is none.
	Driver Driver
	// Nodes are the device nodes in /dev: nvidia0, nvidiactl, nvidia-uvm, …
	Nodes []string
	// CharLinks says whether /dev/char has the links of the device nodes, which
	// runc asks for when systemd reloads.
	CharLinks bool
	WSL       bool   // Windows' subsystem, which has /dev/dxg in place of NVIDIA's nodes
	Container string // for example lxc, if the machine is a container itself
	// SecureBoot says that the kernel loads signed modules only.
	SecureBoot bool
}

// Card is a GPU on the PCI bus.
type Card struct {
	Address string // for example 0000:01:00.0
	Device  string // PCI device id, for example 2204
	Bound   string // the kernel driver that has it, "" if none has
}

// Driver is a driver's libraries.
type Driver struct {
	// Root is the folder of the host that the driver was installed below: /
	// as a rule.
	Root string
	// Folder holds the libraries; it is below Root.
	Folder string
	// Version is the libraries'.
	Version string
}

// nvml is the library that every program asks for GPUs.
const nvml = "libnvidia-ml.so.1"

// Folders of a root that NVIDIA's own programs look into.
var usualFolders = []string{"usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"}

// Roots besides / that drivers are installed below: Google's and others'
// container systems, NVIDIA's driver container, NixOS, and hand-made ones.
var otherRoots = []string{"usr/local/nvidia", "home/kubernetes/bin/nvidia", "run/nvidia/driver", "run/opengl-driver", "opt/nvidia", "usr/lib/nvidia", "usr/lib/nvidia/current"}

// looseFolders are where those roots may keep their libraries too.
var looseFolders = append(slices.Clone(usualFolders), "lib", "usr/lib", ".")

// Look reads what the machine below root has, / for this one. driverRoot names
// the folder of the driver; with "" it is looked for.
func Look(root, driverRoot string) (Host, error) {
	h := Host{
		Cards: cards(root), Module: moduleVersion(root), Nodes: deviceNodes(root), WSL: exists(root, "dev/dxg"),
		Container: container(root), SecureBoot: secureBoot(root),
	}
	h.CharLinks = len(h.Nodes) == 0 || globbed(root, "dev/char/195:*")
	var err error
	h.Driver, err = findDriver(root, driverRoot)
	return h, err
}

// Usable reports whether programs can be given GPUs of this machine. The
// module may still come: nvidia-modprobe loads it, and the agent tries again.
func (h Host) Usable() bool { return len(h.Cards) > 0 && h.Driver.Root != "" && !h.WSL }

func exists(root, path string) bool {
	_, err := os.Lstat(filepath.Join(root, path))
	return err == nil
}

func globbed(root, pattern string) bool {
	found, err := filepath.Glob(filepath.Join(root, pattern))
	return err == nil && len(found) > 0
}

func read(root, path string) string {
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// cards lists display controllers (PCI class 03) of NVIDIA (vendor 10de); the
// sound of a card is a device of its own.
func cards(root string) (out []Card) {
	devices, _ := filepath.Glob(filepath.Join(root, "sys/bus/pci/devices/*"))
	for _, dir := range devices {
		if read(dir, "vendor") != "0x10de" || !strings.HasPrefix(read(dir, "class"), "0x03") {
			continue
		}
		c := Card{Address: filepath.Base(dir), Device: strings.TrimPrefix(read(dir, "device"), "0x")}
		if to, err := os.Readlink(filepath.Join(dir, "driver")); err == nil {
			c.Bound = filepath.Base(to)
		}
		out = append(out, c)
	}
	return out
}

var versionPattern = regexp.MustCompile(`\b\d{3,}\.\d+(\.\d+)?\b`)

// moduleVersion is written to proc by the module itself; sys has it too, except
// in some containers.
func moduleVersion(root string) string {
	if v := versionPattern.FindString(firstLine(read(root, "proc/driver/nvidia/version"))); v != "" {
		return v
	}
	return versionPattern.FindString(read(root, "sys/module/nvidia/version"))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func deviceNodes(root string) (out []string) {
	nodes, _ := filepath.Glob(filepath.Join(root, "dev/nvidia*"))
	for _, n := range nodes {
		if st, err := os.Stat(n); err == nil && !st.IsDir() {
			out = append(out, filepath.Base(n))
		}
	}
	return out
}

// container is what systemd and LXC call the container that a machine is.
func container(root string) string {
	if kind := read(root, "run/systemd/container"); kind != "" {
		return kind
	}
	for _, v := range strings.Split(read(root, "proc/1/environ"), "\x00") {
		if kind, ok := strings.CutPrefix(v, "container="); ok {
			return kind
		}
	}
	return ""
}

// secureBoot reads the firmware's variable: four bytes of attributes, then its
// value (UEFI 2.10, 3.3 and 8.2).
func secureBoot(root string) bool {
	b, err := os.ReadFile(filepath.Join(root, "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"))
	return err == nil && len(b) == 5 && b[4] == 1
}

// findDriver looks for NVML in the usual folders of /, then in other places.
func findDriver(root, driverRoot string) (Driver, error) {
	if driverRoot != "" {
		d, ok, err := driverBelow(root, driverRoot, looseFolders)
		if err == nil && !ok {
			err = mlops.Errorf(mlops.Invalid, "gpu.driver_root: %s holds no %s: expected the folder below which NVIDIA's driver is installed, with its libraries in lib64, lib or usr/lib of it; leave the setting out to have it found", driverRoot, nvml)
		}
		return d, err
	}
	// What can't be looked at while searching is no driver: a lab without GPUs
	// must start.
	if d, ok, err := driverBelow(root, "/", usualFolders); ok && err == nil {
		return d, nil
	}
	for _, r := range otherRoots {
		if d, ok, err := driverBelow(root, "/"+r, looseFolders); ok && err == nil {
			return d, nil
		}
	}
	return Driver{}, nil
}

func driverBelow(root, driverRoot string, folders []string) (Driver, bool, error) {
	for _, f := range folders {
		folder := filepath.Join(driverRoot, f)
		real, err := resolve(root, filepath.Join(folder, nvml))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Driver{}, false, fmt.Errorf("look for %s: %w", nvml, err)
		}
		d := Driver{Root: driverRoot, Folder: folder}
		d.Version = strings.TrimPrefix(filepath.Base(real), "libnvidia-ml.so.")
		if driverRoot != "/" {
			// NixOS links each library to where it lies; the others are beside it.
			d.Folder = filepath.Dir(real)
			if !strings.HasPrefix(d.Folder+"/", filepath.Clean(driverRoot)+"/") {
				d.Root = filepath.Dir(d.Folder)
			}
		}
		return d, true, nil
	}
	return Driver{}, false, nil
}

// resolve follows the links of path as the machine below root sees them.
func resolve(root, path string) (string, error) {
	real, err := securejoin.SecureJoin(root, path)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(real); err != nil {
		return "", err
	}
	return filepath.Join("/", strings.TrimPrefix(real, filepath.Clean(root))), nil
}

// Usual reports whether NVIDIA's programs find the driver below its root
// themselves.
func (d Driver) Usual() bool {
	return slices.ContainsFunc(usualFolders, func(f string) bool { return filepath.Join(d.Root, f) == d.Folder })
}

// Tool returns where a driver's root has a program, "" if it has none, and the
// folder with the driver's libraries if the loader would not look there.
func Tool(root, name string) (path, libraries string) {
	for _, bin := range []string{"usr/bin", "bin"} {
		if at := filepath.Join(root, bin, name); exists("/", at) {
			path = at
			break
		}
	}
	if path == "" || filepath.Clean(root) == "/" {
		return path, ""
	}
	for _, f := range looseFolders {
		if exists(root, filepath.Join(f, nvml)) {
			return path, filepath.Join(root, f)
		}
	}
	return path, ""
}
