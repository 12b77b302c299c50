package engine_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine"
)

// verified returns the lines of a run in a bubble of its own.
func verified(t *testing.T, files map[string]string, prepare func(*world), run func(*bench, func(engine.VerifyLine)) error) (lines []engine.VerifyLine, w *world, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld()
		if prepare != nil {
			prepare(w)
		}
		b, stop := process(t, w, labs(files))
		err = run(b, func(l engine.VerifyLine) { lines = append(lines, l) })
		stop()
	})
	return lines, w, err
}

func verify(b *bench, report func(engine.VerifyLine)) error {
	return b.Verify(b.t.Context(), "trial", report)
}

func failures(lines []engine.VerifyLine) string {
	var out strings.Builder
	for _, l := range lines {
		if !l.OK {
			fmt.Fprintf(&out, "%s: %s: %s\n", l.Kind, l.What, l.Saw)
		}
	}
	return out.String()
}

func TestVerify(t *testing.T) {
	lines, w, err := verified(t, trial(), nil, verify)
	if err != nil {
		t.Errorf("%v\n%s", err, failures(lines))
	}
	kinds := map[string]int{}
	for _, l := range lines {
		kinds[l.Kind]++
	}
	for kind, n := range map[string]int{"open": 1, "unsolved": 5, "wrong": 1, "hint": 3, "solve": 5, "again": 4, "reset": 5, "well": 2, "inject": 2, "mend": 2, "reset lab": 1, "leave": 1} {
		if kinds[kind] != n {
			t.Errorf("%d lines of %s, expected %d", kinds[kind], kind, n)
		}
	}
	if late := engine.P95(lines, "solve", func(l engine.VerifyLine) time.Duration { return l.Late }); late <= 0 || late > time.Second {
		t.Errorf("a verdict is %s late", late)
	}
	if len(w.sessions)+len(w.rooms)+len(w.keys)+len(w.objects)+len(w.buckets) > 0 {
		t.Errorf("left: %v %v %v %v %v", w.sessions, w.rooms, w.keys, w.objects, w.buckets)
	}
}

// A wrong attempt may be refused.
func TestVerifyWrongThatIsRefused(t *testing.T) {
	files := trial()
	files["trial/tasks/one/wrong-n.sh"] = "exit 2 the server says no\n"
	lines, _, err := verified(t, files, nil, verify)
	if err != nil {
		t.Errorf("%v\n%s", err, failures(lines))
	}
}

