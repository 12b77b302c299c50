package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// migEntry is one entry of a named configuration of mig-parted: what shall be
// true for some GPUs.
type migEntry struct {
	all     bool
	devices []int
	filter  []uint32 // PCI ids, device and vendor; nil for every GPU
	enabled bool
	cut     map[string]int // profile → how many
}

var (
	profileFormat = regexp.MustCompile(`^[1-9]g\.[1-9][0-9]{0,3}gb([+-][a-z]+(\.[a-z]+)?(,[a-z]+(\.[a-z]+)?)*)?$`)
	sharedProfile = regexp.MustCompile(`^[1-9]c\.`)
)

// parseMIG reads the list of one named configuration in mig-parted's format.
func parseMIG(text []byte) ([]migEntry, error) {
	doc, err := decode(text)
	if err != nil {
		return nil, err
	}
	if doc.v == nil {
		return nil, nil
	}
	doc.path = "mig-configs"
	items, err := doc.list()
	if err != nil {
		return nil, err
	}
	var list []migEntry
	for _, item := range items {
		e, err := parseMIGEntry(item)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func parseMIGEntry(item value) (migEntry, error) {
	f, err := item.fields("devices", "device-filter", "mig-enabled", "mig-devices")
	if err != nil {
		return migEntry{}, err
	}
	e := migEntry{cut: map[string]int{}}
	devices := value{path: item.path + ".devices", v: f["devices"].v}
	switch v := devices.v.(type) {
	case string:
		if v != "all" {
			return migEntry{}, devices.wrong("all or a list of the GPUs' numbers such as [0, 1]")
		}
		e.all = true
	case []any:
		l, err := devices.list()
		if err != nil {
			return migEntry{}, err
		}
		for _, d := range l {
			n, err := d.integer(0, 1023)
			if err != nil {
				return migEntry{}, err
			}
			e.devices = append(e.devices, n)
		}
	default:
		return migEntry{}, devices.wrong("all or a list of the GPUs' numbers such as [0, 1]")
	}
	if v, ok := f["device-filter"]; ok {
		l := []value{v}
		if _, ok := v.v.([]any); ok {
			if l, err = v.list(); err != nil {
				return migEntry{}, err
			}
		}
		e.filter = []uint32{}
		for _, d := range l {
			s, _ := d.v.(string)
			n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(s), "0x"), 16, 32)
			if err != nil || len(strings.TrimPrefix(strings.ToLower(s), "0x")) != 8 {
				return migEntry{}, d.wrong("a PCI id of device and vendor such as 0x20B010DE")
			}
			e.filter = append(e.filter, uint32(n))
		}
	}
	enabled, ok := f["mig-enabled"]
	if !ok {
		return migEntry{}, fmt.Errorf("%s.mig-enabled: it is missing; expected true or false", item.path)
	}
	if e.enabled, err = enabled.boolean(); err != nil {
		return migEntry{}, err
	}
	if v, ok := f["mig-devices"]; ok {
		m, ok := v.v.(map[string]any)
		if !ok {
			return migEntry{}, v.wrong("an object such as {1g.10gb: 7}")
		}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if sharedProfile.MatchString(name) {
				return migEntry{}, fmt.Errorf("%s: %.40q shares a part of the GPU between several; NVIDIA's device plugin does not offer that, use whole parts such as 1g.10gb", v.path, name)
			}
			if !profileFormat.MatchString(name) {
				return migEntry{}, fmt.Errorf("%s: %.40q is no MIG size; expected one such as 1g.10gb", v.path, name)
			}
			n, err := value{path: v.path + "." + name, v: m[name]}.integer(0, 16)
			if err != nil {
				return migEntry{}, err
			}
			if n > 0 {
				e.cut[name] = n
			}
		}
	}
	if !e.enabled && len(e.cut) > 0 {
		return migEntry{}, fmt.Errorf("%s: mig-devices needs mig-enabled: true", item.path)
	}
	return e, nil
}

// layout is how one GPU is cut.
type layout struct {
	enabled bool
	cut     map[string]int
}

func (l layout) equal(o layout) bool { return l.enabled == o.enabled && maps.Equal(l.cut, o.cut) }

// migChange is a GPU that has to be cut otherwise.
type migChange struct {
	id   identity
	want layout
}

// errHeld says that GPUs can't be cut while pods hold them.
type errHeld struct{ text string }

