package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine"
)

func TestOpenAndLeave(t *testing.T) {
	within(t, func(b *bench) {
		v := b.view()
		if v.Session != nil || v.Intro != "You are in lab-trial, and `$HOME` stays.\n" || len(v.Tasks) != 4 || !v.Tasks[0].Unlocked || v.CanBreak == "" {
			t.Errorf("before the start: %+v", v)
		}
		changed := b.Changed(user, "trial")
		b.open()
		select {
		case <-changed:
		default:
			t.Error("the start has not closed Changed")
		}
		w := b.w
		room := w.rooms["lab-trial"]
		if room.Env["BUCKET"] != "lab-trial" || room.Env["AWS_SECRET_ACCESS_KEY"] != "token-of-lab-trial" || room.Env["DOMAIN"] != "lab.internal" || room.Files["hello.txt"] != "lab-trial ${UNKNOWN} $HOME\n" {
			t.Errorf("the room is %+v", room)
		}
		if !b.has("ConfigMap light") || !b.has("ConfigMap setup") {
			t.Error("the setup has not run")
		}
		if v := b.view(); !v.Shell.Ready || len(v.Scene.Columns) != 5 {
			t.Errorf("open: %+v", v)
		}
		b.ok(b.Leave(b.t.Context(), user, "trial", false)) // there is nothing but the setup's
		b.wait("it is closed", func() bool { return b.view().Session == nil })
		if len(w.rooms)+len(w.keys)+len(w.objects)+len(w.projects) > 0 {
			t.Errorf("left behind: %v %v %v %v", w.rooms, w.keys, w.objects, w.projects)
		}
		all, err := b.Export(b.t.Context(), user)
		if b.ok(err); len(all) != 1 || all[0].State != mlops.LabClosed || all[0].ReadyAt.IsZero() || all[0].ClosedAt.Before(all[0].ReadyAt) {
			t.Errorf("kept: %+v", all)
		}
	})
}

func TestChangedOfNoLab(t *testing.T) {
	within(t, func(b *bench) {
		if b.Changed(user, "none") != nil || b.Changed(user, "trial") == nil {
			t.Error("there is something to wait for of labs that exist, and of no others")
		}
	})
}

func TestLeaveWithWork(t *testing.T) {
	within(t, func(b *bench) {
		b.open()
		b.put("Deployment", "mine")
		b.put("ConfigMap", "one", "n=1")
		b.wait("one is passed", func() bool { return b.passed("one") })
		b.refused(b.Leave(b.t.Context(), user, "trial", false), mlops.InvalidState, "There is work in lab trial: 1 of 4 tasks passed, Deployment mine, ConfigMap one. Leaving removes it.")
		unsure := func() {
			b.t.Helper()
			err := b.Leave(b.t.Context(), user, "trial", false)
			if !errors.Is(err, mlops.ErrUnsure) || strings.Contains(mlops.MessageOf(err), "sure") {
				t.Errorf("got %v, want one that asks, and leaves it to others how to answer", err)
			}
		}
		unsure()
		b.w.buckets["lab-trial"] = []mlops.ObjectInfo{{Key: "a"}}
		b.w.api["/api/2.0/mlflow/experiments/search"] = `{"experiments":[{"experiment_id":"1","name":"lab-trial.x"},{"experiment_id":"2","name":"lab-trial-2"}]}`
		b.w.api["/api/2.0/mlflow/registered-models/search"] = `{"registered_models":[{"name":"lab-trial"},{"name":"lab-trials"}]}`
		b.refused(b.Leave(b.t.Context(), user, "trial", false), mlops.InvalidState, "Deployment mine, ConfigMap one, object a, experiment lab-trial.x, model lab-trial. Leaving")
		b.w.files = []string{"notes one.txt"}
		b.refused(b.Leave(b.t.Context(), user, "trial", false), mlops.InvalidState, "object a, experiment lab-trial.x, model lab-trial, 1 more. Leaving")
		delete(b.w.buckets, "lab-trial")
		b.refused(b.Leave(b.t.Context(), user, "trial", false), mlops.InvalidState, "experiment lab-trial.x, model lab-trial, file ~/notes one.txt. Leaving")
		b.w.broken["RunLab"] = errors.New("away")
		b.refused(b.Leave(b.t.Context(), user, "trial", false), mlops.InvalidState, "What is in lab trial can't be seen now (internal error: see the log). Leaving removes all of it.")
		unsure()
		delete(b.w.broken, "RunLab")
		b.w.shell = mlops.LabShell{Why: "it was evicted"} // and its files with it
		b.refused(b.Leave(b.t.Context(), user, "trial", false), mlops.InvalidState, "experiment lab-trial.x, model lab-trial. Leaving")
		b.w.shell = mlops.LabShell{Ready: true}
		b.w.broken["LabObjects"] = errors.New("away")
		b.refused(b.Leave(b.t.Context(), user, "trial", false), mlops.InvalidState, "What is in lab trial can't be seen now")
		delete(b.w.broken, "LabObjects")
		b.ok(b.Leave(b.t.Context(), user, "trial", true))
		b.wait("it is closed", func() bool { return b.view().Session == nil })
		if err := b.Leave(b.t.Context(), user, "trial", false); errors.Is(err, mlops.ErrUnsure) {
			t.Errorf("nothing to be sure about: %v", err)
		}
		if p := b.view().Progress; p.Passed != 1 || p.Tasks != 4 {
			t.Errorf("progress has to stay: %+v", p)
		}
	})
}

