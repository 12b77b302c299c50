package mlops

import (
	"regexp"
	"strconv"
	"strings"
)

// MaxReplicas is how many servers a deployment may have: they all run on the
// node of its volume.
const MaxReplicas = 20

// DeployRequest asks for a deployment of a registered model.
type DeployRequest struct {
	// Ref names the model in the words of the command line: MODEL, MODEL@alias
	// or MODEL/3. If it is set, Model, Alias and Version are not.
	Ref      string `json:"ref,omitempty"`
	Model    string `json:"model,omitempty"`
	Alias    string `json:"alias,omitempty"`   // it is followed
	Version  int    `json:"version,omitempty"` // without it and Alias, the newest
	Name     string `json:"name,omitempty"`    // "" for one made of the model's
	Replicas *int   `json:"replicas,omitempty"`
	Act      Act    `json:"act"`
}

// Deployed is what became of a DeployRequest.
type Deployed struct {
	Deployment Deployment `json:"deployment"`
	Created    bool       `json:"created"` // it was not there before
	Changed    bool       `json:"changed"` // it was there with another number of replicas
	// Beside names a deployment that has the name which this one would have
	// been given, "" if none does.
	Beside string `json:"beside,omitempty"`
}

// Validate checks what can be checked without the registry.
func (r DeployRequest) Validate() error {
	switch {
	case r.Ref != "" && (r.Model != "" || r.Alias != "" || r.Version != 0):
		return Errorf(Invalid, "expected either ref, or model with alias or version")
	case r.Ref == "" && r.Model == "":
		return Errorf(Invalid, "model is empty: expected the name of a registered model")
	case r.Alias != "" && r.Version != 0:
		return Errorf(Invalid, "both an alias and a version are given: expected one, or none for the newest version")
	case r.Version < 0:
		return Errorf(Invalid, "version is %d: expected the number of a model version, from 1", r.Version)
	}
	if r.Name != "" {
		if err := ValidateName("deployment", r.Name); err != nil {
			return err
		}
	}
	if r.Replicas != nil {
		return ValidateReplicas(*r.Replicas)
	}
	return nil
}

// ValidateReplicas reports whether a deployment can have n servers.
func ValidateReplicas(n int) error {
	if n < 0 || n > MaxReplicas {
		return Errorf(Invalid, "replicas is %d: expected 0 to %d", n, MaxReplicas)
	}
	return nil
}

var refVersion = regexp.MustCompile(`^(.+)/([1-9][0-9]{0,8})$`)

// ParseModelRef splits MODEL@alias and MODEL/3; what is neither is a model's
// name. A name may hold an @ itself, so the last one counts. The models:/ that
// MLflow writes before may be there.
func ParseModelRef(ref string) (model, alias string, version int) {
	ref = TrimModelScheme(ref)
	if m := refVersion.FindStringSubmatch(ref); m != nil {
		version, _ = strconv.Atoi(m[2]) // digits, and few enough
		return m[1], "", version
	}
	if i := strings.LastIndex(ref, "@"); i > 0 && ValidateAlias(ref[i+1:]) == nil {
		return ref[:i], ref[i+1:], 0
	}
	return ref, "", 0
}

// TrimModelScheme takes away the models:/ of MLflow's addresses of models.
func TrimModelScheme(ref string) string { return strings.TrimPrefix(ref, "models:/") }

// maxName is how long a name may be.
const maxName = 40

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// DeploymentName makes a usable name of a model's, and of what sets this
// deployment apart if suffix is not "".
func DeploymentName(model, suffix string) string {
	clean := func(s string) string { return strings.Trim(notInNames.ReplaceAllString(strings.ToLower(s), "-"), "-") }
	name := clean(model)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = strings.TrimSuffix("model-"+name, "-")
	}
	suffix = clean(suffix)
	if suffix != "" {
		suffix = "-" + suffix[:min(len(suffix), maxName/2)]
	}
	name = name[:min(len(name), maxName-len(suffix))]
	return strings.Trim(strings.Trim(name, "-")+suffix, "-")
}
