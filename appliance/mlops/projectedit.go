package mlops

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
)

// EditedFields says which fields of a project somebody has set. The others
// follow the configuration.
type EditedFields struct {
	Schedule    bool `json:"schedule"`
	TimeZone    bool `json:"time_zone"`
	Params      bool `json:"params"`
	Resources   bool `json:"resources"`
	Environment bool `json:"environment"`
}

// ProjectRequest asks for a project: of a sample, under its name, or of a name
// and a dataset that the lab stores.
type ProjectRequest struct {
	Sample  string `json:"sample,omitempty"`
	Name    string `json:"name,omitempty"`
	Dataset string `json:"dataset,omitempty"`
}

// Validate checks what was sent, not whether the dataset is there.
func (r ProjectRequest) Validate() error {
	if r.Sample != "" {
		if r.Name != "" || r.Dataset != "" {
			return Errorf(Invalid, "expected a sample, or a name and a dataset, not both")
		}
		return nil
	}
	if r.Name == "" || r.Dataset == "" {
		return Errorf(Invalid, "expected a sample such as wine, or the name of the project and of its dataset")
	}
	if err := ValidateName("project", r.Name); err != nil {
		return err
	}
	if r.Name == ModelsNamespace {
		return Errorf(Invalid, "no project can be called %s: deployments of models without a project are in the namespace of that name", r.Name)
	}
	return ValidateName("dataset", r.Dataset)
}

// ProjectEdit is a change of a project. What is nil stays as it is.
type ProjectEdit struct {
	Dataset     *string        `json:"dataset,omitempty"`
	Schedule    *string        `json:"schedule,omitempty"`
	TimeZone    *string        `json:"time_zone,omitempty"`
	Params      *JSONObject    `json:"params,omitempty"`
	Resources   *ResourcesEdit `json:"resources,omitempty"`
	GPU         *GPUEdit       `json:"gpu,omitempty"`
	Environment *VariablesEdit `json:"environment,omitempty"`
}

// Of returns p with the edit applied. Only a value that differs counts as
// edited: who sends a whole form back has not decided about all of it.
func (e ProjectEdit) Of(p Project) Project {
	if v := e.Dataset; v != nil {
		p.Dataset = strings.TrimSpace(*v)
	}
	if v := e.Schedule; v != nil && strings.TrimSpace(*v) != p.Schedule {
		p.Schedule, p.Edited.Schedule = strings.TrimSpace(*v), true
	}
	if v := e.TimeZone; v != nil && strings.TrimSpace(*v) != p.TimeZone {
		p.TimeZone, p.Edited.TimeZone = strings.TrimSpace(*v), true
	}
	if v := e.Params; v != nil && v.compact() != p.Params.compact() {
		p.Params, p.Edited.Params = v.compact(), true
	}
	if e.Resources != nil {
		if r := e.Resources.of(p.Resources); r != p.Resources {
			p.Resources, p.Edited.Resources = r, true
		}
	}
	if e.GPU != nil {
		p.GPU = e.GPU.of(p.GPU)
	}
	if e.Environment != nil {
		if v := e.Environment.of(p.Environment); !maps.Equal(v, p.Environment) {
			p.Environment, p.Edited.Environment = v, true
		}
	}
	return p
}

// ProjectDefaults are the configuration's values for projects.
type ProjectDefaults struct {
	Schedule, TimeZone string
	Params             JSONObject
	Resources          TrainerResources
	Environment        Variables
}

// Of returns p with what nobody has edited as the configuration has it.
func (d ProjectDefaults) Of(p Project) Project {
	if !p.Edited.Schedule {
		p.Schedule = d.Schedule
	}
	if !p.Edited.TimeZone {
		p.TimeZone = d.TimeZone
	}
	if !p.Edited.Params {
		p.Params = d.Params
	}
	if !p.Edited.Resources {
		p.Resources = d.Resources
	}
	if !p.Edited.Environment {
		p.Environment = d.Environment
	}
	return p
}

// JSONObject is the text of a JSON object; "" is an empty one.
type JSONObject string

// MarshalJSON implements json.Marshaler.
func (o JSONObject) MarshalJSON() ([]byte, error) {
	if o == "" {
		return []byte("{}"), nil
	}
	return []byte(o), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *JSONObject) UnmarshalJSON(b []byte) error {
	if !IsJSONObject(string(b)) {
		return Errorf(Invalid, `expected a JSON object such as {"C": 0.5}, found %s`, b)
	}
	*o = JSONObject(b).compact()
	return nil
}

// compact removes what means nothing, so that texts can be compared. What is
// no JSON stays as it is.
func (o JSONObject) compact() JSONObject {
	var b bytes.Buffer
	text := strings.TrimSpace(string(o))
	if json.Compact(&b, []byte(text)) != nil {
		return JSONObject(text)
	}
	if b.String() == "{}" {
		return ""
	}
	return JSONObject(b.String())
}