// After a restart the setup's objects are known by its manifests.
func TestLeaveAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, files := newWorld(), labs(trial())
		b, stop := process(t, w, files)
		b.open()
		b.del("ConfigMap", "setup")
		stop()
		b, stop = process(t, w, files)
		defer stop()
		b.ok(b.Leave(b.t.Context(), user, "trial", false))
	})
}

func TestUserErrorsOfSessions(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		b.refused(b.Start(ctx, user, "none", false), mlops.NotFound, "There is no lab none")
		_, err := b.Lab(ctx, user, "none")
		b.refused(err, mlops.NotFound, "There is no lab none")
		b.refused(b.Leave(ctx, user, "none", false), mlops.NotFound, "There is no lab none")
		b.refused(b.Leave(ctx, user, "trial", false), mlops.InvalidState, "Lab trial is not open, so there is nothing to leave.")
		b.refused(b.Check(ctx, user, "trial", ""), mlops.InvalidState, "Lab trial is not open: start it first")
		b.refused(b.Check(ctx, user, "none", ""), mlops.NotFound, "There is no lab none")
		b.w.shell = mlops.LabShell{Why: "the image is being unpacked"}
		b.ok(b.Start(ctx, user, "trial", false))
		settle(time.Second)
		b.refused(b.Check(ctx, user, "trial", ""), mlops.InvalidState, "Lab trial is still being made")
		if v := b.view(); v.Shell.Why != "the image is being unpacked" {
			t.Errorf("shell: %+v", v.Shell)
		}
		b.refused(b.Start(ctx, user, "trial", false), mlops.Exists, "Lab trial is open already")
		b.w.broken["CloseLab"] = errors.New("it sticks")
		b.ok(b.Leave(ctx, user, "trial", false))
		settle(3 * time.Second)
		b.refused(b.Start(ctx, user, "trial", false), mlops.InvalidState, "Lab trial is still being removed: start it again in some seconds (it sticks).")
		b.refused(b.Check(ctx, user, "trial", ""), mlops.InvalidState, "Lab trial is being removed (it sticks)")
		b.ok(b.Leave(ctx, user, "trial", false)) // again
		delete(b.w.broken, "CloseLab")
		b.wait("it is closed", func() bool { return b.view().Session == nil })
	})
}

