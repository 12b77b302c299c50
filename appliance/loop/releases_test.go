package loop

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// releases is the part of the world that is about what is served, with the
// rules of the real store and of the servers.
type releases struct {
	deployments []mlops.Deployment
	ids         int64 // of deployments so far
	revisions   []mlops.Revision
	versions    map[int]string // model versions by number: their runs
	runs        map[string]mlops.Run
	alias       int // where the followed alias points
	newest      int // what FollowModels has looked at
	seen        int
	told        int          // version that the servers were told to serve
	keeps       []int        // versions that were to stay when servers were told last
	volume      map[int]bool // versions on the volume
	unloadable  map[int]bool // versions that no server can load
	away        string       // what no Job can reach, so that it is tried again
	loading     bool         // servers load what they were told, and take their time
	brought     map[int64]int
	measures    map[int64]mlops.Job // Jobs that measure, by revision
	asked       map[int64][]string  // the metrics that they measure
	measured    int                 // how many were made
	named       map[int64]string    // what the model was called when a Job was made, by revision
	rename      string              // what somebody calls the model while the next Job is looked at
	finds       func(r mlops.Revision, served *mlops.Revision) mlops.Job
	serves      int // version that the server answers with
	servers     int
	outdated    int                 // of them, how many run another image and load nothing
	others      map[string]*servers // of deployments of their own volume
	modelsC     chan struct{}
}

// servers are those of a deployment of its own volume.
type servers struct {
	told, serves, seen int
	volume             map[int]bool
}

// side returns the servers of a deployment of its own, nil for the project's.
func (w *world) side(d mlops.Deployment) *servers {
	if !d.Own {
		return nil
	}
	if w.others == nil {
		w.others = map[string]*servers{}
	}
	if w.others[d.Name] == nil {
		w.others[d.Name] = &servers{volume: map[int]bool{}}
	}
	return w.others[d.Name]
}

func (s *servers) load(w *world) {
	if s.volume[s.told] && !w.unloadable[s.told] {
		s.serves = s.told
	}
}

func (w *world) ModelsChanged() <-chan struct{} { return w.modelsC }

func (w *world) Run(_ context.Context, id string) (r mlops.Run, err error) {
	err = w.call("Run", func() error {
		var ok bool
		if r, ok = w.runs[id]; !ok {
			return mlops.Errorf(mlops.NotFound, "there is no run %s", id)
		}
		return nil
	})
	return r, err
}

func (w *world) EnsureDeployment(_ context.Context, d mlops.Deployment) (mlops.Deployment, error) {
	err := w.call("EnsureDeployment", func() error {
		if !slices.ContainsFunc(w.deployments, func(have mlops.Deployment) bool { return have.Name == d.Name }) {
			w.ids++
			d.ID, d.Namespace, d.Replicas = w.ids, d.Project, 1
			w.deployments = append(w.deployments, d)
		}
		return nil
	})
	return d, err
}

func (w *world) find(name string) (*mlops.Deployment, error) {
	for i := range w.deployments {
		if w.deployments[i].Name == name {
			return &w.deployments[i], nil
		}
	}
	return nil, mlops.Errorf(mlops.NotFound, "there is no deployment %q", name)
}

func (w *world) Deployment(_ context.Context, name string) (d mlops.Deployment, err error) {
	err = w.call("Deployment", func() error {
		have, err := w.find(name)
		if err != nil {
			return err
		}
		d = *have
		if d.Revision != nil {
			r := w.revisions[d.Revision.ID-1]
			d.Revision = &r
		}
		return nil
	})
	return d, err
}

func (w *world) Deployments(context.Context) (out []mlops.Deployment, err error) {
	err = w.call("Deployments", func() error {
		out = slices.Clone(w.deployments)
		for i := range out {
			if out[i].Revision != nil {
				r := w.revisions[out[i].Revision.ID-1]
				out[i].Revision = &r
			}
		}
		return nil
	})
	return out, err
}

