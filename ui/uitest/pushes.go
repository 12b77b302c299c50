package uitest

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

type pushes struct{ w *World }

// CodeProject is the project of pushed code in AddCode.
const CodeProject = "prices"

// AddCode adds a project of pushed code, which is being trained.
func (w *World) AddCode() {
	at := w.Clock().Add(-2 * time.Minute)
	w.Projects = append(w.Projects, mlops.Project{ID: 41, Name: CodeProject, CodeEnvironment: codeRequest, TimeZone: "UTC", Node: "bench", CreatedAt: at, Edited: mlops.EditedFields{Schedule: true, Params: true},
		Code: &mlops.ProjectCode{SHA256: strings.Repeat("3f", 32), Bytes: 4321, Files: 3, Commit: "c0ffee5eed15ab1ec0ffee5eed15ab1ec0ffee55", Dirty: true, PushedBy: "ada", PushedAt: at,
			Plan: mlops.CodePlan{Kind: "script", Entry: "train.py", Command: []string{"python", "train.py"}, Why: "train.py is in the folder’s root.", Requirements: []string{"requirements.txt"}}}})
	w.Trainings = append(w.Trainings, mlops.Training{ID: 410, Project: CodeProject, Trigger: mlops.TriggerPush, State: mlops.TrainingRunning, Job: "prices-train-410", CreatedAt: at})
}

// codeRequest is what the code of CodeProject has asked for.
var codeRequest = strings.Repeat("5e", 32)

// Environment has one with a package, for the code of CodeProject.
func (r registry) Environment(_ context.Context, project, request string) (mlops.CodeEnvironment, error) {
	if project != CodeProject || request != codeRequest {
		return mlops.CodeEnvironment{}, mlops.Errorf(mlops.NotFound, "project %s has no environment %q", project, request)
	}
	return mlops.CodeEnvironment{Project: project, Request: request, LockSHA256: strings.Repeat("7a", 32), LayerBytes: 19_424_768,
		Packages: []mlops.EnvironmentPackage{{Name: "xgboost-cpu", Version: "3.2.0", Bytes: 19_000_000, From: "xgboost_cpu-3.2.0-py3-none-manylinux_2_28_x86_64.whl"}},
		Kept:     []mlops.EnvironmentPackage{{Name: "numpy", Version: "2.3.5"}, {Name: "scipy", Version: "1.16.3"}},
		Lock:     "numpy==2.3.5\nscipy==1.16.3\nxgboost-cpu==3.2.0 --hash=sha256:" + strings.Repeat("9", 64) + "\n"}, nil
}

// Push takes any code but none, for every project but one without code.
func (p pushes) Push(_ context.Context, req mlops.PushRequest, code io.Reader) (a mlops.PushAnswer, err error) {
	raw, err := io.ReadAll(code)
	if err != nil {
		return a, err
	}
	if len(raw) == 0 {
		return a, mlops.Errorf(mlops.Invalid, "the code is empty: expected a tar.gz of its folder")
	}
	a = mlops.PushAnswer{SHA256: strings.Repeat("4a", 32), Bytes: int64(len(raw)), Files: 1, Plan: mlops.CodePlan{Kind: "script", Entry: "train.py", Command: []string{"python", "train.py"}, Why: "train.py is in the folder’s root."}}
	if req.Explain {
		a.Manifests = "---\nkind: Namespace\n"
		return a, nil
	}
	p.w.Change(func() {
		at := p.w.Clock()
		done := mlops.Pushed{
			Project:  mlops.Project{ID: int64(len(p.w.Projects) + 1), Name: req.Project, TimeZone: "UTC", Node: "bench", CreatedAt: at, Code: &mlops.ProjectCode{SHA256: a.SHA256, Bytes: a.Bytes, Files: 1, Commit: req.Commit, Dirty: req.Dirty, PushedBy: req.By, PushedAt: at, Plan: a.Plan}},
			Training: mlops.Training{ID: int64(len(p.w.Trainings) + 1), Project: req.Project, Trigger: mlops.TriggerPush, State: mlops.TrainingRequested, Job: req.Project + "-train-1", CreatedAt: at},
		}
		p.w.Projects, p.w.Trainings = append(p.w.Projects, done.Project), append(p.w.Trainings, done.Training)
		a.Pushed = &done
	})
	return a, nil
}

func (p pushes) PushState(_ context.Context, project string, training int64) (mlops.PushState, error) {
	p.w.Lock()
	defer p.w.Unlock()
	for _, t := range p.w.Trainings {
		if t.ID == training && t.Project == project {
			return mlops.PushState{Training: t, Address: "http://lab.internal/models/" + project + "/predict"}, nil
		}
	}
	return mlops.PushState{}, mlops.Errorf(mlops.NotFound, "project %s has no training %d", project, training)
}

func (p pushes) PushLog(ctx context.Context, project string, training int64, emit func([]mlops.LogLine) error) error {
	if _, err := p.PushState(ctx, project, training); err != nil {
		return err
	}
	return emit([]mlops.LogLine{{Pod: "prices-train-410-abcde", Text: "reads 3 rows"}, {Pod: "prices-train-410-abcde", Text: "done"}})
}
