//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// TestReleases changes the served version by new versions, people, MLflow
// clients and gates, and after crashes. One boot serves all chapters.
func TestReleases(t *testing.T) {
	inTurn(t)
	s := begin(t, "releases", testhost.Options{})
	chapter(t, "boot", s.coldBoot)
	chapter(t, "a new version is a revision", s.newRevision)
	chapter(t, "rollback under traffic", s.rollback)
	chapter(t, "an MLflow client moves the alias", s.aliasMoves)
	chapter(t, "a gate keeps a version out", s.gateFails)
	chapter(t, "a version waits for an approval", s.approval)
	chapter(t, "pinned and paused", s.pinAndPause)
	chapter(t, "a version that the volume lost is brought again", s.broughtAgain)
	chapter(t, "what is wrong", s.whatIsWrong)
	chapter(t, "a version that cannot be served", s.cannotBeServed)
	chapter(t, "kill -9 in the middle of a release", s.killedWhileReleasing)
	chapter(t, "the cluster is thrown away", s.clusterThrownAway)
	chapter(t, "gates that measure", s.gatesMeasure)
	chapter(t, "versions of two datasets are compared", s.comparedAnew)
	chapter(t, "kill -9 while a version is measured", s.killedWhileMeasuring)
}

type revision struct {
	Number  int    `json:"number"`
	Version int    `json:"version"`
	State   string `json:"state"`
	Cause   string `json:"cause"`
	By      string `json:"by"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// revisions is the history of iris, newest first.
func (s *story) revisions(t *testing.T) (out []revision) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.benchtop(t, "revisions", "iris", "--json")), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// newest waits until the newest revision is as described: version, state and
// cause.
func (s *story) newest(t *testing.T, version int, state, cause string) revision {
	t.Helper()
	var r revision
	if err := drive.Eventually(t.Context(), patience, func() error {
		r = s.revisions(t)[0]
		if r.Version != version || r.State != state || r.Cause != cause {
			return fmt.Errorf("the newest revision is %+v, want version %d %s by %s", r, version, state, cause)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *story) serves(t *testing.T, version string) {
	t.Helper()
	if got := s.served(t); got != version {
		t.Errorf("version %s is served, want %s", got, version)
	}
}

func (s *story) newRevision(t *testing.T) {
	s.newest(t, 1, "live", "new version")
	s.benchtop(t, "train", "--wait")
	s.newest(t, 2, "live", "new version")
	s.serves(t, "2")
	if out := s.benchtop(t, "deployments"); !strings.Contains(out, "@live") || !strings.Contains(out, "2 live") {
		t.Errorf("the list of deployments is\n%s", out)
	}
}

func (s *story) rollback(t *testing.T) {
	traffic := s.StartTraffic(s.said.Try, 3, 5*time.Millisecond)
	time.Sleep(time.Second)
	started := time.Now()
	out := s.benchtop(t, "rollback", "iris", "--reason", "worse on wet days")
	took := time.Since(started)
	time.Sleep(time.Second)
	report := traffic.Stop()
	if len(report.Failures) > 0 {
		t.Errorf("%d requests failed: %s", len(report.Failures), report.Failures[0])
	}
	t.Logf("rolled back in %s, %d requests", took.Round(time.Millisecond), report.Answered)
	if out != "deployment iris serves iris version 1 (revision 3)" {
		t.Errorf("it printed %s", out)
	}
	s.serves(t, "1")
	if r := s.newest(t, 1, "live", "rollback"); r.Reason != "worse on wet days" || r.By == "" {
		t.Errorf("on record is %+v", r)
	}
	if got := s.alias(t); got != "1" {
		t.Errorf("the alias live points at %q, want 1", got)
	}
	s.refuses(t, []string{"serves already"}, "rollback", "iris", "--to", "1")
	s.refuses(t, []string{"has no revision 99", "benchtop revisions"}, "rollback", "iris", "--to", "99")
	s.refuses(t, []string{`there is no deployment "none"`}, "rollback", "none")
	s.refuses(t, []string{"has no version 99"}, "promote", "iris", "99")
	s.refuses(t, []string{`VERSION is "x": expected a number`}, "promote", "iris", "x")
}

// alias is where the alias live of iris points.
func (s *story) alias(t *testing.T) string {
	t.Helper()
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mv struct {
		ModelVersion struct {
			Version string `json:"version"`
		} `json:"model_version"`
	}
	if err := admin.MLflow(t.Context(), http.MethodGet, "registered-models/alias?name=iris&alias=live", nil, &mv); err != nil {
		t.Fatal(err)
	}
	return mv.ModelVersion.Version
}

func (s *story) aliasMoves(t *testing.T) {
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.Host.OnLAN(t.Context(), filepath.Join(venv(t, "mlflow3"), "bin", "python"), "-c", `import mlflow; mlflow.MlflowClient().set_registered_model_alias("iris", "live", 2)`)
	cmd.Env = append(os.Environ(), "MLFLOW_TRACKING_URI=http://"+s.Host.Address().String()+":5000", "MLFLOW_TRACKING_USERNAME=admin", "MLFLOW_TRACKING_PASSWORD="+admin.Password, "MLFLOW_DISABLE_TELEMETRY=true", "HOME="+t.TempDir())
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the client: %v\n%s", err, said)
	}
	s.newest(t, 2, "live", "alias")
	s.serves(t, "2")
}

// api asks the UI's API as the administrator.
func (s *story) api(t *testing.T, method, path string, in, out any) error {
	t.Helper()
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return admin.Do(t.Context(), method, "http://appliance:8080/api/"+path, in, out)
}

func (s *story) gates(t *testing.T, yaml string) {
	t.Helper()
	s.put(t, "/root/quality_gates.yaml", []byte(yaml))
	s.benchtop(t, "gates", "iris", "/root/quality_gates.yaml")
}

func (s *story) gateFails(t *testing.T) {
	s.put(t, "/root/bad.yaml", []byte("metrics: {accuracy: {minimun: 1}}\n"))
	s.refuses(t, []string{"line 1", "minimun", "expected {minimum"}, "gates", "iris", "/root/bad.yaml")
	s.gates(t, "metrics:\n  accuracy: {minimum: 1.5}\n")
	if out := s.benchtop(t, "gates", "iris"); out != "metrics:\n  accuracy:\n    minimum: 1.5" {
		t.Errorf("the gates are\n%s", out)
	}
	s.benchtop(t, "train", "--wait")
	r := s.newest(t, 3, "rejected", "new version")
	if !strings.Contains(r.Message, "gate accuracy failed: ") || !strings.Contains(r.Message, "expected at least 1.5") {
		t.Errorf("it says %q", r.Message)
	}
	s.serves(t, "2")
	if out := s.benchtop(t, "doctor"); !strings.Contains(out, "version 3 is not served: gate accuracy failed") {
		t.Errorf("doctor says\n%s", out)
	}
	s.refuses(t, []string{"was not put into service: gate accuracy failed"}, "promote", "iris", "3")
	s.refuses(t, []string{"needs a reason"}, "promote", "iris", "3", "--override")
	s.serves(t, "2")
	s.benchtop(t, "promote", "iris", "3", "--override", "--reason", "the bound was a mistake")
	s.serves(t, "3")
	if r := s.newest(t, 3, "live", "promote"); r.Reason != "the bound was a mistake" {
		t.Errorf("on record is %+v", r)
	}
	// Not worse than the served version, made by the same code from the same
	// data: it passes.
	s.gates(t, "metrics:\n  accuracy: {minimum: 0.5, comparison: gte}\n")
	s.benchtop(t, "train", "--wait")
	s.newest(t, 4, "live", "new version")
	s.serves(t, "4")
}

func (s *story) approval(t *testing.T) {
	s.gates(t, "approval: required\n")
	s.benchtop(t, "train", "--wait")
	if r := s.newest(t, 5, "waiting", "new version"); !strings.Contains(r.Message, "benchtop approve iris") {
		t.Errorf("it says %q", r.Message)
	}
	s.serves(t, "4")
	if err := s.api(t, http.MethodPost, "deployments/iris/approve", map[string]any{"reason": "looked at it"}, nil); err != nil {
		t.Fatal(err)
	}
	if r := s.newest(t, 5, "live", "new version"); r.Reason != "looked at it" {
		t.Errorf("on record is %+v", r)
	}
	s.serves(t, "5")
	s.benchtop(t, "gates", "iris", "--none")
}

func (s *story) pinAndPause(t *testing.T) {
	s.benchtop(t, "pin", "iris")
	s.benchtop(t, "train", "--wait")
	s.serves(t, "5")
	if err := s.api(t, http.MethodPost, "deployments/iris/unpin", nil, nil); err != nil {
		t.Fatal(err)
	}
	s.newest(t, 6, "live", "new version")
	s.benchtop(t, "pause", "iris")
	s.benchtop(t, "train", "--wait")
	s.newest(t, 7, "waiting", "new version")
	s.serves(t, "6")
	s.benchtop(t, "resume", "iris")
	s.newest(t, 7, "live", "new version")
	s.serves(t, "7")
}

func (s *story) broughtAgain(t *testing.T) {
	if out := s.sh(t, "find /var/lib/benchtop -type d -path '*iris*/versions/1' -print -exec rm -r {} +"); out == "" {
		t.Fatal("version 1 is not on the volume")
	}
	started := time.Now()
	s.benchtop(t, "rollback", "iris", "--to", "1")
	t.Logf("brought and served after %s", time.Since(started).Round(time.Millisecond))
	s.serves(t, "1")
}

func (s *story) cannotBeServed(t *testing.T) {
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.MLflow(t.Context(), http.MethodPost, "model-versions/create", map[string]any{"name": "iris", "source": "s3://mlflow/nowhere"}, nil); err != nil {
		t.Fatal(err)
	}
	r := s.newest(t, 8, "failed", "new version")
	if !strings.Contains(r.Message, "could not be brought to the servers: ") {
		t.Errorf("it says %q", r.Message)
	}
	t.Log(r.Message)
	s.serves(t, "1")
	if got := s.alias(t); got != "1" {
		t.Errorf("the alias live points at %q, want 1", got)
	}
}

func (s *story) killedWhileReleasing(t *testing.T) {
	traffic := s.StartTraffic(s.said.Try, 3, 20*time.Millisecond)
	// The row is there when the answer comes; the servers are still loading.
	if err := s.api(t, http.MethodPost, "deployments/iris/promote", map[string]any{"version": 7}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(t.Context(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, _ = s.up.Wait(10 * time.Second)
	s.start(t)
	if err := drive.Eventually(t.Context(), patience, func() error {
		var live, open []revision
		for _, r := range s.revisions(t) {
			switch r.State {
			case "live":
				live = append(live, r)
			case "judging", "waiting", "starting":
				open = append(open, r)
			}
		}
		if len(live) != 1 || len(open) != 0 {
			return fmt.Errorf("live are %+v, on their way %+v", live, open)
		}
		if got := s.served(t); got != "7" || live[0].Version != 7 {
			return fmt.Errorf("version %s is served, and revision %+v is live", got, live[0])
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if report := traffic.Stop(); len(report.Failures) > 0 {
		t.Errorf("%d requests failed: %s", len(report.Failures), report.Failures[0])
	}
	s.benchtop(t, "rollback", "iris", "--to", "1")
	s.serves(t, "1")
}

// clusterThrownAway deletes the cluster and has it built anew from the rows.
func (s *story) clusterThrownAway(t *testing.T) {
	before, history := s.served(t), s.revisions(t)
	r, err := s.Try(t.Context(), "no\n", "reset", "--cluster")
	if err != nil || r.Code == 0 || !strings.Contains(r.All(), "nothing was deleted") {
		t.Errorf("without a yes: %v, code %d: %s", err, r.Code, r.All())
	}
	s.serves(t, before)
	s.benchtop(t, "reset", "--cluster", "--yes")
	if _, err := s.up.Wait(patience); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	if err := drive.Eventually(t.Context(), patience, func() error {
		p, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), s.said.Try, "")
		if err == nil && p.Version != before {
			err = fmt.Errorf("version %s is served, want %s", p.Version, before)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if now := s.revisions(t); len(now) != len(history) || now[0] != history[0] {
		t.Errorf("the newest of %d revisions is %+v; before it was %+v of %d", len(now), now[0], history[0], len(history))
	}
	s.benchtop(t, "train", "--wait")
	s.newest(t, 9, "live", "new version")
	s.serves(t, "9")
}

// gateResult is the finding of one gate.
type gateResult struct {
	Metric string `json:"metric"`
	Bound  string `json:"bound"`
	Value  string `json:"value"`
	Passed bool   `json:"passed"`
	Note   string `json:"note"`
}

// found returns the gates' findings about the newest revision.
func (s *story) found(t *testing.T) (version int, out []gateResult) {
	t.Helper()
	var rs []struct {
		Version int          `json:"version"`
		Gates   []gateResult `json:"gates"`
	}
	if err := json.Unmarshal([]byte(s.benchtop(t, "revisions", "iris", "--json")), &rs); err != nil {
		t.Fatal(err)
	}
	return rs[0].Version, rs[0].Gates
}

// expectGates compares what the gates have found of a version, each as metric,
// bound and whether it has passed, and that all were measured.
func (s *story) expectGates(t *testing.T, version int, note string, want ...string) {
	t.Helper()
	of, gates := s.found(t)
	var got []string
	for _, g := range gates {
		got = append(got, fmt.Sprintf("%s %s: %t", g.Metric, g.Bound, g.Passed))
		if !strings.Contains(g.Note, note) || g.Value == "none" {
			t.Errorf("gate %s has found %s (%s), want a value and a note with %q", g.Metric, g.Value, g.Note, note)
		}
		t.Logf("%s: %s (%s)", g.Metric, g.Value, g.Note)
	}
	if of != version || !slices.Equal(got, want) {
		t.Errorf("the gates of version %d are\n%s\nwant, of version %d,\n%s", of, strings.Join(got, "\n"), version, strings.Join(want, "\n"))
	}
}

func (s *story) gatesMeasure(t *testing.T) {
	last := s.revisions(t)[0].Version
	s.gates(t, `metrics:
  feature_importance_stability: {minimum: -1}
  latency_p95_ms: {maximum: 10000}
  model_size_mb: {maximum: 100}
`)
	s.benchtop(t, "train", "--wait")
	s.newest(t, last+1, "live", "new version")
	s.serves(t, fmt.Sprint(last+1))
	s.expectGates(t, last+1, "measured at ", "feature_importance_stability at least -1: true", "latency_p95_ms at most 10000 ms: true", "model_size_mb at most 100 MB: true")
	s.gates(t, `metrics:
  feature_importance_stability: {minimum: 1.1}
  latency_p95_ms: {maximum: 0.000001}
  model_size_mb: {maximum: 0.000001}
`)
	s.benchtop(t, "train", "--wait")
	r := s.newest(t, last+2, "rejected", "new version")
	s.expectGates(t, last+2, "measured at ", "feature_importance_stability at least 1.1: false", "latency_p95_ms at most 1e-06 ms: false", "model_size_mb at most 1e-06 MB: false")
	for _, want := range []string{"gate feature_importance_stability failed: ", "gate latency_p95_ms failed: ", "gate model_size_mb failed: ", "`benchtop promote iris"} {
		if !strings.Contains(r.Message, want) {
			t.Errorf("it says %q, want %q", r.Message, want)
		}
	}
	s.serves(t, fmt.Sprint(last+1))
	// The command waits for the measurement.
	s.refuses(t, []string{"was not put into service: gate feature_importance_stability failed"}, "promote", "iris", fmt.Sprint(last+2))
	s.serves(t, fmt.Sprint(last+1))
	s.benchtop(t, "promote", "iris", fmt.Sprint(last+2), "--override", "--reason", "it is fast enough")
	s.serves(t, fmt.Sprint(last+2))
	s.benchtop(t, "gates", "iris", "--none")
}

