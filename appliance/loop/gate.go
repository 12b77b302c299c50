package loop

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// judge holds a revision against the gates of its project. The revision then
// starts, waits or is rejected. To judge again does no harm.
func (l *Loop) judge(ctx context.Context, d mlops.Deployment, r mlops.Revision) error {
	l.deciding.Lock()
	defer l.deciding.Unlock()
	r, err := l.cfg.Store.Revision(ctx, r.ID)
	if err != nil || r.State != mlops.RevisionJudging && r.State != mlops.RevisionWaiting {
		return err // another goroutine has judged it meanwhile
	}
	gates, err := l.gatesOf(ctx, d)
	if err != nil {
		return err
	}
	// A rollback asks no gate: it has to be quick.
	if r.Cause == mlops.CauseRollback {
		return l.start(ctx, d, r)
	}
	var results []mlops.GateResult
	var candidate mlops.Evidence
	if len(gates.Metrics) > 0 {
		var ended bool
		if candidate, ended, err = l.evidence(ctx, r.RunID); err != nil {
			return err
		}
		if !ended && !r.Override {
			return l.record(ctx, r, nil, mlops.RevisionJudging, "its gates wait for the end of run "+r.RunID+", which may log more metrics until then")
		}
		var served *mlops.Evidence
		live, err := l.lastLive(ctx, d)
		if err != nil {
			return err
		}
		if live != nil {
			e, _, err := l.evidence(ctx, live.RunID)
			if err != nil {
				return err
			}
			e.Version = live.Version
			served = &e
		}
		if names := gates.ToMeasure(candidate, served); len(names) > 0 && !r.Override {
			var message string
			if candidate.Measured, message, err = l.measure(ctx, d, r, live, names); err != nil {
				return err
			}
			if candidate.Measured == nil {
				return l.record(ctx, r, nil, mlops.RevisionJudging, message)
			}
		}
		results = gates.Judge(candidate, served)
	}
	failed := slices.DeleteFunc(slices.Clone(results), func(g mlops.GateResult) bool { return g.Passed })
	switch {
	case len(failed) > 0 && !r.Override:
		why := make([]string, len(failed))
		for i, f := range failed {
			why[i] = f.String()
		}
		l.cfg.Log.Warn("revision rejected", "deployment", d.Name, "revision", r.Number, "version", r.Version, "why", strings.Join(why, "; "))
		message := strings.Join(why, "; ")
		if candidate.Measured != nil {
			message += fmt.Sprintf(". `benchtop promote %s %d` measures it again; with --override and --reason it is served all the same", d.Name, r.Version)
		}
		return l.record(ctx, r, results, mlops.RevisionRejected, message)
	case gates.Approval == mlops.ApprovalRequired && r.Approved == "":
		return l.record(ctx, r, results, mlops.RevisionWaiting, "it waits for an approval: `benchtop approve "+d.Name+"`, or the deployment's page")
	case d.Paused:
		return l.record(ctx, r, results, mlops.RevisionWaiting, "the deployment is paused: `benchtop resume "+d.Name+"`")
	}
	if len(results) > 0 {
		if err := l.record(ctx, r, results, mlops.RevisionJudging, ""); err != nil {
			return err
		}
	}
	return l.start(ctx, d, r)
}

// lastLive is the revision that servers answer with, nil if none ever did. One
// that is still starting may turn out not to be served at all.
func (l *Loop) lastLive(ctx context.Context, d mlops.Deployment) (*mlops.Revision, error) {
	if d.Revision == nil || d.Revision.State == mlops.RevisionLive {
		return d.Revision, nil
	}
	lived, err := l.cfg.Store.LastLive(ctx, d.Name, 1)
	if err != nil {
		return nil, fmt.Errorf("read which version of %s was live: %w", d.Name, err)
	}
	if len(lived) == 0 {
		return nil, nil
	}
	return &lived[0], nil
}

// unmeasured is how the message of a revision begins whose Job met a fault, so
// that it is measured again.
const unmeasured = "it could not be measured for its gates yet: "

