package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// beat is how often the driver is asked whether all is well, and how soon a
// recovered GPU is given out again.
const beat = time.Second

// settling is how long a GPU stays unhealthy after an error, at least. The driver
// decides which recovery it needs a little after it reports the error.
const settling = 10 * time.Second

// applicationXIDs are errors of a program and not of the GPU. NVIDIA's device
// plugin ignores the same.
var applicationXIDs = map[uint64]bool{13: true, 31: true, 43: true, 45: true, 68: true, 109: true}

// xidMeanings says what the frequent errors mean.
// https://docs.nvidia.com/deploy/xid-errors/ lists all.
var xidMeanings = map[uint64]string{
	13: "a program made an error in its kernel", 31: "a program accessed memory that is not its own",
	32: "the command stream was damaged, often on the PCI bus", 43: "a program was stopped after an error of its own",
	45: "programs were ended after an earlier error", 48: "a double bit error in memory that can't be corrected",
	61: "the firmware stopped at a breakpoint", 62: "the firmware halted", 63: "a row or page of memory was retired",
	64: "a row or page of memory could not be retired", 68: "the video processor had an error",
	69: "the graphics engine had an error", 74: "NVLink had an error", 79: "the GPU has fallen off the bus",
	92: "many single bit errors in memory", 94: "an error in memory that concerned one program",
	95: "an error in memory that may concern all programs", 109: "a program took too long to switch",
	119: "the GPU's system processor does not answer", 120: "the GPU's system processor had an error",
	140: "an error in memory that ECC did not correct", 143: "the GPU could not be initialized",
	154: "the driver asks for a recovery",
}

// state is the health of one GPU.
type state struct {
	healthy bool
	fault   string // why not
	asks    string // which recovery the driver asks for, in words
	xid     int    // the last error, also of a program; 0 if there was none
	lost    bool   // it did not answer; when it does again all is well

	erred    time.Time                    // when its last own error was
	overrule nvml.DeviceGpuRecoveryAction // the user says that it works although the driver asks for this
}

// why says in words why it is not healthy.
func (s state) why() string {
	if s.fault != "" && s.asks != "" {
		return s.fault + "; " + s.asks
	}
	return s.fault + s.asks
}

// heal makes it healthy, also if the driver asks for the recovery that the user
// overrules.
func (s *state) heal(overrule nvml.DeviceGpuRecoveryAction) {
	*s = state{healthy: true, xid: s.xid, overrule: overrule}
}

// health keeps the health of the GPUs. A GPU that is not mentioned is healthy.
type health struct {
	mu      sync.Mutex
	gpus    map[string]state
	parents map[string]string // MIG device → GPU
	down    bool              // the driver does not answer

	reserved map[string]time.Time // GPU → until when no new pod gets it
	settling time.Duration
}

func newHealth(settling time.Duration) *health {
	return &health{gpus: map[string]state{}, parents: map[string]string{}, reserved: map[string]time.Time{}, settling: settling}
}

func (h *health) of(uuid string) state {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.gpus[uuid]; ok {
		return s
	}
	return state{healthy: true}
}

// device says whether a device of the plugin, a GPU, a replica of it or a part
// of it, can be given out.
func (h *health) device(id string) bool {
	uuid := bare(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return false
	}
	if strings.HasPrefix(uuid, "MIG-") {
		if p, ok := h.parents[uuid]; ok {
			uuid = p
		}
	}
	if time.Now().Before(h.reserved[uuid]) {
		return false
	}
	s, ok := h.gpus[uuid]
	return !ok || s.healthy
}

// reserve keeps new pods from GPUs until a time. The GPUs count as healthy all
// the same: nothing is wrong with them.
func (h *health) reserve(uuids []string, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, uuid := range uuids {
		h.reserved[uuid] = until
	}
}

// release ends the reservations of all other GPUs.
func (h *health) release(but []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.reserved, func(uuid string, _ time.Time) bool { return !slices.Contains(but, uuid) })
}

// set changes the state of a GPU and says whether its health changed.
func (h *health) set(uuid string, change func(*state)) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.gpus[uuid]
	if !ok {
		s.healthy = true
	}
	before := s.healthy
	change(&s)
	h.gpus[uuid] = s
	return before != s.healthy
}

