package simulated

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// The state file's layout. assets/images/gpu/sim/state.h says the same in C, with what each field means; raise layout
// with every change. TestLayout compares the two.
const (
	magic  = "BTGPUSIM"
	layout = 1

	maxProfiles   = 8
	maxPlacements = 8
	maxInstances  = 15
	maxComputes   = 7
	maxEvents     = 16
)

type stateHeader struct {
	Magic    [8]byte
	Layout   uint32
	Length   uint32
	Seq      uint32
	MIGSeq   uint32
	GPUs     uint32
	Mismatch uint32
}

type stateProfile struct {
	MemoryMiB       uint64
	Profile         uint32
	ID              uint32
	Slices          uint32
	Multiprocessors uint32
	CopyEngines     uint32
	Decoders        uint32
	Encoders        uint32
	Jpegs           uint32
	Ofas            uint32
	Instances       uint32
	Size            uint32
	Placements      uint32
	Starts          [maxPlacements]uint32
}

type stateGPU struct {
	Name                 [64]byte
	UUID                 [48]byte
	Serial               [16]byte
	VBIOS                [16]byte
	MemoryMiB            uint64
	ReservedMiB          uint64
	BAR1MiB              uint64
	Minor                uint32
	Bus                  uint32
	PCIDevice            uint32
	PCISubsystem         uint32
	Brand                uint32
	Architecture         uint32
	Capability           [2]uint32
	Cores                uint32
	BusWidth             uint32
	PCIeGeneration       uint32
	PCIeWidth            uint32
	SMClock              uint32
	SMClockIdle          uint32
	MemoryClock          uint32
	MemoryClockIdle      uint32
	PowerLimit           uint32
	PowerLimitMin        uint32
	PowerLimitMax        uint32
	PowerIdle            uint32
	PowerFull            uint32
	TemperatureIdle      uint32
	TemperatureFull      uint32
	TemperatureMax       uint32
	TemperatureSlowdown  uint32
	TemperatureShutdown  uint32
	TemperatureMemoryMax uint32
	Fans                 uint32
	ECC                  uint32
	RemapsRows           uint32
	Profiles             uint32
	GPM                  uint32
	Profile              [maxProfiles]stateProfile
}

type stateLoad struct {
	Since          uint64
	Energy         uint64
	UsedMiB        uint64
	ECCUncorrected uint64
	Temperature    uint32
	Utilization    uint32
	Hot            uint32
	Recovery       uint32
	Lost           uint32
	RowsRemapped   uint32
	RowsPending    uint32
	Events         uint32
	XIDs           [maxEvents]uint32
}

type stateCompute struct {
	Slices uint32
	Start  uint32
}

type stateInstance struct {
	Profile uint32
	Start   uint32
	Compute [maxComputes]stateCompute
}

type stateMIG struct {
	Enabled  uint32
	Spare    uint32
	Instance [maxInstances]stateInstance
}

// stateFile is the whole file.
type stateFile struct {
	Header stateHeader
	GPU    [MaxGPUs]stateGPU
	Load   [MaxGPUs]stateLoad
	MIG    [MaxGPUs]stateMIG
}

// Where what lies in the file.
var (
	fileSize  = binary.Size(stateFile{})
	migOffset = fileSize - binary.Size([MaxGPUs]stateMIG{})
)

const (
	seqOffset    = 16
	migSeqOffset = 20
	bodyOffset   = 24 // what seq guards begins here and ends at migOffset
)

// thermalTime is how long 63 % of a change of temperature take, as in state.h.
const thermalTime = 15 * time.Second

// recoveryReset is NVML_GPU_RECOVERY_ACTION_GPU_RESET.
const recoveryReset = 1