// measure returns what was measured of a revision, or nil while its Job runs,
// and why that is. What has been measured stays: only gates that ask for another
// metric need another Job.
func (l *Loop) measure(ctx context.Context, d mlops.Deployment, r mlops.Revision, live *mlops.Revision, metrics []string) (m *mlops.Measurement, message string, err error) {
	if r.Measured != nil && r.Measured.Covers(metrics) {
		return r.Measured, "", nil
	}
	spec, err := l.specOf(ctx, d)
	if err != nil {
		return nil, "", err
	}
	image, ready, err := l.modelImage(ctx, r.RunID)
	if err != nil {
		return nil, "", err
	}
	if !ready {
		return nil, "its gates wait for the environment that it is measured in", nil
	}
	spec.EnvironmentImage = image
	job, err := l.cfg.Cluster.Measure(ctx, spec, r, live, metrics)
	if err != nil {
		return nil, "", err
	}
	message = mlops.BeingMeasured + ": " + strings.Join(metrics, ", ")
	switch {
	case job.State.Terminal():
	case job.Message != "":
		return nil, unmeasured + job.Message + ". " + triedAgain, nil
	case strings.HasPrefix(r.Message, unmeasured): // it is being tried again, and may meet the same fault
		return nil, r.Message, nil
	default:
		return nil, message, nil
	}
	if gone, err := l.renamed(ctx, r); err != nil || gone {
		return nil, message, err
	}
	found, err := l.keepMeasured(ctx, d, r, job, metrics)
	return found, "", err
}

// keepMeasured keeps what a Job has found of a revision, or why it has found
// nothing.
func (l *Loop) keepMeasured(ctx context.Context, d mlops.Deployment, r mlops.Revision, job mlops.Job, metrics []string) (*mlops.Measurement, error) {
	m := mlops.Measurement{Failed: job.Message}
	if job.State == mlops.TrainingSucceeded {
		var err error
		if m, err = mlops.ParseMeasurement(job.Message); err != nil {
			m = mlops.Measurement{Failed: mlops.MessageOf(err)}
		}
	}
	m.At, m.Asked = job.EndedAt, metrics
	if err := l.cfg.Store.MeasureRevision(ctx, r.ID, m); err != nil {
		return nil, fmt.Errorf("keep what was measured of revision %d of %s: %w", r.Number, d.Name, err)
	}
	l.cfg.Log.Info("revision measured", "deployment", d.Name, "revision", r.Number, "version", r.Version, "candidate", m.Candidate, "served", m.Served, "failed", m.Failed)
	return &m, nil
}

func (l *Loop) gatesOf(ctx context.Context, d mlops.Deployment) (mlops.Gates, error) {
	p, err := l.cfg.Store.Project(ctx, d.Project)
	if mlops.CodeOf(err) == mlops.NotFound {
		return mlops.Gates{}, nil
	}
	if err != nil {
		return mlops.Gates{}, fmt.Errorf("read gates of deployment %s: %w", d.Name, err)
	}
	return p.Gates, nil
}

func (l *Loop) record(ctx context.Context, r mlops.Revision, results []mlops.GateResult, state mlops.RevisionState, message string) error {
	if r.State == state && r.Message == message && slices.Equal(r.Gates, results) {
		return nil
	}
	if err := l.cfg.Store.JudgeRevision(ctx, r.ID, results, state, message); err != nil {
		return fmt.Errorf("record gates of revision %d of %s: %w", r.Number, r.Deployment, err)
	}
	return nil
}

// evidence is what a run says of its model, and whether the run has ended. A
// version without a run has none.
func (l *Loop) evidence(ctx context.Context, runID string) (e mlops.Evidence, ended bool, err error) {
	if runID == "" {
		return e, true, nil
	}
	run, err := l.cfg.Store.Run(ctx, runID)
	if mlops.CodeOf(err) == mlops.NotFound {
		return e, true, nil
	}
	if err != nil {
		return e, false, fmt.Errorf("read run %s: %w", runID, err)
	}
	e.Metrics = make(map[string]float64, len(run.Metrics))
	for _, m := range run.Metrics {
		e.Metrics[m.Key] = m.Value
	}
	digests := make([]string, 0, len(run.Inputs))
	for _, in := range run.Inputs {
		digests = append(digests, in.Name+" "+in.Digest)
	}
	slices.Sort(digests)
	e.Dataset = strings.Join(digests, ", ")
	return e, run.Status.Terminal() || run.Deleted, nil
}
