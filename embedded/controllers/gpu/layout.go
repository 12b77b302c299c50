package gpu

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// migLayout is a named layout of mig-parted: what to do with which GPUs.
type migLayout []migEntry

// migEntry is one entry of mig-parted's list (its api/spec/v1).
type migEntry struct {
	// Devices is "all", or a list of indices.
	Devices any `json:"devices"`
	// Filter is one PCI device and vendor id such as 0x20B010DE, or a list of
	// them: the entry is for no other GPUs.
	Filter     any            `json:"device-filter,omitempty"`
	Enabled    bool           `json:"mig-enabled"`
	Partitions map[string]int `json:"mig-devices"`
}

// parseLayouts reads a file of mig-parted's.
func parseLayouts(doc map[string]any) (map[string]migLayout, error) {
	if v := doc["version"]; v != "v1" {
		return nil, fmt.Errorf("version is %v, expected v1", v)
	}
	configs, ok := doc["mig-configs"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("mig-configs: expected names, each with a list of entries")
	}
	out := map[string]migLayout{}
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		list, ok := configs[name].([]any)
		if !ok || len(list) == 0 {
			return nil, fmt.Errorf("mig-configs.%s: expected a list of entries", name)
		}
		for i, e := range list {
			entry, err := parseEntry(e)
			if err != nil {
				return nil, fmt.Errorf("mig-configs.%s, entry %d: %w", name, i+1, err)
			}
			out[name] = append(out[name], entry)
		}
	}
	return out, nil
}

var profilePattern = regexp.MustCompile(`^(\d+)(c\.\d+)?g\.(\d+)gb([+-][a-z.]+)*$`)

func parseEntry(v any) (migEntry, error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return migEntry{}, fmt.Errorf("expected devices, mig-enabled and mig-devices")
	}
	for key := range fields {
		if !slices.Contains([]string{"devices", "device-filter", "mig-enabled", "mig-devices"}, key) {
			return migEntry{}, fmt.Errorf("unknown key %s: expected devices, device-filter, mig-enabled, mig-devices", key)
		}
	}
	e := migEntry{Devices: fields["devices"], Filter: fields["device-filter"], Partitions: map[string]int{}}
	if !isDevices(e.Devices) {
		return e, fmt.Errorf("devices is %v, expected all, or a list of indices such as [0, 1]", e.Devices)
	}
	if !isFilter(e.Filter) {
		return e, fmt.Errorf("device-filter is %v, expected PCI ids such as 0x20B010DE", e.Filter)
	}
	if e.Enabled, ok = fields["mig-enabled"].(bool); !ok {
		return e, fmt.Errorf("mig-enabled is %v, expected true or false", fields["mig-enabled"])
	}
	switch devices := fields["mig-devices"].(type) {
	case nil:
	case map[string]any:
		for profile, n := range devices {
			count, ok := n.(float64)
			if !profilePattern.MatchString(profile) || !ok || count < 1 || count != float64(int(count)) {
				return e, fmt.Errorf("mig-devices has %s: %v, expected profiles with numbers, such as 1g.10gb: 7", profile, n)
			}
			e.Partitions[profile] = int(count)
		}
	case string:
		if devices != "" {
			return e, fmt.Errorf("mig-devices is %q, expected profiles with numbers, such as 1g.10gb: 7", devices)
		}
	default:
		return e, fmt.Errorf("mig-devices is %v, expected profiles with numbers, such as 1g.10gb: 7", devices)
	}
	if !e.Enabled && len(e.Partitions) > 0 {
		return e, fmt.Errorf("mig-devices is set although mig-enabled is false")
	}
	return e, nil
}

func isDevices(v any) bool {
	if v == "all" {
		return true
	}
	list, ok := v.([]any)
	return ok && len(list) > 0 && !slices.ContainsFunc(list, func(i any) bool {
		n, ok := i.(float64)
		return !ok || n < 0 || n != float64(int(n))
	})
}

