package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// VerifyLine is one thing that verify or a walk has tried.
type VerifyLine struct {
	Lab  string `json:"lab"`
	Kind string `json:"kind"` // read, open, unsolved, wrong, hint, solve, again, reset, well, inject, mend, reset lab, leave, walk
	What string `json:"what"` // task, fault or file that it is about, and what was expected
	OK   bool   `json:"ok"`
	Saw  string `json:"saw,omitempty"` // why it failed, or what the check said
	// Took is how long it took from the end of the script, or the call, to the
	// right verdict, in nanoseconds.
	Took time.Duration `json:"took"`
	// Late is how long after the state was right the verdict was, as far as looks
	// of verify's own can tell.
	Late time.Duration `json:"late,omitempty"`
}

// P95 is how long 95 of 100 lines of a kind took at most, 0 for none.
func P95(lines []VerifyLine, kind string, of func(VerifyLine) time.Duration) time.Duration {
	var all []time.Duration
	for _, l := range lines {
		if l.Kind == kind && l.OK {
			all = append(all, of(l))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)*95+99)/100-1]
}

// What verify allows: whoever is slower is stuck. How quick things ought to be is
// for people to judge, by the times that are printed: they say as much about the
// machine as about a lab.
const (
	openLimit   = 10 * time.Minute // a project is trained
	solveLimit  = 2 * time.Minute
	holdLimit   = time.Minute // until what was done again is steady
	wrongFor    = 2 * time.Second
	resetMost   = 60 * time.Second
	injectLimit = 2 * time.Minute
	mendLimit   = 3 * time.Minute
	leaveLimit  = 5 * time.Minute
	wait        = 200 * time.Millisecond // looks cost the CPU that the lab needs
)

// Verify tries a lab of the catalogue: that nothing is passed by itself, that each
// solution passes its task, that resets undo, that faults can be seen and mended,
// and that nothing is left. It returns an error if anything has failed.
func (e *Engine) Verify(ctx context.Context, lab string, report func(VerifyLine)) error {
	if err := e.ready(); err != nil {
		return err
	}
	l, err := e.known(lab)
	if err != nil {
		return err
	}
	return e.verify(ctx, l, report, (*trialRun).all)
}

// VerifyFolder is Verify for a lab that is not in the catalogue.
func (e *Engine) VerifyFolder(ctx context.Context, folder fs.FS, name string, report func(VerifyLine)) error {
	l, err := format.Read(folder, name)
	if err != nil {
		var problems format.Problems
		if errors.As(err, &problems) {
			for _, p := range problems {
				report(VerifyLine{Lab: name, Kind: "read", What: p.String()})
			}
		}
		return mlops.Errorf(mlops.Invalid, "lab %s can't be read:\n%s", name, err)
	}
	if err := e.ready(); err != nil {
		return err
	}
	return e.verify(ctx, l, report, (*trialRun).all)
}

// Walk takes right and wrong steps by chance through a lab of the catalogue, and
// holds each verdict against what it ought to be. The seed makes it again.
func (e *Engine) Walk(ctx context.Context, lab string, steps int, seed int64, report func(VerifyLine)) error {
	if err := e.ready(); err != nil {
		return err
	}
	l, err := e.known(lab)
	if err != nil {
		return err
	}
	return e.verify(ctx, l, report, func(r *trialRun) error { return r.walk(steps, seed) })
}

// trialRun is a session of verify.
type trialRun struct {
	e      *Engine
	s      *stay
	lab    *format.Lab
	ctx    context.Context
	report func(VerifyLine)
	steps  int
	failed int
}

// errStop ends a run that can't go on. The line that says why is reported.
var errStop = errors.New("it can't go on")

func (e *Engine) verify(ctx context.Context, l *format.Lab, report func(VerifyLine), try func(*trialRun) error) error {
	r := &trialRun{e: e, lab: l, ctx: ctx, report: report}
	if err := r.free(); err != nil {
		return err
	}
	began := time.Now()
	s, err := e.start(ctx, VerifyUser, l, false)
	if err != nil {
		return err
	}
	r.s = s
	err = r.open(began)
	if err == nil {
		err = try(r)
	}
	if err != nil && !errors.Is(err, errStop) && ctx.Err() == nil {
		r.line("walk", "it could not go on", time.Now(), err)
	}
	r.leave()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case r.failed > 0:
		return mlops.Errorf(mlops.InvalidState, "lab %s: %d of %d steps failed", l.Name, r.failed, r.steps)
	}
	return nil
}

