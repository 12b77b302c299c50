package simulated

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Driver is the root folder of a simulated driver, as / is of a real one: the folder that a device plugin calls
// nvidia-driver-root. Nothing of it runs: temperature, power and energy follow from what was written last and the time.
type Driver struct {
	dir string

	mu     sync.Mutex
	spec   Spec
	faults []Fault
}

// Load is what a GPU does.
type Load struct {
	Utilization float64 // 0 to 1
	MemoryMiB   int64   // that containers use
}

// Fault is something that happens to a GPU.
type Fault struct {
	GPU   int       `json:"gpu"`           // index; one that the fault was injected by, for mismatch and no-uvm
	Kind  string    `json:"kind"`          // one of the constants
	XID   int       `json:"xid,omitempty"` // for xid
	Since time.Time `json:"since"`
}

// Kinds of Fault.
const (
	FaultXID      = "xid"      // the driver reports an error; with XID 79 the GPU no longer answers
	FaultHot      = "hot"      // its cooling fails
	FaultECC      = "ecc"      // its memory has an error that can't be corrected
	FaultMismatch = "mismatch" // library and kernel module have different versions
	FaultNoUVM    = "no-uvm"   // the device nodes of nvidia-uvm are missing
)

// xidLost is the XID of a GPU that has fallen off the bus.
const xidLost = 79

// applicationXIDs are errors of programs, after which a GPU goes on. They are those that NVIDIA's device plugin ignores.
var applicationXIDs = []int{13, 31, 43, 45, 68, 109}

// Names of files below the root.
const (
	specFile   = "gpus"        // the Spec
	faultsFile = "faults.json" // []Fault
)

var stateName = filepath.Join("lib", "firmware", "nvidia", Version, "gsp_ga10x.bin")

// LibDir is the folder below the root that the libraries belong in.
func LibDir() string {
	if runtime.GOARCH == "arm64" {
		return "usr/lib/aarch64-linux-gnu"
	}
	return "usr/lib/x86_64-linux-gnu"
}

// Open makes the root dir, or keeps what is there if it has the same GPUs: then faults and MIG stay as they are. It needs
// the right to make device nodes.
func Open(dir string, s Spec) (*Driver, error) {
	if len(s) == 0 || len(s) > MaxGPUs {
		return nil, fmt.Errorf("simulate %d GPUs: expected 1 to %d", len(s), MaxGPUs)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	d := &Driver{dir: dir, spec: s}
	for _, sub := range []string{"dev/nvidia-caps", LibDir(), "usr/bin", filepath.Dir(stateName)} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("make the simulated driver: %w", err)
		}
	}
	old, err := os.ReadFile(d.path(specFile))
	keep := err == nil && string(old) == s.String()+"\n"
	if keep {
		keep, err = d.readFaults()
		if err != nil {
			return nil, err
		}
	}
	if err := d.change(func(f *stateFile) { keep = d.initialize(f, keep) }); err != nil {
		return nil, err
	}
	if !keep {
		d.faults = nil
	}
	if err := d.writeFaults(); err != nil {
		return nil, err
	}
	if err := d.makeNodes(); err != nil {
		return nil, err
	}
	if err := d.makeCaps(); err != nil {
		return nil, err
	}
	if err := d.makeProc(); err != nil {
		return nil, err
	}
	// Last: a root that is half made is made anew.
	return d, d.write(specFile, s.String()+"\n")
}

// RemoveAll removes a driver's files, if there are any.
func RemoveAll(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the simulated driver: %w", err)
	}
	return nil
}

// Is reports whether a folder is the root of a simulated driver.
func Is(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, specFile))
	return err == nil
}

// SetLoad says what a GPU does from now on.
func (d *Driver) SetLoad(gpu int, l Load) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(gpu); err != nil {
		return err
	}
	return d.change(func(f *stateFile) {
		to := &f.Load[gpu]
		to.settle(f.GPU[gpu], time.Now())
		to.Utilization = uint32(1000 * min(max(l.Utilization, 0), 1))
		to.UsedMiB = uint64(max(l.MemoryMiB, 0))
	})
}