func (h *health) setDown(down bool) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed = h.down != down
	h.down = down
	return changed
}

func (h *health) isDown() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down
}

// setParents says to which GPU the MIG devices belong.
func (h *health) setParents(parents map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parents = parents
}

// watch waits for errors of the GPUs and for their recovery, and opens the
// driver when it can't be used yet, until ctx ends.
func (a *agent) watch(ctx context.Context) {
	wait := beat
	var lastTry, lastBeat time.Time
	for ctx.Err() == nil {
		if !a.driver.ready() {
			if time.Since(lastTry) >= wait {
				lastTry = time.Now()
				wait = min(2*wait, time.Minute)
				a.watchMu.Lock()
				a.connect(ctx)
				a.watchMu.Unlock()
			}
			if !a.driver.ready() {
				sleep(ctx, beat)
			}
			continue
		}
		wait = beat
		a.watchMu.Lock()
		a.waitEvent(ctx)
		if time.Since(lastBeat) >= beat*9/10 {
			lastBeat = time.Now()
			a.tick(ctx)
		}
		a.watchMu.Unlock()
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// waitEvent waits for one event, at most for a beat. watchMu is held.
func (a *agent) waitEvent(ctx context.Context) {
	if a.events == nil {
		if err := a.listen(); err != nil {
			sleep(ctx, beat)
			return
		}
	}
	e, ret := a.events.Wait(uint32(beat.Milliseconds()))
	switch ret {
	case nvml.SUCCESS:
		a.event(e)
	case nvml.ERROR_TIMEOUT:
	default:
		log.Printf("wait for errors of the GPUs: the driver says %q", ret.Error())
		a.deaf()
		sleep(ctx, beat)
	}
}

// listen registers for the errors of all GPUs. watchMu is held.
func (a *agent) listen() error {
	d := a.driver
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.open {
		return errors.New(d.problem)
	}
	set, ret := d.lib.EventSetCreate()
	if ret != nvml.SUCCESS {
		return d.explain("wait for errors of the GPUs", ret)
	}
	for _, id := range d.gpus {
		dev, ret := d.lib.DeviceGetHandleByIndex(id.index)
		if ret != nvml.SUCCESS {
			continue // tick finds out
		}
		kinds, ret := dev.GetSupportedEventTypes()
		if ret != nvml.SUCCESS || kinds&nvml.EventTypeXidCriticalError == 0 {
			log.Printf("GPU %d does not report its errors", id.index)
			continue
		}
		if ret := dev.RegisterEvents(nvml.EventTypeXidCriticalError, set); ret != nvml.SUCCESS {
			log.Printf("GPU %d does not report its errors: the driver says %q", id.index, ret.Error())
		}
	}
	a.events = set
	if a.assess() {
		go a.proxy.refresh()
	}
	return nil
}

// deaf frees what listen made. watchMu is held.
func (a *agent) deaf() {
	if a.events != nil {
		a.events.Free()
		a.events = nil
	}
}

// event takes note of an error that the driver reports.
func (a *agent) event(e nvml.EventData) {
	if e.EventType != nvml.EventTypeXidCriticalError {
		return
	}
	uuid, ret := "", nvml.ERROR_UNKNOWN
	if e.Device != nil {
		uuid, ret = e.Device.GetUUID()
	}
	uuids := []string{uuid}
	if ret != nvml.SUCCESS { // it can't be said which GPU it was
		uuids = a.driver.uuids()
	}
	meaning := xidMeanings[e.EventData]
	if meaning == "" {
		meaning = "see https://docs.nvidia.com/deploy/xid-errors/"
	}
	fault := fmt.Sprintf("XID %d: %s", e.EventData, meaning)
	var changed bool
	for _, uuid := range uuids {
		log.Printf("%s: %s", uuid, fault)
		changed = a.health.set(uuid, func(s *state) {
			s.xid = int(e.EventData)
			if !applicationXIDs[e.EventData] {
				s.healthy, s.fault, s.lost = false, fault, false
				s.erred, s.overrule = time.Now(), nvml.GPU_RECOVERY_ACTION_NONE
			}
		}) || changed
	}
	if changed {
		a.proxy.refresh()
	}
}

func (d *driver) uuids() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var list []string
	for _, g := range d.gpus {
		list = append(list, g.uuid)
	}
	return list
}

// tick asks the driver whether all is well. watchMu is held.
func (a *agent) tick(ctx context.Context) {
	err := a.driver.check()
	if errors.Is(err, errReplaced) {
		a.replace()
		return
	}
	var problem string
	if err != nil {
		problem = err.Error()
	}
	if a.setProblem(&a.lost, problem) {
		a.health.setDown(problem != "")
		a.proxy.refresh()
	}
	if problem != "" {
		return
	}
	before, missing := a.problem(&a.nodes), a.driver.missingNodes()
	if a.setProblem(&a.nodes, missing) && before != "" && missing == "" {
		go a.renew(ctx, "a device node came back") // the CDI specification names the nodes
	}
	if a.driver.recounted() {
		log.Print("the driver finds another number of GPUs than before")
		a.deaf()
		a.metrics.forget()
		if err := a.driver.reopen(); errors.Is(err, errReplaced) {
			a.replace()
		}
		go a.renew(ctx, "the number of GPUs changed")
		return
	}
	a.examine()
	if a.problem(&a.discovery) != "" && time.Since(a.discovered) > time.Minute {
		a.discovered = time.Now()
		go a.discoverOrSay()
	}
}

// recounted says whether the driver finds another number of GPUs than before.
func (d *driver) recounted() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.open {
		return false
	}
	n, ret := d.lib.DeviceGetCount()
	return ret == nvml.SUCCESS && n != d.count
}

