package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCheckRoot(t *testing.T) {
	expect(t, checkRoot(), finding("root", OK, "running as root", ""))
	asNobody(t, func() {
		expect(t, checkRoot(), finding("root", Fail, "not running as root", "run it with sudo: Kubernetes mounts volumes and sets up the network"))
	})
}

func TestKernel(t *testing.T) {
	for release, level := range map[string]Level{
		"6.18.0": OK, "5.4.0-42-generic": OK, "5.10": OK, "10.0.1": OK, "not a version": OK,
		"5.3.18": Fail, "4.19.0-26-amd64": Fail, "3.10.0-1160.el7.x86_64": Fail,
	} {
		want := finding("kernel", level, "Linux "+release, "")
		if level == Fail {
			want.Fix = "use Linux 5.4 or newer"
		}
		expect(t, judgeKernel(release), want)
	}
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	if got := checkKernel(); got.Detail != "Linux "+strings.TrimSpace(string(b)) {
		t.Errorf("found %+v on %s", got, b)
	}
}

func TestMemory(t *testing.T) {
	expect(t, judgeMemory(512<<20), finding("memory", Fail, "512 MiB", "use a machine with 2 GiB or more"))
	expect(t, judgeMemory(1<<30), finding("memory", Warn, "1024 MiB", "trainings may be killed; 2 GiB or more is better"))
	expect(t, judgeMemory(2<<30-1), finding("memory", Warn, "2047 MiB", "trainings may be killed; 2 GiB or more is better"))
	expect(t, judgeMemory(2<<30), finding("memory", OK, "2048 MiB", ""))
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	var kB uint64
	if _, err := fmt.Sscanf(string(b), "MemTotal: %d kB", &kB); err != nil {
		t.Fatal(err)
	}
	if got := checkMemory(); got.Detail != fmt.Sprintf("%d MiB", kB>>10) {
		t.Errorf("found %+v with %d kB", got, kB)
	}
}

func TestCheckCgroups(t *testing.T) {
	const fix = "enable the cpu, memory and pids controllers (on a Raspberry Pi add `cgroup_memory=1 cgroup_enable=memory` to the kernel's command line; in a container delegate them)"
	for _, c := range []struct {
		v2   string   // cgroup.controllers
		v1   []string // hierarchies
		want Finding
	}{
		{"cpuset cpu io memory hugetlb pids rdma\n", nil, finding("cgroups", OK, "v2 with cpu, memory and pids", "")},
		{"cpuset cpu io pids\n", nil, finding("cgroups", Fail, "v2 without memory", fix)},
		{"\n", nil, finding("cgroups", Fail, "v2 without cpu, memory, pids", fix)},
		{"", []string{"cpu", "memory", "pids", "cpuset"}, finding("cgroups", OK, "v1 with cpu, memory and pids", "")},
		{"", []string{"cpu", "cpuset"}, finding("cgroups", Fail, "v1 without memory, pids", fix)},
		{"", nil, finding("cgroups", Fail, "v1 without cpu, memory, pids", fix)},
	} {
		t.Run(c.want.Detail, func(t *testing.T) {
			const root = "/sys/fs/cgroup"
			mount(t, "tmpfs", root, "tmpfs", 0, "size=1m")
			if c.v2 != "" {
				if err := os.WriteFile(root+"/cgroup.controllers", []byte(c.v2), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, d := range c.v1 {
				if err := os.Mkdir(filepath.Join(root, d), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			expect(t, checkCgroups(), c.want)
		})
	}
}

func TestCheckDisk(t *testing.T) {
	const more = "free at least 2 GiB (images, volumes and artifacts), or choose another --data-dir"
	for _, c := range []struct {
		size  string
		inUse bool
		level Level
		fix   string
	}{
		{"1g", false, Fail, more},
		{"4g", false, Warn, "8 GiB or more leaves room for artifacts"},
		{"16g", false, OK, ""},
		{"256m", true, Warn, "free some space: trainings and uploads will fail"},
		{"1g", true, OK, ""},
	} {
		t.Run(fmt.Sprint(c.size, " in use ", c.inUse), func(t *testing.T) {
			disk := t.TempDir()
			mount(t, "tmpfs", disk, "tmpfs", 0, "size="+c.size)
			data := filepath.Join(disk, "not", "yet", "there")
			if c.inUse {
				if err := os.MkdirAll(filepath.Join(data, "k3s"), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(data, "k3s", "kubeconfig.yaml"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := checkDisk(data)
			if got.Level != c.level || got.Fix != c.fix {
				t.Errorf("found %+v, expected %s with the fix %q", got, c.level, c.fix)
			}
			if !regexp.MustCompile(`^[0-9]+ MiB free for ` + regexp.QuoteMeta(data) + `$`).MatchString(got.Detail) {
				t.Errorf("detail is %q", got.Detail)
			}
		})
	}
}

func TestCheckMount(t *testing.T) {
	expect(t, checkMount(), finding("mounts", OK, "allowed", ""))
	asNobody(t, func() {
		expect(t, checkMount(), finding("mounts", Fail, "mounting is not allowed: operation not permitted",
			"in a container, run it privileged (LXC: features nesting=1; Docker: --privileged)"))
	})
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "benchtop-doctor-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestCheckOverlay(t *testing.T) {
	has := finding("overlayfs", OK, "the kernel has it", "")
	t.Run("listed", func(t *testing.T) {
		cover(t, "/proc/filesystems", "nodev\tproc\nnodev\toverlay\n")
		asNobody(t, func() { expect(t, checkOverlay(), has) })
	})
	t.Run("loaded at first use", func(t *testing.T) {
		cover(t, "/proc/filesystems", "nodev\tproc\n")
		// overlayfs does not stack on every file system; on tmpfs it does.
		tmp := t.TempDir()
		mount(t, "tmpfs", tmp, "tmpfs", 0, "size=1m")
		t.Setenv("TMPDIR", tmp)
		expect(t, checkOverlay(), has)
	})
	t.Run("absent", func(t *testing.T) {
		cover(t, "/proc/filesystems", "nodev\tproc\n")
		asNobody(t, func() {
			expect(t, checkOverlay(), finding("overlayfs", Warn, "cannot be mounted: operation not permitted",
				"containers will copy their images instead, which takes more disk; load the module overlay if you can"))
		})
	})
}
