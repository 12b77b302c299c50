package mlops

import "time"

// RunStatus is MLflow's run status by name.
type RunStatus string

// The statuses of a run.
const (
	RunRunning   RunStatus = "RUNNING"
	RunScheduled RunStatus = "SCHEDULED"
	RunFinished  RunStatus = "FINISHED"
	RunFailed    RunStatus = "FAILED"
	RunKilled    RunStatus = "KILLED"
)

// Terminal reports whether a run in this status has ended.
func (s RunStatus) Terminal() bool {
	return s == RunFinished || s == RunFailed || s == RunKilled
}

// Experiment groups runs.
type Experiment struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	ArtifactURI  string    `json:"artifact_uri"`
	Deleted      bool      `json:"deleted,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	LastUpdateAt time.Time `json:"last_update_at"`
}

// ExperimentSummary is an experiment with what a list of experiments says
// about its runs. Those of a deleted experiment were deleted with it, so there
// the deleted runs are meant, else the active ones.
type ExperimentSummary struct {
	Experiment
	Runs        int       `json:"runs"`
	NewestRunAt time.Time `json:"newest_run_at,omitzero"` // when the newest run started, zero without runs
}

// LoggedModel is a model as a run has logged it; registering it makes a
// version of it.
type LoggedModel struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Type   string `json:"type,omitempty"`
	Status string `json:"status"` // PENDING, READY or UPLOAD_FAILED
	Step   int64  `json:"step"`
}

// Metric is one point of a metric. Value may be NaN or ±Inf.
type Metric struct {
	Key   string    `json:"key"`
	Value float64   `json:"value"`
	Step  int64     `json:"step"`
	Time  time.Time `json:"time"`
}

// KV is a param or a tag.
type KV struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// DatasetInput is a dataset that a run says it has read.
type DatasetInput struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type"`
	Source     string `json:"source"`
	Context    string `json:"context,omitempty"`
}

// Run is one execution of training code, as the registry knows it.
type Run struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	ExperimentID string         `json:"experiment_id"`
	Experiment   string         `json:"experiment"`
	Status       RunStatus      `json:"status"`
	StartedAt    time.Time      `json:"started_at"`
	EndedAt      time.Time      `json:"ended_at,omitzero"`
	User         string         `json:"user,omitempty"`
	ArtifactURI  string         `json:"artifact_uri"`
	Deleted      bool           `json:"deleted,omitempty"`
	Params       []KV           `json:"params"`  // sorted by key
	Tags         []KV           `json:"tags"`    // sorted by key
	Metrics      []Metric       `json:"metrics"` // the latest point per key, sorted by key
	Inputs       []DatasetInput `json:"inputs,omitempty"`
}

// Tag returns the value of a tag, "" if it is not set.
func (r Run) Tag(key string) string { return lookup(r.Tags, key) }

// Param returns the value of a param, "" if it is not set.
func (r Run) Param(key string) string { return lookup(r.Params, key) }

// Metric returns the latest value of a metric.
func (r Run) Metric(key string) (float64, bool) {
	for _, m := range r.Metrics {
		if m.Key == key {
			return m.Value, true
		}
	}
	return 0, false
}

// Duration is how long the run took, or has taken by now.
func (r Run) Duration(now time.Time) time.Duration {
	if r.EndedAt.IsZero() {
		return now.Sub(r.StartedAt)
	}
	return r.EndedAt.Sub(r.StartedAt)
}

func lookup(kvs []KV, key string) string {
	for _, kv := range kvs {
		if kv.Key == key {
			return kv.Value
		}
	}
	return ""
}

// The tags that Benchtop's trainer sets on its runs; they are the lineage.
const (
	TagProject       = "benchtop.project"
	TagJob           = "benchtop.job"
	TagJobRun        = "benchtop.job_run" // of the further runs of a script: the run of its Job
	TagPod           = "benchtop.pod"
	TagNode          = "benchtop.node"
	TagTrigger       = "benchtop.trigger"
	TagImage         = "benchtop.image"
	TagEnvironment   = "benchtop.environment" // the request of the CodeEnvironment that it ran in
	TagCodeSHA256    = "benchtop.code.sha256"
	TagDatasetSHA256 = "benchtop.dataset.sha256"
)

// The tags of MLflow's clients that pages give a meaning to.
const (
	TagParentRun   = "mlflow.parentRunId"
	TagDescription = "mlflow.note.content"
)

// Artifact is a file or directory below a run's artifact root.
type Artifact struct {
	Path  string `json:"path"` // relative to the artifact root, slash separated
	IsDir bool   `json:"is_dir"`
	Bytes int64  `json:"bytes"`
}

// RunQuery selects runs. Filter and OrderBy use MLflow's search grammar.
type RunQuery struct {
	ExperimentIDs []string // all active experiments if empty
	Filter        string
	OrderBy       []string
	Max           int // 1 to 50000, 100 if zero
	PageToken     string
}

// RunPage is a page of runs; NextPageToken is "" on the last one.
type RunPage struct {
	Runs          []Run
	NextPageToken string
}