// free waits until an earlier session of verify is gone.
func (r *trialRun) free() error {
	for limit := time.Now().Add(leaveLimit); ; {
		s, err := r.e.stay(VerifyUser, r.lab.Name)
		if err != nil || s == nil {
			return err
		}
		s.mu.Lock()
		state := s.row.State
		s.mu.Unlock()
		if state != mlops.LabClosing {
			return mlops.Errorf(mlops.InvalidState, "Lab %s is being verified already: wait until that is done.", r.lab.Name)
		}
		if time.Now().After(limit) {
			return mlops.Errorf(mlops.InvalidState, "The last room that verified lab %s is not gone after %s.", r.lab.Name, leaveLimit)
		}
		if !sleep(r.ctx, time.Second) {
			return r.ctx.Err()
		}
	}
}

// line reports a step: ok without an error.
func (r *trialRun) line(kind, what string, began time.Time, err error) bool {
	return r.said(VerifyLine{Kind: kind, What: what, Took: time.Since(began)}, err)
}

func (r *trialRun) said(l VerifyLine, err error) bool {
	l.Lab, l.OK = r.lab.Name, err == nil
	if err != nil {
		l.Saw = plain(err)
		r.failed++
	}
	r.steps++
	r.report(l)
	return err == nil
}

// until looks as a page does until something is so.
func (r *trialRun) until(limit time.Duration, is func() bool) bool {
	for end := time.Now().Add(limit); ; {
		r.s.look()
		if is() {
			return true
		}
		if time.Now().After(end) || !sleep(r.ctx, wait) {
			return false
		}
	}
}

func (r *trialRun) state() (mlops.LabState, string) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.row.State, r.s.row.Problem
}

func (r *trialRun) open(began time.Time) error {
	is := r.until(openLimit, func() bool { state, _ := r.state(); return state == mlops.LabOpen })
	var err error
	if !is {
		_, problem := r.state()
		err = fmt.Errorf("it is not open after %s: %s", openLimit, orElse(problem, "it is still being made"))
	}
	if !r.line("open", "the room is made", began, err) {
		return errStop
	}
	return nil
}

func (r *trialRun) passed(t *format.Task) bool {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	_, ok := r.s.passes[t.ID]
	return ok
}

// fails says which of tasks hold although they ought not to, or can't be judged
// for a while: a busy machine may not answer once.
func (r *trialRun) fails(tasks []*format.Task) (err error) {
	r.until(holdLimit, func() (judged bool) {
		judged, err = r.judgedFailed(tasks)
		return judged
	})
	return err
}

// judgedFailed is one look of fails, and whether it could judge them.
func (r *trialRun) judgedFailed(tasks []*format.Task) (judged bool, err error) {
	judged = true
	found := r.s.judge(r.ctx, tasks)
	for _, t := range tasks {
		switch v := found[t.ID]; {
		case v.Holds:
			return true, fmt.Errorf("task %s holds", t.ID)
		case r.passed(t):
			return true, fmt.Errorf("task %s is passed", t.ID)
		case v.Fault != "":
			judged, err = false, fmt.Errorf("the check of task %s could not run: %s", t.ID, v.Fault)
		}
	}
	return judged, err
}

// hold says which of tasks don't hold although they ought to, within a time.
func (r *trialRun) hold(limit time.Duration, tasks []*format.Task) (err error) {
	if len(tasks) == 0 {
		return nil
	}
	r.until(limit, func() bool {
		err = nil
		found := r.s.judge(r.ctx, tasks)
		for _, t := range tasks {
			switch v := found[t.ID]; {
			case v.Fault != "":
				err = fmt.Errorf("the check of task %s could not run: %s", t.ID, v.Fault)
			case !v.Holds:
				err = fmt.Errorf("task %s does not hold: %s", t.ID, v.Saw)
			case !r.passed(t):
				err = fmt.Errorf("task %s holds, and is not passed", t.ID)
			}
			if err != nil {
				break
			}
		}
		return err == nil
	})
	return err
}

