package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// discover runs GPU Feature Discovery once and reads the labels that it found.
// It runs only when something changed, so it costs no memory in between.
func (a *agent) discover(ctx context.Context) error {
	a.discoverMu.Lock()
	defer a.discoverMu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
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
		return err
	}
	words := &lastWords{quiet: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start GPU Feature Discovery: %w", err)
	}
	words.copy(pipe, nil)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("GPU Feature Discovery failed, so the node's labels are old: %w", words.explain(err))
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return fmt.Errorf("read the labels of GPU Feature Discovery: %w", err)
	}
	labels, err := parseLabels(string(text))
	if err != nil {
		return err
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
