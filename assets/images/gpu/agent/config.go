package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// config is a configuration of the device plugin in NVIDIA's format, as far as
// it can be followed here.
type config struct {
	text     []byte // for the plugin and GPU Feature Discovery; nil if there is none
	replicas int
	strategy string // of MIG
}

// anyLayout returns the configuration with a MIG strategy under which the plugin
// starts however GPUs are cut: with single it ends when parts differ.
func (c config) anyLayout() (config, error) {
	if c.strategy != "single" {
		return c, nil
	}
	doc := map[string]any{}
	if err := yaml.Unmarshal(c.text, &doc); err != nil {
		return config{}, err
	}
	flags, ok := doc["flags"].(map[string]any)
	if !ok {
		return config{}, errors.New("the configuration has a MIG strategy, but no flags")
	}
	flags["migStrategy"] = "mixed"
	text, err := json.Marshal(doc)
	if err != nil {
		return config{}, err
	}
	return parseConfig(text)
}

func (c config) sharing() gpuSharing {
	return gpuSharing{Replicas: max(c.replicas, 1), MIGStrategy: cmpOr(c.strategy, "none")}
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// maxReplicas keeps the list of devices within what the kubelet accepts in one
// message.
const maxReplicas = 1000

// value is a part of a document with the path to it, for errors.
type value struct {
	path string
	v    any
}

func (v value) wrong(expected string) error {
	got, err := json.Marshal(v.v)
	if err != nil || len(got) > 60 {
		got = []byte("something else")
	}
	return fmt.Errorf("%s: expected %s, got %s", cmpOr(v.path, "the configuration"), expected, got)
}

// fields are the keys of an object. Keys that known lacks are an error.
func (v value) fields(known ...string) (map[string]value, error) {
	m, ok := v.v.(map[string]any)
	if !ok {
		return nil, v.wrong("an object with the keys " + strings.Join(known, ", "))
	}
	out := map[string]value{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(known, key) {
			return nil, fmt.Errorf("%s: unknown key %.60q, expected one of %s", cmpOr(v.path, "the configuration"), key, strings.Join(known, ", "))
		}
		if m[key] == nil {
			continue // `key:` without a value is as if the key were absent
		}
		out[key] = value{path: strings.TrimPrefix(v.path+"."+key, "."), v: m[key]}
	}
	return out, nil
}

func (v value) oneOf(allowed ...string) (string, error) {
	s, ok := v.v.(string)
	if !ok || !slices.Contains(allowed, s) {
		return "", v.wrong(strings.Join(allowed, " or "))
	}
	return s, nil
}

func (v value) boolean() (bool, error) {
	b, ok := v.v.(bool)
	if !ok {
		return false, v.wrong("true or false")
	}
	return b, nil
}

func (v value) integer(from, to int) (int, error) {
	f, ok := v.v.(float64)
	if !ok || f != math.Trunc(f) || f < float64(from) || f > float64(to) {
		return 0, v.wrong(fmt.Sprintf("a whole number from %d to %d", from, to))
	}
	return int(f), nil
}

func (v value) list() ([]value, error) {
	l, ok := v.v.([]any)
	if !ok {
		return nil, v.wrong("a list")
	}
	var out []value
	for i, e := range l {
		out = append(out, value{path: fmt.Sprintf("%s[%d]", v.path, i), v: e})
	}
	return out, nil
}

// decode reads YAML or JSON. A key that occurs twice is an error.
func decode(text []byte) (value, error) {
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return value{}, fmt.Errorf("expected YAML or JSON: %w", err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return value{}, fmt.Errorf("expected YAML or JSON: %w", err)
	}
	return value{v: v}, nil
}

// resourceName matches a resource without its domain. The plugin writes a dot for
// the + of a size such as 1g.10gb+me, and keeps the - of 1g.24gb-me.
var resourceName = regexp.MustCompile(`^(gpu|mig-[1-9]g\.[1-9][0-9]{0,3}gb([.-][a-z][a-z.]*)?)$`)

// parseConfig reads a configuration of the device plugin. What the plugin would
// ignore or what can't be done here is an error that says so.
func parseConfig(text []byte) (config, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return config{}, nil
	}
	doc, err := decode(text)
	if err != nil {
		return config{}, err
	}
	if doc.v == nil {
		return config{}, nil
	}
	top, err := doc.fields("version", "flags", "resources", "sharing", "imex")
	if err != nil {
		return config{}, err
	}
	if v, ok := top["version"]; ok {
		if _, err := v.oneOf("v1"); err != nil {
			return config{}, err
		}
	}
	if v, ok := top["resources"]; ok {
		return config{}, fmt.Errorf("%s: NVIDIA's device plugin does not rename resources any more; leave it out", v.path)
	}
	if v, ok := top["imex"]; ok {
		return config{}, fmt.Errorf("%s: IMEX connects GPUs of several machines, and there is one; leave it out", v.path)
	}
	out := map[string]any{"version": "v1"}
	var c config
	if v, ok := top["flags"]; ok {
		flags, err := parseFlags(v, &c)
		if err != nil {
			return config{}, err
		}
		out["flags"] = flags
	}
	if v, ok := top["sharing"]; ok {
		slicing, err := parseSharing(v, &c)
		if err != nil {
			return config{}, err
		}
		if slicing != nil {
			out["sharing"] = map[string]any{"timeSlicing": slicing}
		}
	}
	c.text, err = yaml.Marshal(out)
	return c, err
}

