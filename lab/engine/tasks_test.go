package engine_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestTasksTurnGreenByThemselves(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.wait("the first verdict", func() bool { return b.task("one").Verdict.Saw != "" })
		one := b.task("one")
		if one.Verdict.Saw != "There is no ConfigMap one in lab-trial." || one.Verdict.Fault != "" || one.Prose != "Make `one` in lab-trial.\n" {
			t.Errorf("one: %+v", one)
		}
		if two := b.task("two"); two.Unlocked || two.Verdict.Saw != "" {
			t.Errorf("two is locked, and not looked at: %+v", two)
		}
		b.put("ConfigMap", "one", "n=2")
		b.wait("it is seen", func() bool { return b.task("one").Verdict.Saw == "It says 2, expected 1." })
		changed := b.Changed(user, "trial")
		b.put("ConfigMap", "one", "n=1")
		began := time.Now()
		b.wait("one is passed", func() bool { return b.passed("one") })
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
		select {
		case <-changed:
		default:
			t.Error("the pass has not closed Changed")
		}
		if !b.task("two").Unlocked {
			t.Error("two is still locked")
		}
		b.put("ConfigMap", "two")
		b.wait("two is passed", func() bool { return b.passed("two") })

		// Passed stays passed; that it does not hold any more is said.
		b.del("ConfigMap", "one")
		b.wait("one does not hold", func() bool { return !b.task("one").Verdict.Holds })
		if one := b.task("one"); one.Pass == nil || one.Verdict.Saw == "" {
			t.Errorf("one: %+v", one)
		}
		if v := b.task("two").Verdict; !v.Holds {
			t.Errorf("two: %+v", v)
		}
	})
}

// Verdicts don't wait for a scene that takes long to draw.
func TestSlowScene(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.w.mu.Lock()
		b.w.slow = 2500 * time.Millisecond
		b.w.mu.Unlock()
		settle(time.Minute)
		b.view()
		settle(2 * time.Second)
		b.put("ConfigMap", "one", "n=1")
		settle(time.Second)
		if n := len(b.w.sessions[1].Passes); n != 1 {
			t.Errorf("%d passes a second later", n)
		}
	})
}

// What is right for a moment only passes nothing.
func TestGlimpse(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.view()
		for range 40 { // whenever the look comes, the second one sees nothing
			b.put("ConfigMap", "one", "n=1")
			settle(37 * time.Millisecond)
			b.del("ConfigMap", "one")
			settle(90 * time.Millisecond)
		}
		if b.passed("one") {
			t.Error("a glimpse has passed the task")
		}
	})
}

func TestNobodyLooks(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.view()
		settle(time.Minute)
		calls := func() (n int) {
			b.w.mu.Lock()
			defer b.w.mu.Unlock()
			for _, c := range b.w.calls {
				n += c
			}
			return n
		}
		before := calls()
		settle(time.Hour)
		if n := calls() - before; n > 0 {
			t.Errorf("%d calls while nobody looks", n)
		}
		b.put("ConfigMap", "one", "n=1")
		b.wait("one is passed once somebody looks", func() bool { return b.passed("one") })

		// A terminal that is attached is somebody who looks.
		ctx, cancel := context.WithCancel(b.t.Context())
		done := make(chan error)
		go func() { done <- b.Terminal(ctx, user, "trial", mlops.LabTerminal{}) }()
		settle(5 * time.Minute)
		b.put("ConfigMap", "two")
		settle(time.Second)
		if n := len(b.w.sessions[1].Passes); n != 2 {
			t.Errorf("%d passes with a terminal attached", n)
		}
		cancel()
		b.ok(<-done)
		settle(time.Minute)
		before = calls()
		settle(time.Hour)
		if n := calls() - before; n > 0 {
			t.Errorf("%d calls after the terminal has gone", n)
		}
	})
}

func TestTerminalThatIsNotReady(t *testing.T) {
	within(t, func(b *bench) {
		b.refused(b.Terminal(b.t.Context(), user, "trial", mlops.LabTerminal{}), mlops.InvalidState, "Lab trial is not open")
		b.open()
		b.w.mu.Lock()
		b.w.shell = mlops.LabShell{Why: "it was evicted"}
		opened := b.w.calls["OpenLab"]
		b.w.mu.Unlock()
		b.refused(b.Terminal(b.t.Context(), user, "trial", mlops.LabTerminal{}), mlops.Unavailable, "The shell of lab trial is not ready: it was evicted")
		b.wait("the room is made again", func() bool {
			v := b.view()
			return !v.Shell.Ready && v.Shell.Why == "it was evicted" && b.w.called("OpenLab") > opened
		})
	})
}

