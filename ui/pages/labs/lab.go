package labs

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// breakStep is the name of the last step in the page. Tasks have others, as the
// address tells them apart (?task=…, ?show=break).
const breakStep = "break"

func (s *section) lab(c echo.Context) (*page.Page, error) { return s.labPage(c, nil) }

// labPage shows a lab. What kind of page it is, is its view: the browser loads it
// again when the lab opens or closes. solved is what a solution has printed.
func (s *section) labPage(c echo.Context, solved *view.LabSolved) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	user, name := who(c), c.Param("lab")
	out := &page.Page{Title: "Lab", Nav: "labs", Changed: s.Labs.Changed(user, name)}
	v, err := s.Labs.Lab(ctx, user, name)
	if mlops.CodeOf(err) == mlops.NotFound {
		return nil, page.Sentence(err)
	}
	if problem := s.Problem("the lab", err); problem != nil {
		out.View, out.Body = "problem", view.LabPageBody(view.LabPage{Problem: problem})
		out.Parts = []page.Part{{Name: "problem", Body: view.ProblemBox(problem)}}
		return out, nil
	}
	out.Title = v.Title
	if v.Session != nil && v.Session.State == mlops.LabOpen {
		s.bench(c, out, v, solved)
		return out, nil
	}
	s.about(ctx, c, out, v)
	return out, nil
}

// about shows a lab that is not open.
func (s *section) about(ctx context.Context, c echo.Context, out *page.Page, v mlops.LabView) {
	a := view.LabAbout{Card: card(v.GuidedLab, v.Progress, s.titles(ctx, c, v.After)), Intro: prose(v.Intro), May: page.May(c, mlops.Operate), URL: pathOf(v.Name), CSRF: page.VisitorOf(c).CSRF}
	for _, t := range v.Tasks {
		a.Tasks = append(a.Tasks, t.Title)
	}
	if !a.May {
		a.Who = fmt.Sprintf("You may look at labs, and not start them: your role is %s.", page.VisitorOf(c).Principal.Role)
	}
	out.View = "closed"
	if session := v.Session; session == nil || session.State == mlops.LabClosed {
		a.State.Closed = true
	} else {
		out.View = string(session.State)
		a.State.Problem = sentence(session.Problem)
		text := "The lab opens: its room in the cluster is being made. This takes a few seconds, and the page goes on by itself."
		if session.State == mlops.LabOpening && v.Shell.Why != "" {
			text += " " + sentence(v.Shell.Why)
		}
		if session.State == mlops.LabClosing {
			text = "The lab closes: its room in the cluster is being removed. After that it can be started again."
		}
		a.State.Notice = &view.Notice{Kind: view.Busy, Text: text}
	}
	out.Body = view.LabPageBody(view.LabPage{About: &a})
	out.Parts = []page.Part{{Name: "state", Body: view.LabAboutNow(a)}, {Name: "progress", Body: view.LabProgressNow(a.Card)}}
}

// titles are those of labs by their names. They are only linked to: without them
// the page goes without the links.
func (s *section) titles(ctx context.Context, c echo.Context, names []string) map[string]string {
	if len(names) == 0 {
		return nil
	}
	all, err := s.Labs.Catalogue(ctx, who(c))
	s.Problem("the labs", err)
	out := map[string]string{}
	for _, e := range all {
		out[e.Name] = e.Title
	}
	return out
}

