//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// TestDeploy serves any model, beside the projects' deployments.
func TestDeploy(t *testing.T) {
	inTurn(t)
	s := begin(t, "deploy", testhost.Options{})
	chapter(t, "boot", s.coldBoot)
	chapter(t, "a second deployment of one model", s.deployBeside)
	chapter(t, "deploying again, and other mistakes", s.deployMistakes)
	chapter(t, "more servers, none, and again", s.deployReplicas)
	chapter(t, "the API deploys, changes and deletes", s.deployAPI)
	chapter(t, "kill -9 in the middle of a deploy", s.killedWhileDeploying)
	chapter(t, "the cluster is thrown away with it", s.deploymentsRebuilt)
	chapter(t, "undeploy leaves nothing", s.undeploys)
	chapter(t, "any MLflow model is served", s.deployAny)
	chapter(t, "an alias is followed", s.deployFollows)
	chapter(t, "a model that lacks a package", s.deployMissing)
	chapter(t, "a project takes its deployments with it", s.deployGoesWithProject)
}

// deployment is one as the command line prints it.
type deployment struct {
	Name     string `json:"name"`
	Model    string `json:"model"`
	Version  string `json:"version"`
	Follows  string `json:"follows"`
	Own      bool   `json:"own"`
	Replicas int    `json:"replicas"`
	Ready    int    `json:"ready"`
	Message  string `json:"message"`
	Pods     []struct {
		Name string `json:"name"`
	} `json:"pods"`
}

func (s *story) deployments(t *testing.T) map[string]deployment {
	t.Helper()
	var all []deployment
	if err := json.Unmarshal([]byte(s.benchtop(t, "deployments", "--json")), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]deployment{}
	for _, d := range all {
		out[d.Name] = d
	}
	return out
}

// sends posts a body to a deployment, by the ingress, and reads the answer.
func (s *story) sends(t *testing.T, method, path, body string, into any) error {
	t.Helper()
	return drive.Ask(t.Context(), s.Host.HTTPFromLAN(), method, "http://"+s.Host.Address().String()+"/models/"+path, body, into)
}

