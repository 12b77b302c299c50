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
	// DeleteProject removes a project that is marked as deleting, with its
	// trainings; one that is not there is no error.
	DeleteProject(ctx context.Context, name string) error
	// LoopFact and SetLoopFact remember what is in no row, "" for nothing.
	LoopFact(ctx context.Context, key string) (string, error)
	SetLoopFact(ctx context.Context, key, value string) error
	CreateTraining(ctx context.Context, project string, trigger mlops.Trigger) (mlops.Training, error)
	AdoptTraining(ctx context.Context, project, job string, trigger mlops.Trigger, createdAt time.Time) (mlops.Training, error)
	SetTraining(ctx context.Context, id int64, state mlops.TrainingState, message string, endedAt time.Time) error
	Trainings(ctx context.Context, project string, max int) ([]mlops.Training, error)
	// EndRuns ends the runs that a Job's pods left running.
	EndRuns(ctx context.Context, job string, status mlops.RunStatus) error
}

// Cluster is the projection of the rows.
type Cluster interface {
	// CheckNamespace reports why a project's namespace cannot be made.
	CheckNamespace(ctx context.Context, project string) error
	ApplyProject(ctx context.Context, s mlops.ProjectSpec) error
	// DeleteProject removes all that ApplyProject and trainings have made, and
	// reports whether it is gone; until then it has to be called again.
	DeleteProject(ctx context.Context, project string) (gone bool, err error)
	// StartTraining may be repeated: a Job is made once per training.
	StartTraining(ctx context.Context, t mlops.Training) error
	TrainingJobs(ctx context.Context) ([]mlops.Job, error)
	// WatchJobs signals when training jobs may have changed.
	WatchJobs(ctx context.Context) <-chan struct{}
}

// Keys are the access keys that trainers come with.
type Keys interface {
	// ProjectKey returns the key of a project, which reads from bucket and
	// writes to the registry. It makes one if there is none like that.
	ProjectKey(ctx context.Context, project string, bucket mlops.KeyBucket) (mlops.NewKey, error)
	// DropProjectKey revokes it; one that is not there is no error.
	DropProjectKey(ctx context.Context, project string) error
}
