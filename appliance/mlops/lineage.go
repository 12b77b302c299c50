package mlops

// Lineage is where a model version comes from and what serves it. What is not
// known is empty.
type Lineage struct {
	ArtifactURI string           `json:"artifact_uri"` // where the version's files lie
	Run         *LineageRun      `json:"run,omitempty"`
	Model       *LineageModel    `json:"logged_model,omitempty"`
	Code        LineageCode      `json:"code"`
	Image       string           `json:"image,omitempty"` // that the trainer ran in
	Job         *LineageJob      `json:"job,omitempty"`
	Datasets    []LineageDataset `json:"datasets,omitempty"`
	// Others are the versions that the same run has made besides, at most
	// MaxLineageOthers of them.
	Others      []LineageVersion `json:"other_versions,omitempty"`
	Deployments []Deployment     `json:"deployments,omitempty"` // that serve this version now
}

// MaxLineageOthers bounds Lineage.Others.
const MaxLineageOthers = 100

// LineageRun is the run that made the version.
type LineageRun struct {
	RunID        string `json:"run_id"`
	Name         string `json:"name"`
	ExperimentID string `json:"experiment_id"`
	Experiment   string `json:"experiment"`
	Status       string `json:"status"`
	Deleted      bool   `json:"deleted,omitempty"`
	User         string `json:"user,omitempty"`
	StartTime    int64  `json:"start_time"` // milliseconds since the epoch
	EndTime      *int64 `json:"end_time,omitempty"`
	ArtifactURI  string `json:"artifact_uri"`
}

// LineageModel is the logged model behind the version.
type LineageModel struct {
	ModelID     string `json:"model_id"`
	Name        string `json:"name"`
	ArtifactURI string `json:"artifact_uri"`
}

// LineageCode is the code that ran.
type LineageCode struct {
	Source string `json:"source,omitempty"`
	Type   string `json:"type,omitempty"`
	Commit string `json:"git_commit,omitempty"`
	Branch string `json:"git_branch,omitempty"`
	Repo   string `json:"git_repo,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// LineageJob is where the code ran.
type LineageJob struct {
	Project string `json:"project,omitempty"`
	Job     string `json:"job,omitempty"`
	Pod     string `json:"pod,omitempty"`
	Node    string `json:"node,omitempty"`
	Trigger string `json:"trigger,omitempty"`
}

// LineageDataset is a dataset that the run has read. Digest is what the run
// has logged, of which MLflow keeps 36 characters; SHA256 is the whole digest
// if the run's tags have it, and Stored the dataset's version in the object
// store if its bytes are known there.
type LineageDataset struct {
	Name    string   `json:"name"`
	Digest  string   `json:"digest"`
	SHA256  string   `json:"sha256,omitempty"`
	Context string   `json:"context,omitempty"`
	Source  string   `json:"source"`
	Stored  *Dataset `json:"stored,omitempty"`
}

// LineageVersion names a model version.
type LineageVersion struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}
