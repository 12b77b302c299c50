package mlops

import "time"

// Project ties a dataset, a trainer on a schedule and a deployment together.
// Its name is also its namespace, experiment and registered model.
type Project struct {
	ID        int64        `json:"id"`
	Name      string       `json:"name"`
	Dataset   string       `json:"dataset"`          // name of the dataset, newest version is used
	Schedule  string       `json:"schedule"`         // five-field cron, "" for trainings by hand only
	TimeZone  string       `json:"time_zone"`        // IANA name; the schedule's hours are this zone's
	Params    JSONObject   `json:"params,omitempty"` // hyper-parameters of the trainer
	Edited    EditedFields `json:"edited"`
	Node      string       `json:"node"`               // node that holds the project's volume
	Deleting  bool         `json:"deleting,omitempty"` // it goes as soon as the cluster has let go of it
	CreatedAt time.Time    `json:"created_at"`
}

// Deployment is a model being served.
type Deployment struct {
	Name         string    `json:"name"`
	Project      string    `json:"project"`
	Namespace    string    `json:"namespace"`
	Model        string    `json:"model"`
	Version      string    `json:"version"` // model version now served, "" before the first
	RunID        string    `json:"run_id,omitempty"`
	Image        string    `json:"image"`
	Replicas     int       `json:"replicas"`
	Ready        int       `json:"ready"`
	Host         string    `json:"host"` // for example iris.lab.internal
	Path         string    `json:"path"` // for example /models/iris
	Pods         []Pod     `json:"pods"`
	FeatureNames []string  `json:"feature_names,omitempty"`
	Classes      []string  `json:"classes,omitempty"`
	LoadedAt     time.Time `json:"loaded_at,omitzero"`
	Message      string    `json:"message,omitempty"` // why it is not ready
}

// Traffic is what a deployment answered over a window.
type Traffic struct {
	RequestsPerSecond float64 `json:"requests_per_second"`
	ErrorsPerSecond   float64 `json:"errors_per_second"` // 5xx
	P50Seconds        float64 `json:"p50_seconds"`       // NaN when idle
	P99Seconds        float64 `json:"p99_seconds"`       // NaN when idle
}

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

// Object is a row of the cluster objects page.
type Object struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
}

// Event is a Kubernetes event.
type Event struct {
	Time      time.Time `json:"time"`
	Type      string    `json:"type"` // Normal or Warning
	Reason    string    `json:"reason"`
	Object    string    `json:"object"` // kind/name
	Namespace string    `json:"namespace"`
	Message   string    `json:"message"`
	Count     int       `json:"count"`
}
