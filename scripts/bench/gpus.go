package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/embedded/images"
	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

const (
	gpuSpec  = "2xA100-80GB" // what is simulated
	gpuAgent = "gpu-agent"   // the first process of the device plugin's pod
	// gpuSettle is how long a lab is left alone before its memory is measured.
	gpuSettle = 20 * time.Second
)

// gpus measures on a host of its own what simulated GPUs cost. A lab without
// projects is started three times: with GPUs, which shows how soon pods can be
// given them, then without and with, which shows what they take of memory.
func (r *Report) gpus(ctx context.Context, binary string) (err error) {
	b, err := images.Open(binary)
	if err != nil {
		return err
	}
	img, ok := b.Image("gpu")
	if err := b.Close(); err != nil {
		return fmt.Errorf("close the bundle: %w", err)
	}
	if !ok {
		return fmt.Errorf("%s carries no image gpu: build it with make", binary)
	}
	r.add(Figure{Name: "binary growth by GPUs", Value: float64(img.Size) / 1e6, Unit: "MB", Target: 30, Note: "the image gpu, compressed as it lies in the binary"})

	say("simulated GPUs")
	a, err := drive.Install(binary, testhost.Options{Name: "bench-gpu"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Host.Close()) }()
	up, err := a.Up(nil, "--no-sample", "--simulate-gpus", gpuSpec)
	if err != nil {
		return err
	}
	took, err := untilAllocatable(ctx, a)
	if err != nil {
		return fmt.Errorf("%w; benchtop up says:\n%s", err, up.Output())
	}
	r.add(Figure{Name: "GPU allocatable after the plugin's start", Value: took, Unit: "s", Target: 5, Note: "from the start of the container"})

	say("memory without and with simulated GPUs, each after " + gpuSettle.String())
	var memory [2]float64
	var processes map[int]usage
	for i, args := range [][]string{nil, {"--simulate-gpus", gpuSpec}} {
		if err := up.Terminate(); err != nil {
			return err
		}
		if _, err := up.Wait(30 * time.Second); err != nil {
			return err
		}
		if up, err = a.Up(nil, args...); err != nil {
			return err
		}
		if _, err := up.Ready(ctx, 2*time.Minute); err != nil {
			return err
		}
		if err := awaitAgent(ctx, a, args != nil); err != nil {
			return fmt.Errorf("%w; benchtop up says:\n%s", err, up.Output())
		}
		if err := sleep(ctx, gpuSettle); err != nil {
			return err
		}
		if processes, err = snapshot(a.Host.PID()); err != nil {
			return err
		}
		for _, p := range processes {
			memory[i] += p.pss
		}
	}
	pod, names := podOf(processes, gpuAgent)
	r.add(Figure{Name: "memory with simulated GPUs (PSS)", Value: pod, Unit: "MB", Target: 60, Note: "the plugin's pod with its shim, idle: " + strings.Join(names, ", ")})
	r.add(Figure{Name: "the whole lab with simulated GPUs (PSS)", Value: memory[1], Unit: "MB", Note: fmt.Sprintf("%.1f MB without, so %+.1f MB; it varies by some MB from start to start", memory[0], memory[1]-memory[0])})
	return nil
}

// awaitAgent waits until the agent runs, or none does any more.
func awaitAgent(ctx context.Context, a *drive.Appliance, want bool) error {
	return drive.Eventually(ctx, time.Minute, func() error {
		processes, err := snapshot(a.Host.PID())
		if err != nil {
			return err
		}
		if _, names := podOf(processes, gpuAgent); (len(names) > 0) != want {
			return fmt.Errorf("a pod of the device plugin: %v, expected one: %t", names, want)
		}
		return nil
	})
}

// podOf sums the memory (MB) of the pod that a process of the given name belongs
// to: its shim and all below that. names are those of the processes.
func podOf(processes map[int]usage, name string) (pss float64, names []string) {
	shim := 0
	for _, p := range processes {
		if p.name == name && strings.HasPrefix(processes[p.parent].name, "containerd-shim") {
			shim = p.parent
		}
	}
	if shim == 0 {
		return 0, nil
	}
	for pid := range processes {
		for up := pid; up != 0; up = processes[up].parent {
			if up == shim {
				pss += processes[pid].pss
				names = append(names, fmt.Sprintf("%s %.0f", processes[pid].name, processes[pid].pss))
				break
			}
		}
	}
	return pss, names
}

// untilAllocatable returns the seconds from the start of the plugin's container
// until the node offers its GPUs.
func untilAllocatable(ctx context.Context, a *drive.Appliance) (float64, error) {
	var nodes string
	var get func(string) ([]byte, error)
	if err := drive.Eventually(ctx, time.Minute, func() (err error) {
		nodes, get, err = kubernetes(ctx, a)
		return err
	}); err != nil {
		return 0, err
	}
	if err := drive.Eventually(ctx, 3*time.Minute, func() error {
		b, err := get(nodes)
		if err != nil {
			return err
		}
		var list struct {
			Items []struct {
				Status struct {
					Allocatable map[string]string `json:"allocatable"`
				} `json:"status"`
			} `json:"items"`
		}
		if err := json.Unmarshal(b, &list); err != nil {
			return fmt.Errorf("read the list of nodes: %w", err)
		}
		for _, n := range list.Items {
			if gpus := n.Status.Allocatable["nvidia.com/gpu"]; gpus != "" && gpus != "0" {
				return nil
			}
		}
		return errors.New("the node offers no nvidia.com/gpu")
	}); err != nil {
		return 0, err
	}
	return ageOf(a.Host.PID(), gpuAgent)
}

// ageOf returns for how many seconds the oldest process of a name runs on a host.
func ageOf(initPID int, name string) (float64, error) {
	processes, err := snapshot(initPID)
	if err != nil {
		return 0, err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, fmt.Errorf("read the clock: %w", err)
	}
	age := math.Inf(-1)
	for pid, p := range processes {
		f := statFields(fmt.Sprint("/proc/", pid))
		if p.name != name || len(f) < 20 {
			continue
		}
		started, err := strconv.ParseFloat(f[19], 64) // ticks since boot
		if err != nil {
			return 0, fmt.Errorf("read when %s started: %w", name, err)
		}
		age = max(age, float64(now.Nano())/1e9-started/ticks)
	}
	if math.IsInf(age, 0) {
		return 0, fmt.Errorf("no process %s runs, although GPUs are offered", name)
	}
	return age, nil
}
