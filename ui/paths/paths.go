// Package paths makes the addresses of pages. A page that links to another knows
// it by nothing else.
package paths

import (
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Compare compares runs, by what they differ in.
func Compare(runs ...string) string {
	return "/compare?" + url.Values{"run": runs, "only": {"differences"}}.Encode()
}

// Run is the page of a run.
func Run(id string) string { return "/runs/" + url.PathEscape(id) }

// Training is the page of a training, or of its run once it has one.
func Training(t mlops.Training) string {
	if t.RunID != "" {
		return Run(t.RunID)
	}
	return "/trainings/" + strconv.FormatInt(t.ID, 10)
}

// Deployment is the page of a deployment.
func Deployment(name string) string { return "/deployments/" + url.PathEscape(name) }

// Model is the page of a registered model.
func Model(name string) string { return "/models/" + url.PathEscape(name) }

// Version is the page of a model version.
func Version(model string, version int) string {
	return Model(model) + "/versions/" + strconv.Itoa(version)
}

// VersionText is how a version is written.
func VersionText(version int) string { return "v" + strconv.Itoa(version) }

// WithQuery adds the pairs of key and value whose value is not empty.
func WithQuery(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// Dataset is the page of a dataset.
func Dataset(digest string) string { return "/datasets/" + url.PathEscape(digest) }

// Project is the page of a project.
func Project(name string) string { return "/projects/" + url.PathEscape(name) }

// Pod is the page of a pod.
func Pod(p mlops.Pod) string {
	return "/system/pods/" + url.PathEscape(p.Namespace) + "/" + url.PathEscape(p.Name)
}

// PodLog is the stream of a pod's log.
func PodLog(namespace, pod string) string {
	return "/logs/pods/" + url.PathEscape(namespace) + "/" + url.PathEscape(pod)
}

// Source returns the address in a dataset source, which MLflow keeps as
// JSON with a field that depends on the kind of source.
func Source(source string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(source), &fields) == nil {
		for _, key := range []string{"uri", "url", "path"} {
			if address, ok := fields[key].(string); ok {
				return address
			}
		}
	}
	return source
}

// File is where one of a run's files is shown as artifacts, download or image.
func File(runID, what, p string) string {
	return Run(runID) + "/" + what + "?path=" + url.QueryEscape(p)
}