func (w *world) SetDeployment(_ context.Context, name string, pinned, paused bool) error {
	return w.call("SetDeployment", func() error {
		d, err := w.find(name)
		if err == nil {
			d.Pinned, d.Paused = pinned, paused
		}
		return err
	})
}

func (w *world) FollowModels(context.Context) (made int, err error) {
	err = w.call("FollowModels", func() error {
		for i := range w.deployments {
			d := &w.deployments[i]
			if d.Pinned || d.Deleting {
				continue
			}
			if s := w.side(*d); s != nil {
				if d.Follows != "" && s.seen != w.alias {
					s.seen = w.alias
					w.add(d, w.alias, mlops.CauseAlias, mlops.Act{By: "alias " + d.Follows})
					made++
				}
				continue
			}
			last, serving := 0, 0
			for v := range w.versions {
				last = max(last, v)
			}
			if d.Revision != nil {
				serving = w.revisions[d.Revision.ID-1].Version
			}
			if last > w.newest {
				w.newest = last
				if last != serving {
					w.add(d, last, mlops.CauseVersion, mlops.Act{By: "benchtop"})
					made++
				}
			}
			if w.alias != w.seen {
				w.seen = w.alias
				if w.alias != 0 && w.alias != serving {
					w.add(d, w.alias, mlops.CauseAlias, mlops.Act{By: "alias " + d.Follows})
					made++
				}
			}
		}
		return nil
	})
	return made, err
}

func (w *world) add(d *mlops.Deployment, version int, cause mlops.Cause, act mlops.Act) *mlops.Revision {
	for i := range w.revisions {
		if s := w.revisions[i].State; w.revisions[i].Deployment == d.Name && (s == mlops.RevisionJudging || s == mlops.RevisionWaiting) {
			w.revisions[i].State = mlops.RevisionSuperseded
		}
	}
	n, number := len(w.revisions)+1, 1
	for _, r := range w.revisions {
		if r.Deployment == d.Name {
			number++
		}
	}
	w.revisions = append(w.revisions, mlops.Revision{ID: int64(n), Number: number, Deployment: d.Name, Model: d.Model, Version: version, RunID: w.versions[version],
		State: mlops.RevisionJudging, Cause: cause, By: act.By, Reason: act.Reason, CreatedAt: w.now})
	return &w.revisions[n-1]
}

func (w *world) Revision(_ context.Context, id int64) (r mlops.Revision, err error) {
	err = w.call("Revision", func() error { r = w.revisions[id-1]; return nil })
	return r, err
}

func (w *world) Revisions(_ context.Context, deployment string, max int) (out []mlops.Revision, err error) {
	err = w.call("Revisions", func() error {
		for _, r := range slices.Backward(w.revisions) {
			if r.Deployment == deployment && len(out) < max {
				out = append(out, r)
			}
		}
		return nil
	})
	return out, err
}

func (w *world) LastLive(_ context.Context, deployment string, max int) (out []mlops.Revision, err error) {
	err = w.call("LastLive", func() error {
		for _, r := range slices.Backward(w.revisions) {
			seen := slices.ContainsFunc(out, func(o mlops.Revision) bool { return o.Version == r.Version })
			if r.Deployment == deployment && !r.LiveAt.IsZero() && !seen && len(out) < max {
				out = append(out, r)
			}
		}
		return nil
	})
	return out, err
}

func (w *world) OpenRevisions(context.Context) (out []mlops.Revision, err error) {
	err = w.call("OpenRevisions", func() error {
		for _, r := range w.revisions {
			d, err := w.find(r.Deployment)
			if err == nil && !d.Deleting && !r.State.Terminal() && r.State != mlops.RevisionLive {
				out = append(out, r)
			}
		}
		return nil
	})
	return out, err
}

