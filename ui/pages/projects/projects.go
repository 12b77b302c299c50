package projects

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// trainingsShown is how many trainings a project's page lists.
const trainingsShown = 20

// projects is the list of projects.
func (s *section) projects(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	v := view.Projects{CSRF: page.VisitorOf(c).CSRF, MayOperate: page.May(c, mlops.Operate), Datasets: s.datasetNames(ctx, ""),
		Push: "sudo benchtop push FOLDER", PushFrom: "benchtop-push --server " + strings.TrimSuffix(s.at(c), "/") + " FOLDER"}
	projects, err := s.Loop.Projects(ctx)
	v.Problem = s.Problem("the projects", err)
	var deployed []mlops.Deployment
	if len(projects) > 0 {
		var derr error
		deployed, derr = s.Loop.Deployments(ctx)
		s.Problem("the deployments", derr) // logged; the rows go without
	}
	trainings, terr := s.Registry.NewestTrainings(ctx, 1)
	s.Problem("the trainings", terr) // logged; the rows go without
	v.Rows = make([]view.ProjectRow, len(projects))
	for i, p := range projects {
		v.Rows[i] = projectRow(p, trainings, deployed)
	}
	if err == nil {
		for _, sample := range s.samples {
			if page.VisitorOf(c).Principal.Reaches(sample.Name) && !slices.ContainsFunc(projects, func(p mlops.Project) bool { return p.Name == sample.Name }) {
				v.Samples = append(v.Samples, view.Sample{Name: sample.Name, Title: sample.Title, Size: fmt.Sprintf("%d rows × %d features", sample.Rows, sample.Features)})
			}
		}
	}
	if gone := c.QueryParam("deleted"); gone != "" && err == nil {
		if slices.ContainsFunc(projects, func(p mlops.Project) bool { return p.Name == gone && p.Deleting }) {
			v.Notice = &view.Notice{Kind: view.Busy, Text: "Project “" + view.Clip(gone) + "” is being deleted. Its runs, models and dataset stay."}
		} else if !slices.ContainsFunc(projects, func(p mlops.Project) bool { return p.Name == gone }) {
			v.Notice = &view.Notice{Kind: view.Good, Text: "Project “" + view.Clip(gone) + "” is deleted. Its runs, models and dataset stay."}
		}
	}
	return &page.Page{Title: "Projects", Nav: "projects", Body: view.ProjectsPage(v),
		Parts: []page.Part{{Name: "projects", Body: view.ProjectRows(v)}, {Name: "samples", Body: view.SampleForms(v)}}}, nil
}

func projectRow(p mlops.Project, trainings []mlops.Training, deployed []mlops.Deployment) view.ProjectRow {
	row := view.ProjectRow{Name: p.Name, URL: paths.Project(p.Name), Source: sourceOf(p), Schedule: scheduleValue(p), Serves: view.Text("no model yet"), Deleting: p.Deleting}
	if p.Deleting {
		return row
	}
	if t := page.Find(trainings, func(t mlops.Training) bool { return t.Project == p.Name }); t != nil {
		pill := pills.Training(t.State)
		row.Training, row.TrainingAt, row.TrainingURL, row.Waits = &pill, view.At(t.CreatedAt), paths.Training(*t), t.Waits()
	}
	for _, d := range deployed {
		if d.IsOf(p.Name) {
			row.Serves = serving.Model(d)
		}
	}
	return row
}

// sourceOf says what a project is trained on.
func sourceOf(p mlops.Project) string {
	if p.Code != nil {
		return "runs " + runOf(p.Code.Plan)
	}
	return "dataset " + p.Dataset
}

// runOf is what is run of pushed code: a file, or a command.
func runOf(plan mlops.CodePlan) string { return cmp.Or(plan.Entry, strings.Join(plan.Command, " ")) }

// codeFacts say what code a project runs, and where it comes from.
func codeFacts(c *mlops.ProjectCode) []view.Fact {
	facts := []view.Fact{{Name: "Runs", Value: view.Code(runOf(c.Plan))}, {Name: "Why", Value: view.Text(c.Plan.Why)},
		{Name: "Code", Value: view.Value{Text: fmt.Sprintf("%s, %s, sha256 %s…", view.Plural(c.Files, "file", "files"), view.Bytes(float64(c.Bytes)), c.SHA256[:12]), Title: c.SHA256}}}
	if c.Commit != "" {
		text := c.Commit[:min(len(c.Commit), 12)]
		if c.Dirty {
			text += ", with changes that are in no commit"
		}
		facts = append(facts, view.Fact{Name: "Commit", Value: view.Value{Text: text, Title: c.Commit}})
	}
	if len(c.Plan.Requirements) > 0 {
		facts = append(facts, view.Fact{Name: "Needs", Value: view.Text("what " + c.Plan.Requirements[0] + " names")})
	}
	return append(facts, view.Fact{Name: "Pushed by", Value: view.Text(c.PushedBy)}, view.Fact{Name: "Pushed", Value: view.At(c.PushedAt)})
}