// solve runs the solution of a task and waits until it is passed.
func (r *trialRun) solve(kind string, t *format.Task) error {
	_, err := r.e.Solve(r.ctx, VerifyUser, r.lab.Name, t.ID)
	began, right := time.Now(), time.Time{}
	l := VerifyLine{Kind: kind, What: "task " + t.ID + " is passed by its solution"}
	if err == nil {
		saw := ""
		if !r.until(solveLimit, func() bool {
			if right.IsZero() {
				switch v := r.s.judge(r.ctx, []*format.Task{t})[t.ID]; {
				case v.Holds:
					right = v.At
				default:
					saw = orElse(v.Saw, "the check could not run: "+v.Fault)
				}
			}
			return r.passed(t)
		}) {
			err = fmt.Errorf("it is not passed after %s: %s", solveLimit, saw)
		}
	}
	l.Took = time.Since(began)
	if !right.IsZero() {
		r.s.mu.Lock()
		l.Late = max(0, r.s.passes[t.ID].At.Sub(right))
		r.s.mu.Unlock()
	}
	if !r.said(l, err) {
		return errStop
	}
	return nil
}

// wrong runs a wrong attempt; the task has to stay unpassed.
func (r *trialRun) wrong(t *format.Task, w format.Wrong, during time.Duration) error {
	began := time.Now()
	if err := r.attempt(w); err != nil {
		return err
	}
	if r.until(during, func() bool { return r.passed(t) }) {
		return fmt.Errorf("task %s is passed by wrong-%s.sh after %s", t.ID, w.Name, time.Since(began).Round(time.Millisecond))
	}
	return r.fails([]*format.Task{t})
}

// hint takes a hint of a task, or of the fault if task is "": there has to be one
// for what is seen after something went wrong.
func (r *trialRun) hint(task, after string) {
	began := time.Now()
	_, err := r.e.Hint(r.ctx, VerifyUser, r.lab.Name, task)
	r.line("hint", "there is a hint after "+after, began, err)
}

// attempt runs a wrong attempt. It may end with an error, as wrong attempts do, but
// it has to run: what can't be started, or is no shell script, tries nothing.
func (r *trialRun) attempt(w format.Wrong) error {
	env, err := r.s.names(r.ctx)
	if err != nil {
		return err
	}
	out, err := r.s.run(r.ctx, mlops.LabLearner, w.Script, env, format.Longest)
	if err != nil {
		return err
	}
	const notExecutable, notFound = 126, 127 // POSIX, Shell Command Language, 2.8.2
	if out.Code == notExecutable || out.Code == notFound || out.Code != 0 && strings.Contains(out.Stderr, "syntax error") {
		return fmt.Errorf("wrong-%s.sh can't run, so it tries nothing: it ended with code %d: %s", w.Name, out.Code, lastLines(out))
	}
	return nil
}

// others are the tasks that are passed and don't come after one.
func (r *trialRun) others(than *format.Task) (out []*format.Task) {
	later := r.lab.Later(than.ID)
	for _, t := range r.lab.Tasks {
		if t != than && !slices.Contains(later, t) && r.passed(t) {
			out = append(out, t)
		}
	}
	return out
}

// undo resets a task; it and those after it fail, the others hold.
func (r *trialRun) undo(kind string, t *format.Task) error {
	others := r.others(t)
	began := time.Now()
	err := r.e.Reset(r.ctx, VerifyUser, r.lab.Name, t.ID)
	took := time.Since(began)
	if err == nil && took > resetMost {
		err = fmt.Errorf("it took %s: expected at most %s", took.Round(time.Millisecond), resetMost)
	}
	if err == nil {
		err = r.fails(append([]*format.Task{t}, r.lab.Later(t.ID)...))
	}
	if err == nil {
		if err = r.hold(solveLimit, others); err != nil {
			err = fmt.Errorf("the reset has hit another task: %w", err)
		}
	}
	if !r.said(VerifyLine{Kind: kind, What: "task " + t.ID + " is undone by its reset, and no other is", Took: took}, err) {
		return errStop
	}
	return nil
}