func TestAtMostFour(t *testing.T) {
	var more []map[string]string
	for i := range 5 {
		more = append(more, renamed(fmt.Sprintf("lab%d", i)))
	}
	within(t, func(b *bench) {
		for i := range 3 {
			b.ok(b.Start(b.t.Context(), user, fmt.Sprintf("lab%d", i), false))
		}
		b.ok(b.Start(b.t.Context(), "eve", "lab0", false))
		if b.w.sessions[4].Room != "lab-lab0-2" {
			t.Errorf("the second room is %s", b.w.sessions[4].Room)
		}
		b.refused(b.Start(b.t.Context(), user, "trial", false), mlops.InvalidState,
			"4 labs are open, and this machine keeps at most 4: lab0, lab0 (of eve), lab1, lab2. Leave one first, for example with `benchtop lab leave lab0`.")
		// Who has none open is told whose to leave.
		b.refused(b.Start(b.t.Context(), "zoe", "trial", false), mlops.InvalidState, "for example with `benchtop lab leave lab0 --user "+user+"`.")
		settle(time.Second)
		b.ok(b.Leave(b.t.Context(), "eve", "lab0", true))
		settle(5 * time.Second)
		b.ok(b.Start(b.t.Context(), user, "trial", false))
	}, more...)
}

func TestNeedsGPUs(t *testing.T) {
	gpus := renamed("gpus", "minutes: 10", "minutes: 10\nneeds: {gpus: true}")
	within(t, func(b *bench) {
		b.refused(b.Start(b.t.Context(), user, "gpus", false), mlops.InvalidState, "Lab gpus can't run here: it needs GPUs, and the machine has none. Simulated ones will do: `benchtop up --simulate-gpus 2xA100-80GB`.")
		all, err := b.Catalogue(b.t.Context(), user)
		if b.ok(err); all[0].Name != "gpus" || all[0].Lacks == "" || all[0].Next || !all[1].Next || all[1].Lacks != "" {
			t.Errorf("catalogue: %+v", all)
		}
		b.w.broken["GPUs"] = mlops.Errorf(mlops.Unavailable, "the cluster is starting")
		all, err = b.Catalogue(b.t.Context(), user)
		if b.ok(err); !strings.Contains(all[0].Lacks, "not known now: the cluster is starting") {
			t.Errorf("catalogue: %+v", all)
		}
		delete(b.w.broken, "GPUs")
		b.w.gpus = true
		b.ok(b.Start(b.t.Context(), user, "gpus", false))
		settle(time.Second)
		if !b.w.rooms["lab-gpus"].GPUs {
			t.Error("the room has no GPUs")
		}
	}, gpus)
}

// Only the author's scripts get the key that leaks.
func TestLeak(t *testing.T) {
	leak := renamed("leak", "minutes: 10", "minutes: 10\nneeds: {leak: true}")
	leak["leak/setup/setup.sh"] = "leak LEAKED_KEY_NAME\n"
	leak["leak/tasks/one/reset.sh"] = "leak LEAKED_KEY_SECRET\n"
	leak["leak/tasks/one/solution.sh"] = "leak LEAKED_KEY_NAME\n"
	within(t, func(b *bench) {
		b.ok(b.Start(b.t.Context(), user, "leak", false))
		settle(5 * time.Second)
		b.ok(b.Reset(b.t.Context(), user, "leak", "one"))
		_, err := b.Solve(b.t.Context(), user, "leak", "one")
		b.refused(err, mlops.Internal, "no key that could leak")
		made := b.w.called("LeakKey")
		b.ok(b.Reset(b.t.Context(), user, "leak", "four"))
		if n := b.w.called("LeakKey") - made; n > 0 {
			t.Errorf("a script that does not name the key has made it %d times", n)
		}
		b.w.broken["LeakKey"] = mlops.Errorf(mlops.Unavailable, "no keys today")
		b.refused(b.Reset(b.t.Context(), user, "leak", "one"), mlops.Unavailable, "tasks/one/reset.sh of lab leak could not run: no keys today")
		if b.w.rooms["lab-leak"].Env["LEAKED_KEY_NAME"] != "" {
			t.Error("the learner's shell has the key")
		}
	}, leak)
}

