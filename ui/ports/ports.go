// Package ports is what the pages need of the rest of the process. The appliance
// fills the ports; the server puts itself between, so that keys of single
// projects stay within them.
package ports

import (
	"context"
	"io"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// A backend does not serve from the first second. The server takes the registry,
// the cluster and the steps of the loop as functions, which return the port, or an
// *mlops.Error with the code Unavailable while its backend is still starting; what
// the other ports cannot say yet, they answer with such an error. The part of the
// page is then shown as starting. Everything else that is not an *mlops.Error is
// shown as an internal error and logged.

// Registry reads experiments, runs, models and datasets, and sets aliases.
type Registry interface {
	// Experiments returns the active experiments.
	Experiments(ctx context.Context) ([]mlops.Experiment, error)
	// ExperimentSummaries returns all experiments, deleted ones too.
	ExperimentSummaries(ctx context.Context) ([]mlops.ExperimentSummary, error)
	SearchRuns(ctx context.Context, q mlops.RunQuery) (mlops.RunPage, error)
	Run(ctx context.Context, id string) (mlops.Run, error)
	// MetricHistory returns up to max points of a metric, oldest first.
	MetricHistory(ctx context.Context, runID, key string, max int) ([]mlops.Metric, error)
	// RunsByID returns those of the runs that are there, deleted ones too, in
	// any order.
	RunsByID(ctx context.Context, runIDs []string) ([]mlops.Run, error)
	// Models returns a page of the registered models by name; prompts are none.
	Models(ctx context.Context, q mlops.ModelQuery) (mlops.ModelPage, error)
	Model(ctx context.Context, name string) (mlops.RegisteredModel, error)
	// Versions returns a page of the versions of a model, the newest first.
	Versions(ctx context.Context, q mlops.VersionQuery) (mlops.VersionPage, error)
	// VersionsOfRuns returns the versions that were made by the runs, by model
	// and number.
	VersionsOfRuns(ctx context.Context, runIDs []string) ([]mlops.ModelVersion, error)
	// Lineage returns a version and its lineage; of deployed, those that serve
	// it are part of it.
	Lineage(ctx context.Context, model string, version int, deployed []mlops.Deployment) (mlops.ModelVersion, mlops.Lineage, error)
	// SetAlias points an alias at a version. DeleteAlias removes it; one that
	// is not there is no error.
	SetAlias(ctx context.Context, model, alias string, version int) error
	DeleteAlias(ctx context.Context, model, alias string) error
	// LoggedModels returns the models that a run has logged.
	LoggedModels(ctx context.Context, runID string) ([]mlops.LoggedModel, error)
	// Artifacts lists one level below path, "" for the root.
	Artifacts(ctx context.Context, runID, path string) ([]mlops.Artifact, error)
	OpenArtifact(ctx context.Context, runID, path string) (io.ReadCloser, mlops.Artifact, error)
	Datasets(ctx context.Context) ([]mlops.Dataset, error)
	// DatasetSummaries lists the stored datasets and those that runs have
	// logged, the ones that were read last first.
	DatasetSummaries(ctx context.Context) ([]mlops.DatasetSummary, error)
	// DatasetUse returns what came of a dataset; of deployed, those that serve
	// a version made from it are part of it.
	DatasetUse(ctx context.Context, digest string, deployed []mlops.Deployment) (mlops.DatasetUse, error)
	// Trainings returns up to max of a project's trainings, newest first,
	// with RunID resolved.
	Trainings(ctx context.Context, project string, max int) ([]mlops.Training, error)
	// Environment returns what a project's code got when it made a request.
	Environment(ctx context.Context, project, request string) (mlops.CodeEnvironment, error)
	// NewestTrainings returns up to each of the newest trainings of every
	// project, the newest first, with RunID resolved.
	NewestTrainings(ctx context.Context, each int) ([]mlops.Training, error)
	// NewestVersions returns the newest version of each of the models that has
	// one; prompts are no models.
	NewestVersions(ctx context.Context, models []string) ([]mlops.ModelVersion, error)
	// Changed is closed at the next write.
	Changed() <-chan struct{}
}

// Loop says what the train → store → serve loop has and what it serves, from the
// first moment that rows, cluster and servers can be asked.
type Loop interface {
	Projects(ctx context.Context) ([]mlops.Project, error)
	Deployments(ctx context.Context) ([]mlops.Deployment, error)
	// Revisions returns up to max revisions of a deployment, newest first.
	Revisions(ctx context.Context, deployment string, max int) ([]mlops.Revision, error)
	// RevisionsOf returns the newest revision of a model version on each
	// deployment that has one.
	RevisionsOf(ctx context.Context, model string, version int) ([]mlops.Revision, error)
	// SetGates says what versions of a project's model must pass.
	SetGates(ctx context.Context, project string, g mlops.Gates) error
	// NextTrainings returns when the schedule of each project fires next; one
	// that does not is left out.
	NextTrainings(ctx context.Context) (map[string]time.Time, error)
	// Diagnose says what is wrong with a deployment, as Deployments returned it.
	Diagnose(ctx context.Context, d mlops.Deployment) ([]mlops.Finding, error)
	// Predict sends body to the deployment's POST /predict and returns what
	// it answered, whatever the status. err is for no answer at all.
	Predict(ctx context.Context, deployment string, body []byte) (status int, answer []byte, took time.Duration, err error)
}

// Steps are what people and programs make the loop do, once it runs.
type Steps interface {
	// AddProject makes a project of a sample or of a stored dataset.
	AddProject(ctx context.Context, req mlops.ProjectRequest) (mlops.Project, error)
	// AddDataset makes what is read the newest version of a dataset. source says
	// where it comes from.
	AddDataset(ctx context.Context, name, source string, content io.Reader) (mlops.Dataset, error)
	EditProject(ctx context.Context, name string, edit mlops.ProjectEdit) (mlops.Project, error)
	// DeleteProject begins to delete a project; it is listed as deleting until
	// it is gone.
	DeleteProject(ctx context.Context, name string) (mlops.Project, error)
	// Train starts a training by hand.
	Train(ctx context.Context, project string) (mlops.Training, error)
	// Promote puts a version into service if its gates let it; override lets
	// it pass although one fails, and needs a reason. What a gate says no to
	// is an error, and the revision that was rejected is returned with it.
	Promote(ctx context.Context, deployment string, version int, override bool, act mlops.Act) (mlops.Revision, error)
	// Rollback puts the version of an earlier revision back into service, of
	// the one that was live before if to is 0.
	Rollback(ctx context.Context, deployment string, to int, act mlops.Act) (mlops.Revision, error)
	// Approve and Reject decide on a revision that waits, on the newest if
	// number is 0.
	Approve(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error)
	Reject(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error)
	// Hold pins or pauses a deployment, or ends that; nil leaves as it is.
	Hold(ctx context.Context, deployment string, pinned, paused *bool) (mlops.Deployment, error)
	// Deploy makes a deployment of a registered model, or finds the one that is
	// meant and sets its replicas.
	Deploy(ctx context.Context, req mlops.DeployRequest) (mlops.Deployed, error)
	// Scale sets how many servers a deployment ought to have.
	Scale(ctx context.Context, deployment string, replicas int) (mlops.Deployment, error)
	// Undeploy begins to delete a deployment that is not its project's; it is
	// listed as deleting until it is gone.
	Undeploy(ctx context.Context, deployment string) (mlops.Deployment, error)
}

// Cluster reads the Kubernetes cluster, and says who may reach it.
type Cluster interface {
	Objects(ctx context.Context) ([]mlops.Object, error)
	// Events returns up to max events, newest first.
	Events(ctx context.Context, max int) ([]mlops.Event, error)
	// KubeconfigUsers returns who was given a kubeconfig, by name.
	KubeconfigUsers(ctx context.Context) ([]mlops.KubeconfigUser, error)
	// RevokeKubeconfig takes a user's rights away at once.
	RevokeKubeconfig(ctx context.Context, user string) error
	// Images returns the images that pods can start from, by reference.
	Images(ctx context.Context) ([]mlops.Image, error)
	// Pods returns the pods of a namespace, of all namespaces if it is "".
	Pods(ctx context.Context, namespace string) ([]mlops.Pod, error)
	// Logs opens the last tail lines of a pod's first container; with follow
	// the reader goes on until the pod ends or ctx is done.
	Logs(ctx context.Context, namespace, pod string, follow bool, tail int) (io.ReadCloser, error)
	// DeploymentLogs makes one log of those of a deployment's pods, or of one of
	// them: the last tail lines of each, in their order, and with follow what
	// comes until ctx ends or emit fails.
	DeploymentLogs(ctx context.Context, d mlops.Deployment, pod string, follow bool, tail int, emit func([]mlops.LogLine) error) error
}

// GPUs says what GPUs the lab has and changes how they are shared. Without any,
// every method returns an *mlops.Error with the code NotFound that says why and
// what to do.
type GPUs interface {
	GPUs(ctx context.Context) (mlops.GPUs, error)
	// PlanShare says what Share would do, and changes nothing.
	PlanShare(ctx context.Context, s mlops.GPUShare) (mlops.GPUPlan, error)
	// Share changes how pods share the GPUs and returns when they are offered so.
	Share(ctx context.Context, s mlops.GPUShare) (mlops.GPUs, error)
	// Recover says that a GPU works again after an error, by its index.
	Recover(ctx context.Context, gpu int) (mlops.GPUs, error)
	// Inject makes something happen to a simulated GPU; the kind none ends all
	// that was injected into it.
	Inject(ctx context.Context, f mlops.GPUFault) (mlops.GPUs, error)
}

// Metrics answers PromQL.
type Metrics interface {
	Query(ctx context.Context, promql string, at time.Time) ([]mlops.Sample, error)
	QueryRange(ctx context.Context, promql string, from, to time.Time, step time.Duration) ([]mlops.Series, error)
}

// Machine measures the machine. Package ui/machine has one for Linux.
type Machine interface {
	Sample(ctx context.Context) (mlops.MachineSample, error)
}

// Units reports the units of the process.
type Units interface {
	// Status returns every unit in start order, each with up to n lines.
	Status(n int) []supervise.Status
	// Changed is closed at the next change of any unit.
	Changed() <-chan struct{}
}

// Keys makes and revokes access keys.
type Keys interface {
	Keys(ctx context.Context) ([]mlops.Key, error)
	// CreateKey returns the only copy of the key's token.
	CreateKey(ctx context.Context, req mlops.KeyRequest) (mlops.NewKey, error)
	RevokeKey(ctx context.Context, name string) error
}
