package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// How a session is watched.
const (
	Watched  = 10 * time.Second       // somebody looks for that long after having asked
	pause    = 400 * time.Millisecond // between two looks, at least
	still    = 3 * time.Second        // between two looks at what is passed
	confirm  = 100 * time.Millisecond // between a look that passes a task and the second one
	mended   = 2 * time.Second        // break.expect holds for that long
	redraw   = time.Second            // between two drawings of the scene
	reopen   = 10 * time.Second       // between two tries to bring a shell back
	sceneMax = 3 * time.Second        // that drawing may take
	repairs  = time.Minute            // that bringing a shell back may take
)

// look asks for a session to be watched.
func (s *stay) look() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = time.Now().Add(Watched)
	if s.watching || s.row.State != mlops.LabOpen || s.lab == nil || s.e.ctx.Err() != nil {
		return
	}
	s.watching = true
	s.e.running.Go(func() { s.watch(s.e.ctx) })
}

// seen reports whether somebody looks. If not, the watcher ends.
func (s *stay) seen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watching = s.row.State == mlops.LabOpen && (s.terminals > 0 || time.Now().Before(s.watched))
	return s.watching
}

func (s *stay) watch(ctx context.Context) {
	for s.seen() {
		began := time.Now()
		again, err := s.round(ctx, "")
		if err != nil && ctx.Err() == nil {
			s.e.log.Warn("labs: a look could not be kept", "room", s.room, "err", err)
		}
		s.e.running.Go(func() { s.draw(ctx) }) // verdicts don't wait for it
		if again {
			continue
		}
		t := time.NewTimer(max(pause, time.Since(began)))
		select {
		case <-ctx.Done():
			t.Stop()
			s.mu.Lock()
			s.watching = false
			s.mu.Unlock()
			return
		case <-s.kick:
			t.Stop()
		case <-t.C:
		}
	}
}

