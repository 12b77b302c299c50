package loop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// loadPatience is how long servers may take to load a version that is on
// their volume.
const loadPatience = 30 * time.Second

// How soon a revision that starts is looked at again: it is followed closely
// for as long as servers usually take, and after that, or after an error, with
// patience.
const (
	lookAgain  = 200 * time.Millisecond
	lookLater  = 5 * time.Second
	usualStart = 30 * time.Second
)

// runPatience is how long a run may go on after its version was registered
// until the version is brought without it: the run of a notebook that was
// killed never ends.
const runPatience = 2 * time.Minute

// release makes one pass over what is served: revisions for new versions and
// moved aliases, gates, and the servers. It says how soon it has to be called
// again, 0 if nothing is on its way.
func (l *Loop) release(ctx context.Context) (again time.Duration, err error) {
	if _, err := l.cfg.Store.FollowModels(ctx); err != nil {
		return lookLater, fmt.Errorf("look for versions to serve: %w", err)
	}
	open, err := l.cfg.Store.OpenRevisions(ctx)
	if err != nil {
		return lookLater, fmt.Errorf("list revisions: %w", err)
	}
	maps.DeleteFunc(l.starting, func(id int64, _ begun) bool {
		return !slices.ContainsFunc(open, func(r mlops.Revision) bool { return r.ID == id })
	})
	var errs []error
	for _, r := range open {
		starting, err := l.step(ctx, r)
		next := time.Duration(0)
		switch {
		case err != nil:
			errs = append(errs, err)
			next = lookLater
		case starting && l.since(r.ID) > usualStart:
			next = lookLater
		case starting:
			next = lookAgain
		}
		if next > 0 && (again == 0 || next < again) {
			again = next
		}
	}
	return again, errors.Join(errs...)
}

// step moves one revision on.
func (l *Loop) step(ctx context.Context, r mlops.Revision) (starting bool, err error) {
	d, err := l.cfg.Store.Deployment(ctx, r.Deployment)
	if mlops.CodeOf(err) == mlops.NotFound {
		return false, nil // deleted since
	}
	if err != nil {
		return false, err
	}
	if _, applied := l.served[d.Name]; d.Own && d.Revision == nil && !applied {
		return false, nil // the pass that makes its objects comes first
	}
	if r.State != mlops.RevisionStarting {
		return false, l.judge(ctx, d, r)
	}
	return true, l.serve(ctx, d, r)
}

// tell tells the servers to serve a revision if that is what ought to be
// served, and reports whether it is. A rollback that comes meanwhile waits for
// it, and has the last word.
func (l *Loop) tell(ctx context.Context, d mlops.Deployment, r mlops.Revision) (meant bool, err error) {
	l.deciding.Lock()
	defer l.deciding.Unlock()
	now, err := l.cfg.Store.Deployment(ctx, d.Name)
	if mlops.CodeOf(err) == mlops.NotFound || err == nil && (now.Revision == nil || now.Revision.ID != r.ID) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, l.tellServers(ctx, d, r)
}

// start makes a revision the one that ought to be served. From here on the
// row decides, and the servers follow it.
func (l *Loop) start(ctx context.Context, d mlops.Deployment, r mlops.Revision) error {
	if err := l.cfg.Store.StartRevision(ctx, r.ID); err != nil {
		return fmt.Errorf("start revision %d of %s: %w", r.Number, d.Name, err)
	}
	r.State = mlops.RevisionStarting
	l.cfg.Log.Info("revision starts", "deployment", d.Name, "revision", r.Number, "version", r.Version, "cause", r.Cause, "by", r.By)
	// The next pass comes at once: a rollback is in a hurry.
	l.wake()
	return l.tellServers(ctx, d, r)
}

// keepFor is how many versions stay on a volume for a rollback, beside the one
// that is served: a rollback must not wait until its version has been brought.
const keepFor = 3

// tellServers tells the servers of a deployment to serve a revision, and names
// the versions that were live last, which must stay on their volume.
func (l *Loop) tellServers(ctx context.Context, d mlops.Deployment, r mlops.Revision) error {
	// One more: it may be the revision itself.
	lived, err := l.cfg.Store.LastLive(ctx, d.Name, keepFor+1)
	if err != nil {
		return fmt.Errorf("read which versions of %s were live: %w", d.Name, err)
	}
	var keep []int
	for _, was := range lived {
		if len(keep) < keepFor && was.Version != r.Version {
			keep = append(keep, was.Version)
		}
	}
	return l.cfg.Cluster.Serve(ctx, d, r.Version, r.RunID, keep)
}

