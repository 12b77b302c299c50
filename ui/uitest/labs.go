package uitest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

func (w *World) labs() (ports.Labs, error) {
	w.Lock()
	defer w.Unlock()
	if err := w.Down["labs"]; err != nil {
		return nil, err
	}
	return labs{w}, nil
}

// Names of guided labs that the scenes have.
const (
	FirstLab, VolumeLab, NameLab, GPULab = "first-loop", "where-does-the-volume-live", "from-name-to-pod", "sharing-a-gpu"
)

// guidedLabs is a catalogue.
func guidedLabs() []mlops.GuidedLab {
	return []mlops.GuidedLab{
		{Name: FirstLab, Title: "First loop", Level: "beginner", Minutes: 15, Faults: 2,
			Summary: "Train, store and serve: follow one model version from its dataset to a prediction.",
			Learn:   []string{"Say which dataset a served model comes from", "Find a run's parameters and files", "Ask a deployment for a prediction"},
			Tasks:   []mlops.LabTask{{ID: "train", Title: "Train once"}, {ID: "version", Title: "Find the version"}, {ID: "ask", Title: "Ask for a prediction"}, {ID: "back", Title: "Walk back to the data"}}},
		{Name: VolumeLab, Title: "Where does the volume live?", Level: "intermediate", Minutes: 20, Faults: 3, After: []string{FirstLab},
			Summary: "A claim waits, a pod waits, and each waits for the other.",
			Learn:   []string{"Read why a claim is pending", "Say what WaitForFirstConsumer waits for"},
			Tasks:   []mlops.LabTask{{ID: "claim", Title: "Claim room"}, {ID: "pod", Title: "Use it"}, {ID: "move", Title: "Try to move it"}}},
		{Name: NameLab, Title: "From name to pod", Level: "beginner", Minutes: 20, Faults: 4, After: []string{FirstLab}, Shows: []string{"Ingress", "Service", "Pod"},
			Summary: "Follow a request from a host name to a pod, and mend the way when it breaks.",
			Learn:   []string{"Read what a Service selects", "Tell an empty endpoint list from a broken pod", "Open a way in from outside"},
			Intro: "A client knows a **name**. Kubernetes turns it into a pod, in four steps, and each can fail by itself.\n\n" +
				"You have a namespace of your own, `lab-from-name-to-pod`, in which a model already runs.",
			Tasks: nameTasks()},
		{Name: GPULab, Title: "Sharing a GPU", Level: "advanced", Minutes: 25, Faults: 2, After: []string{NameLab},
			Summary: "One card, four pods: take turns, cut it, and see who gets which part.",
			Learn:   []string{"Ask for a GPU, or for a part of one"},
			Tasks:   []mlops.LabTask{{ID: "ask", Title: "Ask for one"}, {ID: "turns", Title: "Take turns"}}},
	}
}

func nameTasks() []mlops.LabTask {
	return []mlops.LabTask{
		{ID: "pods", Title: "Look at the pods", Prose: "Before anything has a name, it has an address. List the pods with their labels:\n\n```sh\nkubectl get pods -o wide --show-labels\n```\n\n" +
			"Then label **both** pods of the model with `app=model`. Reached when both carry the label."},
		{ID: "service", Title: "Give the pods one name", After: []string{"pods"},
			Prose: "A Service is a name and a *selector*. It does not know pods: it knows labels, and Kubernetes looks up who carries them.\n\n" +
				"### What to look at\n\nThe pods' labels, and then the list of endpoints that the Service got:\n\n" +
				"```sh\nkubectl get pods --show-labels\nkubectl get endpointslices -l kubernetes.io/service-name=model\n```\n\nA Service looks like this:\n\n" +
				"```yaml\napiVersion: v1\nkind: Service\nmetadata: {name: model}\nspec:\n  selector: {app: model}\n  ports: [{port: 80, targetPort: 8080}]\n```\n\n" +
				"| field | what it says |\n|---|---|\n| `port` | what callers ask for |\n| `targetPort` | where the pod listens |\n\n" +
				"Make a Service `model` that answers on port 80. Reached when it has two endpoints and `http://model/healthz` answers.",
			Questions: []mlops.LabQuestion{
				{ID: "many", Ask: "How many endpoints will the Service have?", Unit: "endpoints"},
				{ID: "who", Ask: "Who decides which pods belong to a Service?", Choices: []string{"The Service, by listing their names", "The labels of the pods, held against the `selector`", "The Deployment that made them"}}}},
		{ID: "ingress", Title: "Open a way in", After: []string{"service"}, Prose: "Callers outside of the cluster do not know its names. An Ingress tells the front door which host leads to which Service."},
		{ID: "rename", Title: "Change a name, drop no request", After: []string{"ingress"}, Prose: "Rename the Service while somebody calls it."},
	}
}