func TestProject(t *testing.T) {
	wine := renamed("wine", "minutes: 10", "minutes: 10\nneeds: {project: {dataset: wine}}")
	within(t, func(b *bench) {
		b.w.api["/api/deployments/lab-wine-model"] = `{"ready":0,"message":"it is being trained"}`
		b.ok(b.Start(b.t.Context(), user, "wine", false))
		settle(3 * time.Second)
		v, err := b.Lab(b.t.Context(), user, "wine")
		if b.ok(err); v.Session.State != mlops.LabOpening || v.Shell.Why != "its project does not serve yet: it is being trained" {
			t.Errorf("while it is trained: %+v %+v", v.Session, v.Shell)
		}
		if len(b.w.rooms) > 0 {
			t.Error("the room is made before the project serves")
		}
		b.w.mu.Lock()
		delete(b.w.api, "/api/deployments/lab-wine-model")
		b.w.mu.Unlock()
		settle(3 * time.Second)
		room := b.w.rooms["lab-wine"]
		if len(room.Namespaces) != 1 || room.Namespaces[0] != "lab-wine-model" || !room.ProjectRead || room.Env["PROJECT"] != "lab-wine-model" || len(b.w.keys["lab-wine"]) != 2 {
			t.Errorf("room %+v, key %v", room, b.w.keys)
		}
		b.ok(b.Leave(b.t.Context(), user, "wine", true))
		settle(3 * time.Second)
		if len(b.w.projects)+len(b.w.rooms)+len(b.w.keys) > 0 {
			t.Errorf("left behind: %v %v %v", b.w.projects, b.w.rooms, b.w.keys)
		}
	}, wine)
}

// The room's name is a user's: nothing is made, it is tried again only slowly, and
// what the user has stays when the lab is left.
func TestNameThatIsTaken(t *testing.T) {
	wine := renamed("wine", "minutes: 10", "minutes: 10\nneeds: {project: {dataset: wine}}")
	within(t, func(b *bench) {
		b.w.projects["lab-wine-model"] = true // the user's
		b.ok(b.Start(b.t.Context(), user, "wine", false))
		settle(50 * time.Second)
		v, err := b.Lab(b.t.Context(), user, "wine")
		const want = "a user has something called lab-wine"
		if b.ok(err); v.Session.State != mlops.LabOpening || v.Session.Problem != want || v.Shell.Why != want {
			t.Errorf("taken: %+v %+v", v.Session, v.Shell)
		}
		if n := b.w.called("LabKey"); n != 1 || b.w.called("AddLabProject")+b.w.called("OpenLab") > 0 {
			t.Errorf("%d tries in 50 s, calls %v", n, b.w.calls)
		}
		began := time.Now()
		b.ok(b.Leave(b.t.Context(), user, "wine", false))
		settle(time.Second)
		if time.Since(began) > 2*time.Second || b.w.sessions[1].State != mlops.LabClosed || !b.w.projects["lab-wine-model"] {
			t.Errorf("left after %s: %+v, projects %v", time.Since(began), b.w.sessions[1].LabSession, b.w.projects)
		}
		b.ok(b.Start(b.t.Context(), user, "wine", false))
		settle(time.Second)
		b.w.mu.Lock()
		delete(b.w.projects, "lab-wine-model")
		b.w.mu.Unlock()
		settle(time.Minute)
		if s := b.w.sessions[2]; s.State != mlops.LabOpen || s.Problem != "" {
			t.Errorf("the name is free: %+v", s.LabSession)
		}
	}, wine)
}