// packagesNamed is how many packages of an environment are named; the rest is counted.
const packagesNamed = 4

// environmentValue says what code runs in, and in its title all that it was
// resolved to.
func environmentValue(e mlops.CodeEnvironment) view.Value {
	if len(e.Packages) == 0 {
		return view.Text("the lab’s Python")
	}
	var names []string
	for i, p := range e.Packages {
		if i == packagesNamed {
			names = append(names, fmt.Sprintf("%d more", len(e.Packages)-i))
			break
		}
		names = append(names, p.Name+" "+p.Version)
	}
	return view.Value{Text: fmt.Sprintf("%s on the lab’s Python, %s", strings.Join(names, ", "), view.Bytes(float64(e.LayerBytes))), Title: e.Lock}
}

func scheduleValue(p mlops.Project) view.Value {
	if p.Schedule == "" {
		return view.Text("by hand only")
	}
	return view.Value{Text: p.Schedule + " " + p.TimeZone, Code: true, Title: "minute, hour, day of month, month, day of week"}
}

// project is the page of one project.
func (s *section) project(c echo.Context) (*page.Page, error) { return s.projectPage(c, nil, "") }

// projectPage shows a project, with the form as it was sent if it was.
func (s *section) projectPage(c echo.Context, form *view.ProjectForm, deleteError string) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	p, err := s.findProject(ctx, c.Param("name"))
	if err != nil {
		return nil, err
	}
	role := page.VisitorOf(c).Principal.Role
	v := view.Project{Name: p.Name, CSRF: page.VisitorOf(c).CSRF, Deleting: p.Deleting, MayOperate: role.May(mlops.Operate), MayDelete: role.May(mlops.Administer), DeleteError: deleteError,
		Form: projectForm(p)}
	if form != nil {
		v.Form = *form
	}
	var dataset *mlops.Dataset
	var deployed []mlops.Deployment
	var trainings []mlops.Training
	var environment mlops.CodeEnvironment
	errs := make([]error, 5)
	next := view.Text("none is planned")
	page.Together(
		func() {
			var all []mlops.Dataset
			all, errs[0] = s.Registry.Datasets(ctx)
			dataset = page.NewestDataset(all, p.Dataset)
		},
		func() { trainings, errs[1] = s.Registry.Trainings(ctx, p.Name, trainingsShown) },
		func() { deployed, errs[2] = s.Loop.Deployments(ctx) },
		func() {
			all, err := s.Loop.NextTrainings(ctx)
			if at := all[p.Name]; !at.IsZero() {
				next = view.At(at)
			}
			errs[3] = err
		},
		func() {
			if p.CodeEnvironment == "" {
				return
			}
			environment, errs[4] = s.Registry.Environment(ctx, p.Name, p.CodeEnvironment)
			if mlops.CodeOf(errs[4]) == mlops.NotFound { // the next training asks anew
				errs[4] = nil
			}
		},
	)
	for i, what := range []string{"the dataset", "the trainings", "the deployment", "the schedule", "the environment"} {
		if problem := s.Problem(what, errs[i]); problem != nil && v.Problem == nil && !p.Deleting {
			v.Problem = problem
		}
	}
	data := view.Text(p.Dataset)
	if dataset != nil {
		data = view.Ref(fmt.Sprintf("%s v%d, %d rows × %d features", dataset.Name, dataset.Version, dataset.Rows, dataset.Features), paths.Dataset(dataset.SHA256))
	}
	serves := view.Fact{Name: "Serves", Value: view.Text("no model yet")}
	address := view.Fact{Name: "Deployment", Value: view.Text("none yet")}
	for _, d := range deployed {
		if d.Own && d.Project == p.Name {
			v.Beside = append(v.Beside, view.Link{Text: d.Name, URL: paths.Deployment(d.Name)})
		}
		if d.IsOf(p.Name) {
			serves.Value, address.Value = serving.Model(d), view.Ref(d.Name, paths.Deployment(d.Name))
		}
	}
	if p.Code != nil {
		v.Facts = append(codeFacts(p.Code), view.Fact{Name: "Environment", Value: environmentValue(environment)})
	} else {
		v.Facts = []view.Fact{{Name: "Dataset", Value: data}}
	}
	v.Facts = append(v.Facts, []view.Fact{{Name: "Schedule", Value: scheduleValue(p)}, {Name: "Next training", Value: next},
		{Name: "Model", Value: view.Ref(p.Name, "/models/"+url.PathEscape(p.Name))}, serves, address,
		{Name: "CPU", Value: view.Text(p.Resources.CPUText())}, {Name: "Memory", Value: view.Text(p.Resources.MemoryText())},
		{Name: "GPUs", Value: view.Text(p.GPU.Text())}, {Name: "Node", Value: view.Code(p.Node)}, {Name: "Created", Value: view.At(p.CreatedAt)}}...)
	v.Follows = follows(p)
	v.Datasets = s.datasetNames(ctx, p.Dataset)
	for _, t := range trainings {
		row := view.TrainingRow{Job: t.Job, URL: paths.Training(t), Pill: pills.Training(t.State), Trigger: string(t.Trigger), Created: view.At(t.CreatedAt), Message: t.Message}
		if why := t.Waits(); why != "" {
			row.Message = "waits: " + why
		}
		if t.EndedAt.IsZero() {
			row.Took = view.Value{Since: t.CreatedAt}
		} else {
			row.Took = view.Text(view.Duration(t.EndedAt.Sub(t.CreatedAt)))
		}
		v.Trainings = append(v.Trainings, row)
	}
	return &page.Page{Title: p.Name, Nav: "projects", Body: view.ProjectPage(v),
		Parts: []page.Part{{Name: "project", Body: view.ProjectHead(v)}, {Name: "trainings", Body: view.TrainingRows(v)}}}, nil
}