// all is what verify does with a room. A solution may run for a minute, so what is
// undone is not solved again: resets come last, the last task's first.
func (r *trialRun) all() error {
	began := time.Now()
	r.line("unsolved", "no task is passed by itself", began, r.fails(r.lab.Tasks))
	for _, t := range r.lab.Tasks {
		if err := r.task(t); err != nil {
			return err
		}
	}
	for i := range r.lab.Faults {
		if err := r.fault(i); err != nil {
			return err
		}
	}
	for _, t := range slices.Backward(r.lab.Tasks) {
		if err := r.undo("reset", t); err != nil {
			return err
		}
	}
	if err := r.solve("solve", r.lab.Tasks[0]); err != nil { // for a reset of the lab to undo
		return err
	}
	began = time.Now()
	err := r.e.Reset(r.ctx, VerifyUser, r.lab.Name, "")
	took := time.Since(began)
	if err == nil {
		err = r.fails(r.lab.Tasks)
	}
	r.said(VerifyLine{Kind: "reset lab", What: "no task is passed after a reset of the lab", Took: took}, err)
	return nil
}

// task takes the wrong ways and the right one, twice.
func (r *trialRun) task(t *format.Task) error {
	for _, w := range t.Wrong {
		began := time.Now()
		r.line("wrong", "task "+t.ID+" is not passed by wrong-"+w.Name+".sh", began, r.wrong(t, w, wrongFor))
		r.hint(t.ID, "wrong-"+w.Name+".sh")
		if err := r.undo("reset", t); err != nil {
			return err
		}
	}
	if err := r.solve("solve", t); err != nil {
		return err
	}
	began := time.Now()
	r.line("unsolved", "tasks after "+t.ID+" are not passed by its solution", began, r.fails(r.lab.Later(t.ID)))
	_, err := r.e.Solve(r.ctx, VerifyUser, r.lab.Name, t.ID)
	began = time.Now()
	if err == nil {
		err = r.hold(holdLimit, append(r.others(t), t))
	}
	r.line("again", "task "+t.ID+" holds after its solution has run twice", began, err)
	return nil
}

// fault injects one, waits for its symptom, and mends it.
func (r *trialRun) fault(i int) error {
	f := r.lab.Faults[i]
	began := time.Now()
	// What is well may not be so a moment later on a busy machine: nothing is broken
	// then, and all has to be well again.
	var err error
	ok := r.until(solveLimit, func() bool {
		err = r.e.Break(r.ctx, VerifyUser, r.lab.Name, int64(i)+1, false)
		return mlops.CodeOf(err) != mlops.InvalidState
	})
	if !ok {
		r.line("well", "all is well before fault "+f.ID, began, err)
		return errStop
	}
	r.line("well", "all is well before fault "+f.ID, began, nil)
	if err != nil {
		r.line("inject", "fault "+f.ID+" can be seen", began, err)
		return errStop
	}
	began = time.Now()
	var saw string
	ok = r.until(injectLimit, func() bool {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		saw = r.s.verdicts[""].Saw
		return saw != "" && r.s.broken
	})
	if !ok {
		err = fmt.Errorf("break.expect still holds %s after inject.sh", injectLimit)
	}
	seen := r.said(VerifyLine{Kind: "inject", What: "fault " + f.ID + " can be seen", Saw: saw, Took: time.Since(began)}, err)
	if seen {
		r.hint("", "fault "+f.ID)
	}
	if _, err := r.s.script(r.ctx, mlops.LabLearner, "faults/"+f.ID+"/mend.sh", f.Mend); err != nil {
		r.line("mend", "fault "+f.ID+" is mended by mend.sh", time.Now(), err)
		return errStop
	}
	if !seen {
		return r.e.GiveUp(r.ctx, VerifyUser, r.lab.Name)
	}
	began = time.Now()
	ok = r.until(mendLimit, func() bool {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		saw = r.s.verdicts[""].Saw
		return r.s.running() == nil
	})
	if !ok {
		err = fmt.Errorf("break.expect does not hold %s after mend.sh: %s", mendLimit, saw)
	} else if err = r.hold(holdLimit, r.lab.Tasks); err != nil {
		err = fmt.Errorf("after mend.sh: %w", err)
	}
	if !r.line("mend", "fault "+f.ID+" is mended by mend.sh", began, err) {
		return errStop
	}
	return nil
}