// Who says "try again" sees to it that it can succeed, without a page being open.
func TestShellComesBackForCommands(t *testing.T) {
	for name, use := range map[string]func(*bench) error{
		"solve": func(b *bench) error {
			_, err := b.Solve(b.t.Context(), user, "trial", "one")
			return err
		},
		"shell": func(b *bench) error { return b.Terminal(b.t.Context(), user, "trial", mlops.LabTerminal{}) },
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(b *bench) {
				b.open()
				settle(time.Hour) // nobody looks any more
				b.w.mu.Lock()
				b.w.shell = mlops.LabShell{Why: "it was evicted"}
				b.w.broken["RunLab"] = mlops.Errorf(mlops.Unavailable, "the shell is not ready: try again in a few seconds")
				opened := b.w.calls["OpenLab"]
				b.w.mu.Unlock()
				b.refused(use(b), mlops.Unavailable, "ready")
				settle(10 * time.Second)
				if b.w.called("OpenLab") == opened {
					t.Error("the shell is not brought back")
				}
			})
		})
	}
}

// Bringing a shell back may take its time, happens once at a time, and ends when the lab is left.
func TestShellThatComesBackSlowly(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.w.mu.Lock()
		b.w.shell, b.w.slowOpen = mlops.LabShell{Why: "it was evicted"}, 40*time.Second
		opened := b.w.calls["OpenLab"]
		b.w.mu.Unlock()
		for range 150 {
			b.view()
			settle(300 * time.Millisecond)
		}
		if n := b.w.called("OpenLab") - opened; n != 1 {
			t.Errorf("it was made %d times in 45 s, expected once after 40 s", n)
		}
		for range 60 { // the next try has begun
			b.view()
			settle(300 * time.Millisecond)
		}
		began := time.Now()
		b.ok(b.Leave(b.t.Context(), user, "trial", true))
		b.wait("it is closed", func() bool { return b.view().Session == nil })
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("leaving took %s", took)
		}
	})
}

// A page that is left while it is drawn says nothing about the shell.
func TestPageThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, files := newWorld(), labs(trial())
		b, stop := process(t, w, files)
		b.open()
		stop()
		b, stop = process(t, w, files)
		defer stop()
		w.mu.Lock()
		w.slowShell = time.Second
		w.mu.Unlock()
		settle(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if v, err := b.Lab(ctx, user, "trial"); err != nil || !v.Shell.Ready {
			t.Errorf("shell: %+v, %v", v.Shell, err)
		}
		w.mu.Lock()
		w.slowShell = time.Minute
		w.mu.Unlock()
		b.wait("it is said", func() bool { return strings.Contains(b.view().Shell.Why, "the cluster has not answered within 3s") })
	})
}

// A slow look is followed by as long a pause.
func TestSlowLooks(t *testing.T) {
	slow := trial()
	slow["trial/tasks/two/look.sh"] = "wait 2s\n"
	synctest.Test(t, func(t *testing.T) {
		b, stop := process(t, newWorld(), labs(slow))
		defer stop()
		b.open()
		b.put("ConfigMap", "one", "n=1")
		b.put("ConfigMap", "two")
		b.del("ConfigMap", "two")
		b.wait("one is passed", func() bool { return b.passed("one") })
		before := b.w.called("RunLab")
		for range 100 {
			b.view()
			settle(200 * time.Millisecond)
		}
		if n := b.w.called("RunLab") - before; n < 3 || n > 6 {
			t.Errorf("the script ran %d times in 20 s, expected about 5", n)
		}
	})
}

func TestOurFault(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.w.mu.Lock()
		b.w.broken["LabObjects"] = errors.New("no route to the cluster")
		b.w.mu.Unlock()
		b.wait("it is said", func() bool { return b.task("one").Verdict.Fault != "" })
		v := b.task("one").Verdict
		if v.Holds || v.Saw != "" || v.Fault != "one: no route to the cluster" {
			t.Errorf("verdict: %+v", v)
		}
		_, err := b.Hint(b.t.Context(), user, "trial", "one")
		b.refused(err, mlops.Unavailable, "The check of task one could not run, so no hint fits: one: no route to the cluster")
	})
}

func TestCheckNow(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		ctx := b.t.Context()
		settle(time.Minute) // nobody looks
		b.put("ConfigMap", "one", "n=1")
		b.put("ConfigMap", "two")
		b.put("ConfigMap", "three")
		b.refused(b.Check(ctx, user, "trial", "two"), mlops.InvalidState, "Task two is locked: pass one first.")
		b.refused(b.Check(ctx, user, "trial", "none"), mlops.NotFound, "Lab trial has no task none: it has one, two, three, four.")
		b.ok(b.Check(ctx, user, "trial", "one"))
		if n := len(b.w.sessions[1].Passes); n != 1 {
			t.Errorf("%d passes after a check of one", n)
		}
		b.ok(b.Check(ctx, user, "trial", "")) // with what it unlocks
		if n := len(b.w.sessions[1].Passes); n != 3 {
			t.Errorf("%d passes after a check of all", n)
		}
		b.del("ConfigMap", "one")
		b.ok(b.Check(ctx, user, "trial", ""))
		if b.task("one").Verdict.Holds {
			t.Error("a check looks at what is passed as well")
		}
		// A pass that can't be kept is none.
		b.put("ConfigMap", "four", "label=four=yes")
		b.w.mu.Lock()
		b.w.broken["AddPass"] = errors.New("disk full")
		b.w.mu.Unlock()
		if err := b.Check(ctx, user, "trial", "four"); err == nil || b.passed("four") {
			t.Errorf("the pass is not kept: %v", err)
		}
	})
}