// answers of the questions.
var labAnswers = map[string]struct{ right, because string }{
	"many": {"2", "Each *ready* pod that the selector chooses is one endpoint."},
	"who":  {"The labels of the pods, held against the `selector`", "A Service never names pods: `kubectl get endpointslices` shows whom the labels have chosen."},
}

var labHints = []string{"Two lists of labels have to agree. Which two?", "Look at `kubectl describe service model` and hold its selector against the pods' labels.",
	"Run this:\n\n```sh\nkubectl patch service model -p '{\"spec\":{\"selector\":{\"app\":\"model\"}}}'\n```"}

// AddLabs fills the catalogue: one lab is done, one was begun, one this machine
// cannot run.
func (w *World) AddLabs() {
	w.GuidedLabs, w.LabViews = guidedLabs(), map[string]*mlops.LabView{}
	w.LabProgress = map[string]mlops.LabProgress{
		FirstLab:  {Lab: FirstLab, Passed: 4, Tasks: 4, Mended: 1, Faults: 2, DoneAt: w.Clock().Add(-26 * time.Hour), Sessions: 2},
		VolumeLab: {Lab: VolumeLab, Passed: 1, Tasks: 3, Faults: 3, Sessions: 1},
		GPULab:    {Lab: GPULab, Tasks: 2, Faults: 2},
		NameLab:   {Lab: NameLab, Tasks: 4, Faults: 4},
	}
	w.LabLacks = map[string]string{GPULab: "it needs GPUs, and the machine has none. Simulated ones will do: `benchtop up --simulate-gpus 2xA100-80GB`"}
}

// OpenLab opens the lab From name to pod for a user, in the middle of its second
// task: the first was passed, its check fails, two hints were taken.
func (w *World) OpenLab(user string, state mlops.LabState) *mlops.LabView {
	i := slices.IndexFunc(w.GuidedLabs, func(l mlops.GuidedLab) bool { return l.Name == NameLab })
	g := w.GuidedLabs[i]
	v := &mlops.LabView{GuidedLab: g, Session: &mlops.LabSession{ID: 3, Lab: g.Name, User: user, Room: "lab-" + g.Name, State: state, Timed: true, OpenedAt: w.Clock().Add(-8 * time.Minute), ReadyAt: w.Clock().Add(-7 * time.Minute)},
		Progress: mlops.LabProgress{Lab: NameLab, Tasks: 4, Faults: 4, Open: true, Sessions: 1}, CanBreak: "pass all tasks first: there is nothing whole to break yet"}
	for _, t := range g.Tasks {
		v.Tasks = append(v.Tasks, mlops.LabTaskView{LabTask: t, MoreHint: true})
	}
	w.LabViews[user+"/"+g.Name] = v
	v.Tasks[0].Unlocked = true
	if state != mlops.LabOpen {
		v.Shell.Why = "The pod of the shell starts: ContainerCreating."
		return v
	}
	v.Shell.Ready, v.Progress.Passed = true, 1
	v.Tasks[0].Pass, v.Tasks[0].Verdict = &mlops.LabPass{Task: "pods", At: w.Clock().Add(-5 * time.Minute)}, mlops.LabVerdict{Holds: true, At: w.Clock()}
	t := &v.Tasks[1]
	t.Unlocked, t.Verdict = true, mlops.LabVerdict{Saw: "Service `model` has 0 endpoints: its selector is app=modl, the pods say app=model.", At: w.Clock()}
	t.Hints = []mlops.LabHintTaken{{Task: "service", Tier: 1, Text: labHints[0]}, {Task: "service", Tier: 2, Text: labHints[1]}}
	t.Questions = slices.Clone(t.Questions)
	t.Questions[0].Answer, t.Questions[0].Correct, t.Questions[0].Because = "3", labAnswers["many"].right, labAnswers["many"].because
	v.Scene = mlops.LabScene{
		Columns: []mlops.LabColumn{
			{Kind: "Ingress", Things: []mlops.LabThing{{ID: "ingress/model", Name: "model.lab.internal", State: "1 host", Mood: "ok", Facts: []string{"path /"}}}},
			{Kind: "Service", Things: []mlops.LabThing{{ID: "service/model", Name: "model", State: "0 endpoints", Mood: "bad", Facts: []string{"selects app=modl", "80 → 8080"}},
				{ID: "service/shadow", Name: "model-shadow", State: "1 endpoint", Mood: "ok", Facts: []string{"selects app=shadow"}}}},
			{Kind: "Pod", More: 2, Things: []mlops.LabThing{{ID: "pod/a", Name: "model-6d5c8f7b9-x2m4k", State: "Running", Mood: "ok", Facts: []string{"app=model", "10.42.0.17"}},
				{ID: "pod/b", Name: "model-6d5c8f7b9-9wq2c", State: "Running", Mood: "ok", Facts: []string{"app=model", "10.42.0.18"}},
				{ID: "pod/c", Name: "shadow-0", State: "ContainerCreating", Mood: "busy", Facts: []string{"app=shadow"}}}},
		},
		Lines: []mlops.LabLine{{From: "ingress/model", To: "service/model", Label: "80 %"}, {From: "ingress/model", To: "service/shadow", Label: "20 %"},
			{From: "service/model", To: "pod/a", Bad: true}, {From: "service/model", To: "pod/b", Bad: true}, {From: "service/shadow", To: "pod/c"}}}
	return v
}

