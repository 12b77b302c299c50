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

// reserved are the variables that nobody else may set, and what those begin with
// that belong together. Benchtop gives trainers some of them. The others decide
// which code runs in the trainer's process or where its key is sent.
var (
	reserved         = []string{"HOME", "PATH", "NO_PROXY", "no_proxy"}
	reservedPrefixes = []string{"BENCHTOP_", "MLFLOW_", "AWS_", "KUBERNETES_", "PYTHON", "LD_"}
)

func isReserved(name string) bool {
	return slices.Contains(reserved, name) || slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Validate checks names and values.
func (v Variables) Validate() error {
	bytes := 0
	for _, name := range slices.Sorted(maps.Keys(v)) {
		bytes += len(name) + len(v[name])
		switch {
		case !variableName.MatchString(name):
			return Errorf(Invalid, "%q is no name of an environment variable: expected letters, digits and '_', not beginning with a digit, such as OMP_NUM_THREADS", name)
		case isReserved(name):
			return Errorf(Invalid, "%s is Benchtop's to set: expected a name other than %s that begins with none of %s", name, strings.Join(reserved, ", "), strings.Join(reservedPrefixes, ", "))
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
	var e VariablesEdit
	if err := e.UnmarshalJSON([]byte(text)); err != nil {
		return nil, err
	}
	for name, value := range e {
		if value == nil {
			return nil, Errorf(Invalid, "%s is null: expected a string, or leave the variable out", name)
		}
	}
	return e.of(nil), nil
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

// Until returns the change that makes other of v, nil if they are the same.
func (v Variables) Until(other Variables) VariablesEdit {
	edit := VariablesEdit{}
	for name := range v {
		if _, ok := other[name]; !ok {
			edit[name] = nil
		}
	}
	for name, value := range other {
		if had, ok := v[name]; !ok || had != value {
			edit[name] = &value
		}
	}
	if len(edit) == 0 {
		return nil
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