func TestVerifyFindsMistakes(t *testing.T) {
	write := func(file, text string) func(map[string]string) {
		return func(files map[string]string) { files["trial/"+file] = text }
	}
	for name, tt := range map[string]struct {
		edit    func(map[string]string)
		prepare func(*world)
		want    string
	}{
		"solved by itself":          {write("setup/setup.sh", "put ConfigMap three\n"), nil, "unsolved: no task is passed by itself: task three holds"},
		"solution does nothing":     {write("tasks/one/solution.sh", "say hello\n"), nil, `solve: task one is passed by its solution: it is not passed after 2m0s: There is no ConfigMap one`},
		"solution fails":            {write("tasks/one/solution.sh", "fail no\n"), nil, "solve: task one is passed by its solution: The solution of task one of lab trial ended with code 3: no"},
		"solution does too much":    {write("tasks/one/solution.sh", "put ConfigMap one n=1\nput ConfigMap two\n"), nil, "unsolved: tasks after one are not passed by its solution: task two"},
		"wrong passes":              {write("tasks/four/wrong-x.sh", "put ConfigMap four label=four=yes\n"), nil, "wrong: task four is not passed by wrong-x.sh: task four is passed by wrong-x.sh after"},
		"wrong is not found":        {write("tasks/one/wrong-n.sh", "exit 127 sh: kubctl: not found\n"), nil, "wrong: task one is not passed by wrong-n.sh: wrong-n.sh can't run, so it tries nothing: it ended with code 127: sh: kubctl: not found"},
		"wrong is not executable":   {write("tasks/one/wrong-n.sh", "exit 126 sh: x: Permission denied\n"), nil, "wrong-n.sh can't run, so it tries nothing: it ended with code 126"},
		"wrong is no script":        {write("tasks/one/wrong-n.sh", "exit 2 sh: syntax error: unexpected end of file\n"), nil, "wrong-n.sh can't run, so it tries nothing: it ended with code 2: sh: syntax error"},
		"reset undoes nothing":      {write("tasks/one/reset.sh", "say x\n"), nil, "reset: task one is undone by its reset, and no other is: Task one still holds 5s after its reset"},
		"reset undoes another":      {write("tasks/four/reset.sh", "del ConfigMap four\ndel ConfigMap three\n"), nil, "reset: task four is undone by its reset, and no other is: the reset has hit another task: task three does not hold"},
		"reset is slow":             {write("tasks/one/reset.sh", "wait 61s\ndel ConfigMap one\n"), nil, "it took 1m1s: expected at most 1m0s"},
		"nothing is broken":         {write("faults/dark/inject.sh", "say x\n"), nil, "inject: fault dark can be seen: break.expect still holds 2m0s after inject.sh"},
		"fault can't be injected":   {write("faults/dark/inject.sh", "fail x\n"), nil, "inject: fault dark can be seen: A fault of lab trial ended with code 3"},
		"fault is not mended":       {write("faults/gone/mend.sh", "say x\n"), nil, "mend: fault gone is mended by mend.sh: break.expect does not hold 3m0s after mend.sh: The light is off."},
		"mend fails":                {write("faults/gone/mend.sh", "fail x\n"), nil, "mend: fault gone is mended by mend.sh: faults/gone/mend.sh of lab trial ended with code 3"},
		"mend breaks a task":        {write("faults/gone/mend.sh", "put ConfigMap light on=yes\ndel ConfigMap four\n"), nil, "mend: fault gone is mended by mend.sh: after mend.sh: task four does not hold"},
		"not well":                  {write("setup/setup.sh", "del ConfigMap light\n"), nil, "well: all is well before fault gone: Nothing can be broken in lab trial now: not all is well as it is. The light is off."},
		"setup fails":               {write("setup/setup.sh", "fail x\n"), nil, "open: the room is made: it is not open after 10m0s: setup/setup.sh of lab trial ended with code 3: x"},
		"check can't run":           {write("tasks/two/look.sh", "unknown\n"), nil, "unsolved: no task is passed by itself: the check of task two could not run: said: unknown word unknown"},
		"registry keeps":            {nil, func(w *world) { w.sticks = "experiment" }, "leave: nothing is left of the room: there still is experiment lab-trial/x"},
		"bucket stays":              {nil, func(w *world) { w.sticks = "bucket" }, "leave: nothing is left of the room: there still is bucket lab-trial"},
		"key stays":                 {nil, func(w *world) { w.sticks = "key" }, "leave: nothing is left of the room: there still is key lab-trial"},
		"what is left is not known": {nil, func(w *world) { w.broken["Left"] = mlops.Errorf(mlops.Unavailable, "no store") }, "leave: nothing is left of the room: no store"},
		"room stays":                {nil, func(w *world) { w.sticks = "room" }, "the cluster still has something of lab-trial"},
	} {
		t.Run(name, func(t *testing.T) {
			files := trial()
			if tt.edit != nil {
				tt.edit(files)
			}
			lines, _, err := verified(t, files, tt.prepare, verify)
			if err == nil || mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(err.Error(), "steps failed") {
				t.Errorf("got %v", err)
			}
			if got := failures(lines); !strings.Contains(got, tt.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestWalk(t *testing.T) {
	for seed := range int64(10) {
		walk := func(b *bench, report func(engine.VerifyLine)) error {
			return b.Walk(b.t.Context(), "trial", 30, seed, report)
		}
		lines, w, err := verified(t, trial(), nil, walk)
		if err != nil || len(lines) != 32 || len(w.rooms) > 0 {
			t.Errorf("seed %d: %v, %d lines\n%s", seed, err, len(lines), failures(lines))
		}
		again, _, _ := verified(t, trial(), nil, walk)
		for i := range lines {
			if lines[i].What != again[i].What {
				t.Errorf("seed %d: step %d was %q, and then %q", seed, i, lines[i].What, again[i].What)
			}
		}
	}
	files := trial()
	files["trial/tasks/one/solution.sh"] += "put ConfigMap four label=four=yes\n"
	lines, _, err := verified(t, files, nil, func(b *bench, report func(engine.VerifyLine)) error {
		return b.Walk(b.t.Context(), "trial", 30, 7, report)
	})
	if err == nil || !strings.Contains(failures(lines), "seed 7: task four is passed and ought not to be") {
		t.Errorf("%v\n%s", err, failures(lines))
	}
}

func TestVerifyFolder(t *testing.T) {
	folder, err := fs.Sub(labs(trial()), "trial")
	if err != nil {
		t.Fatal(err)
	}
	other := renamed("other")
	lines, w, err := verified(t, other, nil, func(b *bench, report func(engine.VerifyLine)) error {
		return b.VerifyFolder(b.t.Context(), folder, "trial", report)
	})
	if err != nil || len(w.rooms)+len(w.sessions) > 0 {
		t.Errorf("%v\n%s", err, failures(lines))
	}
	// The process dies, and the next one knows nothing of the lab's project.
	synctest.Test(t, func(t *testing.T) {
		wine := renamed("wine", "minutes: 10", "minutes: 10\nneeds: {project: {dataset: wine}}")
		folder, err := fs.Sub(labs(wine), "wine")
		w, done := newWorld(), make(chan error)
		b, stop := process(t, w, labs(other))
		b.ok(err)
		go func() { done <- b.VerifyFolder(b.t.Context(), folder, "wine", func(engine.VerifyLine) {}) }()
		settle(3 * time.Second)
		if !w.projects["lab-wine-model"] {
			t.Error("there is no project")
		}
		stop()
		<-done
		_, stop = process(t, w, labs(other))
		settle(5 * time.Second)
		if len(w.rooms)+len(w.projects)+len(w.keys) > 0 {
			t.Errorf("left: %v %v %v", w.rooms, w.projects, w.keys)
		}
		stop()
	})
	lines, _, err = verified(t, other, nil, func(b *bench, report func(engine.VerifyLine)) error {
		return b.VerifyFolder(b.t.Context(), labs(), "trial", report)
	})
	if mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(err.Error(), "lab trial can't be read:\ntrial/intro.md: the file is missing") || len(lines) != 2 || lines[1].OK {
		t.Errorf("got %v, %+v", err, lines)
	}
}

// A user called verify is one like all others: sessions of verify are nobody's.
func TestVerifyUserIsNoKey(t *testing.T) {
	if mlops.ValidateName("key", engine.VerifyUser) == nil {
		t.Errorf("a key can be called %s", engine.VerifyUser)
	}
	synctest.Test(t, func(t *testing.T) {
		w, files := newWorld(), labs(trial())
		b, stop := process(t, w, files)
		b.ok(b.Start(b.t.Context(), "verify", "trial", false))
		settle(5 * time.Second)
		stop()
		_, stop = process(t, w, files)
		settle(5 * time.Second)
		if state := w.sessions[1].State; state != mlops.LabOpen {
			t.Errorf("after a restart the session of user verify is %s", state)
		}
		stop()
	})
}

func TestVerifyRefuses(t *testing.T) {
	within(t, func(b *bench) {
		report := func(engine.VerifyLine) {}
		b.refused(b.Verify(b.t.Context(), "none", report), mlops.NotFound, "There is no lab none")
		b.refused(b.Walk(b.t.Context(), "none", 1, 1, report), mlops.NotFound, "There is no lab none")
		done := make(chan error)
		go func() { done <- b.Verify(b.t.Context(), "trial", report) }()
		settle(2 * time.Second)
		b.refused(b.Verify(b.t.Context(), "trial", report), mlops.InvalidState, "Lab trial is being verified already: wait until that is done.")
		b.ok(<-done)
	})
}

// What verify leaves when the process dies is removed by the next one.
func TestVerifyDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, files := newWorld(), labs(trial())
		b, stop := process(t, w, files)
		done := make(chan error)
		go func() { done <- b.Verify(b.t.Context(), "trial", func(engine.VerifyLine) {}) }()
		settle(3 * time.Second)
		stop()
		if err := <-done; err == nil {
			t.Error("verify can't have ended well")
		}
		b, stop = process(t, w, files)
		settle(5 * time.Second)
		if len(w.rooms) > 0 {
			t.Errorf("left: %v", w.rooms)
		}
		b.ok(b.Verify(b.t.Context(), "trial", func(engine.VerifyLine) {}))
		stop()
	})
}
