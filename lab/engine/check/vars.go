package check

import (
	"regexp"
	"slices"
	"strings"
)

// Names of what ${NAME} stands for. Secrets are in the environment of scripts
// and of the shell only: nothing fills them into text.
var (
	Public = []string{"LAB", "PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL",
		"AWS_DEFAULT_REGION", "BUCKET", "PROMETHEUS_URL", "API_URL", "DOMAIN", "ADDRESS", "PYTHON_IMAGE", "SHELL_IMAGE"}
	Secret = []string{"MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY"}
)

var reference = regexp.MustCompile(`\$?\$\{([A-Z][A-Z0-9_]*)\}`)

// Expand fills in ${NAME} for the public names that env has. $${NAME} becomes
// ${NAME}; any other $ stays.
func Expand(text string, env map[string]string) string {
	if !strings.Contains(text, "${") {
		return text
	}
	return reference.ReplaceAllStringFunc(text, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m[1:]
		}
		name := m[2 : len(m)-1]
		value, known := env[name]
		if !known || !slices.Contains(Public, name) {
			return m
		}
		return value
	})
}

// References returns the names that a text refers to by ${NAME}.
func References(text string) (names []string) {
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[0], "$$") {
			names = append(names, m[1])
		}
	}
	return names
}