// Inject lets something happen to a GPU. The same again replaces it, and is reported again.
func (d *Driver) Inject(gpu int, fault Fault) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(gpu); err != nil {
		return err
	}
	fault.GPU = gpu
	if fault.Since.IsZero() {
		fault.Since = time.Now()
	}
	k := d.spec[gpu]
	switch fault.Kind {
	case FaultXID:
		if fault.XID < 1 || fault.XID > 999 {
			return fmt.Errorf("XID %d: expected a number from 1 to 999, for example 79 (the GPU has fallen off the bus)", fault.XID)
		}
	case FaultECC:
		if !k.ecc {
			return fmt.Errorf("GPU %d is a %s, whose memory has no error correction: expected another kind of fault", gpu, k.Name)
		}
	case FaultHot, FaultMismatch, FaultNoUVM:
	default:
		return fmt.Errorf("fault %q: expected xid, hot, ecc, mismatch or no-uvm", fault.Kind)
	}
	if fault.Kind != FaultXID {
		fault.XID = 0
	}
	d.faults = slices.DeleteFunc(d.faults, func(f Fault) bool { return f.GPU == gpu && f.Kind == fault.Kind })
	d.faults = append(d.faults, fault)
	err := d.change(func(f *stateFile) {
		d.apply(f)
		l := &f.Load[gpu]
		switch fault.Kind {
		case FaultXID:
			l.event(fault.XID)
		case FaultECC:
			l.ECCUncorrected++
			if k.remapsRows {
				l.RowsRemapped++
			}
			l.event(48) // a double bit error
		}
	})
	return errors.Join(err, d.writeFaults(), d.makeNodes())
}

// Clear ends what was injected into a GPU, as a reset of it would.
func (d *Driver) Clear(gpu int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(gpu); err != nil {
		return err
	}
	d.faults = slices.DeleteFunc(d.faults, func(f Fault) bool { return f.GPU == gpu })
	return errors.Join(d.change(d.apply), d.writeFaults(), d.makeNodes())
}

// Faults are those that were injected and not cleared, oldest first.
func (d *Driver) Faults() []Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.faults)
}

func (d *Driver) has(gpu int, kind string) bool {
	return slices.ContainsFunc(d.faults, func(f Fault) bool { return f.Kind == kind && (gpu < 0 || f.GPU == gpu) })
}

// apply writes the faults that there are into the state.
func (d *Driver) apply(f *stateFile) {
	f.Header.Mismatch = bit(d.has(-1, FaultMismatch))
	for i := range d.spec {
		l := &f.Load[i]
		hot, ecc := d.has(i, FaultHot), d.has(i, FaultECC)
		if (l.Hot != 0) != hot {
			l.settle(f.GPU[i], time.Now())
			l.Hot = bit(hot)
		}
		l.Recovery, l.Lost, l.RowsPending = 0, 0, 0
		for _, fault := range d.faults {
			if fault.GPU == i && fault.Kind == FaultXID {
				l.Lost = bit(fault.XID == xidLost)
				if !slices.Contains(applicationXIDs, fault.XID) {
					l.Recovery = recoveryReset
				}
			}
		}
		switch {
		case ecc:
			l.Recovery, l.RowsPending = recoveryReset, 1
		default:
			l.ECCUncorrected = 0 // the count is since the last reset
		}
	}
}

func (d *Driver) check(gpu int) error {
	if gpu < 0 || gpu >= len(d.spec) {
		return fmt.Errorf("GPU %d: expected 0 to %d, the simulated GPUs are %s", gpu, len(d.spec)-1, d.spec)
	}
	return nil
}

// ---- the state file ----

// initialize describes the GPUs, and lets them begin anew unless what they did is to be kept, and can be.
func (d *Driver) initialize(f *stateFile, keep bool) bool {
	h := stateHeader{Layout: layout, Length: uint32(fileSize), Seq: f.Header.Seq, MIGSeq: f.Header.MIGSeq, GPUs: uint32(len(d.spec))}
	copy(h.Magic[:], magic)
	keep = keep && f.Header.Magic == h.Magic && f.Header.Layout == h.Layout && f.Header.Length == h.Length
	f.Header, f.GPU = h, [MaxGPUs]stateGPU{}
	for i, k := range d.spec {
		f.GPU[i] = describe(k, i)
	}
	if keep {
		d.apply(f)
		return true
	}
	f.Load, f.MIG = [MaxGPUs]stateLoad{}, [MaxGPUs]stateMIG{}
	for i := range d.spec {
		f.Load[i] = idle(f.GPU[i], time.Now())
	}
	return false
}