func (w *world) CreateRevision(_ context.Context, deployment string, version int, cause mlops.Cause, override bool, act mlops.Act) (r mlops.Revision, err error) {
	err = w.call("CreateRevision", func() error {
		d, err := w.find(deployment)
		if err != nil {
			return err
		}
		if _, ok := w.versions[version]; !ok {
			return mlops.Errorf(mlops.NotFound, "registered model %q has no version %d", d.Model, version)
		}
		if cause == mlops.CausePromote && d.Revision != nil && w.revisions[d.Revision.ID-1].Version == version {
			return mlops.Errorf(mlops.InvalidState, "deployment %s serves version %d already", d.Name, version)
		}
		made := w.add(d, version, cause, act)
		if override {
			made.Override, made.Approved = true, act.By
		}
		r = *made
		return nil
	})
	return r, err
}

// move changes a revision that is in one of the states.
func (w *world) move(op string, id int64, from []mlops.RevisionState, fn func(r *mlops.Revision, d *mlops.Deployment)) error {
	return w.call(op, func() error {
		r := &w.revisions[id-1]
		if !slices.Contains(from, r.State) {
			return mlops.Errorf(mlops.InvalidState, "revision %d is %s", r.Number, r.State)
		}
		d, err := w.find(r.Deployment)
		if err == nil {
			fn(r, d)
		}
		return err
	})
}

var undecided = []mlops.RevisionState{mlops.RevisionJudging, mlops.RevisionWaiting}

func (w *world) JudgeRevision(_ context.Context, id int64, gates []mlops.GateResult, state mlops.RevisionState, message string) error {
	return w.move("JudgeRevision", id, undecided, func(r *mlops.Revision, _ *mlops.Deployment) { r.Gates, r.State, r.Message = gates, state, message })
}

func (w *world) MeasureRevision(_ context.Context, id int64, m mlops.Measurement) error {
	return w.move("MeasureRevision", id, undecided, func(r *mlops.Revision, _ *mlops.Deployment) { r.Measured = &m })
}

func (w *world) ApproveRevision(_ context.Context, id int64, act mlops.Act) error {
	return w.move("ApproveRevision", id, []mlops.RevisionState{mlops.RevisionWaiting}, func(r *mlops.Revision, _ *mlops.Deployment) { r.Approved, r.Reason = act.By, act.Reason })
}

func (w *world) RejectRevision(_ context.Context, id int64, act mlops.Act) error {
	return w.move("RejectRevision", id, undecided, func(r *mlops.Revision, _ *mlops.Deployment) {
		r.State, r.Message = mlops.RevisionRejected, "rejected by "+act.By
	})
}

func (w *world) StartRevision(_ context.Context, id int64) error {
	return w.move("StartRevision", id, undecided, func(r *mlops.Revision, d *mlops.Deployment) {
		for i := range w.revisions {
			if w.revisions[i].State == mlops.RevisionStarting && w.revisions[i].Deployment == d.Name {
				w.revisions[i].State = mlops.RevisionSuperseded
			}
		}
		r.State = mlops.RevisionStarting
		w.want(d, r)
	})
}

func (w *world) want(d *mlops.Deployment, r *mlops.Revision) {
	d.Revision = &mlops.Revision{ID: r.ID}
	if d.Own {
		return // the alias is the project's deployment's to move
	}
	w.newest, w.seen, w.alias = max(w.newest, r.Version), r.Version, r.Version
}

func (w *world) NoteRevision(_ context.Context, id int64, message string) error {
	return w.move("NoteRevision", id, []mlops.RevisionState{mlops.RevisionStarting}, func(r *mlops.Revision, _ *mlops.Deployment) { r.Message = message })
}

func (w *world) LiveRevision(_ context.Context, id int64) error {
	return w.move("LiveRevision", id, []mlops.RevisionState{mlops.RevisionStarting}, func(r *mlops.Revision, d *mlops.Deployment) {
		for i := range w.revisions {
			if w.revisions[i].State == mlops.RevisionLive && w.revisions[i].Deployment == d.Name {
				w.revisions[i].State = mlops.RevisionSuperseded
			}
		}
		r.State, r.Message, r.LiveAt = mlops.RevisionLive, "", w.now
	})
}

