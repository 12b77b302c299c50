package uitest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// Password is the admin's in every world.
const Password = "correct horse battery staple"

// World is the state behind the ports. Its fields may be changed between
// requests, under Lock.
type World struct {
	sync.Mutex
	Clock func() time.Time

	Projects    []mlops.Project
	Datasets    []mlops.Dataset
	Experiments []mlops.Experiment
	Runs        []mlops.Run // newest first
	Unlisted    []mlops.Run // found by id only, as in deleted experiments
	History     map[string][]mlops.Metric
	Logged      map[string][]mlops.LoggedModel // by run id
	Files       map[string]map[string]string   // run id → path → contents
	Models      []mlops.RegisteredModel
	Versions    []mlops.ModelVersion
	Trainings   []mlops.Training // newest first
	Deployments []mlops.Deployment
	Revisions   map[string][]mlops.Revision // of each deployment, newest first
	Acts        []string                    // changes of what is served
	Refuse      error                       // what a change of what is served fails with
	Findings    []mlops.Finding             // what is wrong with deployments
	Pods        []mlops.Pod
	Images      []mlops.Image
	Objects     []mlops.Object
	GPUs        *mlops.GPUs // nil for none
	Events      []mlops.Event
	GuidedLabs  []mlops.GuidedLab
	LabProgress map[string]mlops.LabProgress // by lab, of everybody without a session
	LabLacks    map[string]string            // why a lab can't be run
	LabViews    map[string]*mlops.LabView    // open sessions by user/lab
	LabActs     []string                     // changes of labs
	Logs        map[string][]string          // namespace/pod → lines
	Rate        float64                      // requests per second
	ErrorRate   float64
	Machine     mlops.MachineSample
	Units       []supervise.Status
	LoginTokens map[string]bool
	Passwords   map[string]mlops.Principal // "name:password"
	Tokens      map[string]mlops.Principal
	Sessions    map[string]ui.Session
	Keys        []mlops.Key // by name

	KubeconfigUsers []mlops.KubeconfigUser // by name

	// Down maps a port (registry, loop, cluster, metrics, gpus, labs), or the revisions
	// alone, to its error.
	Down map[string]error
	// Answer, if set, is what deployments answer to a prediction.
	Answer func(body []byte) (int, []byte)

	// DeploymentCalls counts how often the servers were asked what they serve,
	// Queries how often the metrics were.
	DeploymentCalls, Queries int

	changed     chan struct{}
	labsChanged chan struct{}
	unitChanged chan struct{}
}

// Empty returns a lab in which everything serves and nothing has happened.
func Empty(now func() time.Time) *World {
	w := &World{Clock: now, History: map[string][]mlops.Metric{}, Logged: map[string][]mlops.LoggedModel{}, Files: map[string]map[string]string{}, Logs: map[string][]string{},
		LoginTokens: map[string]bool{}, Tokens: map[string]mlops.Principal{}, Sessions: map[string]ui.Session{}, Down: map[string]error{},
		Passwords: map[string]mlops.Principal{"admin:" + Password: {Name: "admin", Role: mlops.RoleAdmin},
			"guest:guest": {Name: "guest", Role: mlops.RoleReader}, "trainer:trainer": {Name: "trainer", Role: mlops.RoleTrainer}},
		Machine: mlops.MachineSample{CPU: 0.07, Cores: 2, MemoryUsed: 3 << 30, MemoryTotal: 24 << 30, DiskUsed: 31 << 30, DiskTotal: 200 << 30, ProcessBytes: 612 << 20},
		changed: make(chan struct{}), labsChanged: make(chan struct{}), unitChanged: make(chan struct{})}
	w.Units = readyUnits(now())
	return w
}

// Config returns a configuration of the server on this world.
func (w *World) Config() ui.Config {
	return ui.Config{Address: "127.0.0.1:0", Version: "0.1.0", Now: w.Clock,
		Components: []ui.Component{{Name: "K3s", Version: "v1.35.1-k3s1"}, {Name: "MinIO", Version: "2026-02-12"},
			{Name: "Prometheus", Version: "v3.11.3"}, {Name: "Traefik", Version: "v3.6.12"}},
		Auth: auth{w}, Keys: keys{w}, Sessions: sessions{w}, Loop: loop{w}, Metrics: metrics{w},
		Registry: func() (ports.Registry, error) { return registry{w}, w.down("registry") },
		Steps:    func() (ports.Steps, error) { return loop{w}, w.down("loop") },
		Pushes:   func() (ports.Pushes, error) { return pushes{w}, w.down("loop") },
		Cluster:  func() (ports.Cluster, error) { return cluster{w}, w.down("cluster") },
		GPUs:     w.gpus,
		Labs:     w.labs,
		Machine:  machine{w}, Units: units{w}, Samples: samples,
		Examples: map[string][]float64{"iris": {5.1, 3.5, 1.4, 0.2}}}
}

// Change applies f and tells the open pages.
func (w *World) Change(f func()) {
	w.Lock()
	defer w.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
	close(w.unitChanged)
	w.unitChanged = make(chan struct{})
}

func (w *World) down(port string) error {
	w.Lock()
	defer w.Unlock()
	return w.Down[port]
}