func TestHints(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		ctx := b.t.Context()
		hint := func(task string) mlops.LabHintTaken {
			t.Helper()
			h, err := b.Hint(ctx, user, "trial", task)
			b.ok(err)
			return h
		}
		if h := hint("one"); h.Tier != 1 || h.Text != "Make one in lab-trial." {
			t.Errorf("first: %+v", h)
		}
		if h := hint("one"); h.Tier != 2 || h.Text != "Look." {
			t.Errorf("second: %+v", h)
		}
		b.put("ConfigMap", "one", "n=2")
		b.wait("it is seen", func() bool { return strings.Contains(b.task("one").Verdict.Saw, "2") })
		if h := hint("one"); h.Tier != 1 || h.Text != "General hint" {
			t.Errorf("for what is seen now: %+v", h)
		}
		if b.task("one").MoreHint {
			t.Error("there is no more hint")
		}
		_, err := b.Hint(ctx, user, "trial", "one")
		b.refused(err, mlops.InvalidState, "There is no further hint for what is seen now.")
		b.del("ConfigMap", "one")
		b.wait("it is seen", func() bool { return b.task("one").MoreHint })
		if h := hint("one"); h.Tier != 3 {
			t.Errorf("third: %+v", h)
		}
		if n := len(b.task("one").Hints); n != 4 {
			t.Errorf("%d hints are shown", n)
		}
		_, err = b.Hint(ctx, user, "trial", "two")
		b.refused(err, mlops.InvalidState, "Task two is locked: pass one first.")
		_, err = b.Hint(ctx, user, "trial", "none")
		b.refused(err, mlops.NotFound, "Lab trial has no task none")
		_, err = b.Hint(ctx, user, "trial", "")
		b.refused(err, mlops.InvalidState, "Nothing is broken in lab trial: hints without a task are for a fault.")
		b.put("ConfigMap", "one", "n=1")
		b.wait("one is passed", func() bool { return b.passed("one") })
		_, err = b.Hint(ctx, user, "trial", "one")
		b.refused(err, mlops.InvalidState, "Task one is passed: it needs no hint.")
	})
}

// Two who ask at once get two hints, and two who answer give one answer.
func TestTwoAtOnce(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.wait("the first verdict", func() bool { return b.task("one").Verdict.Saw != "" })
		b.w.mu.Lock()
		b.w.slowRows = 100 * time.Millisecond
		b.w.mu.Unlock()
		done := make(chan error)
		for range 2 {
			go func() { _, err := b.Hint(b.t.Context(), user, "trial", "one"); done <- err }()
			go func() { _, err := b.Answer(b.t.Context(), user, "trial", "one", "many", "2"); done <- err }()
		}
		for range 4 {
			b.ok(<-done)
		}
		h := b.w.sessions[1]
		if len(h.Hints) != 2 || h.Hints[0].Tier != 1 || h.Hints[1].Tier != 2 || len(h.Answers) != 1 {
			t.Errorf("hints %+v, answers %+v", h.Hints, h.Answers)
		}
	})
}

// A hint fits what is there when it is asked for, even if nobody has looked.
func TestHintAfterAPause(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.wait("the first verdict", func() bool { return b.task("one").Verdict.Saw != "" })
		settle(time.Minute)
		b.put("ConfigMap", "one", "n=2")
		h, err := b.Hint(b.t.Context(), user, "trial", "one")
		if b.ok(err); h.Text != "General hint" {
			t.Errorf("the hint is for what was there a minute ago: %+v", h)
		}
		settle(time.Minute)
		b.put("ConfigMap", "one", "n=1")
		_, err = b.Hint(b.t.Context(), user, "trial", "one")
		b.refused(err, mlops.InvalidState, "Task one is passed: it needs no hint.")
		b.solveAll()
		b.ok(b.Break(b.t.Context(), user, "trial", 1, false))
		settle(time.Minute)
		b.put("ConfigMap", "light", "on=yes")
		_, err = b.Hint(b.t.Context(), user, "trial", "")
		b.ok(err) // it has held for a moment only, as far as anybody knows
		settle(3 * time.Second)
		_, err = b.Hint(b.t.Context(), user, "trial", "")
		b.refused(err, mlops.InvalidState, "Nothing is broken in lab trial")
	})
}