// A shell's pod that ends while the lab is being opened is made again, and why is said.
func TestShellThatEndsWhileOpening(t *testing.T) {
	within(t, func(b *bench) {
		b.w.shell = mlops.LabShell{Why: "it was evicted"}
		b.ok(b.Start(b.t.Context(), user, "trial", false))
		settle(20 * time.Second)
		if v := b.view(); v.Session.Problem != "" || v.Shell.Why != "it was evicted" || b.w.called("OpenLab") != 1 {
			t.Errorf("after 20 s: %+v %+v, %d times made", v.Session, v.Shell, b.w.called("OpenLab"))
		}
		settle(10*time.Second + 500*time.Millisecond)
		if v := b.view(); v.Session.Problem != "Its shell is not ready after 30s: it was evicted" || v.Shell.Why != v.Session.Problem {
			t.Errorf("after 30 s: %+v %+v", v.Session, v.Shell)
		}
		settle(5 * time.Second)
		if v := b.view(); v.Shell.Why != "it was evicted" || b.w.called("OpenLab") != 2 {
			t.Errorf("after 35 s: %+v, %d times made", v.Shell, b.w.called("OpenLab"))
		}
		b.w.mu.Lock()
		b.w.shell = mlops.LabShell{Ready: true}
		b.w.mu.Unlock()
		settle(time.Second)
		if v := b.view(); v.Session.State != mlops.LabOpen || v.Session.Problem != "" {
			t.Errorf("it is ready: %+v", v.Session)
		}
	})
}

// A lab that can't be left goes on being opened.
func TestLeaveThatFailsWhileOpening(t *testing.T) {
	within(t, func(b *bench) {
		b.w.shell = mlops.LabShell{}
		b.ok(b.Start(b.t.Context(), user, "trial", false))
		settle(time.Second)
		b.w.mu.Lock()
		b.w.broken["SetSession closing"] = mlops.Errorf(mlops.Unavailable, "the disk is full")
		b.w.mu.Unlock()
		b.refused(b.Leave(b.t.Context(), user, "trial", false), mlops.Unavailable, "the disk is full")
		b.w.mu.Lock()
		b.w.shell = mlops.LabShell{Ready: true}
		b.w.mu.Unlock()
		b.wait("it is open", func() bool { return b.view().Session.State == mlops.LabOpen })
		b.refused(b.Leave(b.t.Context(), user, "trial", true), mlops.Unavailable, "the disk is full")
		if s := b.view().Session; s.State != mlops.LabOpen {
			t.Errorf("it is %s", s.State)
		}
		b.w.mu.Lock()
		delete(b.w.broken, "SetSession closing")
		b.w.mu.Unlock()
		b.ok(b.Leave(b.t.Context(), user, "trial", true))
		b.wait("it is closed", func() bool { return b.view().Session == nil })
	})
}

// Whatever port fails while a room is made or removed: the problem is said, and it goes on by itself.
func TestEveryPortFails(t *testing.T) {
	wine := renamed("wine", "minutes: 10", "minutes: 10\nneeds: {project: {dataset: wine}}")
	for _, port := range []string{"Loop", "Cluster", "AddLabProject", "LabKey", "Call", "OpenLab", "LabShell", "ClearLab", "Clear", "ApplyLab", "RunLab", "LabObjects", "Objects", "SetSession open"} {
		within(t, func(b *bench) {
			b.w.broken[port] = mlops.Errorf(mlops.Unavailable, "no %s today", port)
			b.ok(b.Start(b.t.Context(), user, "wine", false))
			settle(5 * time.Second)
			v, err := b.Lab(b.t.Context(), user, "wine")
			if b.ok(err); v.Session.State != mlops.LabOpening || !strings.Contains(v.Session.Problem, "no "+port+" today") || v.Shell.Why == "" {
				t.Errorf("%s fails: %+v %+v", port, v.Session, v.Shell)
			}
			b.w.mu.Lock()
			delete(b.w.broken, port)
			b.w.mu.Unlock()
			settle(20 * time.Second)
			if v, err := b.Lab(b.t.Context(), user, "wine"); err != nil || v.Session.State != mlops.LabOpen || v.Session.Problem != "" {
				t.Errorf("%s works again: %+v, %v", port, v.Session, err)
			}
		}, wine)
	}
	for _, port := range []string{"Loop", "Cluster", "DropLabKey", "CloseLab", "DeleteLabProject", "Clear", "SetSession closed"} {
		within(t, func(b *bench) {
			b.ok(b.Start(b.t.Context(), user, "wine", false))
			settle(5 * time.Second)
			b.w.mu.Lock()
			b.w.broken[port] = mlops.Errorf(mlops.Unavailable, "no %s today", port)
			b.w.mu.Unlock()
			b.ok(b.Leave(b.t.Context(), user, "wine", true))
			settle(5 * time.Second)
			v, err := b.Lab(b.t.Context(), user, "wine")
			if b.ok(err); v.Session.State != mlops.LabClosing || !strings.Contains(v.Session.Problem, "no "+port+" today") {
				t.Errorf("%s fails: %+v", port, v.Session)
			}
			b.w.mu.Lock()
			delete(b.w.broken, port)
			b.w.mu.Unlock()
			settle(20 * time.Second)
			if v, err := b.Lab(b.t.Context(), user, "wine"); err != nil || v.Session != nil {
				t.Errorf("%s works again: %+v, %v", port, v.Session, err)
			}
		}, wine)
	}
}