func (w *world) FailRevision(_ context.Context, id int64, message string) error {
	return w.move("FailRevision", id, []mlops.RevisionState{mlops.RevisionJudging, mlops.RevisionWaiting, mlops.RevisionStarting}, func(r *mlops.Revision, d *mlops.Deployment) {
		r.State, r.Message = mlops.RevisionFailed, message
		d.Revision = nil
		for i := range w.revisions {
			if w.revisions[i].State == mlops.RevisionLive && w.revisions[i].Deployment == d.Name {
				w.want(d, &w.revisions[i])
			}
		}
	})
}

func (w *world) Serve(_ context.Context, d mlops.Deployment, version int, _ string, keep []int) error {
	return w.call("Serve", func() error {
		w.keeps = keep
		if s := w.side(d); s != nil {
			if w.lingers[d.Name] == 0 {
				return errors.New("there is no namespace")
			}
			s.told = version
			s.load(w)
			return nil
		}
		w.told = version
		w.load()
		return nil
	})
}

func (w *world) ServeNothing(_ context.Context, d mlops.Deployment) error {
	return w.call("ServeNothing", func() error {
		if s := w.side(d); s != nil {
			s.told = 0
			return nil
		}
		w.told = 0
		return nil
	})
}

// renamed changes the name of a revision's model, if somebody is about to, and
// reports whether its Job was made under another name than r has.
func (w *world) renamed(r mlops.Revision) bool {
	if w.rename != "" {
		w.revisions[r.ID-1].Model, w.rename = w.rename, ""
	}
	return w.named[r.ID] != r.Model
}

func (w *world) ResolveVersion(_ context.Context, model, alias string, version int) (found int, err error) {
	err = w.call("ResolveVersion", func() error {
		if model != "iris" && model != "other" {
			return mlops.Errorf(mlops.NotFound, "there is no registered model %q", model)
		}
		switch {
		case version != 0:
			found = version
		case alias != "":
			found = w.alias
		default:
			for v := range w.versions {
				found = max(found, v)
			}
		}
		if _, ok := w.versions[found]; !ok {
			return mlops.Errorf(mlops.NotFound, "registered model %q has no version %d", model, found)
		}
		return nil
	})
	return found, err
}

func (w *world) CreateDeployment(_ context.Context, d mlops.Deployment, version int, act mlops.Act) (mlops.Deployment, error) {
	err := w.call("CreateDeployment", func() error {
		if _, err := w.find(d.Name); err == nil || slices.ContainsFunc(w.projects, func(p mlops.Project) bool { return p.Name == d.Name }) {
			return mlops.Errorf(mlops.Exists, "there is a deployment %s already", d.Name)
		}
		if slices.ContainsFunc(w.projects, func(p mlops.Project) bool { return p.Name == d.Model }) {
			d.Project = d.Model
		}
		w.ids++
		d.ID, d.Own, d.Namespace = w.ids, true, mlops.NamespaceOf(d.Project)
		w.deployments = append(w.deployments, d)
		w.side(d).seen = w.alias
		w.add(&w.deployments[len(w.deployments)-1], version, mlops.CauseDeploy, act)
		return nil
	})
	return d, err
}

func (w *world) SetReplicas(_ context.Context, name string, replicas int) error {
	return w.call("SetReplicas", func() error {
		d, err := w.find(name)
		if err == nil {
			d.Replicas = replicas
		}
		return err
	})
}

func (w *world) EndDeployment(_ context.Context, name string) error {
	return w.call("EndDeployment", func() error {
		d, err := w.find(name)
		if err == nil {
			d.Deleting = true
		}
		return err
	})
}

func (w *world) DeleteDeployment(_ context.Context, name string) (err error) {
	return w.call("DeleteDeployment", func() error {
		w.deployments = slices.DeleteFunc(w.deployments, func(d mlops.Deployment) bool {
			if d.Name == name && !d.Deleting {
				err = errors.New("it is not marked")
			}
			return d.Name == name && d.Deleting
		})
		return err
	})
}

// load is what a server does: it serves what it is told to once it can.
func (w *world) load() {
	if w.volume[w.told] && !w.unloadable[w.told] && !w.loading {
		w.serves = w.told
	}
}