func TestQuestions(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		_, err := b.Answer(ctx, user, "trial", "one", "many", "2")
		b.refused(err, mlops.InvalidState, "Lab trial is not open")
		b.open()
		if q := b.task("one").Questions[0]; q.Ask != "How many in lab-trial?" || q.Correct != "" || q.Because != "" || q.Unit != "pods" {
			t.Errorf("before the answer: %+v", q)
		}
		for _, tt := range []struct {
			question, answer string
			right            bool
			kept, correct    string
		}{
			{"many", " 2,4 Pods", true, "2,4 Pods", "2 ± 0.5 pods"},
			{"which", "that  ONE", true, "That one", "That one"},
			{"word", " WAITING ", true, "WAITING", "Pending"},
		} {
			q, err := b.Answer(ctx, user, "trial", "one", tt.question, tt.answer)
			if b.ok(err); q.Right != tt.right || q.Answer != tt.kept || q.Correct != tt.correct || q.Because == "" {
				t.Errorf("%s: %+v", tt.question, q)
			}
		}
		q, err := b.Answer(ctx, user, "trial", "one", "many", "7")
		if b.ok(err); q.Answer != "2,4 Pods" || q.Because != "It is so in lab-trial." {
			t.Errorf("the first answer counts: %+v", q)
		}
		if n := len(b.w.sessions[1].Answers); n != 3 {
			t.Errorf("%d answers are kept", n)
		}
		if b.task("one").Questions[1].Correct != "That one" {
			t.Error("the view does not show the answer")
		}
		_, err = b.Answer(ctx, user, "trial", "none", "many", "2")
		b.refused(err, mlops.NotFound, "Lab trial has no task none")
		_, err = b.Answer(ctx, user, "trial", "one", "none", "2")
		b.refused(err, mlops.NotFound, "Task one has no question none: it has many, which, word.")
	})
	for _, tt := range []struct{ question, answer, want string }{
		{"many", "", "An answer has 1 to 200 letters."},
		{"many", "lots", `"lots" is no number: expected one, for example 2 or 0.5.`},
		{"which", "Neither", `"Neither" is none of the choices: expected one of them, or its number from 1 to 2.`},
		{"which", "3", "none of the choices"},
	} {
		within(t, func(b *bench) {
			b.open()
			_, err := b.Answer(b.t.Context(), user, "trial", "one", tt.question, tt.answer)
			b.refused(err, mlops.Invalid, tt.want)
		})
	}
	within(t, func(b *bench) {
		b.open()
		for question, answer := range map[string]string{"many": "2.6", "which": "1", "word": "Running"} {
			q, err := b.Answer(b.t.Context(), user, "trial", "one", question, answer)
			if b.ok(err); q.Right {
				t.Errorf("%s: %+v", question, q)
			}
		}
	})
}

func TestSolve(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		b.open()
		_, err := b.Solve(ctx, user, "trial", "two")
		b.refused(err, mlops.InvalidState, "Task two is locked: pass one first.")
		_, err = b.Solve(ctx, user, "trial", "none")
		b.refused(err, mlops.NotFound, "Lab trial has no task none")
		out, err := b.Solve(ctx, user, "trial", "one")
		if b.ok(err); out != "done\n" {
			t.Errorf("it said %q", out)
		}
		b.wait("one is passed", func() bool { return b.passed("one") })
		if !b.task("one").Pass.Solved {
			t.Error("the pass is not the learner's")
		}
		b.put("ConfigMap", "two")
		b.wait("two is passed", func() bool { return b.passed("two") })
		if b.task("two").Pass.Solved {
			t.Error("the pass is the learner's")
		}
		if p := b.view().Progress; p.Passed != 1 {
			t.Errorf("progress: %+v", p)
		}
		_, err = b.Solve(ctx, user, "trial", "one") // again
		b.ok(err)
	})
	failing := trial()
	failing["trial/tasks/one/solution.sh"] = "say a\nfail it is full\n"
	synctest.Test(t, func(t *testing.T) {
		b, stop := process(t, newWorld(), labs(failing))
		defer stop()
		b.open()
		_, err := b.Solve(b.t.Context(), user, "trial", "one")
		b.refused(err, mlops.Internal, "The solution of task one of lab trial ended with code 3: it is full")
		b.put("ConfigMap", "one", "n=1")
		b.wait("one is passed", func() bool { return b.passed("one") })
		if b.task("one").Pass.Solved {
			t.Error("the learner has passed it")
		}
		b.w.mu.Lock()
		b.w.broken["RunLab"] = mlops.Errorf(mlops.Unavailable, "the shell is gone")
		b.w.mu.Unlock()
		_, err = b.Solve(b.t.Context(), user, "trial", "one")
		b.refused(err, mlops.Unavailable, "The solution of task one of lab trial could not run: the shell is gone")
	})
}

