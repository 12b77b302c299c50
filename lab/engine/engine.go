package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// MaxOpen is how many sessions may be open on the machine: each has pods.
const MaxOpen = 4

// VerifyUser has the sessions of verify. They don't count, and are left at the
// start, because nobody comes back to them. No key can have such a name.
const VerifyUser = "benchtop:verify"

// Engine runs guided labs. It does nothing while nobody looks at one and none is
// being opened or closed.
type Engine struct {
	ports Ports
	log   *slog.Logger
	labs  func() []*format.Lab

	running sync.WaitGroup

	mu       sync.Mutex
	ctx      context.Context // of Run, nil before
	loaded   bool
	stopping bool
	problem  error           // why sessions could not be read yet
	stays    map[place]*stay // sessions that aren't closed
	strays   map[string]bool // rooms that are removed because no session has them
	changed  map[place]chan struct{}
	opening  sync.Mutex // one Start at a time: they count each other
}

// place is where a user is.
type place struct{ user, lab string }

// Open returns an engine for the labs of a folder, for example content.Labs, whose
// expectations have been read by a test. Labs with problems are left out, and the
// log says which.
func Open(p Ports, labs fs.FS, log *slog.Logger) *Engine {
	return &Engine{ports: p, log: log, stays: map[place]*stay{}, strays: map[string]bool{}, changed: map[place]chan struct{}{},
		labs: sync.OnceValue(func() []*format.Lab {
			all, err := format.Trusted(labs)
			if err != nil {
				log.Error("labs: some can't be read", "problems", err.Error())
			}
			return all
		})}
}

// Run goes on with what was being opened or closed, and works until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.ctx = ctx
	e.mu.Unlock()
	for wait := time.Second; ; wait = min(2*wait, 10*time.Second) {
		err := e.load(ctx)
		if err == nil {
			break
		}
		e.mu.Lock()
		e.problem = err
		e.mu.Unlock()
		if !sleep(ctx, wait) {
			break
		}
	}
	<-ctx.Done()
	e.mu.Lock() // whoever starts something holds this, and has looked at ctx
	e.stopping = true
	e.mu.Unlock()
	e.running.Wait()
	return nil
}

