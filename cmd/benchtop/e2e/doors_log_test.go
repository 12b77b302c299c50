//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// alarming is a line that says that something is wrong, in the way of slog,
// logrus or klog.
var alarming = regexp.MustCompile(`(?i)level=(warn|error|fatal)|^[WEF][0-9]{4} |^[a-z]+: [WEF][0-9]{4} `)

// quietLog reads the log of a lab that has booted and trained, as someone does
// who looks for a fault: there is none.
func (s *story) quietLog(t *testing.T) {
	s.benchtop(t, "train", "--wait")
	// metrics-server comes last.
	if err := drive.Eventually(t.Context(), 90*time.Second, func() error {
		r, err := s.Try(t.Context(), "", "kubectl", "top", "nodes")
		if err == nil && r.Code != 0 {
			err = fmt.Errorf("kubectl top: %s", r.All())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	read := func() []string {
		log, err := s.ReadFile(t.Context(), drive.DataDir+"/log/benchtop.log")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(log), "\n")
	}
	before := read()
	for _, line := range before {
		if alarming.MatchString(line) {
			t.Errorf("a healthy lab logs %s", line)
		}
	}
	const idle, most = 20 * time.Second, 20 // the training's pod is removed now
	time.Sleep(idle)
	after := read()
	if n := len(after) - len(before); n > most {
		t.Errorf("an idle lab logs %d lines in %s, want %d at most:\n%s", n, idle, most, strings.Join(after[len(before):], "\n"))
	}
	t.Logf("%d lines from boot to training, %d in %s of idleness", len(before), len(after)-len(before), idle)
}