func TestResetOfATask(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		b.open()
		_, err := b.Hint(ctx, user, "trial", "one")
		b.ok(err)
		b.solveAll()
		b.w.late["two"] = 900 * time.Millisecond // it goes slowly, and must not be passed again
		b.ok(b.Reset(ctx, user, "trial", "two"))
		if b.has("ConfigMap two") || b.has("ConfigMap three") || !b.has("ConfigMap one") || !b.has("ConfigMap four") || !b.has("ConfigMap light") {
			t.Errorf("the room has %v", b.w.objects)
		}
		for range 50 {
			if b.passed("two") || b.passed("three") || !b.passed("one") || !b.passed("four") {
				t.Fatalf("passes: %+v", b.w.sessions[1].Passes)
			}
			settle(100 * time.Millisecond)
		}
		if len(b.task("one").Hints) != 1 {
			t.Error("the hints of other tasks stay")
		}
		b.ok(b.Reset(ctx, user, "trial", "one"))
		if len(b.task("one").Hints) != 0 || len(b.w.sessions[1].Hints) != 0 {
			t.Error("the hints of the task go")
		}
		b.refused(b.Reset(ctx, user, "trial", "none"), mlops.NotFound, "Lab trial has no task none")
		if p := b.view().Progress; p.Passed != 4 {
			t.Errorf("what was reached stays: %+v", p)
		}
		b.w.late["four"] = time.Minute
		b.refused(b.Reset(ctx, user, "trial", "four"), mlops.Internal, "Task four still holds 5s after its reset: this is a mistake of the lab's author.")
	})
	failing := trial()
	failing["trial/tasks/three/reset.sh"] = "fail no\n"
	synctest.Test(t, func(t *testing.T) {
		b, stop := process(t, newWorld(), labs(failing))
		defer stop()
		b.open()
		b.refused(b.Reset(b.t.Context(), user, "trial", "one"), mlops.Internal, "tasks/three/reset.sh of lab trial ended with code 3: no")
	})
}

func TestResetOfTheLab(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		b.open()
		b.solveAll()
		b.put("Deployment", "mine")
		b.w.buckets["lab-trial"] = []mlops.ObjectInfo{{Key: "a"}}
		b.ok(b.Break(ctx, user, "trial", 1, false))
		b.ok(b.Reset(ctx, user, "trial", ""))
		if b.has("Deployment mine") || b.has("ConfigMap one") || !b.has("ConfigMap light") || !b.has("ConfigMap setup") || len(b.w.buckets["lab-trial"]) > 0 {
			t.Errorf("the room has %v, %v", b.w.objects, b.w.buckets)
		}
		v := b.view()
		if v.Break.GaveUpAt.IsZero() || v.Session.State != mlops.LabOpen || len(b.w.sessions[1].Passes) != 0 || b.w.sessions[1].State != mlops.LabOpen {
			t.Errorf("after the reset: %+v", v)
		}
		b.ok(b.Leave(ctx, user, "trial", false))
	})
	synctest.Test(t, func(t *testing.T) {
		w, files := newWorld(), labs(trial())
		b, stop := process(t, w, files)
		b.open()
		b.solveAll()
		w.mu.Lock()
		w.broken["ApplyLab"] = mlops.Errorf(mlops.Unavailable, "the cluster is busy")
		w.mu.Unlock()
		b.refused(b.Reset(b.t.Context(), user, "trial", ""), mlops.Unavailable, "Lab trial could not be reset yet: the cluster is busy. It is tried again by itself.")
		if v := b.view(); v.Session.State != mlops.LabOpening || v.Session.Problem != "the cluster is busy" || v.Tasks[0].Pass != nil {
			t.Errorf("after the reset has failed: %+v", v.Session)
		}
		b.put("ConfigMap", "one", "n=1")
		settle(10 * time.Second) // nothing is passed that the next try would take away
		if n := len(w.sessions[1].Passes); n > 0 {
			t.Errorf("%d passes while it is tried again", n)
		}
		stop() // dead with half a reset done
		w.mu.Lock()
		delete(w.broken, "ApplyLab")
		w.mu.Unlock()
		b, stop = process(t, w, files)
		b.wait("the reset is finished", func() bool { return b.view().Session.State == mlops.LabOpen })
		if !b.has("ConfigMap light") || b.has("ConfigMap one") {
			t.Errorf("the room has %v", w.objects)
		}
		stop()
	})
}

// While one of them works the others are refused.
func TestOneAtATime(t *testing.T) {
	slow := trial()
	slow["trial/tasks/one/solution.sh"] = "wait 5s\n"
	slow["trial/tasks/four/reset.sh"] = "wait 5s\n"
	synctest.Test(t, func(t *testing.T) {
		b, stop := process(t, newWorld(), labs(slow))
		defer stop()
		ctx := b.t.Context()
		b.open()
		tries := []func() error{
			func() error { return b.Reset(ctx, user, "trial", "") },
			func() error { _, err := b.Solve(ctx, user, "trial", "one"); return err },
			func() error { return b.Break(ctx, user, "trial", 0, false) },
			func() error { return b.GiveUp(ctx, user, "trial") },
			func() error { return b.Leave(ctx, user, "trial", true) },
		}
		done := make(chan error)
		go func() { _, err := b.Solve(ctx, user, "trial", "one"); done <- err }()
		settle(time.Second)
		for _, try := range tries {
			b.refused(try(), mlops.InvalidState, "The author's solution is under way in lab trial: try again when it is done.")
		}
		b.ok(<-done)
		gone, cancel := context.WithCancel(ctx)
		go func() { done <- b.Reset(gone, user, "trial", "four") }()
		settle(time.Second)
		cancel() // the browser has gone, the reset goes on
		for _, try := range tries {
			b.refused(try(), mlops.InvalidState, "A reset is under way in lab trial")
		}
		b.refused(b.Check(ctx, user, "trial", ""), mlops.InvalidState, "A reset is under way in lab trial")
		b.ok(<-done)
	})
}

