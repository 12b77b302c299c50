package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	nvidia "github.com/NVIDIA/k8s-device-plugin/api/config/v1"
	"sigs.k8s.io/yaml"
)

// example is the configuration of NVIDIA's documentation.
const example = `version: v1
flags:
  migStrategy: none
sharing:
  timeSlicing:
    renameByDefault: false
    failRequestsGreaterThanOne: false
    resources:
      - name: nvidia.com/gpu
        replicas: 4
`

func TestParseConfig(t *testing.T) {
	for _, test := range []struct {
		text     string
		replicas int
		strategy string
	}{
		{"", 0, ""},
		{" \n", 0, ""},
		{"null", 0, ""},
		{"version: v1", 0, ""},
		{example, 4, "none"},
		{`{"version":"v1","sharing":{"timeSlicing":{"resources":[{"name":"gpu","replicas":2,"devices":"all"}]}}}`, 2, ""},
		{"sharing: {timeSlicing: {resources: [{name: nvidia.com/mig-1g.10gb, replicas: 2}, {name: nvidia.com/gpu, replicas: 8}]}}", 8, ""},
		{"sharing: {timeSlicing: {renameByDefault: true, resources: [{name: nvidia.com/mig-1g.10gb.me, replicas: 3}]}}", 3, ""},
		{"sharing: {timeSlicing: {resources: [{name: nvidia.com/mig-1g.24gb-me, replicas: 2}, {name: nvidia.com/mig-1g.24gb.me.all, replicas: 2}]}}", 2, ""},
		{"flags: {migStrategy: mixed, failOnInitError: true, gdsEnabled: true, deviceDiscoveryStrategy: auto, useNodeFeatureAPI: false, plugin: {passDeviceSpecs: false, deviceListStrategy: [cdi-cri], deviceIDStrategy: uuid}}", 0, "mixed"},
		{"flags:\nsharing:\n", 0, ""},
	} {
		c, err := parseConfig([]byte(test.text))
		if err != nil || c.replicas != test.replicas || c.strategy != test.strategy {
			t.Errorf("%q: %+v %v, expected %d replicas and strategy %q", test.text, c, err, test.replicas, test.strategy)
		}
	}
}