// bench shows a lab that is open.
func (s *section) bench(c echo.Context, out *page.Page, v mlops.LabView, solved *view.LabSolved) {
	at, csrf := pathOf(v.Name), page.VisitorOf(c).CSRF
	b := view.LabBench{Title: v.Title, Level: v.Level, URL: at, CSRF: csrf, Scene: scene(v), Terminal: at + "/terminal", Solved: solved}
	if !v.Shell.Ready {
		b.Shell.Why = cmp.Or(sentence(v.Shell.Why), "The shell starts.")
	}
	b.Head = view.LabHead{Passed: fmt.Sprintf("%d of %s passed", passed(v), view.Plural(len(v.Tasks), "task", "tasks")), Problem: sentence(v.Session.Problem)}
	if last := lastPass(v); v.Session.Timed && passed(v) < len(v.Tasks) {
		b.Head.Stopwatch = v.Session.ReadyAt
	} else if v.Session.Timed {
		b.Head.Took = minutes(last.Sub(v.Session.ReadyAt))
	}
	current := currentStep(c, v)
	for i, t := range v.Tasks {
		panel := view.LabPanel{ID: t.ID, Number: strconv.Itoa(i+1) + ".", Title: t.Title, Current: t.ID == current, Prose: prose(t.Prose), URL: at, CSRF: csrf, Verdict: verdict(v, i, csrf)}
		if i == 0 && v.Intro != "" {
			panel.Intro = prose(v.Intro)
		}
		if i > 0 {
			panel.Before = &view.Link{Text: v.Tasks[i-1].Title, URL: stepURL(v, i-1)}
		}
		panel.After = &view.Link{Text: stepTitle(v, i+1), URL: stepURL(v, i+1)}
		for _, q := range t.Questions {
			panel.Questions = append(panel.Questions, question(t.ID, q, at, csrf))
		}
		b.Panels = append(b.Panels, panel)
		b.Steps = append(b.Steps, step(v, i, current))
	}
	b.Steps = append(b.Steps, breakStepOf(v, current))
	b.Break = view.LabBreakPanel{Current: current == breakStep, State: breakState(v, csrf), URL: at, CSRF: csrf}

	out.View, out.Terminal = "open", true
	out.Body = view.LabPageBody(view.LabPage{Bench: &b})
	out.Parts = []page.Part{{Name: "bench", Body: view.LabBenchHead(b.Head)}, {Name: "steps", Body: view.LabSteps(b.Steps)}, {Name: "shell", Body: view.LabShellNow(b.Shell)},
		{Name: "scene", Body: view.LabSceneBox(b.Scene)}, {Name: "break", Body: view.LabBreakNow(b.Break.State)}}
	for _, p := range b.Panels {
		out.Parts = append(out.Parts, page.Part{Name: "task-" + p.ID, Body: view.LabVerdictBox(p.Verdict)})
		for _, q := range p.Questions {
			out.Parts = append(out.Parts, page.Part{Name: q.ID, Body: view.LabAnswerBox(q)})
		}
	}
}

func passed(v mlops.LabView) (n int) {
	for _, t := range v.Tasks {
		if t.Pass != nil {
			n++
		}
	}
	return n
}

// lastPass is when the last task was passed.
func lastPass(v mlops.LabView) (last time.Time) {
	for _, t := range v.Tasks {
		if t.Pass != nil && t.Pass.At.After(last) {
			last = t.Pass.At
		}
	}
	return last
}

func looking(v mlops.LabView) bool { return v.Break != nil && !v.Break.Over() }

// currentStep is what the page opens with: what the address names, else the fault
// that is looked for, else the first task that can be done.
func currentStep(c echo.Context, v mlops.LabView) string {
	if c.QueryParam("show") == breakStep {
		return breakStep
	}
	if t := page.Find(v.Tasks, func(t mlops.LabTaskView) bool { return t.ID == c.QueryParam("task") }); t != nil {
		return t.ID
	}
	if t := page.Find(v.Tasks, func(t mlops.LabTaskView) bool { return t.Unlocked && t.Pass == nil }); t != nil && !looking(v) {
		return t.ID
	}
	return breakStep
}

// stepURL is the address of a task, or of what comes after the last.
func stepURL(v mlops.LabView, i int) string {
	if i >= len(v.Tasks) {
		return breakURL(v.Name)
	}
	return taskURL(v.Name, v.Tasks[i].ID)
}

