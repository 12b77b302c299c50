package gpu

import (
	"fmt"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Check says what is wrong with a machine's GPUs and their driver, before
// anything of the lab looks at them.
func (h Host) Check() []mlops.Finding {
	if h.WSL {
		return []mlops.Finding{warn("wsl", "this is Windows' subsystem for Linux: its GPU is /dev/dxg, which Windows shares, and not a device that pods can be given",
			"run the lab on Linux itself, or practise with `benchtop up --simulate-gpus 1xRTX-4090`")}
	}
	if len(h.Cards) == 0 {
		if h.Module != "" || len(h.Nodes) > 0 {
			return []mlops.Finding{warn("cards", "there is no NVIDIA GPU on this machine's PCI bus, although its driver is there", "look at `lspci -d 10de:`; a virtual machine needs the GPU passed through")}
		}
		return []mlops.Finding{ok("cards", "this machine has no NVIDIA GPU; `benchtop up --simulate-gpus 2xA100-80GB` simulates some")}
	}
	var out []mlops.Finding
	var names []string
	for _, c := range h.Cards {
		names = append(names, c.Address)
		if c.Bound != "nvidia" && c.Bound != "" {
			out = append(out, warn("driver", fmt.Sprintf("the GPU at %s belongs to the kernel driver %s", c.Address, c.Bound), otherDriver(c.Bound)))
		}
	}
	out = append(out, ok("cards", fmt.Sprintf("%d on the PCI bus: %s", len(h.Cards), strings.Join(names, ", "))))
	if h.Driver.Root == "" {
		fix := "install NVIDIA's driver as your distribution says (its package is mostly called nvidia-driver), and restart; the lab can't bring it, because it belongs to the kernel"
		if h.Module != "" {
			fix = "set gpu.driver_root to the folder below which it is installed; `find / -name libnvidia-ml.so.1` finds it"
		}
		return append(out, warn("driver", "no "+nvml+" in the usual folders: "+missingDriver(h.Module), fix))
	}
	if h.Driver.Root != "/" {
		out = append(out, ok("driver root", fmt.Sprintf("%s, libraries in %s", h.Driver.Root, h.Driver.Folder)))
	}
	switch {
	case h.Module == "" && h.SecureBoot:
		return append(out, warn("kernel module", "the module nvidia is not loaded, and Secure Boot is on: the kernel refuses modules that are not signed with a key it knows",
			"sign it: `mokutil --import` the key that the module was built with (on Ubuntu and Debian /var/lib/shim-signed/mok/MOK.der), restart and enrol it; or turn Secure Boot off; `dmesg | grep -i nvidia` shows the refusal"))
	case h.Module == "":
		return append(out, warn("kernel module", "the module nvidia is not loaded", "`modprobe nvidia`, and `dmesg | grep -i nvidia` if that fails; after an update of the kernel the module has to be built anew (`dkms status`)"))
	case versionPattern.MatchString(h.Driver.Version) && h.Driver.Version != h.Module:
		out = append(out, fail("driver", fmt.Sprintf("the kernel has module %s loaded, the libraries are of version %s: programs will say \"Driver/library version mismatch\"", h.Module, h.Driver.Version),
			"restart the machine: the driver was updated while it ran"))
	default:
		out = append(out, ok("driver", "version "+h.Module))
	}
	return append(out, h.checkNodes()...)
}

func (h Host) checkNodes() (out []mlops.Finding) {
	have := func(name string) bool { return slices.Contains(h.Nodes, name) }
	if h.Container == "lxc" && (!have("nvidiactl") || !have("nvidia-uvm")) {
		return append(out, warn("container", "this machine is an LXC container, and was not given all of /dev/nvidia0, nvidiactl and nvidia-uvm",
			"on its host, allow the devices' major numbers (`lxc.cgroup2.devices.allow: c 195:* rwm`, and the number of nvidia-uvm in /proc/devices, which changes at a restart), and mount the nodes (`lxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind,optional,create=file`); the libraries inside must have the host's version"))
	}
	if !have("nvidiactl") {
		return append(out, warn("device nodes", "/dev/nvidiactl is missing", "`nvidia-modprobe`, or any program that asks for the GPU as root, makes it"))
	}
	if !have("nvidia-uvm") {
		out = append(out, warn("device nodes", "/dev/nvidia-uvm is missing: CUDA programs will find no device, although nvidia-smi works", "`nvidia-modprobe -u -c=0`, and at every boot: a line nvidia-uvm in /etc/modules-load.d/nvidia.conf; then restart the lab"))
	}
	if !h.CharLinks {
		out = append(out, warn("device links", "/dev/char has no links to the devices 195:*: a `systemctl daemon-reload` takes the GPU from containers that run (\"Failed to initialize NVML: Unknown Error\")",
			"`nvidia-ctk system create-dev-char-symlinks --create-all`, or a udev rule; pods that have lost theirs must be started again"))
	}
	return out
}

// Lacks says in words why no pod can be given a GPU of the machine.
func (h Host) Lacks() string {
	for _, f := range h.Check() {
		if f.Level != mlops.LevelOK {
			return f.Detail
		}
	}
	return "this machine has no NVIDIA GPU"
}

func missingDriver(module string) string {
	if module == "" {
		return "NVIDIA's driver is not installed"
	}
	return "the kernel module " + module + " is loaded, but its libraries are elsewhere"
}

func otherDriver(bound string) string {
	if bound == "vfio-pci" {
		return "it is set aside for a virtual machine: take its id out of the options of vfio-pci (/etc/modprobe.d), and restart"
	}
	return "install NVIDIA's driver and keep " + bound + " from being loaded (`blacklist " + bound + "` in /etc/modprobe.d, then a new initramfs), and restart"
}

func ok(check, detail string) mlops.Finding {
	return mlops.Finding{Check: "gpu " + check, Level: mlops.LevelOK, Detail: detail}
}

func warn(check, detail, fix string) mlops.Finding {
	return mlops.Finding{Check: "gpu " + check, Level: mlops.LevelWarn, Detail: detail, Fix: fix}
}

func fail(check, detail, fix string) mlops.Finding {
	return mlops.Finding{Check: "gpu " + check, Level: mlops.LevelFail, Detail: detail, Fix: fix}
}
