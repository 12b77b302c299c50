package k3s

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startAs runs a shell under another name and with further arguments.
func startAs(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := &exec.Cmd{Path: "/bin/sh", Args: append([]string{args[0], "-c", script}, args...)}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// ended waits until a child has ended, and says by which signal.
func ended(t *testing.T, cmd *exec.Cmd) syscall.Signal {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); _ = cmd.Wait() }()
	select {
	case <-done:
		return cmd.ProcessState.Sys().(syscall.WaitStatus).Signal()
	case <-time.After(time.Minute):
		t.Error("the process still runs")
		return 0
	}
}

func write(t *testing.T, file, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// fakeIptables puts tools on PATH that print rules and keep what is restored.
func fakeIptables(t *testing.T, rules string) (restored string) {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"iptables", "ip6tables"} {
		write(t, filepath.Join(dir, tool+"-rules"), rules, 0o600)
		write(t, filepath.Join(dir, tool+"-save"), "#!/bin/sh\n/bin/cat "+dir+"/"+tool+"-rules\n", 0o755)
		write(t, filepath.Join(dir, tool+"-restore"), "#!/bin/sh\n/bin/cat > "+dir+"/"+tool+"-restored\n", 0o755)
	}
	t.Setenv("PATH", dir)
	return filepath.Join(dir, "iptables-restored")
}

