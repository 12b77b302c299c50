package loop

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Train requests a training. The row is written first: whatever happens then,
// the Job will be made.
func (l *Loop) Train(ctx context.Context, project string) (mlops.Training, error) {
	if _, err := l.living(ctx, project); err != nil {
		return mlops.Training{}, err
	}
	t, err := l.cfg.Store.CreateTraining(ctx, project, mlops.TriggerManual)
	if err != nil {
		return t, fmt.Errorf("request training of %s: %w", project, err)
	}
	l.wake()
	return t, nil
}

// recent is how many trainings of a project a pass looks at. Older ones have
// ended, or their Jobs are long gone.
const recent = 200

// train makes a project's first training, the Jobs of those that are requested,
// and notes what became of Jobs.
func (l *Loop) train(ctx context.Context, project string, jobs []mlops.Job) error {
	trainings, err := l.cfg.Store.Trainings(ctx, project, recent)
	if err != nil {
		return fmt.Errorf("list trainings of %s: %w", project, err)
	}
	if len(trainings) == 0 {
		first, err := l.cfg.Store.CreateTraining(ctx, project, mlops.TriggerFirstBoot)
		if err != nil {
			return fmt.Errorf("request first training of %s: %w", project, err)
		}
		trainings = append(trainings, first)
	}
	if err := l.supersede(ctx, trainings); err != nil {
		return err
	}
	rows := make(map[string]mlops.Training, len(trainings))
	for _, t := range trainings {
		rows[t.Job] = t
	}
	found := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		if j.Project != project {
			continue
		}
		found[j.Name] = true
		t, ok := rows[j.Name]
		if !ok {
			if t, err = l.adopt(ctx, j); err != nil {
				return err
			}
		}
		if j.CodeSHA256 != "" && (t.CodeSHA256 == "" || t.Image != j.Image) {
			if err := l.cfg.Store.SetTrainingCode(ctx, t.ID, j.CodeSHA256, j.Image); err != nil {
				return fmt.Errorf("record code of job %s of %s: %w", j.Name, project, err)
			}
		}
		if j.State == mlops.TrainingRunning && !t.State.Terminal() {
			if err := l.noteWait(ctx, t, j); err != nil {
				return err
			}
		}
		if j.State == mlops.TrainingFailed && !t.State.Terminal() {
			waits, err := l.needsEnvironment(ctx, t, j)
			if err != nil {
				return err
			}
			if waits {
				continue
			}
		}
		if t.State != j.State && !t.State.Terminal() {
			// The runs end before the training's row does: after a crash in
			// between, a row that has ended would leave them running for ever.
			if j.State.Terminal() {
				said, err := l.cfg.Cluster.TrainingSaid(ctx, j)
				if err != nil {
					return err
				}
				j.Message = cmp.Or(said, j.Message)
				if err := l.cfg.Store.EndRuns(ctx, j.Name, mlops.RunKilled); err != nil {
					return err
				}
			}
			if err := l.cfg.Store.SetTraining(ctx, t.ID, j.State, j.Message, j.EndedAt); err != nil {
				return fmt.Errorf("record outcome of job %s of %s: %w", j.Name, project, err)
			}
			l.cfg.Log.Info("training", "project", project, "job", j.Name, "trigger", j.Trigger, "state", j.State, "message", j.Message)
		}
	}
	left, err := l.outdated(ctx, project, trainings)
	if err != nil {
		return err
	}
	for _, t := range trainings {
		switch {
		case found[t.Job]:
		case t.State == mlops.TrainingRequested && left && l.unready[project]:
			// Made wakes the loop.
		case t.State == mlops.TrainingRequested && left:
			l.wake()
		case t.State == mlops.TrainingRequested:
			if err := l.cfg.Cluster.StartTraining(ctx, t); err != nil {
				return err
			}
			if err := l.cfg.Store.SetTraining(ctx, t.ID, mlops.TrainingRunning, "", time.Time{}); err != nil {
				return fmt.Errorf("record start of job %s of %s: %w", t.Job, project, err)
			}
		case t.State == mlops.TrainingRunning && l.cfg.Now().Sub(t.CreatedAt) > time.Minute:
			// Its Job is gone without an outcome: somebody deleted it.
			if err := l.failTraining(ctx, t, "its Job was deleted before it ended"); err != nil {
				return err
			}
		}
	}
	return nil
}

// failTraining ends a training whose Job has no outcome of its own, or one that is
// not meant. The runs end first, see train.
func (l *Loop) failTraining(ctx context.Context, t mlops.Training, why string) error {
	if err := l.cfg.Store.EndRuns(ctx, t.Job, mlops.RunKilled); err != nil {
		return err
	}
	if err := l.cfg.Store.SetTraining(ctx, t.ID, mlops.TrainingFailed, why, l.cfg.Now()); err != nil {
		return fmt.Errorf("record outcome of job %s of %s: %w", t.Job, t.Project, err)
	}
	l.cfg.Log.Info("training", "project", t.Project, "job", t.Job, "trigger", t.Trigger, "state", mlops.TrainingFailed, "message", why)
	return nil
}

// outdated reports whether requested trainings are to be left to the next pass:
// their project has been edited, or got new data, since this pass gave it to
// the cluster. Their Jobs would be made of what the project was before, and
// whoever edits a project and then trains it means what it is now.
func (l *Loop) outdated(ctx context.Context, project string, trainings []mlops.Training) (bool, error) {
	if !slices.ContainsFunc(trainings, func(t mlops.Training) bool { return t.State == mlops.TrainingRequested }) {
		return false, nil
	}
	p, err := l.cfg.Store.Project(ctx, project)
	if err != nil {
		return false, fmt.Errorf("read project %s: %w", project, err)
	}
	newest, err := l.newestOf(ctx, p)
	return !l.has(p, newest), err
}

// noteWait says in a training's row why its pod does not run, and takes that
// back once it does. Nothing tells that a pod is judged to find no room, so the
// loop looks again.
func (l *Loop) noteWait(ctx context.Context, t mlops.Training, j mlops.Job) error {
	why := ""
	if j.Waits {
		l.again = cmp.Or(l.again, later)
		var err error
		if why, err = l.cfg.Cluster.WhyTrainingWaits(ctx, j); err != nil {
			return err
		}
	}
	if why == t.Message || t.State == mlops.TrainingRequested && why == "" {
		return nil
	}
	if err := l.cfg.Store.SetTraining(ctx, t.ID, mlops.TrainingRunning, why, time.Time{}); err != nil {
		return fmt.Errorf("record why job %s waits: %w", j.Name, err)
	}
	if why != "" {
		l.cfg.Log.Info("training waits", "project", t.Project, "job", j.Name, "message", why)
	}
	return nil
}