func TestParseConfigErrors(t *testing.T) {
	sharing := func(s string) string { return "sharing: {timeSlicing: {resources: [" + s + "]}}" }
	for text, want := range map[string]string{
		"a: [":                                                                   "expected YAML or JSON",
		"version: v1\nversion: v1":                                               "expected YAML or JSON",
		"hello":                                                                  `the configuration: expected an object with the keys version, flags, resources, sharing, imex, got "hello"`,
		"version: v2":                                                            `version: expected v1, got "v2"`,
		"versoin: v1":                                                            `the configuration: unknown key "versoin", expected one of version,`,
		"resources: {gpus: []}":                                                  "resources: NVIDIA's device plugin does not rename resources any more; leave it out",
		"imex: {required: true}":                                                 "imex: IMEX connects GPUs of several machines, and there is one; leave it out",
		"flags: {migStrategy: maybe}":                                            `flags.migStrategy: expected none or single or mixed, got "maybe"`,
		"flags: {gdsEnabled: 1}":                                                 "flags.gdsEnabled: expected true or false, got 1",
		"flags: {failOnInitError: no}":                                           "flags.failOnInitError: it is always true here; leave it out",
		"flags: {useNodeFeatureAPI: true}":                                       "flags.useNodeFeatureAPI: it is always false here; leave it out",
		"flags: {deviceDiscoveryStrategy: tegra}":                                "flags.deviceDiscoveryStrategy: expected auto or nvml",
		"flags: {mpsRoot: /run}":                                                 "flags.mpsRoot: sharing by MPS is not possible here; share in time with sharing.timeSlicing",
		"flags: {nvidiaDriverRoot: /run/nvidia}":                                 "flags.nvidiaDriverRoot: it is set by the setting gpu.driver_root; leave it out",
		"flags: {gfd: {oneshot: true}}":                                          "flags.gfd: GPU Feature Discovery runs whenever something changed; leave it out",
		"flags: {plugin: {passDeviceSpecs: true}}":                               "flags.plugin.passDeviceSpecs: containers get their GPU by CDI",
		"flags: {plugin: {deviceListStrategy: envvar}}":                          "flags.plugin.deviceListStrategy: expected cdi-cri",
		"flags: {plugin: {deviceIDStrategy: index}}":                             `flags.plugin.deviceIDStrategy: expected uuid, got "index"`,
		"flags: {plugin: {nvidiaCTKPath: /x}}":                                   "flags.plugin.nvidiaCTKPath: it is set here already; leave it out",
		"flags: {x: 1}":                                                          `flags: unknown key "x"`,
		"sharing: {mps: {resources: []}}":                                        "sharing.mps: sharing by MPS needs a daemon of the driver",
		"sharing: {timeSlicing: {}}":                                             "sharing.timeSlicing.resources: it is missing, so it is not said what to share; expected a list such as [{name: nvidia.com/gpu, replicas: 4}]",
		"sharing: {timeSlicing: {resources: []}}":                                "sharing.timeSlicing.resources: expected a list such as",
		sharing("{name: nvidia.com/gpu}"):                                        "sharing.timeSlicing.resources[0].replicas: expected a whole number from 2 to 1000, got null",
		sharing("{name: nvidia.com/gpu, replicas: 1}"):                           "replicas: expected a whole number from 2 to 1000, got 1",
		sharing("{name: nvidia.com/gpu, replicas: 2.5}"):                         "replicas: expected a whole number from 2 to 1000, got 2.5",
		sharing("{name: nvidia.com/gpu, replicas: 1001}"):                        "got 1001",
		sharing("{name: nvidia.com/mig-1g.24gb+me, replicas: 2}"):                `expected nvidia.com/gpu or a MIG size such as nvidia.com/mig-1g.10gb, got "nvidia.com/mig-1g.24gb+me"`,
		sharing("{name: nvidia.com/mig-1g.24gb-, replicas: 2}"):                  `got "nvidia.com/mig-1g.24gb-"`,
		sharing("{name: amd.com/gpu, replicas: 2}"):                              `sharing.timeSlicing.resources[0].name: expected nvidia.com/gpu or a MIG size such as nvidia.com/mig-1g.10gb, got "amd.com/gpu"`,
		sharing("{replicas: 2}"):                                                 "resources[0].name: expected nvidia.com/gpu",
		sharing("{name: gpu, replicas: 2, rename: x}"):                           "resources[0].rename: NVIDIA's device plugin ignores another name; use sharing.timeSlicing.renameByDefault",
		sharing("{name: gpu, replicas: 2, devices: [0]}"):                        "resources[0].devices: NVIDIA's device plugin shares all devices of a resource or none; leave it out",
		sharing("{name: gpu, replicas: 2}, {name: nvidia.com/gpu, replicas: 3}"): "resources[1].name: nvidia.com/gpu occurs twice",
	} {
		_, err := parseConfig([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nexpected %s", text, err, want)
		}
	}
}

// FuzzParseConfig checks that NVIDIA's own code reads what is accepted, and
// reads the same.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(`{"flags":{"migStrategy":"mixed"},"sharing":{"timeSlicing":{"resources":[{"name":"mig-1g.10gb","replicas":2}]}}}`))
	f.Add([]byte("flags: {plugin: {deviceListStrategy: cdi-cri}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig(text)
		if err != nil || c.text == nil {
			return
		}
		var theirs nvidia.Config
		if err := yaml.Unmarshal(c.text, &theirs); err != nil {
			t.Fatalf("NVIDIA's code refuses %q, made from %q: %v", c.text, text, err)
		}
		again, err := parseConfig(c.text)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%q becomes %q, which reads as %+v %v", text, c.text, again, err)
		}
		n := 0
		for _, r := range theirs.Sharing.TimeSlicing.Resources {
			n = max(n, r.Replicas)
		}
		strategy := ""
		if theirs.Flags.MigStrategy != nil {
			strategy = *theirs.Flags.MigStrategy
		}
		if n != c.replicas || strategy != c.strategy {
			t.Fatalf("%q: NVIDIA's code reads %d %q, expected %d %q", text, n, strategy, c.replicas, c.strategy)
		}
	})
}

// A configuration on disk that can't be used is said, not ignored.
func TestBadConfigOnDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.file("gpu/config.yaml", "version: v7")
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	if p := w.get().GPUs.Problem; !strings.Contains(p, `configuration /data/gpu/config.yaml can't be used, so there is none in force: version: expected v1, got "v7"`) {
		t.Errorf("%q", p)
	}
	if code, r := w.do("PUT", "/v1/config", ""); code != 200 || r.GPUs.Problem != "" {
		t.Errorf("%d %+v", code, r)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "gpu/config.yaml")); err == nil {
		t.Error("the bad configuration is still there")
	}
}

// A configuration stays in force when the agent starts again.
func TestConfigStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.file("gpu/config.yaml", example)
	w.start()
	w.untilSeen("nvidia.com/gpu", 8, 8)
	if s := w.get().GPUs.Sharing; s.Replicas != 4 {
		t.Errorf("%+v", s)
	}
}
