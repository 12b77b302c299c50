package uitest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

type loop struct{ w *World }

func (l loop) Projects(context.Context) ([]mlops.Project, error) {
	l.w.Lock()
	defer l.w.Unlock()
	if err := l.w.Down["loop"]; err != nil {
		return nil, err
	}
	return append([]mlops.Project(nil), l.w.Projects...), nil
}

func (l loop) Deployments(context.Context) ([]mlops.Deployment, error) {
	l.w.Lock()
	defer l.w.Unlock()
	l.w.DeploymentCalls++
	if err := l.w.Down["loop"]; err != nil {
		return nil, err
	}
	return append([]mlops.Deployment(nil), l.w.Deployments...), nil
}

func (l loop) Train(_ context.Context, project string) (mlops.Training, error) {
	if err := l.w.down("loop"); err != nil {
		return mlops.Training{}, err
	}
	var t mlops.Training
	known := false
	l.w.Change(func() {
		for _, p := range l.w.Projects {
			known = known || p.Name == project
		}
		t = mlops.Training{ID: int64(len(l.w.Trainings) + 100), Project: project, Trigger: mlops.TriggerManual, State: mlops.TrainingRequested, CreatedAt: l.w.Clock()}
		t.Job = fmt.Sprintf("%s-train-%d", project, t.ID)
		if known {
			l.w.Trainings = append([]mlops.Training{t}, l.w.Trainings...)
		}
	})
	if !known {
		return mlops.Training{}, mlops.Errorf(mlops.NotFound, "There is no project %q.", project)
	}
	return t, nil
}

func (l loop) NextTraining(_ context.Context, _ string) (time.Time, error) {
	if err := l.w.down("loop"); err != nil {
		return time.Time{}, err
	}
	return l.w.Clock().Truncate(15 * time.Minute).Add(15 * time.Minute), nil
}

func (l loop) Predict(_ context.Context, _ string, body []byte) (int, []byte, time.Duration, error) {
	if err := l.w.down("loop"); err != nil {
		return 0, nil, 0, err
	}
	l.w.Lock()
	answer := l.w.Answer
	l.w.Unlock()
	if answer != nil {
		status, raw := answer(body)
		return status, raw, 3*time.Millisecond + 200*time.Microsecond, nil
	}
	var in struct{ Instances [][]float64 }
	if err := json.Unmarshal(body, &in); err != nil || len(in.Instances) != 1 || len(in.Instances[0]) != 4 {
		return 400, []byte(`{"error":{"code":"shape","message":"instances[0] has the wrong length: expected 4 numbers"}}`), time.Millisecond, nil
	}
	chances := []float64{0.978, 0.019, 0.003}
	if in.Instances[0][2] > 2.5 {
		chances = []float64{0.004, 0.871, 0.125}
	}
	best := 0
	for i, c := range chances {
		if c > chances[best] {
			best = i
		}
	}
	classes := []string{"setosa", "versicolor", "virginica"}
	raw := fmt.Sprintf(`{"model":"iris","version":"12","classes":["setosa","versicolor","virginica"],"predictions":[{"class":%q,"class_index":%d,"probabilities":{"setosa":%g,"versicolor":%g,"virginica":%g}}]}`,
		classes[best], best, chances[0], chances[1], chances[2])
	return 200, []byte(raw), 2*time.Millisecond + 340*time.Microsecond, nil
}

func (l loop) Revisions(_ context.Context, deployment string, max int) ([]mlops.Revision, error) {
	if err := l.w.down("loop"); err != nil {
		return nil, err
	}
	l.w.Lock()
	defer l.w.Unlock()
	out := append([]mlops.Revision(nil), l.w.Revisions[deployment]...)
	return out[:min(max, len(out))], nil
}

// changed does what a change of a deployment does in every case: it fails, or
// is noted.
func (l loop) changed(deployment, what string, act mlops.Act) error {
	if err := l.w.down("loop"); err != nil {
		return err
	}
	l.w.Lock()
	defer l.w.Unlock()
	if l.w.Refuse != nil {
		return l.w.Refuse
	}
	l.w.Acts = append(l.w.Acts, fmt.Sprintf("%s %s by %s: %s", what, deployment, act.By, act.Reason))
	return nil
}

func (l loop) Promote(_ context.Context, deployment string, version int, override bool, act mlops.Act) (mlops.Revision, error) {
	what := fmt.Sprintf("promote %d", version)
	if override {
		what += " override"
	}
	return mlops.Revision{Deployment: deployment, Version: version, State: mlops.RevisionStarting}, l.changed(deployment, what, act)
}

func (l loop) Rollback(_ context.Context, deployment string, to int, act mlops.Act) (mlops.Revision, error) {
	return mlops.Revision{Deployment: deployment, Number: to, State: mlops.RevisionStarting}, l.changed(deployment, fmt.Sprintf("rollback %d", to), act)
}

func (l loop) Approve(_ context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	return mlops.Revision{Deployment: deployment, Number: number}, l.changed(deployment, fmt.Sprintf("approve %d", number), act)
}

func (l loop) Reject(_ context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	return mlops.Revision{Deployment: deployment, Number: number}, l.changed(deployment, fmt.Sprintf("reject %d", number), act)
}

func (l loop) Hold(_ context.Context, deployment string, pinned, paused *bool) (mlops.Deployment, error) {
	what := "hold"
	for name, b := range map[string]*bool{"pinned": pinned, "paused": paused} {
		if b != nil {
			what += fmt.Sprintf(" %s=%t", name, *b)
		}
	}
	return mlops.Deployment{Name: deployment}, l.changed(deployment, what, mlops.Act{})
}

func (l loop) SetGates(_ context.Context, project string, g mlops.Gates) error {
	if err := g.Validate(); err != nil {
		return err
	}
	return l.changed(project, fmt.Sprintf("gates %d %s", len(g.Metrics), g.Approval), mlops.Act{})
}