// serve follows the servers until all that are ready answer with the revision.
// Servers that are being replaced go on with what they serve meanwhile.
func (l *Loop) serve(ctx context.Context, d mlops.Deployment, r mlops.Revision) error {
	if meant, err := l.tell(ctx, d, r); err != nil || !meant {
		return err
	}
	// Servers of another image may lack what the version needs. The pass that replaces
	// them comes first.
	if s, there := l.served[d.Name]; there && s.revision != r.ID {
		image, ready, err := l.modelImage(ctx, r.RunID)
		if err != nil {
			return err
		}
		if s.image != image {
			if ready {
				l.wake()
			}
			return nil
		}
	}
	servers, err := l.cfg.Cluster.Serving(ctx, d)
	if err != nil {
		return err
	}
	if d.Replicas == 0 {
		// Nobody is to answer. Servers that come later read what they were told.
		servers = nil
	}
	want := fmt.Sprint(r.Version)
	there, behind, trouble := 0, false, ""
	loading := false
	for _, s := range servers {
		switch {
		case s.Outdated:
			// Its successor is on its way. What the old one cannot load may need
			// just what the new one has.
		case s.Version == want && s.Wanted == want && s.Error == "" && s.Ready:
			there++
		case s.Version == want && s.Error == "":
			behind = true // its pod is not ready yet
		case s.Wanted == want && s.Loading:
			loading = true
		case s.Wanted == want && s.Error != "":
			trouble = s.Error
		default:
			behind = true
		}
	}
	since := l.since(r.ID)
	switch {
	case there == len(servers) && (there > 0 || d.Replicas == 0):
		if err := l.cfg.Store.LiveRevision(ctx, r.ID); err != nil {
			return fmt.Errorf("record revision %d of %s as live: %w", r.Number, d.Name, err)
		}
		l.cfg.Log.Info("revision is live", "deployment", d.Name, "revision", r.Number, "version", r.Version)
		return nil
	case trouble != "":
		return l.bringVersion(ctx, d, r, trouble, since)
	case behind && !loading && l.nudgeDue(r.ID, since):
		// The annotation may have come before the ConfigMap, or never: the
		// process may have died between the two.
		return l.cfg.Cluster.NudgeServers(ctx, d)
	}
	return nil
}

// bringVersion has a Job bring a version that the servers cannot load from their
// volume. While the version's run goes on, the trainer is still to write it
// there, unless the volume is the deployment's own.
func (l *Loop) bringVersion(ctx context.Context, d mlops.Deployment, r mlops.Revision, trouble string, since time.Duration) error {
	_, ended, err := l.evidence(ctx, r.RunID)
	if err != nil || !ended && !d.Own && since < runPatience {
		return err
	}
	job, err := l.bringJob(ctx, d, r)
	if err != nil {
		return err
	}
	switch job.State {
	case mlops.TrainingFailed:
		if gone, err := l.renamed(ctx, r); err != nil || gone {
			return err
		}
		return l.fail(ctx, d, r, fmt.Sprintf("version %d could not be brought to the servers: %s", r.Version, job.Message))
	case mlops.TrainingSucceeded:
		if l.cfg.Now().Sub(job.EndedAt) > loadPatience && since > loadPatience {
			return l.fail(ctx, d, r, "the servers cannot load it: "+trouble)
		}
	default: // the Job is under way, or is tried again
		if job.Message == "" {
			return nil
		}
		message := fmt.Sprintf("version %d could not be brought to the servers yet: %s. %s", r.Version, job.Message, triedAgain)
		if r.Message == message {
			return nil
		}
		l.cfg.Log.Warn("revision starts", "deployment", d.Name, "revision", r.Number, "version", r.Version, "message", message)
		if err := l.cfg.Store.NoteRevision(ctx, r.ID, message); err != nil {
			return fmt.Errorf("note what keeps revision %d of %s: %w", r.Number, d.Name, err)
		}
	}
	return nil
}

// triedAgain ends the message of a revision whose Job met a fault.
const triedAgain = "It is tried again every few minutes"

// renamed reports whether the model of a revision has another name since the
// revision was read. A Job that looked for it under the old one says nothing of
// the version; the next pass has another made.
func (l *Loop) renamed(ctx context.Context, r mlops.Revision) (bool, error) {
	now, err := l.cfg.Store.Revision(ctx, r.ID)
	if err != nil {
		return false, fmt.Errorf("read revision %d of %s: %w", r.Number, r.Deployment, err)
	}
	if now.Model != r.Model {
		l.wake()
	}
	return now.Model != r.Model, nil
}

