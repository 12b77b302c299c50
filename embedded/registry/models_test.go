package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// serves is one deployment of each version of m that is asked about.
type serves []mlops.Deployment

func (s serves) Deployments(context.Context) ([]mlops.Deployment, error) { return s, nil }

// TestPageAndAPIAgree asks the API and the functions that pages use the same.
func TestPageAndAPIAgree(t *testing.T) {
	a := newAPI(t, nil, false)
	run := a.want(200, "POST", "/api/2.0/mlflow/runs/create", `{"experiment_id": "0", "tags": [{"key": "mlflow.source.git.commit", "value": "c0ffee"}]}`)["run"].(map[string]any)["info"].(map[string]any)["run_id"].(string)
	a.want(200, "POST", "/api/2.0/mlflow/runs/log-inputs", fmt.Sprintf(`{"run_id": %q, "datasets": [{"dataset": {"name": "d", "digest": "1234", "source_type": "http", "source": "{}"}}]}`, run))
	a.want(200, "POST", "/api/2.0/mlflow/registered-models/create", `{"name": "m"}`)
	a.want(200, "POST", "/api/2.0/mlflow/model-versions/create", fmt.Sprintf(`{"name": "m", "source": "s3://b/m", "run_id": %q}`, run))
	now := serves{{Name: "one", Model: "m", Version: "1"}, {Name: "two", Model: "m", Version: "2"}}
	a.store.Lineage.SetDeployments(now)

	version, lineage, err := a.store.Lineage.LineageOf(t.Context(), "m", 1, now)
	if err != nil || version.RunID != run {
		t.Fatalf("%+v, %v", version, err)
	}
	raw, err := json.Marshal(lineage)
	if err != nil {
		t.Fatal(err)
	}
	var page map[string]any
	if err := json.Unmarshal(raw, &page); err != nil {
		t.Fatal(err)
	}
	api := a.want(200, "GET", "/api/lineage/model-versions/m/1", "")
	if got := api["model_version"].(map[string]any)["version"]; got != "1" {
		t.Errorf("version %v", got)
	}
	delete(api, "model_version")
	if fmt.Sprint(api) != fmt.Sprint(page) || len(page["datasets"].([]any)) != 1 || len(page["deployments"].([]any)) != 1 || page["code"].(map[string]any)["git_commit"] != "c0ffee" {
		t.Errorf("the API answers %v, the page reads %v", api, page)
	}
	if v := a.want(404, "GET", "/api/lineage/model-versions/m/2", ""); v["error_code"] != "RESOURCE_DOES_NOT_EXIST" {
		t.Errorf("no version: %v", v)
	}
	a.want(400, "GET", "/api/lineage/model-versions/m/two", "")
}

// TestAliasesTellWebhooks changes aliases as pages do and as clients do:
// webhooks must hear of both, and clients see both.
func TestAliasesTellWebhooks(t *testing.T) {
	heard := make(chan map[string]any, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v map[string]any
		if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
			t.Error(err)
		}
		heard <- v
	}))
	defer receiver.Close()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), Options{WebhookAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	srv := httptest.NewServer(NewHandler(s, nil, nil))
	defer srv.Close()
	a := &api{t, srv.URL, s, ""}
	const at = "/api/2.0/mlflow/registered-models/"
	a.want(200, "POST", at+"create", `{"name": "m"}`)
	a.want(200, "POST", "/api/2.0/mlflow/model-versions/create", `{"name": "m", "source": "s3://b/m"}`)
	a.want(200, "POST", "/api/2.0/mlflow/webhooks", fmt.Sprintf(`{"name": "w", "url": %q, "events": [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}, {"entity": "MODEL_VERSION_ALIAS", "action": "DELETED"}]}`, receiver.URL))
	for _, c := range []struct {
		name   string
		change func() error
		action string
		data   string
	}{
		{"page sets", func() error { return s.Models.SetAlias(t.Context(), "m", "champion", "1") }, "created", "map[alias:champion name:m version:1]"},
		{"client removes", func() error { a.want(200, "DELETE", at+"alias", `{"name": "m", "alias": "champion"}`); return nil }, "deleted", "map[alias:champion name:m]"},
		{"client sets", func() error {
			a.want(200, "POST", at+"alias", `{"name": "m", "alias": "x", "version": "1"}`)
			return nil
		}, "created", "map[alias:x name:m version:1]"},
		{"page removes", func() error { return s.Models.DeleteAlias(t.Context(), "m", "x") }, "deleted", "map[alias:x name:m]"},
	} {
		if err := c.change(); err != nil {
			t.Fatal(c.name, err)
		}
		status := 200
		if c.action == "deleted" {
			status = 400 // as MLflow answers
		}
		alias := map[bool]string{true: "champion", false: "x"}[c.name == "page sets" || c.name == "client removes"]
		a.want(status, "GET", at+"alias?name=m&alias="+alias, "")
		select {
		case got := <-heard:
			if got["entity"] != "model_version_alias" || got["action"] != c.action || fmt.Sprint(got["data"]) != c.data {
				t.Errorf("%s: webhooks hear %v", c.name, got)
			}
		case <-time.After(time.Minute):
			t.Fatal(c.name, ": no webhook was told")
		}
	}
	// A refused change is told to nobody.
	for want, err := range map[mlops.Code]error{mlops.Invalid: s.Models.SetAlias(t.Context(), "m", "latest", "1"), mlops.NotFound: s.Models.SetAlias(t.Context(), "m", "good", "7")} {
		if mlops.CodeOf(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := s.Models.DeleteAlias(t.Context(), "none", "good"); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("got %v", err)
	}
	select {
	case got := <-heard:
		t.Errorf("webhooks hear %v", got)
	case <-time.After(100 * time.Millisecond):
	}
}
