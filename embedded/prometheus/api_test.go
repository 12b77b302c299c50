package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// serve mounts the unit's handler as the appliance does.
func serve(t *testing.T, u *Unit) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", u.Handler())
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL + prefix
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestRealClientLibrary(t *testing.T) {
	t.Parallel()
	addr := page(t, func() string {
		return "# HELP fruit Pieces of fruit.\n# TYPE fruit gauge\nfruit{kind=\"apple\"} 3\nfruit{kind=\"pear\"} 4\n"
	})
	u := run(t, Config{Targets: []Target{{Job: "shop", Address: addr}}, RetentionTime: 48 * time.Hour, RetentionBytes: 100 << 20, Domain: "lab.internal"})
	becomes(t, u.Unit, "count(fruit)", 2)
	becomes(t, u.Unit, `up{job="benchtop"}`, 1)
	begin := time.Now()
	client, err := api.NewClient(api.Config{Address: serve(t, u.Unit)})
	if err != nil {
		t.Fatal(err)
	}
	v1, ctx := apiv1.NewAPI(client), context.Background()

	val, _, err := v1.Query(ctx, `sum(fruit)`, time.Now())
	if vec, ok := val.(model.Vector); err != nil || !ok || len(vec) != 1 || vec[0].Value != 7 {
		t.Errorf("query: %v, %v", val, err)
	}
	val, _, err = v1.QueryRange(ctx, `fruit{kind="pear"}`, apiv1.Range{Start: begin.Add(-time.Minute), End: begin, Step: time.Second})
	if m, ok := val.(model.Matrix); err != nil || !ok || len(m) != 1 || m[0].Values[len(m[0].Values)-1].Value != 4 {
		t.Errorf("query_range: %v, %v", val, err)
	}
	series, _, err := v1.Series(ctx, []string{"fruit"}, begin.Add(-time.Minute), begin)
	if err != nil || len(series) != 2 || series[0]["job"] != "shop" || series[0]["instance"] != "shop" {
		t.Errorf("series: %v, %v", series, err)
	}
	names, _, err := v1.LabelNames(ctx, []string{"fruit"}, begin.Add(-time.Minute), begin)
	if err != nil || fmt.Sprint(names) != "[__name__ instance job kind]" {
		t.Errorf("labels: %v, %v", names, err)
	}
	values, _, err := v1.LabelValues(ctx, "kind", nil, begin.Add(-time.Minute), begin)
	if err != nil || fmt.Sprint(values) != "[apple pear]" {
		t.Errorf("label values: %v, %v", values, err)
	}
	targets, err := v1.Targets(ctx)
	if err != nil {
		t.Errorf("targets: %v", err)
	}
	jobs := map[model.LabelValue]apiv1.HealthStatus{}
	for _, a := range targets.Active {
		jobs[a.Labels["job"]] = a.Health
		if a.LastError != "" {
			t.Errorf("target %s: %s", a.ScrapeURL, a.LastError)
		}
	}
	if len(jobs) != 2 || jobs["shop"] != apiv1.HealthGood || jobs["benchtop"] != apiv1.HealthGood {
		t.Errorf("targets: %v", jobs)
	}
	rules, err := v1.Rules(ctx)
	if err != nil || len(rules.Groups) != 3 || rules.Groups[0].Name != "appliance" && rules.Groups[0].Name != "deployments" && rules.Groups[0].Name != "gpu" {
		t.Errorf("rules: %+v, %v", rules, err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if a, ok := r.(apiv1.AlertingRule); ok && a.Health == apiv1.RuleHealthBad {
				t.Errorf("rule %s: %s", a.Name, a.LastError)
			}
		}
	}
	if _, err := v1.Alerts(ctx); err != nil {
		t.Errorf("alerts: %v", err)
	}
	meta, err := v1.Metadata(ctx, "fruit", "1")
	if err != nil || len(meta["fruit"]) != 1 || meta["fruit"][0].Help != "Pieces of fruit." {
		t.Errorf("metadata: %v, %v", meta, err)
	}
	build, err := v1.Buildinfo(ctx)
	if err != nil || build.Version != version {
		t.Errorf("build info: %+v, %v: Grafana wants a version", build, err)
	}
	flags, err := v1.Flags(ctx)
	if err != nil || flags["storage.tsdb.retention.time"] != "2d" || flags["storage.tsdb.retention.size"] != "104857600B" {
		t.Errorf("flags: %v, %v", flags, err)
	}
	stats, err := v1.TSDB(ctx)
	if err != nil || stats.HeadStats.NumSeries < 100 {
		t.Errorf("tsdb: %+v, %v", stats, err)
	}
	if info, err := v1.Runtimeinfo(ctx); err != nil || info.StorageRetention != "2d or 104857600B" {
		t.Errorf("runtime info: %+v, %v", info, err)
	}
	cfg, err := v1.Config(ctx)
	if err != nil || !strings.Contains(cfg.YAML, "job_name: shop") || !strings.Contains(cfg.YAML, "cluster: lab.internal") {
		t.Errorf("config: %v\n%s", err, cfg.YAML)
	}
	if _, err := v1.WalReplay(ctx); err != nil {
		t.Errorf("walreplay: %v", err)
	}
	if _, err := v1.QueryExemplars(ctx, "fruit", begin.Add(-time.Minute), begin); err != nil {
		t.Errorf("exemplars: %v", err)
	}
	for what, err := range map[string]error{
		"delete":   v1.DeleteSeries(ctx, []string{"fruit"}, begin, begin),
		"clean":    v1.CleanTombstones(ctx),
		"snapshot": func() error { _, err := v1.Snapshot(ctx, false); return err }(),
	} {
		if err == nil {
			t.Errorf("%s through the API is possible", what)
		}
	}
	becomes(t, u.Unit, "count(fruit)", 2)
}