// PassAll passes the tasks of an open lab.
func (w *World) PassAll(v *mlops.LabView) {
	for i := range v.Tasks {
		t := &v.Tasks[i]
		if t.Unlocked = true; t.Pass == nil {
			t.Pass = &mlops.LabPass{Task: t.ID, At: w.Clock().Add(-time.Minute), Solved: t.ID == "rename"}
		}
		t.Verdict = mlops.LabVerdict{Holds: true, At: w.Clock()}
	}
	v.Progress.Passed, v.Progress.DoneAt, v.CanBreak = len(v.Tasks), w.Clock().Add(-time.Minute), ""
	v.Scene.Lines[2].Bad, v.Scene.Lines[3].Bad = false, false
	v.Scene.Columns[1].Things[0].State, v.Scene.Columns[1].Things[0].Mood = "2 endpoints", "ok"
}

const labSymptom = "Callers say that the model answers with **404**, or not at all."

// BreakLab injects a fault.
func (w *World) BreakLab(v *mlops.LabView, seed int64, timed bool) {
	v.CanBreak = "A fault is being looked for."
	v.Break = &mlops.LabBreakView{LabBreak: mlops.LabBreak{ID: seed, Seed: seed, Timed: timed, At: w.Clock().Add(-90 * time.Second)}, Symptom: labSymptom, MoreHint: true,
		Verdict: mlops.LabVerdict{Saw: "GET http://model.lab.internal/ answers 404, and 200 was expected.", At: w.Clock()}}
}

// AddLabScene is the catalogue (labs), and a lab in which somebody learns: mid-way,
// passed, broken, mended, opening or closing.
func (w *World) AddLabScene(scene string) {
	w.AddLabs()
	switch scene {
	case "labs":
	case "opening":
		w.OpenLab("admin", mlops.LabOpening)
	case "closing":
		w.OpenLab("admin", mlops.LabClosing)
	default:
		v := w.OpenLab("admin", mlops.LabOpen)
		switch scene {
		case "passed":
			w.PassAll(v)
		case "broken":
			w.PassAll(v)
			w.BreakLab(v, 1, true)
			v.Break.Hints = []mlops.LabHintTaken{{Tier: 1, Text: "Who answers 404: the model, or the door before it?"}}
			v.Tasks[1].Verdict = mlops.LabVerdict{Saw: "Service `model` has 0 endpoints.", At: w.Clock()}
			v.Tasks[2].Verdict = mlops.LabVerdict{Fault: "Prometheus does not answer.", At: w.Clock()}
		case "mended":
			w.PassAll(v)
			w.BreakLab(v, 1, true)
			w.mend(v, false)
		}
	}
}

func (w *World) mend(v *mlops.LabView, gaveUp bool) {
	b := v.Break
	b.Fault, b.Title, b.Explained = "selector", "The Service selects a label that no pod has", "The selector said `app=modl`. A Service without matching pods is no error: it has an *empty* list of endpoints, and callers get 503 or 404 from whoever stands before it."
	b.Verdict, v.CanBreak = mlops.LabVerdict{Holds: true}, ""
	if gaveUp {
		b.GaveUpAt = w.Clock()
	} else {
		b.MendedAt, v.Progress.Mended = w.Clock(), 1
	}
}

