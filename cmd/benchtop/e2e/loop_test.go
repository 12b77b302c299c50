//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// takeUp waits until another version than before answers, then ends the traffic
// and checks that no request failed.
func takeUp(t *testing.T, traffic *drive.Traffic, before string) string {
	t.Helper()
	var latest string
	err := drive.Eventually(t.Context(), patience, func() error {
		if versions := traffic.Report().Versions; len(versions) > 0 {
			latest = versions[len(versions)-1]
		}
		if latest == "" || latest == before {
			return fmt.Errorf("version %s is still served", before)
		}
		return nil
	})
	report := traffic.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Failures) > 0 {
		t.Errorf("%d of %d requests failed: %s", len(report.Failures), report.Answered+len(report.Failures), strings.Join(report.Failures[:min(5, len(report.Failures))], "\n"))
	}
	t.Logf("%d requests, versions %v", report.Answered, report.Versions)
	return latest
}

// served returns the version that answers now.
func (s *story) served(t *testing.T) string {
	t.Helper()
	p, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), s.said.Try, "")
	if err != nil {
		t.Fatal(err)
	}
	return p.Version
}

type run struct {
	Info struct {
		RunID  string `json:"run_id"`
		Status string `json:"status"`
	} `json:"info"`
	Data struct {
		Params  []struct{ Key, Value string } `json:"params"`
		Metrics []struct {
			Key   string  `json:"key"`
			Value float64 `json:"value"`
		} `json:"metrics"`
		Tags []struct{ Key, Value string } `json:"tags"`
	} `json:"data"`
}

func (r run) tag(key string) string {
	for _, t := range r.Data.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

// runOf returns the run that made a version of model iris.
func (s *story) runOf(t *testing.T, version string) run {
	t.Helper()
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mv struct {
		ModelVersion struct {
			RunID  string `json:"run_id"`
			Status string `json:"status"`
		} `json:"model_version"`
	}
	if err := admin.MLflow(t.Context(), http.MethodGet, "model-versions/get?name=iris&version="+version, nil, &mv); err != nil {
		t.Fatal(err)
	}
	if mv.ModelVersion.Status != "READY" {
		t.Errorf("model version %s is %s, want READY", version, mv.ModelVersion.Status)
	}
	var answer struct {
		Run run `json:"run"`
	}
	if err := admin.MLflow(t.Context(), http.MethodGet, "runs/get?run_id="+mv.ModelVersion.RunID, nil, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Run
}

func (s *story) newVersion(t *testing.T) {
	before := s.served(t)
	traffic := s.StartTraffic(s.said.Try, 3, 20*time.Millisecond)
	s.benchtop(t, "train", "--wait")
	version := takeUp(t, traffic, before)
	r := s.runOf(t, version)
	if r.Info.Status != "FINISHED" || r.tag("benchtop.trigger") != "manual" {
		t.Errorf("the run of version %s is %s, by %q; want FINISHED by manual", version, r.Info.Status, r.tag("benchtop.trigger"))
	}
	accuracy := -1.0
	for _, m := range r.Data.Metrics {
		if strings.Contains(m.Key, "accuracy") {
			accuracy = max(accuracy, m.Value)
		}
	}
	if accuracy < 0.85 || accuracy > 1 {
		t.Errorf("the run's best accuracy is %v, want what iris allows: %v", accuracy, r.Data.Metrics)
	}
	if len(r.Data.Params) == 0 {
		t.Error("the run has no params")
	}
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Files []struct {
			Path string `json:"path"`
		} `json:"files"`
	}
	if err := admin.MLflow(t.Context(), http.MethodGet, "artifacts/list?run_id="+r.Info.RunID, nil, &list); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range list.Files {
		paths = append(paths, f.Path)
	}
	if !slices.Contains(paths, "logs") || len(paths) < 2 {
		t.Errorf("the run's artifacts are %v, want its log and the model", paths)
	}
}

// everyMinute is the schedule from here on; it takes effect at the next start.
func (s *story) everyMinute(t *testing.T) {
	t.Helper()
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "project:\n  schedule: \"* * * * *\"\n"); err != nil {
		t.Fatal(err)
	}
}

func (s *story) scheduleFires(t *testing.T) {
	if got := s.benchtop(t, "kubectl", "get", "cronjob", "-n", "iris", "-o", "jsonpath={.items[*].spec.schedule}"); got != "* * * * *" {
		t.Fatalf("the CronJob's schedule is %q, want the configured one", got)
	}
	before := s.served(t)
	traffic := s.StartTraffic(s.said.Try, 3, 20*time.Millisecond)
	version := takeUp(t, traffic, before)
	if got := s.runOf(t, version).tag("benchtop.trigger"); got != "schedule" {
		t.Errorf("version %s was triggered by %q, want schedule", version, got)
	}
	// From here on trainings would only disturb.
	s.benchtop(t, "kubectl", "patch", "cronjob", "-n", "iris", "iris-trainer", "-p", `{"spec":{"suspend":true}}`)
}