func TestPlainPages(t *testing.T) {
	t.Parallel()
	addr := page(t, func() string { return "fruit{kind=\"apple\"} 3\nfruit{kind=\"pear\"} 4\nstone 1\n" })
	u := run(t, Config{Targets: []Target{{Job: "shop", Address: addr}}})
	base := serve(t, u.Unit)
	becomes(t, u.Unit, "count(fruit)", 2)
	for _, tc := range []struct {
		path   string
		status int
		want   string
	}{
		{"/-/healthy", 200, "Healthy"},
		{"/-/ready", 200, "Ready"},
		{"/metrics", 200, "prometheus_tsdb_head_series "},
		{"/api/v1/query?query=up{", 400, `"errorType":"bad_data"`},
		{"/api/v1/nothing", 404, `{"error":"the API has no GET /prometheus/api/v1/nothing","errorType":"not_found","status":"error"}`},
		{"/graph", 404, "is not part of the API"},
		{"/federate", 400, "match[]"},
		{"/federate?match[]=up{", 400, "bad_data"},
		{"/federate?match[]={job=\"nobody\"}", 200, ""},
		{"/federate?match[]=fruit&match[]=fruit{kind=\"pear\"}", 200, "# TYPE fruit untyped\nfruit{instance=\"shop\",job=\"shop\",kind=\"apple\"} 3 "},
	} {
		status, body := get(t, base+strings.ReplaceAll(tc.path, `"`, "%22"))
		if status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s answers %d %s, want %d with %q", tc.path, status, body, tc.status, tc.want)
		}
		if strings.HasPrefix(tc.path, "/federate?match[]=fruit") && (strings.Count(body, "fruit{") != 2 || strings.Contains(body, "stone")) {
			t.Errorf("%s answers\n%s", tc.path, body)
		}
	}
	resp, err := http.Post(base+"/api/v1/targets", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != 405 || resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(string(said), "the API has no POST /prometheus/api/v1/targets") {
		t.Errorf("a wrong method: %s %s %s (%v)", resp.Status, resp.Header.Get("Content-Type"), said, err)
	}
	// A page of another origin may not read, and asking does not break us.
	req, err := http.NewRequest(http.MethodGet, base+"/api/v1/query?query=up", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "http://evil.example")
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %s, allowed %q", resp.Status, resp.Header.Get("Access-Control-Allow-Origin"))
	}

	u.stop()
	status, body := get(t, base+"/api/v1/query?query=up")
	var e struct{ Status, Error string }
	if err := json.Unmarshal([]byte(body), &e); err != nil || status != 503 || e.Status != "error" || !strings.Contains(e.Error, "not ready") {
		t.Errorf("after the stop: %d %s", status, body)
	}
}

func TestHandlerWithoutPrefix(t *testing.T) {
	t.Parallel()
	u := run(t, Config{})
	srv := httptest.NewServer(http.StripPrefix(prefix, u.Handler()))
	defer srv.Close()
	if status, body := get(t, srv.URL+prefix+"/api/v1/status/buildinfo"); status != 200 || !strings.Contains(body, "success") {
		t.Errorf("with the prefix stripped before us: %d %s", status, body)
	}
}

func TestVersionIsThatOfTheModule(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var minor, patch int
	if _, err := fmt.Sscanf(version, "3.%d.%d", &minor, &patch); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("github.com/prometheus/prometheus v0.3%02d.%d\n", minor, patch); !strings.Contains(string(mod), want) {
		t.Errorf("go.mod lacks %q: set version to what it has", want)
	}
}