// walk takes steps by chance. What ought to be passed is known: what was solved
// since its last reset.
func (r *trialRun) walk(steps int, seed int64) error {
	chance := rand.New(rand.NewPCG(uint64(seed), 0x62656e6368746f70))
	ought, dirty := map[string]bool{}, map[string]bool{}
	for step := range steps {
		if r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		type move struct {
			name string
			do   func() error
		}
		var moves []move
		for _, t := range r.lab.Tasks {
			turn := !slices.ContainsFunc(t.After, func(id string) bool { return !ought[id] })
			switch {
			case ought[t.ID]:
				moves = append(moves, move{"solve " + t.ID + " again", func() error {
					_, err := r.e.Solve(r.ctx, VerifyUser, r.lab.Name, t.ID)
					return err
				}})
			case turn && !dirty[t.ID]:
				moves = append(moves, move{"solve " + t.ID, func() error {
					if _, err := r.e.Solve(r.ctx, VerifyUser, r.lab.Name, t.ID); err != nil {
						return err
					}
					ought[t.ID] = true
					return nil
				}})
				for _, w := range t.Wrong {
					moves = append(moves, move{"wrong-" + w.Name + " of " + t.ID, func() error {
						dirty[t.ID] = true
						return r.attempt(w)
					}})
				}
			}
			if ought[t.ID] || dirty[t.ID] {
				moves = append(moves, move{"reset " + t.ID, func() error {
					for _, undone := range append([]*format.Task{t}, r.lab.Later(t.ID)...) {
						delete(ought, undone.ID)
						delete(dirty, undone.ID)
					}
					return r.e.Reset(r.ctx, VerifyUser, r.lab.Name, t.ID)
				}})
			}
		}
		m := moves[chance.IntN(len(moves))]
		began := time.Now()
		err := m.do()
		if err == nil {
			err = r.oracle(ought, dirty)
		}
		if err != nil {
			err = fmt.Errorf("seed %d: %w", seed, err)
		}
		if !r.line("walk", fmt.Sprintf("step %d: %s", step+1, m.name), began, err) {
			return errStop
		}
	}
	return nil
}

// oracle holds the verdicts against what ought to be passed. While a wrong attempt
// lies about, what is passed need not hold: it may have undone that, and its reset
// mends it.
func (r *trialRun) oracle(ought, dirty map[string]bool) error {
	var right, wrong []*format.Task
	for _, t := range r.lab.Tasks {
		if ought[t.ID] {
			right = append(right, t)
		} else {
			wrong = append(wrong, t)
		}
	}
	if len(dirty) == 0 {
		if err := r.hold(solveLimit, right); err != nil {
			return err
		}
	}
	for _, t := range right {
		if !r.until(solveLimit, func() bool { return r.passed(t) }) {
			return fmt.Errorf("task %s is not passed and ought to be", t.ID)
		}
	}
	// Long enough for two looks to be wrong.
	var err error
	r.until(2*pause, func() bool {
		for _, t := range wrong {
			if r.passed(t) {
				err = fmt.Errorf("task %s is passed and ought not to be", t.ID)
			}
		}
		return err != nil
	})
	if err == nil {
		err = r.fails(wrong)
	}
	return err
}

// leave ends the session and looks whether anything is left of it.
func (r *trialRun) leave() {
	ctx, cancel := r.e.detached(r.ctx, leaveLimit)
	defer cancel()
	r.ctx = ctx
	began := time.Now()
	err := r.e.Leave(ctx, VerifyUser, r.lab.Name, true)
	if err == nil && !r.until(leaveLimit, func() bool { state, _ := r.state(); return state == mlops.LabClosed }) {
		_, problem := r.state()
		err = fmt.Errorf("the room is not gone after %s: %s", leaveLimit, orElse(problem, "it is still being removed"))
	}
	took := time.Since(began)
	if err == nil {
		err = r.left(ctx)
	}
	if err == nil {
		var store Store
		if store, err = r.e.ports.Store(); err == nil {
			err = store.DeleteSession(ctx, r.s.row.ID)
		}
	}
	r.said(VerifyLine{Kind: "leave", What: "nothing is left of the room", Took: took}, err)
}

// left says what of the room is still there.
func (r *trialRun) left(ctx context.Context) error {
	s := r.s
	c, err := r.e.ports.Cluster()
	if err != nil {
		return err
	}
	rooms, err := c.LabRooms(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(rooms, s.room) {
		return fmt.Errorf("the cluster still has something of %s", s.room)
	}
	names, err := r.e.ports.Left(ctx, s.room)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("there still is %s", strings.Join(names, ", "))
	}
	return nil
}
