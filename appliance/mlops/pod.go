package mlops

import "time"

// Pod is a pod as far as a page shows it.
type Pod struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Phase     string    `json:"phase"` // Pending, Running, Succeeded or Failed
	Ready     bool      `json:"ready"`
	Restarts  int       `json:"restarts"`
	Node      string    `json:"node"`
	IP        string    `json:"ip"`
	StartedAt time.Time `json:"started_at,omitzero"`
	Message   string    `json:"message,omitempty"`
}