// The process dies at every call of a port in turn; the next one goes on.
func TestDeathAtEveryStep(t *testing.T) {
	wine := labs(renamed("wine", "minutes: 10", "minutes: 10\nneeds: {project: {dataset: wine}}"))
	state := func(w *world) mlops.LabState {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.sessions[1].State
	}
	arm := func(w *world, at int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.step, w.dieAt = 0, at
	}
	for _, closing := range []bool{false, true} {
		deaths := 0
		for at := 1; ; at++ {
			ended := false
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				b, stop := process(t, w, wine)
				if !closing {
					arm(w, at)
					if err := b.Start(b.t.Context(), user, "wine", false); err != nil && !errors.Is(err, errDead) {
						t.Fatal(err)
					}
				} else {
					b.ok(b.Start(b.t.Context(), user, "wine", false))
					settle(10 * time.Second)
					arm(w, at)
					err := b.Leave(b.t.Context(), user, "wine", true)
					if err != nil && !errors.Is(err, errDead) && !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
				}
				settle(10 * time.Second)
				stop()
				w.mu.Lock()
				ended = w.step < at
				w.mu.Unlock()
				arm(w, 0)
				b, stop = process(t, w, wine)
				if len(w.sessions) == 0 { // it died before there was a row
					b.ok(b.Start(b.t.Context(), user, "wine", false))
				}
				settle(20 * time.Second)
				if !closing {
					if state(w) != mlops.LabOpen || len(w.rooms) != 1 || w.objects["lab-wine"]["ConfigMap setup"] == nil {
						t.Errorf("dead at call %d: the session is %s", at, state(w))
					}
				} else if state(w) == mlops.LabOpen { // it died before the row was written
					b.ok(b.Leave(b.t.Context(), user, "wine", true))
					settle(10 * time.Second)
				}
				if closing && (state(w) != mlops.LabClosed || len(w.rooms)+len(w.keys)+len(w.projects)+len(w.buckets) > 0) {
					t.Errorf("dead at call %d of closing: the session is %s, left %v %v %v %v", at, state(w), w.rooms, w.keys, w.projects, w.buckets)
				}
				stop()
			})
			if ended {
				break
			}
			deaths++
		}
		if deaths < 8 {
			t.Errorf("the process has died %d times only", deaths)
		}
	}
}