// examine marks GPUs that do not answer or that the driver asks to reset, and
// heals those that have recovered.
func (a *agent) examine() {
	d := a.driver
	d.mu.RLock()
	defer d.mu.RUnlock()
	var changed bool
	for _, id := range d.gpus {
		ret, action, known := d.probe(id)
		if ret != nvml.SUCCESS {
			switch ret {
			case nvml.ERROR_GPU_IS_LOST, nvml.ERROR_GPU_NOT_FOUND, nvml.ERROR_RESET_REQUIRED, nvml.ERROR_NOT_FOUND:
				changed = a.health.set(id.uuid, func(s *state) {
					if s.healthy {
						s.healthy, s.lost = false, true
						s.fault = fmt.Sprintf("it does not answer: the driver says %q", ret.Error())
						log.Printf("GPU %d: %s", id.index, s.fault)
					}
				}) || changed
			}
			continue
		}
		changed = a.health.set(id.uuid, func(s *state) {
			switch {
			case known && action != nvml.GPU_RECOVERY_ACTION_NONE:
				if s.healthy && action == s.overrule {
					return
				}
				if s.healthy {
					log.Printf("GPU %d (%s): %s", id.index, id.uuid, actionWords(action, id.index))
				}
				s.healthy, s.asks = false, actionWords(action, id.index)
			case !s.healthy && (known || s.lost):
				s.asks = ""
				if time.Since(s.erred) < a.health.settling {
					return
				}
				log.Printf("GPU %d (%s) has recovered", id.index, id.uuid)
				s.heal(nvml.GPU_RECOVERY_ACTION_NONE)
			case known:
				s.overrule = nvml.GPU_RECOVERY_ACTION_NONE
			}
		}) || changed
	}
	if changed {
		go a.proxy.refresh()
	}
}

// assess marks GPUs that the driver asks to reset: they had an error when nobody
// listened. The driver's lock is held.
func (a *agent) assess() (changed bool) {
	d := a.driver
	for _, id := range d.gpus {
		if ret, action, known := d.probe(id); ret == nvml.SUCCESS && known && action != nvml.GPU_RECOVERY_ACTION_NONE {
			changed = a.health.set(id.uuid, func(s *state) {
				if s.healthy && action != s.overrule {
					s.healthy, s.fault, s.asks = false, "it had an error before", actionWords(action, id.index)
				}
			}) || changed
		}
	}
	return changed
}

