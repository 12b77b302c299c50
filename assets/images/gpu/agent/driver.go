package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/NVIDIA/go-nvlib/pkg/nvlib/device"
	"github.com/NVIDIA/go-nvml/pkg/nvml"
	securejoin "github.com/cyphar/filepath-securejoin"
)

// nvmlName is the library through which the driver speaks of its GPUs.
const nvmlName = "libnvidia-ml.so.1"

// libraryFolders are where distributions put the driver's libraries, below its
// root.
var libraryFolders = []string{"usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib", "lib/x86_64-linux-gnu", "lib64",
	"usr/lib/x86_64-linux-gnu/nvidia/current", "usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu", "usr/lib/wsl/lib",
	"run/opengl-driver/lib"}

// driver is the connection to the driver. Its library is loaded once: what calls
// it is bound to it for the life of the process.
type driver struct {
	root     string // where the driver's root is mounted
	hostRoot string // what the host calls it
	load     func(path string) nvml.Interface

	mu      sync.RWMutex // held by all who call the library; for writing by who opens and closes it
	lib     nvml.Interface
	mig     device.Interface
	path    string // of the library
	stamp   string // tells another file in its place apart
	open    bool
	problem string
	gpus    []identity
	count   int // GPUs that the driver counts, hidden ones too
	version string
	cuda    string
}

// identity is what never changes of a GPU. It is known also when it is lost.
type identity struct {
	index, minor             int
	uuid, product, pci, node string
	pciDevice                uint32 // device and vendor, as mig-parted's device-filter
	memory                   uint64 // bytes
	migCapable               bool
	profiles                 []gpuProfile
}

// errReplaced says that the driver's library on disk is another than the one in
// memory.
var errReplaced = errors.New("the driver's library was replaced")

// library finds the library below the root. Links are followed inside the root.
func (d *driver) library() (string, error) {
	for _, dir := range libraryFolders {
		path, err := securejoin.SecureJoin(d.root, filepath.Join(dir, nvmlName))
		if err != nil {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fmt.Errorf("the driver's library %s was not found below %s: looked in %s; install NVIDIA's driver on this machine, or name its folder in the setting gpu.driver_root",
		nvmlName, d.hostRoot, strings.Join(libraryFolders, ", "))
}

func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(path, info.Size(), info.ModTime().UnixNano())
}

// connect loads and opens the library. What went wrong is in problem. It returns
// errReplaced if only a new process can load the library that is there now.
func (d *driver) connect() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connectLocked()
}

func (d *driver) connectLocked() error {
	path, err := d.library()
	if err != nil {
		d.open, d.problem = false, err.Error()
		return err
	}
	if d.lib != nil && stamp(path) != d.stamp {
		return errReplaced
	}
	if d.lib == nil {
		d.lib, d.path, d.stamp = d.load(path), path, stamp(path)
		d.mig = device.New(d.lib)
	}
	if ret := d.lib.Init(); ret != nvml.SUCCESS {
		err := d.explain("open the driver", ret)
		d.open, d.problem = false, err.Error()
		if ret == nvml.ERROR_LIBRARY_NOT_FOUND {
			d.lib = nil // it was not loaded
		}
		return err
	}
	if err := d.identify(); err != nil {
		d.lib.Shutdown()
		d.open, d.problem = false, err.Error()
		return err
	}
	d.open, d.problem = true, ""
	return nil
}

// check says whether the driver still answers and its library is still the one
// in memory.
func (d *driver) check() error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.open {
		return errors.New(d.problem)
	}
	if s := stamp(d.path); s != d.stamp && s != "" {
		return errReplaced
	}
	if path, err := d.library(); err == nil && path != d.path {
		return errReplaced
	}
	if ret := d.lib.Init(); ret != nvml.SUCCESS {
		return d.explain("open the driver", ret)
	}
	d.lib.Shutdown()
	return nil
}

// reopen closes the driver and opens it again, as after a reset of a GPU.
func (d *driver) reopen() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open {
		d.lib.Shutdown()
		d.open = false
	}
	return d.connectLocked()
}

// identify reads what there is. d.mu is held.
func (d *driver) identify() error {
	n, ret := d.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return d.explain("count the GPUs", ret)
	}
	d.version, _ = d.lib.SystemGetDriverVersion()
	d.cuda = ""
	if v, ret := d.lib.SystemGetCudaDriverVersion(); ret == nvml.SUCCESS {
		d.cuda = fmt.Sprintf("%d.%d", v/1000, v%1000/10)
	}
	d.gpus, d.count = nil, n
	for i := range n {
		dev, ret := d.lib.DeviceGetHandleByIndex(i)
		if ret == nvml.ERROR_NO_PERMISSION {
			continue // a GPU that a device cgroup hides
		}
		if ret != nvml.SUCCESS {
			return d.explain(fmt.Sprintf("find GPU %d", i), ret)
		}
		g := identity{index: i}
		if g.uuid, ret = dev.GetUUID(); ret != nvml.SUCCESS {
			return d.explain(fmt.Sprintf("read the UUID of GPU %d", i), ret)
		}
		g.product, _ = dev.GetName()
		if g.minor, ret = dev.GetMinorNumber(); ret == nvml.SUCCESS {
			g.node = fmt.Sprintf("nvidia%d", g.minor)
		}
		if pci, ret := dev.GetPciInfo(); ret == nvml.SUCCESS {
			g.pci, g.pciDevice = cString(pci.BusId[:]), pci.PciDeviceId
		}
		if m, ret := dev.GetMemoryInfo(); ret == nvml.SUCCESS {
			g.memory = m.Total
		}
		if _, _, ret := dev.GetMigMode(); ret == nvml.SUCCESS {
			g.migCapable = true
			g.profiles = d.profiles(dev)
		}
		d.gpus = append(d.gpus, g)
	}
	return nil
}

