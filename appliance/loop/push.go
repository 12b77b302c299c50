package loop

import (
	"context"
	"fmt"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Push makes a project of code that is in the object store already, or gives
// that of an earlier push new code, and requests a training. Row and training are
// one transaction, so a process that dies leaves both or neither.
func (l *Loop) Push(ctx context.Context, name string, code mlops.ProjectCode) (mlops.Pushed, error) {
	l.rows.Lock()
	defer l.rows.Unlock()
	p, err := l.WouldPush(ctx, name, code)
	if err != nil {
		return mlops.Pushed{}, err
	}
	out, err := l.cfg.Store.Push(ctx, p)
	if err != nil {
		return out, fmt.Errorf("record push of %s: %w", name, err)
	}
	l.wake()
	return out, nil
}

// WouldPush is the project that a push would make, or why it would be refused.
func (l *Loop) WouldPush(ctx context.Context, name string, code mlops.ProjectCode) (mlops.Project, error) {
	if err := mlops.ValidateName("project", name); err != nil {
		return mlops.Project{}, err
	}
	p, err := l.cfg.Store.Project(ctx, name)
	switch {
	case err == nil && p.Deleting:
		return mlops.Project{}, beingDeleted(name)
	case err == nil && p.Code == nil:
		return mlops.Project{}, mlops.Errorf(mlops.InvalidState, "project %s is trained on dataset %s by the lab's own trainer: push your code under another name, `benchtop push --project NAME`", name, p.Dataset)
	case mlops.CodeOf(err) == mlops.NotFound:
		if err := l.free(ctx, name); err != nil {
			return mlops.Project{}, err
		}
		// A script trains when it is pushed. The configuration's schedule and
		// parameters are those of the lab's own trainer.
		p = mlops.Project{Name: name, Node: l.cfg.Node, Edited: mlops.EditedFields{Schedule: true, Params: true}}
	case err != nil:
		return mlops.Project{}, fmt.Errorf("read project %s: %w", name, err)
	}
	p = l.cfg.Defaults.Of(code.Plan.Options.Of(p))
	p.Code = &code
	return p, l.cfg.Check(p)
}

// free reports why no project can get a name.
func (l *Loop) free(ctx context.Context, name string) error {
	// A project's deployment has its name.
	switch d, err := l.cfg.Store.Deployment(ctx, name); {
	case err == nil && d.Own:
		return mlops.Errorf(mlops.Exists, "a deployment %s of model %q is there already, and the project's would have the same name: `benchtop undeploy %s` first", name, d.Model, name)
	case err != nil && mlops.CodeOf(err) != mlops.NotFound:
		return fmt.Errorf("read deployment %s: %w", name, err)
	}
	return l.cfg.Cluster.CheckNamespace(ctx, name)
}

// supersede ends the trainings of earlier pushes: whoever pushes again wants the
// newer code to be served, and the older one's training could end after it. It
// changes the rows in trainings too.
func (l *Loop) supersede(ctx context.Context, trainings []mlops.Training) error {
	var newest mlops.Training
	for _, t := range trainings {
		if t.Trigger == mlops.TriggerPush && t.ID > newest.ID {
			newest = t
		}
	}
	for i, t := range trainings {
		if t.Trigger != mlops.TriggerPush || t.ID == newest.ID || t.State.Terminal() {
			continue
		}
		if err := l.cfg.Cluster.StopTraining(ctx, t); err != nil {
			return err
		}
		why := fmt.Sprintf("a newer push took its place: %s", newest.Job)
		if err := l.failTraining(ctx, t, why); err != nil {
			return err
		}
		trainings[i].State, trainings[i].Message = mlops.TrainingFailed, why
	}
	return nil
}
