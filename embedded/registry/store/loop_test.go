package store

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func iris(sha string) mlops.Dataset {
	return mlops.Dataset{Name: "iris", SHA256: strings.Repeat(sha, 64), Bucket: "datasets", Key: "iris/x.csv", Rows: 150, Features: 4, Classes: []string{"a", "b"}}
}

func TestDatasetVersions(t *testing.T) {
	s, ctx := open(t), t.Context()
	for i, c := range []struct {
		sha     string
		version int
	}{{"a", 1}, {"b", 2}, {"a", 1}, {"c", 3}} {
		if d := must(s.PutDataset(ctx, iris(c.sha)))(t); d.Version != c.version || d.SHA256[:1] != c.sha || len(d.Classes) != 2 {
			t.Errorf("%d: version %d of %s, want %d", i, d.Version, d.SHA256, c.version)
		}
	}
	if d := must(s.Dataset(ctx, "iris"))(t); d.Version != 3 {
		t.Errorf("newest is version %d, want 3", d.Version)
	}
	if all := must(s.Datasets(ctx))(t); len(all) != 3 || all[0].Version != 3 {
		t.Errorf("datasets: %v", all)
	}
	_, err := s.Dataset(ctx, "none")
	wantCode(t, err, mlops.NotFound, `no dataset "none"`)
	bad := iris("a")
	bad.SHA256 = "x"
	_, err = s.PutDataset(ctx, bad)
	wantCode(t, err, mlops.Invalid, "64 lower-case hex digits")
}

func TestTrainings(t *testing.T) {
	s, ctx := open(t), t.Context()
	_, err := s.CreateTraining(ctx, "iris", mlops.TriggerManual)
	wantCode(t, err, mlops.NotFound, `no project "iris"`)
	must(s.PutProject(ctx, mlops.Project{Name: "iris", Dataset: "iris", Schedule: "*/5 * * * *"}))(t)
	if p := must(s.PutProject(ctx, mlops.Project{Name: "iris", Dataset: "iris", Schedule: "0 * * * *", TimeZone: "Europe/Berlin", Node: "n"}))(t); p.ID != 1 || p.TimeZone != "Europe/Berlin" || p.Node != "n" || p.Schedule != "0 * * * *" {
		t.Errorf("the project was not changed in place: %+v", p)
	}
	tr := must(s.CreateTraining(ctx, "iris", mlops.TriggerFirstBoot))(t)
	if tr.Job != "iris-train-1" || tr.State != mlops.TrainingRequested || tr.Trigger != mlops.TriggerFirstBoot {
		t.Errorf("training: %+v", tr)
	}
	at := time.UnixMilli(5000)
	adopted := must(s.AdoptTraining(ctx, "iris", "cron-1", mlops.TriggerSchedule, at))(t)
	if again := must(s.AdoptTraining(ctx, "iris", "cron-1", mlops.TriggerSchedule, at))(t); again.ID != adopted.ID || !again.CreatedAt.Equal(at) {
		t.Errorf("adopted twice: %+v and %+v", adopted, again)
	}
	exp := must(s.CreateExperiment(ctx, "iris", "", nil))(t)
	run := must(s.CreateRun(ctx, NewRun{ExperimentID: exp, Tags: []wire.KV{{Key: mlops.TagJob, Value: tr.Job}}}))(t)
	for _, step := range []struct {
		state mlops.TrainingState
		code  mlops.Code
	}{{mlops.TrainingRunning, ""}, {mlops.TrainingRunning, ""}, {mlops.TrainingRequested, mlops.InvalidState}, {mlops.TrainingSucceeded, ""}, {mlops.TrainingSucceeded, ""},
		{mlops.TrainingFailed, mlops.InvalidState}, {mlops.TrainingRunning, mlops.InvalidState}, {"odd", mlops.Invalid}} {
		if err := s.SetTraining(ctx, tr.ID, step.state, "m", time.UnixMilli(9000)); mlops.CodeOf(err) != step.code {
			t.Errorf("to %s: %v, want %q", step.state, err, step.code)
		}
	}
	all := must(s.Trainings(ctx, "iris", 10))(t)
	if len(all) != 2 || all[0].ID != tr.ID || all[0].RunID != run.Info.RunID || all[0].State != mlops.TrainingSucceeded || all[0].EndedAt.UnixMilli() != 9000 || all[1].RunID != "" {
		t.Errorf("trainings: %+v", all)
	}
}