// profiles are the sizes that a GPU can be cut into whole: compute instances
// that share a GPU instance are left out, as the device plugin leaves them out.
func (d *driver) profiles(dev nvml.Device) []gpuProfile {
	nd, err := d.mig.NewDevice(dev)
	if err != nil {
		return nil
	}
	all, err := nd.GetMigProfiles()
	if err != nil {
		return nil
	}
	var list []gpuProfile
	seen := map[string]bool{}
	for _, p := range all {
		info := p.GetInfo()
		if info.C != info.G || seen[p.String()] {
			continue
		}
		gi, ret := dev.GetGpuInstanceProfileInfo(info.GIProfileID)
		if ret != nvml.SUCCESS {
			continue
		}
		seen[p.String()] = true
		list = append(list, gpuProfile{Name: p.String(), Count: int(gi.InstanceCount)})
	}
	return list
}

var moduleVersion = regexp.MustCompile(`Kernel Module\s+(?:for \S+\s+)?(\d+[.\d]+)`)

// explain puts what the driver answered into words: what was tried, which
// library, what it said, and what to do.
func (d *driver) explain(what string, ret nvml.Return) error {
	said := ret.Error()
	lib := d.hostPath(d.path)
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return fmt.Errorf("can't load the driver's library %s: is it for another kind of processor, or damaged? Install NVIDIA's driver again", lib)
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		module := "the driver in the kernel is of another version"
		for _, proc := range []string{filepath.Join(d.root, "proc/driver/nvidia/version"), "/proc/driver/nvidia/version"} {
			if text, err := os.ReadFile(proc); err == nil {
				if m := moduleVersion.FindSubmatch(text); m != nil {
					module = "the driver in the kernel is of version " + string(m[1])
				}
				break
			}
		}
		return fmt.Errorf("the driver's library %s does not fit the driver in the kernel (it says %q; %s): the driver was upgraded and the machine has not been restarted since. Restart the machine, or unload and load the nvidia modules", lib, said, module)
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return fmt.Errorf("the driver's library %s says %q: the kernel module nvidia is not loaded. Run `modprobe nvidia` and read `dmesg` if that fails (Secure Boot refuses unsigned modules)", lib, said)
	case nvml.ERROR_NO_PERMISSION:
		return fmt.Errorf("the driver's library %s says %q: the device nodes /dev/nvidia* can't be opened. In a container or VM, pass them and their cgroup permission on", lib, said)
	case nvml.ERROR_GPU_IS_LOST:
		return fmt.Errorf("%s: the driver's library %s says %q: a GPU has fallen off the bus. Restart the machine; if it comes back, look at power and seat of the GPU", what, lib, said)
	}
	return passing(ret, fmt.Errorf("%s: the driver's library %s says %q; run nvidia-smi on the machine and read `dmesg`", what, lib, said))
}

// hostPath is what the host calls a path below the driver's root.
func (d *driver) hostPath(path string) string {
	rel, err := filepath.Rel(d.root, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return filepath.Join(d.hostRoot, rel)
}

// devices is the folder of the device nodes: below the root if it has one.
func (d *driver) devices() string {
	dev := filepath.Join(d.root, "dev")
	if info, err := os.Stat(dev); err == nil && info.IsDir() {
		return dev
	}
	return "/dev"
}

// devRoot is what the host calls the root that the device nodes lie below. The
// plugin takes the driver's if it is not told: a driver in /usr/local/nvidia has
// no nodes there.
func (d *driver) devRoot() string {
	if d.devices() == "/dev" {
		return "/"
	}
	return d.hostRoot
}

// missingNodes says in words which device node that every program needs is
// missing, "" if none.
func (d *driver) missingNodes() string {
	dev := d.devices()
	if _, err := os.Stat(filepath.Join(dev, "dxg")); err == nil {
		return "" // WSL2 has one device for everything
	}
	if _, err := os.Stat(filepath.Join(dev, "nvidia-uvm")); err != nil {
		return fmt.Sprintf("the device %s is missing, so no program can use CUDA: run `nvidia-modprobe -u -c 0` (or `modprobe nvidia-uvm`) on the machine, and at each start of it",
			d.hostPath(filepath.Join(dev, "nvidia-uvm")))
	}
	return ""
}

func cString[T int8 | uint8](chars []T) string {
	var b []byte
	for _, c := range chars {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}
