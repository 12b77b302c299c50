package format

import (
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
)

// What keys of lab.yaml may be.
var (
	levels   = []string{"beginner", "intermediate", "advanced"}
	datasets = []string{"iris", "wine", "breast-cancer"}
	// Columns are what the object view can draw.
	Columns = slices.Concat(mlops.LabClusterKinds, []string{"Version", "Traffic", "Bucket", "Experiment"})
	methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
)

var quantity = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|Ki|Mi|Gi)?$`)

// oneOf reads one of some words.
func (r *reader) oneOf(what string, of []string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v := meant(n).Value
		if !slices.Contains(of, v) {
			r.at(n, "%s: %q is not known: expected %s", what, v, strings.Join(of, ", "))
			return
		}
		*into = v
	}
}

// someOf reads a list of some words.
func (r *reader) someOf(what string, of []string, into *[]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		r.list(what, n, func(item *yaml.Node) {
			var s string
			r.oneOf(what, of, &s)(item)
			if s != "" && slices.Contains(*into, s) {
				r.at(item, "%s: %s is there twice", what, s)
			}
			*into = append(*into, s)
		})
	}
}

func (r *reader) id(what string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v := meant(n).Value
		if !labName.MatchString(v) || len(v) > maxID {
			r.at(n, "%s: %q can't be an id: expected %s, at most %d letters", what, v, letters, maxID)
			return
		}
		*into = v
	}
}

func (r *reader) quantity(what string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if v := meant(n).Value; quantity.MatchString(v) {
			*into = v
			return
		}
		r.at(n, "%s: expected a quantity of Kubernetes, for example 500m or 2Gi", what)
	}
}

// yaml reads lab.yaml.
func (r *reader) yaml(text string) {
	root := r.document(text)
	if root == nil {
		return
	}
	l := r.lab
	r.needsFirst(root)
	var tasks, faults, breaks *yaml.Node
	keep := func(into **yaml.Node) func(*yaml.Node) { return func(n *yaml.Node) { *into = n } }
	r.mapping(root, "the lab",
		key{"title", r.text("title", &l.Title), true},
		key{"summary", r.text("summary", &l.Summary), true},
		key{"level", r.oneOf("level", levels, &l.Level), true},
		key{"minutes", r.whole("minutes", 10, 25, &l.Minutes), true},
		key{"order", r.whole("order", 0, 9999, &l.Order), true},
		key{"learn", r.texts("learn", 6, &l.Learn), true},
		key{"after", r.texts("after", 6, &l.After), false},
		key{"needs", func(*yaml.Node) {}, false}, // read before
		key{"shows", r.someOf("shows", Columns, &l.Shows), true},
		key{"tasks", keep(&tasks), true},
		key{"break", keep(&breaks), true},
		key{"faults", keep(&faults), true},
	)
	if tasks != nil {
		r.list("tasks", tasks, func(n *yaml.Node) { r.task(n) })
		if n := len(l.Tasks); n < 1 || n > maxTasks {
			r.at(tasks, "tasks: there are %d: expected 1 to %d, and 4 to 6 are best", n, maxTasks)
		}
		r.graph(tasks)
	}
	if breaks != nil {
		r.breaks(breaks)
	}
	if faults != nil {
		r.list("faults", faults, func(n *yaml.Node) { r.fault(n) })
		if n := len(l.Faults); n < leastFaults {
			r.at(faults, "faults: there are %d: expected at least %d", n, leastFaults)
		}
	}
}

// needsFirst reads what the rest is understood by.
func (r *reader) needsFirst(root *yaml.Node) {
	if root.Kind != yaml.MappingNode {
		return // said by who reads the rest
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "needs" {
			continue
		}
		n := &r.lab.Needs
		r.mapping(root.Content[i+1], "needs",
			key{"project", func(p *yaml.Node) {
				r.mapping(p, "needs: project", key{"dataset", r.oneOf("needs: project: dataset", datasets, &n.Dataset), true})
			}, false},
			key{"gpus", r.truth("needs: gpus", &n.GPUs), false},
			key{"leak", r.truth("needs: leak", &n.Leak), false},
			key{"cluster", r.someOf("needs: cluster", mlops.LabClusterReads, &n.Cluster), false},
			key{"cpu", r.quantity("needs: cpu", &n.CPU), false},
			key{"memory", r.quantity("needs: memory", &n.Memory), false},
			key{"pods", r.whole("needs: pods", 1, 100, &n.Pods), false},
		)
	}
}

func (r *reader) task(n *yaml.Node) {
	t := &Task{}
	what := "task"
	if id := valueOf(n, "id"); id != "" {
		what = "task " + id
	}
	var sources, expect, questions *yaml.Node
	keep := func(into **yaml.Node) func(*yaml.Node) { return func(n *yaml.Node) { *into = n } }
	r.mapping(n, what,
		key{"id", r.id("the id of a task", &t.ID), true},
		key{"title", r.text(what+": title", &t.Title), true},
		key{"after", r.texts(what+": after", maxTasks, &t.After), false},
		key{"questions", keep(&questions), false},
		key{"sources", keep(&sources), true},
		key{"expect", keep(&expect), true},
		key{"hints", r.hints(what, &t.Hints), false},
	)
	if t.ID == "" {
		return
	}
	dir := "tasks/" + t.ID
	if r.lab.Task(t.ID) != nil {
		r.at(n, "%s: there are two tasks of this id", what)
	}
	if questions != nil {
		r.list(what+": questions", questions, func(q *yaml.Node) { r.question(what, t, q) })
	}
	if sources != nil && expect != nil {
		t.Check = r.check(what, dir, sources, expect, len(t.Hints) > 0)
	}
	t.Prose = r.prose(dir+"/task.md", "it says what to reach, in 5 to 40 lines", taskLines)
	t.Solution, _ = r.take(dir+"/solution.sh", "it does what the task asks for, with the learner's rights")
	t.Reset, _ = r.take(dir+"/reset.sh", "it undoes what the task asks for")
	for name, text := range r.files {
		base, ok := strings.CutPrefix(name, dir+"/wrong-")
		if wrong, is := strings.CutSuffix(base, ".sh"); ok && is {
			r.used[name] = true
			t.Wrong = append(t.Wrong, Wrong{wrong, text})
		}
	}
	slices.SortFunc(t.Wrong, func(a, b Wrong) int { return strings.Compare(a.Name, b.Name) })
	r.lab.Tasks = append(r.lab.Tasks, t)
}

// valueOf is the text of a key, for messages.
func valueOf(n *yaml.Node, name string) string {
	n = meant(n)
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1].Value
		}
	}
	return ""
}

// graph orders the tasks behind those that they need.
func (r *reader) graph(n *yaml.Node) {
	l := r.lab
	for _, t := range l.Tasks {
		for _, before := range t.After {
			if l.Task(before) == nil {
				r.at(n, "task %s: after: there is no task %s", t.ID, before)
				return
			}
		}
	}
	var sorted []*Task
	done := map[string]bool{}
	for len(sorted) < len(l.Tasks) {
		was := len(sorted)
		for _, t := range l.Tasks {
			if !done[t.ID] && !slices.ContainsFunc(t.After, func(id string) bool { return !done[id] }) {
				done[t.ID] = true
				sorted = append(sorted, t)
				break // the author's order, as far as it goes
			}
		}
		if len(sorted) == was {
			var left []string
			for _, t := range l.Tasks {
				if !done[t.ID] {
					left = append(left, t.ID)
				}
			}
			r.at(n, "tasks wait for each other in a circle: %s", strings.Join(left, ", "))
			return
		}
	}
	l.Tasks = sorted
}

func (r *reader) question(what string, t *Task, n *yaml.Node) {
	q := Question{}
	if id := valueOf(n, "id"); id != "" {
		what += ": question " + id
	}
	var value *yaml.Node
	answer := -1
	r.mapping(n, what,
		key{"id", r.id(what+": id", &q.ID), true},
		key{"ask", r.text(what+": ask", &q.Ask), true},
		key{"unit", r.text(what+": unit", &q.Unit), false},
		key{"value", func(n *yaml.Node) { value = n }, false},
		key{"choices", r.texts(what+": choices", 6, &q.Choices), false},
		key{"answer", r.whole(what+": answer", 0, 5, &answer), false},
		key{"because", r.text(what+": because", &q.Because), true},
	)
	if q.ID != "" && t.Question(q.ID) != nil {
		r.at(n, "%s: there are two questions of this id", what)
	}
	switch {
	case value != nil && q.Choices == nil && answer < 0:
		var number, within bool
		r.mapping(value, what+": value",
			key{"number", func(n *yaml.Node) { number = true; r.number(what+": value: number", &q.Number)(n) }, false},
			key{"within", func(n *yaml.Node) { within = true; r.number(what+": value: within", &q.Within)(n) }, false},
			key{"text", r.texts(what+": value: text", 10, &q.Texts), false},
		)
		if number == (q.Texts != nil) || within && !number || q.Within < 0 {
			r.at(value, "%s: value: expected either number, and how far an answer may be from it (within, not negative), or text with all answers that are right", what)
		}
	case value == nil && len(q.Choices) >= 2:
		if answer < 0 || answer >= len(q.Choices) {
			r.at(n, "%s: answer: expected the index of the right choice, from 0 to %d", what, len(q.Choices)-1)
			answer = 0
		}
		q.Right = answer
	default:
		r.at(n, "%s: expected either value, or choices (two or more) with answer", what)
	}
	t.Questions = append(t.Questions, q)
}

func (r *reader) breaks(n *yaml.Node) {
	b := &r.lab.Break
	var sources, expect *yaml.Node
	r.mapping(n, "break",
		key{"symptom", r.text("break: symptom", &b.Symptom), true},
		key{"sources", func(n *yaml.Node) { sources = n }, true},
		key{"expect", func(n *yaml.Node) { expect = n }, true},
		key{"hints", r.hints("break", &b.Hints), false},
	)
	if sources != nil && expect != nil {
		b.Check = r.check("break", "faults", sources, expect, true)
	}
}

func (r *reader) fault(n *yaml.Node) {
	f := &Fault{}
	what := "fault"
	if id := valueOf(n, "id"); id != "" {
		what = "fault " + id
	}
	r.mapping(n, what,
		key{"id", r.id("the id of a fault", &f.ID), true},
		key{"title", r.text(what+": title", &f.Title), true},
		key{"hints", r.hints(what, &f.Hints), true},
	)
	if f.ID == "" {
		return
	}
	if r.lab.Fault(f.ID) != nil {
		r.at(n, "%s: there are two faults of this id", what)
	}
	dir := "faults/" + f.ID
	f.Inject, _ = r.take(dir+"/inject.sh", "it does the damage")
	f.Mend, _ = r.take(dir+"/mend.sh", "it mends the damage, with the learner's rights")
	f.Explain = r.prose(dir+"/explain.md", "it says what was broken and how one finds it", taskLines)
	r.lab.Faults = append(r.lab.Faults, f)
}

// check reads sources and expectations. Scripts are files of dir.
func (r *reader) check(what, dir string, sources, expect *yaml.Node, hinted bool) *check.Check {
	before := len(r.problems)
	read := map[string]check.Source{}
	lines := map[string]*yaml.Node{}
	if s := meant(sources); s.Kind != yaml.MappingNode || len(s.Content) == 0 {
		r.at(s, "%s: sources: expected names with what is looked at", what)
	} else {
		for i := 0; i+1 < len(s.Content); i += 2 {
			name := s.Content[i].Value
			if _, twice := read[name]; twice {
				r.at(s.Content[i], "%s: the source %s is there twice", what, name)
			}
			lines[name] = s.Content[i]
			read[name] = r.source(what+": source "+name, dir, s.Content[i+1])
		}
	}
	type place struct{ that, saw int }
	var places []place
	var wanted []check.Expectation
	r.list(what+": expect", expect, func(n *yaml.Node) {
		var e check.Expectation
		p := place{n.Line, n.Line}
		r.mapping(n, what+": expect",
			key{"that", r.code(what+": that", &e.That, &p.that), true},
			key{"saw", r.code(what+": saw", &e.Saw, &p.saw), true},
			key{"hints", r.hints(what, &e.Hints), false},
		)
		if len(e.Hints) == 0 && !hinted {
			r.at(n, "%s: expected hints, here or for the whole task", what)
		}
		r.references("lab.yaml", p.saw, e.Saw) // filled in there
		places, wanted = append(places, p), append(wanted, e)
	})
	if len(wanted) == 0 {
		r.at(expect, "%s: expect: there is nothing: expected at least one", what)
	}
	if len(r.problems) > before {
		return nil
	}
	c := check.New(read, wanted)
	if r.trusted {
		return c
	}
	for _, e := range c.Problems() {
		switch at := lines[e.Name]; {
		case e.Index >= 0 && e.That:
			r.problem("lab.yaml", places[e.Index].that, "%s: %s", what, e.Text)
		case e.Index >= 0:
			r.problem("lab.yaml", places[e.Index].saw, "%s: %s", what, e.Text)
		case at != nil:
			r.at(at, "%s: %s", what, e.Text)
		default:
			r.at(sources, "%s: %s", what, e.Text)
		}
	}
	return c
}

// source reads one source.
func (r *reader) source(what, dir string, n *yaml.Node) (s check.Source) {
	kinds, name, timeout := 0, "", check.DefaultScript
	var late, script *yaml.Node
	kind := func(read func(*yaml.Node)) func(*yaml.Node) {
		return func(n *yaml.Node) { kinds++; read(n) }
	}
	r.mapping(n, what,
		key{"object", kind(func(n *yaml.Node) { s.Object = r.objects(what+": object", true, n) }), false},
		key{"objects", kind(func(n *yaml.Node) { s.Objects = r.objects(what+": objects", false, n) }), false},
		key{"http", kind(func(n *yaml.Node) { s.HTTP = r.http(what+": http", n) }), false},
		key{"promql", kind(r.text(what+": promql", &s.PromQL)), false},
		key{"api", kind(func(n *yaml.Node) {
			s.API = &check.API{}
			r.mapping(n, what+": api", key{"path", r.text(what+": api: path", &s.API.Path), true}, key{"body", r.body(what+": api: body", &s.API.Body), false})
			if s.API.Path != "" && !strings.HasPrefix(s.API.Path, "/api/") {
				r.at(n, "%s: api: path: expected it to begin with /api/", what)
			}
		}), false},
		key{"s3", kind(func(n *yaml.Node) {
			s.S3 = &check.S3{Bucket: "${LAB}"}
			r.mapping(n, what+": s3", key{"bucket", r.text(what+": s3: bucket", &s.S3.Bucket), false}, key{"prefix", r.text(what+": s3: prefix", &s.S3.Prefix), false})
		}), false},
		key{"script", kind(func(n *yaml.Node) { script = n; r.text(what+": script", &name)(n) }), false},
		key{"timeout", func(n *yaml.Node) { late = n; r.duration(what+": timeout", check.LongestScript, &timeout)(n) }, false},
	)
	if kinds != 1 && meant(n).Kind == yaml.MappingNode {
		r.at(n, "%s: expected one of object, objects, http, promql, api, s3 and script", what)
	}
	if late != nil && script == nil {
		r.at(late, "%s: timeout: only a script has one here; that of http is inside of http", what)
	}
	if name != "" {
		s.Script = r.script(what, dir, name, script, timeout)
	}
	return s
}

// objects reads what is asked of Kubernetes.
func (r *reader) objects(what string, one bool, n *yaml.Node) *check.Objects {
	o := &check.Objects{Namespace: "${LAB}"}
	keys := []key{
		{"kind", r.text(what+": kind", &o.Kind), true},
		{"apiVersion", r.text(what+": apiVersion", &o.APIVersion), false},
		{"namespace", r.oneOf(what+": namespace", []string{"${LAB}", "${PROJECT}", "-"}, &o.Namespace), false},
	}
	if one {
		keys = append(keys, key{"name", r.text(what+": name", &o.Name), true})
	} else {
		keys = append(keys, key{"labels", r.text(what+": labels", &o.Labels), false}, key{"fields", r.text(what+": fields", &o.Fields), false})
	}
	r.mapping(n, what, keys...)
	r.references("lab.yaml", n.Line, o.Namespace)
	return o
}

func (r *reader) http(what string, n *yaml.Node) *check.HTTP {
	h := &check.HTTP{Method: http.MethodGet, Headers: map[string]string{}, Timeout: check.DefaultHTTP}
	r.mapping(n, what,
		key{"url", r.text(what+": url", &h.URL), true},
		key{"method", r.oneOf(what+": method", methods, &h.Method), false},
		key{"headers", func(n *yaml.Node) {
			n = meant(n)
			if n.Kind != yaml.MappingNode {
				r.at(n, "%s: headers: expected names with values", what)
				return
			}
			for i := 0; i+1 < len(n.Content); i += 2 {
				var v string
				r.text(what+": headers: "+n.Content[i].Value, &v)(n.Content[i+1])
				h.Headers[n.Content[i].Value] = v
			}
		}, false},
		key{"body", r.body(what+": body", &h.Body), false},
		key{"timeout", r.duration(what+": timeout", check.LongestHTTP, &h.Timeout), false},
	)
	at := check.Expand(h.URL, map[string]string{"LAB": "lab", "PROJECT": "lab", "DOMAIN": "lab.internal", "ADDRESS": "192.0.2.1",
		"MLFLOW_TRACKING_URI": "http://m", "AWS_ENDPOINT_URL": "http://s", "PROMETHEUS_URL": "http://p", "API_URL": "http://a", "BUCKET": "lab"})
	if u, err := url.Parse(at); h.URL != "" && (err != nil || u.Scheme != "http" || u.Host == "") {
		r.at(n, "%s: url: expected http://HOST/…", what)
	}
	return h
}

func (r *reader) script(what, dir, name string, n *yaml.Node, timeout time.Duration) *check.Script {
	file := path.Join(dir, name)
	if !fileName.MatchString(name) || path.Ext(name) != ".sh" {
		r.at(n, "%s: script: expected the name of a file of %s that ends with .sh", what, dir)
		return nil
	}
	if shared := path.Join("tasks", name); dir != "faults" && !r.has(file) && r.has(shared) {
		file = shared // of several tasks
	}
	text, _ := r.take(file, "a source names it")
	return &check.Script{Name: name, Text: text, Timeout: timeout}
}
