package engine_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// trial is a lab for tests. Its scripts are in the words of world.run.
func trial() map[string]string {
	return map[string]string{
		"trial/lab.yaml": `
title: Trial
summary: A lab for tests.
level: beginner
minutes: 10
order: 1
learn: [Nothing]
shows: [Pod, Version, Traffic, Bucket, Experiment]
tasks:
- id: one
  title: One
  questions:
  - {id: many, ask: "How many in ${LAB}?", value: {number: 2, within: 0.5}, unit: pods, because: "It is so in ${LAB}."}
  - {id: which, ask: "Which?", choices: [This one, That one], answer: 1, because: It is.}
  - {id: word, ask: Say it, value: {text: [Pending, waiting]}, because: It waits.}
  sources:
    one: {object: {kind: ConfigMap, name: one}}
  expect:
  - that: one != null
    saw: '"There is no ConfigMap one in " + lab + "."'
    hints: ["Make one in ${LAB}.", "Look.", "put ConfigMap one"]
  - that: one.data.?n.orValue("") == "1"
    saw: '"It says " + one.data.?n.orValue("nothing") + ", expected 1."'
  hints: [General hint]
- id: two
  title: Two
  after: [one]
  sources:
    two: {object: {kind: ConfigMap, name: two}}
    said: {script: look.sh}
  expect:
  - that: two != null && said.code == 0
    saw: '"There is no ConfigMap two: " + said.out'
    hints: [Make two.]
- id: three
  title: Three
  after: [two]
  sources:
    three: {object: {kind: ConfigMap, name: three}}
  expect:
  - that: three != null
    saw: '"There is no three."'
    hints: [Make three.]
- id: four
  title: Four
  sources:
    four: {objects: {kind: ConfigMap, labels: "four=yes"}}
  expect:
  - that: four.size() > 0
    saw: '"Nothing has the label four=yes."'
    hints: [Make four.]
break:
  symptom: "The light in ${LAB} is off."
  sources:
    light: {object: {kind: ConfigMap, name: light}}
  expect:
  - that: light != null && light.data.on == "yes"
    saw: '"The light is off."'
  hints: [Look at the light.]
faults:
- {id: gone, title: "It was gone from ${LAB}", hints: ["Where is it in ${LAB}?", "It is gone.", "put it back"]}
- {id: dark, title: It was dark, hints: ["Why is it dark?"]}
`,
		"trial/intro.md":              "You are in ${LAB}, and `$HOME` stays.\n",
		"trial/home/hello.txt":        "${LAB} ${UNKNOWN} $HOME\n",
		"trial/setup/light.yaml":      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: light}\ndata: {on: \"yes\", room: \"${LAB}\"}\n",
		"trial/setup/setup.sh":        "put ConfigMap setup\n",
		"trial/tasks/one/task.md":     "Make `one` in ${LAB}.\n",
		"trial/tasks/one/solution.sh": "put ConfigMap one n=1\nsay done\n",
		"trial/tasks/one/reset.sh":    "del ConfigMap one\n",
		"trial/tasks/one/wrong-n.sh":  "put ConfigMap one n=2\n",
		"trial/tasks/two/task.md":     "Make two.\n",
		"trial/tasks/two/solution.sh": "put ConfigMap two\n", "trial/tasks/two/reset.sh": "del ConfigMap two\n", "trial/tasks/two/look.sh": "say looked\n",
		"trial/tasks/three/task.md":     "Make three.\n",
		"trial/tasks/three/solution.sh": "put ConfigMap three\n", "trial/tasks/three/reset.sh": "del ConfigMap three\n",
		"trial/tasks/four/task.md":     "Make four.\n",
		"trial/tasks/four/solution.sh": "put ConfigMap four label=four=yes\n", "trial/tasks/four/reset.sh": "del ConfigMap four\n",
		"trial/faults/gone/inject.sh": "del ConfigMap light\n", "trial/faults/gone/mend.sh": "put ConfigMap light on=yes\n", "trial/faults/gone/explain.md": "It was gone from ${LAB}.\n",
		"trial/faults/dark/inject.sh": "put ConfigMap light on=no\n", "trial/faults/dark/mend.sh": "put ConfigMap light on=yes\n", "trial/faults/dark/explain.md": "It was dark.\n",
	}
}

