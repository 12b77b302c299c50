package uitest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
)

type registry struct{ w *World }

func (r registry) Changed() <-chan struct{} {
	r.w.Lock()
	defer r.w.Unlock()
	return r.w.changed
}

func (r registry) Experiments(context.Context) ([]mlops.Experiment, error) {
	if err := r.w.down("registry"); err != nil {
		return nil, err
	}
	return r.w.Experiments, nil
}

// SearchRuns knows enough of the grammar for a list: nothing, or
// metrics.<key> > <number>.
func (r registry) SearchRuns(_ context.Context, q mlops.RunQuery) (mlops.RunPage, error) {
	if err := r.w.down("registry"); err != nil {
		return mlops.RunPage{}, err
	}
	r.w.Lock()
	defer r.w.Unlock()
	var page mlops.RunPage
	var key string
	var limit float64
	if q.Filter != "" {
		var operator string
		if n, err := fmt.Sscanf(q.Filter, "metrics.%s %s %g", &key, &operator, &limit); n != 3 || err != nil || operator != ">" {
			return page, mlops.Errorf(mlops.Invalid, "invalid filter %q at position 1: expected metrics.<key>, params.<key>, tags.<key> or attributes.<name>", q.Filter)
		}
	}
	var found []mlops.Run
	for _, run := range r.w.Runs {
		if v, ok := run.Metric(key); key == "" || ok && v > limit {
			found = append(found, run)
		}
	}
	start := 0
	if q.PageToken != "" {
		if _, err := fmt.Sscanf(q.PageToken, "from-%d", &start); err != nil || start > len(found) {
			return page, mlops.Errorf(mlops.Invalid, "page token %q is not valid", q.PageToken)
		}
	}
	end := min(len(found), start+max(1, q.Max))
	page.Runs = found[start:end]
	if end < len(found) {
		page.NextPageToken = fmt.Sprintf("from-%d", end)
	}
	return page, nil
}

func (r registry) Run(_ context.Context, id string) (mlops.Run, error) {
	if err := r.w.down("registry"); err != nil {
		return mlops.Run{}, err
	}
	r.w.Lock()
	defer r.w.Unlock()
	for _, run := range r.w.Runs {
		if run.ID == id {
			return run, nil
		}
	}
	return mlops.Run{}, mlops.Errorf(mlops.NotFound, "There is no run %q.", id)
}

func (r registry) MetricHistory(_ context.Context, runID, key string, limit int) ([]mlops.Metric, error) {
	r.w.Lock()
	defer r.w.Unlock()
	if err := r.w.Down["registry"]; err != nil {
		return nil, err
	}
	points := r.w.History[runID+"/"+key]
	return points[:min(limit, len(points))], nil
}

func (r registry) RegisteredModels(context.Context) ([]mlops.RegisteredModel, error) {
	r.w.Lock()
	defer r.w.Unlock()
	if err := r.w.Down["registry"]; err != nil {
		return nil, err
	}
	return append([]mlops.RegisteredModel(nil), r.w.Models...), nil
}

func (r registry) ModelVersions(_ context.Context, model string) ([]mlops.ModelVersion, error) {
	r.w.Lock()
	defer r.w.Unlock()
	if err := r.w.Down["registry"]; err != nil {
		return nil, err
	}
	var out []mlops.ModelVersion
	for _, v := range r.w.Versions {
		if v.Model == model {
			out = append(out, v)
		}
	}
	return out, nil
}

