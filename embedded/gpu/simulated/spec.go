// Package simulated makes the files of a driver for NVIDIA GPUs that are not there: device nodes, what the kernel module
// would say of itself, and the state that the simulated libnvidia-ml (assets/images/gpu/sim) reads. NVIDIA's own device
// plugin and GPU Feature Discovery work with it as with a real driver. Nothing computes on these GPUs.
package simulated

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version is the version that the simulated driver has. It is part of the names of its files.
const Version = "550.54.15"

// MaxGPUs is how many GPUs a machine can have.
const MaxGPUs = 16

// Spec says which GPUs there are, in their order.
type Spec []*Kind

// Kinds are the GPUs that can be simulated. Their numbers are those of NVIDIA's data sheets and of nvidia-smi -q and
// nvidia-smi mig -lgip on such machines; power and temperature when idle are typical ones.
var Kinds = []*Kind{
	{
		Name: "A100-40GB", Product: "NVIDIA A100-SXM4-40GB", pciDevice: 0x20B010DE, pciSubsystem: 0x134F10DE, brand: brandNVIDIA, architecture: ampere, capability: [2]uint32{8, 0},
		MemoryMiB: 40960, reservedMiB: 571, bar1MiB: 65536, cores: 6912, busWidth: 5120, pcieGeneration: 4,
		smClock: 1410, smClockIdle: 210, memoryClock: 1215, memoryClockIdle: 1215, watts: [5]uint32{52, 390, 400, 100, 400},
		degrees: [6]uint32{31, 68, 85, 89, 92, 95}, ecc: true, remapsRows: true,
		Profiles: migProfiles([8]uint64{4864, 4864, 9856, 9856, 19968, 19968, 40192}, [8]uint32{14, 14, 14, 28, 42, 56, 98}, [8]uint32{0, 1, 1, 1, 2, 2, 5}, [8]uint32{0, 1, 0, 0, 0, 0, 1}),
	},
	{
		Name: "A100-80GB", Product: "NVIDIA A100-SXM4-80GB", pciDevice: 0x20B210DE, pciSubsystem: 0x146310DE, brand: brandNVIDIA, architecture: ampere, capability: [2]uint32{8, 0},
		MemoryMiB: 81920, reservedMiB: 869, bar1MiB: 131072, cores: 6912, busWidth: 5120, pcieGeneration: 4,
		smClock: 1410, smClockIdle: 210, memoryClock: 1593, memoryClockIdle: 1593, watts: [5]uint32{61, 392, 400, 100, 400},
		degrees: [6]uint32{32, 69, 85, 89, 92, 95}, ecc: true, remapsRows: true,
		Profiles: migProfiles([8]uint64{9728, 9728, 19968, 19968, 40192, 40192, 80896}, [8]uint32{14, 14, 14, 28, 42, 56, 98}, [8]uint32{0, 1, 1, 1, 2, 2, 5}, [8]uint32{0, 1, 0, 0, 0, 0, 1}),
	},
	{
		Name: "H100", Product: "NVIDIA H100 80GB HBM3", pciDevice: 0x233010DE, pciSubsystem: 0x16C110DE, brand: brandNVIDIA, architecture: hopper, capability: [2]uint32{9, 0},
		MemoryMiB: 81559, reservedMiB: 551, bar1MiB: 131072, cores: 16896, busWidth: 5120, pcieGeneration: 5,
		smClock: 1980, smClockIdle: 345, memoryClock: 2619, memoryClockIdle: 2619, watts: [5]uint32{71, 680, 700, 200, 700},
		degrees: [6]uint32{29, 66, 87, 92, 95, 95}, ecc: true, remapsRows: true, gpm: true,
		Profiles: migProfiles([8]uint64{9856, 9856, 19968, 19968, 40192, 40192, 80640}, [8]uint32{16, 16, 26, 32, 60, 64, 132}, [8]uint32{1, 1, 1, 2, 3, 4, 7}, [8]uint32{0, 1, 0, 0, 0, 0, 1}),
	},
	{
		Name: "H200", Product: "NVIDIA H200", pciDevice: 0x233510DE, pciSubsystem: 0x18BE10DE, brand: brandNVIDIA, architecture: hopper, capability: [2]uint32{9, 0},
		MemoryMiB: 143771, reservedMiB: 603, bar1MiB: 262144, cores: 16896, busWidth: 6144, pcieGeneration: 5,
		smClock: 1980, smClockIdle: 345, memoryClock: 3201, memoryClockIdle: 3201, watts: [5]uint32{76, 685, 700, 200, 700},
		degrees: [6]uint32{28, 67, 87, 92, 95, 95}, ecc: true, remapsRows: true, gpm: true,
		Profiles: migProfiles([8]uint64{16384, 16384, 33280, 33280, 70656, 70656, 142592}, [8]uint32{16, 16, 26, 32, 60, 64, 132}, [8]uint32{1, 1, 1, 2, 3, 4, 7}, [8]uint32{0, 1, 0, 0, 0, 0, 1}),
	},
	{
		Name: "L4", Product: "NVIDIA L4", pciDevice: 0x27B810DE, pciSubsystem: 0x16CA10DE, brand: brandNVIDIA, architecture: ada, capability: [2]uint32{8, 9},
		MemoryMiB: 23034, reservedMiB: 434, bar1MiB: 32768, cores: 7424, busWidth: 192, pcieGeneration: 4,
		smClock: 2040, smClockIdle: 210, memoryClock: 6251, memoryClockIdle: 405, watts: [5]uint32{12, 71, 72, 40, 72},
		degrees: [6]uint32{38, 74, 85, 92, 95}, ecc: true, remapsRows: true,
	},
	{
		Name: "T4", Product: "Tesla T4", pciDevice: 0x1EB810DE, pciSubsystem: 0x12A210DE, brand: brandNVIDIA, architecture: turing, capability: [2]uint32{7, 5},
		MemoryMiB: 15360, reservedMiB: 445, bar1MiB: 256, cores: 2560, busWidth: 256, pcieGeneration: 3,
		smClock: 1590, smClockIdle: 300, memoryClock: 5001, memoryClockIdle: 405, watts: [5]uint32{9, 69, 70, 60, 70},
		degrees: [6]uint32{36, 72, 85, 93, 96}, ecc: true,
	},
	{
		Name: "RTX-3090", Product: "NVIDIA GeForce RTX 3090", pciDevice: 0x220410DE, pciSubsystem: 0x147D10DE, brand: brandGeForce, architecture: ampere, capability: [2]uint32{8, 6},
		MemoryMiB: 24576, reservedMiB: 317, bar1MiB: 256, cores: 10496, busWidth: 384, pcieGeneration: 4,
		smClock: 2100, smClockIdle: 210, memoryClock: 9751, memoryClockIdle: 405, watts: [5]uint32{22, 345, 350, 100, 366},
		degrees: [6]uint32{34, 76, 93, 95, 98}, fans: 2,
	},
	{
		Name: "RTX-4090", Product: "NVIDIA GeForce RTX 4090", pciDevice: 0x268410DE, pciSubsystem: 0x167C10DE, brand: brandGeForce, architecture: ada, capability: [2]uint32{8, 9},
		MemoryMiB: 24564, reservedMiB: 347, bar1MiB: 32768, cores: 16384, busWidth: 384, pcieGeneration: 4,
		smClock: 3105, smClockIdle: 210, memoryClock: 10501, memoryClockIdle: 405, watts: [5]uint32{18, 430, 450, 150, 600},
		degrees: [6]uint32{33, 70, 84, 97, 100}, fans: 2,
	},
}