// labs makes a catalogue of files.
func labs(files ...map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for _, some := range files {
		for name, text := range some {
			out[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		}
	}
	return out
}

// renamed is the trial under another name, edited.
func renamed(name string, edits ...string) map[string]string {
	out := map[string]string{}
	for path, text := range trial() {
		path = name + strings.TrimPrefix(path, "trial")
		if path == name+"/lab.yaml" {
			text = strings.NewReplacer(edits...).Replace(text)
		}
		out[path] = text
	}
	return out
}

// world plays all that the engine needs. It lives on when an engine dies.
type world struct {
	mu       sync.Mutex
	objects  map[string]map[string]map[string]any // namespace → "Kind name" → object
	rooms    map[string]mlops.LabRoom
	keys     map[string][]string
	projects map[string]bool
	buckets  map[string][]mlops.ObjectInfo
	files    []string // of the learner, in the home
	gpus     bool
	calls    map[string]int // of ports, by name

	sessions map[int64]*mlops.LabHistory
	reached  map[string]map[string]mlops.LabReached
	nextID   int64

	broken    map[string]error         // what a port answers instead
	shell     mlops.LabShell           // of all rooms
	late      map[string]time.Duration // objects that are deleted go so much later, by name
	api       map[string]string        // JSON by path without query
	slow      time.Duration            // that a scene takes
	slowOpen  time.Duration            // that OpenLab takes
	slowRows  time.Duration            // that a hint or an answer takes to be kept
	slowShell time.Duration            // that LabShell takes
	sticks    string                   // what does not go: bucket, experiment, key, room
	step      int                      // calls of ports so far
	dieAt     int                      // the process dies at this call
	die       func()
	log       io.Writer // nil for nowhere
}

func newWorld() *world {
	return &world{objects: map[string]map[string]map[string]any{}, rooms: map[string]mlops.LabRoom{}, keys: map[string][]string{}, projects: map[string]bool{},
		buckets: map[string][]mlops.ObjectInfo{}, calls: map[string]int{}, sessions: map[int64]*mlops.LabHistory{}, reached: map[string]map[string]mlops.LabReached{},
		broken: map[string]error{}, shell: mlops.LabShell{Ready: true}, late: map[string]time.Duration{}, api: map[string]string{}}
}

var errDead = errors.New("the process is dead")

// enter counts a call of a port, with w.mu held.
func (w *world) enter(name string) error {
	w.calls[name]++
	if w.dieAt > 0 {
		if w.step++; w.step == w.dieAt {
			w.die()
		}
		if w.step >= w.dieAt {
			return errDead
		}
	}
	return w.broken[name]
}

// call is enter for ports that hold nothing.
// called says how often a port was called.
func (w *world) called(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[name]
}

func (w *world) call(name string) (unlock func(), err error) {
	w.mu.Lock()
	return w.mu.Unlock, w.enter(name)
}

func (w *world) ports() engine.Ports {
	return engine.Ports{
		Store: func() (engine.Store, error) { unlock, err := w.call("Store"); defer unlock(); return (*store)(w), err },
		Cluster: func() (engine.Cluster, error) {
			unlock, err := w.call("Cluster")
			defer unlock()
			return (*cluster)(w), err
		},
		Loop:    func() (engine.Loop, error) { unlock, err := w.call("Loop"); defer unlock(); return (*loop)(w), err },
		Keys:    (*keys)(w),
		Metrics: (*metrics)(w),
		Call: func(_ context.Context, token, method, path string, _ []byte) (int, any, error) {
			unlock, err := w.call("Call")
			defer unlock()
			if err != nil {
				return 0, nil, err
			}
			u, err := url.Parse(path)
			if err != nil {
				return 0, nil, err
			}
			if room, ok := strings.CutPrefix(token, "token-of-"); !ok || w.keys[room] == nil {
				return 401, nil, nil
			}
			text, ok := w.api[u.Path]
			if !ok {
				if name, is := strings.CutPrefix(u.Path, "/api/deployments/"); is && w.projects[name] {
					return 200, map[string]any{"ready": 1.0, "version": "1"}, nil
				}
				if strings.HasPrefix(u.Path, "/api/2.0/") {
					return 200, map[string]any{}, nil
				}
				return 404, nil, nil
			}
			var v any
			return 200, v, json.Unmarshal([]byte(text), &v)
		},
		Objects: func(_ context.Context, bucket, _ string) ([]mlops.ObjectInfo, bool, error) {
			unlock, err := w.call("Objects")
			defer unlock()
			o, there := w.buckets[bucket]
			return o, there, err
		},
		Clear: func(_ context.Context, room string, all bool) error {
			unlock, err := w.call("Clear")
			defer unlock()
			if err != nil || w.keys[room] == nil {
				return err
			}
			if w.buckets[room] = nil; all && w.sticks != "bucket" {
				delete(w.buckets, room)
			}
			return nil
		},
		Left: func(_ context.Context, room string) (left []string, err error) {
			unlock, err := w.call("Left")
			defer unlock()
			if _, there := w.buckets[room]; there {
				left = append(left, "bucket "+room)
			}
			if w.sticks == "experiment" {
				left = append(left, "experiment "+room+"/x")
			}
			if w.keys[room] != nil {
				left = append(left, "key "+room)
			}
			if w.projects[mlops.LabProject(room)] {
				left = append(left, "project "+room+"-model")
			}
			return left, err
		},
		Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") },
		Env: func(room, token string) map[string]string {
			env := map[string]string{"DOMAIN": "lab.internal"}
			if token != "" {
				env["MLFLOW_TRACKING_PASSWORD"], env["AWS_SECRET_ACCESS_KEY"] = token, token
			}
			return env
		},
		GPUs: func(context.Context) (bool, error) {
			unlock, err := w.call("GPUs")
			defer unlock()
			return w.gpus, err
		},
	}
}

type keys world

func (k *keys) LabKey(_ context.Context, room string, projects []string) (mlops.NewKey, error) {
	w := (*world)(k)
	unlock, err := w.call("LabKey")
	defer unlock()
	if err != nil {
		return mlops.NewKey{}, err
	}
	if w.keys[room] == nil && w.projects[mlops.LabProject(room)] {
		return mlops.NewKey{}, mlops.Errorf(mlops.Exists, "a user has something called %s", room)
	}
	w.keys[room] = append([]string{room}, projects...)
	if _, there := w.buckets[room]; !there { // the bucket of a key comes with it
		w.buckets[room] = nil
	}
	return mlops.NewKey{Key: mlops.Key{Name: room}, Token: "token-of-" + room}, nil
}

func (k *keys) LeakKey(_ context.Context, room string) (mlops.NewKey, error) {
	unlock, err := (*world)(k).call("LeakKey")
	defer unlock()
	return mlops.NewKey{Key: mlops.Key{Name: room + "-ci"}, Token: "leaked"}, err
}

func (k *keys) DropLabKey(_ context.Context, room string) error {
	w := (*world)(k)
	unlock, err := w.call("DropLabKey")
	defer unlock()
	if err == nil && w.sticks != "key" {
		delete(w.keys, room)
	}
	return err
}

type metrics world

func (m *metrics) Query(context.Context, string, time.Time) ([]mlops.Sample, error) {
	unlock, err := (*world)(m).call("Query")
	defer unlock()
	return nil, err
}

type loop world

func (l *loop) AddLabProject(_ context.Context, room, _ string) error {
	w := (*world)(l)
	unlock, err := w.call("AddLabProject")
	defer unlock()
	if err == nil {
		w.projects[mlops.LabProject(room)] = true
	}
	return err
}

func (l *loop) DeleteLabProject(_ context.Context, room string) (bool, error) {
	w := (*world)(l)
	unlock, err := w.call("DeleteLabProject")
	defer unlock()
	if err != nil {
		return false, err
	}
	if w.keys[room] == nil {
		return true, nil
	}
	name := mlops.LabProject(room)
	was := w.projects[name]
	delete(w.projects, name)
	return !was, nil // it takes a second call to be gone
}

type cluster world

func (c *cluster) OpenLab(ctx context.Context, r mlops.LabRoom) error {
	w := (*world)(c)
	if !sleeps(ctx, w.takes(&w.slowOpen)) {
		return ctx.Err()
	}
	unlock, err := w.call("OpenLab")
	defer unlock()
	if err == nil {
		w.rooms[r.Name] = r
		if w.objects[r.Name] == nil {
			w.objects[r.Name] = map[string]map[string]any{}
		}
		w.furnish(r.Name)
	}
	return err
}

// furnish puts into a room what it is itself made of, as far as it could be taken
// for work.
func (w *world) furnish(room string) {
	for _, kind := range []string{"Secret", "NetworkPolicy"} {
		w.objects[room][kind+" lab"] = map[string]any{"metadata": map[string]any{"name": "lab", "labels": map[string]any{mlops.LabRoomLabel: room}}}
	}
}

// takes reads how long something takes.
func (w *world) takes(d *time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *d
}

// sleeps is false if ctx ends before.
func sleeps(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *cluster) LabShell(ctx context.Context, room string) (mlops.LabShell, error) {
	if ctx.Err() != nil || !sleeps(ctx, (*world)(c).takes(&c.slowShell)) {
		return mlops.LabShell{}, ctx.Err()
	}
	unlock, err := (*world)(c).call("LabShell")
	defer unlock()
	return c.shell, err
}

func (c *cluster) ClearLab(_ context.Context, r mlops.LabRoom) error {
	unlock, err := (*world)(c).call("ClearLab")
	defer unlock()
	if err == nil {
		c.objects[r.Name] = map[string]map[string]any{}
		(*world)(c).furnish(r.Name)
	}
	return err
}

func (c *cluster) CloseLab(_ context.Context, room string) (bool, error) {
	unlock, err := (*world)(c).call("CloseLab")
	defer unlock()
	if err != nil {
		return false, err
	}
	_, was := c.rooms[room]
	delete(c.rooms, room)
	delete(c.objects, room)
	return !was, nil
}

func (c *cluster) LabRooms(context.Context) ([]string, error) {
	unlock, err := (*world)(c).call("LabRooms")
	defer unlock()
	if err != nil {
		return nil, err
	}
	if c.sticks == "room" {
		return []string{"lab-trial"}, nil
	}
	return slices.Sorted(maps.Keys(c.rooms)), nil
}

func (c *cluster) ApplyLab(_ context.Context, namespace string, manifest []byte) error {
	unlock, err := (*world)(c).call("ApplyLab")
	defer unlock()
	if err == nil {
		if !strings.Contains(string(manifest), "room: \""+namespace+"\"") {
			return fmt.Errorf("the name of the room is not filled in: %s", manifest)
		}
		(*world)(c).put(namespace, "ConfigMap", "light", "on=yes")
	}
	return err
}

func (c *cluster) LabObjects(_ context.Context, q mlops.LabObjects) (any, error) {
	unlock, err := (*world)(c).call("LabObjects")
	defer unlock()
	if err != nil {
		return nil, err
	}
	if q.Name != "" {
		if o, ok := c.objects[q.Namespace][q.Kind+" "+q.Name]; ok {
			return o, nil
		}
		return nil, nil
	}
	list := []any{}
	for _, key := range slices.Sorted(maps.Keys(c.objects[q.Namespace])) {
		o := c.objects[q.Namespace][key]
		label, _ := o["label"].(string)
		if strings.HasPrefix(key, q.Kind+" ") && (q.Labels == "" || q.Labels == label) {
			list = append(list, o)
		}
	}
	return list, nil
}

// put makes an object, with w.mu held.
func (w *world) put(namespace, kind, name string, values ...string) {
	o := map[string]any{"metadata": map[string]any{"name": name}}
	data := map[string]any{}
	for _, v := range values {
		key, value, _ := strings.Cut(v, "=")
		if key == "label" {
			o["label"] = value
			continue
		}
		data[key] = value
	}
	o["data"] = data
	if w.objects[namespace] == nil {
		w.objects[namespace] = map[string]map[string]any{}
	}
	w.objects[namespace][kind+" "+name] = o
}

func (c *cluster) RunLab(ctx context.Context, room string, s mlops.LabScript) (out mlops.LabOutput, err error) {
	w := (*world)(c)
	unlock, err := w.call("RunLab")
	unlock()
	if err != nil {
		return out, err
	}
	text := s.Text
	if s.Env["LAB"] != room || s.Env["MLFLOW_TRACKING_PASSWORD"] == "" {
		return out, fmt.Errorf("a script without its variables: %q %v", s.Text, s.Env)
	}
	if strings.HasPrefix(text, "cd ~ && busybox find ") {
		for _, f := range w.files {
			out.Stdout += "file ~/" + f + "\n"
		}
		return out, nil
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		words := strings.Fields(line)
		switch words[0] {
		case "put":
			w.mu.Lock()
			w.put(room, words[1], words[2], words[3:]...)
			w.mu.Unlock()
		case "del":
			w.mu.Lock()
			if d := w.late[words[2]]; d > 0 {
				time.AfterFunc(d, func() {
					w.mu.Lock()
					defer w.mu.Unlock()
					delete(w.objects[room], words[1]+" "+words[2])
				})
			} else {
				delete(w.objects[room], words[1]+" "+words[2])
			}
			w.mu.Unlock()
		case "leak":
			if s.Env["LEAKED_KEY_NAME"] != room+"-ci" || s.Env["LEAKED_KEY_SECRET"] != "leaked" {
				return out, errors.New("no key that could leak")
			}
		case "say":
			out.Stdout += strings.Join(words[1:], " ") + "\n"
		case "wait":
			d, err := time.ParseDuration(words[1])
			if err != nil {
				return out, err
			}
			select {
			case <-time.After(d):
			case <-ctx.Done():
				return out, ctx.Err()
			}
		case "exit":
			if out.Code, err = strconv.Atoi(words[1]); err != nil {
				return out, err
			}
			out.Stderr = strings.Join(words[2:], " ")
			return out, nil
		case "fail":
			out.Code, out.Stderr = 3, strings.Join(words[1:], " ")
			return out, nil
		default:
			return out, fmt.Errorf("unknown word %s", words[0])
		}
	}
	return out, nil
}

func (c *cluster) LabTerminal(ctx context.Context, room string, t mlops.LabTerminal) error {
	unlock, err := (*world)(c).call("LabTerminal")
	unlock()
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (c *cluster) LabScene(_ context.Context, r mlops.LabRoom, kinds []string) (mlops.LabScene, error) {
	time.Sleep((*world)(c).takes(&c.slow))
	unlock, err := (*world)(c).call("LabScene")
	defer unlock()
	var out mlops.LabScene
	for _, kind := range kinds {
		column := mlops.LabColumn{Kind: kind}
		for _, key := range slices.Sorted(maps.Keys(c.objects[r.Name])) {
			if name, ok := strings.CutPrefix(key, kind+" "); ok {
				column.Things = append(column.Things, mlops.LabThing{ID: key, Name: name, State: "Running", Mood: "ok"})
			}
		}
		out.Columns = append(out.Columns, column)
	}
	return out, err
}

type store world

func (s *store) CreateSession(_ context.Context, n mlops.LabSession) (mlops.LabSession, error) {
	unlock, err := (*world)(s).call("CreateSession")
	defer unlock()
	if err != nil {
		return n, err
	}
	taken := map[string]bool{}
	for _, h := range s.sessions {
		if h.State != mlops.LabClosed {
			taken[h.Room] = true
		}
	}
	n.Room = "lab-" + n.Lab
	for i := 2; taken[n.Room]; i++ {
		n.Room = fmt.Sprintf("lab-%s-%d", n.Lab, i)
	}
	s.nextID++
	n.ID = s.nextID
	s.sessions[n.ID] = &mlops.LabHistory{LabSession: n}
	return n, nil
}

func (s *store) SetSession(_ context.Context, id int64, state mlops.LabState, problem string, at time.Time) error {
	unlock, err := (*world)(s).call("SetSession " + string(state))
	defer unlock()
	if err != nil {
		return err
	}
	h := s.sessions[id]
	h.State, h.Problem = state, problem
	switch {
	case state == mlops.LabClosed:
		h.ClosedAt = at
	case state == mlops.LabOpen && !at.IsZero():
		h.ReadyAt = at
	}
	return nil
}

func (s *store) DeleteSession(_ context.Context, id int64) error {
	unlock, err := (*world)(s).call("DeleteSession")
	defer unlock()
	if err == nil && s.sessions[id].State == mlops.LabClosed {
		delete(s.sessions, id)
	}
	return err
}

func (s *store) Sessions(context.Context) (out []mlops.LabSession, err error) {
	unlock, err := (*world)(s).call("Sessions")
	defer unlock()
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		if h := s.sessions[id]; h.State != mlops.LabClosed {
			out = append(out, h.LabSession)
		}
	}
	return out, err
}

func copied(h mlops.LabHistory) mlops.LabHistory {
	h.Passes, h.Hints, h.Answers, h.Breaks = slices.Clone(h.Passes), slices.Clone(h.Hints), slices.Clone(h.Answers), slices.Clone(h.Breaks)
	return h
}

func (s *store) History(_ context.Context, user string) (out []mlops.LabHistory, err error) {
	unlock, err := (*world)(s).call("History")
	defer unlock()
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		if s.sessions[id].User == user {
			out = append(out, copied(*s.sessions[id]))
		}
	}
	return out, err
}