func (e errHeld) Error() string { return e.text }

// errPassing is a refusal whose reason may go away without another request: the
// same request is worth another try.
type errPassing struct{ error }

func (e errPassing) Unwrap() error { return e.error }

// passing marks the errors that tell of a state of the GPU and not of the request.
func passing(ret nvml.Return, err error) error {
	if ret == nvml.ERROR_IN_USE || ret == nvml.ERROR_RESET_REQUIRED {
		return errPassing{err}
	}
	return err
}

// planMIG says which GPUs have to change, and refuses what can't be done before
// anything is touched. The driver's lock is held.
func (d *driver) planMIG(entries []migEntry) ([]migChange, error) {
	want := map[int]layout{}
	if len(entries) == 0 { // no MIG at all
		entries = []migEntry{{all: true}}
	}
	for _, e := range entries {
		matched := false
		for _, id := range d.gpus {
			if e.filter != nil && !slices.Contains(e.filter, id.pciDevice) {
				continue
			}
			if !e.all && !slices.Contains(e.devices, id.index) {
				continue
			}
			if !id.migCapable {
				if e.enabled && !e.all {
					return nil, fmt.Errorf("GPU %d (%s) can't be partitioned: expected a GPU with MIG such as A100 or H100", id.index, id.product)
				}
				continue
			}
			matched = true
			want[id.index] = layout{enabled: e.enabled, cut: e.cut}
		}
		if !matched && e.enabled {
			return nil, errors.New("no GPU here that the configuration names can be partitioned: expected a GPU with MIG such as A100 or H100")
		}
		for _, n := range e.devices {
			if !slices.ContainsFunc(d.gpus, func(id identity) bool { return id.index == n }) {
				return nil, fmt.Errorf("GPU %d does not exist: there are %d", n, len(d.gpus))
			}
		}
	}
	var changes []migChange
	for _, id := range d.gpus {
		l, ok := want[id.index]
		if !ok {
			continue
		}
		dev, ret := d.lib.DeviceGetHandleByIndex(id.index)
		if ret != nvml.SUCCESS {
			return nil, d.explain(fmt.Sprintf("find GPU %d", id.index), ret)
		}
		if d.layout(dev).equal(l) {
			continue
		}
		if len(id.profiles) > 0 {
			if err := fits(id, l); err != nil {
				return nil, err
			}
		}
		changes = append(changes, migChange{id, l})
	}
	return changes, nil
}

// fits refuses sizes that a GPU does not have.
func fits(id identity, l layout) error {
	for name, n := range l.cut {
		i := slices.IndexFunc(id.profiles, func(p gpuProfile) bool { return p.Name == name })
		if i < 0 {
			var names []string
			for _, p := range id.profiles {
				names = append(names, p.Name)
			}
			return fmt.Errorf("GPU %d (%s) can't be cut into %s: expected %s", id.index, id.product, name, strings.Join(names, ", "))
		}
		if n > id.profiles[i].Count {
			return fmt.Errorf("GPU %d (%s) has room for %d of %s, not for %d", id.index, id.product, id.profiles[i].Count, name, n)
		}
	}
	return nil
}

// layout is how a GPU is cut now.
func (d *driver) layout(dev nvml.Device) layout {
	l := layout{cut: map[string]int{}}
	if mode, _, ret := dev.GetMigMode(); ret == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE {
		l.enabled = true
		n := 0
		for _, p := range d.partitions(dev) {
			l.cut[p.Profile]++
			n++
		}
		err := instances(dev, func(nvml.GpuInstanceProfileInfo, nvml.GpuInstance) error { n--; return nil })
		if err != nil || n != 0 { // a part that nothing can compute in, or that several share
			l.cut["another"]++
		}
	}
	return l
}