// labs are guided labs of memory.
type labs struct{ w *World }

func (l labs) guided(name string) (mlops.GuidedLab, error) {
	i := slices.IndexFunc(l.w.GuidedLabs, func(g mlops.GuidedLab) bool { return g.Name == name })
	if i < 0 {
		return mlops.GuidedLab{}, mlops.Errorf(mlops.NotFound, "there is no lab %q", name)
	}
	return l.w.GuidedLabs[i], nil
}

func (l labs) Catalogue(_ context.Context, user string) ([]mlops.LabEntry, error) {
	l.w.Lock()
	defer l.w.Unlock()
	out := []mlops.LabEntry{}
	next := false
	for _, g := range l.w.GuidedLabs {
		e := mlops.LabEntry{GuidedLab: g, Progress: l.w.LabProgress[g.Name], Lacks: l.w.LabLacks[g.Name]}
		if v := l.w.LabViews[user+"/"+g.Name]; v != nil {
			e.Progress = v.Progress
		}
		if !next && e.Lacks == "" && e.Progress.DoneAt.IsZero() {
			e.Next, next = true, true
		}
		out = append(out, e)
	}
	return out, nil
}

func (l labs) Lab(_ context.Context, user, lab string) (mlops.LabView, error) {
	l.w.Lock()
	defer l.w.Unlock()
	g, err := l.guided(lab)
	if err != nil {
		return mlops.LabView{}, err
	}
	v := l.w.LabViews[user+"/"+lab]
	if v == nil {
		v = &mlops.LabView{GuidedLab: g, Progress: l.w.LabProgress[lab], CanBreak: "Start the lab first."}
		for _, t := range g.Tasks {
			v.Tasks = append(v.Tasks, mlops.LabTaskView{LabTask: t})
		}
		return *v, nil
	}
	out := *v
	session := *v.Session
	out.Session, out.Tasks = &session, slices.Clone(v.Tasks)
	for i := range out.Tasks {
		out.Tasks[i].Hints, out.Tasks[i].Questions = slices.Clone(out.Tasks[i].Hints), slices.Clone(out.Tasks[i].Questions)
	}
	if v.Break != nil {
		b := *v.Break
		b.Hints, out.Break = slices.Clone(b.Hints), &b
		if !b.Over() {
			out.Scene = unmarked(v.Scene)
		}
	}
	return out, nil
}

// unmarked is a scene without how its things fare, as it is while a fault is
// looked for.
func unmarked(s mlops.LabScene) mlops.LabScene {
	s.Columns, s.Lines = slices.Clone(s.Columns), slices.Clone(s.Lines)
	for i := range s.Columns {
		s.Columns[i].Things = slices.Clone(s.Columns[i].Things)
		for k := range s.Columns[i].Things {
			t := &s.Columns[i].Things[k]
			t.State, t.Mood, t.Facts = "", mlops.LabNone, nil
		}
	}
	for i := range s.Lines {
		s.Lines[i].Bad = false
	}
	return s
}

func (l labs) Changed(string, string) <-chan struct{} {
	l.w.Lock()
	defer l.w.Unlock()
	return l.w.labsChanged
}

// change applies f to an open session, and notes the act.
func (l labs) change(user, lab, act string, f func(v *mlops.LabView) error) error {
	l.w.Lock()
	defer l.w.Unlock()
	if _, err := l.guided(lab); err != nil {
		return err
	}
	v := l.w.LabViews[user+"/"+lab]
	if v == nil {
		return mlops.Errorf(mlops.InvalidState, "the lab %s is not open: start it first", lab)
	}
	if l.w.Refuse != nil {
		return l.w.Refuse
	}
	if err := f(v); err != nil {
		return err
	}
	l.w.LabActs = append(l.w.LabActs, strings.TrimSpace(user+" "+act))
	l.w.announceLabs()
	return nil
}

// announceLabs tells the open pages of labs, and no others.
func (w *World) announceLabs() {
	close(w.labsChanged)
	w.labsChanged = make(chan struct{})
}

