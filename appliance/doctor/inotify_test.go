package doctor

import (
	"testing"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

func TestCheckInotify(t *testing.T) {
	const fix = "run `sysctl -w fs.inotify.max_user_instances=1024`, and put that line into /etc/sysctl.d/90-inotify.conf to keep it"
	expect(t, judgeInotify(128, 10), finding("inotify", OK, "10 of 128 instances are in use by root's programs", ""))
	expect(t, judgeInotify(128, 65), finding("inotify", Warn, `65 of 128 instances are in use by root's programs; pods that follow files may fail with "too many open files"`, fix))
	expect(t, judgeInotify(128, 105), finding("inotify", Warn, `105 of 128 instances are in use by root's programs; the lab needs 24 and will fail with "too many open files"`, fix))

	self, err := procfs.Self()
	if err != nil {
		t.Fatal(err)
	}
	own := procfs.Procs{self}
	before := inotifyInstances(own)
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if got := inotifyInstances(own); got != before+1 {
		t.Errorf("counted %d with one more, %d before", got, before)
	}
	cover(t, "/proc/sys/fs/inotify/max_user_instances", "16\n")
	if f := checkInotify(); f.Level != Warn {
		t.Errorf("with a limit of 16: %+v", f)
	}
	cover(t, "/proc/sys/fs/inotify/max_user_instances", "many\n")
	expect(t, checkInotify(), finding("inotify", Warn, `limit cannot be read: it is "many\n"`, "use a kernel with inotify"))
}