func stepTitle(v mlops.LabView, i int) string {
	if i >= len(v.Tasks) {
		return "Break it"
	}
	return v.Tasks[i].Title
}

func step(v mlops.LabView, i int, current string) view.LabStep {
	t := v.Tasks[i]
	out := view.LabStep{ID: t.ID, Mark: strconv.Itoa(i + 1), Title: t.Title, URL: stepURL(v, i), Current: t.ID == current}
	switch {
	case t.Pass != nil && !t.Verdict.Holds && t.Verdict.Saw != "":
		out.Kind, out.State, out.Icon = "slipped", "passed, and no longer holds", "warn"
	case t.Pass != nil:
		out.Kind, out.State, out.Icon = "passed", "passed", "check"
	case !t.Unlocked:
		out.Kind, out.State, out.Icon = "locked", "locked", "lock"
	default:
		out.Kind, out.State = "open", "open"
	}
	return out
}

func breakStepOf(v mlops.LabView, current string) view.LabStep {
	out := view.LabStep{ID: breakStep, Title: "Break it", URL: stepURL(v, len(v.Tasks)), Current: current == breakStep, Kind: "open", State: "ready", Icon: "warn"}
	switch {
	case looking(v):
		out.Kind, out.State, out.Icon = "broken", "something is broken", "cross"
	case v.CanBreak != "":
		out.Kind, out.State, out.Icon = "locked", "locked", "lock"
	}
	return out
}

var hintNames = map[int]string{1: "A nudge", 2: "Where to look", 3: "What to do"}

func hints(all []mlops.LabHintTaken) []view.LabHint {
	var out []view.LabHint
	for _, h := range all {
		name := hintNames[h.Tier]
		if name == "" {
			name = fmt.Sprintf("Hint %d", h.Tier)
		}
		out = append(out, view.LabHint{Name: name, Text: prose(h.Text)})
	}
	return out
}

// more is the button for the next hint.
func more(there bool, taken []mlops.LabHintTaken) string {
	switch {
	case !there:
		return ""
	case len(taken) == 0:
		return "Give me a hint"
	}
	return "Another hint"
}

// verdict says how a task stands.
func verdict(v mlops.LabView, i int, csrf string) view.LabVerdict {
	t := v.Tasks[i]
	out := view.LabVerdict{ID: t.ID, URL: pathOf(v.Name), CSRF: csrf, Help: t.ID, Hints: hints(t.Hints), More: more(t.MoreHint, t.Hints), Fault: t.Verdict.Fault}
	switch {
	case t.Pass != nil:
		out.Kind, out.Title, out.Passed = view.Good, "Passed", true
		if t.Pass.Solved {
			out.Title = "Passed, by the author’s solution"
		}
		switch {
		case t.Verdict.Fault != "":
			out.Kind = view.Warn
		case t.Verdict.Holds:
			out.Title += ". It still holds."
		case t.Verdict.Saw != "":
			out.Kind, out.Title, out.Saw = view.Warn, out.Title+". It no longer holds:", inline(t.Verdict.Saw)
		}
		if next := nextStep(v, i); next >= 0 {
			out.Next = &view.Link{Text: "Next: " + stepTitle(v, next), URL: stepURL(v, next)}
		}
		out.More = ""
	case !t.Unlocked:
		out.Kind, out.Title, out.Locked = view.Idle, "Locked. First: "+before(v, t), true
	case t.Verdict.Fault != "":
		out.Kind, out.Title = view.Warn, "Not known"
	case t.Verdict.Holds:
		out.Kind, out.Title = view.Good, "It holds"
	case t.Verdict.At.IsZero() && t.Verdict.Saw == "":
		out.Kind, out.Title = view.Idle, "Nothing was looked at yet"
	default:
		out.Kind, out.Title = view.Bad, "Not yet"
		if t.Verdict.Saw != "" {
			out.Saw = inline(t.Verdict.Saw)
		}
	}
	return out
}

