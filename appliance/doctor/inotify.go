package doctor

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// The appliance holds 23 inotify instances. Root's other programs, pods
// included, share the limit.
const (
	inotifyNeeded = 24
	inotifyGood   = 64
)

// checkInotify checks how many inotify instances are left; each program that
// follows files takes one. When none is left, programs report "too many open
// files", which hides the cause.
func checkInotify() Finding {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
	if err != nil {
		return warn("inotify", "limit cannot be read: "+err.Error(), "use a kernel with inotify")
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return warn("inotify", fmt.Sprintf("limit cannot be read: it is %q", b), "use a kernel with inotify")
	}
	procs, err := procfs.AllProcs()
	if err != nil {
		return warn("inotify", "processes cannot be listed: "+err.Error(), "mount /proc")
	}
	return judgeInotify(limit, inotifyInstances(procs))
}

func judgeInotify(limit, used int) Finding {
	detail := fmt.Sprintf("%d of %d instances are in use by root's programs", used, limit)
	const fix = "run `sysctl -w fs.inotify.max_user_instances=1024`, and put that line into /etc/sysctl.d/90-inotify.conf to keep it"
	switch free := limit - used; {
	case free < inotifyNeeded:
		return warn("inotify", fmt.Sprintf("%s; the lab needs %d and will fail with \"too many open files\"", detail, inotifyNeeded), fix)
	case free < inotifyGood:
		return warn("inotify", detail+"; pods that follow files may fail with \"too many open files\"", fix)
	}
	return ok("inotify", detail)
}

// inotifyInstances counts the instances of root's processes. It skips processes
// that end meanwhile.
func inotifyInstances(procs procfs.Procs) (n int) {
	for _, p := range procs {
		status, err := p.NewStatus()
		if err != nil || status.UIDs[1] != 0 {
			continue
		}
		open, _ := p.FileDescriptorTargets()
		for _, to := range open {
			if to == "anon_inode:inotify" {
				n++
			}
		}
	}
	return n
}
