package mlops

import (
	"strings"
	"time"
)

// LiveAlias is the alias that a project's deployment follows: who points it at
// another version, with any MLflow client, puts that version into service.
const LiveAlias = "live"

// Deployment is a model being served. The row says what ought to be served;
// what is observed of it in the cluster is in the second part.
type Deployment struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Project   string    `json:"project"`
	Namespace string    `json:"namespace"`
	Model     string    `json:"model"`
	Follows   string    `json:"follows,omitempty"`  // alias of Model; "" if nothing is followed
	Automatic bool      `json:"automatic"`          // new versions of Model are put into service
	Pinned    bool      `json:"pinned"`             // what is served stays, whatever is followed
	Paused    bool      `json:"paused"`             // revisions wait
	Own       bool      `json:"own"`                // made by deploy, with a volume of its own; else it is its project's
	Replicas  int       `json:"replicas"`           // servers that ought to run
	Deleting  bool      `json:"deleting,omitempty"` // it goes as soon as the cluster has let go of it
	Revision  *Revision `json:"revision,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`

	Version      string    `json:"version"` // model version now served, "" before the first
	RunID        string    `json:"run_id,omitempty"`
	Image        string    `json:"image"`
	Ready        int       `json:"ready"`
	Host         string    `json:"host"` // for example iris.lab.internal
	Path         string    `json:"path"` // for example /models/iris
	Pods         []Pod     `json:"pods"`
	FeatureNames []string  `json:"feature_names,omitempty"`
	Classes      []string  `json:"classes,omitempty"`
	LoadedAt     time.Time `json:"loaded_at,omitzero"`
	Message      string    `json:"message,omitempty"`   // why it is not ready
	Unreached    string    `json:"unreached,omitempty"` // why the ingress had no answer of it, "" if it had
}

// ModelsNamespace holds the deployments of models that no project trains. No
// project may have its name.
const ModelsNamespace = "models"

// NamespaceOf is the namespace of a project's deployments, or of those without
// a project.
func NamespaceOf(project string) string {
	if project == "" {
		return ModelsNamespace
	}
	return project
}

// IsOf reports whether this is a project's deployment, and not one beside it.
func (d Deployment) IsOf(project string) bool { return !d.Own && d.Project == project }

// Answers reports whether who asks the deployment gets a prediction: a pod is
// ready, and it has loaded a version.
func (d Deployment) Answers() bool { return d.Ready > 0 && d.Version != "" }

// Act is who changes what is served, and why. Both are kept with the revision.
type Act struct {
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
}

// MaxReason is how many bytes a reason may have.
const MaxReason = 1000

// Validate checks the reason and takes away the white space around it.
func (a *Act) Validate() error {
	a.Reason = strings.TrimSpace(a.Reason)
	if len(a.Reason) > MaxReason {
		return Errorf(Invalid, "the reason has %d bytes, expected at most %d", len(a.Reason), MaxReason)
	}
	return nil
}