// nextStep is what to do after a task: the next that can be done, or else the
// search for faults; -1 while neither can be.
func nextStep(v mlops.LabView, i int) int {
	for k := range v.Tasks {
		if n := (i + 1 + k) % len(v.Tasks); v.Tasks[n].Unlocked && v.Tasks[n].Pass == nil {
			return n
		}
	}
	if passed(v) == len(v.Tasks) {
		return len(v.Tasks)
	}
	return -1
}

// before names the tasks that a locked one waits for.
func before(v mlops.LabView, t mlops.LabTaskView) (out string) {
	for _, id := range t.After {
		if b := page.Find(v.Tasks, func(b mlops.LabTaskView) bool { return b.ID == id && b.Pass == nil }); b != nil {
			if out != "" {
				out += ", "
			}
			out += b.Title
		}
	}
	return out + "."
}

func question(task string, q mlops.LabQuestion, at, csrf string) view.LabQuestion {
	out := view.LabQuestion{ID: "q-" + task + "-" + q.ID, Field: q.ID, Task: task, Ask: inline(q.Ask), Unit: q.Unit, URL: at, CSRF: csrf}
	for _, choice := range q.Choices {
		out.Choices = append(out.Choices, view.LabChoice{Value: choice, Text: inline(choice)})
	}
	if q.Answer != "" {
		out.Answered = &view.LabAnswered{Right: q.Right, Yours: inline("You said: " + q.Answer + unit(q)), Correct: inline(q.Correct + unit(q)), Because: prose(q.Because)}
	}
	return out
}

func unit(q mlops.LabQuestion) string {
	if q.Unit == "" || len(q.Choices) > 0 {
		return ""
	}
	return " " + q.Unit
}

func breakState(v mlops.LabView, csrf string) view.LabBreakState {
	out := view.LabBreakState{Why: inline(sentence(v.CanBreak)), URL: pathOf(v.Name), CSRF: csrf, Mended: fmt.Sprintf("You have mended %d of %s of this lab.", v.Progress.Mended, view.Plural(v.Progress.Faults, "fault", "faults"))}
	b := v.Break
	if looking(v) {
		out.Looking, out.Symptom = true, prose(b.Symptom)
		if b.Timed {
			out.Stopwatch = b.At
		}
		out.Verdict = view.LabVerdict{ID: breakStep, URL: pathOf(v.Name), CSRF: csrf, Kind: view.Bad, Title: "Still broken", Fault: b.Verdict.Fault, Hints: hints(b.Hints), More: more(b.MoreHint, b.Hints)}
		switch {
		case b.Verdict.Fault != "":
			out.Verdict.Kind, out.Verdict.Title = view.Warn, "Not known"
		case b.Verdict.Holds:
			out.Verdict.Kind, out.Verdict.Title = view.Good, "It works again; a moment, to be sure."
		case b.Verdict.Saw != "":
			out.Verdict.Saw = inline(b.Verdict.Saw)
		}
		return out
	}
	if b != nil {
		out.Over = &view.LabMended{Kind: view.Good, Text: "Mended", Title: b.Title, Explained: prose(b.Explained)}
		if !b.GaveUpAt.IsZero() {
			out.Over.Kind, out.Over.Text = view.Idle, "It was this:"
		} else if b.Timed {
			out.Over.Text = "Mended in " + minutes(b.MendedAt.Sub(b.At))
		}
	}
	if v.CanBreak == "" {
		out.Button = "Break it"
		if b != nil {
			out.Button = "Break something else"
		}
	}
	return out
}

// sentence is a reason as it stands on its own.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return mlops.MessageOf(page.Sentence(mlops.Errorf(mlops.InvalidState, "%s", text)))
}

// minutes says how long something took.
func minutes(d time.Duration) string {
	d = d.Round(time.Second)
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}
