//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// TestLabs proves the guided labs: as their authors do, by random steps, as a
// newcomer in the browser, and by command. One boot serves all chapters.
func TestLabs(t *testing.T) {
	inTurn(t)
	s := &labStory{story: begin(t, "labs", testhost.Options{})}
	chapter(t, "boot", s.boot)
	chapter(t, "every lab proves itself", s.proven)
	chapter(t, "random walks", s.walks)
	chapter(t, "a newcomer in the browser", s.newcomer)
	chapter(t, "by command", s.byCommand)
	chapter(t, "what was reached survives a restart", s.reached)
}

// labStory is the story of the guided labs.
type labStory struct{ *story }

// The labs that the story takes itself: both are short and need no project.
const (
	namedLab  = "from-name-to-pod"
	volumeLab = "where-volumes-live"
)

func (s *labStory) boot(t *testing.T) {
	// Trainings by schedule would only take time from the labs.
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "project:\n  schedule: \"0 0 1 1 *\"\n"); err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %.1f s", s.start(t, simulateTwo).Seconds())
	var labs []struct {
		Name   string
		Lacks  string
		Faults int
		Tasks  []struct{ ID string }
	}
	s.asJSON(t, &labs, "lab", "list", "--json")
	if len(labs) < 11 {
		t.Errorf("%d guided labs, want 11 at least", len(labs))
	}
	for _, l := range labs {
		if l.Lacks != "" {
			t.Errorf("lab %s can't be taken: %s", l.Name, l.Lacks)
		}
		if l.Faults < 2 || len(l.Tasks) < 3 {
			t.Errorf("lab %s has %d tasks and %d faults, want 3 and 2 at least", l.Name, len(l.Tasks), l.Faults)
		}
	}
}

// asJSON runs a command and reads what it prints.
func (s *labStory) asJSON(t *testing.T, out any, args ...string) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.benchtop(t, args...)), out); err != nil {
		t.Fatalf("benchtop %s: %v", strings.Join(args, " "), err)
	}
}

// verify runs a proof of labs, keeps what it says, and checks that every step of
// every lab was right.
func (s *labStory) verify(t *testing.T, file string, labs int, args ...string) {
	t.Helper()
	r, err := s.Try(t.Context(), "", append([]string{"lab", "verify"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(artifacts(t), file), []byte(r.All()), 0o644); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	seen := map[string]bool{}
	for _, line := range lines {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "FAIL "):
			t.Error(line)
		case strings.HasPrefix(line, "ok ") && len(fields) > 2:
			seen[fields[1]] = true
			if strings.Contains(line, "not tried") {
				t.Errorf("a lab was not tried: %s", line)
			}
		}
	}
	if r.Code != 0 {
		t.Errorf("it ended with %d: %s", r.Code, r.Stderr)
	}
	if len(seen) != labs {
		t.Errorf("%d labs were proven, want %d", len(seen), labs)
	}
	tally := lines[len(lines)-1]
	if !regexp.MustCompile(`^\d+ steps, 0 failed; p95: `).MatchString(tally) {
		t.Errorf("the last line is %q, want a tally without failures", tally)
	}
	// Times say something about the machine as well, so they are not judged.
	t.Log(tally + "; aimed at: a verdict within 1 s, a reset of a task within 5 s")
	s.leftNothing(t)
}

