package mlops

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Variables are environment variables of a trainer.
type Variables map[string]string

// MaxVariables is how many bytes the variables of a project may have in all.
const MaxVariables = 32 << 10

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ownVariables are those that Benchtop gives trainers itself; an entry that
// ends in '_' stands for all that begin with it.
var ownVariables = []string{"BENCHTOP_", "MLFLOW_TRACKING_", "AWS_", "HOME"}

// Validate checks names and values.
func (v Variables) Validate() error {
	bytes := 0
	for _, name := range slices.Sorted(maps.Keys(v)) {
		bytes += len(name) + len(v[name])
		switch {
		case !variableName.MatchString(name):
			return Errorf(Invalid, "%q is no name of an environment variable: expected letters, digits and '_', not beginning with a digit, such as OMP_NUM_THREADS", name)
		case slices.ContainsFunc(ownVariables, func(own string) bool {
			return name == own || strings.HasSuffix(own, "_") && strings.HasPrefix(name, own)
		}):
			return Errorf(Invalid, "%s is set by Benchtop itself: expected a name other than HOME that begins with none of BENCHTOP_, MLFLOW_TRACKING_ and AWS_", name)
		case strings.ContainsRune(v[name], 0):
			return Errorf(Invalid, "the value of %s holds a NUL character: expected text without one", name)
		}
	}
	if bytes > MaxVariables {
		return Errorf(Invalid, "the variables have %d bytes in all, expected at most %d: put what is larger into the dataset or the parameters", bytes, MaxVariables)
	}
	return nil
}

// ParseVariables reads a JSON object of strings; "" is none.
func ParseVariables(text string) (Variables, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var v Variables
	if err := json.Unmarshal([]byte(text), &v); err != nil || v == nil {
		return nil, notVariables(text)
	}
	if len(v) == 0 {
		return nil, nil
	}
	return v, nil
}

func notVariables(text string) error {
	return Errorf(Invalid, `expected a JSON object of strings such as {"OMP_NUM_THREADS": "2"}, found %s`, text)
}

// VariablesEdit is a change of variables: nil removes one, and what is not
// named stays.
type VariablesEdit map[string]*string

// UnmarshalJSON implements json.Unmarshaler.
func (e *VariablesEdit) UnmarshalJSON(b []byte) error {
	var m map[string]*string
	if err := json.Unmarshal(b, &m); err != nil || m == nil {
		return notVariables(string(b))
	}
	*e = m
	return nil
}

// Instead returns the change that puts other variables in the place of v.
func (v Variables) Instead(other Variables) VariablesEdit {
	edit := VariablesEdit{}
	for name := range v {
		edit[name] = nil
	}
	for name, value := range other {
		edit[name] = &value
	}
	return edit
}

func (e VariablesEdit) of(v Variables) Variables {
	out := Variables{}
	maps.Copy(out, v)
	for name, value := range e {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = *value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