func (s *store) Session(_ context.Context, id int64) (mlops.LabHistory, error) {
	unlock, err := (*world)(s).call("Session")
	defer unlock()
	return copied(*s.sessions[id]), err
}

func (s *store) AddPass(_ context.Context, id int64, p mlops.LabPass) error {
	unlock, err := (*world)(s).call("AddPass")
	defer unlock()
	if err != nil {
		return err
	}
	h := s.sessions[id]
	h.Passes = append(h.Passes, p)
	if !p.Solved {
		r := (*world)(s).of(h.User, h.Lab)
		r.Passed[p.Task] = p.At
	}
	return nil
}

// of is what a user has reached in a lab, with w.mu held.
func (w *world) of(user, lab string) mlops.LabReached {
	if w.reached[user] == nil {
		w.reached[user] = map[string]mlops.LabReached{}
	}
	r, ok := w.reached[user][lab]
	if !ok {
		r = mlops.LabReached{Passed: map[string]time.Time{}, Mended: map[string]time.Time{}, Sessions: 1}
		w.reached[user][lab] = r
	}
	return r
}

func (s *store) DropPasses(_ context.Context, id int64, tasks ...string) error {
	unlock, err := (*world)(s).call("DropPasses")
	defer unlock()
	if err == nil {
		h := s.sessions[id]
		h.Passes = slices.DeleteFunc(h.Passes, func(p mlops.LabPass) bool { return len(tasks) == 0 || slices.Contains(tasks, p.Task) })
	}
	return err
}