// probe asks a GPU whether it answers, and which recovery the driver asks for if
// this driver can say. d.mu is held.
func (d *driver) probe(id identity) (ret nvml.Return, action nvml.DeviceGpuRecoveryAction, known bool) {
	dev, ret := d.lib.DeviceGetHandleByIndex(id.index)
	if ret != nvml.SUCCESS {
		return ret, 0, false
	}
	if _, ret := dev.GetMemoryInfo(); ret != nvml.SUCCESS {
		return ret, 0, false
	}
	v, ok := field(dev, nvml.FI_DEV_GET_GPU_RECOVERY_ACTION, 0)
	return nvml.SUCCESS, nvml.DeviceGpuRecoveryAction(v), ok
}

// field reads one field of a GPU.
func field(dev nvml.Device, id, scope uint32) (uint64, bool) {
	values := []nvml.FieldValue{{FieldId: id, ScopeId: scope}}
	if ret := dev.GetFieldValues(values); ret != nvml.SUCCESS || nvml.Return(values[0].NvmlReturn) != nvml.SUCCESS {
		return 0, false
	}
	raw := values[0].Value[:]
	switch nvml.ValueType(values[0].ValueType) {
	case nvml.VALUE_TYPE_UNSIGNED_INT, nvml.VALUE_TYPE_SIGNED_INT:
		return uint64(binary.LittleEndian.Uint32(raw)), true
	case nvml.VALUE_TYPE_UNSIGNED_LONG, nvml.VALUE_TYPE_UNSIGNED_LONG_LONG, nvml.VALUE_TYPE_SIGNED_LONG_LONG:
		return binary.LittleEndian.Uint64(raw), true
	case nvml.VALUE_TYPE_UNSIGNED_SHORT:
		return uint64(binary.LittleEndian.Uint16(raw)), true
	}
	return 0, false
}

func actionWords(action nvml.DeviceGpuRecoveryAction, index int) string {
	switch action {
	case nvml.GPU_RECOVERY_ACTION_GPU_RESET, nvml.GPU_RECOVERY_ACTION_DRAIN_AND_RESET:
		return fmt.Sprintf("the driver asks for a reset: end what uses it, then run `nvidia-smi --gpu-reset -i %d` or restart the machine", index)
	case nvml.GPU_RECOVERY_ACTION_NODE_REBOOT:
		return "the driver asks to restart the machine"
	case nvml.GPU_RECOVERY_ACTION_DRAIN_P2P:
		return "the driver asks to end programs that use several GPUs together"
	}
	return fmt.Sprintf("the driver asks for recovery action %d", action)
}

// errUnknownGPU and errStillBroken are why recover refuses.
var (
	errUnknownGPU  = errors.New("there is no such GPU: expected one of the UUIDs that GET /v1/gpus lists")
	errStillBroken = errors.New("the driver still can't reach it")
)

// recover believes the user that a GPU works again, if it answers.
func (a *agent) recover(uuid string) error {
	d := a.driver
	d.mu.RLock()
	if !d.open {
		defer d.mu.RUnlock()
		return fmt.Errorf("%w: %s", errStillBroken, d.problem)
	}
	var found bool
	var ret nvml.Return
	var action nvml.DeviceGpuRecoveryAction
	for _, id := range d.gpus {
		if id.uuid == uuid {
			found = true
			ret, action, _ = d.probe(id)
		}
	}
	d.mu.RUnlock()
	if !found {
		return errUnknownGPU
	}
	if ret != nvml.SUCCESS {
		return fmt.Errorf("%w: it says %q", errStillBroken, ret.Error())
	}
	if a.health.set(uuid, func(s *state) { s.heal(action) }) {
		a.proxy.refresh()
	}
	return nil
}

// warning says in words what is wrong with a GPU that still works.
func warning(dev nvml.Device, celsius int) string {
	if limit, ret := dev.GetTemperatureThreshold(nvml.TEMPERATURE_THRESHOLD_SLOWDOWN); ret == nvml.SUCCESS && limit > 0 && celsius >= int(limit) {
		return fmt.Sprintf("it is too hot: %d °C, and it slows down from %d °C on", celsius, limit)
	}
	if n, ret := dev.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC); ret == nvml.SUCCESS && n > 0 {
		return fmt.Sprintf("%d errors in its memory could not be corrected since the driver was loaded", n)
	}
	return ""
}
