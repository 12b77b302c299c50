package engine

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// stay is a session that isn't closed, with what is known of it besides its rows.
type stay struct {
	e     *Engine
	lab   *format.Lab // nil if the lab does not exist any more
	place place
	room  string

	looks chan struct{} // who has its one token may look, or see to it that nobody does
	kick  chan struct{} // a look is due now
	asked chan struct{} // who has its one token may add a hint or an answer: each is added once

	mu     sync.Mutex
	row    mlops.LabSession
	step   string // what is being done while it opens or closes
	busy   string // what is under way that nothing else may cross
	cancel context.CancelFunc
	idle   chan struct{} // closed when what was opening or closing has ended
	env    map[string]string
	token  string

	passes  map[string]mlops.LabPass
	hints   []mlops.LabHintTaken
	answers []mlops.LabAnswer
	breaks  []mlops.LabBreak
	solved  map[string]bool // the author's solution of these has been run
	failed  map[string]bool // these faults could not be injected

	verdicts map[string]check.Verdict // by task; "" is the break's
	broken   bool                     // the running break was seen to be there
	healed   time.Time                // since when break.expect has held again
	brought  map[string]bool          // what the setup has made

	watched   time.Time // until when somebody looks
	terminals int
	watching  bool

	scene     mlops.LabScene
	shell     mlops.LabShell
	drawn     time.Time
	drawing   bool
	repairing context.CancelFunc // nil while nothing is being completed
	repaired  time.Time
}

func (e *Engine) newStay(l *format.Lab, h mlops.LabHistory) *stay {
	s := &stay{e: e, lab: l, place: place{h.User, h.Lab}, room: h.Room, row: h.LabSession, hints: h.Hints, answers: h.Answers, breaks: h.Breaks,
		passes: map[string]mlops.LabPass{}, solved: map[string]bool{}, failed: map[string]bool{}, verdicts: map[string]check.Verdict{},
		looks: make(chan struct{}, 1), kick: make(chan struct{}, 1), asked: make(chan struct{}, 1), broken: true}
	for _, p := range h.Passes {
		s.passes[p.Task] = p
	}
	return s
}

// pauseTaken is the pause between two tries while something of a user's has the
// room's name.
const pauseTaken = time.Minute

// work does something in the background until it succeeds, with e.mu held. What
// it did before has ended.
func (s *stay) work(do func(ctx context.Context) error) {
	if s.e.ctx.Err() != nil {
		return // the next process does it
	}
	ctx, cancel := context.WithCancel(s.e.ctx)
	idle := make(chan struct{})
	s.mu.Lock()
	s.idle, s.cancel = idle, cancel
	s.mu.Unlock()
	s.e.running.Go(func() {
		defer close(idle)
		defer cancel()
		for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 15*time.Second) {
			err := do(ctx)
			if err == nil || ctx.Err() != nil {
				return
			}
			s.e.log.Warn("labs: trying again", "room", s.room, "in", wait, "err", err)
			s.note(ctx, plain(err))
			pause := wait
			if mlops.CodeOf(err) == mlops.Exists { // somebody else has the name: only they can change that
				pause = pauseTaken
			}
			if !sleep(ctx, pause) {
				return
			}
		}
	})
}

// note keeps why a session can't be opened or closed.
func (s *stay) note(ctx context.Context, problem string) {
	s.mu.Lock()
	row := s.row
	s.row.Problem, s.step = problem, problem // who looks at the shell sees it too
	s.mu.Unlock()
	if row.Problem == problem {
		return
	}
	s.e.tell(s.place)
	store, err := s.e.ports.Store()
	if err == nil {
		err = store.SetSession(ctx, row.ID, row.State, problem, time.Time{})
	}
	if err != nil {
		s.e.log.Warn("labs: a problem could not be kept", "room", s.room, "err", err)
	}
}

// set changes the state, in the row first.
func (s *stay) set(ctx context.Context, state mlops.LabState) error {
	store, err := s.e.ports.Store()
	if err != nil {
		return err
	}
	now := time.Now()
	if err := store.SetSession(ctx, s.row.ID, state, "", now); err != nil {
		return err
	}
	s.mu.Lock()
	s.row.State, s.row.Problem, s.step = state, "", ""
	switch state {
	case mlops.LabOpen:
		s.row.ReadyAt = now
	case mlops.LabClosed:
		s.row.ClosedAt = now
	}
	s.mu.Unlock()
	s.e.tell(s.place)
	return nil
}

// doing says what is being done.
func (s *stay) doing(what string) {
	s.mu.Lock()
	changed := s.step != what
	s.step = what
	s.mu.Unlock()
	if changed {
		s.e.tell(s.place)
	}
}

// begin keeps others from crossing what. It is refused while something else is under way.
func (s *stay) begin(what string) (end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy != "" {
		return nil, mlops.Errorf(mlops.InvalidState, "%s is under way in lab %s: try again when it is done.", s.busy, s.place.lab)
	}
	s.busy = what
	return func() {
		s.mu.Lock()
		s.busy = ""
		s.mu.Unlock()
		s.e.tell(s.place)
	}, nil
}

