//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// TestPush takes scripts that nobody wrote for Benchtop from their folder to a
// right prediction, and what people do wrong to a clear end.
func TestPush(t *testing.T) {
	inTurn(t)
	s := begin(t, "push", testhost.Options{})
	chapter(t, "boot", s.emptyBoot)
	chapter(t, "what would happen", s.pushExplained)
	chapter(t, "a script with joblib", s.pushWine)
	chapter(t, "from another computer, with a table and arguments", s.pushHouses)
	chapter(t, "a script that logs by itself", s.pushTracked)
	chapter(t, "a package with its settings", s.pushLayout)
	chapter(t, "a notebook", s.pushNotebook)
	chapter(t, "mistakes", s.pushMistakes)
	chapter(t, "the later of two pushes wins", s.pushTwice)
	chapter(t, "kill -9 while a push is under way", s.pushKilled)
	chapter(t, "code stays inside", s.pushConfined)
}

func (s *story) emptyBoot(t *testing.T) {
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "project:\n  sample: none\n"); err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %.1f s", s.start(t).Seconds())
	s.givesFolder(t, "testdata/push")
}

// givesFolder puts folders of scripts below /root/push.
func (s *story) givesFolder(t *testing.T, from string) {
	t.Helper()
	if err := s.GiveFolder(t.Context(), from, "/root/push"); err != nil {
		t.Fatal(err)
	}
}

// pushed pushes a folder below /root/push and returns what the command says; it
// has to end with the address.
func (s *story) pushed(t *testing.T, name string, args ...string) string {
	t.Helper()
	began := time.Now()
	out := s.benchtop(t, append([]string{"push"}, args...)...)
	if !strings.HasSuffix(out, "/models/"+name+"/predict") {
		t.Fatalf("the push of %s does not end with its address:\n%s", name, out)
	}
	t.Logf("%s is served %.1f s after the push began", name, time.Since(began).Seconds())
	return out
}

// asked is the answer of a model for one body.
func (s *story) asked(t *testing.T, name, body string) []any {
	t.Helper()
	var answer struct{ Predictions []any }
	if err := drive.Eventually(t.Context(), patience, func() error { return s.sends(t, http.MethodPost, name+"/predict", body, &answer) }); err != nil {
		t.Fatal(err)
	}
	return answer.Predictions
}

// says checks that an output has some texts.
func says(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("it does not say %q:\n%s", text, out)
		}
	}
}

func (s *story) pushExplained(t *testing.T) {
	out := s.benchtop(t, "push", "--explain", "/root/push/wine")
	says(t, out, "1 file", "It runs: python train.py", "kind: CronJob", "kind: NetworkPolicy", "name: wine-code")
	if out := s.benchtop(t, "project", "list", "--json"); strings.Contains(out, `"wine"`) {
		t.Errorf("to explain a push has made a project: %s", out)
	}
}

func (s *story) pushWine(t *testing.T) {
	out := s.pushed(t, "wine", "/root/push/wine")
	says(t, out, "accuracy: ", "trained: run ", "version 1")
	got := s.asked(t, "wine", `{"instances": [[13.2, 1.78, 2.14, 11.2, 100, 2.65, 2.76, 0.26, 1.28, 4.38, 1.05, 3.4, 1050], [12.37, 0.94, 1.36, 10.6, 88, 1.98, 0.57, 0.28, 0.42, 1.95, 1.05, 1.82, 520]]}`)
	if fmt.Sprint(got) != "[0 1]" {
		t.Errorf("two wines are %v, want the cultivars 0 and 1", got)
	}
	// The same code is the same archive, and a second push is a second version.
	began := time.Now()
	says(t, s.pushed(t, "wine", "/root/push/wine"), "version 2")
	t.Logf("the second push took %.1f s", time.Since(began).Seconds())
}