func TestVersionNumbersAreNotGivenAgain(t *testing.T) {
	s, ctx := open(t), t.Context()
	must(s.CreateRegisteredModel(ctx, "m", "", nil))(t)
	for _, want := range []string{"1", "2", "3"} {
		v := must(s.CreateModelVersion(ctx, NewVersion{Name: "m", Source: "s3://b/m"}))(t)
		if v.Version != want {
			t.Errorf("version %s, want %s", v.Version, want)
		}
		if want == "2" {
			if err := s.DeleteModelVersion(ctx, "m", "2"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestWebhooks(t *testing.T) {
	var tries atomic.Int32
	got := make(chan *http.Request, 10)
	bodies := make(chan []byte, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if tries.Add(1) < 3 {
			w.WriteHeader(503) // must be tried again
			return
		}
		got <- r
		bodies <- b
	}))
	defer receiver.Close()
	s := open(t)
	ctx := t.Context()
	events := []wire.WebhookEvent{{Entity: "MODEL_VERSION", Action: "1"}}
	name, secret, url := "hook", "s3cret", receiver.URL
	w := must(s.CreateWebhook(ctx, WebhookChange{Name: &name, URL: &url, Secret: &secret, Events: events}))(t)
	if r := must(s.TestWebhook(ctx, w.WebhookID, nil))(t); r.Success || !strings.Contains(r.ErrorMessage, "refused unless the operator allows it") {
		t.Errorf("loopback was reached: %+v", r)
	}
	// The operator allows it.
	s.hook.close()
	s.hook = deliverTo(t, s)
	must(s.CreateRegisteredModel(ctx, "m", "", nil))(t) // not asked for
	must(s.CreateModelVersion(ctx, NewVersion{Name: "m", Source: "s3://b/m", RunID: "r", Description: "d <1>", Tags: []wire.KV{{Key: "k", Value: "v"}, {Key: tagIsPrompt, Value: "false"}}}))(t)
	select {
	case r := <-got:
		b := <-bodies
		const begin = `{"action":"created","data":{"description":"d \u003c1\u003e","name":"m","run_id":"r","source":"s3://b/m","tags":{"k":"v"},"version":"1"},"entity":"model_version","timestamp":"20`
		if !strings.HasPrefix(string(b), begin) {
			t.Errorf("body %s, want %s…", b, begin)
		}
		want := Sign(secret, r.Header.Get("X-MLflow-Delivery-Id"), r.Header.Get("X-MLflow-Timestamp"), b)
		if sig := r.Header.Get("X-MLflow-Signature"); sig != want || !strings.HasPrefix(sig, "v1,") {
			t.Errorf("signature %q, want %q", sig, want)
		}
		if raw, err := base64.StdEncoding.DecodeString(want[3:]); err != nil || len(raw) != 32 {
			t.Errorf("the signature is no SHA-256: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was delivered")
	}
	for _, c := range []struct{ name, url, text string }{{"a b", url, "name"}, {"ok", "ftp://x/y", "http://"}, {"ok", "http://u:p@x/", "without credentials"}} {
		_, err := s.CreateWebhook(ctx, WebhookChange{Name: &c.name, URL: &c.url, Events: events})
		wantCode(t, err, mlops.Invalid, c.text)
	}
	_, err := s.CreateWebhook(ctx, WebhookChange{Name: &name, URL: &url, Events: events})
	wantCode(t, err, mlops.Exists, "exists already")
}

func TestWebhookTargets(t *testing.T) {
	for addr, refused := range map[string]bool{"127.0.0.1:80": true, "[::1]:80": true, "169.254.169.254:80": true, "[fe80::1]:80": true, "0.0.0.0:80": true, "10.43.0.1:443": true, "10.42.1.2:80": true,
		"[::ffff:127.0.0.1]:80": true, "93.184.216.34:443": false, "192.0.2.55:80": false} {
		if err := checkTarget(addr, nil); (err != nil) != refused {
			t.Errorf("%s: %v, want refused: %v", addr, err, refused)
		}
	}
}
