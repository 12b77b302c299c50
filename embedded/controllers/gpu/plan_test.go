package gpu

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestPlan(t *testing.T) {
	g := newAgent().state.GPUs
	g.Resources = []mlops.GPUOffer{{Name: "nvidia.com/gpu", Total: 2, Healthy: 2}}
	g.GPUs = append([]mlops.GPU(nil), g.GPUs...)
	g.GPUs[1].Holders = []mlops.GPUHolder{{Namespace: "iris", Pod: "train", Container: "a"}, {Namespace: "iris", Pod: "train", Container: "b"}}
	for name, want := range map[string]struct {
		share   mlops.GPUShare
		after   []mlops.GPUOffer
		blocked string
		steps   int
	}{
		"time slicing": {mlops.GPUShare{Replicas: 4}, []mlops.GPUOffer{{Name: "nvidia.com/gpu", Total: 8}}, "", 2},
		"off":          {mlops.GPUShare{}, []mlops.GPUOffer{{Name: "nvidia.com/gpu", Total: 2}}, "", 2},
		"alike": {mlops.GPUShare{MIG: []string{"1g.10gb", "1g.10gb", "1g.10gb"}}, []mlops.GPUOffer{{Name: "nvidia.com/gpu", Total: 6}},
			"a GPU can be cut only while no pod holds it, and some are held: pod iris/train. End these pods, or have them deleted", 2},
		"mixed": {mlops.GPUShare{MIG: []string{"3g.40gb", "2g.20gb"}, DeletePods: true}, []mlops.GPUOffer{{Name: "nvidia.com/mig-2g.20gb", Total: 2}, {Name: "nvidia.com/mig-3g.40gb", Total: 2}}, "", 3},
		"both": {mlops.GPUShare{Replicas: 2, MIG: []string{"3g.40gb", "1g.10gb+me"}, DeletePods: true},
			[]mlops.GPUOffer{{Name: "nvidia.com/mig-1g.10gb.me", Total: 4}, {Name: "nvidia.com/mig-3g.40gb", Total: 4}}, "", 3},
	} {
		p, err := Plan(g, want.share)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(p.After, want.after) || p.Blocked != want.blocked || len(p.Steps) != want.steps || len(p.Pods) != 1 || !reflect.DeepEqual(p.Before, g.Resources) {
			t.Errorf("%s: plan is %+v", name, p)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	g := newAgent().state.GPUs
	plain := mlops.GPUs{GPUs: []mlops.GPU{{Product: "NVIDIA GeForce RTX 3090"}, {Product: "Tesla T4"}, {Product: "Tesla T4"}}}
	for _, want := range []struct {
		gpus  mlops.GPUs
		share mlops.GPUShare
		error string
	}{
		{g, mlops.GPUShare{Replicas: -1}, "-1 pods on one GPU: expected from 1 to 64"},
		{g, mlops.GPUShare{Replicas: 65}, "65 pods on one GPU: expected from 1 to 64"},
		{g, mlops.GPUShare{MIG: []string{"4g.80gb"}}, "GPU 0 (NVIDIA A100-SXM4-80GB) has no MIG profile 4g.80gb: expected some of 1g.10gb, 1g.10gb+me, 1g.20gb, 2g.20gb, 3g.40gb, 7g.80gb"},
		{g, mlops.GPUShare{MIG: []string{"7g.80gb", "7g.80gb"}}, "GPU 0 (NVIDIA A100-SXM4-80GB) has room for 1 of 7g.80gb, not for 2"},
		{g, mlops.GPUShare{MIG: []string{"7g.80gb", "1g.10gb"}}, "GPU 0 (NVIDIA A100-SXM4-80GB) has no room for 7g.80gb, 1g.10gb: together they have 8 sevenths of the compute and 90 GB, it has 7 and 80 GB"},
		{plain, mlops.GPUShare{MIG: []string{"1g.10gb"}}, "none of the GPUs can be partitioned by MIG (NVIDIA GeForce RTX 3090, Tesla T4): that takes an A100, H100 or another data centre GPU; `benchtop gpu share 4` shares any GPU in time"},
	} {
		if _, err := Plan(want.gpus, want.share); mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want.error {
			t.Errorf("%+v: error is %v", want.share, err)
		}
	}
}

func TestLayoutErrors(t *testing.T) {
	for text, want := range map[string]string{
		"version: v2\nmig-configs: {a: []}":                                                               "version is v2, expected v1",
		"version: v1\nmig-configs: {a: []}":                                                               "mig-configs.a: expected a list of entries",
		"version: v1\nmig-configs: [a]":                                                                   "mig-configs: expected names, each with a list of entries",
		"version: v1\nmig-configs: {a: [b]}":                                                              "mig-configs.a, entry 1: expected devices, mig-enabled and mig-devices",
		"version: v1\nmig-configs: {a: [{devices: all, mig-enable: true}]}":                               "mig-configs.a, entry 1: unknown key mig-enable: expected devices, device-filter, mig-enabled, mig-devices",
		"version: v1\nmig-configs: {a: [{devices: some}]}":                                                "mig-configs.a, entry 1: devices is some, expected all, or a list of indices such as [0, 1]",
		"version: v1\nmig-configs: {a: [{devices: all}]}":                                                 "mig-configs.a, entry 1: mig-enabled is <nil>, expected true or false",
		"version: v1\nmig-configs: {a: [{devices: all, device-filter: A100, mig-enabled: true}]}":         "mig-configs.a, entry 1: device-filter is A100, expected PCI ids such as 0x20B010DE",
		"version: v1\nmig-configs: {a: [{devices: all, mig-enabled: true, mig-devices: {big: 1}}]}":       "mig-configs.a, entry 1: mig-devices has big: 1, expected profiles with numbers, such as 1g.10gb: 7",
		"version: v1\nmig-configs: {a: [{devices: all, mig-enabled: true, mig-devices: {1g.10gb: 0.5}}]}": "mig-configs.a, entry 1: mig-devices has 1g.10gb: 0.5, expected profiles with numbers, such as 1g.10gb: 7",
		"version: v1\nmig-configs: {a: [{devices: all, mig-enabled: true, mig-devices: 1g.10gb}]}":        `mig-configs.a, entry 1: mig-devices is "1g.10gb", expected profiles with numbers, such as 1g.10gb: 7`,
		"version: v1\nmig-configs: {a: [{devices: all, mig-enabled: false, mig-devices: {1g.10gb: 1}}]}":  "mig-configs.a, entry 1: mig-devices is set although mig-enabled is false",
	} {
		k := readConfigs([]*corev1.ConfigMap{configMap("kube-system", "m", map[string]string{"c": text})})
		if len(k.wrong) != 1 || k.wrong[0] != "ConfigMap kube-system/m: key c: "+want {
			t.Errorf("%s\ngives %v, expected %s", text, k.wrong, want)
		}
	}
	k := readConfigs([]*corev1.ConfigMap{configMap("kube-system", "m", map[string]string{"c": "sharing: [}"})})
	if len(k.wrong) != 1 || !strings.HasPrefix(k.wrong[0], "ConfigMap kube-system/m: key c is not YAML: ") {
		t.Errorf("no YAML gives %v", k.wrong)
	}
}

func FuzzConfigs(f *testing.F) {
	for _, seed := range []string{sliced, parted, "version: v1\nsharing: {mps: {}}", "mig-configs: {a: [{devices: [0, 1], device-filter: [0x20B010DE], mig-enabled: true}]}", "sharing: [}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k := readConfigs([]*corev1.ConfigMap{configMap("kube-system", "m", map[string]string{"c": text})})
		for name, l := range k.mig {
			b, err := l.encode()
			if err != nil {
				t.Fatalf("layout %s: %v", name, err)
			}
			var entries []any
			if err := yaml.Unmarshal(b, &entries); err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if _, err := parseEntry(e); err != nil {
					t.Fatalf("a layout that was read is not read again: %v", err)
				}
			}
		}
		for _, c := range k.plugin {
			if b, err := withStrategy(c.text, "mixed"); err == nil && !strings.Contains(string(b), "migStrategy") {
				t.Fatalf("no strategy in %s", b)
			}
		}
	})
}
