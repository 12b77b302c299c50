//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// TestUpgrade starts this version on the data dirs of earlier ones, which
// testdata/oldlab/make.sh made.
func TestUpgrade(t *testing.T) {
	inTurn(t)
	// From before projects, deployments and revisions were rows.
	t.Run("de494cc", func(t *testing.T) { upgradeFrom(t, "de494cc", 1, false) })
	// From before trainers had resources and volumes lists of what stays.
	t.Run("2252840", func(t *testing.T) { upgradeFrom(t, "2252840", 3, true) })
}

// upgradeFrom tells the story of one old lab, which comes out of the upgrade with
// some revisions of iris and, if it had one, a deployment of version 1 beside.
func upgradeFrom(t *testing.T, lab string, revisions int, beside bool) {
	s := begin(t, "upgrade", testhost.Options{})
	var old oldLab
	chapter(t, "a lab that an older version has left", func(t *testing.T) { old = s.oldLab(t, lab) })
	chapter(t, "this version serves what that one served", func(t *testing.T) { s.upgrade(t, old, revisions, beside) })
	chapter(t, "nothing is lost", func(t *testing.T) { s.oldRows(t, old) })
	chapter(t, "the loop goes on", func(t *testing.T) { s.loopGoesOn(t, old) })
}

// oldLab is what the old version said of itself in the end.
type oldLab struct {
	Token    string
	Versions []map[string]any
	Runs     []struct {
		ID      string `json:"run_id"`
		Metrics map[string]float64
	}
	Served drive.Prediction
}

func (s *story) oldLab(t *testing.T, lab string) (old oldLab) {
	dir := filepath.Join("testdata", "oldlab", lab)
	b, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &old); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "lab.tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unpack(f, s.Host.Path(drive.DataDir)); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "project:\n  schedule: \"0 0 1 1 *\"\n"); err != nil {
		t.Fatal(err)
	}
	return old
}

// unpack extracts a compressed archive, with owners and modes.
func unpack(r io.Reader, dir string) error {
	z, err := zstd.NewReader(r)
	if err != nil {
		return err
	}
	defer z.Close()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	cmd := exec.Command("tar", "-x", "-p", "--numeric-owner", "-C", dir, "-f", "-")
	cmd.Stdin = z
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack: %w: %s", err, out)
	}
	return nil
}

// upgrade starts this version. From the first answer on none may fail, and all
// are those of the version that the old lab served.
func (s *story) upgrade(t *testing.T, old oldLab, revisions int, beside bool) {
	url := "http://" + s.Host.Address().String() + "/models/iris/predict?x=" + drive.Setosa
	up, err := s.Up(s.log)
	if err != nil {
		t.Fatal(err)
	}
	s.up = up
	if err := drive.Eventually(t.Context(), patience, func() error {
		_, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), url, "")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	traffic := s.StartTraffic(url, 4, 10*time.Millisecond)
	if s.said, err = up.Ready(t.Context(), patience); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Error(err)
	}
	// The old version's pod is replaced by one of this version's meanwhile.
	s.benchtop(t, "kubectl", "-n", "iris", "rollout", "status", "deployment/iris", "--timeout=2m")
	history := s.revisions(t)
	if len(history) != revisions || history[0].State != "live" || fmt.Sprint(history[0].Version) != old.Served.Version {
		t.Errorf("revisions %+v, expected %d, the newest live, of version %s", history, revisions, old.Served.Version)
	}
	if beside {
		s.predicts(t, "beside", "1")
	}
	report := traffic.Stop()
	t.Logf("%d answered, longest gap %s", report.Answered, report.Gap)
	if len(report.Failures) > 0 || !slices.Equal(report.Versions, []string{old.Served.Version}) {
		t.Errorf("versions %v answered, expected %s; failed: %v", report.Versions, old.Served.Version, report.Failures)
	}
	now, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), url, "")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := now.Predictions[0].Probabilities, old.Served.Predictions[0].Probabilities; !maps.Equal(a, b) {
		t.Errorf("it answers %v, the old version answered %v", a, b)
	}
}

// oldRows compares the registry with what it held, asked with a key that
// the old version made.
func (s *story) oldRows(t *testing.T, old oldLab) {
	ad, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Versions []map[string]any `json:"model_versions"`
	}
	if err := ad.MLflow(t.Context(), http.MethodGet, "model-versions/search?order_by=version_number", nil, &found); err != nil {
		t.Fatal(err)
	}
	if len(found.Versions) != len(old.Versions) {
		t.Errorf("the registry has %d versions, it had %d", len(found.Versions), len(old.Versions))
	}
	for i, want := range old.Versions[:min(len(old.Versions), len(found.Versions))] {
		for key, value := range want {
			if found.Versions[i][key] != value {
				t.Errorf("version %v: %s is %v, it was %v", want["version"], key, found.Versions[i][key], value)
			}
		}
	}
	for _, want := range old.Runs {
		var got struct{ Run run }
		if err := ad.MLflow(t.Context(), http.MethodGet, "runs/get?run_id="+want.ID, nil, &got); err != nil {
			t.Error(err)
			continue
		}
		metrics := map[string]float64{}
		for _, m := range got.Run.Data.Metrics {
			metrics[m.Key] = m.Value
		}
		if !maps.Equal(metrics, want.Metrics) {
			t.Errorf("run %s has the metrics %v, it had %v", want.ID, metrics, want.Metrics)
		}
	}
	var champion struct {
		Version struct{ Version string } `json:"model_version"`
	}
	if err := ad.MLflow(t.Context(), http.MethodGet, "registered-models/alias?name=iris&alias=champion", nil, &champion); err != nil || champion.Version.Version != "2" {
		t.Errorf("champion is version %q, expected 2: %v", champion.Version.Version, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Host.Address().String()+":5000/api/2.0/mlflow/registered-models/get?name=iris", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+old.Token)
	r, err := s.Host.HTTPFromLAN().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("a key that the old version made is answered %s", r.Status)
	}
}

// loopGoesOn trains, and goes back to a version that the old one had trained: it
// is not on the volume any more, so the object store has to have it.
func (s *story) loopGoesOn(t *testing.T, old oldLab) {
	traffic := s.StartTraffic(s.said.Try, 2, 10*time.Millisecond)
	s.benchtop(t, "train", "--wait")
	if v := takeUp(t, traffic, old.Served.Version); v == old.Served.Version {
		t.Errorf("version %s is still served", v)
	}
	s.sh(t, "rm -r "+drive.DataDir+"/k3s/volumes/*/versions/2")
	s.benchtop(t, "promote", "iris", "2")
	if v := s.served(t); v != "2" {
		t.Errorf("version %s is served, expected 2, which the old version had trained", v)
	}
}
