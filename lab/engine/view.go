package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// Catalogue returns all labs, in the order of the path.
func (e *Engine) Catalogue(ctx context.Context, user string) ([]mlops.LabEntry, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	store, err := e.ports.Store()
	if err != nil {
		return nil, err
	}
	reached, err := store.Progress(ctx, user)
	if err != nil {
		return nil, err
	}
	out := []mlops.LabEntry{}
	done := map[string]bool{}
	for _, l := range e.labs() {
		entry := mlops.LabEntry{GuidedLab: l.Public(), Progress: e.progress(user, l, reached[l.Name])}
		entry.Intro = check.Expand(entry.Intro, e.foreseen(l, "lab-"+l.Name))
		for i := range entry.Tasks { // a list needs no prose
			entry.Tasks[i].Prose, entry.Tasks[i].Questions = "", nil
		}
		if entry.Lacks, err = e.lacks(ctx, l); err != nil {
			entry.Lacks = "whether the machine has GPUs is not known now: " + plain(err)
		}
		done[l.Name] = !entry.Progress.DoneAt.IsZero()
		out = append(out, entry)
	}
	if i := next(out, done); i >= 0 {
		out[i].Next = true
	}
	return out, nil
}

// next is the lab that the path proposes, or -1: one that is open, else the first
// that isn't done and whose labs before are.
func next(all []mlops.LabEntry, done map[string]bool) int {
	fits := func(l mlops.LabEntry) bool { return !done[l.Name] && l.Lacks == "" }
	if i := slices.IndexFunc(all, func(l mlops.LabEntry) bool { return fits(l) && l.Progress.Open }); i >= 0 {
		return i
	}
	return slices.IndexFunc(all, func(l mlops.LabEntry) bool {
		return fits(l) && !slices.ContainsFunc(l.After, func(name string) bool { return !done[name] })
	})
}