// Starting is the error of a port whose backend does not serve yet.
func Starting(what string) error {
	return mlops.Errorf(mlops.Unavailable, "%s is not ready yet; this fills in by itself.", what)
}

type machine struct{ w *World }

func (m machine) Sample(context.Context) (mlops.MachineSample, error) {
	m.w.Lock()
	defer m.w.Unlock()
	return m.w.Machine, nil
}

type units struct{ w *World }

func (u units) Status(n int) []supervise.Status {
	u.w.Lock()
	defer u.w.Unlock()
	out := make([]supervise.Status, len(u.w.Units))
	for i, s := range u.w.Units {
		out[i] = s
		out[i].Lines = s.Lines[max(0, len(s.Lines)-n):]
	}
	return out
}

func (u units) Changed() <-chan struct{} {
	u.w.Lock()
	defer u.w.Unlock()
	return u.w.unitChanged
}

type auth struct{ w *World }

func (a auth) Password(name, password string) (mlops.Principal, error) {
	a.w.Lock()
	defer a.w.Unlock()
	return known(a.w.Passwords, name+":"+password)
}

func (a auth) Token(token string) (mlops.Principal, error) {
	a.w.Lock()
	defer a.w.Unlock()
	return known(a.w.Tokens, token)
}

func known(all map[string]mlops.Principal, what string) (mlops.Principal, error) {
	if p, ok := all[what]; ok {
		return p, nil
	}
	return mlops.Principal{}, mlops.ErrCredentials
}

func (a auth) Valid(p mlops.Principal) error {
	a.w.Lock()
	defer a.w.Unlock()
	if p.Key == 0 || slices.ContainsFunc(a.w.Keys, func(k mlops.Key) bool { return k.ID == p.Key && k.Name == p.Name && !k.Expired(a.w.Clock()) }) {
		return nil
	}
	return mlops.Errorf(mlops.Unauthorized, "the access key %s was revoked", p.Name)
}

func (a auth) TakeLoginToken(token string) bool {
	a.w.Lock()
	defer a.w.Unlock()
	ok := a.w.LoginTokens[token]
	delete(a.w.LoginTokens, token)
	return ok
}

type sessions struct{ w *World }

func (s sessions) Create(_ context.Context, session ui.Session) error {
	s.w.Lock()
	defer s.w.Unlock()
	s.w.Sessions[session.Hash] = session
	return nil
}

func (s sessions) Check(_ context.Context, hash string) (ui.Session, error) {
	s.w.Lock()
	defer s.w.Unlock()
	session, ok := s.w.Sessions[hash]
	if !ok {
		return ui.Session{}, mlops.Errorf(mlops.NotFound, "no such session")
	}
	return session, nil
}

func (s sessions) Delete(_ context.Context, hash string) error {
	s.w.Lock()
	defer s.w.Unlock()
	delete(s.w.Sessions, hash)
	return nil
}

var unitNames = []string{"web", "minio", "registry", "k3s", "cluster", "prometheus", "loop"}

func readyUnits(now time.Time) []supervise.Status {
	took := []time.Duration{12 * time.Millisecond, 940 * time.Millisecond, 63 * time.Millisecond, 8700 * time.Millisecond, 4200 * time.Millisecond, 310 * time.Millisecond, 1900 * time.Millisecond}
	var out []supervise.Status
	for i, name := range unitNames {
		s := supervise.Status{Name: name, State: supervise.Ready, Since: now.Add(-3 * time.Hour).Add(time.Duration(i) * time.Second), Took: took[i], TookMs: took[i].Milliseconds()}
		for j := range 9 {
			s.Lines = append(s.Lines, supervise.Line{Time: s.Since.Add(time.Duration(j) * 700 * time.Millisecond),
				Text: fmt.Sprintf(`time=2026-11-21T11:00:%02d.120Z level=INFO msg="%s" unit=%s step=%d`, j, unitMessages[j%len(unitMessages)], name, j)})
		}
		out = append(out, s)
	}
	return out
}

var unitMessages = []string{"opening the data directory", "listening", "waiting for the first answer", "reconciled objects", "scrape finished"}

// Booting returns a lab whose units are on their way: as many are ready as
// asked for, the next is starting.
func Booting(now func() time.Time, ready int) *World {
	w := Empty(now)
	w.SetBoot(ready)
	return w
}

// SetBoot makes the first n units ready and starts the next.
func (w *World) SetBoot(n int) {
	w.Units = readyUnits(w.Clock())
	for i := range w.Units {
		u := &w.Units[i]
		u.Since = w.Clock().Add(-4 * time.Second)
		switch {
		case i < n:
		case i == n:
			*u = supervise.Status{Name: u.Name, State: supervise.Starting, Since: u.Since, Progress: "importing images: 4 of 7, 212 MB", Lines: u.Lines[:3]}
		default:
			*u = supervise.Status{Name: u.Name, State: supervise.Waiting, Since: u.Since}
		}
	}
	for i, port := range map[int]string{2: "registry", 4: "cluster", 5: "metrics", 6: "loop"} {
		if i >= n {
			w.Down[port] = Starting("The " + port)
		} else {
			delete(w.Down, port)
		}
	}
}
