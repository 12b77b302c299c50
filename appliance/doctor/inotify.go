package doctor

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// The appliance holds 23 inotify instances. What else runs as root, pods among
// it, shares the limit.
const (
	inotifyNeeded = 24
	inotifyGood   = 64
)

// checkInotify looks for room below the limit of inotify instances, one for
// each program that follows files. When it is used up, programs report "too
// many open files", which leads nobody there.
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

// inotifyInstances counts those of root's among the processes. A process that ends
// meanwhile counts for nothing.
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