func TestBreakAndMend(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		b.open()
		b.refused(b.Break(ctx, user, "trial", 0, false), mlops.InvalidState, "Nothing can be broken in lab trial now: 4 tasks are not passed yet.")
		b.refused(b.GiveUp(ctx, user, "trial"), mlops.InvalidState, "Nothing is broken in lab trial, so there is nothing to give up.")
		b.solveAll()
		b.del("ConfigMap", "light")
		b.refused(b.Break(ctx, user, "trial", 0, false), mlops.InvalidState, "not all is well as it is. The light is off.")
		b.put("ConfigMap", "light", "on=yes")
		b.w.mu.Lock()
		b.w.broken["LabObjects"] = errors.New("away")
		b.w.mu.Unlock()
		b.refused(b.Break(ctx, user, "trial", 0, false), mlops.InvalidState, "the check whether all is well could not run: light: away")
		b.w.mu.Lock()
		delete(b.w.broken, "LabObjects")
		b.w.mu.Unlock()

		b.ok(b.Break(ctx, user, "trial", 1, true)) // the first fault
		v := b.view()
		if v.Break == nil || v.Break.Fault != "" || v.Break.Title != "" || v.Break.Symptom != "The light in lab-trial is off." || !v.Break.Timed || v.CanBreak == "" {
			t.Fatalf("break: %+v, %s", v.Break, v.CanBreak)
		}
		seen := 0
		for _, c := range v.Scene.Columns {
			for _, thing := range c.Things {
				if seen++; thing.Mood != "none" || thing.State != "" || len(thing.Facts) > 0 {
					t.Errorf("the scene tells of %+v while the fault is looked for", thing)
				}
			}
		}
		for _, task := range v.Tasks {
			if task.Verdict.Saw != "" {
				t.Errorf("task %s tells %q while the fault is looked for", task.ID, task.Verdict.Saw)
			}
		}
		if seen == 0 {
			t.Error("the scene is empty")
		}
		b.refused(b.Break(ctx, user, "trial", 0, false), mlops.InvalidState, "something is broken already")
		b.refused(b.Reset(ctx, user, "trial", "one"), mlops.InvalidState, "Something is broken in lab trial: mend it, give up, or reset the whole lab.")
		_, err := b.Solve(ctx, user, "trial", "one")
		b.refused(err, mlops.InvalidState, "Something is broken in lab trial: mend it or give up first.")
		for i, want := range []string{"Where is it in lab-trial?", "It is gone.", "put it back"} {
			h, err := b.Hint(ctx, user, "trial", "")
			if b.ok(err); h.Tier != i+1 || h.Text != want {
				t.Errorf("hint: %+v", h)
			}
		}
		_, err = b.Hint(ctx, user, "trial", "")
		b.refused(err, mlops.InvalidState, "There is no further hint")
		all, err := b.Export(ctx, user)
		if b.ok(err); all[0].Breaks[0].Fault != "" {
			t.Error("the export gives the fault away")
		}
		b.wait("the symptom is there", func() bool { return b.view().Break.Verdict.Saw == "The light is off." })

		// It has to hold for two seconds.
		b.put("ConfigMap", "light", "on=yes")
		settle(time.Second)
		b.del("ConfigMap", "light")
		settle(3 * time.Second)
		if b.view().Break.Over() {
			t.Fatal("it held for a second only")
		}
		b.put("ConfigMap", "light", "on=yes")
		began := time.Now()
		b.wait("it is mended", func() bool { return b.view().Break.Over() })
		if took := time.Since(began); took < 2*time.Second || took > 3500*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		got := b.view().Break
		if got.Fault != "gone" || got.Title != "It was gone from lab-trial" || got.Explained != "It was gone from lab-trial.\n" || got.MendedAt.Sub(began) > time.Second {
			t.Errorf("told: %+v", got)
		}
		if p := b.view().Progress; p.Mended != 1 || p.Faults != 2 {
			t.Errorf("progress: %+v", p)
		}
		all, err = b.Export(ctx, user)
		if b.ok(err); all[0].Breaks[0].Title != "It was gone from lab-trial" || all[0].Breaks[0].Explained != "It was gone from lab-trial.\n" || all[0].Hints[0].Text != "Where is it in lab-trial?" {
			t.Errorf("export: %+v %+v", all[0].Breaks, all[0].Hints)
		}

		// By chance: what isn't mended yet.
		b.wait("it can be broken", func() bool { return b.view().CanBreak == "" })
		b.ok(b.Break(ctx, user, "trial", 0, false))
		if got := b.w.sessions[1].Breaks[1]; got.Fault != "dark" || got.Seed <= 2 {
			t.Errorf("the second: %+v", got)
		}
		if len(b.view().Break.Hints) != 0 {
			t.Error("the hints are those of the first fault")
		}
		b.ok(b.GiveUp(ctx, user, "trial"))
		got = b.view().Break
		if got.GaveUpAt.IsZero() || got.Title != "It was dark" || !b.has("ConfigMap light") {
			t.Errorf("given up: %+v", got)
		}
		if p := b.view().Progress; p.Mended != 1 {
			t.Errorf("given up is not mended: %+v", p)
		}
		// A seed stands for the same fault.
		b.wait("it can be broken", func() bool { return b.view().CanBreak == "" })
		b.ok(b.Break(ctx, user, "trial", b.w.sessions[1].Breaks[1].Seed, false))
		if got := b.w.sessions[1].Breaks[2]; got.Fault != "dark" {
			t.Errorf("the third: %+v", got)
		}
	})
}

