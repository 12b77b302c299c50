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

// alarming matches a line that reports a fault, as slog, logrus or klog write
// it.
var alarming = regexp.MustCompile(`(?i)level=(warn|error|fatal)|^[WEF][0-9]{4} |^[a-z]+: [WEF][0-9]{4} `)

// slowMachine matches a line that reports a busy machine, which is no fault of the lab.
var slowMachine = regexp.MustCompile(`"Housekeeping took longer than expected"`)

// quietLog reads the log of a lab that has booted and trained, as someone
// looking for a fault would: there is none.
func (s *story) quietLog(t *testing.T) {
	s.benchtop(t, "train", "--wait")
	// metrics-server comes last.
	if err := drive.Eventually(t.Context(), patience, func() error {
		r, err := s.Try(t.Context(), "", "kubectl", "top", "nodes")
		if err == nil && r.Code != 0 {
			err = fmt.Errorf("kubectl top: %s", r.All())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	const idle, most = 20 * time.Second, 20 // the training's pod is removed now
	// A scheduled training, every half hour, is no idleness.
	if next := time.Until(time.Now().Truncate(30 * time.Minute).Add(30 * time.Minute)); next < idle+10*time.Second {
		time.Sleep(next + idle)
	} else if last := 30*time.Minute - next; last < idle {
		time.Sleep(idle - last)
	}
	before := s.labLog(t)
	noAlarms(t, before)
	time.Sleep(idle)
	after := s.labLog(t)
	if n := len(after) - len(before); n > most {
		t.Errorf("an idle lab logs %d lines in %s, want %d at most:\n%s", n, idle, most, strings.Join(after[len(before):], "\n"))
	}
	t.Logf("%d lines from boot to training, %d in %s of idleness", len(before), len(after)-len(before), idle)
}

func (s *story) labLog(t *testing.T) []string {
	t.Helper()
	log, err := s.ReadFile(t.Context(), drive.DataDir+"/log/benchtop.log")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(log), "\n")
}

func noAlarms(t *testing.T, lines []string) {
	t.Helper()
	for _, line := range lines {
		if alarming.MatchString(line) && !slowMachine.MatchString(line) {
			t.Errorf("a healthy lab logs %s", line)
		}
	}
}

// renamed stops the lab, gives the machine another name and starts it again:
// the node keeps its name, as volumes are pinned to it, and pods go on. A
// start that finds everything there is as quiet as a first one.
func (s *story) renamed(t *testing.T) {
	const node = "jsonpath={.items[*].metadata.name}"
	before, pods := s.benchtop(t, "kubectl", "get", "nodes", "-o", node), s.longLived(t)
	old := s.sh(t, "hostname")
	s.benchtop(t, "down")
	logged := len(s.labLog(t))
	s.sh(t, "hostname shelf")
	defer s.sh(t, `hostname "$1"`, old)
	s.start(t)
	if after := s.benchtop(t, "kubectl", "get", "nodes", "-o", node); after != before {
		t.Errorf("the node was %s and is %s", before, after)
	}
	if after := s.longLived(t); after != pods {
		t.Errorf("pods changed with the name.\nbefore:\n%s\nafter:\n%s", pods, after)
	}
	noAlarms(t, s.labLog(t)[logged:])
}
