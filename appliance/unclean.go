package appliance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Crash returns the file that a Go runtime crash is written to.
func (p Paths) Crash() string { return p.Dir("log") + "/crash.log" }

// markRunning leaves a marker that is removed when the appliance has stopped
// in order. If one is there already, it says how the last instance ended.
func markRunning(p Paths) (last string, err error) {
	if st, err := os.Stat(p.Unclean()); err == nil {
		last = "the last instance, started " + st.ModTime().UTC().Format(time.RFC3339) + ", did not stop in order (power loss or kill -9)"
		if b, err := os.ReadFile(p.Crash()); err == nil && len(b) > 0 {
			line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
			last = fmt.Sprintf("the last instance crashed: %s (all of it in %s)", line, p.Crash()+".last")
			if err := os.Rename(p.Crash(), p.Crash()+".last"); err != nil {
				return last, fmt.Errorf("keep crash report: %w", err)
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look for marker of an unclean end: %w", err)
	}
	if err := os.WriteFile(p.Unclean(), nil, 0o600); err != nil {
		return last, fmt.Errorf("write marker: %w", err)
	}
	return last, nil
}