// state is how a session fares, and why it does not go on. One that isn't there is closed.
func (s *stay) state() (mlops.LabState, string) {
	if s == nil {
		return mlops.LabClosed, ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.row.State, s.row.Problem
}

// project is the name of the room's project, "" if the lab has none.
func (s *stay) project() string {
	if s.lab == nil || s.lab.Needs.Dataset == "" {
		return ""
	}
	return mlops.LabProject(s.room)
}

// key returns the room's key. It reaches the room's project too.
func (s *stay) key(ctx context.Context) (mlops.NewKey, error) {
	var projects []string
	if p := s.project(); p != "" {
		projects = []string{p}
	}
	return s.e.ports.Keys.LabKey(ctx, s.room, projects)
}

// names makes sure that the room's key and variables are known.
func (s *stay) names(ctx context.Context) (map[string]string, error) {
	s.mu.Lock()
	env, state := s.env, s.row.State
	s.mu.Unlock()
	if env != nil {
		return env, nil
	}
	if state == mlops.LabClosing || state == mlops.LabClosed { // to ask for the key would make it again
		return nil, mlops.Errorf(mlops.InvalidState, "Lab %s is being removed.", s.place.lab)
	}
	key, err := s.key(ctx)
	if err != nil {
		return nil, err
	}
	env = map[string]string{}
	maps.Copy(env, s.e.ports.Env(s.room, key.Token))
	fill(env, s.room, s.project())
	s.mu.Lock()
	s.env, s.token = env, key.Token
	s.mu.Unlock()
	return env, nil
}

// fill adds what follows from a room's name.
func fill(env map[string]string, room, project string) {
	env["LAB"], env["BUCKET"] = room, room
	if project != "" {
		env["PROJECT"] = project
	}
}

// cluster returns the room as the cluster is told of it.
func (s *stay) cluster(env map[string]string) mlops.LabRoom {
	n := s.lab.Needs
	r := mlops.LabRoom{Name: s.room, Lab: s.lab.Name, ClusterRead: n.Cluster, GPUs: n.GPUs, Env: env, Files: map[string]string{},
		CPU: n.CPU, Memory: n.Memory, Pods: n.Pods}
	if p := s.project(); p != "" {
		r.Namespaces, r.ProjectRead = []string{p}, true
	}
	for name, text := range s.lab.Home {
		r.Files[name] = check.Expand(text, env)
	}
	return r
}

// leaked is how the variables begin that have the key that leaks.
const leaked = "LEAKED_KEY_"

// script runs one of the lab's scripts. That it ends with another code than 0 is
// an error, which says what it has said last. The author's scripts get the key
// that leaks if they name it, those of checks don't: to ask for it makes it again
// once it is revoked.
func (s *stay) script(ctx context.Context, container, name, text string) (mlops.LabOutput, error) {
	env, err := s.names(ctx)
	if err == nil && container == mlops.LabAuthor && s.lab.Needs.Leak && strings.Contains(text, leaked) {
		var key mlops.NewKey
		if key, err = s.e.ports.Keys.LeakKey(ctx, s.room); err == nil {
			env = maps.Clone(env)
			env[leaked+"NAME"], env[leaked+"SECRET"] = key.Name, key.Token
		}
	}
	var out mlops.LabOutput
	if err == nil {
		out, err = s.run(ctx, container, text, env, format.Longest)
	}
	if err != nil {
		s.look() // a watcher brings back a shell that is gone
		return out, &mlops.Error{Code: mlops.CodeOf(err), Message: fmt.Sprintf("%s of lab %s could not run: %s", name, s.place.lab, plain(err)), Err: err}
	}
	if out.Code != 0 {
		return out, mlops.Errorf(mlops.Internal, "%s of lab %s ended with code %d: %s", name, s.place.lab, out.Code, lastLines(out))
	}
	return out, nil
}

func (s *stay) run(ctx context.Context, container, text string, env map[string]string, timeout time.Duration) (mlops.LabOutput, error) {
	c, err := s.e.ports.Cluster()
	if err != nil {
		return mlops.LabOutput{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout+time.Second)
	defer cancel()
	return c.RunLab(ctx, s.room, mlops.LabScript{Container: container, Text: text, Env: env, Timeout: timeout})
}

// lastLines is what a script has said at its end.
func lastLines(out mlops.LabOutput) string {
	text := strings.TrimSpace(out.Stderr)
	if text == "" {
		text = strings.TrimSpace(out.Stdout)
	}
	if text == "" {
		return "it has said nothing"
	}
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// world is what the checks of the room read.
func (s *stay) world() check.World {
	cluster := s.e.ports.Cluster
	return check.World{
		Objects: func(ctx context.Context, q mlops.LabObjects) (any, error) {
			c, err := cluster()
			if err != nil {
				return nil, err
			}
			return c.LabObjects(ctx, q)
		},
		Call: func(ctx context.Context, method, path string, body []byte) (int, any, error) {
			s.mu.Lock()
			token := s.token
			s.mu.Unlock()
			return s.e.ports.Call(ctx, token, method, path, body)
		},
		Listed: s.e.ports.Objects,
		Query:  s.e.ports.Metrics.Query,
		Script: func(ctx context.Context, text string, timeout time.Duration) (mlops.LabOutput, error) {
			env, err := s.names(ctx)
			if err != nil {
				return mlops.LabOutput{}, err
			}
			return s.run(ctx, mlops.LabAuthor, text, env, timeout)
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return s.e.ports.Dial(ctx, network, address)
		},
		Now: time.Now,
	}
}

// unlocked reports whether a task's turn has come, with s.mu held.
func (s *stay) unlocked(t *format.Task) bool {
	return !slices.ContainsFunc(t.After, func(id string) bool { _, ok := s.passes[id]; return !ok })
}

// running returns the break that isn't over, with s.mu held.
func (s *stay) running() *mlops.LabBreak {
	for i := range s.breaks {
		if !s.breaks[i].Over() {
			return &s.breaks[i]
		}
	}
	return nil
}

// all reports whether every task is passed, with s.mu held.
func (s *stay) all() bool {
	return !slices.ContainsFunc(s.lab.Tasks, func(t *format.Task) bool { _, ok := s.passes[t.ID]; return !ok })
}