func TestCleanRemovesWhatPodsLeave(t *testing.T) {
	restored := fakeIptables(t, `*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -s 192.168.1.0/24 -j MASQUERADE
-A CNI-HOSTPORT-DNAT -p tcp -j CNI-DN-1
-A FLANNEL-POSTRTG -s 10.42.0.0/16 -j RETURN
COMMIT
`)
	data := filepath.Join(t.TempDir(), "data")
	dir := filepath.Join(data, "k3s")
	kept := []string{filepath.Join(dir, "server/db/state.db"), "/etc/rancher/k3s/registries.yaml", "/var/log/syslog", "/var/lib/other/file"}
	gone := []string{"/run/k3s", "/run/flannel", "/run/containerd", "/run/nri", "/var/lib/kubelet", "/var/lib/cni",
		"/var/log/pods", "/var/log/containers", "/etc/rancher/node", "/run/benchtop"}
	for _, f := range kept {
		write(t, f, "x", 0o600)
	}
	for _, d := range gone {
		write(t, d+"/file", "x", 0o600)
	}
	write(t, "/run/netns/cni-1234", "", 0o600)
	// Mounts of pods, one inside another, below all that K3s uses.
	mounted := []string{"/run/k3s/rootfs", "/run/k3s/rootfs/inner", "/var/lib/kubelet/pods/1/volumes/tmp", filepath.Join(dir, "agent/mnt"), "/run/netns/cni-1234"}
	for _, d := range mounted {
		if d == "/run/netns/cni-1234" {
			if err := syscall.Mount("/proc/self/ns/net", d, "", syscall.MS_BIND, ""); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", d, "tmpfs", 0, "size=1m"); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll("/sys/fs/cgroup/kubepods/besteffort/pod1", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("/sys/fs/cgroup/memory/kubepods/pod1", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ensureNodeAddress(net.IPv4(10, 44, 0, 1)); err != nil {
		t.Fatal(err)
	}
	// The subshell keeps the shim's arguments, as a child does that has been
	// forked and has not yet become another program.
	shim := startAs(t, "(/bin/sleep 600; :) & wait; :", "/data/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-address", "/run/k3s/containerd/containerd.sock")
	foreign := startAs(t, "/bin/sleep 600; :", "/usr/bin/containerd-shim-runc-v2", "-address", "/run/containerd/containerd.sock")
	other := startAs(t, "/bin/sleep 600; :", "/usr/bin/editor", "/run/k3s/containerd/containerd.sock")
	child := childOf(t, shim.Process.Pid)

	pods, err := Clean(dir, filepath.Join(data, "bin"), "/run/benchtop")
	if err != nil {
		t.Fatal(err)
	}
	if pods != 1 {
		t.Errorf("%d pods were ended, expected 1", pods)
	}
	if sig := ended(t, shim); sig != syscall.SIGKILL {
		t.Errorf("the shim ended by %v", sig)
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child)); err == nil && !strings.Contains(string(b), ") Z ") {
		t.Errorf("what ran in the pod still runs: %s", b)
	}
	for what, cmd := range map[string]*exec.Cmd{"another containerd's shim": foreign, "another program": other} {
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("%s was ended too: %v", what, err)
		}
	}
	for _, f := range append(gone, "/run/netns/cni-1234", "/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/memory/kubepods") {
		if _, err := os.Lstat(f); !os.IsNotExist(err) {
			t.Errorf("%s is still there (%v)", f, err)
		}
	}
	for _, f := range kept {
		if _, err := os.Stat(f); err != nil {
			t.Errorf("what is not ours to delete is gone: %v", err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range mounted {
		if strings.Contains(string(mounts), " "+d+" ") {
			t.Errorf("%s is still mounted", d)
		}
	}
	b, err := os.ReadFile(restored)
	if err != nil {
		t.Fatal(err)
	}
	const want = "*nat\n:PREROUTING ACCEPT [0:0]\n-A POSTROUTING -s 192.168.1.0/24 -j MASQUERADE\nCOMMIT\n"
	if string(b) != want {
		t.Errorf("the rules left are\n%s\nexpected\n%s", b, want)
	}
	if got := addresses(t); got != nil {
		t.Errorf("the node's interface is still there with %v", got)
	}
	// Again: there is nothing left to do.
	if pods, err := Clean(dir, filepath.Join(data, "bin"), "/run/benchtop"); err != nil || pods != 0 {
		t.Errorf("cleaning what is clean: %d pods, %v", pods, err)
	}
}

func TestCleanIPSets(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", t.TempDir())
	if err := cleanIPSets(dir); err != nil {
		t.Errorf("without ipset: %v", err)
	}
	// The bundled tool serves a machine without one.
	tool := dir + "/aux/legacy/ipset"
	write(t, tool, "#!/bin/sh\n[ \"$1\" = destroy ] && { echo $2 >> "+dir+"/destroyed; exit 0; }\necho KUBE-SRC-A; echo firewalld; echo KUBE-DST-B\n", 0o755)
	if err := cleanIPSets(dir); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(dir + "/destroyed"); string(b) != "KUBE-SRC-A\nKUBE-DST-B\n" {
		t.Errorf("destroyed %q (%v)", b, err)
	}
	write(t, tool, "#!/bin/sh\n[ \"$1\" = destroy ] && { echo in use >&2; exit 1; }\necho KUBE-SRC-A\n", 0o755)
	expectError(t, cleanIPSets(dir), "destroy ipset KUBE-SRC-A: exit status 1: in use")
	write(t, tool, "#!/bin/sh\nexit 1\n", 0o755)
	if err := cleanIPSets(dir); err != nil {
		t.Errorf("a kernel without sets: %v", err)
	}
}

func childOf(t *testing.T, parent int) int {
	t.Helper()
	for range 500 {
		procs, err := processes()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range procs {
			if p.parent == parent {
				return p.pid
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the shim started nothing")
	return 0
}

func TestCleanIptablesErrors(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if err := cleanIptables(dir); err != nil {
		t.Errorf("without iptables: %v", err)
	}
	write(t, dir+"/iptables-save", "#!/bin/sh\nexit 1\n", 0o755)
	write(t, dir+"/iptables-restore", "#!/bin/sh\necho called > "+dir+"/called\n", 0o755)
	if err := cleanIptables(dir); err != nil {
		t.Errorf("a kernel without this family: %v", err)
	}
	if _, err := os.Stat(dir + "/called"); err == nil {
		t.Error("rules that could not be read were replaced")
	}
	write(t, dir+"/iptables-save", "#!/bin/sh\necho '*nat'\n", 0o755)
	write(t, dir+"/iptables-restore", "#!/bin/sh\necho 'line 1 failed' >&2\nexit 2\n", 0o755)
	expectError(t, cleanIptables(dir), "restore iptables rules: exit status 2: line 1 failed")
	// The bundled tool serves a machine without one.
	bundled := t.TempDir()
	write(t, bundled+"/aux/legacy/iptables-save", "#!/bin/sh\necho '-A KUBE-X'\necho COMMIT\n", 0o755)
	write(t, bundled+"/aux/legacy/iptables-restore", "#!/bin/sh\n/bin/cat > "+bundled+"/restored\n", 0o755)
	t.Setenv("PATH", t.TempDir())
	if err := cleanIptables(bundled); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(bundled + "/restored"); string(b) != "COMMIT\n" {
		t.Errorf("the bundled tool was given %q (%v)", b, err)
	}
}

func TestProcesses(t *testing.T) {
	cmd := startAs(t, "/bin/sleep 600; :", "/x/an odd) name", "with space", "")
	procs, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(procs, func(p process) bool { return p.pid == cmd.Process.Pid })
	if i < 0 {
		t.Fatal("it is not listed")
	}
	if p := procs[i]; p.parent != os.Getpid() || p.args[0] != "/x/an odd) name" || !slices.Contains(p.args, "with space") {
		t.Errorf("found %+v", p)
	}
}
