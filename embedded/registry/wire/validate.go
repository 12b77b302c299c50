package wire

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// TagRunName is the tag that carries a run's name, for clients older than
// the field.
const TagRunName = "mlflow.runName"

// KeyName matches what MLflow takes for the key of a param, metric or tag: it
// may become a file name.
var KeyName = regexp.MustCompile(`^[/\w.\- :\p{L}\p{N}]*$`)

// ValidateKey checks the key of a param, metric or tag. what names it in the error.
func ValidateKey(what, key string) error {
	switch {
	case key == "":
		return mlops.Errorf(mlops.Invalid, "%s: the key must not be empty", what)
	case utf8.RuneCountInString(key) > MaxKey:
		return mlops.Errorf(mlops.Invalid, "%s: the key %q… is longer than %d characters", what, Head(key), MaxKey)
	case !KeyName.MatchString(key):
		return mlops.Errorf(mlops.Invalid, "%s: the key %q has characters that are not allowed: expected letters, digits, underscores, dashes, dots, spaces, colons and slashes", what, Head(key))
	case path.Clean(key) != key || key == "." || key == ".." || strings.HasPrefix(key, "../") || strings.HasPrefix(key, "/"):
		return mlops.Errorf(mlops.Invalid, "%s: the key %q must be unique when read as a file path: write it as %q", what, Head(key), strings.TrimLeft(path.Clean("/"+key), "/"))
	}
	return nil
}

// ValidateLength checks how many characters a value has. what names it in the error.
func ValidateLength(what, value string, max int) error {
	if len(value) > max && utf8.RuneCountInString(value) > max {
		return mlops.Errorf(mlops.Invalid, "%s: the value is %d characters long, at most %d are allowed", what, utf8.RuneCountInString(value), max)
	}
	return nil
}

// ValidateParams checks params.
func ValidateParams(kvs []KV) error { return validateKVs("param", kvs) }

// ValidateTags checks tags of runs and logged models.
func ValidateTags(kvs []KV) error { return validateKVs("tag", kvs) }

func validateKVs(what string, kvs []KV) error {
	for _, kv := range kvs {
		if err := ValidateKey(what, kv.Key); err != nil {
			return err
		}
		max := MaxValue
		if what == "tag" && kv.Key == TagRunName {
			max = MaxRunName
		}
		if err := ValidateLength(what+" "+strconv.Quote(kv.Key), kv.Value, max); err != nil {
			return err
		}
	}
	return nil
}

// Head shortens what a user sent for an error message.
func Head(s string) string {
	if utf8.RuneCountInString(s) <= 80 {
		return s
	}
	return string([]rune(s)[:80])
}