// change changes the state. Containers have the file mapped, so it is written in place, and never made shorter.
func (d *Driver) change(do func(*stateFile)) error {
	file, err := os.OpenFile(d.path(stateName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("change the state of the simulated GPUs: %w", err)
	}
	defer file.Close() // unlocks it
	if err := d.changeFile(file, do); err != nil {
		return fmt.Errorf("change the state of the simulated GPUs: %w", err)
	}
	return nil
}

func (d *Driver) changeFile(file *os.File, do func(*stateFile)) error {
	if err := flock(file); err != nil {
		return err
	}
	st, err := file.Stat()
	if err != nil {
		return err
	}
	if st.Size() < int64(fileSize) {
		if err := file.Truncate(int64(fileSize)); err != nil {
			return err
		}
	}
	data := make([]byte, fileSize)
	if _, err := file.ReadAt(data, 0); err != nil {
		return err
	}
	var f stateFile
	if _, err := binary.Decode(data, binary.NativeEndian, &f); err != nil {
		return err
	}
	mig := f.MIG
	seq, migSeq := f.Header.Seq|1, f.Header.MIGSeq|1
	do(&f)
	out, err := binary.Append(nil, binary.NativeEndian, &f)
	if err != nil {
		return err
	}
	// Odd while it changes: readers wait, or read again.
	if err := writeNumber(file, seqOffset, seq); err != nil {
		return err
	}
	if f.MIG != mig {
		if err := writeNumber(file, migSeqOffset, migSeq); err != nil {
			return err
		}
		if _, err := file.WriteAt(out[migOffset:], int64(migOffset)); err != nil {
			return err
		}
		if err := writeNumber(file, migSeqOffset, migSeq+1); err != nil {
			return err
		}
	}
	if _, err := file.WriteAt(out[:seqOffset], 0); err != nil {
		return err
	}
	if _, err := file.WriteAt(out[bodyOffset:migOffset], bodyOffset); err != nil {
		return err
	}
	return writeNumber(file, seqOffset, seq+1)
}

func flock(file *os.File) error {
	for {
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}

func writeNumber(file *os.File, at int64, n uint32) error {
	_, err := file.WriteAt(binary.NativeEndian.AppendUint32(nil, n), at)
	return err
}

// ---- files ----

func (d *Driver) path(name string) string { return filepath.Join(d.dir, name) }

// write replaces a file of the root.
func (d *Driver) write(name, text string) error {
	path := d.path(name)
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return fmt.Errorf("make the simulated driver: %w", err)
	}
	return os.Rename(path+".new", path)
}

// readFaults reports whether there is a list of faults of GPUs that there are.
func (d *Driver) readFaults() (bool, error) {
	data, err := os.ReadFile(d.path(faultsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, &d.faults); err != nil {
		return false, fmt.Errorf("read %s: %w; remove the file to forget the faults", d.path(faultsFile), err)
	}
	return !slices.ContainsFunc(d.faults, func(f Fault) bool { return d.check(f.GPU) != nil }), nil
}

func (d *Driver) writeFaults() error {
	faults := d.faults
	if faults == nil {
		faults = []Fault{}
	}
	data, err := json.MarshalIndent(faults, "", "  ")
	if err != nil {
		return err
	}
	return d.write(faultsFile, string(data)+"\n")
}

// makeNodes makes the device nodes of GPUs that there should be, and removes the others. All are like /dev/null.
func (d *Driver) makeNodes() error {
	want := map[string]bool{"nvidiactl": true, "nvidia-modeset": true}
	if !d.has(-1, FaultNoUVM) {
		want["nvidia-uvm"], want["nvidia-uvm-tools"] = true, true
	}
	for i := range d.spec {
		want[fmt.Sprintf("nvidia%d", i)] = true
	}
	return makeNodes(d.path("dev"), want, 0o666)
}

// makeCaps does the same with the nodes of parts of GPUs.
func (d *Driver) makeCaps() error {
	file, err := os.Open(d.path(stateName))
	if err != nil {
		return err
	}
	defer file.Close()
	// The library makes and removes such nodes while it holds the lock.
	if err := flock(file); err != nil {
		return err
	}
	data := make([]byte, fileSize-migOffset)
	if _, err := file.ReadAt(data, int64(migOffset)); err != nil {
		return err
	}
	var mig [MaxGPUs]stateMIG
	if _, err := binary.Decode(data, binary.NativeEndian, &mig); err != nil {
		return err
	}
	want := map[string]bool{}
	if d.canCut() {
		want[capName(1)], want[capName(2)] = true, true
	}
	for gpu, m := range mig {
		for i, instance := range m.Instance {
			if instance.Profile == 0 {
				continue
			}
			want[capName(capOf(gpu, i))] = true
			for c, compute := range instance.Compute {
				if compute.Slices != 0 {
					want[capName(capOf(gpu, i)+1+c)] = true
				}
			}
		}
	}
	return makeNodes(d.path("dev/nvidia-caps"), want, 0o444)
}

func makeNodes(dir string, want map[string]bool, mode uint32) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() && !want[e.Name()] && strings.HasPrefix(e.Name(), "nvidia") {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove a device node of the simulated GPUs: %w", err)
			}
		}
	}
	const null = 1<<8 | 3
	for name := range want {
		path := filepath.Join(dir, name)
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err == nil && st.Mode&syscall.S_IFMT == syscall.S_IFCHR && st.Rdev == null {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if err := syscall.Mknod(path, syscall.S_IFCHR|mode, null); err != nil {
			return fmt.Errorf("make device node %s of the simulated GPUs: %w; that needs root, outside of a container without the capability MKNOD", path, err)
		}
		// The process's umask does not count.
		if err := os.Chmod(path, os.FileMode(mode)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) canCut() bool {
	return slices.ContainsFunc(d.spec, func(k *Kind) bool { return len(k.Profiles) > 0 })
}

// capOf numbers the capability of an instance as the driver does; those of its compute instances follow it.
func capOf(gpu, instance int) int { return 3 + gpu*maxInstances*9 + instance*9 }

func capName(n int) string { return fmt.Sprintf("nvidia-cap%d", n) }

// makeProc writes what a kernel module says below /proc/driver. Programs look there without regard to the driver's root:
// whoever starts them lays this folder over theirs.
func (d *Driver) makeProc() error {
	if err := d.write("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX "+map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]+" Kernel Module  "+Version+"  (simulated)\n"); err != nil {
		return err
	}
	if err := os.RemoveAll(d.path("proc/driver/nvidia/gpus")); err != nil {
		return err
	}
	for i, k := range d.spec {
		g := describe(k, i)
		bus := fmt.Sprintf("0000:%02x:00.0", g.Bus)
		text := fmt.Sprintf("Model: \t\t %s\nGPU UUID: \t %s\nVideo BIOS: \t 92.00.51.B0.01\nBus Type: \t PCIe\nBus Location: \t %s\nDevice Minor: \t %d\n", k.Product, UUID(k, i), bus, i)
		if err := d.write(filepath.Join("proc/driver/nvidia/gpus", bus, "information"), text); err != nil {
			return err
		}
	}
	if !d.canCut() {
		return os.RemoveAll(d.path("proc/driver/nvidia-caps"))
	}
	var minors strings.Builder
	minors.WriteString("config 1\nmonitor 2\n")
	for gpu := range d.spec {
		for i := range maxInstances {
			fmt.Fprintf(&minors, "gpu%d/gi%d/access %d\n", gpu, i, capOf(gpu, i))
			for c := range 8 {
				fmt.Fprintf(&minors, "gpu%d/gi%d/ci%d/access %d\n", gpu, i, c, capOf(gpu, i)+1+c)
			}
		}
	}
	return d.write("proc/driver/nvidia-caps/mig-minors", minors.String())
}