// parseFlags reads the flags. Those that the agent sets itself may be given only
// as it sets them.
func parseFlags(v value, c *config) (map[string]any, error) {
	f, err := v.fields("migStrategy", "failOnInitError", "gdrcopyEnabled", "gdsEnabled", "mofedEnabled", "useNodeFeatureAPI",
		"deviceDiscoveryStrategy", "mpsRoot", "nvidiaDriverRoot", "nvidiaDevRoot", "plugin", "gfd")
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(f)) {
		v := f[key]
		switch key {
		case "migStrategy":
			if c.strategy, err = v.oneOf("none", "single", "mixed"); err != nil {
				return nil, err
			}
			out[key] = c.strategy
		case "gdrcopyEnabled", "gdsEnabled", "mofedEnabled":
			if out[key], err = v.boolean(); err != nil {
				return nil, err
			}
		case "failOnInitError", "useNodeFeatureAPI":
			b, err := v.boolean()
			if err != nil {
				return nil, err
			}
			if want := key == "failOnInitError"; b != want {
				return nil, fmt.Errorf("%s: it is always %v here; leave it out", v.path, want)
			}
		case "deviceDiscoveryStrategy":
			if _, err := v.oneOf("auto", "nvml"); err != nil {
				return nil, err
			}
		case "plugin":
			if err := parsePluginFlags(v); err != nil {
				return nil, err
			}
		case "mpsRoot":
			return nil, fmt.Errorf("%s: sharing by MPS is not possible here; share in time with sharing.timeSlicing", v.path)
		case "nvidiaDriverRoot", "nvidiaDevRoot":
			return nil, fmt.Errorf("%s: it is set by the setting gpu.driver_root; leave it out", v.path)
		case "gfd":
			return nil, fmt.Errorf("%s: GPU Feature Discovery runs whenever something changed; leave it out", v.path)
		}
	}
	return out, nil
}

func parsePluginFlags(v value) error {
	f, err := v.fields("passDeviceSpecs", "deviceListStrategy", "deviceIDStrategy", "cdiAnnotationPrefix", "nvidiaCTKPath", "containerDriverRoot")
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(f)) {
		v := f[key]
		switch key {
		case "passDeviceSpecs":
			b, err := v.boolean()
			if err != nil {
				return err
			}
			if b {
				return fmt.Errorf("%s: containers get their GPU by CDI, which is always false here; leave it out", v.path)
			}
		case "deviceListStrategy":
			s := v.v
			if l, ok := s.([]any); ok && len(l) == 1 {
				s = l[0]
			}
			if s != "cdi-cri" {
				return v.wrong("cdi-cri, which is always so here; leave it out")
			}
		case "deviceIDStrategy":
			if _, err := v.oneOf("uuid"); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s: it is set here already; leave it out", v.path)
		}
	}
	return nil
}

