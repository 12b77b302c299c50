//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	miniogo "github.com/minio/minio-go/v7"
)

// accessKey is what `benchtop keys create --json` prints.
type accessKey struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	Token string `json:"token"`
}

func (s *story) createKey(t *testing.T, args ...string) accessKey {
	t.Helper()
	var k accessKey
	if err := json.Unmarshal([]byte(s.benchtop(t, append([]string{"keys", "create", "--json"}, args...)...)), &k); err != nil {
		t.Fatal(err)
	}
	return k
}

// venv is that of a set of locked requirements.
func venv(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(repository, "embedded/registry/clienttest/run"), "venv", name)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make the venv %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// onLAN runs a stock client on another machine of the network.
func (s *story) onLAN(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := s.Host.OnLAN(ctx, name, args...)
	cmd.Env = append(append(os.Environ(), "HOME="+t.TempDir(), "PYTHONDONTWRITEBYTECODE=1", "MLFLOW_DISABLE_TELEMETRY=true", "NO_PROXY=*",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// door is one way in, with its answer to a key.
type door struct {
	name string
	try  func(k accessKey) (status int, said string)
}

// keyDoors are all ways in, with the simplest request of each.
func (s *story) keyDoors(t *testing.T) []door {
	client := s.Host.HTTPFromLAN()
	ask := func(url string, credentials func(*http.Request, accessKey)) func(accessKey) (int, string) {
		return func(k accessKey) (int, string) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				return 0, err.Error()
			}
			credentials(req, k)
			r, err := client.Do(req)
			if err != nil {
				return 0, err.Error()
			}
			defer r.Body.Close()
			body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			return r.StatusCode, string(body)
		}
	}
	basic := func(r *http.Request, k accessKey) { r.SetBasicAuth(k.Name, k.Token) }
	bearer := func(r *http.Request, k accessKey) { r.Header.Set("Authorization", "Bearer "+k.Token) }
	const experiment = "/api/2.0/mlflow/experiments/get?experiment_id=0"
	return []door{
		{"the UI's API", ask("http://appliance:8080/api/status", bearer)},
		{"the UI's API by password", ask("http://appliance:8080/api/status", basic)},
		{"MLflow", ask("http://appliance:5000"+experiment, basic)},
		{"MLflow by token", ask("http://appliance:5000"+experiment, bearer)},
		{"MLflow on the UI's port", ask("http://appliance:8080"+experiment, basic)},
		{"Prometheus", ask("http://appliance:8080/prometheus/api/v1/query?query=up", bearer)},
		{"S3", func(k accessKey) (int, string) {
			c, err := s.ObjectStore(k.Name, k.Token)
			if err != nil {
				return 0, err.Error()
			}
			if _, err = c.ListBuckets(t.Context()); err == nil {
				return http.StatusOK, ""
			}
			r := miniogo.ToErrorResponse(err)
			return r.StatusCode, r.Code + " " + err.Error()
		}},
	}
}

// everyDoor checks that every door answers with one of the statuses and a text.
func everyDoor(t *testing.T, doors []door, k accessKey, text string, statuses ...int) {
	t.Helper()
	for _, d := range doors {
		status, said := d.try(k)
		ok := strings.Contains(said, text)
		for i, want := range statuses {
			if status == want {
				break
			}
			ok = ok && i+1 < len(statuses)
		}
		if !ok {
			t.Errorf("%s answers %s with %d, want %v and %q: %.300s", d.name, k.Name, status, statuses, text, said)
		}
	}
}

// accessKeys gives keys to stock clients and takes them away.
func (s *story) accessKeys(t *testing.T) {
	base := "http://" + s.Host.Address().String()
	doors := s.keyDoors(t)
	s.benchtop(t, "keys")
	s.refuses(t, []string{"Give --role admin, editor, trainer or reader"}, "keys", "create", "ada")
	s.refuses(t, []string{"expected one of admin, editor, trainer, reader"}, "keys", "create", "ada", "--role", "owner")
	s.refuses(t, []string{"bucket doors-none does not exist", "doors-none:rw"}, "keys", "create", "ada", "--role", "editor", "--bucket", "doors-none")
	s.refuses(t, []string{"bucket mlflow is the appliance's own"}, "keys", "create", "ada", "--role", "editor", "--bucket", "mlflow:rw")
	s.refuses(t, []string{"expected for example 90d"}, "keys", "create", "ada", "--role", "editor", "--expires", "soon")
	s.refuses(t, []string{`there is no key "ada"`}, "keys", "revoke", "ada")

	brief := s.createKey(t, "brief", "--role", "reader", "--expires", "5s")
	ends := time.Now().Add(5 * time.Second)
	ada := s.createKey(t, "ada", "--role", "editor", "--bucket", "doors-data:rw", "--expires", "90d")
	rex := s.createKey(t, "rex", "--role", "reader", "--bucket", "doors-data:ro")
	tia := s.createKey(t, "tia", "--role", "trainer")
	chief := s.createKey(t, "chief", "--role", "admin")
	defer func() {
		admin, err := s.Admin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		root, err := s.ObjectStore(admin.S3.Access, admin.S3.Secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, bucket := range []string{"doors-data", "doors-chief"} {
			if err := root.RemoveBucketWithOptions(t.Context(), bucket, miniogo.RemoveBucketOptions{ForceDelete: true}); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{"rex", "tia", "chief", "brief"} {
			s.benchtop(t, "keys", "revoke", name)
		}
	}()
	s.refuses(t, []string{"exists already: revoke it first"}, "keys", "create", "ada", "--role", "reader")
	for _, k := range []accessKey{ada, rex, chief} {
		everyDoor(t, doors, k, "", 200)
	}
	if status, _ := doors[2].try(tia); status != 200 {
		t.Errorf("MLflow answers tia with %d", status)
	}
	listed := s.benchtop(t, "keys", "list")
	columns := strings.Join(strings.Fields(listed), " ") // however wide they are
	for _, want := range []string{"NAME", "ada editor all doors-data:rw", "chief admin all all", "rex reader all doors-data:ro", "tia trainer all none", "project-iris trainer iris datasets/iris/:ro"} {
		if !strings.Contains(columns, want) {
			t.Errorf("keys list lacks %q:\n%s", want, listed)
		}
	}
	if strings.Contains(listed+s.benchtop(t, "keys", "--json"), ada.Token) {
		t.Error("a token is listed")
	}
	log := s.sh(t, "cat /var/lib/benchtop/log/*; cat /var/lib/benchtop/registry/registry.db*")
	if strings.Contains(log, ada.Token) {
		t.Error("a token lies in the log or in the database")
	}

	// Stock clients, at the same time: Python takes seconds to begin.
	var clients sync.WaitGroup
	python := func(set string) string { return filepath.Join(venv(t, set), "bin", "python") }
	s3, mlflow := python("s3"), python("mlflow3")
	run := func(env []string, name string, args ...string) {
		t.Helper()
		if out, err := s.onLAN(t, env, name, args...); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tracking := func(k accessKey) []string {
		return []string{"MLFLOW_TRACKING_URI=" + base + ":5000", "MLFLOW_TRACKING_USERNAME=" + k.Name, "MLFLOW_TRACKING_PASSWORD=" + k.Token}
	}
	aws := func(k accessKey) []string {
		return []string{"AWS_ENDPOINT_URL=" + base + ":9000", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + k.Name, "AWS_SECRET_ACCESS_KEY=" + k.Token}
	}
	clients.Go(func() {
		run(tracking(tia), mlflow, "testdata/keys_mlflow.py", "writes")
		run([]string{"MLFLOW_TRACKING_URI=" + base + ":8080", "MLFLOW_TRACKING_TOKEN=" + rex.Token}, mlflow, "testdata/keys_mlflow.py", "reads")
	})
	clients.Go(func() {
		run(nil, s3, "testdata/keys_s3.py", base+":9000", ada.Name, ada.Token, "rw", filepath.Join(t.TempDir(), "big"))
		run(nil, s3, "testdata/keys_s3.py", base+":9000", rex.Name, rex.Token, "ro")
		cli := filepath.Join(filepath.Dir(s3), "aws")
		run(aws(ada), cli, "s3", "cp", "testdata/keys_s3.py", "s3://doors-data/aws/script.py")
		run(aws(rex), cli, "s3", "ls", "s3://doors-data/aws/")
		run(aws(chief), cli, "s3", "mb", "s3://doors-chief")
		if out, err := s.onLAN(t, aws(rex), cli, "s3", "cp", "testdata/keys_s3.py", "s3://doors-data/aws/forged.py"); err == nil || !strings.Contains(out, "AccessDenied") {
			t.Errorf("a reader's aws s3 cp: %v, want AccessDenied: %s", err, out)
		}
	})
	for _, c := range []struct {
		key    accessKey
		status string
	}{{rex, "403"}, {tia, "403"}, {ada, "404"}, {chief, "404"}} { // there is no such project: 404 means that the role may train
		out, err := s.onLAN(t, nil, "curl", "-s", "-w", " %{http_code}", "-X", "POST", "-H", "Authorization: Bearer "+c.key.Token, base+":8080/api/projects/none/train")
		if err != nil || !strings.HasSuffix(out, c.status) {
			t.Errorf("%s trains: %v %s, want %s", c.key.Name, err, out, c.status)
		}
	}
	if out, err := s.onLAN(t, nil, "curl", "-s", "-u", rex.Name+":"+rex.Token, base+":8080/prometheus/api/v1/query?query=up"); err != nil || !strings.Contains(out, `"status":"success"`) {
		t.Errorf("Prometheus answers a reader %v %.300s", err, out)
	}
	time.Sleep(time.Until(ends))
	everyDoor(t, doors, brief, "brief has expired on", 401, 403)
	clients.Wait()

	// Revoked: the first request after the command is refused at every door.
	begin := time.Now()
	s.benchtop(t, "keys", "revoke", "ada")
	revoked := time.Since(begin)
	everyDoor(t, doors, ada, "", 401, 403)
	took := time.Since(begin)
	t.Logf("`keys revoke` took %s, and every door had refused the key %s after its begin", revoked.Round(time.Millisecond), took.Round(time.Millisecond))
	everyDoor(t, doors, rex, "", 200)
	s.keysSurviveAKill(t, doors, ada, rex)
}

// keysSurviveAKill kills the appliance while keys are made and revoked. What
// was acknowledged holds afterwards, and nobody is told a wrong thing meanwhile.
func (s *story) keysSurviveAKill(t *testing.T, doors []door, ada, rex accessKey) {
	var made []accessKey
	gone := map[string]bool{}
	enough, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			if i == 6 {
				close(enough)
			}
			r, err := s.Try(t.Context(), "", "keys", "create", "--json", fmt.Sprintf("many-%d", i), "--role", "reader", "--bucket", "doors-data")
			var k accessKey
			if err != nil || r.Code != 0 || json.Unmarshal([]byte(r.Stdout), &k) != nil {
				return
			}
			made = append(made, k)
			if i%2 == 1 {
				name := made[i/2].Name
				if r, err := s.Try(t.Context(), "", "keys", "revoke", name); err != nil || r.Code != 0 {
					gone[name] = false // not known
					return
				}
				gone[name] = true
			}
		}
	}()
	select {
	case <-enough:
	case <-done:
		t.Error("no more keys could be made")
	case <-time.After(time.Minute):
		t.Error("six keys were not made in a minute")
	}
	if err := s.up.Kill(); err != nil {
		t.Fatal(err)
	}
	<-done

	// While it starts a door is closed, busy or open, and never says that a
	// good key is bad.
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for _, d := range doors {
		asking.Go(func() {
			for ctx.Err() == nil {
				if status, said := d.try(rex); status != 0 && status != 200 && status != 503 {
					t.Errorf("while it starts %s answers a good key %d: %.200s", d.name, status, said)
					return
				}
				if guarded := strings.Contains(d.name, "API") || d.name == "Prometheus"; !guarded { // those would count us as guessing
					if status, said := d.try(ada); status == 200 {
						t.Errorf("while it starts %s lets a revoked key in: %.200s", d.name, said)
						return
					}
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	s.start(t)
	stop()
	asking.Wait()
	everyDoor(t, doors, rex, "", 200)
	everyDoor(t, doors[2:], ada, "", 401, 403) // the UI slows guessing clients down
	var listed []accessKey
	if err := json.Unmarshal([]byte(s.benchtop(t, "keys", "--json")), &listed); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, k := range listed {
		there[k.Name] = true
	}
	mlflow, s3 := doors[2], doors[6]
	for _, k := range made {
		revoked, asked := gone[k.Name]
		if asked && !revoked {
			continue // the kill came between
		}
		for _, d := range []door{mlflow, s3} {
			if status, said := d.try(k); (status == 200) == revoked || there[k.Name] == revoked {
				t.Errorf("%s, revoked %t, is listed %t and %s answers %d: %.200s", k.Name, revoked, there[k.Name], d.name, status, said)
			}
		}
	}
	t.Logf("%d keys were made and %d revoked before the kill", len(made), len(gone))
	for _, k := range listed {
		if strings.HasPrefix(k.Name, "many-") {
			s.benchtop(t, "keys", "revoke", k.Name)
		}
	}
}
