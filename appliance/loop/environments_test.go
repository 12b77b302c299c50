package loop

import (
	"context"
	"slices"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// environments is the part of the world that code runs in.
type environments struct {
	base    string // "" is "lab"
	rows    []mlops.CodeEnvironment
	asked   map[string]string // Jobs of trainings that have ended for an environment: its request
	builds  map[string]mlops.Job
	specs   []mlops.EnvironmentBuild
	reports map[string]mlops.EnvironmentReport // by request
	images  map[string]bool
	dropped []string // projects
	lost    bool     // the layers are gone
	made    chan struct{}
}

func (w *world) Environment(_ context.Context, project, request string) (e mlops.CodeEnvironment, err error) {
	err = w.call("Environment", func() error {
		i := slices.IndexFunc(w.rooms.rows, func(e mlops.CodeEnvironment) bool { return e.Project == project && e.Request == request })
		if i < 0 {
			return mlops.Errorf(mlops.NotFound, "project %s has no environment %s", project, request)
		}
		e = w.rooms.rows[i]
		return nil
	})
	return e, err
}

func (w *world) Environments(_ context.Context, project string) (out []mlops.CodeEnvironment, err error) {
	err = w.call("Environments", func() error {
		for _, e := range w.rooms.rows {
			if e.Project == project {
				out = append(out, e)
			}
		}
		return nil
	})
	return out, err
}

func (w *world) PutEnvironment(_ context.Context, e mlops.CodeEnvironment) (mlops.CodeEnvironment, error) {
	return e, w.call("PutEnvironment", func() error {
		w.rooms.rows = slices.DeleteFunc(w.rooms.rows, func(have mlops.CodeEnvironment) bool {
			return have.Project == e.Project && have.Request == e.Request
		})
		w.rooms.rows = append(w.rooms.rows, e)
		return nil
	})
}

func (w *world) DropEnvironment(_ context.Context, id int64) error {
	return w.call("DropEnvironment", func() error {
		w.rooms.rows = slices.DeleteFunc(w.rooms.rows, func(e mlops.CodeEnvironment) bool { return e.ID == id })
		return nil
	})
}

func (w *world) TrainIn(_ context.Context, training int64, request string) error {
	return w.call("TrainIn", func() error {
		t := &w.trainings[training-1]
		if t.State.Terminal() {
			return mlops.Errorf(mlops.InvalidState, "training %d is %s", training, t.State)
		}
		t.State, t.Message, t.Environment = mlops.TrainingRequested, "", request
		for i := range w.projects {
			if w.projects[i].Name == t.Project {
				w.projects[i].CodeEnvironment = request
			}
		}
		return nil
	})
}

func (w *world) EnvironmentAsked(_ context.Context, j mlops.Job) (request, why string, ok bool, err error) {
	err = w.call("EnvironmentAsked", func() error {
		// A Job that runs in what it has asked for does not ask again.
		request, ok = w.rooms.asked[j.Name]
		ok = ok && j.Image == "lab"
		return nil
	})
	return request, "xgboost (train.py line 3 imports it)", ok, err
}

func (w *world) BuildEnvironment(_ context.Context, s mlops.EnvironmentBuild) (j mlops.Job, err error) {
	err = w.call("BuildEnvironment", func() error {
		if w.rooms.builds == nil {
			w.rooms.builds = map[string]mlops.Job{}
		}
		have, ok := w.rooms.builds[s.Training.Job]
		if !ok {
			have = mlops.Job{Name: s.Training.Job, State: mlops.TrainingRunning}
			w.rooms.builds[s.Training.Job] = have
			w.rooms.specs = append(w.rooms.specs, s)
		}
		j = have
		return nil
	})
	return j, err
}

func (w *world) DropEnvironmentBuild(_ context.Context, project string, training int64) error {
	return w.call("DropEnvironmentBuild", func() error { delete(w.rooms.builds, w.trainings[training-1].Job); return nil })
}

func (w *world) Base() string {
	if w.rooms.base == "" {
		return "lab"
	}
	return w.rooms.base
}

func (w *world) Spec(_ context.Context, p mlops.Project, t mlops.Training, request string, known []string) (mlops.EnvironmentBuild, error) {
	return mlops.EnvironmentBuild{Project: p, Training: t, Request: request, Base: w.Base(), KnownLocks: known}, nil
}

func (w *world) Report(_ context.Context, project, request string) (r mlops.EnvironmentReport, err error) {
	err = w.call("Report", func() error {
		var ok bool
		if r, ok = w.rooms.reports[request]; !ok {
			return mlops.Errorf(mlops.NotFound, "there is no report on %s", request)
		}
		return nil
	})
	return r, err
}

// Image makes an image at the second call, as if the first had begun it.
func (w *world) Image(_ context.Context, e mlops.CodeEnvironment) (image string, ready bool, err error) {
	err = w.call("Image", func() error {
		if w.rooms.lost {
			return mlops.Errorf(mlops.NotFound, "its layer is gone")
		}
		image = e.EnvironmentImage(w.Base())
		if ready = w.rooms.images[image]; !ready {
			if w.rooms.images == nil {
				w.rooms.images = map[string]bool{}
			}
			w.rooms.images[image] = true
		}
		return nil
	})
	return image, ready, err
}

func (w *world) Drop(_ context.Context, project string, _ []mlops.CodeEnvironment) error {
	return w.call("Drop", func() error { w.rooms.dropped = append(w.rooms.dropped, project); return nil })
}

func (w *world) Made() <-chan struct{} { return w.rooms.made }