// ChangeLab applies f and tells the open pages of labs.
func (w *World) ChangeLab(f func()) {
	w.Lock()
	defer w.Unlock()
	f()
	w.announceLabs()
}

func taskOf(v *mlops.LabView, id string) (*mlops.LabTaskView, error) {
	for i := range v.Tasks {
		if v.Tasks[i].ID == id {
			return &v.Tasks[i], nil
		}
	}
	return nil, mlops.Errorf(mlops.NotFound, "there is no task %q in the lab %s", id, v.Name)
}

func (l labs) Start(_ context.Context, user, lab string, timed bool) error {
	l.w.Lock()
	defer l.w.Unlock()
	g, err := l.guided(lab)
	switch {
	case err != nil:
		return err
	case l.w.LabViews[user+"/"+lab] != nil:
		return mlops.Errorf(mlops.InvalidState, "the lab %s is open already", lab)
	case l.w.LabLacks[lab] != "":
		return mlops.Errorf(mlops.InvalidState, "%s", l.w.LabLacks[lab])
	}
	v := &mlops.LabView{GuidedLab: g, Session: &mlops.LabSession{ID: 9, Lab: lab, User: user, Room: "lab-" + lab, State: mlops.LabOpening, Timed: timed, OpenedAt: l.w.Clock(), ReadyAt: l.w.Clock()},
		Shell: mlops.LabShell{Why: "The pod of the shell starts."}, CanBreak: "Pass all tasks first.", Progress: l.w.LabProgress[lab]}
	v.Progress.Open = true
	for i, t := range g.Tasks {
		v.Tasks = append(v.Tasks, mlops.LabTaskView{LabTask: t, Unlocked: i == 0, MoreHint: true})
	}
	l.w.LabViews[user+"/"+lab] = v
	l.w.LabActs = append(l.w.LabActs, fmt.Sprintf("%s start %s %t", user, lab, timed))
	l.w.announceLabs()
	return nil
}

func (l labs) Leave(_ context.Context, user, lab string, sure bool) error {
	return l.change(user, lab, fmt.Sprintf("leave %s %t", lab, sure), func(v *mlops.LabView) error {
		if v.Progress.Passed > 0 && !sure {
			return &mlops.Error{Code: mlops.InvalidState, Message: "There is work in lab " + lab + ": Deployment model, Service model and 2 others. Leaving removes it.", Err: mlops.ErrUnsure}
		}
		delete(l.w.LabViews, user+"/"+lab)
		return nil
	})
}

func (l labs) Check(_ context.Context, user, lab, task string) error {
	return l.change(user, lab, "check "+lab+" "+task, func(v *mlops.LabView) error {
		if task == "" {
			return nil
		}
		_, err := taskOf(v, task)
		return err
	})
}

func (l labs) Hint(_ context.Context, user, lab, task string) (h mlops.LabHintTaken, err error) {
	err = l.change(user, lab, "hint "+lab+" "+task, func(v *mlops.LabView) error {
		var hints *[]mlops.LabHintTaken
		var more *bool
		if task == "" {
			if v.Break == nil {
				return mlops.Errorf(mlops.InvalidState, "no fault is being looked for")
			}
			hints, more = &v.Break.Hints, &v.Break.MoreHint
		} else {
			t, err := taskOf(v, task)
			if err != nil {
				return err
			}
			hints, more = &t.Hints, &t.MoreHint
		}
		if !*more {
			return mlops.Errorf(mlops.InvalidState, "there are no more hints")
		}
		h = mlops.LabHintTaken{Task: task, Tier: len(*hints) + 1, Topic: "service", Text: labHints[len(*hints)]}
		*hints = append(*hints, h)
		*more = len(*hints) < len(labHints)
		return nil
	})
	return h, err
}

func (l labs) Answer(_ context.Context, user, lab, task, question, answer string) (q mlops.LabQuestion, err error) {
	err = l.change(user, lab, "answer "+lab+" "+task+" "+question+" "+answer, func(v *mlops.LabView) error {
		t, err := taskOf(v, task)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(t.Questions, func(q mlops.LabQuestion) bool { return q.ID == question })
		if i < 0 {
			return mlops.Errorf(mlops.NotFound, "there is no question %q in the task %s", question, task)
		}
		if t.Questions[i].Answer != "" {
			return mlops.Errorf(mlops.InvalidState, "this question was answered already, and the first answer counts")
		}
		known := labAnswers[question]
		t.Questions[i].Answer, t.Questions[i].Right, t.Questions[i].Correct, t.Questions[i].Because = answer, answer == known.right, known.right, known.because
		q = t.Questions[i]
		return nil
	})
	return q, err
}

