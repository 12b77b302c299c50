//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// samples are the projects that come with the binary.
var samples = []string{"iris", "wine", "breast-cancer"}

// TestProjects is the life of a lab that begins without a project.
func TestProjects(t *testing.T) {
	inTurn(t)
	s := begin(t, "projects", testhost.Options{})
	chapter(t, "boot without a project", s.bootWithoutProject)
	chapter(t, "mistakes are told", s.projectMistakes)
	chapter(t, "three projects at once", s.threeProjects)
	chapter(t, "each trainer's key reaches its own dataset", s.ownDatasetsOnly)
	chapter(t, "a schedule is edited and outlives the configuration", s.editsStay)
	chapter(t, "a trainer gets the resources and the environment of its project", s.trainerResources)
	chapter(t, "data of one's own becomes a project and leads to what is served", s.ownData)
	chapter(t, "iris is deleted and leaves nothing in the cluster", s.deleteIris)
	chapter(t, "a deletion that was cut short goes on", s.killedDeletion)
	chapter(t, "after a restart it is not back, and can be added again", s.notBack)
}

func (s *story) bootWithoutProject(t *testing.T) {
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "project:\n  schedule: \"0 0 1 1 *\"\n"); err != nil {
		t.Fatal(err)
	}
	took := s.start(t, "--no-sample")
	t.Logf("ready after %.1f s", took.Seconds())
	if s.said.Try != "" {
		t.Errorf("`up` names %s, of which nothing is served", s.said.Try)
	}
	if _, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{"status"}, {"project"}, {"doctor"}} {
		if out := s.benchtop(t, args...); !strings.Contains(out, "`benchtop project add iris`") {
			t.Errorf("benchtop %s does not say what to do:\n%s", args[0], out)
		}
	}
	s.refuses(t, []string{"`benchtop project add iris`"}, "predict", drive.Setosa)
	s.refuses(t, []string{"`benchtop project add iris`"}, "train")
}

func (s *story) projectMistakes(t *testing.T) {
	s.refuses(t, []string{"titanic", "iris, wine, breast-cancer"}, "project", "add", "titanic")
	s.benchtop(t, "kubectl", "create", "namespace", "wine")
	s.refuses(t, []string{"namespace wine", "kubectl delete namespace wine"}, "project", "add", "wine")
	s.benchtop(t, "kubectl", "delete", "namespace", "wine")
	s.refuses(t, []string{"iris"}, "project", "delete", "iris", "--yes")
}

func (s *story) threeProjects(t *testing.T) {
	for _, name := range samples {
		s.benchtop(t, "project", "add", name)
	}
	s.refuses(t, []string{"exists already"}, "project", "add", "wine")
	for _, name := range samples {
		began := time.Now()
		if err := drive.Eventually(t.Context(), 4*time.Minute, func() error { return s.knowsFirstRow(t, name) }); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s after %.1f s more", name, time.Since(began).Seconds())
	}
	if _, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Error(err)
	}
	list := s.benchtop(t, "project", "list")
	for _, name := range samples {
		if !strings.Contains(list, name) || strings.Contains(list, "no model yet") {
			t.Errorf("the list lacks %s, or what it serves:\n%s", name, list)
		}
	}
}

// firstRow returns the first row of a sample, and its class.
func firstRow(t *testing.T, name string) (x, class string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, "assets", "datasets", name+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(string(b), "\n", 3)
	header, row := strings.Split(strings.TrimSpace(lines[0]), ","), strings.Split(strings.TrimSpace(lines[1]), ",")
	n, err := strconv.Atoi(row[len(row)-1])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(row[:len(row)-1], ","), header[2+n]
}

// knowsFirstRow asks a project's server, by the ingress, about a row that it
// was trained on.
func (s *story) knowsFirstRow(t *testing.T, name string) error {
	x, class := firstRow(t, name)
	r, err := s.Host.HTTPFromLAN().Get("http://" + s.Host.Address().String() + "/models/" + name + "/predict?x=" + x)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var p drive.Prediction
	if err := json.Unmarshal(b, &p); err != nil || r.StatusCode != http.StatusOK || len(p.Predictions) != 1 || p.Predictions[0].Class != class {
		return fmt.Errorf("%s: want %s, got %s: %.200s", name, class, r.Status, b)
	}
	return nil
}

func (s *story) ownDatasetsOnly(t *testing.T) {
	keys := s.benchtop(t, "keys")
	for _, name := range samples {
		if !strings.Contains(keys, "datasets/"+name+"/:ro") {
			t.Errorf("no key reads the dataset of %s:\n%s", name, keys)
		}
	}
	s.refuses(t, []string{"belongs to project wine"}, "keys", "revoke", "project-wine")
}

