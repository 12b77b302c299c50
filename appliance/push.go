package appliance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/podlogs"
	"github.com/benchtop-lab/benchtop/appliance/push/client"
	"github.com/benchtop-lab/benchtop/appliance/push/pack"
	"github.com/benchtop-lab/benchtop/appliance/push/plan"
	"github.com/benchtop-lab/benchtop/embedded/registry"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// pushes takes code: it looks at it, stores it, and has the loop train it.
type pushes struct {
	port    loopPort
	objects mlops.ObjectStore // bucket mlops.CodeBucket
	scratch string            // folder for what is being looked at
	spec    func(mlops.Project, mlops.Dataset) mlops.ProjectSpec
	address func() string // where the ingress answers, without a path
	now     func() time.Time
}

var _ ports.Pushes = pushes{}

// Push implements ports.Pushes. Bytes come first and the row second: what is cut
// short leaves an archive that nothing names, or all of it.
func (p pushes) Push(ctx context.Context, req mlops.PushRequest, code io.Reader) (answer mlops.PushAnswer, err error) {
	if err := mlops.ValidateName("project", req.Project); err != nil {
		return answer, err
	}
	dir, err := os.MkdirTemp(p.scratch, "push-*")
	if err != nil {
		return answer, fmt.Errorf("make a folder to look at code: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	archive, err := os.Create(dir + "/archive")
	if err != nil {
		return answer, fmt.Errorf("make a file for code: %w", err)
	}
	defer func() { _ = archive.Close() }()
	folder := dir + "/code"
	if err := os.Mkdir(folder, 0o700); err != nil {
		return answer, fmt.Errorf("make a folder to look at code: %w", err)
	}
	u, err := plan.Unpack(io.TeeReader(code, archive), folder, pack.Default)
	if err != nil {
		return answer, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return answer, fmt.Errorf("look at code: %w", err)
	}
	defer func() { _ = root.Close() }()
	answer.SHA256, answer.Bytes, answer.Files = u.SHA256, u.Bytes, u.Files
	if answer.Plan, err = plan.Make(root.FS(), plan.Asked{Command: req.Command, Entry: req.Entry}); err != nil {
		return answer, err
	}
	pushed := mlops.ProjectCode{SHA256: u.SHA256, Bytes: u.Bytes, Files: u.Files, Commit: req.Commit, Dirty: req.Dirty, PushedBy: req.By, PushedAt: p.now().UTC().Truncate(time.Millisecond), Plan: answer.Plan}
	steps, err := p.port.steps()
	if err != nil {
		return answer, err
	}
	if req.Explain {
		project, err := steps.WouldPush(ctx, req.Project, pushed)
		if err != nil {
			return answer, err
		}
		c, err := connected(p.port.cluster)
		if err == nil {
			answer.Manifests, err = c.ProjectManifests(p.spec(project, mlops.Dataset{}))
		}
		return answer, err
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return answer, fmt.Errorf("read code again: %w", err)
	}
	if _, err := p.objects.Put(ctx, pushed.Key(req.Project), archive, u.Bytes, "application/gzip"); err != nil {
		return answer, fmt.Errorf("store code: %w", err)
	}
	done, err := steps.Push(ctx, req.Project, pushed)
	if err == nil {
		answer.Pushed = &done
	}
	return answer, err
}

// trainingOf is a training of a project.
func (p pushes) trainingOf(ctx context.Context, project string, id int64) (mlops.Training, error) {
	store, err := p.port.rows()
	if err != nil {
		return mlops.Training{}, err
	}
	t, err := store.Projects.Training(ctx, id)
	if err == nil && t.Project != project || mlops.CodeOf(err) == mlops.NotFound {
		return t, mlops.Errorf(mlops.NotFound, "project %s has no training %d", project, id)
	}
	return t, err
}

// seen is how many revisions, and how many versions, are looked through for that of a
// training.
const seen = 50

// PushState implements ports.Pushes.
func (p pushes) PushState(ctx context.Context, project string, training int64) (s mlops.PushState, err error) {
	if s.Training, err = p.trainingOf(ctx, project, training); err != nil {
		return s, err
	}
	store, err := p.port.rows()
	if err != nil {
		return s, err
	}
	d, err := store.Deployments.Deployment(ctx, project)
	if mlops.CodeOf(err) == mlops.NotFound { // the next pass makes it
		s.Version, _, err = newestOf(ctx, store, project, s.Training)
		return s, err
	}
	if err != nil {
		return s, err
	}
	s.Address = p.address() + p.port.addressed(d).Path + "/predict"
	switch {
	case d.Pinned:
		s.Held = fmt.Sprintf("deployment %s is pinned, so no new version is put into service: `benchtop unpin %s`", d.Name, d.Name)
	case d.Paused:
		s.Held = fmt.Sprintf("deployment %s is paused: `benchtop resume %s`", d.Name, d.Name)
	case !d.Automatic:
		s.Held = fmt.Sprintf("deployment %s does not follow new versions: `benchtop promote %s VERSION` serves one", d.Name, d.Name)
	}
	// A version is registered before its training ends, and the pass that makes its
	// revision may come after that.
	var newest int
	if s.Version, newest, err = newestOf(ctx, store, d.Model, s.Training); err != nil || s.Version == 0 {
		return s, err
	}
	revisions, err := store.Deployments.Revisions(ctx, d.Name, seen)
	if err != nil {
		return s, err
	}
	for _, r := range revisions { // the newest first
		if r.CreatedAt.Before(s.Training.CreatedAt) {
			break
		}
		if r.Version == s.Version {
			s.Revision = &r
			return s, nil
		}
	}
	if s.Version < newest && s.Held == "" {
		s.Held = fmt.Sprintf("version %d is put into service in place of version %d: it is newer", newest, s.Version)
	}
	return s, nil
}

// newestOf is the newest version of a model that a training has registered, 0 for
// none, and the newest of all.
func newestOf(ctx context.Context, store *registry.Store, model string, t mlops.Training) (of, all int, err error) {
	page, err := store.Models.Versions(ctx, mlops.VersionQuery{Model: model, Max: seen})
	if err != nil {
		return 0, 0, err
	}
	for _, v := range page.Versions { // the newest first
		all = max(all, v.Version)
		if v.CreatedAt.Before(t.CreatedAt) {
			break
		}
		if v.RunID == "" {
			continue
		}
		run, err := store.Runs.Run(ctx, v.RunID)
		if mlops.CodeOf(err) == mlops.NotFound {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		// A script may have further runs, which name that of its Job.
		if run.Tag(mlops.TagJob) == t.Job || run.Tag(mlops.TagJobRun) != "" && run.Tag(mlops.TagJobRun) == t.RunID {
			return v.Version, all, nil
		}
	}
	return 0, all, nil
}

// How often it is looked whether a training has ended, and how long its last
// lines may take.
const (
	lookForEnd = time.Second
	lastLines  = time.Second
)

// PushLog implements ports.Pushes.
func (p pushes) PushLog(ctx context.Context, project string, training int64, emit func([]mlops.LogLine) error) error {
	t, err := p.trainingOf(ctx, project, training)
	if err != nil {
		return err
	}
	c, err := connected(p.port.cluster)
	if err != nil {
		return err
	}
	source := podSource{c.Client, func(ctx context.Context) ([]mlops.Pod, error) { return c.TrainingPods(ctx, t) }}
	if t.State.Terminal() {
		return podlogs.Merge(ctx, source, podlogs.Options{Tail: podlogs.MaxTail}, emit)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookForEnd):
			}
			if now, err := p.trainingOf(ctx, project, training); err == nil && now.State.Terminal() {
				time.AfterFunc(lastLines, cancel)
				return
			}
		}
	}()
	return podlogs.Merge(ctx, source, podlogs.Options{Tail: podlogs.MaxTail, Follow: true, Look: lookForEnd}, emit)
}