// fail ends a revision. The servers go on with the one that is live.
func (l *Loop) fail(ctx context.Context, d mlops.Deployment, r mlops.Revision, why string) error {
	if err := l.cfg.Store.FailRevision(ctx, r.ID, why); err != nil {
		return fmt.Errorf("record failure of revision %d of %s: %w", r.Number, d.Name, err)
	}
	l.cfg.Log.Error("revision failed", "deployment", d.Name, "revision", r.Number, "version", r.Version, "why", why)
	l.wake() // the servers may have to go back to another image
	return l.restore(ctx, d.Name)
}

// restore tells the servers of a deployment what its row says. A first
// revision that failed leaves nothing to serve.
func (l *Loop) restore(ctx context.Context, name string) error {
	l.deciding.Lock()
	defer l.deciding.Unlock()
	d, err := l.cfg.Store.Deployment(ctx, name)
	if mlops.CodeOf(err) == mlops.NotFound {
		return nil // deleted since
	}
	if err != nil {
		return err
	}
	if d.Revision == nil {
		return l.cfg.Cluster.ServeNothing(ctx, d)
	}
	return l.tellServers(ctx, d, *d.Revision)
}

// since is how long this process has followed a revision that starts.
func (l *Loop) since(revision int64) time.Duration {
	now := l.cfg.Now()
	if b, ok := l.starting[revision]; ok {
		return now.Sub(b.at)
	}
	l.starting[revision] = begun{at: now, nudge: firstNudge}
	return 0
}

// firstNudge is when servers that are behind are told to look again for the
// first time. The next times come after twice as long.
const firstNudge = time.Second

// nudgeDue reports whether the servers of a revision that starts are to be told
// to look again.
func (l *Loop) nudgeDue(revision int64, since time.Duration) bool {
	b := l.starting[revision]
	if since < b.nudge || since > usualStart {
		return false
	}
	b.nudge = 2 * since
	l.starting[revision] = b
	return true
}

// How often is looked whether what is live is still served: soon after a
// start and while it is not, seldom while it is.
const (
	checkSoon   = 2 * time.Second
	checkSeldom = time.Minute
)

// heal looks whether every server still answers with what is live, and has it
// brought where the volume has lost it: somebody deleted it, or the cluster
// was thrown away. It reports whether all is well.
func (l *Loop) heal(ctx context.Context) bool {
	deployments, err := l.cfg.Store.Deployments(ctx)
	projects, perr := l.cfg.Store.Projects(ctx)
	err = errors.Join(err, perr)
	well := err == nil
	going := map[string]bool{}
	for _, p := range projects {
		going[p.Name] = p.Deleting
	}
	for _, d := range deployments {
		if d.Deleting || going[d.Project] || d.Revision != nil && d.Revision.State != mlops.RevisionLive {
			continue
		}
		ok, herr := l.healOne(ctx, d)
		well = well && ok
		err = errors.Join(err, herr)
	}
	if err != nil && ctx.Err() == nil {
		l.cfg.Log.Error("look at what is served failed, it will be repeated", "err", err)
	}
	return well
}

func (l *Loop) healOne(ctx context.Context, d mlops.Deployment) (well bool, err error) {
	if d.Revision == nil {
		err := l.restore(ctx, d.Name)
		return err == nil, err
	}
	r := *d.Revision
	// They may not have been told, if telling them failed once.
	if meant, err := l.tell(ctx, d, r); err != nil || !meant {
		return false, err
	}
	if d.Replicas == 0 {
		return true, nil
	}
	servers, err := l.cfg.Cluster.Serving(ctx, d)
	if err != nil {
		return false, err
	}
	want := fmt.Sprint(r.Version)
	well = len(servers) > 0
	for _, s := range servers {
		switch {
		case s.Version == want && s.Error == "":
		case s.Outdated:
			well = false // its successor is on its way
		case s.Wanted == want && s.Error != "":
			well = false
			job, err := l.bringJob(ctx, d, r)
			if err != nil {
				return false, err
			}
			if job.State == mlops.TrainingFailed {
				return false, fmt.Errorf("version %d of deployment %s is not on its volume, and could not be brought: %s", r.Version, d.Name, job.Message)
			}
			if job.State == mlops.TrainingRunning && job.Message != "" {
				return false, fmt.Errorf("version %d of deployment %s is not on its volume, and could not be brought yet: %s. %s", r.Version, d.Name, job.Message, triedAgain)
			}
		default:
			well = false
		}
	}
	return well, nil
}