func parseSharing(v value, c *config) (map[string]any, error) {
	f, err := v.fields("timeSlicing", "mps")
	if err != nil {
		return nil, err
	}
	if v, ok := f["mps"]; ok {
		return nil, fmt.Errorf("%s: sharing by MPS needs a daemon of the driver on the machine, which is not run here; share in time with sharing.timeSlicing", v.path)
	}
	v, ok := f["timeSlicing"]
	if !ok {
		return nil, nil
	}
	f, err = v.fields("renameByDefault", "failRequestsGreaterThanOne", "resources")
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, key := range []string{"renameByDefault", "failRequestsGreaterThanOne"} {
		if b, ok := f[key]; ok {
			if out[key], err = b.boolean(); err != nil {
				return nil, err
			}
		}
	}
	const example = "a list such as [{name: nvidia.com/gpu, replicas: 4}]"
	list, ok := f["resources"]
	if !ok {
		return nil, fmt.Errorf("%s.resources: it is missing, so it is not said what to share; expected %s", v.path, example)
	}
	entries, err := list.list()
	if err != nil || len(entries) == 0 {
		return nil, list.wrong(example)
	}
	var resources []any
	seen := map[string]bool{}
	for _, e := range entries {
		f, err := e.fields("name", "replicas", "rename", "devices")
		if err != nil {
			return nil, err
		}
		if v, ok := f["rename"]; ok {
			return nil, fmt.Errorf("%s: NVIDIA's device plugin ignores another name; use sharing.timeSlicing.renameByDefault for nvidia.com/gpu.shared", v.path)
		}
		if v, ok := f["devices"]; ok && v.v != "all" {
			return nil, fmt.Errorf("%s: NVIDIA's device plugin shares all devices of a resource or none; leave it out", v.path)
		}
		name, _ := f["name"].v.(string)
		short := strings.TrimPrefix(name, "nvidia.com/")
		if !resourceName.MatchString(short) {
			return nil, value{path: e.path + ".name", v: f["name"].v}.wrong("nvidia.com/gpu or a MIG size such as nvidia.com/mig-1g.10gb")
		}
		if seen[short] {
			return nil, fmt.Errorf("%s.name: nvidia.com/%s occurs twice", e.path, short)
		}
		seen[short] = true
		n, err := value{path: e.path + ".replicas", v: f["replicas"].v}.integer(2, maxReplicas)
		if err != nil {
			return nil, err
		}
		c.replicas = max(c.replicas, n)
		resources = append(resources, map[string]any{"name": "nvidia.com/" + short, "replicas": n})
	}
	out["resources"] = resources
	return out, nil
}

func (a *agent) configFile() string { return filepath.Join(a.opts.gpuDir, "config.yaml") }

// loadConfig reads the configuration that was in force before.
func (a *agent) loadConfig() error {
	text, err := os.ReadFile(a.configFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := parseConfig(text)
	if err != nil {
		return fmt.Errorf("the configuration %s can't be used, so there is none in force: %w", filepath.Join(a.opts.hostGPUDir, "config.yaml"), err)
	}
	a.mu.Lock()
	a.conf = c
	a.mu.Unlock()
	return nil
}

func (a *agent) config() config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conf
}

// storeConfig puts a configuration in force for the next start of the plugin.
func (a *agent) storeConfig(c config) error {
	path := a.configFile()
	if c.text == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	} else {
		if err := os.WriteFile(path+".new", c.text, 0o644); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	a.mu.Lock()
	a.conf, a.refused = c, ""
	a.mu.Unlock()
	a.bump()
	return nil
}