// Kind is a product.
type Kind struct {
	Name      string // as specs name it: A100-80GB
	Product   string // as the driver names it: NVIDIA A100-SXM4-80GB
	MemoryMiB uint64
	// Profiles are the sizes that it can be cut into, none if it can't be.
	Profiles []Profile

	pciDevice, pciSubsystem         uint32
	brand, architecture             uint32
	capability                      [2]uint32
	reservedMiB, bar1MiB            uint64
	cores, busWidth, pcieGeneration uint32
	smClock, smClockIdle            uint32    // MHz
	memoryClock, memoryClockIdle    uint32    // MHz
	watts                           [5]uint32 // idle, at full load, limit, its least, its most
	degrees                         [6]uint32 // °C: idle, at full load, of operation at most, slowdown, shutdown, memory at most (0: no sensor)
	fans                            uint32
	ecc, remapsRows, gpm            bool
}

// Profile is a size of a part of a GPU.
type Profile struct {
	MemoryMiB uint64
	Slices    uint32 // of compute, of 7
	Size      uint32 // slices of memory, of 8
	Count     uint32 // how many of it fit into an empty GPU
	Media     bool   // it has the GPU's media extensions, which only one part can have: 1g.10gb+me

	nvml, id                                      uint32
	multiprocessors, copyEngines, decoders, jpegs uint32
	starts                                        []uint32
}

