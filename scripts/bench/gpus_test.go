package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestPodOfCountsTheShimAndAllBelow(t *testing.T) {
	processes := map[int]usage{
		10: {name: "benchtop", pss: 400},
		20: {name: "containerd-shim", parent: 10, pss: 8},
		21: {name: "pause", parent: 20, pss: 1},
		22: {name: "gpu-agent", parent: 20, pss: 20},
		23: {name: "nvidia-device-p", parent: 22, pss: 15},
		30: {name: "containerd-shim", parent: 10, pss: 100},
		31: {name: "traefik", parent: 30, pss: 100},
		40: {name: "gpu-agent", parent: 10, pss: 1000}, // in no pod
	}
	pss, names := podOf(processes, "gpu-agent")
	slices.Sort(names)
	if pss != 44 || !slices.Equal(names, []string{"containerd-shim 8", "gpu-agent 20", "nvidia-device-p 15", "pause 1"}) {
		t.Errorf("%v MB: %v", pss, names)
	}
	if pss, names := podOf(processes, "coredns"); pss != 0 || names != nil {
		t.Errorf("nobody runs coredns: %v MB, %v", pss, names)
	}
}

func TestAgeOf(t *testing.T) {
	sleeper := filepath.Join(t.TempDir(), "bench-sleeper")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sleeper, b, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), sleeper, "60")
	before := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	time.Sleep(300 * time.Millisecond)
	asked := time.Now()
	age, err := ageOf(os.Getpid(), "bench-sleeper")
	answered := time.Now()
	if err != nil {
		t.Fatal(err)
	}
	const tick = 0.02
	if age < asked.Sub(after).Seconds()-tick || age > answered.Sub(before).Seconds()+tick {
		t.Errorf("it is %.2f s old, expected %.2f to %.2f s", age, asked.Sub(after).Seconds(), answered.Sub(before).Seconds())
	}
	if _, err := ageOf(os.Getpid(), "bench-nobody"); err == nil {
		t.Error("a program that does not run has an age")
	}
}