// hold keeps others from looking.
func (s *stay) hold(ctx context.Context) (release func(), err error) {
	select {
	case s.looks <- struct{}{}:
		return func() { <-s.looks }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// round looks at what is due, or at one task. Again is true if tasks are passed,
// because others may have been unlocked.
func (s *stay) round(ctx context.Context, task string) (again bool, err error) {
	release, err := s.hold(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	s.mu.Lock()
	open := s.row.State == mlops.LabOpen
	s.mu.Unlock()
	if !open {
		return false, nil
	}
	if _, err := s.names(ctx); err != nil {
		s.fail(s.due(task), plain(err))
		return false, nil
	}
	found := s.judge(ctx, s.due(task))
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	var passing []*format.Task
	s.mu.Lock()
	for _, t := range s.lab.Tasks {
		if _, passed := s.passes[t.ID]; !passed && found[t.ID].Holds {
			passing = append(passing, t)
		}
	}
	s.mu.Unlock()
	if len(passing) > 0 {
		if !sleep(ctx, confirm) {
			return false, ctx.Err()
		}
		second := s.judge(ctx, passing)
		for _, t := range passing {
			found[t.ID] = second[t.ID]
		}
	}
	s.learn(found)
	for _, t := range passing {
		if found[t.ID].Holds {
			again = true
			err = errors.Join(err, s.pass(ctx, t))
		}
	}
	if v, ok := found[""]; ok {
		err = errors.Join(err, s.mend(ctx, v))
	}
	return again && err == nil, err
}

// due returns the tasks whose time has come; nil stands for what is broken.
func (s *stay) due(task string) (due []*format.Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := func(id string) bool {
		v, ok := s.verdicts[id]
		return !ok || time.Since(v.At) >= still
	}
	for _, t := range s.lab.Tasks {
		_, passed := s.passes[t.ID]
		switch {
		case task != "" && task != t.ID:
		case !passed && !s.unlocked(t):
		case passed && task == "" && !old(t.ID):
		default:
			due = append(due, t)
		}
	}
	if task == "" && s.all() && (s.running() != nil || old("")) {
		due = append(due, nil)
	}
	return due
}

// judge looks at tasks, all at once.
func (s *stay) judge(ctx context.Context, tasks []*format.Task) map[string]check.Verdict {
	s.mu.Lock()
	env := s.env
	s.mu.Unlock()
	l := check.NewLook(ctx, s.world(), env)
	defer l.Close()
	found := map[string]check.Verdict{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, t := range tasks {
		all.Go(func() {
			id, c := "", s.lab.Break.Check
			if t != nil {
				id, c = t.ID, t.Check
			}
			v := l.Judge(c)
			mu.Lock()
			defer mu.Unlock()
			found[id] = v
		})
	}
	all.Wait()
	return found
}

// fail makes the verdict on tasks a fault of ours.
func (s *stay) fail(tasks []*format.Task, why string) {
	found := map[string]check.Verdict{}
	for _, t := range tasks {
		id := ""
		if t != nil {
			id = t.ID
		}
		found[id] = check.Verdict{Fault: why, At: time.Now()}
	}
	s.learn(found)
}

// learn keeps verdicts, and tells who looks if they say something new.
func (s *stay) learn(found map[string]check.Verdict) {
	news := false
	s.mu.Lock()
	for id, v := range found {
		was, ok := s.verdicts[id]
		news = news || !ok || was.Holds != v.Holds || was.Saw != v.Saw || was.Fault != v.Fault
		s.verdicts[id] = v
	}
	s.mu.Unlock()
	if news {
		s.e.tell(s.place)
	}
}

// pass notes that a task is passed.
func (s *stay) pass(ctx context.Context, t *format.Task) error {
	store, err := s.e.ports.Store()
	if err != nil {
		return err
	}
	s.mu.Lock()
	p := mlops.LabPass{Task: t.ID, At: time.Now(), Solved: s.solved[t.ID]}
	s.mu.Unlock()
	if err := store.AddPass(ctx, s.row.ID, p); err != nil {
		return err
	}
	s.mu.Lock()
	s.passes[t.ID] = p
	s.mu.Unlock()
	s.e.tell(s.place)
	return nil
}

// mend ends the running break once all has been well for a while after it was not.
func (s *stay) mend(ctx context.Context, v check.Verdict) error {
	s.mu.Lock()
	b := s.running()
	if b == nil {
		s.mu.Unlock()
		return nil
	}
	switch {
	case !v.Holds:
		s.broken, s.healed = s.broken || v.Fault == "", time.Time{}
	case s.broken && s.healed.IsZero():
		s.healed = v.At
	}
	id, since := b.ID, s.healed
	s.mu.Unlock()
	if since.IsZero() || v.At.Sub(since) < mended {
		return nil
	}
	return s.over(ctx, id, since, time.Time{})
}

// over ends a break, in its row first.
func (s *stay) over(ctx context.Context, id int64, mended, gaveUp time.Time) error {
	store, err := s.e.ports.Store()
	if err != nil {
		return err
	}
	if err := store.EndBreak(ctx, id, mended, gaveUp); err != nil {
		return err
	}
	s.mu.Lock()
	for i := range s.breaks {
		if s.breaks[i].ID == id {
			s.breaks[i].MendedAt, s.breaks[i].GaveUpAt = mended, gaveUp
		}
	}
	s.mu.Unlock()
	s.e.tell(s.place)
	return nil
}

// draw brings the scene and what is known of the shell up to date. A shell that
// is gone is made again. What it finds is for all who look: ctx must not be that
// of one of them.
func (s *stay) draw(engine context.Context) {
	s.mu.Lock()
	fresh := s.drawing || time.Since(s.drawn) < redraw
	if !fresh {
		s.drawing = true
	}
	was, shell := s.scene, s.shell
	s.mu.Unlock()
	if fresh {
		return
	}
	defer func() {
		s.mu.Lock()
		s.drawing, s.drawn = false, time.Now()
		s.mu.Unlock()
	}()
	c, err := s.e.ports.Cluster()
	if err != nil {
		return // who looks is told by the tasks' verdicts
	}
	ctx, cancel := context.WithTimeout(engine, sceneMax)
	defer cancel()
	now, err := c.LabShell(ctx, s.room)
	switch {
	case engine.Err() != nil:
		return
	case ctx.Err() != nil:
		now = mlops.LabShell{Why: fmt.Sprintf("whether it runs is not known: the cluster has not answered within %s", sceneMax)}
	case err != nil:
		now = mlops.LabShell{Why: plain(err)}
	}
	env, err := s.names(ctx)
	if err != nil {
		return
	}
	scene := was
	if drawn, err := s.paint(ctx, c, env); err == nil {
		scene = drawn
	} else if ctx.Err() == nil {
		s.e.log.Warn("labs: the scene could not be drawn", "room", s.room, "err", err)
	}
	s.mu.Lock()
	s.scene, s.shell = scene, now
	mend := !now.Ready && s.row.State == mlops.LabOpen && s.busy == "" && s.repairing == nil && time.Since(s.repaired) >= reopen
	s.mu.Unlock()
	if !reflect.DeepEqual(scene, was) || now != shell {
		s.e.tell(s.place)
	}
	if mend {
		s.e.mu.Lock()
		s.repair(false)
		s.e.mu.Unlock()
	}
}

// repair completes a room in the background, with e.mu held, unless that is under
// way. With again it goes on until it succeeds.
func (s *stay) repair(again bool) {
	if s.e.ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repairing != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.e.ctx)
	s.repairing = cancel
	s.e.running.Go(func() {
		defer func() {
			cancel()
			s.mu.Lock()
			s.repairing, s.repaired = nil, time.Now()
			s.mu.Unlock()
		}()
		for wait := time.Second; ; wait = min(2*wait, 15*time.Second) {
			err := s.complete(ctx)
			if err == nil || ctx.Err() != nil {
				return
			}
			s.e.log.Warn("labs: a room could not be completed", "room", s.room, "err", err)
			if !again || !sleep(ctx, wait) {
				return
			}
		}
	})
}

// complete has the cluster complete a room, unless it is being removed.
func (s *stay) complete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, repairs)
	defer cancel()
	c, err := s.e.ports.Cluster()
	if err != nil {
		return err
	}
	release, err := s.hold(ctx) // who removes the room holds it
	if err != nil {
		return err
	}
	defer release()
	s.mu.Lock()
	open := s.row.State == mlops.LabOpen
	s.mu.Unlock()
	if !open {
		return nil
	}
	env, err := s.names(ctx)
	if err != nil {
		return err
	}
	return c.OpenLab(ctx, s.cluster(env))
}

// Check looks now, at one task or at all that can be looked at.
func (e *Engine) Check(ctx context.Context, user, lab, task string) error {
	s, err := e.openStay(user, lab)
	if err != nil {
		return err
	}
	if task != "" {
		if err := s.turn(task); err != nil {
			return err
		}
	}
	s.mu.Lock()
	busy := s.busy
	for _, t := range s.lab.Tasks {
		if task == "" || task == t.ID { // what holds still is looked at as well
			if v, ok := s.verdicts[t.ID]; ok {
				v.At = time.Time{}
				s.verdicts[t.ID] = v
			}
		}
	}
	s.mu.Unlock()
	if busy == resetting {
		return mlops.Errorf(mlops.InvalidState, "%s is under way in lab %s: try again when it is done.", busy, lab)
	}
	for {
		again, err := s.round(ctx, task)
		if err != nil || !again || task != "" {
			return err
		}
	}
}

// turn says why a task can't be worked on yet.
func (s *stay) turn(task string) error {
	t := s.lab.Task(task)
	if t == nil {
		return mlops.Errorf(mlops.NotFound, "Lab %s has no task %s: it has %s.", s.place.lab, task, ids(s.lab.Tasks))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, passed := s.passes[task]; passed {
		return nil
	}
	for _, before := range t.After {
		if _, ok := s.passes[before]; !ok {
			return mlops.Errorf(mlops.InvalidState, "Task %s is locked: pass %s first.", task, before)
		}
	}
	return nil
}
