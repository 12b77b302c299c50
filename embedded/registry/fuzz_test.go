package registry

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// endpoints are the calls with a JSON body, and some of those with a query.
var endpoints = []string{
	"POST /api/2.0/mlflow/experiments/create", "POST /api/2.0/mlflow/experiments/search", "POST /api/2.0/mlflow/experiments/update", "POST /api/2.0/mlflow/experiments/delete",
	"POST /api/2.0/mlflow/experiments/restore", "POST /api/2.0/mlflow/experiments/set-experiment-tag", "POST /api/2.0/mlflow/experiments/delete-experiment-tag", "POST /api/2.0/mlflow/experiments/search-datasets",
	"POST /api/2.0/mlflow/runs/create", "POST /api/2.0/mlflow/runs/update", "POST /api/2.0/mlflow/runs/delete", "POST /api/2.0/mlflow/runs/restore", "POST /api/2.0/mlflow/runs/search", "POST /api/2.0/mlflow/runs/log-metric",
	"POST /api/2.0/mlflow/runs/log-parameter", "POST /api/2.0/mlflow/runs/log-batch", "POST /api/2.0/mlflow/runs/log-inputs", "POST /api/2.0/mlflow/runs/outputs", "POST /api/2.0/mlflow/runs/log-model",
	"POST /api/2.0/mlflow/runs/set-tag", "POST /api/2.0/mlflow/runs/delete-tag", "POST /api/2.0/mlflow/logged-models", "POST /api/2.0/mlflow/logged-models/search", "PATCH /api/2.0/mlflow/logged-models/x",
	"PATCH /api/2.0/mlflow/logged-models/x/tags", "POST /api/2.0/mlflow/logged-models/x/params", "POST /api/2.0/mlflow/registered-models/create", "POST /api/2.0/mlflow/registered-models/rename",
	"PATCH /api/2.0/mlflow/registered-models/update", "DELETE /api/2.0/mlflow/registered-models/delete", "POST /api/2.0/mlflow/registered-models/get-latest-versions", "POST /api/2.0/mlflow/registered-models/set-tag",
	"POST /api/2.0/mlflow/registered-models/alias", "POST /api/2.0/mlflow/model-versions/create", "PATCH /api/2.0/mlflow/model-versions/update", "POST /api/2.0/mlflow/model-versions/transition-stage",
	"DELETE /api/2.0/mlflow/model-versions/delete", "POST /api/2.0/mlflow/model-versions/set-tag", "POST /api/3.0/mlflow/traces", "POST /api/3.0/mlflow/traces/search", "PATCH /api/3.0/mlflow/traces/tr/tags",
	"POST /api/3.0/mlflow/traces/tr/assessments", "PATCH /api/3.0/mlflow/traces/tr/assessments/a", "POST /api/3.0/mlflow/traces/delete-traces", "POST /api/2.0/mlflow/traces/link-to-run", "POST /api/2.0/mlflow/traces/link-prompts",
	"POST /api/2.0/mlflow/webhooks", "PATCH /api/2.0/mlflow/webhooks/w", "POST /api/registry/gc", "POST /v1/traces", "POST /api/2.0/mlflow-artifacts/mpu/create/x",
	"GET /api/2.0/mlflow/experiments/search", "GET /api/2.0/mlflow/metrics/get-history", "GET /api/2.0/mlflow/metrics/get-history-bulk-interval", "GET /api/2.0/mlflow/artifacts/list", "GET /api/2.0/mlflow/model-versions/search",
	"GET /api/2.0/mlflow-artifacts/artifacts",
}

// FuzzBodies sends anything to every call: no panic, and no answer that
// would make a client try for minutes.
func FuzzBodies(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(f.Context(), filepath.Join(dir, "registry.db"), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	objects, err := NewDirStore(filepath.Join(dir, "artifacts"))
	if err != nil {
		f.Fatal(err)
	}
	s.Artifacts.SetArtifacts(objects)
	h := NewHandler(s, nil, nil)
	const all = `{"name": "x", "experiment_id": "0", "experiment_ids": ["0"], "run_id": "r", "key": "k", "value": "v", "timestamp": 1, "tags": [{"key": "a", "value": "b"}], "filter": "metrics.a > 1", "order_by": ["metrics.a"],
		"metrics": [{"key": "m", "value": "NaN", "timestamp": 1}], "params": [{"key": "p", "value": "q"}], "source": "s3://b/x", "version": "1", "alias": "al", "stage": "Production", "max_results": 5, "page_token": "eyJ",
		"datasets": [{"dataset": {"name": "d", "digest": "e", "source_type": "s", "source": "t"}}], "models": [{"model_id": "m"}], "status": "LOGGED_MODEL_READY", "new_name": "y", "model_json": "{}",
		"trace": {"trace_info": {"trace_id": "tr", "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}, "request_time": "2026-01-02T03:04:05Z", "execution_duration": "1s", "state": "OK", "assessments": [{"assessment_name": "n", "feedback": {"value": 1}}]}},
		"assessment": {"assessment_name": "n", "feedback": {"value": 1}}, "update_mask": "feedback", "url": "https://x.example/", "events": [{"entity": 1, "action": "CREATED"}], "locations": [{"mlflow_experiment": {"experiment_id": "0"}}],
		"path": "a/b", "num_parts": 3, "metric_key": "m", "run_ids": ["r"], "start_step": 0, "end_step": 9, "new": null, "max_timestamp_millis": 0, "request_ids": ["tr"], "trace_ids": ["tr"], "prompt_versions": [{"name": "p", "version": "1"}], "trace_id": "tr"}`
	for i := range endpoints {
		f.Add(i, all)
	}
	f.Add(0, `{"name": {"a": 1}}`)
	f.Add(1, `"{\"name\": \"twice\"}"`)
	f.Fuzz(func(t *testing.T, i int, body string) {
		method, path, _ := strings.Cut(endpoints[uint(i)%uint(len(endpoints))], " ")
		var r *http.Request
		if method == http.MethodGet {
			r = httptest.NewRequest(method, path, nil)
			r.URL.RawQuery = url.PathEscape(body)
		} else {
			r = httptest.NewRequest(method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-MLflow-Experiment-Id", "0")
		}
		r.Host = "localhost"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented || w.Code == 408 || w.Code == 429 {
			t.Errorf("%s %s\n%s\n%d %s", method, path, body, w.Code, w.Body)
		}
	})
}
