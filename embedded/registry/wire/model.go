package wire

// RegisteredModel names a line of model versions.
type RegisteredModel struct {
	Name           string         `json:"name"`
	CreationTime   int64          `json:"creation_timestamp"`
	LastUpdated    int64          `json:"last_updated_timestamp"`
	Description    string         `json:"description,omitempty"`
	LatestVersions []ModelVersion `json:"latest_versions,omitempty"`
	Tags           []KV           `json:"tags,omitempty"`
	Aliases        []Alias        `json:"aliases,omitempty"`
}

// Alias is a movable name for a version.
type Alias struct {
	Alias   string `json:"alias"`
	Version string `json:"version"`
}

// ModelVersion is one immutable model.
type ModelVersion struct {
	Name          string   `json:"name"`
	Version       string   `json:"version"`
	CreationTime  int64    `json:"creation_timestamp"`
	LastUpdated   int64    `json:"last_updated_timestamp"`
	UserID        string   `json:"user_id,omitempty"`
	CurrentStage  string   `json:"current_stage"`
	Description   string   `json:"description"`
	Source        string   `json:"source"`
	RunID         string   `json:"run_id"`
	Status        string   `json:"status"`
	StatusMessage string   `json:"status_message,omitempty"`
	Tags          []KV     `json:"tags,omitempty"`
	RunLink       string   `json:"run_link"`
	Aliases       []string `json:"aliases,omitempty"`
	ModelID       string   `json:"model_id,omitempty"`
	ModelParams   []Param  `json:"model_params,omitempty"`
	ModelMetrics  []Metric `json:"model_metrics,omitempty"`
}

// Param is a param of a model version, whose key the protocol calls name.
type Param struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// LoggedModel is a model that a run logged, registered or not.
type LoggedModel struct {
	Info LoggedModelInfo `json:"info"`
	Data LoggedModelData `json:"data"`
}

// LoggedModelInfo is a logged model without its params and metrics.
type LoggedModelInfo struct {
	ModelID       string `json:"model_id"`
	ExperimentID  string `json:"experiment_id"`
	Name          string `json:"name"`
	CreationTime  int64  `json:"creation_timestamp_ms"`
	LastUpdated   int64  `json:"last_updated_timestamp_ms"`
	ArtifactURI   string `json:"artifact_uri"`
	Status        string `json:"status"`
	StatusMessage string `json:"status_message,omitempty"`
	ModelType     string `json:"model_type"`
	SourceRunID   string `json:"source_run_id"`
	Tags          []KV   `json:"tags,omitempty"`
}

// LoggedModelData is what was logged against a model.
type LoggedModelData struct {
	Params  []KV     `json:"params,omitempty"`
	Metrics []Metric `json:"metrics,omitempty"`
}

// The statuses of a logged model by name; in the database they are the
// numbers that the protocol gives them.
var loggedModelStatus = []string{
	"LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED",
}

// LoggedModelStatusName returns the protocol's name of a stored status.
func LoggedModelStatusName(n int) string {
	if n < 0 || n >= len(loggedModelStatus) {
		return loggedModelStatus[0]
	}
	return loggedModelStatus[n]
}

// LoggedModelStatusNumber is the reverse of LoggedModelStatusName; ok is
// false if there is no such status.
func LoggedModelStatusNumber(name string) (n int, ok bool) {
	for i, s := range loggedModelStatus {
		if s == name {
			return i, true
		}
	}
	return 0, false
}