// The process dies at every call of a port while a lab is reset: either the
// reset has not begun, or the next process ends it.
func TestDeathAtEveryStepOfAReset(t *testing.T) {
	undone, done := 0, 0
	for at, ended := 1, false; !ended; at++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			b, stop := process(t, w, labs(trial()))
			b.open()
			b.solveAll()
			b.ok(b.Break(b.t.Context(), user, "trial", 1, false))
			settle(30 * time.Second) // nobody looks any more
			w.mu.Lock()
			w.step, w.dieAt = 0, at
			w.mu.Unlock()
			err := b.Reset(b.t.Context(), user, "trial", "")
			ended = err == nil
			stop()
			w.mu.Lock()
			w.dieAt = 0
			passes := len(w.sessions[1].Passes)
			begun := w.sessions[1].State != mlops.LabOpen || passes == 0
			w.mu.Unlock()
			b, stop = process(t, w, labs(trial()))
			defer stop()
			b.wait("it is open", func() bool { return b.view().Session.State == mlops.LabOpen })
			settle(5 * time.Second)
			switch h := w.sessions[1]; {
			case begun && (len(h.Passes) > 0 || b.has("ConfigMap one") || !b.has("ConfigMap light") || !h.Breaks[0].Over()):
				t.Errorf("dead at call %d: %d passes, %v, %+v", at, len(h.Passes), w.objects, h.Breaks)
			case begun:
				done++
			case len(h.Passes) != 4 || !b.has("ConfigMap one") || h.Breaks[0].Over():
				t.Errorf("dead at call %d before it began: %d passes, %v, %+v", at, len(h.Passes), w.objects, h.Breaks)
			default:
				undone++
			}
		})
	}
	if undone < 2 || done < 8 {
		t.Errorf("the process has died %d times before the reset began, and %d times in it", undone, done)
	}
}

// An upgrade completes the rooms that are open, once the cluster is there.
func TestRoomsAreCompletedAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, files := newWorld(), labs(trial(), renamed("old"))
		b, stop := process(t, w, files)
		b.open()
		b.ok(b.Start(b.t.Context(), user, "old", false))
		settle(5 * time.Second)
		stop()
		delete(files, "old/lab.yaml") // a lab that is gone can't be completed
		w.broken["Cluster"] = mlops.Errorf(mlops.Unavailable, "the cluster is starting")
		opened := w.calls["OpenLab"]
		_, stop = process(t, w, files)
		defer stop()
		settle(20 * time.Second)
		if n := w.calls["OpenLab"] - opened; n != 0 {
			t.Errorf("made %d times without a cluster", n)
		}
		w.mu.Lock()
		delete(w.broken, "Cluster")
		w.mu.Unlock()
		settle(20 * time.Second)
		if n := w.calls["OpenLab"] - opened; n != 1 {
			t.Errorf("made %d times, expected once", n)
		}
	})
}

// A room without a row is removed, also while a session that has its name is opened.
func TestRoomWithoutARow(t *testing.T) {
	wine := renamed("wine", "minutes: 10", "minutes: 10\nneeds: {project: {dataset: wine}}")
	synctest.Test(t, func(t *testing.T) {
		w, files := newWorld(), labs(wine, trial())
		b, stop := process(t, w, files)
		b.open()
		b.ok(b.Start(b.t.Context(), user, "wine", false))
		b.ok(b.Start(b.t.Context(), "eve", "wine", false))
		settle(5 * time.Second)
		if len(w.rooms) != 3 {
			t.Fatalf("rooms: %v", w.rooms)
		}
		stop()
		w.sessions = map[int64]*mlops.LabHistory{1: w.sessions[1]} // the rows are those of a backup
		w.broken["CloseLab"] = mlops.Errorf(mlops.Unavailable, "it sticks")
		b, stop = process(t, w, files)
		defer stop()
		settle(5 * time.Second)
		b.ok(b.Start(b.t.Context(), user, "wine", false))
		settle(5 * time.Second)
		v, err := b.Lab(b.t.Context(), user, "wine")
		if b.ok(err); v.Session.Problem != "What is left of an earlier room lab-wine is still being removed." {
			t.Errorf("session: %+v", v.Session)
		}
		w.mu.Lock()
		delete(w.broken, "CloseLab")
		w.mu.Unlock()
		settle(40 * time.Second)
		v, err = b.Lab(b.t.Context(), user, "wine")
		if b.ok(err); v.Session.State != mlops.LabOpen || len(w.rooms) != 2 || len(w.keys) != 2 || len(w.projects) != 1 || len(w.buckets) != 2 {
			t.Errorf("session %+v, left: %v %v %v %v", v.Session, w.rooms, w.keys, w.projects, w.buckets)
		}
		if !b.has("ConfigMap setup") {
			t.Error("the room that has a row is gone")
		}
	})
}

func TestStartsOnceTheStoreIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := engine.Open(w.ports(), labs(trial()), nil)
		b := &bench{e, t, w}
		b.refused(b.Start(b.t.Context(), user, "trial", false), mlops.Unavailable, "The labs are still starting: try again in a moment.")
		w.broken["Store"] = mlops.Errorf(mlops.Unavailable, "the registry is starting")
		b, stop := process(t, w, labs(trial()))
		_, err := b.Catalogue(b.t.Context(), user)
		b.refused(err, mlops.Unavailable, "The labs are still starting: the registry is starting")
		w.mu.Lock()
		delete(w.broken, "Store")
		w.mu.Unlock()
		settle(3 * time.Second)
		b.open()
		stop()
		_, err = b.Lab(b.t.Context(), user, "trial")
		b.refused(err, mlops.Unavailable, "Benchtop is stopping")
	})
}

// A lab that an upgrade has taken away can only be left.
func TestLabThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, stop := process(t, w, labs(trial(), renamed("old")))
		b.ok(b.Start(b.t.Context(), user, "old", false))
		settle(5 * time.Second)
		stop()
		b, stop = process(t, w, labs(trial()))
		defer stop()
		b.refused(b.Check(b.t.Context(), user, "old", ""), mlops.NotFound, "Lab old does not exist any more: leave it with `benchtop lab leave old`.")
		b.ok(b.Leave(b.t.Context(), user, "old", true))
		settle(5 * time.Second)
		if len(w.rooms)+len(w.keys) > 0 {
			t.Errorf("left behind: %v %v", w.rooms, w.keys)
		}
		b.refused(b.Leave(b.t.Context(), user, "old", true), mlops.NotFound, "There is no lab old")
	})
}

// A lab that is gone while it was being opened says so, and can be left.
func TestLabThatIsGoneWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.shell = mlops.LabShell{}
		b, stop := process(t, w, labs(renamed("old")))
		b.ok(b.Start(b.t.Context(), user, "old", false))
		settle(time.Second)
		stop()
		b, stop = process(t, w, labs(trial()))
		defer stop()
		settle(time.Second)
		if p := w.sessions[1].Problem; p != "Lab old does not exist any more: leave it." {
			t.Errorf("problem: %q", p)
		}
		b.ok(b.Leave(b.t.Context(), user, "old", false))
		settle(5 * time.Second)
		if w.sessions[1].State != mlops.LabClosed {
			t.Errorf("it is %s", w.sessions[1].State)
		}
	})
}

func TestCatalogue(t *testing.T) {
	second := renamed("second", "order: 1", "order: 2\nafter: [trial]")
	third := renamed("third", "order: 1", "order: 3")
	within(t, func(b *bench) {
		marked := func() string {
			t.Helper()
			all, err := b.Catalogue(b.t.Context(), user)
			b.ok(err)
			for _, l := range all {
				if l.Next {
					return l.Name
				}
			}
			return ""
		}
		if got := marked(); got != "trial" {
			t.Errorf("the first is %q", got)
		}
		b.ok(b.Start(b.t.Context(), user, "third", false))
		if got := marked(); got != "third" {
			t.Errorf("with third open: %q", got)
		}
		settle(3 * time.Second)
		b.ok(b.Leave(b.t.Context(), user, "third", true))
		settle(3 * time.Second)
		b.open()
		b.solveAll()
		if got := marked(); got != "second" {
			t.Errorf("with trial done: %q", got)
		}
		all, err := b.Catalogue(b.t.Context(), user)
		if b.ok(err); all[0].Progress.Passed != 4 || all[0].Progress.DoneAt.IsZero() || !all[0].Progress.Open || all[0].Tasks[0].Prose != "" {
			t.Errorf("trial: %+v", all[0])
		}
	}, second, third)
}