// leftNothing waits until nothing of any room is there: namespaces, shells, projects
// and keys.
func (s *labStory) leftNothing(t *testing.T) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		rooms := s.benchtop(t, "kubectl", "get", "namespaces", "-l", "benchtop.dev/guided-lab", "-o", "name")
		shells := s.benchtop(t, "kubectl", "get", "pods", "-n", "lab-shells", "-o", "name")
		if rooms+shells != "" {
			return fmt.Errorf("left are %s %s, want no room", rooms, shells)
		}
		for _, list := range [][]string{{"project", "list", "--json"}, {"keys", "--json"}} {
			var all []struct{ Name string }
			s.asJSON(t, &all, list...)
			for _, one := range all {
				if strings.HasPrefix(one.Name, "lab-") {
					return fmt.Errorf("benchtop %s still has %s", strings.Join(list, " "), one.Name)
				}
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func (s *labStory) proven(t *testing.T) {
	var labs []struct{ Name string }
	s.asJSON(t, &labs, "lab", "list", "--json")
	s.verify(t, "labs-verify.txt", len(labs), "--all", "--at-once", "2")
}

func (s *labStory) walks(t *testing.T) {
	s.verify(t, "labs-walks.txt", 2, namedLab, volumeLab, "--steps", "10", "--seed", "1", "--at-once", "2")
}

// newcomer lets somebody in a browser on the LAN take two labs.
func (s *labStory) newcomer(t *testing.T) {
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(admin.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := filepath.Abs(filepath.Join(artifacts(t), "labs-pages"))
	if err != nil {
		t.Fatal(err)
	}
	browser := s.Host.OnLAN(t.Context(), "node", "browser/labs.mjs", "--url", "http://"+s.Host.Address().String()+":8080", "--password-file", password, "--out", out)
	browser.Dir = filepath.Join(repository, "assets", "web")
	said, err := browser.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, said)
	}
	t.Logf("%s", said)
	if shots, _ := filepath.Glob(filepath.Join(out, "*.png")); len(shots) < 30 {
		t.Errorf("%d screenshots in %s, want 30 at least", len(shots), out)
	}
	s.leftNothing(t)
}

// labNow is what `benchtop lab status --json` prints, as far as the story reads it.
type labNow struct {
	Session *struct {
		Room, State string
	}
	Tasks []struct {
		ID       string
		Unlocked bool
		Pass     *struct{ Solved bool }
		Verdict  struct {
			Holds      bool
			Saw, Fault string
		}
	}
	CanBreak string `json:"can_break"` // why nothing can be broken now
	Break    *struct {
		Seed     int64
		Fault    string
		Title    string
		MendedAt time.Time `json:"mended_at"`
		GaveUpAt time.Time `json:"gave_up_at"`
		Verdict  struct{ Holds bool }
	}
}

func (s *labStory) status(t *testing.T, lab string) (now labNow) {
	t.Helper()
	s.asJSON(t, &now, "lab", "status", lab, "--json")
	return now
}

// passes waits until a lab has so many passed tasks.
func (s *labStory) passes(t *testing.T, lab string, want int) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		n, saw := 0, ""
		for _, task := range s.status(t, lab).Tasks {
			if task.Pass != nil {
				n++
			} else if saw == "" {
				saw = task.Verdict.Saw + task.Verdict.Fault
			}
		}
		if n != want {
			return fmt.Errorf("%d tasks of %s are passed, want %d: %s", n, lab, want, saw)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// closed waits until a lab that was left is closed.
func (s *labStory) closed(t *testing.T, lab string) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		if now := s.status(t, lab); now.Session != nil {
			return fmt.Errorf("lab %s is %s, want it closed", lab, now.Session.State)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// byCommand takes a lab in a terminal, and gives the commands what they must refuse.
func (s *labStory) byCommand(t *testing.T) {
	s.refusedWhileClosed(t)
	if out := s.benchtop(t, "lab", "start", volumeLab); !strings.Contains(out, "namespace lab-"+volumeLab) || !strings.Contains(out, "There is no claim named models") || !strings.Contains(out, "kubectl describe storageclass") {
		t.Errorf("start does not say where it is, what was found and what is to do:\n%s", out)
	}
	s.refusedWhileOpen(t)

	if out := s.benchtop(t, "lab", "check", volumeLab, "claim"); !strings.Contains(out, "There is no claim named models in namespace lab-"+volumeLab) {
		t.Errorf("the check says %s", out)
	}
	var hints []string
	for range 3 {
		hints = append(hints, s.benchtop(t, "lab", "hint", volumeLab, "claim"))
	}
	if !strings.HasPrefix(hints[0], "hint 1: ") || !strings.Contains(hints[2], "kubectl apply -f claim.yaml") {
		t.Errorf("the hints are %q, want three that end in what to type", hints)
	}
	s.refuses(t, []string{"no further hint"}, "lab", "hint", volumeLab, "claim")
	s.refuses(t, []string{`"maybe" is none of the choices`, "from 1 to 3"}, "lab", "answer", volumeLab, "claim", "phase", "maybe")
	s.refuses(t, []string{"has no question nothing: it has phase"}, "lab", "answer", volumeLab, "claim", "nothing", "Bound")
	if out := s.benchtop(t, "lab", "answer", volumeLab, "claim", "phase", "Bound"); !strings.Contains(out, "not quite") || !strings.Contains(out, "Pending") {
		t.Errorf("a wrong answer gives %s", out)
	}
	if out := s.benchtop(t, "lab", "answer", volumeLab, "claim", "phase", "Pending"); !strings.Contains(out, "not quite") {
		t.Errorf("the first answer counts, and the second gives %s", out)
	}

	// Too small first, then right; the first task is passed by work in the shell.
	s.may(t, "lab-"+volumeLab, "kubectl apply -f claim.yaml")
	if out := s.benchtop(t, "lab", "check", volumeLab, "claim"); !strings.Contains(out, "asks for 20Mi; 200Mi or more is expected") {
		t.Errorf("a claim that is too small gives %s", out)
	}
	s.may(t, "lab-"+volumeLab, "kubectl delete pvc models; sed -i s/20Mi/200Mi/ claim.yaml; kubectl apply -f claim.yaml")
	s.passes(t, volumeLab, 1)
	s.refuses(t, []string{"is passed: it needs no hint"}, "lab", "hint", volumeLab, "claim")
	s.refuses(t, []string{"There is work in lab " + volumeLab, "sure"}, "lab", "leave", volumeLab)

	// The rest by the author's solutions: they are marked.
	tasks := s.status(t, volumeLab).Tasks
	for i, task := range tasks[1:] {
		s.benchtop(t, "lab", "solve", volumeLab, task.ID)
		s.passes(t, volumeLab, i+2)
	}
	last := tasks[len(tasks)-1].ID
	if out := s.benchtop(t, "lab", "status", volumeLab); !strings.Contains(out, "(by the author's solution)") || !strings.Contains(out, "Let it break") {
		t.Errorf("the status after all solutions is\n%s", out)
	}
	s.broken(t)

	// A task, and then the whole lab, as it began.
	s.benchtop(t, "lab", "reset", volumeLab, last)
	s.passes(t, volumeLab, len(tasks)-1)
	s.benchtop(t, "lab", "reset", volumeLab)
	s.passes(t, volumeLab, 0)
	if out := s.may(t, "lab-"+volumeLab, "kubectl get pvc,pods -o name 2>/dev/null"); out != "" {
		t.Errorf("after the reset of the lab there are %s", out)
	}
	// A reset leaves the home alone, so what is there of the user's is asked for.
	s.refuses(t, []string{"There is work in lab " + volumeLab + ": file ~/", "Leaving removes it. Say that you are sure with --sure."}, "lab", "leave", volumeLab)
	s.may(t, "lab-"+volumeLab, "cp /lab/home/* ~/ && rm ~/*-models.yaml ~/selected.yaml")
	s.benchtop(t, "lab", "leave", volumeLab)
	s.leftNothing(t)
	s.closed(t, volumeLab)
	s.refuses(t, []string{"is not open, so there is nothing to leave"}, "lab", "leave", volumeLab)
}

// broken lets a lab break by seeds: the same one breaks the same thing.
func (s *labStory) broken(t *testing.T) {
	var titles []string
	for _, seed := range []string{"7", "7"} {
		if out := s.benchtop(t, "lab", "break", volumeLab, "--seed", seed); !strings.Contains(out, "Find it and mend it") {
			t.Errorf("break says %s", out)
		}
		s.refuses(t, []string{"something is broken already: find it, or give up"}, "lab", "break", volumeLab)
		if err := drive.Eventually(t.Context(), patience, func() error {
			b := s.status(t, volumeLab).Break
			if b == nil || b.Verdict.Holds {
				return errors.New("nothing is seen to be broken")
			}
			if b.Fault != "" || b.Title != "" {
				t.Errorf("what is broken is told at once: %+v", b)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if out := s.benchtop(t, "lab", "hint", volumeLab); !strings.HasPrefix(out, "hint 1: ") {
			t.Errorf("the hint for a fault is %s", out)
		}
		s.benchtop(t, "lab", "give-up", volumeLab)
		b := s.status(t, volumeLab).Break
		if b == nil || b.GaveUpAt.IsZero() || b.Title == "" || b.Seed != 7 {
			t.Fatalf("after giving up the fault is %+v", b)
		}
		titles = append(titles, b.Title)
		s.refuses(t, []string{"so there is nothing to give up"}, "lab", "give-up", volumeLab)
		// It is mended for the learner.
		if err := drive.Eventually(t.Context(), patience, func() error {
			if why := s.status(t, volumeLab).CanBreak; why != "" {
				return fmt.Errorf("it can't be broken again: %s", why)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if titles[0] != titles[1] {
		t.Errorf("seed 7 broke %q, and then %q", titles[0], titles[1])
	}
}

func (s *labStory) refusedWhileClosed(t *testing.T) {
	for _, verb := range []string{"start", "status", "check", "hint", "shell", "break", "give-up", "reset", "leave"} {
		s.refuses(t, []string{"There is no lab no-such-lab", "benchtop lab list"}, "lab", verb, "no-such-lab")
	}
	for _, args := range [][]string{{"check", volumeLab}, {"hint", volumeLab, "claim"}, {"give-up", volumeLab}, {"break", volumeLab}, {"solve", volumeLab, "claim"}, {"reset", volumeLab}} {
		s.refuses(t, []string{"is not open", "lab start " + volumeLab}, append([]string{"lab"}, args...)...)
	}
	if out := s.benchtop(t, "lab", "status", volumeLab); !strings.Contains(out, "It is not open") {
		t.Errorf("the status of a closed lab is %s", out)
	}
}

func (s *labStory) refusedWhileOpen(t *testing.T) {
	s.refuses(t, []string{"open already"}, "lab", "start", volumeLab)
	for _, verb := range []string{"check", "hint", "reset", "solve"} {
		s.refuses(t, []string{"has no task nothing: it has claim, first"}, "lab", verb, volumeLab, "nothing")
	}
	s.refuses(t, []string{"is locked: pass claim first"}, "lab", "check", volumeLab, "first")
	s.refuses(t, []string{"can be broken in lab " + volumeLab, "tasks are not passed yet"}, "lab", "break", volumeLab)
	s.refuses(t, []string{"Nothing is broken"}, "lab", "hint", volumeLab)
}

// reached restarts the appliance while a lab is open: the shell and what was done
// in it live on, and all that was reached is exported.
func (s *labStory) reached(t *testing.T) {
	s.benchtop(t, "lab", "start", volumeLab)
	s.may(t, "lab-"+volumeLab, "sed -i s/20Mi/200Mi/ claim.yaml; kubectl apply -f claim.yaml; echo mine > note")
	s.passes(t, volumeLab, 1)
	before := s.benchtop(t, "lab", "export")
	if err := s.Signal(t.Context(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := s.up.Wait(patience); err != nil {
		t.Fatal(err)
	}
	t.Logf("ready again after %.1f s", s.start(t, simulateTwo).Seconds())
	if after := s.benchtop(t, "lab", "export"); after != before {
		t.Errorf("the export was\n%s\nand after the restart it is\n%s", before, after)
	}
	var history []struct {
		Lab     string
		Passes  []struct{ Task string }
		Hints   []struct{ Task string }
		Answers []struct{ Question string }
		Breaks  []struct{ Title string }
	}
	if err := json.Unmarshal([]byte(before), &history); err != nil {
		t.Fatal(err)
	}
	open, done := 0, 0
	for _, h := range history {
		if h.Lab != volumeLab {
			continue
		}
		if len(h.Breaks) > 0 && len(h.Hints) > 0 && len(h.Answers) > 0 && h.Breaks[0].Title != "" {
			done++
		}
		if len(h.Passes) == 1 && len(h.Breaks) == 0 {
			open++
		}
	}
	if open == 0 || done == 0 {
		t.Errorf("the export lacks a session of %s: %s", volumeLab, before)
	}
	s.passes(t, volumeLab, 1)
	if err := drive.Eventually(t.Context(), patience, func() error {
		out, err := s.Run(t.Context(), "kubectl", "exec", "-n", "lab-shells", "lab-"+volumeLab, "-c", "shell", "--", "cat", "note")
		if err != nil || strings.TrimSpace(out) != "mine" {
			return fmt.Errorf("the file in the shell is %q: %w", out, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	s.benchtop(t, "lab", "leave", volumeLab, "--sure")
	s.leftNothing(t)
	s.closed(t, volumeLab)
}