// applyMIG cuts the GPUs as a configuration says. The plugin then runs with a MIG
// strategy that allows it; another one has to be asked for after that.
func (a *agent) applyMIG(ctx context.Context, entries []migEntry) error {
	d := a.driver
	d.mu.RLock()
	if !d.open {
		defer d.mu.RUnlock()
		return errNoDriver{d.problem}
	}
	changes, err := d.planMIG(entries)
	d.mu.RUnlock()
	if err != nil {
		return err
	}
	var concerned []string
	for _, c := range changes {
		concerned = append(concerned, c.id.uuid)
	}
	a.health.release(concerned)
	a.proxy.refresh()
	if len(changes) == 0 {
		return nil
	}
	if err := a.refuseHeld(ctx, changes); err != nil {
		return err
	}

	before := a.config()
	after, err := before.anyLayout()
	if err != nil {
		return err
	}

	// Nobody may have the GPUs open while their mode changes: neither the plugin
	// nor the wait for errors.
	a.plugin.stop(ctx)
	a.metrics.forget()
	undo, err := a.cut(changes)
	if err == nil {
		a.health.release(nil)
		a.nameParents()
		err = a.storeConfig(after)
	}
	if err == nil {
		if err = a.plugin.start(ctx); err != nil {
			err = fmt.Errorf("NVIDIA's device plugin does not start with it: %w", err)
		}
	}
	if err != nil {
		log.Printf("partitioning failed: %v; putting back what was before", err)
		// The first error alone says whether another try is worth it, hence %v below.
		if back := undo(); back != nil {
			err = fmt.Errorf("%w; and what was before could not be put back: %v", err, back)
		}
		if back := a.storeConfig(before); back != nil {
			err = fmt.Errorf("%w; and the configuration before could not be put back: %v", err, back)
		}
		a.nameParents()
		if again := a.plugin.start(ctx); again != nil {
			log.Printf("after partitioning failed: %v", again)
		}
		return err
	}
	return nil
}

// errNoDriver says that the driver can't be used.
type errNoDriver struct{ problem string }

func (e errNoDriver) Error() string { return e.problem }

func (a *agent) refuseHeld(ctx context.Context, changes []migChange) error {
	held, err := a.holders.list(ctx)
	if err != nil {
		return errPassing{fmt.Errorf("GPUs can't be partitioned while it is not known who holds them: %w", err)}
	}
	var pods []string
	for _, c := range changes {
		for _, h := range held {
			for _, dev := range h.Devices {
				if a.health.parent(bare(dev)) == c.id.uuid {
					pods = append(pods, fmt.Sprintf("%s/%s (GPU %d)", h.Namespace, h.Pod, c.id.index))
				}
			}
		}
	}
	if len(pods) == 0 {
		return nil
	}
	a.reserve(changes)
	slices.Sort(pods)
	return errHeld{"pods hold GPUs that would be cut: " + strings.Join(slices.Compact(pods), ", ") + "; delete them first"}
}

// reservation is how long no new pod gets a GPU after its partitioning was
// refused. The appliance asks again every 2 s for as long as it wants it.
const reservation = 10 * time.Second

// reserve keeps new pods from the GPUs that shall be cut. Otherwise the pod that
// replaces a deleted one gets the GPU before it can be cut.
func (a *agent) reserve(changes []migChange) {
	var uuids []string
	for _, c := range changes {
		uuids = append(uuids, c.id.uuid)
	}
	a.health.reserve(uuids, time.Now().Add(a.reservation))
	a.proxy.refresh()
	if a.reserved == nil {
		a.reserved = time.AfterFunc(a.reservation, a.proxy.refresh)
	} else {
		a.reserved.Reset(a.reservation)
	}
}

// parent is the GPU of a device.
func (h *health) parent(uuid string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p, ok := h.parents[uuid]; ok {
		return p
	}
	return uuid
}

// nameParents remembers which MIG device belongs to which GPU.
func (a *agent) nameParents() {
	d := a.driver
	parents := map[string]string{}
	d.mu.RLock()
	if d.open {
		for _, id := range d.gpus {
			if !id.migCapable {
				continue
			}
			if dev, ret := d.lib.DeviceGetHandleByIndex(id.index); ret == nvml.SUCCESS {
				for _, p := range d.partitions(dev) {
					parents[p.UUID] = id.uuid
				}
			}
		}
	}
	d.mu.RUnlock()
	a.health.setParents(parents)
}

// cut changes the GPUs. undo puts back what was before, also after an error.
func (a *agent) cut(changes []migChange) (undo func() error, err error) {
	d := a.driver
	a.watchMu.Lock()
	a.deaf()
	defer a.watchMu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	var before []saved
	undo = func() error {
		a.watchMu.Lock()
		a.deaf()
		defer a.watchMu.Unlock()
		d.mu.Lock()
		defer d.mu.Unlock()
		var errs []error
		for _, s := range slices.Backward(before) {
			errs = append(errs, d.restore(s))
		}
		return errors.Join(errs...)
	}
	for _, c := range changes {
		s, err := d.save(c.id)
		if err != nil {
			return undo, err
		}
		before = append(before, s)
		if err := d.cutOne(c.id, c.want); err != nil {
			return undo, err
		}
	}
	return undo, nil
}

