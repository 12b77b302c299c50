package k3s

import (
	"os"
	"os/exec"
	"strconv"
)

// canLowerOOMScore reports whether this process may give a child a lower OOM
// score than its own, which needs CAP_SYS_RESOURCE in the initial user
// namespace. The capability sets can't answer that inside a container, so it
// is tried on a short-lived child.
func canLowerOOMScore() bool {
	self, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return false
	}
	child := exec.Command("sleep", "5")
	if err := child.Start(); err != nil {
		return false
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	path := "/proc/" + strconv.Itoa(child.Process.Pid) + "/oom_score_adj"
	if os.WriteFile(path, []byte("-999"), 0o600) != nil {
		return false
	}
	// Put it back, in case the numbers were equal to begin with.
	_ = os.WriteFile(path, self, 0o600)
	return true
}
