package mlflow_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry"
	"github.com/benchtop-lab/benchtop/embedded/registry/mlflow"
)

// people are principals by name; the password is not looked at.
type people struct{}

func (people) Password(name, _ string) (mlops.Principal, error) {
	for _, p := range []mlops.Principal{{Name: "admin", Role: mlops.RoleAdmin}, {Name: "ada", Role: mlops.RoleEditor, Projects: []string{"wine"}},
		{Name: "eve", Role: mlops.RoleReader, Projects: []string{"wine"}}, {Name: "max", Role: mlops.RoleEditor, Projects: []string{"wine", "iris"}}} {
		if p.Name == name {
			return p, nil
		}
	}
	return mlops.Principal{}, mlops.ErrCredentials
}

func (p people) Token(name string) (mlops.Principal, error) { return p.Password(name, "") }

type lab struct {
	t   *testing.T
	url string
	n   int // so that names differ
}

func newLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	s, err := registry.Open(t.Context(), filepath.Join(dir, "registry.db"), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := registry.NewDirStore(filepath.Join(dir, "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	s.Artifacts.SetArtifacts(files)
	srv := httptest.NewServer(mlflow.NewHandlerWith(s, people{}, "GET /api/2.0/mlflow/brand-new"))
	t.Cleanup(func() {
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &lab{t: t, url: srv.URL}
}

func (l *lab) do(who, method, path, body string, headers ...string) (int, string) {
	l.t.Helper()
	req, err := http.NewRequest(method, l.url+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.SetBasicAuth(who, "x")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (l *lab) want(status int, who, method, path, body string, headers ...string) string {
	l.t.Helper()
	st, answer := l.do(who, method, path, body, headers...)
	if st != status {
		l.t.Errorf("%s: %s %s %.150s: %d %.300s, want %d", who, method, path, body, st, answer, status)
	}
	return answer
}

// post calls the protocol as an administrator and returns a text of the answer.
func (l *lab) post(path, body string, keys ...string) string {
	l.t.Helper()
	var v any
	if err := json.Unmarshal([]byte(l.want(200, "admin", "POST", "/api/2.0/mlflow/"+path, body)), &v); err != nil {
		l.t.Fatal(err)
	}
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return fmt.Sprint(v)
}

// things of a project, as placeholders of requests.
func (l *lab) things(project string) *strings.Replacer {
	l.t.Helper()
	l.n++
	name := fmt.Sprintf("%s.%d", project, l.n)
	exp := l.post("experiments/create", `{"name": "`+name+`"}`, "experiment_id")
	run := l.post("runs/create", `{"experiment_id": "`+exp+`"}`, "run", "info", "run_id")
	l.post("runs/log-metric", `{"run_id": "`+run+`", "key": "m", "value": 1, "timestamp": 1}`)
	l.post("runs/set-tag", `{"run_id": "`+run+`", "key": "t", "value": "v"}`)
	l.post("experiments/set-experiment-tag", `{"experiment_id": "`+exp+`", "key": "t", "value": "v"}`)
	model := l.post("logged-models", `{"experiment_id": "`+exp+`", "tags": [{"key": "t", "value": "v"}]}`, "model", "info", "model_id")
	trace := fmt.Sprintf("tr-%032x", l.n)
	l.post("traces", traceBody(trace, exp))
	l.want(200, "admin", "PATCH", "/api/2.0/mlflow/traces/"+trace+"/tags", `{"key": "t", "value": "v"}`)
	as := l.post("traces/"+trace+"/assessments", assessment(trace), "assessment", "assessment_id")
	l.want(200, "admin", "PUT", "/api/2.0/mlflow-artifacts/artifacts/"+exp+"/"+run+"/artifacts/f.txt", "file of "+name)
	l.want(200, "admin", "PUT", "/api/2.0/mlflow-artifacts/artifacts/"+exp+"/models/"+model+"/artifacts/MLmodel", "model of "+name)
	l.post("registered-models/create", `{"name": "`+name+`", "tags": [{"key": "t", "value": "v"}]}`)
	l.post("model-versions/create", `{"name": "`+name+`", "source": "mlflow-artifacts:/`+exp+`/`+run+`/artifacts", "run_id": "`+run+`", "tags": [{"key": "t", "value": "v"}]}`)
	l.post("registered-models/alias", `{"name": "`+name+`", "alias": "a", "version": "1"}`)
	return strings.NewReplacer("{exp}", exp, "{run}", run, "{lm}", model, "{trace}", trace, "{name}", name, "{as}", as, "{new}", name+"-new", "{hex}", strings.TrimPrefix(trace, "tr-"))
}

func traceBody(trace, exp string) string {
	return `{"trace": {"trace_info": {"trace_id": "` + trace + `", "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "` + exp + `"}}, "request_time": "2026-01-02T03:04:05Z", "state": "OK"}}}`
}

func assessment(trace string) string {
	return `{"assessment": {"assessment_name": "good", "trace_id": "` + trace + `", "source": {"source_type": "HUMAN", "source_id": "x"}, "feedback": {"value": true}}}`
}

// nothing names things that do not exist.
var nothing = strings.NewReplacer("{exp}", "4711", "{run}", strings.Repeat("0", 32), "{lm}", "m-"+strings.Repeat("0", 32), "{trace}", "tr-"+strings.Repeat("9", 32), "{name}", "elsewhere", "{as}", "a-1", "{new}", "elsewhere-new", "{hex}", strings.Repeat("9", 32))

const span = `{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "{hex}", "spanId": "00f067aa0ba902b7", "name": "s", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}]}]}]}`

// requests has one for each call that concerns something.
var requests = map[string]string{ // call → path after the root, a blank, and the body
	"POST experiments/create":                `experiments/create {"name": "{new}"}`,
	"GET experiments/get":                    `experiments/get?experiment_id={exp}`,
	"GET experiments/get-by-name":            `experiments/get-by-name?experiment_name={name}`,
	"POST experiments/update":                `experiments/update {"experiment_id": "{exp}", "new_name": "{new}"}`,
	"POST experiments/delete":                `experiments/delete {"experiment_id": "{exp}"}`,
	"POST experiments/restore":               `experiments/restore {"experiment_id": "{exp}"}`,
	"POST experiments/set-experiment-tag":    `experiments/set-experiment-tag {"experiment_id": "{exp}", "key": "k", "value": "v"}`,
	"POST experiments/delete-experiment-tag": `experiments/delete-experiment-tag {"experiment_id": "{exp}", "key": "t"}`,
	"POST experiments/search-datasets":       `experiments/search-datasets {"experiment_ids": ["{exp}"]}`,

	"POST runs/create":                      `runs/create {"experiment_id": "{exp}"}`,
	"POST runs/update":                      `runs/update {"run_id": "{run}", "run_name": "n"}`,
	"GET runs/get":                          `runs/get?run_id={run}`,
	"POST runs/delete":                      `runs/delete {"run_id": "{run}"}`,
	"POST runs/restore":                     `runs/restore {"run_id": "{run}"}`,
	"POST runs/search":                      `runs/search {"experiment_ids": ["{exp}"]}`,
	"POST runs/set-tag":                     `runs/set-tag {"run_uuid": "{run}", "key": "k", "value": "v"}`,
	"POST runs/delete-tag":                  `runs/delete-tag {"run_id": "{run}", "key": "t"}`,
	"POST runs/log-inputs":                  `runs/log-inputs {"run_id": "{run}", "models": [{"model_id": "{lm}"}]}`,
	"POST runs/outputs":                     `runs/outputs {"run_id": "{run}", "models": [{"model_id": "{lm}", "step": 0}]}`,
	"POST runs/log-model":                   `runs/log-model {"run_id": "{run}", "model_json": "{\"artifact_path\": \"m\", \"flavors\": {}, \"utc_time_created\": \"x\", \"run_id\": \"{run}\"}"}`,
	"POST runs/log-metric":                  `runs/log-metric {"run_id": "{run}", "key": "k", "value": 1, "timestamp": 1}`,
	"POST runs/log-parameter":               `runs/log-parameter {"run_id": "{run}", "key": "k", "value": "1"}`,
	"POST runs/log-batch":                   `runs/log-batch {"run_id": "{run}", "params": [{"key": "k", "value": "1"}]}`,
	"GET metrics/get-history":               `metrics/get-history?run_id={run}&metric_key=m`,
	"GET metrics/get-history-bulk":          `metrics/get-history-bulk?run_id={run}&metric_key=m`,
	"GET metrics/get-history-bulk-interval": `metrics/get-history-bulk-interval?run_ids={run}&metric_key=m`,
	"GET artifacts/list":                    `artifacts/list?run_id={run}`,
	"GET /get-artifact":                     `/get-artifact?run_id={run}&path=f.txt`,
	"GET get-artifact":                      `/ajax-api/2.0/mlflow/get-artifact?run_uuid={run}&path=f.txt`,

	"POST logged-models":                                 `logged-models {"experiment_id": "{exp}"}`,
	"POST logged-models/search":                          `logged-models/search {"experiment_ids": ["{exp}"]}`,
	"GET logged-models/{model_id}":                       `logged-models/{lm}`,
	"PATCH logged-models/{model_id}":                     `logged-models/{lm} {"status": "LOGGED_MODEL_READY"}`,
	"DELETE logged-models/{model_id}":                    `logged-models/{lm} {}`,
	"PATCH logged-models/{model_id}/tags":                `logged-models/{lm}/tags {"tags": [{"key": "k", "value": "v"}]}`,
	"DELETE logged-models/{model_id}/tags/{tag_key}":     `logged-models/{lm}/tags/t {}`,
	"POST logged-models/{model_id}/params":               `logged-models/{lm}/params {"params": [{"key": "k", "value": "v"}]}`,
	"GET logged-models/{model_id}/artifacts/directories": `logged-models/{lm}/artifacts/directories`,
	"GET logged-models/{model_id}/artifacts/files":       `/ajax-api/2.0/mlflow/logged-models/{lm}/artifacts/files?artifact_file_path=MLmodel`,

	"POST registered-models/create":              `registered-models/create {"name": "{new}"}`,
	"GET registered-models/get":                  `registered-models/get?name={name}`,
	"POST registered-models/rename":              `registered-models/rename {"name": "{name}", "new_name": "{new}"}`,
	"PATCH registered-models/update":             `registered-models/update {"name": "{name}", "description": "d"}`,
	"DELETE registered-models/delete":            `registered-models/delete {"name": "{name}"}`,
	"GET registered-models/get-latest-versions":  `registered-models/get-latest-versions?name={name}`,
	"POST registered-models/get-latest-versions": `registered-models/get-latest-versions {"name": "{name}"}`,
	"POST registered-models/set-tag":             `registered-models/set-tag {"name": "{name}", "key": "k", "value": "v"}`,
	"DELETE registered-models/delete-tag":        `registered-models/delete-tag {"name": "{name}", "key": "t"}`,
	"POST registered-models/alias":               `registered-models/alias {"name": "{name}", "alias": "b", "version": "1"}`,
	"DELETE registered-models/alias":             `registered-models/alias {"name": "{name}", "alias": "a"}`,
	"GET registered-models/alias":                `registered-models/alias?name={name}&alias=a`,

	"POST model-versions/create":           `model-versions/create {"name": "{name}", "source": "runs:/{run}/", "run_id": "{run}"}`,
	"GET model-versions/get":               `model-versions/get?name={name}&version=1`,
	"PATCH model-versions/update":          `model-versions/update {"name": "{name}", "version": "1", "description": "d"}`,
	"POST model-versions/transition-stage": `model-versions/transition-stage {"name": "{name}", "version": "1", "stage": "Staging"}`,
	"DELETE model-versions/delete":         `model-versions/delete {"name": "{name}", "version": "1"}`,
	"GET model-versions/get-download-uri":  `model-versions/get-download-uri?name={name}&version=1`,
	"POST model-versions/set-tag":          `model-versions/set-tag {"name": "{name}", "version": "1", "key": "k", "value": "v"}`,
	"DELETE model-versions/delete-tag":     `model-versions/delete-tag {"name": "{name}", "version": "1", "key": "t"}`,
	"GET /model-versions/get-artifact":     `/model-versions/get-artifact?name={name}&version=1&path=f.txt`,

	"GET /api/lineage/model-versions/{name}/{version}": `/api/lineage/model-versions/{name}/1`,

	"POST traces":                                          `traces ` + traceBody("{trace}", "{exp}"),
	"GET traces/{trace_id}":                                `traces/{trace}`,
	"GET traces/get":                                       `traces/get?trace_id={trace}`,
	"POST traces/search":                                   `traces/search {"locations": [{"mlflow_experiment": {"experiment_id": "{exp}"}}]}`,
	"PATCH traces/{trace_id}/tags":                         `traces/{trace}/tags {"key": "k", "value": "v"}`,
	"DELETE traces/{trace_id}/tags":                        `traces/{trace}/tags {"key": "t"}`,
	"POST traces/delete-traces":                            `traces/delete-traces {"experiment_id": "{exp}", "request_ids": ["{trace}"]}`,
	"POST traces/link-to-run":                              `traces/link-to-run {"trace_ids": ["{trace}"], "run_id": "{run}"}`,
	"POST traces/link-prompts":                             `traces/link-prompts {"trace_id": "{trace}", "prompt_versions": [{"name": "{name}", "version": "1"}]}`,
	"POST traces/{trace_id}/assessments":                   `traces/{trace}/assessments ` + assessment("{trace}"),
	"GET traces/{trace_id}/assessments/{assessment_id}":    `traces/{trace}/assessments/{as}`,
	"PATCH traces/{trace_id}/assessments/{assessment_id}":  `traces/{trace}/assessments/{as} {"assessment": {"assessment_id": "{as}", "assessment_name": "bad"}, "update_mask": "assessment_name"}`,
	"DELETE traces/{trace_id}/assessments/{assessment_id}": `traces/{trace}/assessments/{as} {}`,
	"POST /v1/traces":                                      `/v1/traces ` + span,
}

// elsewhere has the calls that other tests cover.
var elsewhere = []string{"GET experiments/search", "POST experiments/search", "GET registered-models/search", "GET model-versions/search", "GET traces/batchGet", "POST traces/batchGetInfos",
	"POST webhooks", "GET webhooks", "GET webhooks/{webhook_id}", "PATCH webhooks/{webhook_id}", "DELETE webhooks/{webhook_id}", "POST webhooks/{webhook_id}/test", "POST /api/registry/gc",
	"GET /api/lineage/datasets", "GET /api/lineage/datasets/{digest}"}

// TestEveryCallIsScoped: a new call needs a row that keeps it within projects.
func TestEveryCallIsScoped(t *testing.T) {
	registered, scoped := mlflow.Calls()
	for _, call := range registered {
		if !slices.Contains(scoped, call) {
			t.Errorf("%s has no row in scopes (scope.go): keys of single projects are refused there", call)
		}
		if requests[call] == "" && !slices.Contains(elsewhere, call) {
			t.Errorf("%s has no request in this test", call)
		}
	}
	for _, call := range scoped {
		if !slices.Contains(registered, call) {
			t.Errorf("scopes has a row for %s, which does not exist", call)
		}
	}
}

// TestKeysOfProjects sends each call three times as the key of project wine:
// about something of wine, of iris, and about something that does not exist.
func TestKeysOfProjects(t *testing.T) {
	l := newLab(t)
	for call, request := range requests {
		send := func(who string, r *strings.Replacer, status int) string {
			path, body, _ := strings.Cut(request, " ")
			method, _, _ := strings.Cut(call, " ")
			if path[0] != '/' {
				path = "/api/2.0/mlflow/" + path
			}
			headers := []string{}
			if call == "POST /v1/traces" {
				headers = append(headers, "X-MLflow-Experiment-Id", r.Replace("{exp}"), "Content-Type", "application/json")
			}
			return l.want(status, who, method, r.Replace(path), r.Replace(body), headers...)
		}
		own := l.things("wine")
		status := 200
		if call == "POST experiments/restore" {
			status = 404 // it is not deleted, says the handler
		}
		send("ada", own, status)
		foreign := l.things("iris")
		answer := send("ada", foreign, 403)
		if !strings.Contains(answer, "ada is limited to project wine") || !strings.Contains(answer, "PERMISSION_DENIED") {
			t.Errorf("%s: %s", call, answer)
		}
		same := func(s string, r *strings.Replacer) string {
			for _, p := range []string{"{lm}", "{trace}", "{run}", "{new}", "{name}"} {
				s = strings.ReplaceAll(s, r.Replace(p), p)
			}
			return strings.ReplaceAll(s, r.Replace("experiment {exp} "), "")
		}
		if none := send("ada", nothing, 403); same(none, nothing) != same(answer, foreign) {
			t.Errorf("%s tells what exists from what does not:\n%s\n%s", call, answer, none)
		}
		send("max", l.things("iris"), status)
		if !strings.HasPrefix(call, "GET") && !strings.Contains(call, "search") && !strings.Contains(call, "get-latest") {
			send("eve", l.things("wine"), 403) // a reader, whatever the project
		}
	}
}

// TestSearchesOfProjects: pages are full and show nothing of others.
func TestSearchesOfProjects(t *testing.T) {
	l := newLab(t)
	for range 3 {
		l.things("iris")
		l.things("wine")
		l.things("wine-2")
	}
	for _, q := range []struct{ path, list, name string }{{"experiments/search", "experiments", "name"}, {"registered-models/search", "registered_models", "name"}, {"model-versions/search", "model_versions", "name"}} {
		var names []string
		token, pages := "", 0
		for {
			var v map[string]json.RawMessage
			if err := json.Unmarshal([]byte(l.want(200, "ada", "GET", "/api/2.0/mlflow/"+q.path+"?max_results=2&page_token="+token, "")), &v); err != nil {
				t.Fatal(err)
			}
			var list []map[string]any
			_ = json.Unmarshal(v[q.list], &list)
			for _, e := range list {
				names = append(names, fmt.Sprint(e[q.name]))
			}
			pages++
			token = ""
			_ = json.Unmarshal(v["next_page_token"], &token)
			if token == "" {
				break
			}
		}
		slices.Sort(names)
		if pages != 2 || len(names) != 3 || slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, "wine.") }) {
			t.Errorf("%s: %d pages with %v", q.path, pages, names)
		}
	}
	own, foreign := l.things("wine"), l.things("iris")
	answer := l.want(200, "ada", "POST", "/api/2.0/mlflow/experiments/search", `{"filter": "name LIKE '%'"}`)
	if strings.Contains(answer, "iris") || strings.Contains(answer, "Default") || !strings.Contains(answer, own.Replace("{name}")) {
		t.Error(answer)
	}
	ids := own.Replace(`"{trace}"`) + ", " + foreign.Replace(`"{trace}"`) + ", " + nothing.Replace(`"{trace}"`)
	for _, answer := range []string{
		l.want(200, "ada", "POST", "/api/2.0/mlflow/traces/batchGetInfos", `{"trace_ids": [`+ids+`]}`),
		l.want(200, "ada", "GET", "/api/2.0/mlflow/traces/batchGet?trace_ids="+own.Replace("{trace}")+"&trace_ids="+foreign.Replace("{trace}"), ""),
	} {
		if !strings.Contains(answer, own.Replace("{trace}")) || strings.Contains(answer, foreign.Replace("{trace}")) {
			t.Error(answer)
		}
	}
	// One thing of others among many is refused.
	for path, body := range map[string]string{
		"runs/search": `{"experiment_ids": ["` + own.Replace("{exp}") + `", "` + foreign.Replace("{exp}") + `"]}`, "logged-models/search": `{"experiment_ids": ["` + own.Replace("{exp}") + `", "0"]}`,
		"runs/log-batch":  `{"run_id": "` + own.Replace("{run}") + `", "metrics": [{"key": "a", "value": 1, "timestamp": 1}, {"key": "a", "value": 1, "timestamp": 1, "model_id": "` + foreign.Replace("{lm}") + `"}]}`,
		"runs/log-metric": `{"run_id": "` + own.Replace("{run}") + `", "key": "a", "value": 1, "timestamp": 1, "model_id": "` + foreign.Replace("{lm}") + `"}`,
		"runs/log-inputs": `{"run_id": "` + own.Replace("{run}") + `", "models": [{"model_id": "` + foreign.Replace("{lm}") + `"}]}`,
		"runs/set-tag":    `{"run_id": "` + own.Replace("{run}") + `", "run_uuid": "` + foreign.Replace("{run}") + `", "key": "k"}`,
		"logged-models":   `{"experiment_id": "` + own.Replace("{exp}") + `", "source_run_id": "` + foreign.Replace("{run}") + `"}`,
		"runs/create":     `{}`, // the experiment Default
	} {
		l.want(403, "ada", "POST", "/api/2.0/mlflow/"+path, body)
	}
	// None at all is what MLflow answers.
	l.want(200, "ada", "POST", "/api/2.0/mlflow/runs/search", `{}`)
}

// TestNothingMovesAcross: names are checked on both ends, and so are sources.
func TestNothingMovesAcross(t *testing.T) {
	l := newLab(t)
	own, foreign := l.things("wine"), l.things("iris")
	for path, body := range map[string]string{
		"experiments/update":       `{"experiment_id": "` + own.Replace("{exp}") + `", "new_name": "iris.stolen"}`,
		"experiments/create":       `{"name": "wine.x", "artifact_location": "mlflow-artifacts:/` + foreign.Replace("{exp}") + `"}`,
		"registered-models/rename": `{"name": "` + own.Replace("{name}") + `", "new_name": "iris.stolen"}`,
		"registered-models/create": `{"name": "wine-2"}`,
	} {
		if answer := l.want(403, "ada", "POST", "/api/2.0/mlflow/"+path, body); !strings.Contains(answer, "expected wine, or a name that begins with wine.") && !strings.Contains(answer, "leave artifact_location out") {
			t.Errorf("%s: %s", path, answer)
		}
	}
	for _, body := range []string{
		`"source": "runs:/` + foreign.Replace("{run}") + `/", "run_id": "` + foreign.Replace("{run}") + `"`,
		`"source": "models:/` + foreign.Replace("{name}") + `/1"`,
		`"source": "models:/` + foreign.Replace("{name}") + `@a"`,
		`"source": "models:/` + foreign.Replace("{lm}") + `", "model_id": "` + foreign.Replace("{lm}") + `"`,
		`"source": "mlflow-artifacts:/` + foreign.Replace("{exp}/{run}/artifacts") + `", "run_id": "` + foreign.Replace("{run}") + `"`,
	} {
		l.want(403, "ada", "POST", "/api/2.0/mlflow/model-versions/create", `{"name": "`+own.Replace("{name}")+`", `+body+`}`)
	}
	l.want(400, "ada", "POST", "/api/2.0/mlflow/model-versions/create", `{"name": "`+own.Replace("{name}")+`", "source": "mlflow-artifacts:/`+foreign.Replace("{exp}/{run}/artifacts")+`"}`)
	l.want(200, "ada", "POST", "/api/2.0/mlflow/model-versions/create", `{"name": "`+own.Replace("{name}")+`", "source": "models:/`+own.Replace("{name}")+`@a"}`)
	// Traces of others take no spans, and are not begun again elsewhere.
	l.want(403, "ada", "POST", "/v1/traces", foreign.Replace(span), "X-MLflow-Experiment-Id", own.Replace("{exp}"), "Content-Type", "application/json")
	l.want(403, "ada", "POST", "/v1/traces", own.Replace(span), "X-MLflow-Experiment-Id", own.Replace("{exp}"), "X-MLflow-Run-Id", foreign.Replace("{run}"), "Content-Type", "application/json")
	l.want(403, "ada", "POST", "/api/2.0/mlflow/traces", traceBody(foreign.Replace("{trace}"), own.Replace("{exp}")))
	l.want(200, "ada", "POST", "/api/2.0/mlflow/traces", traceBody("tr-new", own.Replace("{exp}")))
}

// TestRegisteredFromElsewhere: registering a run of another experiment in a
// model of the project lets the project read that run.
func TestRegisteredFromElsewhere(t *testing.T) {
	l := newLab(t)
	own, foreign, hidden := l.things("wine"), l.things("iris"), l.things("iris")
	l.post("model-versions/create", `{"name": "`+own.Replace("{name}")+`", "source": "runs:/`+foreign.Replace("{run}")+`/", "run_id": "`+foreign.Replace("{run}")+`"}`)
	l.post("registered-models/create", `{"name": "iris.other-made-of-it"}`)
	l.post("model-versions/create", `{"name": "iris.other-made-of-it", "source": "runs:/`+foreign.Replace("{run}")+`/", "run_id": "`+foreign.Replace("{run}")+`"}`)
	for _, who := range []string{"ada", "eve"} {
		for _, path := range []string{"/api/2.0/mlflow/runs/get?run_id={run}", "/api/2.0/mlflow/artifacts/list?run_id={run}", "/get-artifact?run_id={run}&path=f.txt",
			"/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/f.txt", "/api/2.0/mlflow-artifacts/artifacts?path={exp}/{run}/artifacts"} {
			l.want(200, who, "GET", foreign.Replace(path), "")
			l.want(403, who, "GET", hidden.Replace(path), "")
		}
	}
	answer := l.want(200, "ada", "GET", own.Replace("/api/lineage/model-versions/{name}/2"), "")
	if !strings.Contains(answer, foreign.Replace("{run}")) || strings.Contains(answer, "other-made-of-it") {
		t.Error(answer)
	}
	l.want(403, "ada", "POST", "/api/2.0/mlflow/runs/set-tag", foreign.Replace(`{"run_id": "{run}", "key": "k", "value": "v"}`))
	l.want(403, "ada", "PUT", foreign.Replace("/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/f.txt"), "x")
	l.want(403, "ada", "POST", "/api/2.0/mlflow/runs/search", foreign.Replace(`{"experiment_ids": ["{exp}"]}`))
	l.want(403, "ada", "GET", foreign.Replace("/api/2.0/mlflow-artifacts/artifacts/{exp}/models/{lm}/artifacts/MLmodel"), "")
}

// TestLoggedModelsFromElsewhere: a registered run shows the models that it has
// logged, a search finds these, and nothing else of their experiment.
func TestLoggedModelsFromElsewhere(t *testing.T) {
	l := newLab(t)
	own, foreign, hidden := l.things("wine"), l.things("iris"), l.things("iris")
	logged := l.post("logged-models", foreign.Replace(`{"experiment_id": "{exp}", "source_run_id": "{run}"}`), "model", "info", "model_id")
	at := foreign.Replace("{exp}/models/" + logged + "/artifacts")
	l.want(200, "admin", "PUT", "/api/2.0/mlflow-artifacts/artifacts/"+at+"/MLmodel", "model")
	search := func(things *strings.Replacer) string {
		return things.Replace(`{"experiment_ids": ["` + own.Replace("{exp}") + `", "{exp}"]}`)
	}
	l.want(403, "eve", "POST", "/api/2.0/mlflow/logged-models/search", search(foreign))
	l.want(403, "eve", "GET", "/api/2.0/mlflow/logged-models/"+logged, "")
	l.post("model-versions/create", foreign.Replace(`{"name": "`+own.Replace("{name}")+`", "source": "runs:/{run}/model", "run_id": "{run}"}`))
	for _, who := range []string{"ada", "eve"} {
		answer := l.want(200, who, "POST", "/api/2.0/mlflow/logged-models/search", search(foreign))
		if !strings.Contains(answer, logged) || !strings.Contains(answer, own.Replace("{lm}")) || strings.Contains(answer, foreign.Replace("{lm}")) {
			t.Error(answer)
		}
		l.want(403, who, "POST", "/api/2.0/mlflow/logged-models/search", search(hidden))
		l.want(403, who, "POST", "/api/2.0/mlflow/logged-models/search", `{"experiment_ids": ["x"]}`)
		for path, status := range map[string]int{"logged-models/" + logged: 200, "logged-models/" + foreign.Replace("{lm}"): 403, "experiments/get?experiment_id=" + foreign.Replace("{exp}"): 403} {
			l.want(status, who, "GET", "/api/2.0/mlflow/"+path, "")
		}
		l.want(200, who, "GET", "/api/2.0/mlflow-artifacts/artifacts?path="+at, "")
		l.want(200, who, "GET", "/api/2.0/mlflow-artifacts/artifacts/"+at+"/MLmodel", "")
	}
	l.want(403, "ada", "PATCH", "/api/2.0/mlflow/logged-models/"+logged+"/tags", `{"tags": [{"key": "k", "value": "v"}]}`)
	if answer := l.want(200, "admin", "POST", "/api/2.0/mlflow/logged-models/search", search(hidden)); !strings.Contains(answer, hidden.Replace("{lm}")) {
		t.Error(answer)
	}
}

// TestVersionsOutliveTheirRuns: the project still reads what its version keeps
// of a run that was removed for good, and hears that the run is gone.
func TestVersionsOutliveTheirRuns(t *testing.T) {
	l := newLab(t)
	own, foreign, hidden := l.things("wine"), l.things("iris"), l.things("iris")
	l.post("model-versions/create", foreign.Replace(`{"name": "`+own.Replace("{name}")+`", "source": "mlflow-artifacts:/{exp}/{run}/artifacts", "run_id": "{run}"}`))
	for _, things := range []*strings.Replacer{own, foreign, hidden} {
		l.post("experiments/delete", things.Replace(`{"experiment_id": "{exp}"}`))
	}
	l.want(200, "admin", "POST", "/api/registry/gc?older_than=0s", "")
	for _, who := range []string{"ada", "eve"} {
		for _, things := range []*strings.Replacer{own, foreign} {
			l.want(404, who, "GET", things.Replace("/api/2.0/mlflow/runs/get?run_id={run}"), "")
			l.want(200, who, "GET", things.Replace("/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/f.txt"), "")
			l.want(403, who, "PUT", things.Replace("/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/f.txt"), "x")
		}
		l.want(403, who, "GET", hidden.Replace("/api/2.0/mlflow/runs/get?run_id={run}"), "")
		l.want(403, who, "GET", hidden.Replace("/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/f.txt"), "")
		l.want(403, who, "GET", foreign.Replace("/api/2.0/mlflow-artifacts/artifacts?path={exp}"), "")
	}
	l.want(403, "ada", "POST", "/api/2.0/mlflow/runs/set-tag", own.Replace(`{"run_id": "{run}", "key": "k", "value": "v"}`))
}

// TestArtifactsOfProjects is about the paths of the artifact proxy.
func TestArtifactsOfProjects(t *testing.T) {
	l := newLab(t)
	own, foreign := l.things("wine"), l.things("iris")
	nested := l.post("experiments/create", `{"name": "iris.nested", "artifact_location": "mlflow-artifacts:/`+own.Replace("{exp}")+`/inside"}`, "experiment_id")
	run := l.post("runs/create", `{"experiment_id": "`+nested+`"}`, "run", "info", "run_id")
	const at = "/api/2.0/mlflow-artifacts/artifacts/"
	l.want(200, "admin", "PUT", own.Replace(at+"{exp}/inside/"+run+"/artifacts/f"), "secret")
	for path, status := range map[string]int{
		own.Replace("{exp}/{run}/artifacts/f.txt"): 200, own.Replace("{exp}/models/{lm}/artifacts/MLmodel"): 200,
		foreign.Replace("{exp}/{run}/artifacts/f.txt"): 403, own.Replace("{exp}/inside/" + run + "/artifacts/f"): 403,
		own.Replace("{exp}%2f..%2f") + foreign.Replace("{exp}/{run}/artifacts/f.txt"): 400, own.Replace("0{exp}/{run}/artifacts/f.txt"): 403,
		own.Replace("{exp}0/x"): 403, "x": 403, "4711/x": 403,
	} {
		l.want(status, "ada", "GET", at+path, "")
		if status == 403 {
			l.want(403, "ada", "PUT", at+path, "x")
			l.want(403, "ada", "DELETE", at+path, "")
			dir, file := filepath.Split(path)
			for _, action := range []string{"create", "complete", "abort"} {
				l.want(403, "ada", "POST", "/api/2.0/mlflow-artifacts/mpu/"+action+"/"+strings.TrimSuffix(dir, "/"), `{"path": "`+file+`", "num_parts": 1, "upload_id": "u", "parts": [{"part_number": 1, "etag": "e"}]}`)
			}
		}
	}
	for path, status := range map[string]int{"": 403, own.Replace("{exp}"): 403 /* the nested one lies below */, own.Replace("{exp}/{run}"): 200, foreign.Replace("{exp}"): 403} {
		l.want(status, "ada", "GET", "/api/2.0/mlflow-artifacts/artifacts?path="+path, "")
	}
	l.want(403, "ada", "DELETE", own.Replace(at+"{exp}"), "")
	l.want(200, "ada", "PUT", own.Replace(at+"{exp}/{run}/artifacts/new"), "x")
	l.want(200, "ada", "DELETE", own.Replace(at+"{exp}/{run}/artifacts"), "")
	l.want(403, "eve", "PUT", own.Replace(at+"{exp}/{run}/artifacts/new"), "x")
}

// TestWholeLab: calls about all projects are refused, with that reason.
func TestWholeLab(t *testing.T) {
	l := newLab(t)
	for _, c := range [][2]string{{"GET", "/api/2.0/mlflow/webhooks"}, {"POST", "/api/2.0/mlflow/webhooks"}, {"GET", "/api/2.0/mlflow/webhooks/x"}, {"PATCH", "/api/2.0/mlflow/webhooks/x"}, {"DELETE", "/api/2.0/mlflow/webhooks/x"},
		{"POST", "/api/2.0/mlflow/webhooks/x/test"}, {"POST", "/api/registry/gc"}, {"GET", "/api/2.0/mlflow/brand-new"}, {"GET", "/api/lineage/datasets"}, {"GET", "/api/lineage/datasets/x"}} {
		body := ""
		if c[0] != "GET" {
			body = `{"name": "w", "url": "http://example.org", "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}]}`
		}
		if answer := l.want(403, "ada", c[0], c[1], body); !strings.Contains(answer, "use a key without projects") {
			t.Errorf("%v: %s", c, answer)
		}
	}
	l.want(200, "admin", "GET", "/api/2.0/mlflow/brand-new", "")
	l.want(200, "ada", "GET", "/api/3.0/mlflow/server-info", "")
	l.want(404, "ada", "GET", "/api/2.0/mlflow/none", "")
}
