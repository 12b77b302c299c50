package mlops

// DatasetUse is a dataset with what came of it: the runs that have read it,
// the model versions that they made, and what is served from it now.
type DatasetUse struct {
	Name string `json:"name"`
	// Digest is what the runs have logged; MLflow keeps 36 characters of it.
	Digest string `json:"digest"`
	// Stored is the dataset in the object store, nil for one that only runs
	// know.
	Stored      *Dataset     `json:"stored,omitempty"`
	Sources     []string     `json:"sources,omitempty"` // where the runs say that they read it
	Runs        int          `json:"runs"`
	LastRunAt   int64        `json:"last_run_at,omitempty"` // milliseconds since the epoch
	Versions    []VersionUse `json:"model_versions"`        // the newest first, at most MaxDatasetVersions
	More        int          `json:"more_model_versions,omitempty"`
	Deployments []Deployment `json:"deployments"` // that serve one of the versions now
}

// MaxDatasetVersions bounds DatasetUse.Versions.
const MaxDatasetVersions = 100

// VersionUse is a model version that was made from a dataset.
type VersionUse struct {
	Model     string   `json:"model"`
	Version   int      `json:"version"`
	RunID     string   `json:"run_id"`
	Context   string   `json:"context,omitempty"` // what its run has read the dataset for, as logged
	CreatedAt int64    `json:"created_at"`        // milliseconds since the epoch
	Served    []string `json:"served_by,omitempty"`
}

// DatasetSummary is one line of a list of datasets.
type DatasetSummary struct {
	Name      string   `json:"name"`
	Digest    string   `json:"digest"` // whole for a stored one
	Stored    *Dataset `json:"stored,omitempty"`
	Runs      int      `json:"runs"`
	LastRunAt int64    `json:"last_run_at,omitempty"` // milliseconds since the epoch
	Versions  int      `json:"model_versions"`
}

// MaxDatasets bounds a list of datasets that only runs know.
const MaxDatasets = 500

// LoggedDigest is what MLflow's clients log of a digest.
func LoggedDigest(digest string) string { return digest[:min(len(digest), maxLoggedDigest)] }

const maxLoggedDigest = 36
