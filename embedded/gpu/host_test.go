package gpu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// machine makes the files of a machine: path → content. A path that ends in @
// is a link to its content.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		link := strings.HasSuffix(path, "@")
		path = filepath.Join(root, strings.TrimSuffix(path, "@"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if link {
			err = os.Symlink(content, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const pci = "sys/bus/pci/devices/0000:01:00.0/"

// well is a machine with one GPU and its driver as distributions install it.
func well(changes ...map[string]string) map[string]string {
	files := map[string]string{
		pci + "vendor": "0x10de\n", pci + "class": "0x030000\n", pci + "device": "0x2204\n", pci + "driver@": "../../../../bus/pci/drivers/nvidia",
		"sys/bus/pci/devices/0000:01:00.1/vendor": "0x10de\n", "sys/bus/pci/devices/0000:01:00.1/class": "0x040300\n",
		"sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n", "sys/bus/pci/devices/0000:00:02.0/class": "0x030000\n",
		"proc/driver/nvidia/version":                         "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version:  gcc version 12.2.0\n",
		"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15": "", "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1@": "libnvidia-ml.so.550.54.15",
		"dev/nvidia0": "", "dev/nvidiactl": "", "dev/nvidia-uvm": "", "dev/char/195:0@": "../nvidia0",
	}
	for _, c := range changes {
		for path, content := range c {
			if content == "gone" {
				delete(files, path)
				delete(files, path+"@")
			} else {
				files[path] = content
			}
		}
	}
	return files
}

func TestMachines(t *testing.T) {
	noDriver := map[string]string{"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": "gone", "proc/driver/nvidia/version": "gone"}
	for name, c := range map[string]struct {
		files  map[string]string
		usable bool
		check  string // of the finding
		level  mlops.Level
		detail string
		fix    string
	}{
		"well":               {well(), true, "gpu driver", mlops.LevelOK, "version 550.54.15", ""},
		"no GPU":             {map[string]string{"dev/null": ""}, false, "gpu cards", mlops.LevelOK, "this machine has no NVIDIA GPU", ""},
		"driver without GPU": {map[string]string{"dev/nvidiactl": ""}, false, "gpu cards", mlops.LevelWarn, "there is no NVIDIA GPU on this machine's PCI bus", "lspci"},
		// 1
		"no driver": {well(noDriver, map[string]string{pci + "driver": "gone"}), false, "gpu driver", mlops.LevelWarn, "NVIDIA's driver is not installed", "install NVIDIA's driver"},
		"nouveau":   {well(noDriver, map[string]string{pci + "driver@": "../drivers/nouveau"}), false, "gpu driver", mlops.LevelWarn, "0000:01:00.0 belongs to the kernel driver nouveau", "blacklist nouveau"},
		"vfio":      {well(map[string]string{pci + "driver@": "../drivers/vfio-pci"}), true, "gpu driver", mlops.LevelWarn, "belongs to the kernel driver vfio-pci", "set aside for a virtual machine"},
		// 2
		"mismatch": {well(map[string]string{"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun\n"}), true, "gpu driver", mlops.LevelFail,
			"the kernel has module 535.183.01 loaded, the libraries are of version 550.54.15", "restart the machine"},
		// 3
		"no uvm": {well(map[string]string{"dev/nvidia-uvm": "gone"}), true, "gpu device nodes", mlops.LevelWarn, "/dev/nvidia-uvm is missing", "nvidia-modprobe -u"},
		"no ctl": {well(map[string]string{"dev/nvidiactl": "gone"}), true, "gpu device nodes", mlops.LevelWarn, "/dev/nvidiactl is missing", "nvidia-modprobe"},
		// 5
		"elsewhere": {well(noDriver, map[string]string{"usr/local/nvidia/lib64/libnvidia-ml.so.550.54.15": "", "usr/local/nvidia/lib64/libnvidia-ml.so.1@": "libnvidia-ml.so.550.54.15",
			"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue\n"}), true, "gpu driver root", mlops.LevelOK, "/usr/local/nvidia, libraries in /usr/local/nvidia/lib64", ""},
		"a file in the way": {map[string]string{"opt/nvidia": "a file", "usr/lib/nvidia@": "nvidia"}, false, "gpu cards", mlops.LevelOK, "this machine has no NVIDIA GPU", ""},
		"nowhere":           {well(map[string]string{"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": "gone"}), false, "gpu driver", mlops.LevelWarn, "the kernel module 550.54.15 is loaded, but its libraries are elsewhere", "gpu.driver_root"},
		// 8
		"no links": {well(map[string]string{"dev/char/195:0": "gone"}), true, "gpu device links", mlops.LevelWarn, "/dev/char has no links", "create-dev-char-symlinks"},
		// 10
		"lxc":         {well(map[string]string{"run/systemd/container": "lxc\n", "dev/nvidia-uvm": "gone"}), true, "gpu container", mlops.LevelWarn, "this machine is an LXC container", "lxc.cgroup2.devices.allow"},
		"lxc by init": {well(map[string]string{"proc/1/environ": "A=b\x00container=lxc\x00", "dev/nvidiactl": "gone"}), true, "gpu container", mlops.LevelWarn, "this machine is an LXC container", ""},
		// 11
		"wsl": {well(map[string]string{"dev/dxg": ""}), false, "gpu wsl", mlops.LevelWarn, "this is Windows' subsystem for Linux", "--simulate-gpus"},
		// 15
		"secure boot": {well(map[string]string{"proc/driver/nvidia/version": "gone", "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "\x06\x00\x00\x00\x01"}), true,
			"gpu kernel module", mlops.LevelWarn, "Secure Boot is on", "mokutil"},
		"not loaded": {well(map[string]string{"proc/driver/nvidia/version": "gone"}), true, "gpu kernel module", mlops.LevelWarn, "the module nvidia is not loaded", "modprobe nvidia"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := Look(machine(t, c.files), "")
			if err != nil {
				t.Fatal(err)
			}
			if h.Usable() != c.usable {
				t.Errorf("usable is %v: %+v", h.Usable(), h)
			}
			found := h.Check()
			for _, f := range found {
				if f.Check == c.check && f.Level == c.level && strings.Contains(f.Detail, c.detail) && strings.Contains(f.Fix, c.fix) {
					if c.level != mlops.LevelOK && (f.Fix == "" || h.Lacks() == "") {
						t.Errorf("it says nothing about what to do: %+v", f)
					}
					return
				}
			}
			t.Errorf("it finds %+v", found)
		})
	}
	if f, _ := Look(machine(t, well()), ""); f.Lacks() != "this machine has no NVIDIA GPU" || len(f.Cards) != 1 || f.Cards[0].Device != "2204" {
		t.Errorf("the machine that is well: %+v", f)
	}
}

func TestDriverRoots(t *testing.T) {
	// NixOS links a folder of links into its store.
	nix := well(map[string]string{"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": "gone",
		"run/opengl-driver@": "/nix/store/abc-graphics", "nix/store/abc-graphics/lib/libnvidia-ml.so.1@": "/nix/store/xyz-nvidia-x11/lib/libnvidia-ml.so.1",
		"nix/store/xyz-nvidia-x11/lib/libnvidia-ml.so.1@": "libnvidia-ml.so.550.54.15", "nix/store/xyz-nvidia-x11/lib/libnvidia-ml.so.550.54.15": ""})
	for name, c := range map[string]struct {
		files map[string]string
		named string
		want  Driver
		usual bool
		error string
	}{
		"usual": {well(), "", Driver{"/", "/usr/lib/x86_64-linux-gnu", "550.54.15"}, true, ""},
		"nix":   {nix, "", Driver{"/nix/store/xyz-nvidia-x11", "/nix/store/xyz-nvidia-x11/lib", "550.54.15"}, false, ""},
		"named": {well(map[string]string{"srv/gpu/lib/libnvidia-ml.so.1": ""}), "/srv/gpu", Driver{"/srv/gpu", "/srv/gpu/lib", "1"}, false, ""},
		"named, usual below": {well(map[string]string{"srv/gpu/usr/lib64/libnvidia-ml.so.1@": "libnvidia-ml.so.535.1", "srv/gpu/usr/lib64/libnvidia-ml.so.535.1": ""}), "/srv/gpu",
			Driver{"/srv/gpu", "/srv/gpu/usr/lib64", "535.1"}, true, ""},
		"named wrongly": {well(), "/srv/gpu", Driver{}, false, "gpu.driver_root: /srv/gpu holds no libnvidia-ml.so.1: expected the folder below which NVIDIA's driver is installed, with its libraries in lib64, lib or usr/lib of it; leave the setting out to have it found"},
	} {
		h, err := Look(machine(t, c.files), c.named)
		if c.error != "" {
			if mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != c.error {
				t.Errorf("%s: error is %v", name, err)
			}
			continue
		}
		if err != nil || h.Driver != c.want || h.Driver.Usual() != c.usual {
			t.Errorf("%s: %+v (%v), expected %+v", name, h.Driver, err, c.want)
		}
	}
}

func TestToolsOfADriver(t *testing.T) {
	root := machine(t, map[string]string{"bin/nvidia-smi": "", "lib64/libnvidia-ml.so.1": ""})
	if path, libraries := Tool(root, "nvidia-smi"); path != filepath.Join(root, "bin/nvidia-smi") || libraries != filepath.Join(root, "lib64") {
		t.Errorf("found %q with %q", path, libraries)
	}
	if path, libraries := Tool(root, "nvidia-persistenced"); path != "" || libraries != "" {
		t.Errorf("found %q with %q", path, libraries)
	}
}
