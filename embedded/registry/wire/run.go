package wire

import "github.com/benchtop-lab/benchtop/appliance/mlops"

// KV is a param or a tag.
type KV struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// The lifecycle stages of experiments, runs and logged models.
const (
	Active  = "active"
	Deleted = "deleted"
)

// Experiment groups runs. Times are milliseconds since the epoch.
type Experiment struct {
	ID               string `json:"experiment_id"`
	Name             string `json:"name"`
	ArtifactLocation string `json:"artifact_location"`
	LifecycleStage   string `json:"lifecycle_stage"`
	LastUpdateTime   int64  `json:"last_update_time"`
	CreationTime     int64  `json:"creation_time"`
	Tags             []KV   `json:"tags,omitempty"`
}

// Run is one run with everything that searches return.
type Run struct {
	Info    RunInfo    `json:"info"`
	Data    RunData    `json:"data"`
	Inputs  RunInputs  `json:"inputs"`
	Outputs RunOutputs `json:"outputs"`
}

// RunInfo is a run without what it logged.
type RunInfo struct {
	RunUUID        string `json:"run_uuid"`
	ExperimentID   string `json:"experiment_id"`
	RunName        string `json:"run_name"`
	UserID         string `json:"user_id"`
	Status         string `json:"status"`
	StartTime      int64  `json:"start_time"`
	EndTime        *int64 `json:"end_time,omitempty"`
	ArtifactURI    string `json:"artifact_uri"`
	LifecycleStage string `json:"lifecycle_stage"`
	RunID          string `json:"run_id"`
}

// RunData is what a run logged; of each metric the latest point.
type RunData struct {
	Metrics []Metric `json:"metrics,omitempty"`
	Params  []KV     `json:"params,omitempty"`
	Tags    []KV     `json:"tags,omitempty"`
}

// Metric is one point of a metric.
type Metric struct {
	Key           string  `json:"key"`
	Value         Float64 `json:"value"`
	Timestamp     int64   `json:"timestamp"`
	Step          int64   `json:"step"`
	DatasetName   string  `json:"dataset_name,omitempty"`
	DatasetDigest string  `json:"dataset_digest,omitempty"`
	ModelID       string  `json:"model_id,omitempty"`
	RunID         string  `json:"run_id,omitempty"`
}

// RunInputs is what a run read.
type RunInputs struct {
	DatasetInputs []DatasetInput `json:"dataset_inputs,omitempty"`
	ModelInputs   []ModelInput   `json:"model_inputs,omitempty"`
}

// RunOutputs is what a run made.
type RunOutputs struct {
	ModelOutputs []ModelOutput `json:"model_outputs,omitempty"`
}

// DatasetInput is a dataset with the tags of this use of it.
type DatasetInput struct {
	Tags    []KV    `json:"tags,omitempty"`
	Dataset Dataset `json:"dataset"`
}

// Dataset is a dataset as clients describe it.
type Dataset struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type"`
	Source     string `json:"source"`
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

// ModelInput is a logged model that a run read.
type ModelInput struct {
	ModelID string `json:"model_id"`
}

// ModelOutput is a logged model that a run made.
type ModelOutput struct {
	ModelID string `json:"model_id"`
	Step    int64  `json:"step"`
}

// DatasetSummary is a dataset of an experiment, once per context.
type DatasetSummary struct {
	ExperimentID string `json:"experiment_id"`
	Name         string `json:"name"`
	Digest       string `json:"digest"`
	Context      string `json:"context,omitempty"`
}

// FileInfo is a file or directory among artifacts.
type FileInfo struct {
	Path     string `json:"path"`
	IsDir    bool   `json:"is_dir"`
	FileSize *int64 `json:"file_size,omitempty"`
}

// KVNouns gives params or tags as nouns.
func KVNouns(kvs []KV) []mlops.KV {
	out := make([]mlops.KV, len(kvs))
	for i, kv := range kvs {
		out[i] = mlops.KV(kv)
	}
	return out
}
