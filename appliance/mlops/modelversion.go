package mlops

import "time"

// RegisteredModel names a line of model versions.
type RegisteredModel struct {
	Name         string         `json:"name"`
	Description  string         `json:"description,omitempty"`
	CreatedAt    time.Time      `json:"created_at"`
	LastUpdateAt time.Time      `json:"last_update_at"`
	Aliases      []Alias        `json:"aliases,omitempty"`
	Tags         []KV           `json:"tags,omitempty"`
	Latest       []ModelVersion `json:"latest,omitempty"` // newest version per stage
}

// Alias is a movable name for one version of a registered model.
type Alias struct {
	Alias   string `json:"alias"`
	Version int    `json:"version"`
}

// ModelVersion is one immutable model. It points at the run that made it.
type ModelVersion struct {
	Model       string    `json:"model"`
	Version     int       `json:"version"`
	RunID       string    `json:"run_id,omitempty"`
	Source      string    `json:"source"` // artifact URI of the model's files
	Status      string    `json:"status"` // PENDING_REGISTRATION, FAILED_REGISTRATION or READY
	Stage       string    `json:"stage"`  // None, Staging, Production or Archived
	Description string    `json:"description,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	Aliases     []string  `json:"aliases,omitempty"`
	Tags        []KV      `json:"tags,omitempty"`
}