func (s *store) AddHint(_ context.Context, id int64, n mlops.LabHintTaken) error {
	time.Sleep((*world)(s).takes(&s.slowRows))
	unlock, err := (*world)(s).call("AddHint")
	defer unlock()
	if err == nil {
		s.sessions[id].Hints = append(s.sessions[id].Hints, n)
	}
	return err
}

func (s *store) DropHints(_ context.Context, id int64, tasks ...string) error {
	unlock, err := (*world)(s).call("DropHints")
	defer unlock()
	if err == nil {
		h := s.sessions[id]
		h.Hints = slices.DeleteFunc(h.Hints, func(n mlops.LabHintTaken) bool { return len(tasks) == 0 || slices.Contains(tasks, n.Task) })
	}
	return err
}

func (s *store) AddAnswer(_ context.Context, id int64, a mlops.LabAnswer) error {
	time.Sleep((*world)(s).takes(&s.slowRows))
	unlock, err := (*world)(s).call("AddAnswer")
	defer unlock()
	if err == nil {
		s.sessions[id].Answers = append(s.sessions[id].Answers, a)
	}
	return err
}

func (s *store) AddBreak(_ context.Context, id int64, b mlops.LabBreak) (mlops.LabBreak, error) {
	unlock, err := (*world)(s).call("AddBreak")
	defer unlock()
	if err == nil {
		s.nextID++
		b.ID = s.nextID
		s.sessions[id].Breaks = append(s.sessions[id].Breaks, b)
	}
	return b, err
}