func (s *story) cronSchedule(t *testing.T, name string) string {
	t.Helper()
	return s.benchtop(t, "kubectl", "get", "cronjob", "-n", name, "-o", "jsonpath={.items[*].spec.schedule} {.items[*].spec.timeZone} {.items[*].spec.suspend}")
}

func (s *story) editsStay(t *testing.T) {
	s.refuses(t, []string{"five cron fields", "hourly"}, "project", "edit", "wine", "--schedule", "hourly")
	s.refuses(t, []string{"IANA", "Mars"}, "project", "edit", "wine", "--time-zone", "Mars/Olympus")
	s.refuses(t, []string{"JSON object"}, "project", "edit", "wine", "--params", "C=1")
	s.refuses(t, []string{"--schedule"}, "project", "edit", "wine")
	s.benchtop(t, "project", "edit", "wine", "--schedule", "15 3 2 1 *", "--time-zone", "Europe/Berlin", "--params", `{"C": 0.5}`)
	s.benchtop(t, "project", "edit", "breast-cancer", "--schedule", "")
	applied := func(wine, cancer, iris string) {
		t.Helper()
		for name, want := range map[string]string{"wine": wine, "breast-cancer": cancer, "iris": iris} {
			err := drive.Eventually(t.Context(), patience, func() error {
				if got := s.cronSchedule(t, name); !strings.HasPrefix(got, want) {
					return fmt.Errorf("the CronJob of %s has %q, want %q", name, got, want)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	applied("15 3 2 1 * Europe/Berlin false", "0 0 31 2 * UTC true", "0 0 1 1 * UTC false")
	if out := s.benchtop(t, "train", "wine", "--wait"); !strings.Contains(out, "succeeded") {
		t.Errorf("training wine: %s", out)
	}
	// A training by hand takes the new parameters.
	show := s.benchtop(t, "project", "show", "wine")
	for _, want := range []string{"15 3 2 1 *", "Europe/Berlin", `{"C":0.5}`} {
		if !strings.Contains(show, want) {
			t.Errorf("show lacks %s:\n%s", want, show)
		}
	}
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "project:\n  schedule: \"1 1 1 1 *\"\n"); err != nil {
		t.Fatal(err)
	}
	s.again(t)
	applied("15 3 2 1 * Europe/Berlin false", "0 0 31 2 * UTC true", "1 1 1 1 * UTC false")
}

func (s *story) trainerResources(t *testing.T) {
	edit := func(args ...string) []string { return append([]string{"project", "edit", "wine"}, args...) }
	s.refuses(t, []string{"memory limit", "512Mi or 2Gi", "lots"}, edit("--memory", "lots")...)
	s.refuses(t, []string{"at least 16Mi", "512m"}, edit("--memory", "512m")...)
	s.refuses(t, []string{"above the memory limit"}, edit("--memory", "128Mi")...)
	s.refuses(t, []string{"CPU request 5000", "this machine has"}, edit("--cpu", "5000")...)
	s.refuses(t, []string{"AWS_REGION is Benchtop's to set"}, edit("--env", "AWS_REGION=x")...)
	s.refuses(t, []string{"no name of an environment variable"}, edit("--env", "1A=x")...)

	// Too little: it is killed, and says how to get more.
	s.benchtop(t, edit("--memory", "48Mi", "--memory-request", "16Mi")...)
	s.trainerIs(t, func(c container) bool { return c.Resources.Limits["memory"] == "48Mi" })
	s.refuses(t, []string{"OOMKilled", "memory limit of 48Mi", "`benchtop project edit wine --memory 96Mi`"}, "train", "wine", "--wait")

	show := s.benchtop(t, edit("--cpu", "150m", "--memory", "1280Mi", "--memory-request", "", "--env", "LAB_GREETING=hello $(HOME)", "--env", "OMP_NUM_THREADS=1")...)
	for _, want := range []string{"150m set aside, no limit", "nothing set aside, at most 1280Mi", "LAB_GREETING=hello $(HOME)", "OMP_NUM_THREADS=1"} {
		if !strings.Contains(show, want) {
			t.Errorf("show lacks %s:\n%s", want, show)
		}
	}
	s.trainerIs(t, func(c container) bool { return c.Resources.Limits["memory"] == "1280Mi" })
	if out := s.benchtop(t, "train", "wine", "--wait"); !strings.Contains(out, "succeeded") {
		t.Errorf("training wine: %s", out)
	}
	var pods struct {
		Items []struct {
			Spec struct{ Containers []container }
		}
	}
	out := s.benchtop(t, "kubectl", "get", "pods", "-n", "wine", "-l", "app.kubernetes.io/component=trainer", "--sort-by=.metadata.creationTimestamp", "-o", "json")
	if err := json.Unmarshal([]byte(out), &pods); err != nil || len(pods.Items) == 0 {
		t.Fatalf("pods of trainings: %v in %s", err, out)
	}
	c := pods.Items[len(pods.Items)-1].Spec.Containers[0]
	// Without a word of ours Kubernetes would set the limit aside.
	if r := c.Resources; r.Requests["cpu"] != "150m" || r.Limits["memory"] != "1280Mi" || r.Limits["cpu"] != "" || r.Requests["memory"] != "0" {
		t.Errorf("the trainer's pod has %+v", r)
	}
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
	}
	if env["LAB_GREETING"] != "hello $$(HOME)" || env["OMP_NUM_THREADS"] != "1" || env["BENCHTOP_PARAMS"] != `{"C":0.5}` {
		t.Errorf("the trainer's pod has the environment %v", env)
	}
	show = s.benchtop(t, edit("--unset-env", "LAB_GREETING", "--memory", "1Gi", "--memory-request", "256Mi")...)
	if strings.Contains(show, "LAB_GREETING") || !strings.Contains(show, "OMP_NUM_THREADS=1") || !strings.Contains(show, "code  ") {
		t.Errorf("after one was taken away, show says\n%s", show)
	}
}

// container is one of a pod, as kubectl prints it.
type container struct {
	Resources struct{ Requests, Limits map[string]string }
	Env       []struct{ Name, Value string }
}

// trainerIs waits until the CronJob of wine is what its row says: a training
// takes the CronJob as it is.
func (s *story) trainerIs(t *testing.T, is func(c container) bool) {
	t.Helper()
	err := drive.Eventually(t.Context(), patience, func() error {
		var c container
		out := s.benchtop(t, "kubectl", "get", "cronjob", "-n", "wine", "-o", "jsonpath={.items[0].spec.jobTemplate.spec.template.spec.containers[0]}")
		if err := json.Unmarshal([]byte(out), &c); err != nil {
			return err
		}
		if !is(c) {
			return fmt.Errorf("the trainer has %+v", c.Resources)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// again stops the lab in order and starts it.
func (s *story) again(t *testing.T) {
	t.Helper()
	if err := s.up.Terminate(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.up.Wait(patience); err != nil {
		t.Fatal(err)
	}
	s.start(t)
}

func (s *story) deleteIris(t *testing.T) {
	s.refuses(t, []string{"nothing was deleted"}, "project", "delete", "iris")
	began := time.Now()
	s.benchtop(t, "project", "delete", "iris", "--yes")
	t.Logf("deleted after %.1f s", time.Since(began).Seconds())
	s.nothingOf(t, "iris")
	for _, name := range samples[1:] {
		if err := s.knowsFirstRow(t, name); err != nil {
			t.Error(err)
		}
	}
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var model struct {
		RegisteredModel struct{ Name string } `json:"registered_model"`
	}
	if err := admin.MLflow(t.Context(), http.MethodGet, "registered-models/get?name=iris", nil, &model); err != nil || model.RegisteredModel.Name != "iris" {
		t.Errorf("the model iris went with the project: %v", err)
	}
}

func (s *story) nothingOf(t *testing.T, name string) {
	t.Helper()
	left := s.sh(t, `p=$1 n=$2
$p kubectl get namespace $n --ignore-not-found -o name
$p kubectl get pv -o jsonpath='{.items[*].spec.claimRef.namespace}' | tr ' ' '\n' | grep -x $n || true
ls /var/lib/benchtop/k3s/volumes | grep "_${n}_" || true
$p keys | grep "project-$n " || true
$p project list | grep "^$n " || true`, drive.Program, name)
	if left != "" {
		t.Errorf("of project %s there is left:\n%s", name, left)
	}
}

func (s *story) killedDeletion(t *testing.T) {
	// The command waits for the end, and is cut off with the lab.
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.Try(t.Context(), "", "project", "delete", "breast-cancer", "--yes")
	}()
	time.Sleep(700 * time.Millisecond)
	if err := s.up.Kill(); err != nil {
		t.Fatal(err)
	}
	<-done
	s.start(t)
	err := drive.Eventually(t.Context(), patience, func() error {
		if list := s.benchtop(t, "project"); strings.Contains(list, "breast-cancer") {
			return fmt.Errorf("it is still there:\n%s", list)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.nothingOf(t, "breast-cancer")
}

func (s *story) notBack(t *testing.T) {
	// The chapter before has started the lab again.
	if list := s.benchtop(t, "project"); strings.Contains(list, "iris") {
		t.Errorf("it is back:\n%s", list)
	}
	if err := s.knowsFirstRow(t, "wine"); err != nil {
		t.Error(err)
	}
	s.benchtop(t, "project", "add", "iris")
	// After the API server was away, Traefik takes a minute or more to ask it
	// again. Meanwhile it serves what it knows.
	if err := drive.Eventually(t.Context(), 4*time.Minute, func() error { return s.knowsFirstRow(t, "iris") }); err != nil {
		t.Error(err)
	}
}