var filterPattern = regexp.MustCompile(`^0[xX][0-9a-fA-F]{8}$`)

func isFilter(v any) bool {
	one := func(v any) bool { s, ok := v.(string); return ok && filterPattern.MatchString(s) }
	list, isList := v.([]any)
	return v == nil || one(v) || isList && len(list) > 0 && !slices.ContainsFunc(list, func(v any) bool { return !one(v) })
}

// builtinLayout returns a layout that NVIDIA's operator ships: all-disabled,
// all-enabled, all-balanced, and all-PROFILE for every profile of the GPUs.
func builtinLayout(name string, gpus []mlops.GPU) (migLayout, bool) {
	all := func(enabled bool, partitions map[string]int) migLayout {
		if partitions == nil {
			partitions = map[string]int{}
		}
		return migLayout{{Devices: "all", Enabled: enabled, Partitions: partitions}}
	}
	switch name {
	case "all-disabled":
		return all(false, nil), true
	case "all-enabled":
		return all(true, nil), true
	}
	// GPUs of several kinds have other sizes of a seventh.
	var out migLayout
	for _, g := range gpus {
		if len(g.Profiles) == 0 {
			continue
		}
		e := migEntry{Devices: []any{float64(g.Index)}, Enabled: true, Partitions: map[string]int{}}
		for _, p := range g.Profiles {
			switch {
			case name == "all-"+p.Name:
				e.Partitions[p.Name] = p.Count
			case name == "all-balanced" && balanced[slicesOf(p.Name)] > 0 && ordinary(p, g.Profiles):
				e.Partitions[p.Name] = balanced[slicesOf(p.Name)]
			}
		}
		if len(e.Partitions) > 0 {
			out = append(out, e)
		}
	}
	return out, len(out) > 0
}

// balanced is how many partitions of how many slices all-balanced has.
var balanced = map[int]int{1: 2, 2: 1, 3: 1}

// slicesOf returns how many sevenths of the compute a profile has.
func slicesOf(profile string) int {
	m := profilePattern.FindStringSubmatch(profile)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits
	return n
}

func gigabytesOf(profile string) int {
	m := profilePattern.FindStringSubmatch(profile)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[3]) // digits
	return n
}

// ordinary reports whether p is the profile of its number of slices without
// more memory than others or media engines.
func ordinary(p mlops.GPUProfile, all []mlops.GPUProfile) bool {
	if strings.ContainsAny(p.Name, "+-c") {
		return false
	}
	return !slices.ContainsFunc(all, func(o mlops.GPUProfile) bool {
		return slicesOf(o.Name) == slicesOf(p.Name) && gigabytesOf(o.Name) < gigabytesOf(p.Name)
	})
}

// layoutNames are the names that a node's label may have.
func layoutNames(k known, gpus []mlops.GPU) []string {
	names := map[string]bool{"all-disabled": true}
	for name := range k.mig {
		names[name] = true
	}
	for _, g := range gpus {
		for _, p := range g.Profiles {
			names["all-"+p.Name] = true
			names["all-balanced"] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (l migLayout) encode() ([]byte, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("write MIG layout: %w", err)
	}
	return b, nil
}

// strategy returns the MIG strategy that offers what a layout makes: none
// without partitions, single if all that the GPUs are offered as are alike, and
// mixed otherwise.
func strategy(gpus []mlops.GPU) string {
	kinds := map[string]bool{}
	for _, g := range gpus {
		if g.MIG != "Enabled" {
			kinds["a whole GPU"] = true
		}
		for _, p := range g.Partitions {
			kinds[p.Profile] = true
		}
	}
	switch {
	case !slices.ContainsFunc(gpus, func(g mlops.GPU) bool { return g.MIG == "Enabled" }):
		return ""
	case len(kinds) == 1 && !kinds["a whole GPU"]:
		return "single"
	}
	return "mixed"
}
