package store

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func invalid(format string, args ...any) error {
	return mlops.Errorf(mlops.Invalid, format, args...)
}

func notFound(format string, args ...any) error {
	return mlops.Errorf(mlops.NotFound, format, args...)
}

// keyName is what MLflow accepts as the key of a param, metric or tag: it
// may become a file name.
var keyName = regexp.MustCompile(`^[/\w.\- :\p{L}\p{N}]*$`)

// validateKey checks the key of a param, metric or tag. what names it in the error.
func validateKey(what, key string) error {
	switch {
	case key == "":
		return invalid("%s: the key must not be empty", what)
	case utf8.RuneCountInString(key) > wire.MaxKey:
		return invalid("%s: the key %q… is longer than %d characters", what, head(key), wire.MaxKey)
	case !keyName.MatchString(key):
		return invalid("%s: the key %q has characters that are not allowed: expected letters, digits, underscores, dashes, dots, spaces, colons and slashes", what, head(key))
	case path.Clean(key) != key || key == "." || key == ".." || strings.HasPrefix(key, "../") || strings.HasPrefix(key, "/"):
		return invalid("%s: the key %q must be unique when read as a file path: write it as %q", what, head(key), strings.TrimLeft(path.Clean("/"+key), "/"))
	}
	return nil
}

func validateLength(what, value string, max int) error {
	if len(value) > max && utf8.RuneCountInString(value) > max {
		return invalid("%s: the value is %d characters long, at most %d are allowed", what, utf8.RuneCountInString(value), max)
	}
	return nil
}

// validateParams checks params.
func validateParams(kvs []wire.KV) error { return validateKVs("param", kvs) }

// validateTags checks tags of runs and logged models.
func validateTags(kvs []wire.KV) error { return validateKVs("tag", kvs) }

func validateKVs(what string, kvs []wire.KV) error {
	for _, kv := range kvs {
		if err := validateKey(what, kv.Key); err != nil {
			return err
		}
		max := wire.MaxValue
		if what == "tag" && kv.Key == tagRunName {
			max = wire.MaxRunName
		}
		if err := validateLength(what+" "+strconv.Quote(kv.Key), kv.Value, max); err != nil {
			return err
		}
	}
	return nil
}

// head shortens what a user sent for an error message.
func head(s string) string {
	if utf8.RuneCountInString(s) <= 80 {
		return s
	}
	return string([]rune(s)[:80])
}

// parseVersion reads a model version's number.
func parseVersion(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, invalid("the model version must be a number, found %q", head(s))
	}
	return n, nil
}
