package webhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

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
	s := openLab(t, filepath.Join(t.TempDir(), "registry.db"), nil, db.Options{})
	defer s.Close()
	ctx := t.Context()
	events := []wire.WebhookEvent{{Entity: "MODEL_VERSION", Action: "1"}}
	name, secret, url := "hook", "s3cret", receiver.URL
	w := dbtest.Must(s.CreateWebhook(ctx, WebhookChange{Name: &name, URL: &url, Secret: &secret, Events: events}))(t)
	if r := dbtest.Must(s.TestWebhook(ctx, w.WebhookID, nil))(t); r.Success || !strings.Contains(r.ErrorMessage, "refused unless the operator allows it") {
		t.Errorf("loopback was reached: %+v", r)
	}
	// The operator allows it.
	s.hook.close()
	s.hook = deliverTo(t, s)
	dbtest.Must(s.models.CreateRegisteredModel(ctx, "m", "", nil))(t) // not asked for
	dbtest.Must(s.models.CreateModelVersion(ctx, models.NewVersion{Name: "m", Source: "s3://b/m", RunID: "r", Description: "d <1>", Tags: []wire.KV{{Key: "k", Value: "v"}, {Key: "mlflow.prompt.is_prompt", Value: "false"}}}))(t)
	select {
	case r := <-got:
		b := <-bodies
		const begin = `{"action":"created","data":{"description":"d \u003c1\u003e","name":"m","run_id":"r","source":"s3://b/m","tags":{"k":"v"},"version":"1"},"entity":"model_version","timestamp":"20`
		if !strings.HasPrefix(string(b), begin) {
			t.Errorf("body %s, want %s…", b, begin)
		}
		m := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(m, "%s.%s.%s", r.Header.Get("X-MLflow-Delivery-Id"), r.Header.Get("X-MLflow-Timestamp"), b)
		want := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
		if sig := r.Header.Get("X-MLflow-Signature"); sig != want {
			t.Errorf("signature %q, want %q", sig, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was delivered")
	}
	for _, c := range []struct{ name, url, text string }{{"a b", url, "name"}, {"ok", "ftp://x/y", "http://"}, {"ok", "http://u:p@x/", "without credentials"}} {
		_, err := s.CreateWebhook(ctx, WebhookChange{Name: &c.name, URL: &c.url, Events: events})
		dbtest.WantCode(t, err, mlops.Invalid, c.text)
	}
	_, err := s.CreateWebhook(ctx, WebhookChange{Name: &name, URL: &url, Events: events})
	dbtest.WantCode(t, err, mlops.Exists, "exists already")
}

func TestWebhookTargets(t *testing.T) {
	for addr, refused := range map[string]bool{"127.0.0.1:80": true, "[::1]:80": true, "169.254.169.254:80": true, "[fe80::1]:80": true, "0.0.0.0:80": true, "10.43.0.1:443": true, "10.42.1.2:80": true,
		"[::ffff:127.0.0.1]:80": true, "93.184.216.34:443": false, "192.0.2.55:80": false} {
		if err := checkTarget(addr, nil); (err != nil) != refused {
			t.Errorf("%s: %v, want refused: %v", addr, err, refused)
		}
	}
}
