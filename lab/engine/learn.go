package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// What nothing else may cross.
const (
	resetting = "A reset"
	solving   = "The author's solution"
	breaking  = "Breaking"
	givingUp  = "Giving up"
)

func ids(tasks []*format.Task) string {
	names := make([]string, len(tasks))
	for i, t := range tasks {
		names[i] = t.ID
	}
	return strings.Join(names, ", ")
}

// hintFresh is how old a verdict may be that a hint is for.
const hintFresh = time.Second

// Hint takes the next hint of a task, or of the fault if task is "".
func (e *Engine) Hint(ctx context.Context, user, lab, task string) (mlops.LabHintTaken, error) {
	s, err := e.openStay(user, lab)
	if err != nil {
		return mlops.LabHintTaken{}, err
	}
	if task != "" {
		if err := s.turn(task); err != nil {
			return mlops.LabHintTaken{}, err
		}
	}
	s.mu.Lock()
	fresh := time.Since(s.verdicts[task].At) <= hintFresh
	if _, passed := s.passes[task]; passed {
		fresh = true
	}
	s.mu.Unlock()
	if !fresh { // a hint has to fit what is there now
		if _, err := s.round(ctx, task); err != nil {
			return mlops.LabHintTaken{}, err
		}
	}
	env, err := s.names(ctx)
	if err != nil {
		return mlops.LabHintTaken{}, err
	}
	s.asked <- struct{}{}
	defer func() { <-s.asked }()
	s.mu.Lock()
	if _, passed := s.passes[task]; passed && task != "" {
		s.mu.Unlock()
		return mlops.LabHintTaken{}, mlops.Errorf(mlops.InvalidState, "Task %s is passed: it needs no hint.", task)
	}
	if task == "" && s.running() == nil {
		s.mu.Unlock()
		return mlops.LabHintTaken{}, mlops.Errorf(mlops.InvalidState, "Nothing is broken in lab %s: hints without a task are for a fault.", lab)
	}
	v := s.verdicts[task]
	topic, tiers := s.tiers(task)
	taken := s.taken(task, topic)
	s.mu.Unlock()
	if v.Fault != "" && task != "" {
		return mlops.LabHintTaken{}, mlops.Errorf(mlops.Unavailable, "The check of task %s could not run, so no hint fits: %s", task, v.Fault)
	}
	if taken >= len(tiers) {
		return mlops.LabHintTaken{}, mlops.Errorf(mlops.InvalidState, "There is no further hint for what is seen now.")
	}
	h := mlops.LabHintTaken{Task: task, Tier: taken + 1, Topic: topic, Text: check.Expand(tiers[taken], env), At: time.Now()}
	store, err := e.ports.Store()
	if err != nil {
		return mlops.LabHintTaken{}, err
	}
	if err := store.AddHint(ctx, s.row.ID, h); err != nil {
		return mlops.LabHintTaken{}, err
	}
	s.mu.Lock()
	s.hints = append(s.hints, h)
	s.mu.Unlock()
	e.tell(s.place)
	return h, nil
}

// tiers returns the hints for what a check sees now, with s.mu held. The topic
// says which of them: those for the first expectation, and so on.
func (s *stay) tiers(task string) (topic string, tiers []string) {
	v := s.verdicts[task]
	if task == "" {
		b := s.running()
		if b == nil {
			return "", nil
		}
		f := s.lab.Fault(b.Fault)
		switch {
		case f != nil && len(f.Hints) > 0:
			return "fault", f.Hints
		case len(v.Hints) > 0:
			return "expectation " + strconv.Itoa(v.Index+1), v.Hints
		}
		return "symptom", s.lab.Break.Hints
	}
	if v.Holds || v.Fault != "" || v.At.IsZero() && v.Saw == "" {
		return "", nil
	}
	if len(v.Hints) > 0 {
		return "expectation " + strconv.Itoa(v.Index+1), v.Hints
	}
	return "task", s.lab.Task(task).Hints
}

// taken counts the hints of a topic that were taken, with s.mu held.
func (s *stay) taken(task, topic string) (n int) {
	for _, h := range s.hints {
		if h.Task == task && h.Topic == topic {
			n = max(n, h.Tier)
		}
	}
	return n
}

// questions names the questions of a task.
func questions(t *format.Task) string {
	if len(t.Questions) == 0 {
		return "none"
	}
	all := make([]string, 0, len(t.Questions))
	for _, q := range t.Questions {
		all = append(all, q.ID)
	}
	return strings.Join(all, ", ")
}

