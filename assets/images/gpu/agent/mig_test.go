package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
)

func TestParseMIG(t *testing.T) {
	list, err := parseMIG([]byte(`[{"devices":"all","mig-enabled":false},
		{"devices":[0,2],"device-filter":["0x20B010DE","0x233010de"],"mig-enabled":true,"mig-devices":{"1g.10gb":2,"1g.10gb+me":1,"1g.24gb-me":3,"1g.24gb+me.all":1,"3g.40gb":0}}]`))
	want := "[{true [] [] false map[]} {false [0 2] [548409566 590352606] true map[1g.10gb:2 1g.10gb+me:1 1g.24gb+me.all:1 1g.24gb-me:3]}]"
	if got := fmt.Sprint(list); err != nil || got != want {
		t.Errorf("%s %v, expected %s", got, err, want)
	}
	for _, empty := range []string{"", "[]", "null"} {
		if list, err := parseMIG([]byte(empty)); err != nil || list != nil {
			t.Errorf("%q: %v %v", empty, list, err)
		}
	}
	for text, want := range map[string]string{
		`{`:                      "expected YAML or JSON",
		`{"all-disabled":[]}`:    `mig-configs: expected a list, got {"all-disabled":[]}`,
		`[1]`:                    "mig-configs[0]: expected an object with the keys devices, device-filter, mig-enabled, mig-devices, got 1",
		`[{"mig-enabled":true}]`: "mig-configs[0].devices: expected all or a list of the GPUs' numbers such as [0, 1], got null",
		`[{"devices":"some","mig-enabled":true}]`:                               `mig-configs[0].devices: expected all or a list of the GPUs' numbers such as [0, 1], got "some"`,
		`[{"devices":[-1],"mig-enabled":true}]`:                                 "mig-configs[0].devices[0]: expected a whole number from 0 to 1023, got -1",
		`[{"devices":"all"}]`:                                                   "mig-configs[0].mig-enabled: it is missing; expected true or false",
		`[{"devices":"all","mig-enabled":"yes"}]`:                               `mig-configs[0].mig-enabled: expected true or false, got "yes"`,
		`[{"devices":"all","mig-enabled":true,"mig-device":{}}]`:                "mig-configs[0]: unknown key \"mig-device\", expected one of devices, device-filter, mig-enabled, mig-devices",
		`[{"devices":"all","mig-enabled":true,"mig-devices":["1g.5gb"]}]`:       "mig-configs[0].mig-devices: expected an object such as {1g.10gb: 7}",
		`[{"devices":"all","mig-enabled":true,"mig-devices":{"big":1}}]`:        `mig-configs[0].mig-devices: "big" is no MIG size; expected one such as 1g.10gb`,
		`[{"devices":"all","mig-enabled":true,"mig-devices":{"1c.3g.20gb":1}}]`: `"1c.3g.20gb" shares a part of the GPU between several; NVIDIA's device plugin does not offer that`,
		`[{"devices":"all","mig-enabled":true,"mig-devices":{"1g.5gb":99}}]`:    "mig-configs[0].mig-devices.1g.5gb: expected a whole number from 0 to 16, got 99",
		`[{"devices":"all","mig-enabled":false,"mig-devices":{"1g.5gb":1}}]`:    "mig-configs[0]: mig-devices needs mig-enabled: true",
		`[{"devices":"all","mig-enabled":true,"device-filter":"A100"}]`:         `mig-configs[0].device-filter: expected a PCI id of device and vendor such as 0x20B010DE, got "A100"`,
	} {
		if _, err := parseMIG([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nexpected %s", text, err, want)
		}
	}
}

func FuzzParseMIG(f *testing.F) {
	f.Add([]byte(`[{"devices":"all","mig-enabled":true,"mig-devices":{"1g.10gb":7}}]`))
	f.Add([]byte(`[{"devices":[0,1],"device-filter":"0x20B010DE","mig-enabled":false}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseMIG(text)
		if err != nil {
			return
		}
		for _, e := range list {
			if !e.enabled && len(e.cut) > 0 || e.all && e.devices != nil {
				t.Fatalf("%q: %+v contradicts itself", text, e)
			}
			for name, n := range e.cut {
				if n < 1 || n > 16 || !profileFormat.MatchString(name) {
					t.Fatalf("%q: %d of %q", text, n, name)
				}
			}
		}
	})
}

// cutNow is how the GPUs are cut, with places.
func cutNow(lib *fakeNVML) string {
	var out []string
	for i := range 2 {
		dev := lib.Devices[i].(*dgxa100.Device)
		s := "off"
		if dev.MigMode == nvml.DEVICE_MIG_ENABLE {
			var parts []string
			for _, gi := range sortedInstances(dev) {
				parts = append(parts, fmt.Sprintf("%d@%d+%d/%d", gi.Info.ProfileId, gi.Info.Placement.Start, gi.Info.Placement.Size, len(gi.ComputeInstances)))
			}
			slices.Sort(parts)
			s = "on " + strings.Join(parts, " ")
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func TestMIG(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	w := newWorld(t, lib)
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)

	// all-balanced of the A100-40GB: two small parts, one of a quarter, one half.
	const balanced = `[{"devices":[0],"mig-enabled":true,"mig-devices":{"1g.5gb":2,"2g.10gb":1,"3g.20gb":1}}]`
	code, r := w.do("PUT", "/v1/mig", balanced)
	if code != 200 {
		t.Fatalf("%d %s", code, r.Error)
	}
	g := r.GPUs.GPUs[0]
	var parts []string
	for _, p := range g.Partitions {
		parts = append(parts, fmt.Sprintf("%s@%d+%d", p.Profile, p.Start, p.Slices))
	}
	if got := strings.Join(parts, " "); g.MIG != "Enabled" || got != "2g.10gb@0+2 1g.5gb@2+1 1g.5gb@3+1 3g.20gb@4+4" {
		t.Errorf("%s %s", g.MIG, got)
	}
	if r.GPUs.GPUs[1].MIG != "Disabled" {
		t.Errorf("%+v", r.GPUs.GPUs[1])
	}
	before := cutNow(lib)

	// The same again changes nothing.
	w.plugin.mu.Lock()
	pid := w.plugin.pid
	w.plugin.mu.Unlock()
	if code, r := w.do("PUT", "/v1/mig", balanced); code != 200 {
		t.Fatal(r.Error)
	}
	w.plugin.mu.Lock()
	if w.plugin.pid != pid {
		t.Error("the plugin was restarted for nothing")
	}
	w.plugin.mu.Unlock()

	// What does not fit is refused before anything is touched.
	for text, want := range map[string]string{
		`[{"devices":"all","mig-enabled":true,"mig-devices":{"1g.5gb":8}}]`:   "GPU 0 (Mock NVIDIA A100-SXM4-40GB) has room for 7 of 1g.5gb, not for 8",
		`[{"devices":[1],"mig-enabled":true,"mig-devices":{"1g.9gb":1}}]`:     "can't be cut into 1g.9gb: expected 1g.5gb, 2g.10gb,",
		`[{"devices":[7],"mig-enabled":false}]`:                               "GPU 7 does not exist: there are 2",
		`[{"devices":"all","device-filter":"0x00000123","mig-enabled":true}]`: "no GPU here that the configuration names can be partitioned",
	} {
		if code, r := w.do("PUT", "/v1/mig", text); code != 422 || !strings.Contains(r.Error, want) {
			t.Errorf("%s: %d %s\nexpected %s", text, code, r.Error, want)
		}
	}
	// What fits by number but not together is found when the places are looked for.
	if code, r := w.do("PUT", "/v1/mig", `[{"devices":[0],"mig-enabled":true,"mig-devices":{"4g.20gb":1,"3g.20gb":1,"1g.5gb":1}}]`); code != 422 || !strings.Contains(r.Error, "has no room for 1×1g.5gb, 1×3g.20gb, 1×4g.20gb together") {
		t.Errorf("%d %s", code, r.Error)
	}
	if now := cutNow(lib); now != before {
		t.Errorf("%s\nexpected as before: %s", now, before)
	}

	// A failure in the middle is undone, on both GPUs.
	lib.set(func() { lib.instancesLeft = 9 })
	code, r = w.do("PUT", "/v1/mig", `[{"devices":"all","mig-enabled":true,"mig-devices":{"1g.5gb":7}}]`)
	if code != 422 || !strings.Contains(r.Error, "GPU 1 (Mock NVIDIA A100-SXM4-40GB), make a part 1g.5gb: the driver says") || !strings.Contains(r.Error, "there is no room for it") {
		t.Errorf("%d %s", code, r.Error)
	}
	if now := cutNow(lib); now != before {
		t.Errorf("%s\nexpected as before: %s", now, before)
	}
	lib.set(func() { lib.instancesLeft = -1 })
	w.untilSeen("nvidia.com/gpu", 2, 2)

	// The plugin refuses the layout: it is undone too, and so is the change of the
	// strategy.
	if code, r := w.do("PUT", "/v1/config", "flags: {migStrategy: single}"); code != 200 || r.GPUs.Sharing.MIGStrategy != "single" {
		t.Fatalf("%d %s %+v", code, r.Error, r.GPUs.Sharing)
	}
	w.file("bin/fail", "more than one MIG device type present on node")
	code, r = w.do("PUT", "/v1/mig", `[{"devices":"all","mig-enabled":true,"mig-devices":{"7g.40gb":1}}]`)
	if code != 422 || !strings.Contains(r.Error, "more than one MIG device type present on node") {
		t.Errorf("%d %s", code, r.Error)
	}
	if now := cutNow(lib); now != before {
		t.Errorf("%s\nexpected as before: %s", now, before)
	}
	if got := w.get().GPUs.Sharing.MIGStrategy; got != "single" {
		t.Errorf("the strategy is %s", got)
	}
	w.remove("bin/fail")
	w.untilSeen("nvidia.com/gpu", 2, 2)

	g = w.get().GPUs.GPUs[0] // the parts are other ones now

	// Nobody cuts a GPU that a pod holds, but others.
	w.kubelet.give("team", "train-0", "nvidia.com/mig-1g.5gb", g.Partitions[1].UUID)
	if code, r := w.do("PUT", "/v1/mig", "[]"); code != 409 || r.Error != "pods hold GPUs that would be cut: team/train-0 (GPU 0); delete them first" {
		t.Errorf("%d %s", code, r.Error)
	}
	if code, r := w.do("PUT", "/v1/mig", `[{"devices":[1],"mig-enabled":true,"mig-devices":{"1g.5gb":7}}]`); code != 200 || len(r.GPUs.GPUs[1].Partitions) != 7 || r.GPUs.Sharing.MIGStrategy != "mixed" {
		t.Errorf("%d %s %+v %+v", code, r.Error, r.GPUs.GPUs, r.GPUs.Sharing)
	}
	w.kubelet.takeAll()

	// An error of the GPU taints all its parts, and recovery heals them.
	if code, r := w.do("PUT", "/v1/config", ""); code != 200 {
		t.Fatal(r.Error)
	}
	w.offer(map[string][]string{"nvidia.com/mig-1g.5gb": {g.Partitions[1].UUID, g.Partitions[2].UUID, w.get().GPUs.GPUs[1].Partitions[0].UUID}})
	if code, r := w.do("PUT", "/v1/config", "flags: {migStrategy: mixed}"); code != 200 {
		t.Fatal(r.Error)
	}
	w.untilSeen("nvidia.com/mig-1g.5gb", 3, 3)
	lib.set(func() { lib.action[0] = nvml.GPU_RECOVERY_ACTION_GPU_RESET })
	lib.events <- nvml.EventData{Device: lib.Devices[0], EventType: nvml.EventTypeXidCriticalError, EventData: 95, GpuInstanceId: 1}
	w.untilSeen("nvidia.com/mig-1g.5gb", 1, 3)
	lib.set(func() { lib.action[0] = nvml.GPU_RECOVERY_ACTION_NONE })
	w.untilSeen("nvidia.com/mig-1g.5gb", 3, 3)

	if code, r := w.do("PUT", "/v1/mig", "[]"); code != 200 || r.GPUs.GPUs[0].MIG != "Disabled" || r.GPUs.GPUs[0].Partitions != nil {
		t.Errorf("%d %s", code, r.Error)
	}
	if now := cutNow(lib); now != "off; off" {
		t.Error(now)
	}
}

// TestReservation: a GPU that shall be cut gets no new pods while it drains.
func TestReservation(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	w := newWorld(t, lib)
	w.reservation = 3 * time.Second
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.kubelet.give("team", "train-0", "nvidia.com/gpu", gpuA)
	const both, second = `[{"devices":"all","mig-enabled":true,"mig-devices":{"1g.5gb":7}}]`, `[{"devices":[1],"mig-enabled":true,"mig-devices":{"1g.5gb":7}}]`
	refused := func() {
		t.Helper()
		if code, r := w.do("PUT", "/v1/mig", both); code != 409 {
			t.Fatalf("%d %s", code, r.Error)
		}
	}

	// Both GPUs would change, so both drain; nothing is wrong with them.
	refused()
	w.untilSeen("nvidia.com/gpu", 0, 2)
	for _, g := range w.get().GPUs.GPUs {
		if !g.Healthy || g.Fault != "" {
			t.Errorf("%+v", g)
		}
	}

	// Another refusal renews it, and it ends by itself.
	time.Sleep(2 * time.Second)
	again := time.Now()
	refused()
	time.Sleep(1500 * time.Millisecond)
	if healthy, _ := w.kubelet.seen("nvidia.com/gpu"); healthy != 0 && time.Since(again) < w.reservation {
		t.Errorf("%d GPUs are given out %s after the second refusal", healthy, time.Since(again))
	}
	w.untilSeen("nvidia.com/gpu", 2, 2)
	if took := time.Since(again); took < w.reservation {
		t.Errorf("it ended %s after the second refusal, expected %s", took, w.reservation)
	}

	// A layout that does not concern the GPUs ends it at once.
	begin := time.Now()
	refused()
	w.untilSeen("nvidia.com/gpu", 0, 2)
	if code, r := w.do("PUT", "/v1/mig", "[]"); code != 200 {
		t.Fatalf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/gpu", 2, 2)
	if took := time.Since(begin); took > w.reservation {
		t.Errorf("it ended after %s", took)
	}

	// So does success.
	refused()
	w.untilSeen("nvidia.com/gpu", 0, 2)
	if code, r := w.do("PUT", "/v1/mig", second); code != 200 || len(r.GPUs.GPUs[1].Partitions) != 7 {
		t.Fatalf("%d %s", code, r.Error)
	}
	if !w.health.device(gpuA) || !w.health.device(gpuB) {
		t.Error("a GPU is still reserved after success")
	}
	w.untilSeen("nvidia.com/gpu", 2, 2)

	// The parts of a GPU are reserved with it.
	part := w.get().GPUs.GPUs[1].Partitions[0].UUID
	w.kubelet.give("team", "train-1", "nvidia.com/mig-1g.5gb", part)
	if code, r := w.do("PUT", "/v1/mig", `[{"devices":[1],"mig-enabled":false}]`); code != 409 {
		t.Fatalf("%d %s", code, r.Error)
	}
	if w.health.device(part+"::1") || !w.health.device(gpuA) {
		t.Error("expected the parts of GPU 1 to be reserved, and not GPU 0")
	}
}

// TestPassing: what may go away by itself is told apart from what never works,
// for the appliance tries it again.
func TestPassing(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	w := newWorld(t, lib)
	w.plugin.readyTime = 3 * time.Second
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	const cut = `[{"devices":[0],"mig-enabled":true,"mig-devices":{"1g.5gb":7}}]`
	expect := func(path, body string, code int, words string) {
		t.Helper()
		if got, r := w.do("PUT", path, body); got != code || !strings.Contains(r.Error, words) {
			t.Errorf("PUT %s %s: %d %q, expected %d %q", path, body, got, r.Error, code, words)
		}
	}
	for ret, words := range map[nvml.Return]string{
		nvml.ERROR_IN_USE:         "switch MIG on: the driver says \"ERROR_IN_USE\": a program has it open",
		nvml.ERROR_RESET_REQUIRED: "switch MIG on: the driver says \"ERROR_RESET_REQUIRED\": it has to be reset first; run `nvidia-smi --gpu-reset -i 0`",
	} {
		lib.set(func() { lib.modeRet = ret })
		expect("/v1/mig", cut, 409, words)
	}
	lib.set(func() { lib.modeRet = nvml.ERROR_NO_PERMISSION })
	expect("/v1/mig", cut, 422, "switch MIG on: the driver says")
	lib.set(func() { lib.modeRet = nvml.SUCCESS })

	// The first reason counts, not why it can't be put back.
	lib.set(func() { lib.instancesLeft, lib.destroyRet = 3, nvml.ERROR_IN_USE })
	expect("/v1/mig", cut, 422, "there is no room for it; and what was before could not be put back: GPU 0")
	lib.set(func() { lib.instancesLeft = -1 })
	expect("/v1/mig", cut, 409, "take a part away: the driver says \"ERROR_IN_USE\": a program has it open")
	lib.set(func() { lib.destroyRet = nvml.SUCCESS })

	w.file("bin/hang", "")
	expect("/v1/config", "flags: {migStrategy: mixed}", 409, "NVIDIA's device plugin has registered nothing within 3s")
	expect("/v1/mig", cut, 409, "NVIDIA's device plugin does not start with it: NVIDIA's device plugin has registered nothing within 3s")
	w.remove("bin/hang")
	w.kubelet.podServer.Stop()
	expect("/v1/mig", cut, 409, "GPUs can't be partitioned while it is not known who holds them")
}