func (s *store) EndBreak(_ context.Context, id int64, mended, gaveUp time.Time) error {
	unlock, err := (*world)(s).call("EndBreak")
	defer unlock()
	if err != nil {
		return err
	}
	for _, h := range s.sessions {
		for i := range h.Breaks {
			if h.Breaks[i].ID == id {
				h.Breaks[i].MendedAt, h.Breaks[i].GaveUpAt = mended, gaveUp
				if !mended.IsZero() {
					(*world)(s).of(h.User, h.Lab).Mended[h.Breaks[i].Fault] = mended
				}
			}
		}
	}
	return nil
}

func (s *store) Progress(_ context.Context, user string) (map[string]mlops.LabReached, error) {
	unlock, err := (*world)(s).call("Progress")
	defer unlock()
	out := map[string]mlops.LabReached{}
	for lab, r := range s.reached[user] {
		out[lab] = mlops.LabReached{Passed: maps.Clone(r.Passed), Mended: maps.Clone(r.Mended), Sessions: r.Sessions}
	}
	return out, err
}

// bench is an engine over a world, in a bubble.
type bench struct {
	*engine.Engine
	t *testing.T
	w *world
}

// process runs an engine until stop.
func process(t *testing.T, w *world, files fstest.MapFS) (b *bench, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w.mu.Lock()
	w.die = cancel
	w.mu.Unlock()
	e := engine.Open(w.ports(), files, slog.New(slog.NewTextHandler(cmp.Or(w.log, io.Discard), nil)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := e.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	synctest.Wait()
	return &bench{e, t, w}, func() { cancel(); <-done }
}

// within runs a test in a bubble with an engine for the trial and more labs.
func within(t *testing.T, do func(b *bench), more ...map[string]string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, stop := process(t, newWorld(), labs(append(more, trial())...))
		do(b)
		stop()
	})
}