// A fault that is not there yet is not mended.
func TestFaultThatComesLate(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.solveAll()
		b.w.late["light"] = 8 * time.Second
		b.ok(b.Break(b.t.Context(), user, "trial", 1, false))
		for range 60 {
			if b.view().Break.Over() {
				t.Fatal("it was never there")
			}
			settle(100 * time.Millisecond)
		}
		b.wait("the symptom", func() bool { return b.view().Break.Verdict.Saw != "" })
	})
}

// A learner is not told what a fault that can't be injected has said, and by chance
// gets another one while there is one.
func TestFaultsThatFail(t *testing.T) {
	const nothing = "Nothing was broken: what would break it could not run. Try again, or reset the lab."
	files := trial()
	files["trial/faults/gone/inject.sh"] = "fail no hammer\n"
	files["trial/faults/dark/mend.sh"] = "fail no bulb\n"
	synctest.Test(t, func(t *testing.T) {
		w, log := newWorld(), &bytes.Buffer{}
		w.log = log
		b, stop := process(t, w, labs(files))
		defer stop()
		ctx := b.t.Context()
		b.open()
		b.solveAll()
		err := b.Break(ctx, user, "trial", 1, false)
		if b.refused(err, mlops.Internal, nothing); mlops.MessageOf(err) != nothing {
			t.Errorf("it tells of the fault: %s", mlops.MessageOf(err))
		}
		if got := log.String(); !strings.Contains(got, "fault=gone") || !strings.Contains(got, "no hammer") {
			t.Errorf("the log does not say what failed: %s", got)
		}
		if b.view().Break != nil {
			t.Error("nothing was broken")
		}
		for range 5 { // each would be the other one by half a chance
			b.ok(b.Break(ctx, user, "trial", 0, false))
			if got := w.sessions[1].Breaks[len(w.sessions[1].Breaks)-1].Fault; got != "dark" {
				t.Fatalf("by chance came %s", got)
			}
			b.refused(b.GiveUp(ctx, user, "trial"), mlops.Internal, "What mends the fault of lab trial ended with code 3: no bulb. Reset the lab.")
			if !b.view().Break.Over() {
				t.Error("it is given up all the same")
			}
			b.put("ConfigMap", "light", "on=yes")
			b.wait("it can be broken", func() bool { return b.view().CanBreak == "" })
		}
		// What was mended comes before what can't be injected.
		w.mu.Lock()
		w.reached[user]["trial"].Mended["dark"] = time.Now()
		w.mu.Unlock()
		b.ok(b.Break(ctx, user, "trial", 0, false))
		b.refused(b.GiveUp(ctx, user, "trial"), mlops.Internal, "no bulb")
		// After a reset it may work again.
		b.ok(b.Reset(ctx, user, "trial", ""))
		b.solveAll()
		b.refused(b.Break(ctx, user, "trial", 0, false), mlops.Internal, nothing)
	})
}

// Where no fault can be injected, each choice by chance says so.
func TestNoFaultCanBeInjected(t *testing.T) {
	files := trial()
	files["trial/faults/gone/inject.sh"] = "fail no hammer\n"
	files["trial/faults/dark/inject.sh"] = "fail no bulb\n"
	synctest.Test(t, func(t *testing.T) {
		b, stop := process(t, newWorld(), labs(files))
		defer stop()
		b.open()
		b.solveAll()
		for range 4 {
			b.refused(b.Break(b.t.Context(), user, "trial", 0, false), mlops.Internal, "Nothing was broken")
		}
	})
}

