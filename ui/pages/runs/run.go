package runs

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	keptLog      = "logs/train.log" // where the trainer uploads its own log
	keptLogBytes = 64 << 10
)

// run is the page of a run.
func (s *section) run(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	r, err := s.Registry.Run(ctx, c.Param("id"))
	if err != nil {
		return nil, err
	}
	t, err := s.trainingOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.runPage(ctx, t, &r)
}

// training is the page of a training; once it has a run, it shows that too.
func (s *section) training(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return nil, mlops.Errorf(mlops.NotFound, "There is no training %q: expected a number.", c.Param("id"))
	}
	t, err := s.findTraining(ctx, func(t mlops.Training) bool { return t.ID == id })
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, mlops.Errorf(mlops.NotFound, "There is no training %d.", id)
	}
	if t.RunID == "" {
		return s.runPage(ctx, t, nil)
	}
	r, err := s.Registry.Run(ctx, t.RunID)
	if err != nil {
		return nil, err
	}
	return s.runPage(ctx, t, &r)
}

func (s *section) findTraining(ctx context.Context, match func(mlops.Training) bool) (*mlops.Training, error) {
	projects, err := s.Loop.Projects(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range projects {
		ts, err := s.Registry.Trainings(ctx, p.Name, 1000)
		if err != nil {
			return nil, err
		}
		for i := range ts {
			if match(ts[i]) {
				return &ts[i], nil
			}
		}
	}
	return nil, nil
}

// trainingOf returns the training that made r, nil if r came from elsewhere
// or the loop does not serve yet.
func (s *section) trainingOf(ctx context.Context, r mlops.Run) (*mlops.Training, error) {
	job := r.Tag(mlops.TagJob)
	if job == "" {
		return nil, nil
	}
	t, err := s.findTraining(ctx, func(t mlops.Training) bool { return t.RunID == r.ID || t.Job == job })
	if mlops.CodeOf(err) == mlops.Unavailable {
		return nil, nil
	}
	return t, err
}

// runPage shows a training, its run, or both.
func (s *section) runPage(ctx context.Context, t *mlops.Training, r *mlops.Run) (*page.Page, error) {
	var v view.Run
	if t != nil {
		s.describeTraining(&v, *t)
	}
	if r != nil {
		v.HasRun = true
		s.describeRun(ctx, &v, *r)
	}
	if log := s.liveLogOf(ctx, t, r); log != "" {
		v.Log = log
	} else if r != nil {
		v.LogText, v.LogURL = s.keptLogOf(ctx, *r)
	}
	return &page.Page{Title: v.Title, Nav: "runs", Body: view.RunPage(v), Charts: v.Charts,
		Parts: []page.Part{{Name: "head", Body: view.RunHead(v)}, {Name: "log", Body: view.RunLog(v)}, {Name: "detail", Body: view.RunDetail(v)}}}, nil
}

func (s *section) describeTraining(v *view.Run, t mlops.Training) {
	v.Title, v.Pill, v.Message = t.Job, pills.Training(t.State), t.Message
	if v.Title == "" {
		v.Title = fmt.Sprintf("Training %d", t.ID)
	}
	if t.State == mlops.TrainingRequested && v.Message == "" {
		v.Message = "The Job is being created; the live log starts with its pod."
	}
	if why := t.Waits(); why != "" {
		v.Message = "The training waits: " + why
	}
	v.Facts = append(v.Facts, view.Fact{Name: "Project", Value: view.Text(t.Project)}, view.Fact{Name: "Trigger", Value: view.Text(string(t.Trigger))},
		view.Fact{Name: "Requested", Value: view.At(t.CreatedAt)})
	if t.State.Terminal() {
		v.Facts = append(v.Facts, view.Fact{Name: "Took", Value: view.Text(view.Duration(t.EndedAt.Sub(t.CreatedAt)))})
	} else {
		v.Facts = append(v.Facts, view.Fact{Name: "Running for", Value: view.Value{Since: t.CreatedAt}})
	}
	v.Lineage = append(v.Lineage, view.Fact{Name: "Job", Value: view.Code(t.Job)})
}

func (s *section) describeRun(ctx context.Context, v *view.Run, r mlops.Run) {
	v.Title, v.Pill = runtable.Name(r), pills.Run(r.Status)
	v.Facts = []view.Fact{{Name: "Experiment", Value: view.Ref(r.Experiment, runtable.List{Experiment: r.ExperimentID}.URL())}}
	if trigger := r.Tag(mlops.TagTrigger); trigger != "" {
		v.Facts = append(v.Facts, view.Fact{Name: "Trigger", Value: view.Text(trigger)})
	} else if r.User != "" {
		v.Facts = append(v.Facts, view.Fact{Name: "User", Value: view.Text(r.User)})
	}
	v.Facts = append(v.Facts, view.Fact{Name: "Started", Value: view.At(r.StartedAt)})
	took := view.Fact{Name: "Duration", Value: runtable.Duration(r, s.Now())}
	if !r.Status.Terminal() {
		took.Name = "Running for"
	}
	v.Facts = append(v.Facts, took)
	if a, ok := runtable.Accuracy(r); ok {
		v.Facts = append(v.Facts, view.Fact{Name: "Accuracy", Value: view.Text(view.Number(a))})
	}
	made, err := s.tables.VersionsOf(ctx, []mlops.Run{r})
	if err != nil {
		v.Problem = s.Problem("the model version", err)
	}
	if link := made[r.ID]; link != nil {
		v.Facts = append(v.Facts, view.Fact{Name: "Model version", Value: view.Ref(link.Text, link.URL)})
	}
	v.Description = r.Tag(mlops.TagDescription)
	s.describeFamily(ctx, v, r)
	models, err := s.Registry.LoggedModels(ctx, r.ID)
	if err != nil {
		v.Problem = s.Problem("the logged models", err)
	}
	for _, m := range models {
		v.Models = append(v.Models, view.LoggedModel{Name: m.Name, Type: m.Type, ID: m.ID, Step: strconv.FormatInt(m.Step, 10), Pill: pills.LoggedModel(m.Status)})
	}
	v.Lineage = lineage(r)
	v.Params, v.Tags = runtable.Facts(r.Params), runtable.Facts(r.Tags)
	for _, m := range r.Metrics {
		v.Metrics = append(v.Metrics, view.Metric{Key: m.Key, Value: view.Number(m.Value), Step: strconv.FormatInt(m.Step, 10)})
	}
	charts, err := s.historyCharts(ctx, r)
	if err != nil {
		v.Problem = s.Problem("the metric history", err)
	}
	v.Charts = charts
	found, err := s.Registry.Artifacts(ctx, r.ID, "")
	v.Artifacts = s.artifactList(folder{runID: r.ID}, found, err)
}

// lineage returns where the run came from, down to digests.
func lineage(r mlops.Run) []view.Fact {
	facts := []view.Fact{{Name: "Run", Value: view.Code(r.ID)}}
	whole := r.Tag(mlops.TagDatasetSHA256)
	for _, in := range r.Inputs {
		if in.Digest != "" && strings.HasPrefix(whole, in.Digest) {
			in.Digest = whole // MLflow keeps 36 characters of a digest
		}
		facts = append(facts, view.Fact{Name: "Dataset", Value: view.Ref(in.Name, paths.Dataset(in.Digest))},
			view.Fact{Name: "Dataset digest", Value: view.Code(in.Digest)}, view.Fact{Name: "Dataset source", Value: view.Code(paths.Source(in.Source))})
	}
	for _, tag := range []struct{ name, key string }{
		{"Code digest", mlops.TagCodeSHA256}, {"Image", mlops.TagImage}, {"Node", mlops.TagNode},
		{"Job", mlops.TagJob}, {"Pod", mlops.TagPod}, {"Source", "mlflow.source.name"},
	} {
		if value := r.Tag(tag.key); value != "" {
			facts = append(facts, view.Fact{Name: tag.name, Value: view.Code(value)})
		}
	}
	return facts
}

// liveLogOf returns the address of the log of the pod that is training now.
func (s *section) liveLogOf(ctx context.Context, t *mlops.Training, r *mlops.Run) string {
	if t == nil || t.State.Terminal() || t.Job == "" || r != nil && r.Status.Terminal() {
		return ""
	}
	if r != nil && r.Tag(mlops.TagPod) != "" {
		return paths.PodLog(t.Project, r.Tag(mlops.TagPod))
	}
	pods, err := s.Cluster.Pods(ctx, t.Project)
	if err != nil {
		s.Problem("the trainer's pod", err) // logged; the page goes without
		return ""
	}
	for _, p := range pods {
		if strings.HasPrefix(p.Name, t.Job+"-") && p.Phase != "Pending" {
			return paths.PodLog(p.Namespace, p.Name)
		}
	}
	return ""
}

// keptLogOf returns the end of the log that the trainer has uploaded.
func (s *section) keptLogOf(ctx context.Context, r mlops.Run) (text, download string) {
	file, info, err := s.Registry.OpenArtifact(ctx, r.ID, keptLog)
	if err != nil {
		return "", ""
	}
	defer func() { _ = file.Close() }()
	if _, err := io.CopyN(io.Discard, file, max(0, info.Bytes-keptLogBytes)); err != nil {
		return "", ""
	}
	raw, err := io.ReadAll(io.LimitReader(file, keptLogBytes))
	if err != nil {
		return "", ""
	}
	return strings.ToValidUTF8(string(raw), "�"), paths.File(r.ID, "download", keptLog)
}