const user = "admin"

// settle waits, and until all others wait: the world can be looked at then
// without its lock.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) ok(err error) {
	b.t.Helper()
	synctest.Wait()
	if err != nil {
		b.t.Fatal(err)
	}
}

// refused expects an error that users may see.
func (b *bench) refused(err error, code mlops.Code, want string) {
	b.t.Helper()
	synctest.Wait()
	if err == nil || mlops.CodeOf(err) != code || !strings.Contains(mlops.MessageOf(err), want) {
		b.t.Errorf("got %s %q, want %s with %q", mlops.CodeOf(err), mlops.MessageOf(err), code, want)
	}
}

func (b *bench) view() mlops.LabView {
	b.t.Helper()
	v, err := b.Lab(b.t.Context(), user, "trial")
	b.ok(err)
	return v
}

// open starts the trial and waits until it is open.
func (b *bench) open() {
	b.t.Helper()
	b.ok(b.Start(b.t.Context(), user, "trial", false))
	b.wait("it is open", func() bool { s := b.view().Session; return s != nil && s.State == mlops.LabOpen })
}

// wait waits up to a minute of the bubble, looking at the lab as a page does.
func (b *bench) wait(what string, until func() bool) {
	b.t.Helper()
	for range 600 {
		if until() {
			return
		}
		settle(100 * time.Millisecond)
	}
	b.t.Fatalf("a minute went by without: %s\n%+v", what, b.view())
}

func (b *bench) put(kind, name string, values ...string) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.w.put("lab-trial", kind, name, values...)
}

func (b *bench) del(kind, name string) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	delete(b.w.objects["lab-trial"], kind+" "+name)
}

func (b *bench) has(what string) bool {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	_, ok := b.w.objects["lab-trial"][what]
	return ok
}

func (b *bench) task(id string) mlops.LabTaskView {
	b.t.Helper()
	for _, t := range b.view().Tasks {
		if t.ID == id {
			return t
		}
	}
	b.t.Fatalf("no task %s", id)
	return mlops.LabTaskView{}
}

func (b *bench) passed(id string) bool { return b.task(id).Pass != nil }

// solveAll has all tasks passed by what the learner does.
func (b *bench) solveAll() {
	b.t.Helper()
	b.put("ConfigMap", "one", "n=1")
	b.put("ConfigMap", "two")
	b.put("ConfigMap", "three")
	b.put("ConfigMap", "four", "label=four=yes")
	b.wait("all is passed and can be broken", func() bool { return b.view().CanBreak == "" })
}

func TestTrialCanBeRead(t *testing.T) {
	if _, err := format.All(labs(trial())); err != nil {
		t.Fatal(err)
	}
}