// load reads the sessions that aren't closed.
func (e *Engine) load(ctx context.Context) error {
	store, err := e.ports.Store()
	if err != nil {
		return err
	}
	rows, err := store.Sessions(ctx)
	if err != nil {
		return err
	}
	var stays []*stay
	for _, row := range rows {
		h, err := store.Session(ctx, row.ID)
		if err != nil {
			return err
		}
		s := e.newStay(e.lab(row.Lab), h)
		if row.User == VerifyUser && s.row.State != mlops.LabClosing {
			if err := store.SetSession(ctx, row.ID, mlops.LabClosing, "", time.Time{}); err != nil {
				return err
			}
			s.row.State = mlops.LabClosing
		}
		stays = append(stays, s)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loaded = true
	for _, s := range stays {
		e.stays[s.place] = s
		switch s.row.State {
		case mlops.LabOpening:
			s.work(s.open)
		case mlops.LabOpen: // a new version may have other policies, rights or images
			if s.lab != nil {
				s.repair(true)
			}
		case mlops.LabClosing:
			s.work(s.close)
		}
	}
	e.running.Go(func() {
		for wait := time.Second; ; wait = min(2*wait, 15*time.Second) {
			err := e.tidy(ctx)
			if err == nil || ctx.Err() != nil {
				return
			}
			e.log.Warn("labs: whether rooms are left over is not known, or they could not be removed", "err", err)
			if !sleep(ctx, wait) {
				return
			}
		}
	})
	return nil
}

// tidy removes the rooms that the cluster has and no row does, for example after
// the rows were restored from a backup.
func (e *Engine) tidy(ctx context.Context) error {
	loop, err := e.ports.Loop()
	if err != nil {
		return err
	}
	c, err := e.ports.Cluster()
	if err != nil {
		return err
	}
	rooms, err := c.LabRooms(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	own := map[string]bool{}
	for _, s := range e.stays {
		own[s.room] = true
	}
	for _, room := range rooms {
		if !own[room] {
			e.strays[room] = true // and stays one until it is gone: a session that gets its name waits
		}
	}
	strays := slices.Sorted(maps.Keys(e.strays))
	e.mu.Unlock()
	var failed error
	for _, room := range strays {
		e.log.Info("labs: a room that no session has is removed", "room", room)
		if err := e.remove(ctx, c, loop, room, true); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", room, err))
			continue
		}
		e.mu.Lock()
		delete(e.strays, room)
		e.mu.Unlock()
	}
	return failed
}

// lab returns a lab of the catalogue, or nil.
func (e *Engine) lab(name string) *format.Lab {
	for _, l := range e.labs() {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// known returns a lab of the catalogue.
func (e *Engine) known(name string) (*format.Lab, error) {
	l := e.lab(name)
	if l == nil {
		return nil, mlops.Errorf(mlops.NotFound, "There is no lab %s: `benchtop lab list` names those that there are.", name)
	}
	return l, nil
}

// ready says whether sessions are known.
func (e *Engine) ready() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return mlops.Errorf(mlops.Unavailable, "Benchtop is stopping: open labs stay, and go on with the next start.")
	}
	if e.loaded {
		return nil
	}
	if e.problem != nil {
		return &mlops.Error{Code: mlops.Unavailable, Message: "The labs are still starting: " + mlops.MessageOf(e.problem), Err: e.problem}
	}
	return mlops.Errorf(mlops.Unavailable, "The labs are still starting: try again in a moment.")
}

// stay returns a session, nil if there is none.
func (e *Engine) stay(user, lab string) (*stay, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stays[place{user, lab}], nil
}

// openStay returns a session whose room is ready.
func (e *Engine) openStay(user, lab string) (*stay, error) {
	s, err := e.stay(user, lab)
	if err != nil {
		return nil, err
	}
	if s == nil {
		if _, err := e.known(lab); err != nil {
			return nil, err
		}
		return nil, mlops.Errorf(mlops.InvalidState, "Lab %s is not open: start it first, for example with `benchtop lab start %s`.", lab, lab)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.row.State {
	case mlops.LabOpening:
		return nil, mlops.Errorf(mlops.InvalidState, "Lab %s is still being made: it takes some seconds%s.", lab, because(s.row.Problem))
	case mlops.LabClosing:
		return nil, mlops.Errorf(mlops.InvalidState, "Lab %s is being removed%s.", lab, because(s.row.Problem))
	}
	if s.lab == nil {
		return nil, mlops.Errorf(mlops.NotFound, "Lab %s does not exist any more: leave it with `benchtop lab leave %s`.", lab, lab)
	}
	return s, nil
}

func because(problem string) string {
	if problem == "" {
		return ""
	}
	return " (" + strings.TrimSuffix(problem, ".") + ")"
}

// Changed is closed when something of a user's session has changed. It is nil for a
// lab that does not exist.
func (e *Engine) Changed(user, lab string) <-chan struct{} {
	known := e.lab(lab) != nil
	e.mu.Lock()
	defer e.mu.Unlock()
	at := place{user, lab}
	if !known && e.stays[at] == nil {
		return nil // nothing of it will ever change, and anybody can think of names
	}
	c, ok := e.changed[at]
	if !ok {
		c = make(chan struct{})
		e.changed[at] = c
	}
	return c
}

// tell says that something of a session has changed.
func (e *Engine) tell(at place) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, ok := e.changed[at]; ok {
		close(c)
		delete(e.changed, at)
	}
}

// Start opens a session and returns; the room is made in the background.
func (e *Engine) Start(ctx context.Context, user, lab string, timed bool) error {
	if err := e.ready(); err != nil {
		return err
	}
	l, err := e.known(lab)
	if err != nil {
		return err
	}
	_, err = e.start(ctx, user, l, timed)
	return err
}

func (e *Engine) start(ctx context.Context, user string, l *format.Lab, timed bool) (*stay, error) {
	if lacks, err := e.lacks(ctx, l); err != nil {
		return nil, err
	} else if lacks != "" {
		return nil, mlops.Errorf(mlops.InvalidState, "Lab %s can't run here: %s", l.Name, lacks)
	}
	e.opening.Lock()
	defer e.opening.Unlock()
	if err := e.free(user, l.Name); err != nil {
		return nil, err
	}
	store, err := e.ports.Store()
	if err != nil {
		return nil, err
	}
	row, err := store.CreateSession(ctx, mlops.LabSession{Lab: l.Name, User: user, State: mlops.LabOpening, Timed: timed, OpenedAt: time.Now()})
	if err != nil {
		return nil, err
	}
	s := e.newStay(l, mlops.LabHistory{LabSession: row})
	e.mu.Lock()
	e.stays[s.place] = s
	s.work(s.open)
	e.mu.Unlock()
	e.tell(s.place)
	return s, nil
}

// free says why a user can't start a lab now.
func (e *Engine) free(user, lab string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if state, problem := e.stays[place{user, lab}].state(); state != mlops.LabClosed {
		if state == mlops.LabClosing {
			return mlops.Errorf(mlops.InvalidState, "Lab %s is still being removed: start it again in some seconds%s.", lab, because(problem))
		}
		return mlops.Errorf(mlops.Exists, "Lab %s is open already: go on with it, or leave it first with `benchtop lab leave %s`.", lab, lab)
	}
	if user == VerifyUser {
		return nil
	}
	var open []place
	for at, s := range e.stays {
		if state, _ := s.state(); at.user != VerifyUser && state != mlops.LabClosed {
			open = append(open, at)
		}
	}
	if len(open) < MaxOpen {
		return nil
	}
	slices.SortFunc(open, func(a, b place) int { return cmp.Or(strings.Compare(a.lab, b.lab), strings.Compare(a.user, b.user)) })
	names := make([]string, len(open))
	for i, at := range open {
		if names[i] = at.lab; at.user != user {
			names[i] += " (of " + at.user + ")"
		}
	}
	leave := "benchtop lab leave " + open[0].lab + " --user " + open[0].user
	if i := slices.IndexFunc(open, func(at place) bool { return at.user == user }); i >= 0 {
		leave = "benchtop lab leave " + open[i].lab
	}
	return mlops.Errorf(mlops.InvalidState, "%d labs are open, and this machine keeps at most %d: %s. Leave one first, for example with `%s`.", len(open), MaxOpen, strings.Join(names, ", "), leave)
}

// lacks says what the machine has not that a lab needs.
func (e *Engine) lacks(ctx context.Context, l *format.Lab) (string, error) {
	if !l.Needs.GPUs {
		return "", nil
	}
	has, err := e.ports.GPUs(ctx)
	if err != nil || has {
		return "", err
	}
	return "it needs GPUs, and the machine has none. Simulated ones will do: `benchtop up --simulate-gpus 2xA100-80GB`.", nil
}

// Leave closes a session. With work in it, it has to be sure, or mlops.ErrUnsure is
// the answer.
func (e *Engine) Leave(ctx context.Context, user, lab string, sure bool) error {
	s, err := e.stay(user, lab)
	if err != nil {
		return err
	}
	if s == nil {
		if _, err := e.known(lab); err != nil {
			return err
		}
		return mlops.Errorf(mlops.InvalidState, "Lab %s is not open, so there is nothing to leave.", lab)
	}
	end, err := s.begin("Leaving")
	if err != nil {
		return err
	}
	defer end()
	s.mu.Lock()
	state := s.row.State
	s.mu.Unlock()
	if state == mlops.LabClosing {
		return nil
	}
	if state == mlops.LabOpen && !sure {
		what, err := s.contents(ctx)
		if err != nil {
			return &mlops.Error{Code: mlops.InvalidState, Message: fmt.Sprintf("What is in lab %s can't be seen now (%s). Leaving removes all of it.", lab, strings.TrimSuffix(mlops.MessageOf(err), ".")), Err: errors.Join(mlops.ErrUnsure, err)}
		}
		if what != "" {
			return &mlops.Error{Code: mlops.InvalidState, Message: fmt.Sprintf("There is work in lab %s: %s. Leaving removes it.", lab, what), Err: mlops.ErrUnsure}
		}
	}
	return s.leave(ctx)
}

// Export returns all that is kept of the user's labs.
func (e *Engine) Export(ctx context.Context, user string) ([]mlops.LabHistory, error) {
	store, err := e.ports.Store()
	if err != nil {
		return nil, err
	}
	all, err := store.History(ctx, user)
	if err != nil {
		return nil, err
	}
	for i := range all {
		for j, b := range all[i].Breaks {
			var env map[string]string
			l := e.lab(all[i].Lab)
			if l != nil {
				env = e.foreseen(l, all[i].Room)
			}
			all[i].Breaks[j] = told(l, b, env)
		}
	}
	return all, nil
}

// sleep waits; it is false if ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// plain is err for users: what is no *mlops.Error is told as it is, because it
// comes from the lab's own scripts and cluster.
func plain(err error) string {
	var e *mlops.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