// comparedAnew gives the served version's run another dataset, so that its
// logged metrics cannot be compared with a new run's.
func (s *story) comparedAnew(t *testing.T) {
	last := s.revisions(t)[0].Version
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := map[string]any{"run_id": s.runOf(t, s.served(t)).Info.RunID, "datasets": []any{map[string]any{
		"dataset": map[string]any{"name": "iris of last year", "digest": "1234", "source_type": "local", "source": "{}"}}}}
	if err := admin.MLflow(t.Context(), http.MethodPost, "runs/log-inputs", other, nil); err != nil {
		t.Fatal(err)
	}
	s.gates(t, "metrics:\n  accuracy: {comparison: gte}\n  log_loss: {comparison: lte}\n")
	s.benchtop(t, "project", "edit", "iris", "--params", `{"C": 0.0001}`)
	s.benchtop(t, "train", "--wait")
	r := s.newest(t, last+1, "rejected", "new version")
	if !strings.Contains(r.Message, "gate log_loss failed: ") || !strings.Contains(r.Message, "both versions measured on the 30 held-out rows of dataset iris") {
		t.Errorf("it says %q", r.Message)
	}
	s.benchtop(t, "project", "edit", "iris", "--params", "{}")
	s.benchtop(t, "train", "--wait")
	s.newest(t, last+2, "live", "new version")
	if _, gates := s.found(t); len(gates) != 2 || !strings.Contains(gates[1].Note, "both versions measured on the 30 held-out rows of dataset iris") || !gates[0].Passed || !gates[1].Passed {
		t.Errorf("the gates have found %+v", gates)
	}
	s.benchtop(t, "gates", "iris", "--none")
}

func (s *story) killedWhileMeasuring(t *testing.T) {
	last := s.revisions(t)[0].Version
	s.gates(t, "metrics:\n  latency_p95_ms: {maximum: 10000}\n")
	s.benchtop(t, "pin", "iris")
	s.benchtop(t, "train", "--wait")
	if err := s.api(t, http.MethodPost, "deployments/iris/promote", map[string]any{"version": last + 1}, nil); err != nil {
		t.Fatal(err)
	}
	if r := s.revisions(t)[0]; r.State != "judging" || r.Message != "it is being measured for its gates: latency_p95_ms" {
		t.Errorf("the revision is %+v", r)
	}
	if err := s.Signal(t.Context(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, _ = s.up.Wait(10 * time.Second)
	s.start(t)
	s.newest(t, last+1, "live", "promote")
	s.serves(t, fmt.Sprint(last+1))
	s.expectGates(t, last+1, "measured at ", "latency_p95_ms at most 10000 ms: true")
	s.benchtop(t, "unpin", "iris")
	s.benchtop(t, "gates", "iris", "--none")
}
