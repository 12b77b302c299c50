package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// discover finds out the labels of the node. It runs only when something
// changed, so it costs no memory in between.
//
// Labels have room for one kind of GPU. Where there are several, GPU Feature
// Discovery describes the one that Go's random order of a map ends with, so a
// nodeSelector that fits today need not fit tomorrow. It runs again until it
// describes the kind that it names mostly: seven times of eight if there are two.
func (a *agent) discover(ctx context.Context) error {
	a.discoverMu.Lock()
	defer a.discoverMu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	kind := strings.Join(strings.Fields(notInLabels.ReplaceAllString(a.driver.lastKind(), "")), "-")
	var labels map[string]string
	for range 10 {
		var err error
		if labels, err = a.runDiscovery(ctx); err != nil {
			return err
		}
		if product, described := labels[labelProduct]; !described || kind == "" || strings.TrimSuffix(product, "-SHARED") == kind {
			break
		}
	}
	if a.opts.simulated {
		labels["benchtop.dev/gpu-simulated"] = "true"
	}
	a.mu.Lock()
	a.labels = labels
	a.mu.Unlock()
	a.bump()
	return nil
}

const labelProduct = "nvidia.com/gpu.product"

// notInLabels is what GPU Feature Discovery leaves out of the values of labels.
var notInLabels = regexp.MustCompile(`[^A-Za-z0-9-_. ]`)

// lastKind is the product of which the first GPU comes last, GPUs that are not
// cut before those that are; "" where all GPUs are of one product.
func (d *driver) lastKind() string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.open {
		return ""
	}
	var whole, cut []string
	for _, id := range d.gpus {
		kinds := &whole
		if dev, ret := d.lib.DeviceGetHandleByIndex(id.index); ret == nvml.SUCCESS {
			if mode, _, ret := dev.GetMigMode(); ret == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE {
				kinds = &cut
			}
		}
		if !slices.Contains(*kinds, id.product) {
			*kinds = append(*kinds, id.product)
		}
	}
	all := append(cut, whole...)
	if n := len(all); n > 0 && slices.ContainsFunc(all, func(kind string) bool { return kind != all[n-1] }) {
		return all[n-1]
	}
	return ""
}

// runDiscovery runs GPU Feature Discovery once and reads the labels that it found.
func (a *agent) runDiscovery(ctx context.Context) (map[string]string, error) {
	out := filepath.Join(a.opts.temp, "gfd")
	os.Remove(out)
	args := []string{"--oneshot", "--use-node-feature-api=false", "--no-timestamp", "--output-file=" + out}
	if _, err := os.Stat(a.configFile()); err == nil {
		args = append(args, "--config-file="+a.configFile())
	}
	cmd := exec.CommandContext(ctx, a.opts.discovery, args...)
	cmd.Env = a.childEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	words := &lastWords{quiet: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start GPU Feature Discovery: %w", err)
	}
	words.copy(pipe, nil)
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("GPU Feature Discovery failed, so the node's labels are old: %w", words.explain(err))
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("read the labels of GPU Feature Discovery: %w", err)
	}
	return parseLabels(string(text))
}

func parseLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("label %q of GPU Feature Discovery: expected name=value", line)
		}
		labels[key] = value
	}
	return labels, nil
}

// childEnv is the environment of NVIDIA's programs. They find the driver's
// library by a folder that holds nothing else: from the host's folder they would
// load the host's libc too.
func (a *agent) childEnv() []string {
	return []string{
		"PATH=/usr/bin:/bin",
		"LD_LIBRARY_PATH=" + a.linkDir(),
		"DP_DISABLE_HEALTHCHECKS=all", // the agent does that
		"GOMEMLIMIT=24MiB", "GOGC=50", "GOMAXPROCS=2",
	}
}

func (a *agent) linkDir() string { return filepath.Join(a.opts.temp, "nvml") }

// link makes the folder with the link to the driver's library.
func (a *agent) link() error {
	path, err := a.driver.library()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.linkDir(), 0o755); err != nil {
		return err
	}
	link := filepath.Join(a.linkDir(), nvmlName)
	os.Remove(link)
	return os.Symlink(path, link)
}