func (l labs) Reset(_ context.Context, user, lab, task string) error {
	return l.change(user, lab, "reset "+lab+" "+task, func(v *mlops.LabView) error {
		if task == "" {
			return nil
		}
		_, err := taskOf(v, task)
		return err
	})
}

func (l labs) Break(_ context.Context, user, lab string, seed int64, timed bool) error {
	return l.change(user, lab, fmt.Sprintf("break %s %d %t", lab, seed, timed), func(v *mlops.LabView) error {
		if v.CanBreak != "" {
			return mlops.Errorf(mlops.InvalidState, "%s", v.CanBreak)
		}
		l.w.BreakLab(v, max(seed, 1), timed)
		return nil
	})
}

func (l labs) GiveUp(_ context.Context, user, lab string) error {
	return l.change(user, lab, "give up "+lab, func(v *mlops.LabView) error {
		if v.Break == nil || v.Break.Over() {
			return mlops.Errorf(mlops.InvalidState, "no fault is being looked for")
		}
		l.w.mend(v, true)
		return nil
	})
}

func (l labs) Solve(_ context.Context, user, lab, task string) (out string, err error) {
	err = l.change(user, lab, "solve "+lab+" "+task, func(v *mlops.LabView) error {
		t, err := taskOf(v, task)
		if err != nil {
			return err
		}
		t.Pass, t.Verdict = &mlops.LabPass{Task: task, At: l.w.Clock(), Solved: true}, mlops.LabVerdict{Holds: true}
		v.Progress.Passed++
		for i := range v.Tasks {
			if slices.Contains(v.Tasks[i].After, task) {
				v.Tasks[i].Unlocked = true
			}
		}
		out = "+ kubectl expose deployment model --port 80 --target-port 8080\nservice/model exposed\n"
		return nil
	})
	return out, err
}

func (l labs) Export(_ context.Context, user string) ([]mlops.LabHistory, error) {
	l.w.Lock()
	defer l.w.Unlock()
	out := []mlops.LabHistory{}
	for _, g := range l.w.GuidedLabs {
		if v := l.w.LabViews[user+"/"+g.Name]; v != nil {
			h := mlops.LabHistory{LabSession: *v.Session}
			for _, t := range v.Tasks {
				if t.Pass != nil {
					h.Passes = append(h.Passes, *t.Pass)
				}
				h.Hints = append(h.Hints, t.Hints...)
			}
			out = append(out, h)
		}
	}
	return out, nil
}

// Terminal is a shell that says what it hears. The word exit ends it.
func (l labs) Terminal(ctx context.Context, user, lab string, t mlops.LabTerminal) error {
	if err := l.change(user, lab, "terminal "+lab, func(*mlops.LabView) error { return nil }); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	keys := make(chan []byte)
	go func() {
		defer close(keys)
		for {
			p := make([]byte, 4096)
			n, err := t.In.Read(p)
			if err != nil {
				return
			}
			select {
			case keys <- p[:n]:
			case <-ctx.Done():
				return
			}
		}
	}()
	// ?2004h: what is pasted is marked as such.
	const prompt = "\x1b[32mlab@" + "shell\x1b[0m:\x1b[34m~\x1b[0m$ "
	say := func(format string, a ...any) { _, _ = fmt.Fprintf(t.Out, format, a...) }
	var line []byte
	for {
		select {
		case <-ctx.Done():
			return nil
		case size := <-t.Sizes:
			if line == nil {
				say("\x1b[?2004hA shell of memory, %d columns by %d rows: it says what it hears.\r\n%s", size.Columns, size.Rows, prompt)
				line = []byte{}
			}
		case p, ok := <-keys:
			if !ok {
				return nil
			}
			text := strings.NewReplacer("\x1b[200~", "", "\x1b[201~", "").Replace(string(p))
			for _, key := range []byte(text) {
				switch key {
				case '\r':
					if string(line) == "exit" {
						return io.EOF
					}
					say("\r\nyou said: %s\r\n%s", line, prompt)
					line = []byte{}
				case 0x7f:
					if len(line) > 0 {
						line = line[:len(line)-1]
						say("\b \b")
					}
				default:
					line = append(line, key)
					say("%c", key)
				}
			}
		}
	}
}
