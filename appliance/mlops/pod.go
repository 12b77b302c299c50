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
	Image     string    `json:"image,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	StartedAt time.Time `json:"started_at,omitzero"`
	Message   string    `json:"message,omitempty"`
	// Waiting is why the pod does not run, in Kubernetes' word: Unschedulable,
	// ImagePullBackOff, CrashLoopBackOff, …
	Waiting  string `json:"waiting,omitempty"`
	LastExit *Exit  `json:"last_exit,omitempty"` // nil if its containers have never ended
	// Deleting says that the pod is on its way out; another takes its place.
	Deleting bool      `json:"deleting,omitempty"`
	Requests Resources `json:"requests,omitzero"`
	Limits   Resources `json:"limits,omitzero"`
}

// Exit is how a container of a pod ended last.
type Exit struct {
	At     time.Time `json:"at"`
	Code   int       `json:"code"`
	Reason string    `json:"reason,omitempty"` // OOMKilled, Error, Completed, …
}

// Resources are amounts of what a pod may use, 0 for none that was named.
type Resources struct {
	CPU    float64 `json:"cpu,omitempty"` // cores
	Memory int64   `json:"memory_bytes,omitempty"`
}