// What a session knows survives a restart: passes, hints, answers, and a fault that is looked for.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, files := newWorld(), labs(trial())
		b, stop := process(t, w, files)
		b.open()
		_, err := b.Hint(b.t.Context(), user, "trial", "one")
		b.ok(err)
		_, err = b.Answer(b.t.Context(), user, "trial", "one", "many", "2")
		b.ok(err)
		b.solveAll()
		b.ok(b.Break(b.t.Context(), user, "trial", 1, false))
		stop()
		b, stop = process(t, w, files)
		v := b.view()
		if v.Break == nil || v.Break.Over() || !b.passed("three") || len(b.task("one").Hints) != 1 || b.task("one").Questions[0].Answer != "2" {
			t.Errorf("after the restart: %+v", v)
		}
		b.put("ConfigMap", "light", "on=yes")
		b.wait("it is mended", func() bool { return b.view().Break.Over() })
		stop()
		// An earlier version of the lab had the fault: it can't be mended by the author.
		changed := labs(renamed("trial", "id: gone", "id: other"))
		for _, name := range []string{"inject.sh", "mend.sh", "explain.md"} {
			changed["trial/faults/other/"+name] = changed["trial/faults/gone/"+name]
			delete(changed, "trial/faults/gone/"+name)
		}
		w.mu.Lock()
		w.sessions[1].Breaks[0].MendedAt = time.Time{}
		w.mu.Unlock()
		b, stop = process(t, w, changed)
		b.refused(b.GiveUp(b.t.Context(), user, "trial"), mlops.InvalidState, "this version of lab trial does not know how to mend it: reset the lab.")
		stop()
	})
}

// A hint whose names can't be filled in is none.
func TestHintWithoutAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, files := newWorld(), labs(trial())
		b, stop := process(t, w, files)
		b.open()
		b.solveAll()
		b.ok(b.Break(b.t.Context(), user, "trial", 1, false))
		stop()
		w.broken["LabKey"] = mlops.Errorf(mlops.Unavailable, "the keys are being read")
		b, stop = process(t, w, files)
		defer stop()
		_, err := b.Hint(b.t.Context(), user, "trial", "")
		b.refused(err, mlops.Unavailable, "the keys are being read")
	})
}

func TestScene(t *testing.T) {
	within(t, func(b *bench) {
		b.w.api["/api/2.0/mlflow/registered-models/search"] = `{"registered_models":[{"name":"lab-trial","aliases":[{"alias":"live","version":"2"}]},{"name":"lab-trial2"}]}`
		b.w.api["/api/2.0/mlflow/model-versions/search"] = `{"model_versions":[{"name":"lab-trial","version":"2"},{"name":"lab-trial","version":"1"}]}`
		b.w.api["/api/deployments"] = `{"deployments":[{"name":"lab-trial","model":"lab-trial","version":"2","ready":1,"replicas":2},{"name":"iris","model":"iris","version":"1"}]}`
		b.w.api["/api/2.0/mlflow/experiments/search"] = `{"experiments":[{"experiment_id":"7","name":"lab-trial"}]}`
		b.w.api["/api/2.0/mlflow/runs/search"] = `{"runs":[{"info":{"status":"FINISHED"}},{"info":{"status":"FAILED"}}]}`
		var objects []mlops.ObjectInfo
		for _, key := range strings.Split("a b c d e f g h i j", " ") {
			objects = append(objects, mlops.ObjectInfo{Key: key, Bytes: 2048})
		}
		b.open()
		b.w.mu.Lock()
		b.w.buckets["lab-trial"] = objects
		b.w.mu.Unlock()
		b.put("Pod", "model-1")
		changed := b.Changed(user, "trial")
		b.wait("the scene shows the pod", func() bool { return len(b.view().Scene.Columns[0].Things) == 1 })
		select {
		case <-changed:
		default:
			t.Error("a new scene has not closed Changed")
		}
		var got strings.Builder
		s := b.view().Scene
		for _, c := range s.Columns {
			got.WriteString(c.Kind + ":")
			for _, x := range c.Things {
				got.WriteString(" " + x.Name + "=" + x.State + "=" + x.Mood)
			}
			if c.More > 0 {
				got.WriteString(" and more")
			}
			got.WriteString("\n")
		}
		for _, l := range s.Lines {
			got.WriteString(l.From + " -> " + l.To + " " + l.Label + "\n")
		}
		want := `Pod: model-1=Running=ok
Version: lab-trial v2=@live=ok lab-trial v1==none
Traffic: lab-trial=1 of 2 ready=busy
Bucket: a=2 KiB=none b=2 KiB=none c=2 KiB=none d=2 KiB=none e=2 KiB=none f=2 KiB=none g=2 KiB=none h=2 KiB=none and more
Experiment: lab-trial=2 runs=bad
traffic/lab-trial -> version/lab-trial/2 100 %
`
		if got.String() != want {
			t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
		}
		b.w.mu.Lock()
		b.w.broken["Call"] = mlops.Errorf(mlops.Unavailable, "the registry is away")
		b.w.mu.Unlock()
		b.wait("it is said", func() bool { return b.view().Scene.Columns[1].Things[0].State == "the registry is away" })
	})
}