func (r registry) Artifacts(_ context.Context, runID, dir string) ([]mlops.Artifact, error) {
	r.w.Lock()
	defer r.w.Unlock()
	if err := r.w.Down["registry"]; err != nil {
		return nil, err
	}
	found := map[string]mlops.Artifact{}
	for name, contents := range r.w.Files[runID] {
		rest, below := name, dir == ""
		if dir != "" {
			rest, below = strings.CutPrefix(name, dir+"/")
		}
		if !below {
			continue
		}
		if first, _, nested := strings.Cut(rest, "/"); nested {
			found[first] = mlops.Artifact{Path: path.Join(dir, first), IsDir: true}
		} else {
			found[first] = mlops.Artifact{Path: path.Join(dir, first), Bytes: int64(len(contents))}
		}
	}
	var out []mlops.Artifact
	for _, a := range found {
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, nil
}

func (r registry) OpenArtifact(_ context.Context, runID, name string) (io.ReadCloser, mlops.Artifact, error) {
	r.w.Lock()
	defer r.w.Unlock()
	contents, ok := r.w.Files[runID][name]
	if err := r.w.Down["registry"]; err != nil {
		return nil, mlops.Artifact{}, err
	}
	if !ok {
		return nil, mlops.Artifact{}, mlops.Errorf(mlops.NotFound, "There is no artifact %q.", name)
	}
	return io.NopCloser(strings.NewReader(contents)), mlops.Artifact{Path: name, Bytes: int64(len(contents))}, nil
}

func (r registry) Datasets(context.Context) ([]mlops.Dataset, error) {
	r.w.Lock()
	defer r.w.Unlock()
	if err := r.w.Down["registry"]; err != nil {
		return nil, err
	}
	return append([]mlops.Dataset(nil), r.w.Datasets...), nil
}

func (r registry) Trainings(_ context.Context, project string, limit int) ([]mlops.Training, error) {
	r.w.Lock()
	defer r.w.Unlock()
	if err := r.w.Down["registry"]; err != nil {
		return nil, err
	}
	var out []mlops.Training
	for _, t := range r.w.Trainings {
		if t.Project == project && len(out) < limit {
			out = append(out, t)
		}
	}
	return out, nil
}

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

type cluster struct{ w *World }

func (c cluster) Objects(context.Context) ([]mlops.Object, error) {
	c.w.Lock()
	defer c.w.Unlock()
	if err := c.w.Down["cluster"]; err != nil {
		return nil, err
	}
	return append([]mlops.Object(nil), c.w.Objects...), nil
}

func (c cluster) Events(_ context.Context, limit int) ([]mlops.Event, error) {
	c.w.Lock()
	defer c.w.Unlock()
	if err := c.w.Down["cluster"]; err != nil {
		return nil, err
	}
	return append([]mlops.Event(nil), c.w.Events[:min(limit, len(c.w.Events))]...), nil
}

func (c cluster) Pods(_ context.Context, namespace string) ([]mlops.Pod, error) {
	c.w.Lock()
	defer c.w.Unlock()
	if err := c.w.Down["cluster"]; err != nil {
		return nil, err
	}
	var out []mlops.Pod
	for _, p := range c.w.Pods {
		if namespace == "" || p.Namespace == namespace {
			out = append(out, p)
		}
	}
	return out, nil
}

func (c cluster) Logs(ctx context.Context, namespace, pod string, follow bool, tail int) (io.ReadCloser, error) {
	if err := c.w.down("cluster"); err != nil {
		return nil, err
	}
	c.w.Lock()
	lines, ok := c.w.Logs[namespace+"/"+pod]
	c.w.Unlock()
	if !ok {
		return nil, mlops.Errorf(mlops.NotFound, "There is no pod %s in namespace %s.", pod, namespace)
	}
	lines = lines[max(0, len(lines)-tail):]
	r, w := io.Pipe()
	go func() {
		for _, line := range lines {
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return
			}
		}
		for i := 0; follow; i++ {
			select {
			case <-ctx.Done():
				_ = w.CloseWithError(ctx.Err())
				return
			case <-time.After(time.Second):
			}
			if _, err := fmt.Fprintf(w, "INFO:     10.42.0.1:%d - \"GET /healthz HTTP/1.1\" 200 OK\n", 40000+i); err != nil {
				return
			}
		}
		_ = w.Close()
	}()
	return r, nil
}

type metrics struct{ w *World }

// wave makes the same value for the same time.
func wave(base float64, t time.Time) float64 {
	x := float64(t.Unix())
	return base * (1 + 0.35*math.Sin(x/170) + 0.12*math.Sin(x/31))
}

func (m metrics) value(promql string, t time.Time) float64 {
	m.w.Lock()
	defer m.w.Unlock()
	switch {
	case strings.Contains(promql, "quantile(0.5"):
		return wave(0.0021, t)
	case strings.Contains(promql, "quantile(0.99"):
		return wave(0.0094, t)
	case strings.Contains(promql, "5.."):
		return m.w.ErrorRate
	}
	return wave(m.w.Rate, t)
}

func (m metrics) idle() bool {
	m.w.Lock()
	defer m.w.Unlock()
	return m.w.Rate == 0
}

func (m metrics) Query(_ context.Context, promql string, at time.Time) ([]ui.Sample, error) {
	if err := m.w.down("metrics"); err != nil || m.idle() {
		return nil, err
	}
	return []ui.Sample{{Value: m.value(promql, at), Time: at}}, nil
}

func (m metrics) QueryRange(_ context.Context, promql string, from, to time.Time, step time.Duration) ([]ui.Series, error) {
	if err := m.w.down("metrics"); err != nil || m.idle() {
		return nil, err
	}
	var s ui.Series
	for t := from.Add(4 * time.Minute); !t.After(to); t = t.Add(step) {
		s.Points = append(s.Points, ui.Point{Time: t, Value: m.value(promql, t)})
	}
	return []ui.Series{s}, nil
}
