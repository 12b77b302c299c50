// Package loop moves projects through dataset → training → model version →
// deployment. Rows are the truth and the cluster follows them, so every step
// can be repeated after a crash. It does no I/O of its own.
package loop

import (
	"context"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Store keeps the rows of the loop.
type Store interface {
	PutDataset(ctx context.Context, d mlops.Dataset) (mlops.Dataset, error)
	Dataset(ctx context.Context, name string) (mlops.Dataset, error)
	PutProject(ctx context.Context, p mlops.Project) (mlops.Project, error)
	Project(ctx context.Context, name string) (mlops.Project, error)
	Projects(ctx context.Context) ([]mlops.Project, error)
	// Push writes a project with code of its own, and requests its training, both
	// or neither.
	Push(ctx context.Context, p mlops.Project) (mlops.Pushed, error)
	// DeleteProject removes a project that is marked as deleting, with its
	// trainings; one that is not there is no error.
	DeleteProject(ctx context.Context, name string) error
	// LoopFact and SetLoopFact remember what no other row holds; "" is nothing.
	LoopFact(ctx context.Context, key string) (string, error)
	SetLoopFact(ctx context.Context, key, value string) error
	CreateTraining(ctx context.Context, project string, trigger mlops.Trigger) (mlops.Training, error)
	AdoptTraining(ctx context.Context, project, job string, trigger mlops.Trigger, createdAt time.Time) (mlops.Training, error)
	SetTraining(ctx context.Context, id int64, state mlops.TrainingState, message string, endedAt time.Time) error
	// SetTrainingCode notes what a training's Job runs.
	SetTrainingCode(ctx context.Context, id int64, codeSHA256, image string) error
	Trainings(ctx context.Context, project string, max int) ([]mlops.Training, error)
	// Environment returns what a project's code got when it made a request.
	Environment(ctx context.Context, project, request string) (mlops.CodeEnvironment, error)
	Environments(ctx context.Context, project string) ([]mlops.CodeEnvironment, error)
	PutEnvironment(ctx context.Context, e mlops.CodeEnvironment) (mlops.CodeEnvironment, error)
	// DropEnvironment removes the row of one. One that is not there is no error.
	DropEnvironment(ctx context.Context, id int64) error
	// TrainIn takes a training back to requested, to start again in an environment,
	// and has its project's later ones start in it.
	TrainIn(ctx context.Context, training int64, request string) error
	// EndRuns ends the runs that a Job's pods left running.
	EndRuns(ctx context.Context, job string, status mlops.RunStatus) error
	Run(ctx context.Context, id string) (mlops.Run, error)

	// EnsureDeployment makes a deployment, unless there is one of that name.
	EnsureDeployment(ctx context.Context, d mlops.Deployment) (mlops.Deployment, error)
	Deployment(ctx context.Context, name string) (mlops.Deployment, error)
	Deployments(ctx context.Context) ([]mlops.Deployment, error)
	SetDeployment(ctx context.Context, name string, pinned, paused bool) error
	// ResolveVersion finds the version that an alias points at, that has a
	// number, or that is the newest, and reports if there is none.
	ResolveVersion(ctx context.Context, model, alias string, version int) (int, error)
	// CreateDeployment makes a deployment of its own volume with its first
	// revision. The code of the error is Exists if the name is taken.
	CreateDeployment(ctx context.Context, d mlops.Deployment, version int, act mlops.Act) (mlops.Deployment, error)
	SetReplicas(ctx context.Context, name string, replicas int) error
	// EndDeployment marks a deployment of its own volume as deleting;
	// DeleteDeployment removes one that is marked. One that is not there is no
	// error for the latter.
	EndDeployment(ctx context.Context, name string) error
	DeleteDeployment(ctx context.Context, name string) error
	// FollowModels makes the revisions that new versions and moved aliases
	// ask for, each once.
	FollowModels(ctx context.Context) (made int, err error)
	Revision(ctx context.Context, id int64) (mlops.Revision, error)
	Revisions(ctx context.Context, deployment string, max int) ([]mlops.Revision, error)
	// LastLive returns the newest revision of each of the max versions that were
	// live last, the newest first.
	LastLive(ctx context.Context, deployment string, max int) ([]mlops.Revision, error)
	OpenRevisions(ctx context.Context) ([]mlops.Revision, error)
	CreateRevision(ctx context.Context, deployment string, version int, cause mlops.Cause, override bool, act mlops.Act) (mlops.Revision, error)
	JudgeRevision(ctx context.Context, id int64, gates []mlops.GateResult, state mlops.RevisionState, message string) error
	// MeasureRevision keeps what was measured of a revision that is judged.
	MeasureRevision(ctx context.Context, id int64, m mlops.Measurement) error
	ApproveRevision(ctx context.Context, id int64, act mlops.Act) error
	RejectRevision(ctx context.Context, id int64, act mlops.Act) error
	StartRevision(ctx context.Context, id int64) error
	// NoteRevision says what keeps a revision that starts.
	NoteRevision(ctx context.Context, id int64, message string) error
	LiveRevision(ctx context.Context, id int64) error
	FailRevision(ctx context.Context, id int64, message string) error
	// ModelsChanged is closed at the next write that may concern what is served.
	ModelsChanged() <-chan struct{}
}

// Cluster is the projection of the rows.
type Cluster interface {
	// CheckNamespace reports why a project's namespace cannot be made.
	CheckNamespace(ctx context.Context, project string) error
	ApplyProject(ctx context.Context, s mlops.ProjectSpec) error
	// DeleteProject removes all that ApplyProject and trainings have made, and
	// the project's deployments. It reports whether all is gone; until then it
	// has to be called again.
	DeleteProject(ctx context.Context, project string) (gone bool, err error)
	// ApplyDeployment makes servers and their addresses. A project's
	// deployment needs ApplyProject first.
	ApplyDeployment(ctx context.Context, s mlops.DeploymentSpec) error
	// DeleteDeployment removes all that was made for a deployment of its own
	// volume, and reports as DeleteProject does.
	DeleteDeployment(ctx context.Context, d mlops.Deployment) (gone bool, err error)
	// StartTraining may be repeated: a Job is made once per training.
	StartTraining(ctx context.Context, t mlops.Training) error
	// StopTraining removes a training's Job with its pods; one that is not there is
	// no error.
	StopTraining(ctx context.Context, t mlops.Training) error
	TrainingJobs(ctx context.Context) ([]mlops.Job, error)
	// TrainingSaid is why the pods of a Job that failed have ended, or what they
	// said of a success, "" if no more is known than the Job says.
	TrainingSaid(ctx context.Context, j mlops.Job) (string, error)
	// EnvironmentAsked is the environment that the code of a Job has asked for when
	// the Job ended, and why. ok is false if it has ended otherwise.
	EnvironmentAsked(ctx context.Context, j mlops.Job) (request, why string, ok bool, err error)
	// BuildEnvironment starts the Job that builds an environment, unless it has been
	// started, and says how far it is, as Measure does.
	BuildEnvironment(ctx context.Context, s mlops.EnvironmentBuild) (mlops.Job, error)
	// DropEnvironmentBuild removes that Job. To have none is no error.
	DropEnvironmentBuild(ctx context.Context, project string, training int64) error
	// WhyTrainingWaits is why none of a Job's pods runs, "" if they are about to.
	WhyTrainingWaits(ctx context.Context, j mlops.Job) (string, error)
	// WatchJobs signals when training jobs may have changed.
	WatchJobs(ctx context.Context) <-chan struct{}

	// Serve tells the servers of a deployment which version to serve, and
	// whoever makes room on their volume which versions to keep for a rollback.
	// If they have been told before, it does nothing.
	Serve(ctx context.Context, d mlops.Deployment, version int, runID string, keep []int) error
	// ServeNothing takes back what Serve has told the servers. If they have been
	// told nothing, it does nothing.
	ServeNothing(ctx context.Context, d mlops.Deployment) error
	// NudgeServers makes the servers look again at what Serve has said.
	NudgeServers(ctx context.Context, d mlops.Deployment) error
	// Serving asks every server what it serves.
	Serving(ctx context.Context, d mlops.Deployment) ([]mlops.Serving, error)
	// Bring starts the Job that brings a version to the servers' volume, once
	// for each revision, and says how far the Job is. One that a fault has ended
	// is made again after a pause: it counts as running, and its message says
	// what is wrong.
	Bring(ctx context.Context, s mlops.DeploymentSpec, r mlops.Revision) (mlops.Job, error)
	// Measure starts the Job that measures metrics of a revision, and of served
	// to compare with (nil for nothing). One that was made for a revision is
	// made again only if it lacks a metric, or after a fault, as by Bring. It
	// says how far the Job is; the message of one that has succeeded is what it
	// has found.
	Measure(ctx context.Context, s mlops.DeploymentSpec, r mlops.Revision, served *mlops.Revision, metrics []string) (mlops.Job, error)
}

// Keys are the access keys that trainers and Jobs come with.
type Keys interface {
	// ProjectKey returns the key of a project, which reads from bucket and
	// writes what belongs to the project to the registry. It makes one if there is none like that.
	ProjectKey(ctx context.Context, project string, bucket mlops.KeyBucket) (mlops.NewKey, error)
	// DropProjectKey revokes the key of a project. To have none is no error.
	DropProjectKey(ctx context.Context, project string) error
	// DeploymentKey returns the key that a deployment of its own volume brings
	// versions with: it reads the registry, of a project only what belongs to
	// it unless project is "". It makes one if there is none.
	DeploymentKey(ctx context.Context, deployment, project string) (mlops.NewKey, error)
	// DropDeploymentKey revokes that key. To have none is no error.
	DropDeploymentKey(ctx context.Context, deployment string) error
}
