package uitest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
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

func (l loop) NextTrainings(context.Context) (map[string]time.Time, error) {
	if err := l.w.down("loop"); err != nil {
		return nil, err
	}
	l.w.Lock()
	defer l.w.Unlock()
	out := map[string]time.Time{}
	for _, p := range l.w.Projects {
		out[p.Name] = l.w.Clock().Truncate(15 * time.Minute).Add(15 * time.Minute)
	}
	return out, nil
}

func (l loop) Diagnose(context.Context, mlops.Deployment) ([]mlops.Finding, error) {
	if err := l.w.down("loop"); err != nil {
		return nil, err
	}
	l.w.Lock()
	defer l.w.Unlock()
	return slices.Clone(l.w.Findings), nil
}

func (l loop) RevisionsOf(_ context.Context, model string, version int) ([]mlops.Revision, error) {
	for _, port := range []string{"loop", "revisions"} {
		if err := l.w.down(port); err != nil {
			return nil, err
		}
	}
	l.w.Lock()
	defer l.w.Unlock()
	var out []mlops.Revision
	for _, d := range l.w.Deployments {
		for _, r := range l.w.Revisions[d.Name] {
			if r.Model == model && r.Version == version {
				r.Deployment = d.Name
				out = append(out, r)
				break
			}
		}
	}
	return out, nil
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
	for _, port := range []string{"loop", "revisions"} {
		if err := l.w.down(port); err != nil {
			return nil, err
		}
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

// revise does what a change that makes a revision does.
func (l loop) revise(deployment string, cause mlops.Cause, act mlops.Act, version func(history []mlops.Revision) int) mlops.Revision {
	var r mlops.Revision
	l.w.Change(func() {
		history := l.w.Revisions[deployment]
		r = mlops.Revision{Deployment: deployment, Number: 1, Version: version(history), State: mlops.RevisionStarting, Cause: cause, By: act.By, Reason: act.Reason, CreatedAt: l.w.Clock()}
		if len(history) > 0 {
			r.Number, r.Model = history[0].Number+1, history[0].Model
		}
		for _, v := range l.w.Versions {
			if v.Model == r.Model && v.Version == r.Version {
				r.RunID = v.RunID
			}
		}
		for i := range l.w.Deployments {
			if l.w.Deployments[i].Name == deployment {
				l.w.Deployments[i].Revision = &r
			}
		}
		if l.w.Revisions == nil {
			l.w.Revisions = map[string][]mlops.Revision{}
		}
		l.w.Revisions[deployment] = append([]mlops.Revision{r}, history...)
	})
	return r
}

// decide does what a decision on a revision that waits does.
func (l loop) decide(deployment string, number int, change func(*mlops.Revision)) mlops.Revision {
	r := mlops.Revision{Deployment: deployment, Number: number}
	l.w.Change(func() {
		for i := range l.w.Revisions[deployment] {
			if l.w.Revisions[deployment][i].Number == number {
				change(&l.w.Revisions[deployment][i])
				r = l.w.Revisions[deployment][i]
			}
		}
	})
	return r
}

func (l loop) Promote(_ context.Context, deployment string, version int, override bool, act mlops.Act) (mlops.Revision, error) {
	what := fmt.Sprintf("promote %d", version)
	if override {
		what += " override"
	}
	if err := l.changed(deployment, what, act); err != nil {
		return mlops.Revision{Deployment: deployment, Version: version}, err
	}
	return l.revise(deployment, mlops.CausePromote, act, func([]mlops.Revision) int { return version }), nil
}

func (l loop) Rollback(_ context.Context, deployment string, to int, act mlops.Act) (mlops.Revision, error) {
	if err := l.changed(deployment, fmt.Sprintf("rollback %d", to), act); err != nil {
		return mlops.Revision{Deployment: deployment}, err
	}
	return l.revise(deployment, mlops.CauseRollback, act, func(history []mlops.Revision) int {
		for i, r := range history {
			if r.Number == to || to == 0 && i > 0 && !r.LiveAt.IsZero() {
				return r.Version
			}
		}
		return 0
	}), nil
}

func (l loop) Approve(_ context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	if err := l.changed(deployment, fmt.Sprintf("approve %d", number), act); err != nil {
		return mlops.Revision{Deployment: deployment, Number: number}, err
	}
	return l.decide(deployment, number, func(r *mlops.Revision) {
		r.Approved, r.State, r.Message = act.By, mlops.RevisionStarting, ""
	}), nil
}

func (l loop) Reject(_ context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	if err := l.changed(deployment, fmt.Sprintf("reject %d", number), act); err != nil {
		return mlops.Revision{Deployment: deployment, Number: number}, err
	}
	return l.decide(deployment, number, func(r *mlops.Revision) {
		r.State, r.Message = mlops.RevisionRejected, "rejected by "+act.By
	}), nil
}

func (l loop) Hold(_ context.Context, deployment string, pinned, paused *bool) (mlops.Deployment, error) {
	what := "hold"
	for name, b := range map[string]*bool{"pinned": pinned, "paused": paused} {
		if b != nil {
			what += fmt.Sprintf(" %s=%t", name, *b)
		}
	}
	if err := l.changed(deployment, what, mlops.Act{}); err != nil {
		return mlops.Deployment{Name: deployment}, err
	}
	after := mlops.Deployment{Name: deployment}
	l.w.Change(func() {
		for i := range l.w.Deployments {
			d := &l.w.Deployments[i]
			if d.Name != deployment {
				continue
			}
			if pinned != nil {
				d.Pinned = *pinned
			}
			if paused != nil {
				d.Paused = *paused
			}
			after = *d
		}
	})
	return after, nil
}

func (l loop) SetGates(_ context.Context, project string, g mlops.Gates) error {
	if err := g.Validate(); err != nil {
		return err
	}
	if err := l.changed(project, fmt.Sprintf("gates %d %s", len(g.Metrics), g.Approval), mlops.Act{}); err != nil {
		return err
	}
	l.w.Change(func() {
		for i := range l.w.Projects {
			if l.w.Projects[i].Name == project {
				l.w.Projects[i].Gates = g
			}
		}
	})
	return nil
}