// describe fills in what GPU number i of this kind is.
func describe(k *Kind, i int) stateGPU {
	g := stateGPU{
		MemoryMiB: k.MemoryMiB, ReservedMiB: k.reservedMiB, BAR1MiB: k.bar1MiB,
		Minor: uint32(i), Bus: uint32(0x07 + 8*i), PCIDevice: k.pciDevice, PCISubsystem: k.pciSubsystem,
		Brand: k.brand, Architecture: k.architecture, Capability: k.capability,
		Cores: k.cores, BusWidth: k.busWidth, PCIeGeneration: k.pcieGeneration, PCIeWidth: 16,
		SMClock: k.smClock, SMClockIdle: k.smClockIdle, MemoryClock: k.memoryClock, MemoryClockIdle: k.memoryClockIdle,
		PowerIdle: k.watts[0] * 1000, PowerFull: k.watts[1] * 1000, PowerLimit: k.watts[2] * 1000, PowerLimitMin: k.watts[3] * 1000, PowerLimitMax: k.watts[4] * 1000,
		TemperatureIdle: k.degrees[0], TemperatureFull: k.degrees[1], TemperatureMax: k.degrees[2],
		TemperatureSlowdown: k.degrees[3], TemperatureShutdown: k.degrees[4], TemperatureMemoryMax: k.degrees[5],
		Fans: k.fans, ECC: bit(k.ecc), RemapsRows: bit(k.remapsRows), GPM: bit(k.gpm), Profiles: uint32(len(k.Profiles)),
	}
	copy(g.Name[:], k.Product)
	copy(g.UUID[:], UUID(k, i))
	copy(g.VBIOS[:], "92.00.51.B0.01")
	if k.brand == brandNVIDIA {
		copy(g.Serial[:], fmt.Sprintf("15100000000%02d", i))
	}
	for j, p := range k.Profiles {
		to := &g.Profile[j]
		*to = stateProfile{
			MemoryMiB: p.MemoryMiB, Profile: p.nvml, ID: p.id, Slices: p.Slices, Multiprocessors: p.multiprocessors, CopyEngines: p.copyEngines,
			Decoders: p.decoders, Jpegs: p.jpegs, Ofas: p.jpegs, Instances: p.Count, Size: p.Size, Placements: uint32(len(p.starts)),
		}
		copy(to.Starts[:], p.starts)
	}
	return g
}

// UUID is the name of GPU number i if it is of this kind. Names of simulated GPUs begin with GPU-51b.
func UUID(k *Kind, i int) string {
	n := 0
	for n < len(Kinds) && Kinds[n] != k {
		n++
	}
	return fmt.Sprintf("GPU-51b00000-%04x-4000-8000-%012x", n+1, i)
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// idle is a GPU that did nothing since the beginning.
func idle(g stateGPU, now time.Time) stateLoad {
	return stateLoad{Since: uint64(now.UnixNano()), Temperature: g.TemperatureIdle * 1000}
}

// settle moves the time from which a load counts to now: what it has heated and used until then is kept. The library
// computes the same, see temperature and energy_mj in nvml.c.
func (l *stateLoad) settle(g stateGPU, now time.Time) {
	since := time.Duration(uint64(now.UnixNano()) - l.Since)
	if since < 0 {
		since = 0 // the clock was set back
	}
	utilization := float64(l.Utilization) / 1000
	end := float64(g.TemperatureIdle) + (float64(g.TemperatureFull)-float64(g.TemperatureIdle))*utilization
	if l.Hot != 0 {
		end = float64(g.TemperatureSlowdown) + 2
	}
	start := float64(l.Temperature) / 1000
	l.Temperature = uint32(1000 * (end + (start-end)*math.Exp(-since.Seconds()/thermalTime.Seconds())))
	power := float64(g.PowerIdle) + float64(g.PowerFull-g.PowerIdle)*utilization
	l.Energy += uint64(power * since.Seconds())
	l.Since = uint64(now.UnixNano())
}

// event adds an XID to those that waiting programs are told.
func (l *stateLoad) event(xid int) {
	l.XIDs[l.Events%maxEvents] = uint32(xid)
	l.Events++
}