// Answer answers a question. The first answer counts.
func (e *Engine) Answer(ctx context.Context, user, lab, task, question, answer string) (mlops.LabQuestion, error) {
	s, err := e.openStay(user, lab)
	if err != nil {
		return mlops.LabQuestion{}, err
	}
	t := s.lab.Task(task)
	if t == nil {
		return mlops.LabQuestion{}, mlops.Errorf(mlops.NotFound, "Lab %s has no task %s: it has %s.", lab, task, ids(s.lab.Tasks))
	}
	q := t.Question(question)
	if q == nil {
		return mlops.LabQuestion{}, mlops.Errorf(mlops.NotFound, "Task %s has no question %s: it has %s.", task, question, questions(t))
	}
	s.asked <- struct{}{}
	defer func() { <-s.asked }()
	s.mu.Lock()
	env := s.env
	at := slices.IndexFunc(s.answers, func(a mlops.LabAnswer) bool { return a.Task == task && a.Question == question })
	s.mu.Unlock()
	if env == nil {
		if env, err = s.names(ctx); err != nil {
			return mlops.LabQuestion{}, err
		}
	}
	if at < 0 {
		a := mlops.LabAnswer{Task: task, Question: question, At: time.Now()}
		if a.Answer, a.Right, err = judge(q, answer, env); err != nil {
			return mlops.LabQuestion{}, err
		}
		store, err := e.ports.Store()
		if err != nil {
			return mlops.LabQuestion{}, err
		}
		if err := store.AddAnswer(ctx, s.row.ID, a); err != nil {
			return mlops.LabQuestion{}, err
		}
		s.mu.Lock()
		s.answers = append(s.answers, a)
		s.mu.Unlock()
		e.tell(s.place)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.question(task, *q, env), nil
}

// judge says whether an answer is right. Case and spaces don't matter.
func judge(q *format.Question, answer string, env map[string]string) (said string, right bool, err error) {
	same := func(a, b string) bool {
		return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
	}
	said = strings.TrimSpace(answer)
	if said == "" || len(said) > 200 {
		return "", false, mlops.Errorf(mlops.Invalid, "An answer has 1 to 200 letters.")
	}
	if q.Choices != nil {
		for i, c := range q.Choices {
			if c = check.Expand(c, env); same(c, said) {
				return c, i == q.Right, nil
			}
		}
		if n, err := strconv.Atoi(said); err == nil && n >= 1 && n <= len(q.Choices) {
			return check.Expand(q.Choices[n-1], env), n-1 == q.Right, nil
		}
		return "", false, mlops.Errorf(mlops.Invalid, "%q is none of the choices: expected one of them, or its number from 1 to %d.", said, len(q.Choices))
	}
	if q.Texts != nil {
		return said, slices.ContainsFunc(q.Texts, func(t string) bool { return same(check.Expand(t, env), said) }), nil
	}
	text := strings.ReplaceAll(strings.Join(strings.Fields(said), ""), ",", ".")
	if q.Unit != "" && len(text) > len(q.Unit) && strings.EqualFold(text[len(text)-len(q.Unit):], q.Unit) {
		text = text[:len(text)-len(q.Unit)]
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", false, mlops.Errorf(mlops.Invalid, "%q is no number: expected one, for example 2 or 0.5.", said)
	}
	const rounding = 1e-9
	return said, n >= q.Number-q.Within-rounding && n <= q.Number+q.Within+rounding, nil
}

// correct is the right answer as it is shown.
func correct(q format.Question) string {
	switch {
	case q.Choices != nil:
		return q.Choices[q.Right]
	case q.Texts != nil:
		return q.Texts[0]
	}
	text := strconv.FormatFloat(q.Number, 'g', -1, 64)
	if q.Within > 0 {
		text += " ± " + strconv.FormatFloat(q.Within, 'g', -1, 64)
	}
	if q.Unit != "" {
		text += " " + q.Unit
	}
	return text
}

// Solve runs the author's solution of a task.
func (e *Engine) Solve(ctx context.Context, user, lab, task string) (string, error) {
	s, err := e.openStay(user, lab)
	if err != nil {
		return "", err
	}
	if err := s.turn(task); err != nil {
		return "", err
	}
	end, err := s.begin(solving)
	if err != nil {
		return "", err
	}
	defer end()
	s.mu.Lock()
	looked := s.running() != nil
	if !looked {
		s.solved[task] = true
	}
	s.mu.Unlock()
	if looked {
		return "", mlops.Errorf(mlops.InvalidState, "Something is broken in lab %s: mend it or give up first.", lab)
	}
	ctx, cancel := e.detached(ctx, format.Longest+time.Second)
	defer cancel()
	out, err := s.script(ctx, mlops.LabLearner, "The solution of task "+task, s.lab.Task(task).Solution)
	if err != nil { // who passes it now is the learner
		s.mu.Lock()
		delete(s.solved, task)
		s.mu.Unlock()
	}
	s.now()
	return out.Stdout + out.Stderr, err
}

// now has the watcher look without a pause.
func (s *stay) now() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// detached is a context for what must not be left half done because a browser
// has gone.
func (e *Engine) detached(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := context.AfterFunc(e.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// How long a reset may take to be seen.
const (
	resetSeen  = 5 * time.Second
	resetPause = 150 * time.Millisecond
	resetLimit = 5 * time.Minute
)

// Reset brings back how a task, or the lab if task is "", began.
func (e *Engine) Reset(ctx context.Context, user, lab, task string) error {
	s, err := e.openStay(user, lab)
	if err != nil {
		return err
	}
	if task != "" && s.lab.Task(task) == nil {
		return mlops.Errorf(mlops.NotFound, "Lab %s has no task %s: it has %s.", lab, task, ids(s.lab.Tasks))
	}
	end, err := s.begin(resetting)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := e.detached(ctx, resetLimit)
	defer cancel()
	release, err := s.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer s.now()
	if task == "" {
		return s.resetLab(ctx)
	}
	s.mu.Lock()
	looked := s.running() != nil
	s.mu.Unlock()
	if looked {
		return mlops.Errorf(mlops.InvalidState, "Something is broken in lab %s: mend it, give up, or reset the whole lab.", lab)
	}
	return s.resetTask(ctx, s.lab.Task(task))
}

// resetTask undoes a task, and before it those that come after it.
func (s *stay) resetTask(ctx context.Context, task *format.Task) error {
	undo := append([]*format.Task{task}, s.lab.Later(task.ID)...)
	passed, err := s.forget(ctx, undo)
	if err != nil {
		return err
	}
	for _, t := range slices.Backward(undo) {
		if _, err := s.script(ctx, mlops.LabAuthor, "tasks/"+t.ID+"/reset.sh", t.Reset); err != nil {
			return err
		}
	}
	return s.undone(ctx, passed)
}

// resetLab makes the room as it was when it was opened. Until that is done it is
// a room that is being opened: if the process dies, the next one goes on.
func (s *stay) resetLab(ctx context.Context) error {
	env, err := s.names(ctx)
	if err != nil {
		return err
	}
	c, err := s.e.ports.Cluster()
	if err != nil {
		return err
	}
	passed, err := s.renew(ctx, c, env)
	if err != nil {
		problem := strings.TrimSuffix(plain(err), ".")
		s.openAgain(problem)
		return &mlops.Error{Code: mlops.CodeOf(err), Message: fmt.Sprintf("Lab %s could not be reset yet: %s. It is tried again by itself.", s.place.lab, problem), Err: err}
	}
	return s.undone(ctx, passed)
}

// renew says first that the session is being opened, and last that it is open.
func (s *stay) renew(ctx context.Context, c Cluster, env map[string]string) (passed []*format.Task, err error) {
	store, err := s.e.ports.Store()
	if err == nil {
		err = store.SetSession(ctx, s.row.ID, mlops.LabOpening, "", time.Time{})
	}
	if err == nil {
		passed, err = s.begun(ctx)
	}
	if err == nil {
		err = s.setUp(ctx, c, s.cluster(env))
	}
	if err == nil {
		err = s.set(ctx, mlops.LabOpen)
	}
	return passed, err
}

// openAgain has a session opened whose reset has failed: its row says that it is
// being opened, and half of what was there may be gone.
func (s *stay) openAgain(problem string) {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.mu.Lock()
	s.row.State, s.row.Problem, s.step = mlops.LabOpening, problem, problem
	s.mu.Unlock()
	s.work(s.open)
}

// begun takes back all that a session has come to, because it begins again: it
// returns the tasks that were passed. A fault that is looked for is over.
func (s *stay) begun(ctx context.Context) (passed []*format.Task, err error) {
	s.mu.Lock()
	b := s.running()
	var id int64
	if b != nil {
		id = b.ID
	}
	s.mu.Unlock()
	if b != nil {
		if err := s.over(ctx, id, time.Time{}, time.Now()); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	clear(s.failed)
	s.mu.Unlock()
	return s.forget(ctx, s.lab.Tasks)
}

// forget takes back what is kept of tasks. It returns those that were passed.
func (s *stay) forget(ctx context.Context, tasks []*format.Task) (passed []*format.Task, err error) {
	store, err := s.e.ports.Store()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(tasks))
	for i, t := range tasks {
		names[i] = t.ID
	}
	if err := errors.Join(store.DropPasses(ctx, s.row.ID, names...), store.DropHints(ctx, s.row.ID, names...)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	for _, t := range tasks {
		if _, ok := s.passes[t.ID]; ok {
			passed = append(passed, t)
		}
		delete(s.passes, t.ID)
		delete(s.verdicts, t.ID)
		delete(s.solved, t.ID)
	}
	delete(s.verdicts, "")
	s.hints = slices.DeleteFunc(s.hints, func(h mlops.LabHintTaken) bool { return slices.Contains(names, h.Task) })
	s.mu.Unlock()
	s.e.tell(s.place)
	return passed, nil
}

// undone waits until tasks that were passed don't hold any more: what a script
// has deleted may take a moment to go, and must not pass them again.
func (s *stay) undone(ctx context.Context, tasks []*format.Task) error {
	for limit := time.Now().Add(resetSeen); ; {
		found := s.judge(ctx, tasks)
		s.learn(found)
		tasks = slices.DeleteFunc(tasks, func(t *format.Task) bool { return !found[t.ID].Holds })
		switch {
		case len(tasks) == 0:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(limit):
			return mlops.Errorf(mlops.Internal, "Task %s still holds %s after its reset: this is a mistake of the lab's author.", tasks[0].ID, resetSeen)
		}
		if !sleep(ctx, resetPause) {
			return ctx.Err()
		}
	}
}

// Break injects a fault.
func (e *Engine) Break(ctx context.Context, user, lab string, seed int64, timed bool) error {
	s, err := e.openStay(user, lab)
	if err != nil {
		return err
	}
	end, err := s.begin(breaking)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := e.detached(ctx, format.Longest+time.Minute)
	defer cancel()
	if _, err := s.names(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	why := s.unready()
	s.mu.Unlock()
	if why == "" {
		v := s.judge(ctx, []*format.Task{nil})
		s.learn(v)
		why = unwell(v[""])
	}
	if why != "" {
		return mlops.Errorf(mlops.InvalidState, "Nothing can be broken in lab %s now: %s", lab, why)
	}
	store, err := e.ports.Store()
	if err != nil {
		return err
	}
	if seed == 0 {
		reached, err := store.Progress(ctx, user)
		if err != nil {
			return err
		}
		seed = s.fresh(reached[lab].Mended)
	}
	f := s.chosen(seed)
	// The fault is a row once it is there: a fault that nobody has injected would
	// be mended without anybody having done anything.
	if _, err := s.script(ctx, mlops.LabAuthor, "A fault", f.Inject); err != nil {
		return s.spared(f, err)
	}
	if err := store.DropHints(ctx, s.row.ID, ""); err != nil {
		return err
	}
	b, err := store.AddBreak(ctx, s.row.ID, mlops.LabBreak{Fault: f.ID, Seed: seed, Timed: timed, At: time.Now()})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.breaks = append(s.breaks, b)
	s.broken, s.healed = false, time.Time{}
	s.hints = slices.DeleteFunc(s.hints, func(h mlops.LabHintTaken) bool { return h.Task == "" })
	s.mu.Unlock()
	s.now()
	e.tell(s.place)
	return nil
}

// chosen is the fault that a seed stands for.
func (s *stay) chosen(seed int64) *format.Fault {
	n := int64(len(s.lab.Faults))
	return s.lab.Faults[((seed-1)%n+n)%n]
}

// spared is what a learner is told of a fault that could not be injected. What the
// script has said would name the fault; it is for the log, and for authors. By
// chance the fault comes again only when no other is left.
func (s *stay) spared(f *format.Fault, err error) error {
	if s.place.user == VerifyUser {
		return err
	}
	s.e.log.Error("labs: a fault could not be injected", "room", s.room, "fault", f.ID, "err", err)
	s.mu.Lock()
	s.failed[f.ID] = true
	s.mu.Unlock()
	return &mlops.Error{Code: mlops.CodeOf(err), Message: "Nothing was broken: what would break it could not run. Try again, or reset the lab.", Err: err}
}

// fresh returns a seed, by chance, of a fault that isn't mended yet if there is
// one. Faults that could not be injected come last.
func (s *stay) fresh(mended map[string]time.Time) int64 {
	s.mu.Lock()
	failed := maps.Clone(s.failed)
	s.mu.Unlock()
	choose := func(fits func(id string) bool) (seeds []int64) {
		for i, f := range s.lab.Faults {
			if fits(f.ID) {
				seeds = append(seeds, int64(i)+1)
			}
		}
		return seeds
	}
	seeds := choose(func(id string) bool { return mended[id].IsZero() && !failed[id] })
	if len(seeds) == 0 {
		seeds = choose(func(id string) bool { return !failed[id] })
	}
	if len(seeds) == 0 {
		seeds = choose(func(string) bool { return true })
	}
	// The seed is shown: it must not be the place in the list.
	return seeds[rand.N(len(seeds))] + int64(len(s.lab.Faults))*(1+rand.N[int64](1000))
}

// unready says why nothing can be broken, as far as that is known without
// looking, with s.mu held.
func (s *stay) unready() string {
	left := 0
	for _, t := range s.lab.Tasks {
		if _, ok := s.passes[t.ID]; !ok {
			left++
		}
	}
	switch {
	case s.row.State != mlops.LabOpen:
		return "the lab is not open."
	case left == 1:
		return "one task is not passed yet."
	case left > 1:
		return fmt.Sprintf("%d tasks are not passed yet.", left)
	case s.running() != nil:
		return "something is broken already: find it, or give up."
	}
	return ""
}

// unwell says why nothing can be broken although all tasks are passed.
func unwell(v check.Verdict) string {
	switch {
	case v.Holds:
		return ""
	case v.Fault != "":
		return "the check whether all is well could not run: " + v.Fault
	}
	return "not all is well as it is. " + v.Saw
}

// GiveUp ends the search, and mends the fault.
func (e *Engine) GiveUp(ctx context.Context, user, lab string) error {
	s, err := e.openStay(user, lab)
	if err != nil {
		return err
	}
	end, err := s.begin(givingUp)
	if err != nil {
		return err
	}
	defer end()
	s.mu.Lock()
	b := s.running()
	var id int64
	var f *format.Fault
	if b != nil {
		id, f = b.ID, s.lab.Fault(b.Fault)
	}
	s.mu.Unlock()
	if b == nil {
		return mlops.Errorf(mlops.InvalidState, "Nothing is broken in lab %s, so there is nothing to give up.", lab)
	}
	ctx, cancel := e.detached(ctx, format.Longest+time.Second)
	defer cancel()
	if err := s.over(ctx, id, time.Time{}, time.Now()); err != nil {
		return err
	}
	if f == nil { // an earlier version of the lab had it
		return mlops.Errorf(mlops.InvalidState, "The fault is over, but this version of lab %s does not know how to mend it: reset the lab.", lab)
	}
	if _, err := s.script(ctx, mlops.LabLearner, "What mends the fault", f.Mend); err != nil {
		return &mlops.Error{Code: mlops.CodeOf(err), Message: plain(err) + ". Reset the lab.", Err: err}
	}
	s.now()
	return nil
}

// Terminal attaches to the session's shell.
func (e *Engine) Terminal(ctx context.Context, user, lab string, t mlops.LabTerminal) error {
	s, err := e.openStay(user, lab)
	if err != nil {
		return err
	}
	c, err := e.ports.Cluster()
	if err != nil {
		return err
	}
	shell, err := c.LabShell(ctx, s.room)
	if err != nil {
		return err
	}
	if !shell.Ready {
		s.look() // a watcher brings it back
		return mlops.Errorf(mlops.Unavailable, "The shell of lab %s is not ready: %s", lab, orElse(shell.Why, "it is starting"))
	}
	s.mu.Lock()
	s.terminals++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.terminals--
		s.mu.Unlock()
	}()
	s.look()
	return c.LabTerminal(ctx, s.room, t)
}