// progress counts what the lab has still: tasks and faults of earlier versions don't count.
func (e *Engine) progress(user string, l *format.Lab, r mlops.LabReached) mlops.LabProgress {
	p := mlops.LabProgress{Lab: l.Name, Tasks: len(l.Tasks), Faults: len(l.Faults), Sessions: r.Sessions}
	var last time.Time
	for _, t := range l.Tasks {
		if at, ok := r.Passed[t.ID]; ok {
			p.Passed++
			if at.After(last) {
				last = at
			}
		}
	}
	for _, f := range l.Faults {
		if _, ok := r.Mended[f.ID]; ok {
			p.Mended++
		}
	}
	if p.Passed == p.Tasks {
		p.DoneAt = last
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, p.Open = e.stays[place{user, l.Name}]
	return p
}

// foreseen are the names in a room that isn't open: the first session of a lab will
// probably have room lab-NAME.
func (e *Engine) foreseen(l *format.Lab, room string) map[string]string {
	env := map[string]string{}
	maps.Copy(env, e.ports.Env(room, ""))
	project := ""
	if l.Needs.Dataset != "" {
		project = mlops.LabProject(room)
	}
	fill(env, room, project)
	return env
}

// Lab returns everything about one lab. Who asks is somebody who looks.
func (e *Engine) Lab(ctx context.Context, user, lab string) (mlops.LabView, error) {
	s, err := e.stay(user, lab)
	if err != nil {
		return mlops.LabView{}, err
	}
	l, err := e.known(lab)
	if err != nil {
		return mlops.LabView{}, err
	}
	store, err := e.ports.Store()
	if err != nil {
		return mlops.LabView{}, err
	}
	reached, err := store.Progress(ctx, user)
	if err != nil {
		return mlops.LabView{}, err
	}
	v := mlops.LabView{GuidedLab: l.Public(), Progress: e.progress(user, l, reached[lab])}
	v.Scene = mlops.LabScene{Columns: []mlops.LabColumn{}, Lines: []mlops.LabLine{}}
	if s == nil {
		env := e.foreseen(l, "lab-"+l.Name)
		v.Intro = check.Expand(l.Intro, env)
		for _, t := range l.Tasks {
			v.Tasks = append(v.Tasks, mlops.LabTaskView{LabTask: filled(t, env), Unlocked: len(t.After) == 0})
		}
		v.CanBreak = "the lab is not open."
		v.GuidedLab.Tasks = nil
		return v, nil
	}
	s.look()
	s.mu.Lock()
	open := s.row.State == mlops.LabOpen
	drawn := !s.drawn.IsZero()
	s.mu.Unlock()
	if open && !drawn { // the first to ask is not shown an empty scene
		e.mu.Lock()
		of := e.ctx
		e.mu.Unlock()
		s.draw(of)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view(v), nil
}

// filled is a task as it is shown.
func filled(t *format.Task, env map[string]string) mlops.LabTask {
	out := t.Public()
	out.Title = check.Expand(out.Title, env)
	out.Prose = check.Expand(out.Prose, env)
	for i, q := range out.Questions {
		out.Questions[i].Ask = check.Expand(q.Ask, env)
		out.Questions[i].Choices = nil
		for _, c := range q.Choices {
			out.Questions[i].Choices = append(out.Questions[i].Choices, check.Expand(c, env))
		}
	}
	return out
}

// view fills in what the session knows, with s.mu held.
func (s *stay) view(v mlops.LabView) mlops.LabView {
	env := s.env
	if env == nil {
		env = s.e.foreseen(s.lab, s.room)
	}
	row := s.row
	v.Session = &row
	v.Intro = check.Expand(s.lab.Intro, env)
	v.GuidedLab.Tasks = nil
	v.Shell = s.shell
	if row.State != mlops.LabOpen {
		v.Shell = mlops.LabShell{Why: s.step}
	} else if s.drawn.IsZero() {
		v.Shell = mlops.LabShell{Why: "it is being looked at"}
	}
	if s.scene.Columns != nil && row.State == mlops.LabOpen {
		v.Scene = s.scene
	}
	for _, t := range s.lab.Tasks {
		tv := mlops.LabTaskView{LabTask: filled(t, env), Unlocked: s.unlocked(t), Verdict: shown(s.verdicts[t.ID])}
		for i := range t.Questions {
			tv.Questions[i] = s.question(t.ID, t.Questions[i], env)
		}
		if p, ok := s.passes[t.ID]; ok {
			tv.Pass, tv.Unlocked = &p, true
		} else if tv.Unlocked {
			topic, tiers := s.tiers(t.ID)
			tv.MoreHint = s.taken(t.ID, topic) < len(tiers)
		}
		tv.Hints = s.hintsOf(t.ID)
		v.Tasks = append(v.Tasks, tv)
	}
	if v.CanBreak = s.unready(); v.CanBreak == "" {
		if b, ok := s.verdicts[""]; !ok {
			v.CanBreak = "it is not known yet whether all is well."
		} else {
			v.CanBreak = unwell(b)
		}
	}
	if s.busy != "" && v.CanBreak == "" {
		v.CanBreak = s.busy + " is under way."
	}
	if n := len(s.breaks); n > 0 {
		b := s.breaks[n-1]
		v.Break = &mlops.LabBreakView{LabBreak: told(s.lab, b, env), Symptom: check.Expand(s.lab.Break.Symptom, env), Verdict: shown(s.verdicts[""]), Hints: s.hintsOf("")}
		if !b.Over() {
			topic, tiers := s.tiers("")
			v.Break.MoreHint = s.taken("", topic) < len(tiers)
			hideCause(&v)
		}
	}
	return v
}

func shown(v check.Verdict) mlops.LabVerdict {
	return mlops.LabVerdict{Holds: v.Holds, Saw: v.Saw, Fault: v.Fault, At: v.At}
}

func (s *stay) hintsOf(task string) (out []mlops.LabHintTaken) {
	for _, h := range s.hints {
		if h.Task == task {
			out = append(out, h)
		}
	}
	return out
}

// question is a question with its answer, if there is one, with s.mu held.
func (s *stay) question(task string, q format.Question, env map[string]string) mlops.LabQuestion {
	out := filled(&format.Task{Questions: []format.Question{q}}, env).Questions[0]
	for _, a := range s.answers {
		if a.Task == task && a.Question == q.ID {
			out.Answer, out.Right = a.Answer, a.Right
			out.Correct, out.Because = check.Expand(correct(q), env), check.Expand(q.Because, env)
		}
	}
	return out
}

// hideCause takes out of a view what would name the fault that is being looked for:
// what passed tasks see now, and which things of the scene are not well. What is
// there still shows, as kubectl would list it.
func hideCause(v *mlops.LabView) {
	for i := range v.Tasks {
		v.Tasks[i].Verdict.Saw = ""
	}
	scene := mlops.LabScene{Columns: []mlops.LabColumn{}, Lines: []mlops.LabLine{}}
	missing := map[string]bool{}
	for _, c := range v.Scene.Columns {
		things := make([]mlops.LabThing, 0, len(c.Things))
		for _, t := range c.Things {
			if t.State == mlops.LabMissing {
				missing[t.ID] = true
				continue
			}
			t.State, t.Mood, t.Facts = "", mlops.LabNone, nil
			things = append(things, t)
		}
		c.Things = things
		scene.Columns = append(scene.Columns, c)
	}
	for _, l := range v.Scene.Lines {
		if l.Bad = false; !missing[l.From] && !missing[l.To] {
			scene.Lines = append(scene.Lines, l)
		}
	}
	v.Scene = scene
}

// told is a break as it may be shown: what it was only once it is over.
func told(l *format.Lab, b mlops.LabBreak, env map[string]string) mlops.LabBreak {
	if !b.Over() {
		b.Fault = ""
		return b
	}
	if l != nil {
		if f := l.Fault(b.Fault); f != nil {
			b.Title, b.Explained = check.Expand(f.Title, env), check.Expand(f.Explain, env)
		}
	}
	return b
}
