package uitest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
)

var samples = []ui.SampleProject{{Name: "iris", Title: "Iris species from sepal and petal sizes in cm", Rows: 150, Features: 4},
	{Name: "wine", Title: "Wine cultivar from chemical analysis", Rows: 178, Features: 13},
	{Name: "breast-cancer", Title: "Malignant or benign from cell nuclei measurements", Rows: 569, Features: 30}}

// AddProject takes samples, and names with the dataset of any sample.
func (l loop) AddProject(_ context.Context, req mlops.ProjectRequest) (p mlops.Project, err error) {
	if err := req.Validate(); err != nil {
		return p, err
	}
	sample, name := req.Sample, req.Sample
	if sample == "" {
		sample, name = req.Dataset, req.Name
	}
	l.w.Change(func() {
		switch {
		case !slices.ContainsFunc(samples, func(s ui.SampleProject) bool { return s.Name == sample }):
			err = mlops.Errorf(mlops.Invalid, "there is no sample %q: expected one of iris, wine, breast-cancer", sample)
		case l.project(name) != nil:
			err = mlops.Errorf(mlops.Exists, "project %s exists already", name)
		default:
			p = mlops.Project{ID: int64(len(l.w.Projects) + 1), Name: name, Dataset: sample, Schedule: "*/30 * * * *", TimeZone: "UTC", Node: "bench", CreatedAt: l.w.Clock()}
			l.w.Projects = append(l.w.Projects, p)
		}
	})
	return p, err
}

// EditProject refuses the schedule "nonsense" and the memory limit "much".
func (l loop) EditProject(_ context.Context, name string, edit mlops.ProjectEdit) (p mlops.Project, err error) {
	l.w.Change(func() {
		have := l.project(name)
		switch {
		case have == nil:
			err = mlops.Errorf(mlops.NotFound, "there is no project %q", name)
		case edit.Schedule != nil && *edit.Schedule == "nonsense":
			err = mlops.Errorf(mlops.Invalid, "schedule of project %s: expected five cron fields, found %q", name, *edit.Schedule)
		case edit.Resources != nil && edit.Resources.Limits.Memory != nil && *edit.Resources.Limits.Memory == "much":
			err = mlops.Errorf(mlops.Invalid, "resources of project %s: memory limit: expected memory such as 512Mi or 2Gi, found %q", name, "much")
		default:
			changed := edit.Of(*have)
			if err = changed.GPU.Validate(); err != nil {
				return
			}
			*have, p = changed, changed
		}
	})
	return p, err
}

// DeleteProject marks the project; nothing ends it.
func (l loop) DeleteProject(_ context.Context, name string) (p mlops.Project, err error) {
	l.w.Change(func() {
		have := l.project(name)
		if have == nil {
			err = mlops.Errorf(mlops.NotFound, "there is no project %q", name)
			return
		}
		have.Deleting = true
		p = *have
	})
	return p, err
}

func (l loop) project(name string) *mlops.Project {
	for i := range l.w.Projects {
		if l.w.Projects[i].Name == name {
			return &l.w.Projects[i]
		}
	}
	return nil
}

// AddMany adds n projects like iris. The newest training of the last one has
// failed.
func (w *World) AddMany(n int) {
	for i := range n {
		p := w.Projects[0]
		p.ID, p.Name = int64(100+i), fmt.Sprintf("project-%02d", i)
		w.Projects = append(w.Projects, p)
		w.Deployments = append(w.Deployments, mlops.Deployment{ID: int64(100 + i), Name: p.Name, Project: p.Name, Namespace: p.Name, Model: p.Name, Version: "1", Replicas: 1, Ready: 1})
	}
	last := w.Projects[len(w.Projects)-1].Name
	w.Trainings = append(w.Trainings, mlops.Training{ID: 900, Project: last, Trigger: mlops.TriggerSchedule, State: mlops.TrainingFailed, Job: last + "-train-900",
		Message: "dataset iris has no rows", CreatedAt: w.Clock().Add(-time.Hour), EndedAt: w.Clock().Add(-time.Hour + 7*time.Second)})
}