// predicts waits until a deployment answers with a version. Traefik takes a
// moment to see a new address.
func (s *story) predicts(t *testing.T, name, version string) {
	t.Helper()
	err := drive.Eventually(t.Context(), patience, func() error {
		var p drive.Prediction
		if err := s.sends(t, http.MethodPost, name+"/predict", `{"instances": [[5.1, 3.5, 1.4, 0.2]]}`, &p); err != nil {
			return err
		}
		if p.Version != version || len(p.Predictions) != 1 || p.Predictions[0].Class != "setosa" {
			return fmt.Errorf("%s answers %+v, want version %s and setosa", name, p, version)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func (s *story) deployBeside(t *testing.T) {
	s.newest(t, 1, "live", "new version")
	s.benchtop(t, "train", "--wait")
	s.newest(t, 2, "live", "new version")
	// A name that begins like another's has no answer from that one.
	if err := s.sends(t, http.MethodPost, "iris-1/predict", `{"instances": [[5.1, 3.5, 1.4, 0.2]]}`, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a deployment that is not there: %v, want 404", err)
	}
	traffic := s.StartTraffic(s.said.Try, 2, 20*time.Millisecond)
	started := time.Now()
	out := s.benchtop(t, "deploy", "iris/1")
	t.Logf("deployed in %s", time.Since(started).Round(time.Millisecond))
	for _, want := range []string{"there is a deployment iris already, so this one is iris-1", "deployment iris-1 serves iris version 1 (revision 1), 1 of 1 ready", "/models/iris-1/predict"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not print %q:\n%s", want, out)
		}
	}
	s.predicts(t, "iris-1", "1")
	s.serves(t, "2")
	if got := s.alias(t); got != "2" {
		t.Errorf("the alias live points at %q, want 2", got)
	}
	// The project's pods do not serve the one beside, nor the other way round.
	all := s.deployments(t)
	if a, b := all["iris"], all["iris-1"]; len(a.Pods) != 1 || len(b.Pods) != 1 || a.Pods[0].Name == b.Pods[0].Name || !b.Own || a.Own {
		t.Errorf("they are %+v and %+v", a, b)
	}
	for range 20 {
		var p drive.Prediction
		if err := s.sends(t, http.MethodGet, "iris/predict?x=5.1,3.5,1.4,0.2", "", &p); err != nil || p.Version != "2" {
			t.Fatalf("iris answers with version %s, %v", p.Version, err)
		}
	}
	if report := traffic.Stop(); len(report.Failures) > 0 {
		t.Errorf("%d requests failed meanwhile: %s", len(report.Failures), report.Failures[0])
	}
	// A release concerns one deployment only.
	s.benchtop(t, "promote", "iris-1", "2")
	s.predicts(t, "iris-1", "2")
	s.benchtop(t, "rollback", "iris-1")
	s.predicts(t, "iris-1", "1")
	if got := s.alias(t); got != "2" {
		t.Errorf("a release beside moved the alias live to %q", got)
	}
	if out := s.benchtop(t, "keys"); !strings.Contains(out, "deployment-iris-1") {
		t.Errorf("it has no key:\n%s", out)
	}
	s.refuses(t, []string{"belongs to deployment iris-1"}, "keys", "revoke", "deployment-iris-1")
}

func (s *story) deployMistakes(t *testing.T) {
	if out := s.benchtop(t, "deploy", "iris/1"); !strings.Contains(out, "deployment iris-1 is there already, nothing changes") {
		t.Errorf("the same again: %s", out)
	}
	s.refuses(t, []string{"benchtop promote iris-1 2"}, "deploy", "iris/2", "--name", "iris-1")
	s.refuses(t, []string{`no registered model "tulip"`}, "deploy", "tulip")
	s.refuses(t, []string{`has no version 99`}, "deploy", "iris/99")
	s.refuses(t, []string{`has no alias "nobody"`}, "deploy", "iris@nobody")
	s.refuses(t, []string{"replicas is 21: expected 0 to 20"}, "deploy", "iris", "--replicas", "21")
	s.refuses(t, []string{`deployment name "Iris" is not usable`}, "deploy", "iris", "--name", "Iris")
	s.refuses(t, []string{"benchtop project delete iris"}, "undeploy", "iris", "--yes")
	s.refuses(t, []string{`there is no deployment "none"`}, "undeploy", "none", "--yes")
	s.refuses(t, []string{"nothing was deleted"}, "undeploy", "iris-1")
	s.predicts(t, "iris-1", "1")
}

// pods waits until a deployment has so many pods, all ready.
func (s *story) pods(t *testing.T, name string, want int) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		if d := s.deployments(t)[name]; d.Replicas != want || d.Ready != want || len(d.Pods) != want {
			return fmt.Errorf("it is %+v, want %d replicas", d, want)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func (s *story) deployReplicas(t *testing.T) {
	s.benchtop(t, "deploy", "iris/1", "--replicas", "2")
	s.pods(t, "iris-1", 2)
	s.predicts(t, "iris-1", "1")
	s.benchtop(t, "deploy", "iris", "--name", "iris", "--replicas", "2")
	s.pods(t, "iris", 2)
	s.serves(t, "2")
	s.benchtop(t, "deploy", "iris", "--name", "iris", "--replicas", "1")
	if out := s.benchtop(t, "deploy", "iris/1", "--replicas", "0"); !strings.Contains(out, "is kept without servers") {
		t.Errorf("it printed %s", out)
	}
	s.pods(t, "iris-1", 0)
	if out := s.benchtop(t, "status"); !strings.Contains(out, "benchtop is ready") {
		t.Errorf("with a deployment without servers the status is\n%s", out)
	}
	s.benchtop(t, "deploy", "iris/1", "--replicas", "1")
	s.pods(t, "iris-1", 1)
	s.predicts(t, "iris-1", "1")
}

func (s *story) deployAPI(t *testing.T) {
	var made struct {
		Created    bool       `json:"created"`
		Deployment deployment `json:"deployment"`
	}
	if err := s.api(t, http.MethodPost, "deployments", map[string]any{"model": "iris", "alias": "live", "name": "by-api"}, &made); err != nil || !made.Created || made.Deployment.Follows != "live" {
		t.Fatalf("%+v, %v", made, err)
	}
	s.predicts(t, "by-api", "2")
	if err := s.api(t, http.MethodPatch, "deployments/by-api", map[string]any{"replicas": 0}, nil); err != nil {
		t.Fatal(err)
	}
	s.pods(t, "by-api", 0)
	if err := s.api(t, http.MethodDelete, "deployments/by-api", nil, nil); err != nil {
		t.Fatal(err)
	}
	s.goneOf(t, "by-api", "iris")
}

// goneOf waits until nothing is left of a deployment.
func (s *story) goneOf(t *testing.T, name, namespace string) {
	t.Helper()
	err := drive.Eventually(t.Context(), patience, func() error {
		left := s.sh(t, `p=$1 n=$2 ns=$3
$p kubectl -n $ns get all,ingress,secret,configmap,pvc -l benchtop.dev/deployment=$n -o name
ls /var/lib/benchtop/k3s/volumes | grep "_${ns}_${n}-model" || true
$p keys | grep "deployment-$n " || true
$p deployments | grep "^$n " || true`, drive.Program, name, namespace)
		if left != "" {
			return fmt.Errorf("of deployment %s there is left:\n%s", name, left)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func (s *story) killedWhileDeploying(t *testing.T) {
	// One has just begun when the process ends, one is half made, one serves.
	names := []string{"cut-late", "cut-half", "cut-early"}
	begin := func(do func(name string) error) {
		t.Helper()
		for i, pause := range []time.Duration{2300 * time.Millisecond, 680 * time.Millisecond, 20 * time.Millisecond} {
			if err := do(names[i]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause)
		}
		if err := s.Signal(t.Context(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_, _ = s.up.Wait(10 * time.Second)
		s.start(t)
	}
	begin(func(name string) error {
		return s.api(t, http.MethodPost, "deployments", map[string]any{"model": "iris", "version": 1, "name": name}, nil)
	})
	for _, name := range names {
		if err := drive.Eventually(t.Context(), patience, func() error {
			// A revision is live when its pods say that they serve it. The ingress
			// is not asked: it looks for new routes again a minute after the
			// Kubernetes API was away several times.
			var history []revision
			if err := json.Unmarshal([]byte(s.benchtop(t, "revisions", name, "--json")), &history); err != nil {
				return err
			}
			if len(history) != 1 || history[0].State != "live" || history[0].Cause != "deploy" {
				return fmt.Errorf("the history of %s is %+v", name, history)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	// The same goes for deleting them.
	begin(func(name string) error { return s.api(t, http.MethodDelete, "deployments/"+name, nil, nil) })
	for _, name := range names {
		s.goneOf(t, name, "iris")
	}
	s.serves(t, "2")
}

func (s *story) deploymentsRebuilt(t *testing.T) {
	s.benchtop(t, "reset", "--cluster", "--yes")
	if _, err := s.up.Wait(patience); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	s.predicts(t, "iris-1", "1")
	s.pods(t, "iris-1", 1)
	s.serves(t, "2")
}

func (s *story) undeploys(t *testing.T) {
	started := time.Now()
	s.benchtop(t, "undeploy", "iris-1", "--yes")
	t.Logf("deleted after %.1f s", time.Since(started).Seconds())
	s.goneOf(t, "iris-1", "iris")
	s.serves(t, "2")
}

// client runs the stock MLflow client of testdata/deploy.py.
func (s *story) client(t *testing.T, args ...string) {
	t.Helper()
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"MLFLOW_TRACKING_URI=http://" + s.Host.Address().String() + ":5000", "MLFLOW_TRACKING_USERNAME=admin", "MLFLOW_TRACKING_PASSWORD=" + admin.Password}
	if said, err := s.onLAN(t, env, filepath.Join(venv(t, "mlflow3"), "bin", "python"), append([]string{filepath.Join("testdata", "deploy.py")}, args...)...); err != nil {
		t.Fatalf("the client: %v\n%s", err, said)
	}
}

const shop = "flower shop"

func (s *story) deployAny(t *testing.T) {
	s.client(t, "log", shop)
	out := s.benchtop(t, "deploy", shop, "--replicas", "2")
	if !strings.Contains(out, "deployment flower-shop serves flower shop version 1") {
		t.Errorf("it printed %s", out)
	}
	s.pods(t, "flower-shop", 2)
	// MLflow's scoring protocol, and the lab's own forms.
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPost, "flower-shop/invocations", `{"dataframe_split": {"columns": ["sepal_length", "sepal_width", "petal_length", "petal_width"], "data": [[5.1, 3.5, 1.4, 0.2]]}}`},
		{http.MethodPost, "flower-shop/invocations", `{"dataframe_records": [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]}`},
		{http.MethodPost, "flower-shop/predict", `{"instances": [[5.1, 3.5, 1.4, 0.2]]}`},
		{http.MethodGet, "flower-shop/predict?x=5.1,3.5,1.4,0.2", ""},
	} {
		var p struct {
			Predictions []json.RawMessage `json:"predictions"`
		}
		if err := drive.Eventually(t.Context(), patience, func() error { return s.sends(t, c.method, c.path, c.body, &p) }); err != nil || len(p.Predictions) != 1 || !strings.Contains(string(p.Predictions[0]), "0") {
			t.Errorf("%s %s: %s, %v", c.method, c.path, p.Predictions, err)
		}
	}
}

func (s *story) deployFollows(t *testing.T) {
	s.client(t, "alias", shop, "champion", "1")
	s.benchtop(t, "deploy", shop+"@champion", "--name", "followed")
	s.client(t, "log", shop, "quickly")
	if d := s.deployments(t)["followed"]; d.Version != "1" || d.Follows != "champion" {
		t.Errorf("it is %+v", d)
	}
	s.client(t, "alias", shop, "champion", "2")
	if err := drive.Eventually(t.Context(), patience, func() error {
		if d := s.deployments(t)["followed"]; d.Version != "2" {
			return fmt.Errorf("it is %+v, want version 2", d)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if d := s.deployments(t)["flower-shop"]; d.Version != "1" {
		t.Errorf("what follows nothing is %+v", d)
	}
	s.benchtop(t, "undeploy", "followed", "--yes")
	s.goneOf(t, "followed", "models")
}

func (s *story) deployMissing(t *testing.T) {
	s.client(t, "missing", "boosted")
	s.refuses(t, []string{"is not served", "lightgbm", "benchtop undeploy boosted"}, "deploy", "boosted")
	if d := s.deployments(t)["boosted"]; d.Version != "" || !strings.Contains(d.Message, "lightgbm") {
		t.Errorf("it is %+v", d)
	}
	if r, err := s.Try(t.Context(), "", "doctor"); err != nil || !strings.Contains(r.All(), "lightgbm") || r.Code == 0 {
		t.Errorf("doctor says %s, %v", r.All(), err)
	}
	s.benchtop(t, "undeploy", "boosted", "--yes")
	s.goneOf(t, "boosted", "models")
}

func (s *story) deployGoesWithProject(t *testing.T) {
	s.benchtop(t, "deploy", "iris/1")
	r, err := s.Try(t.Context(), "no\n", "project", "delete", "iris")
	if err != nil || r.Code == 0 || !strings.Contains(r.All(), "The deployments of its model go with it: iris-1.") {
		t.Errorf("code %d: %s, %v", r.Code, r.All(), err)
	}
	s.benchtop(t, "project", "delete", "iris", "--yes")
	s.nothingOf(t, "iris")
	s.goneOf(t, "iris-1", "iris")
}