func (s *story) pushHouses(t *testing.T) {
	var key struct{ Token string }
	if err := json.Unmarshal([]byte(s.benchtop(t, "keys", "create", "laptop", "--role", "editor", "--json")), &key); err != nil {
		t.Fatal(err)
	}
	server := "http://" + s.Host.Address().String() + ":8080"
	laptop := func(args ...string) (string, error) {
		cmd := s.Host.OnLAN(t.Context(), binary(t), append([]string{"push"}, args...)...)
		cmd.Env = append(os.Environ(), "BENCHTOP_SERVER="+server, "BENCHTOP_TOKEN="+key.Token)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	out, err := laptop("testdata/push/houses", "--command", "python main.py --trees 120")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	says(t, out, "saved to models", "it gets the lab's", "/models/houses/predict")
	got := s.asked(t, "houses", `{"instances": [{"area": 100, "rooms": 4, "year": 1990, "district": "centre"}]}`)
	if len(got) != 1 || got[0].(float64) < 420_000 || got[0].(float64) > 510_000 {
		t.Errorf("a house in the centre costs %v, want about 456,000", got)
	}
	// What it read is in the lineage.
	says(t, s.benchtop(t, "datasets"), "houses.csv")
	if err := json.Unmarshal([]byte(s.benchtop(t, "keys", "create", "houses-only", "--role", "editor", "--project", "houses", "--json")), &key); err != nil {
		t.Fatal(err)
	}
	if out, err := laptop("testdata/push/wine"); err == nil || !strings.Contains(out, "limited to project houses") {
		t.Errorf("a key of houses pushes wine: %v\n%s", err, out)
	}
}

func (s *story) pushTracked(t *testing.T) {
	out := s.pushed(t, "tracked", "/root/push/tracked")
	says(t, out, "MLflow Quickstart")
	if got := s.asked(t, "tracked", `{"instances": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}`); fmt.Sprint(got) != "[0 2]" {
		t.Errorf("two flowers are %v, want 0 and 2", got)
	}
}

func (s *story) pushLayout(t *testing.T) {
	s.pushed(t, "layout", "/root/push/layout")
	if got := s.asked(t, "layout", `{"inputs": ["a free prize, act now", "lunch on Tuesday?"]}`); fmt.Sprint(got) != "[1 0]" {
		t.Errorf("two texts are %v, want spam and not", got)
	}
	says(t, s.benchtop(t, "project", "show", "layout", "--json"), "1500Mi", `"time_limit": "20m"`)
}

func (s *story) pushNotebook(t *testing.T) {
	s.pushed(t, "fuel", "/root/push/fuel.ipynb")
	got := s.asked(t, "fuel", `{"instances": [{"weight": 1200, "power": 120}]}`)
	if len(got) != 1 || got[0].(float64) < 6.5 || got[0].(float64) > 7.5 {
		t.Errorf("a car needs %v litres, want about 7", got)
	}
}

// script makes a folder with one script on the host.
func (s *story) script(t *testing.T, name, text string) string {
	t.Helper()
	folder := "/root/push/" + name
	if err := s.WriteFile(t.Context(), folder+"/train.py", text); err != nil {
		t.Fatal(err)
	}
	return folder
}

func (s *story) pushMistakes(t *testing.T) {
	s.refuses(t, []string{"there is nothing that could be run"}, "push", s.folder(t, "nothing", "notes.txt", "hello"))
	s.refuses(t, []string{"is not there: expected a folder"}, "push", "/root/push/absent")
	s.refuses(t, []string{"a.py", "b.ipynb", "--entry"}, "push", s.folder(t, "several", "a.ipynb", "{}", "b.ipynb", "{}", "a.py", "x = 1"), "--entry", "c.py")
	s.refuses(t, []string{"needs xgboost", "benchtop packages add"}, "push", s.script(t, "lacking", "import xgboost\n"))
	s.refuses(t, []string{"ZeroDivisionError: division by zero"}, "push", s.script(t, "failing", "print(1 / 0)\n"))
	out := s.benchtop(t, "push", s.script(t, "modelless", "print('hello')\n"))
	says(t, out, "hello", "no model was found", "joblib.dump")
	s.refuses(t, []string{"ead-only file system"}, "push", s.script(t, "outside", "open('/etc/x', 'w')\n"))
	s.refuses(t, []string{"project iris is trained on dataset iris"}, "push", s.addsIris(t), "--project", "iris")
}

// folder makes a folder with files on the host: name, content, name, content.
func (s *story) folder(t *testing.T, name string, files ...string) string {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		if err := s.WriteFile(t.Context(), "/root/push/"+name+"/"+files[i], files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return "/root/push/" + name
}

// addsIris adds the sample, and returns a folder that could be pushed.
func (s *story) addsIris(t *testing.T) string {
	t.Helper()
	s.benchtop(t, "project", "add", "iris")
	return "/root/push/wine"
}

// slow is a script that takes its time, and leaves a model that answers a number.
const slow = `import pickle, time
from sklearn.dummy import DummyRegressor
time.sleep(%d)
pickle.dump(DummyRegressor(strategy="constant", constant=%d).fit([[0.0]], [0.0]), open("model.pkl", "wb"))
`

func (s *story) pushTwice(t *testing.T) {
	first := s.script(t, "race", fmt.Sprintf(slow, 600, 1))
	s.benchtop(t, "push", "--detach", first)
	time.Sleep(3 * time.Second) // it has begun
	s.script(t, "race", fmt.Sprintf(slow, 0, 2))
	s.pushed(t, "race", first)
	if got := s.asked(t, "race", `{"instances": [[1]]}`); fmt.Sprint(got) != "[2]" {
		t.Errorf("it answers %v, want what the later push has", got)
	}
	says(t, s.benchtop(t, "status", "--json"), "race")
}

func (s *story) pushKilled(t *testing.T) {
	s.benchtop(t, "push", "--detach", s.script(t, "killed", fmt.Sprintf(slow, 5, 3)))
	if err := s.Signal(t.Context(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := s.up.Wait(patience); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	if err := drive.Eventually(t.Context(), patience, func() error {
		var answer struct{ Predictions []any }
		if err := s.sends(t, http.MethodPost, "killed/predict", `{"instances": [[1]]}`, &answer); err != nil {
			return err
		}
		if fmt.Sprint(answer.Predictions) != "[3]" {
			return fmt.Errorf("it answers %v", answer.Predictions)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// pushConfined tries to get out of the pod that runs pushed code.
func (s *story) pushConfined(t *testing.T) {
	out, err := s.Try(t.Context(), "", "push", s.script(t, "curious", `import os, socket, urllib.request, boto3

def tries(what, do):
    try:
        print("GOT", what, do())
    except Exception as err:
        print("refused", what, type(err).__name__)

tries("the service account", lambda: open("/var/run/secrets/kubernetes.io/serviceaccount/token").read())
tries("root", lambda: os.setuid(0))
tries("another project's code", lambda: boto3.client("s3").list_objects_v2(Bucket="code", Prefix="wine/")["KeyCount"])
tries("datasets", lambda: boto3.client("s3").list_objects_v2(Bucket="datasets")["KeyCount"])
tries("metadata", lambda: socket.create_connection(("169.254.169.254", 80), 3))
tries("the Kubernetes API", lambda: socket.create_connection(("kubernetes.default.svc", 443), 3))
tries("the pages", lambda: socket.create_connection((os.environ["BENCHTOP_HOST"] if "BENCHTOP_HOST" in os.environ else "prometheus.benchtop.svc", 8080), 3))
tries("a server of another project", lambda: socket.create_connection(("wine.wine.svc", 80), 3))
print("own code", boto3.client("s3").list_objects_v2(Bucket="code", Prefix="curious/")["KeyCount"])
print("user", os.getuid())
`))
	if err != nil {
		t.Fatal(err)
	}
	says(t, out.All(), "own code 1", "user 10001")
	if strings.Contains(out.All(), "GOT ") {
		t.Errorf("pushed code gets out:\n%s", out.All())
	}
	if n := strings.Count(out.All(), "refused "); n != 8 {
		t.Errorf("%d tries were refused, want 8:\n%s", n, out.All())
	}
}