// saved is how a GPU was cut, exactly.
type saved struct {
	id      identity
	enabled bool
	parts   []savedPart
}

type savedPart struct {
	profile   uint32
	placement nvml.GpuInstancePlacement
	compute   []savedCompute
}

type savedCompute struct {
	profile   uint32
	placement nvml.ComputeInstancePlacement
}

// instances visits the GPU instances of a GPU.
func instances(dev nvml.Device, visit func(nvml.GpuInstanceProfileInfo, nvml.GpuInstance) error) error {
	for p := range nvml.GPU_INSTANCE_PROFILE_COUNT {
		info, ret := dev.GetGpuInstanceProfileInfo(p)
		if ret != nvml.SUCCESS {
			continue
		}
		list, ret := dev.GetGpuInstances(&info)
		if ret == nvml.ERROR_NOT_SUPPORTED {
			continue
		}
		if ret != nvml.SUCCESS {
			return fmt.Errorf("list its parts: the driver says %q", ret.Error())
		}
		for _, gi := range list {
			if err := visit(info, gi); err != nil {
				return err
			}
		}
	}
	return nil
}

// computes visits the compute instances of a GPU instance.
func computes(gi nvml.GpuInstance, visit func(nvml.ComputeInstanceProfileInfo, nvml.ComputeInstance) error) error {
	for p := range nvml.COMPUTE_INSTANCE_PROFILE_COUNT {
		info, ret := gi.GetComputeInstanceProfileInfo(p, nvml.COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED)
		if ret != nvml.SUCCESS {
			continue
		}
		list, ret := gi.GetComputeInstances(&info)
		if ret == nvml.ERROR_NOT_SUPPORTED {
			continue
		}
		if ret != nvml.SUCCESS {
			return fmt.Errorf("list what computes in a part: the driver says %q", ret.Error())
		}
		for _, ci := range list {
			if err := visit(info, ci); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *driver) save(id identity) (saved, error) {
	s := saved{id: id}
	dev, ret := d.lib.DeviceGetHandleByIndex(id.index)
	if ret != nvml.SUCCESS {
		return s, d.explain(fmt.Sprintf("find GPU %d", id.index), ret)
	}
	mode, _, ret := dev.GetMigMode()
	if ret != nvml.SUCCESS {
		return s, d.explain(fmt.Sprintf("read the MIG mode of GPU %d", id.index), ret)
	}
	s.enabled = mode == nvml.DEVICE_MIG_ENABLE
	if !s.enabled {
		return s, nil
	}
	err := instances(dev, func(_ nvml.GpuInstanceProfileInfo, gi nvml.GpuInstance) error {
		info, ret := gi.GetInfo()
		if ret != nvml.SUCCESS {
			return d.explain(fmt.Sprintf("read a part of GPU %d", id.index), ret)
		}
		part := savedPart{profile: info.ProfileId, placement: info.Placement}
		err := computes(gi, func(_ nvml.ComputeInstanceProfileInfo, ci nvml.ComputeInstance) error {
			info, ret := ci.GetInfo()
			if ret != nvml.SUCCESS {
				return d.explain(fmt.Sprintf("read a part of GPU %d", id.index), ret)
			}
			part.compute = append(part.compute, savedCompute{info.ProfileId, info.Placement})
			return nil
		})
		s.parts = append(s.parts, part)
		return err
	})
	return s, err
}

// clear takes all parts of a GPU away.
func (d *driver) clear(id identity, dev nvml.Device) error {
	return instances(dev, func(_ nvml.GpuInstanceProfileInfo, gi nvml.GpuInstance) error {
		err := computes(gi, func(_ nvml.ComputeInstanceProfileInfo, ci nvml.ComputeInstance) error {
			if ret := ci.Destroy(); ret != nvml.SUCCESS {
				return d.cutError(id, "take a part away", ret)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if ret := gi.Destroy(); ret != nvml.SUCCESS {
			return d.cutError(id, "take a part away", ret)
		}
		return nil
	})
}

func (d *driver) cutError(id identity, what string, ret nvml.Return) error {
	hint := ""
	switch ret {
	case nvml.ERROR_IN_USE:
		hint = ": a program has it open, on the machine or in a pod; `nvidia-smi` and `fuser -v /dev/nvidia*` name it"
	case nvml.ERROR_RESET_REQUIRED:
		hint = fmt.Sprintf(": it has to be reset first; run `nvidia-smi --gpu-reset -i %d`, or restart the machine", id.index)
	case nvml.ERROR_INSUFFICIENT_RESOURCES:
		hint = ": there is no room for it"
	}
	return passing(ret, fmt.Errorf("GPU %d (%s), %s: the driver says %q%s", id.index, id.product, what, ret.Error(), hint))
}

// setMode switches MIG on or off and returns a fresh handle of the GPU.
func (d *driver) setMode(id identity, enabled bool) (nvml.Device, error) {
	dev, ret := d.lib.DeviceGetHandleByIndex(id.index)
	if ret != nvml.SUCCESS {
		return nil, d.cutError(id, "find it", ret)
	}
	want, what := nvml.DEVICE_MIG_DISABLE, "switch MIG off"
	if enabled {
		want, what = nvml.DEVICE_MIG_ENABLE, "switch MIG on"
	}
	mode, pending, ret := dev.GetMigMode()
	if ret != nvml.SUCCESS {
		return nil, d.cutError(id, "read its MIG mode", ret)
	}
	if mode == want && pending == want {
		return dev, nil
	}
	ret, activation := dev.SetMigMode(want)
	if ret == nvml.SUCCESS {
		ret = activation
	}
	if ret != nvml.SUCCESS {
		return nil, d.cutError(id, what, ret)
	}
	if dev, ret = d.lib.DeviceGetHandleByIndex(id.index); ret != nvml.SUCCESS {
		return nil, d.cutError(id, "find it after its reset", ret)
	}
	mode, _, ret = dev.GetMigMode()
	if ret == nvml.SUCCESS && mode != want {
		ret = nvml.ERROR_RESET_REQUIRED
	}
	if ret != nvml.SUCCESS {
		return nil, d.cutError(id, what, ret)
	}
	return dev, nil
}

// piece is one part to make.
type piece struct {
	name       string
	info       nvml.GpuInstanceProfileInfo
	ciProfile  int
	ciEngine   int
	placements []nvml.GpuInstancePlacement
	at         *nvml.GpuInstancePlacement
}

func (d *driver) cutOne(id identity, want layout) error {
	dev, ret := d.lib.DeviceGetHandleByIndex(id.index)
	if ret != nvml.SUCCESS {
		return d.cutError(id, "find it", ret)
	}
	if mode, _, ret := dev.GetMigMode(); ret == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE {
		if err := d.clear(id, dev); err != nil {
			return err
		}
	}
	dev, err := d.setMode(id, want.enabled)
	if err != nil || !want.enabled {
		return err
	}
	pieces, err := d.pieces(id, dev, want)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		var gi nvml.GpuInstance
		var ret nvml.Return
		if p.at != nil {
			gi, ret = dev.CreateGpuInstanceWithPlacement(&p.info, p.at)
		} else {
			gi, ret = dev.CreateGpuInstance(&p.info)
		}
		if ret != nvml.SUCCESS {
			return d.cutError(id, "make a part "+p.name, ret)
		}
		info, ret := gi.GetComputeInstanceProfileInfo(p.ciProfile, p.ciEngine)
		if ret == nvml.SUCCESS {
			_, ret = gi.CreateComputeInstance(&info)
		}
		if ret != nvml.SUCCESS {
			return d.cutError(id, "make a part "+p.name+" compute", ret)
		}
	}
	return nil
}

// pieces are the parts of a layout, with places for all of them, the largest
// first.
func (d *driver) pieces(id identity, dev nvml.Device, want layout) ([]piece, error) {
	id.profiles = d.profiles(dev)
	if err := fits(id, want); err != nil {
		return nil, err
	}
	nd, err := d.mig.NewDevice(dev)
	if err != nil {
		return nil, err
	}
	all, err := nd.GetMigProfiles()
	if err != nil {
		return nil, fmt.Errorf("GPU %d: list the sizes of its parts: %w", id.index, err)
	}
	var list []piece
	var most uint32 // compute slices of the whole GPU
	done := map[string]bool{}
	for _, profile := range all {
		p := profile.GetInfo()
		info, ret := dev.GetGpuInstanceProfileInfo(p.GIProfileID)
		if ret != nvml.SUCCESS {
			continue
		}
		most = max(most, info.SliceCount)
		name := profile.String()
		if p.C != p.G || done[name] {
			continue
		}
		done[name] = true
		placements, ret := dev.GetGpuInstancePossiblePlacements(&info)
		if ret != nvml.SUCCESS {
			placements = nil
		}
		for range want.cut[name] {
			list = append(list, piece{name: name, info: info, ciProfile: p.CIProfileID, ciEngine: p.CIEngProfileID, placements: placements})
		}
	}
	slices.SortStableFunc(list, func(a, b piece) int {
		if a.info.MemorySizeMB != b.info.MemorySizeMB {
			return int(int64(b.info.MemorySizeMB) - int64(a.info.MemorySizeMB))
		}
		return int(b.info.SliceCount) - int(a.info.SliceCount)
	})
	var slicesWanted uint32
	for _, p := range list {
		slicesWanted += p.info.SliceCount
		if len(p.placements) == 0 {
			return list, nil // the driver chooses the places
		}
	}
	if slicesWanted > most || !place(list, 0) {
		return nil, fmt.Errorf("GPU %d (%s) has no room for %s together", id.index, id.product, want)
	}
	return list, nil
}

// place finds places for all pieces that do not overlap.
func place(list []piece, taken uint64) bool {
	if len(list) == 0 {
		return true
	}
	for i := range list[0].placements {
		at := &list[0].placements[i]
		if at.Start+at.Size > 64 {
			continue
		}
		mask := (uint64(1)<<at.Size - 1) << at.Start
		if taken&mask == 0 && place(list[1:], taken|mask) {
			list[0].at = at
			return true
		}
	}
	return false
}

func (l layout) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(l.cut)) {
		parts = append(parts, fmt.Sprintf("%d×%s", l.cut[name], name))
	}
	return strings.Join(parts, ", ")
}

// restore puts back how a GPU was cut.
func (d *driver) restore(s saved) error {
	dev, ret := d.lib.DeviceGetHandleByIndex(s.id.index)
	if ret != nvml.SUCCESS {
		return d.cutError(s.id, "find it", ret)
	}
	if mode, _, ret := dev.GetMigMode(); ret == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE {
		if err := d.clear(s.id, dev); err != nil {
			return err
		}
	}
	dev, err := d.setMode(s.id, s.enabled)
	if err != nil {
		return err
	}
	for _, part := range s.parts {
		info, err := giProfile(dev, part.profile)
		if err != nil {
			return d.cutError(s.id, "find a size again", nvml.ERROR_NOT_FOUND)
		}
		gi, ret := dev.CreateGpuInstanceWithPlacement(&info, &part.placement)
		if ret != nvml.SUCCESS {
			return d.cutError(s.id, "make a part again", ret)
		}
		for _, c := range part.compute {
			info, err := ciProfile(gi, c.profile)
			if err != nil {
				return d.cutError(s.id, "find a size again", nvml.ERROR_NOT_FOUND)
			}
			if _, ret := gi.CreateComputeInstance(&info); ret != nvml.SUCCESS {
				return d.cutError(s.id, "make a part compute again", ret)
			}
		}
	}
	return nil
}

var errNoProfile = errors.New("no such profile")

// giProfile finds a profile by the id that instances name, which is not the
// number by which it is asked for.
func giProfile(dev nvml.Device, id uint32) (nvml.GpuInstanceProfileInfo, error) {
	for p := range nvml.GPU_INSTANCE_PROFILE_COUNT {
		if info, ret := dev.GetGpuInstanceProfileInfo(p); ret == nvml.SUCCESS && info.Id == id {
			return info, nil
		}
	}
	return nvml.GpuInstanceProfileInfo{}, errNoProfile
}

func ciProfile(gi nvml.GpuInstance, id uint32) (nvml.ComputeInstanceProfileInfo, error) {
	for p := range nvml.COMPUTE_INSTANCE_PROFILE_COUNT {
		if info, ret := gi.GetComputeInstanceProfileInfo(p, nvml.COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED); ret == nvml.SUCCESS && info.Id == id {
			return info, nil
		}
	}
	return nvml.ComputeInstanceProfileInfo{}, errNoProfile
}