// PushTo is the appliance as `benchtop push` speaks to it.
func (c *Control) PushTo() client.Lab {
	return client.Lab{Base: "http://benchtop/v1", HTTP: &http.Client{Transport: controlTransport{c}}}
}

// controlTransport goes through the control socket, with its errors.
type controlTransport struct{ c *Control }

func (t controlTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.c.http.Transport.RoundTrip(req)
	return resp, t.c.explain(err)
}

// pushCalls are the calls of `benchtop push` on the lab's own machine.
func (c *control) pushCalls(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/projects/{project}/code", func(w http.ResponseWriter, r *http.Request) {
		req, err := mlops.ParsePush(r.PathValue("project"), r.URL.Query())
		var answer mlops.PushAnswer
		if err == nil {
			req.By = "root"
			answer, err = c.a.pushes.Push(r.Context(), req, r.Body)
		}
		c.answer(w, http.StatusCreated, answer, err)
	})
	mux.HandleFunc("GET /v1/projects/{project}/pushes/{training}", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.ParseInt(r.PathValue("training"), 10, 64)
		s, err := c.a.pushes.PushState(r.Context(), r.PathValue("project"), id)
		c.answer(w, http.StatusOK, s, err)
	})
	mux.HandleFunc("GET /v1/projects/{project}/pushes/{training}/log", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.ParseInt(r.PathValue("training"), 10, 64)
		emit, begun := emitTo(w, func(l mlops.LogLine) string { return l.Text + "\n" }), false
		err := c.a.pushes.PushLog(r.Context(), r.PathValue("project"), id, func(lines []mlops.LogLine) error {
			begun = true
			return emit(lines)
		})
		if err != nil && !begun {
			c.fail(w, err)
		}
	})
}