// follows says which fields the configuration decides.
func follows(p mlops.Project) string {
	var names []string
	for _, f := range []struct {
		name   string
		edited bool
	}{{"schedule", p.Edited.Schedule}, {"time zone", p.Edited.TimeZone}, {"parameters", p.Edited.Params}, {"CPU and memory", p.Edited.Resources}, {"environment", p.Edited.Environment}} {
		if !f.edited {
			names = append(names, f.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "Taken from Benchtop’s configuration file until changed here: " + strings.Join(names, ", ") + "."
}

func (s *section) findProject(ctx context.Context, name string) (mlops.Project, error) {
	projects, err := s.Loop.Projects(ctx)
	if err != nil {
		return mlops.Project{}, err
	}
	for _, p := range projects {
		if p.Name == name {
			return p, nil
		}
	}
	return mlops.Project{}, mlops.Errorf(mlops.NotFound, "There is no project %q.", name)
}

func (s *section) addProject(c echo.Context) error {
	p, err := s.Steps.AddProject(c.Request().Context(), mlops.ProjectRequest{Sample: c.FormValue("sample"), Name: strings.TrimSpace(c.FormValue("name")), Dataset: c.FormValue("dataset")})
	if err != nil {
		return page.Sentence(err)
	}
	s.changedProject(c, "project added", p.Name)
	return c.Redirect(http.StatusSeeOther, paths.Project(p.Name))
}

func (s *section) changedProject(c echo.Context, what, name string) {
	s.Log().Info(what, "project", name, "by", page.VisitorOf(c).Principal.Name)
}

func (s *section) editProject(c echo.Context) error {
	name := c.Param("name")
	field := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	form := view.ProjectForm{Dataset: c.FormValue("dataset"), Schedule: field("schedule"), TimeZone: field("time_zone"), Params: field("params"),
		CPU: field("cpu_request"), CPULimit: field("cpu_limit"), Memory: field("memory_request"), MemoryLimit: field("memory_limit"), Environment: field("environment"),
		GPU: field("gpu"), ServeGPU: field("serve_gpu"), GPUKind: field("gpu_kind"), GPUMemory: field("gpu_memory"), GPUResource: field("gpu_resource"), Was: c.FormValue("was")}
	err := s.changeProject(c.Request().Context(), name, form)
	switch mlops.CodeOf(err) {
	case "":
		s.changedProject(c, "project changed", name)
		return c.Redirect(http.StatusSeeOther, paths.Project(name))
	case mlops.Invalid:
		form.Error = mlops.MessageOf(page.Sentence(err))
		p, perr := s.projectPage(c, &form, "")
		if perr != nil {
			return perr
		}
		p.Status = page.StatusOf(err)
		return s.Render(c, p)
	}
	return page.Sentence(err)
}

// changeProject changes what somebody has changed in the form of a project. What
// others have changed since the page was shown stays.
func (s *section) changeProject(ctx context.Context, name string, form view.ProjectForm) error {
	variables, err := mlops.ParseVariables(form.Environment)
	if err != nil {
		return mlops.Errorf(mlops.Invalid, "environment: %s", mlops.MessageOf(err))
	}
	var was view.ProjectForm
	if err := json.Unmarshal([]byte(form.Was), &was); err != nil {
		return mlops.Errorf(mlops.Invalid, "the form is of an earlier version of this page: load the page again, then change it")
	}
	had, err := mlops.ParseVariables(was.Environment)
	if err != nil {
		return mlops.Errorf(mlops.Invalid, "environment: %s", mlops.MessageOf(err))
	}
	changed := func(now, was string) *string {
		if now == was {
			return nil
		}
		return &now
	}
	number := func(what, now, was string) (*int, error) {
		if now == was {
			return nil, nil
		}
		if now == "" {
			return new(int), nil
		}
		n, err := strconv.Atoi(now)
		if err != nil {
			return nil, mlops.Errorf(mlops.Invalid, "%s: expected a whole number from 0 to %d, found %q", what, mlops.MaxGPUs, now)
		}
		return &n, nil
	}
	gpus := mlops.GPUEdit{Kind: changed(form.GPUKind, was.GPUKind), Memory: changed(form.GPUMemory, was.GPUMemory), Resource: changed(form.GPUResource, was.GPUResource)}
	if gpus.Training, err = number("GPUs for training", form.GPU, was.GPU); err != nil {
		return err
	}
	if gpus.Serving, err = number("GPUs for each server", form.ServeGPU, was.ServeGPU); err != nil {
		return err
	}
	edit := mlops.ProjectEdit{Dataset: changed(form.Dataset, was.Dataset), Schedule: changed(form.Schedule, was.Schedule), TimeZone: changed(form.TimeZone, was.TimeZone),
		Resources: &mlops.ResourcesEdit{
			Requests: mlops.AmountsEdit{CPU: changed(form.CPU, was.CPU), Memory: changed(form.Memory, was.Memory)},
			Limits:   mlops.AmountsEdit{CPU: changed(form.CPULimit, was.CPULimit), Memory: changed(form.MemoryLimit, was.MemoryLimit)}}}
	if params := changed(form.Params, was.Params); params != nil {
		edit.Params = (*mlops.JSONObject)(params)
	}
	if gpus != (mlops.GPUEdit{}) {
		edit.GPU = &gpus
	}
	if v := had.Until(variables); v != nil {
		edit.Environment = &v
	}
	_, err = s.Steps.EditProject(ctx, name, edit)
	return err
}

// projectForm is the form of a project as it is.
func projectForm(p mlops.Project) view.ProjectForm {
	form := formOf(p)
	was, _ := json.Marshal(form) // strings always become JSON
	form.Was = string(was)
	return form
}

func formOf(p mlops.Project) view.ProjectForm {
	form := view.ProjectForm{Dataset: p.Dataset, Schedule: p.Schedule, TimeZone: p.TimeZone, Params: string(p.Params),
		CPU: p.Resources.Requests.CPU, CPULimit: p.Resources.Limits.CPU, Memory: p.Resources.Requests.Memory, MemoryLimit: p.Resources.Limits.Memory,
		GPU: gpusText(p.GPU.Training), ServeGPU: gpusText(p.GPU.Serving), GPUKind: p.GPU.Kind, GPUMemory: p.GPU.Memory, GPUResource: p.GPU.Resource}
	if len(p.Environment) > 0 {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)      // the template does what is needed of that
		_ = enc.Encode(p.Environment) // strings always become JSON
		form.Environment = strings.TrimSpace(b.String())
	}
	return form
}

// gpusText is a number of GPUs in a field; none is an empty one.
func gpusText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (s *section) deleteProject(c echo.Context) error {
	name := c.Param("name")
	if typed := strings.TrimSpace(c.FormValue("confirm")); typed != name {
		p, err := s.projectPage(c, nil, fmt.Sprintf("Nothing was deleted: type %s to delete it.", name))
		if err != nil {
			return err
		}
		p.Status = http.StatusBadRequest
		return s.Render(c, p)
	}
	if _, err := s.Steps.DeleteProject(context.WithoutCancel(c.Request().Context()), name); err != nil {
		return page.Sentence(err)
	}
	s.changedProject(c, "project is being deleted", name)
	return c.Redirect(http.StatusSeeOther, paths.WithQuery("/projects", "deleted", name))
}

// datasetNames are the datasets that a project can have; among them always the
// one that it has.
func (s *section) datasetNames(ctx context.Context, has string) []string {
	all, err := s.Registry.Datasets(ctx)
	s.Problem("the datasets", err) // logged; the choice is smaller
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
	}
	for _, sample := range s.samples {
		if !page.PrincipalOf(ctx).Limited() {
			names = append(names, sample.Name)
		}
	}
	if has != "" {
		names = append(names, has)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