// Name is the profile's name on a GPU of this kind, for example 2g.20gb.
func (k *Kind) ProfileName(p Profile) string {
	// The memory is the GPU's in eighths, rounded: NVIDIA's libraries make the name in the same way.
	all := (k.MemoryMiB + 1023) / 1024
	name := fmt.Sprintf("%dg.%dgb", p.Slices, (all*uint64(p.Size)*2+8)/16)
	if p.Media {
		name += "+me"
	}
	return name
}

// NVML's numbers.
const (
	brandGeForce = 5
	brandNVIDIA  = 14

	turing = 6
	ampere = 7
	ada    = 8
	hopper = 9
)

// migProfiles are the seven sizes that A100, H100 and H200 share, smallest first. See NVIDIA's MIG User Guide, "Supported
// MIG Profiles"; ids and places are those of nvidia-smi mig -lgip and -lgipp.
func migProfiles(memoryMiB [8]uint64, multiprocessors, decoders, media [8]uint32) []Profile {
	profiles := []Profile{
		{nvml: 0, id: 19, Slices: 1, Size: 1, Count: 7, starts: []uint32{0, 1, 2, 3, 4, 5, 6}},
		{nvml: 7, id: 20, Slices: 1, Size: 1, Count: 1, starts: []uint32{0, 1, 2, 3, 4, 5, 6}, Media: true},
		{nvml: 9, id: 15, Slices: 1, Size: 2, Count: 4, starts: []uint32{0, 2, 4, 6}},
		{nvml: 1, id: 14, Slices: 2, Size: 2, Count: 3, starts: []uint32{0, 2, 4}},
		{nvml: 2, id: 9, Slices: 3, Size: 4, Count: 2, starts: []uint32{0, 4}},
		{nvml: 3, id: 5, Slices: 4, Size: 4, Count: 1, starts: []uint32{0}},
		{nvml: 4, id: 0, Slices: 7, Size: 8, Count: 1, starts: []uint32{0}},
	}
	for i := range profiles {
		p := &profiles[i]
		p.MemoryMiB, p.multiprocessors, p.decoders, p.jpegs = memoryMiB[i], multiprocessors[i], decoders[i], media[i]
		p.copyEngines = p.Slices
	}
	return profiles
}

// Parse reads a list of GPUs: 2xA100-80GB,1xT4. A number is not needed for one. Letters of either case do.
func Parse(text string) (Spec, error) {
	var s Spec
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		number, name, ok := strings.Cut(strings.ToLower(part), "x")
		count := 1
		if n, err := strconv.Atoi(number); ok && err == nil {
			count = n
		} else {
			name = part
		}
		k := kind(name)
		if k == nil {
			return nil, fmt.Errorf("%q: expected a number and one of %s, for example 2xA100-80GB", part, strings.Join(kindNames(), ", "))
		}
		if count < 1 || len(s)+count > MaxGPUs {
			return nil, fmt.Errorf("%q: expected 1 to %d GPUs in all", part, MaxGPUs)
		}
		for range count {
			s = append(s, k)
		}
	}
	return s, nil
}

func kind(name string) *Kind {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(s), "-", "")) }
	i := slices.IndexFunc(Kinds, func(k *Kind) bool { return plain(k.Name) == plain(name) })
	if i < 0 {
		return nil
	}
	return Kinds[i]
}

func kindNames() []string {
	var names []string
	for _, k := range Kinds {
		names = append(names, k.Name)
	}
	return names
}

// String is the list as Parse reads it.
func (s Spec) String() string {
	var parts []string
	for i := 0; i < len(s); {
		n := 1
		for i+n < len(s) && s[i+n] == s[i] {
			n++
		}
		parts = append(parts, fmt.Sprintf("%dx%s", n, s[i].Name))
		i += n
	}
	return strings.Join(parts, ",")
}