func (w *world) NudgeServers(_ context.Context, d mlops.Deployment) error {
	return w.call("NudgeServers", func() error {
		if s := w.side(d); s != nil {
			s.load(w)
			return nil
		}
		w.load()
		return nil
	})
}

func (w *world) Serving(_ context.Context, d mlops.Deployment) (out []mlops.Serving, err error) {
	err = w.call("Serving", func() error {
		if s := w.side(d); s != nil {
			s.load(w)
			for range d.Replicas {
				one := mlops.Serving{Pod: "server", Ready: s.serves != 0, Wanted: fmt.Sprint(s.told)}
				if s.serves != 0 {
					one.Version = fmt.Sprint(s.serves)
				}
				if s.serves != s.told {
					one.Error = fmt.Sprintf("version %d is missing", s.told)
				}
				out = append(out, one)
			}
			return nil
		}
		w.load()
		for i := range w.servers {
			s := mlops.Serving{Pod: "server", Ready: w.serves != 0, Wanted: fmt.Sprint(w.told), Outdated: i < w.outdated}
			if s.Outdated {
				s.Version, s.Error = "1", "no module named xgboost"
				out = append(out, s)
				continue
			}
			if w.serves != 0 {
				s.Version = fmt.Sprint(w.serves)
			}
			switch {
			case w.told == 0: // nothing is wanted
				s.Wanted = ""
			case w.serves != w.told && w.volume[w.told] && w.loading:
				s.Loading = true
			case w.serves != w.told:
				s.Error = fmt.Sprintf("version %d is missing", w.told)
			}
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

func (w *world) Bring(_ context.Context, spec mlops.DeploymentSpec, r mlops.Revision) (j mlops.Job, err error) {
	err = w.call("Bring", func() error {
		if w.brought == nil {
			w.brought = map[int64]int{}
		}
		w.brought[r.ID]++
		if w.named == nil {
			w.named = map[int64]string{}
		}
		if _, made := w.named[r.ID]; !made {
			w.named[r.ID] = r.Model
		}
		j = mlops.Job{State: mlops.TrainingSucceeded, EndedAt: w.now}
		if w.renamed(r) {
			delete(w.named, r.ID)
			j.State = mlops.TrainingRunning
		} else if w.away != "" {
			j = mlops.Job{State: mlops.TrainingRunning, Message: w.away}
		} else if w.unloadable[r.Version] {
			j.State, j.Message = mlops.TrainingFailed, "the run has no serving/model.json"
		} else if s := w.side(spec.Deployment); s != nil {
			s.volume[r.Version] = true
		} else {
			w.volume[r.Version] = true
		}
		return nil
	})
	return j, err
}

// Measure is a Job that runs when it is made, and has ended when it is looked
// at again. One that measures too little is made again.
func (w *world) Measure(_ context.Context, _ mlops.DeploymentSpec, r mlops.Revision, served *mlops.Revision, metrics []string) (j mlops.Job, err error) {
	err = w.call("Measure", func() error {
		if w.measures == nil {
			w.measures = map[int64]mlops.Job{}
		}
		var made bool
		j, made = w.measures[r.ID]
		if asked := w.asked[r.ID]; !made || slices.ContainsFunc(metrics, func(m string) bool { return !slices.Contains(asked, m) }) {
			if w.asked == nil {
				w.asked = map[int64][]string{}
			}
			w.asked[r.ID] = metrics
			w.measured++
			j = w.finds(r, served)
			j.EndedAt = w.now
			w.measures[r.ID] = j
			if w.named == nil {
				w.named = map[int64]string{}
			}
			w.named[r.ID] = r.Model
			j = mlops.Job{State: mlops.TrainingRunning}
		} else if w.away != "" {
			delete(w.measures, r.ID) // after a pause it is made again
			j = mlops.Job{State: mlops.TrainingRunning, Message: w.away}
		} else if w.renamed(r) {
			delete(w.measures, r.ID)
			j = mlops.Job{State: mlops.TrainingRunning}
		}
		return nil
	})
	return j, err
}
