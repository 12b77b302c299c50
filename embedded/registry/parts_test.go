package registry

import (
	"context"
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
)

// partStore is a directory that also counts parts. appliance has the tests of
// parts in a real object store.
type partStore struct {
	mlops.ObjectStore
	public                bool
	begun, parts, aborted atomic.Int32
}

func (p *partStore) CreateMultipart(context.Context, string) (string, error) {
	return fmt.Sprint("upload ", p.begun.Add(1)), nil
}

func (p *partStore) PutPart(_ context.Context, _, _ string, n int, r io.Reader, _ int64) (string, error) {
	p.parts.Add(1)
	_, err := io.Copy(io.Discard, r)
	return fmt.Sprint("etag-", n), err
}

func (p *partStore) PartURLs(_ context.Context, key, _ string, n int, valid time.Duration) ([]string, error) {
	if !p.public || valid != 12*time.Hour {
		return nil, nil
	}
	return strings.Fields(strings.Repeat("https://s3.example.org/"+key+" ", n)), nil
}

func (*partStore) CompleteMultipart(context.Context, string, string, []string) error { return nil }

func (p *partStore) AbortMultipart(context.Context, string, string) (int64, error) {
	p.aborted.Add(1)
	return 7, nil
}

func (*partStore) Uploads(context.Context, string) ([]mlops.Upload, error) { return nil, nil }

func TestPartsGoWhereTheClientCameFrom(t *testing.T) {
	dir, err := NewDirStore(filepath.Join(t.TempDir(), "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	objects := &partStore{ObjectStore: dir}
	var hours atomic.Int64
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), Options{Artifacts: objects, Now: func() time.Time { return time.Now().Add(time.Duration(hours.Load()) * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(NewHandler(s, users{}, nil))
	t.Cleanup(func() {
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	http.DefaultClient.Transport = srv.Client().Transport // newAPI's requests are plain
	t.Cleanup(func() { http.DefaultClient.Transport = nil })
	a := &api{t, srv.URL, s, "trainer"}
	begin := func() (urls []string, id string) {
		v := a.want(200, "POST", "/api/2.0/mlflow-artifacts/mpu/create/1/r/artifacts", `{"path": "f", "num_parts": 2}`)
		for _, c := range v["credentials"].([]any) {
			urls = append(urls, c.(map[string]any)["url"].(string))
		}
		return urls, v["upload_id"].(string)
	}
	urls, id := begin()
	for i, u := range urls {
		part, ok := strings.CutPrefix(u, srv.URL) // https
		if !ok {
			t.Fatalf("part %d goes to %s, want %s", i+1, u, srv.URL)
		}
		a.user = ""
		st, _, h := a.do("PUT", part, "x")
		if st != 200 || h.Get("ETag") != fmt.Sprintf(`"etag-%d"`, i+1) {
			t.Errorf("part %d: %d %v", i+1, st, h)
		}
		// A browser has no password to add here: a page of another site that
		// does not know the id puts nothing.
		guessed := strings.Replace(part, id, strings.Repeat("0", len(id)), 1)
		if v := a.want(404, "PUT", guessed, "x", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); guessed == part || v["error_code"] == nil {
			t.Errorf("a guessed id, %s: %v", guessed, v)
		}
		a.user = "trainer"
	}
	if n := objects.parts.Load(); n != 2 {
		t.Errorf("%d parts came, want 2", n)
	}
	if v := a.want(400, "POST", "/api/2.0/mlflow-artifacts/mpu/create/1/r/artifacts", `{"path": "f", "num_parts": 10001}`); v["error_code"] != "INVALID_PARAMETER_VALUE" {
		t.Errorf("too many parts: %v", v)
	}

	// Behind a proxy that ends TLS, as the web server tells it.
	rec := httptest.NewRecorder()
	req := httptest.NewRequest("POST", "/api/2.0/mlflow-artifacts/mpu/create/1/r/artifacts", strings.NewReader(`{"path": "g", "num_parts": 1}`))
	req.Host, req.URL.Scheme = "lab.example.org", "https"
	req.SetBasicAuth("trainer", "pw")
	NewHandler(s, users{}, nil).ServeHTTP(rec, req)
	if !strings.Contains(rec.Body.String(), `"url":"https://lab.example.org/api/2.0/mlflow-artifacts/parts/`) {
		t.Errorf("behind a proxy: %s", rec.Body)
	}

	objects.public = true
	if urls, _ := begin(); len(urls) != 2 || urls[1] != "https://s3.example.org/1/r/artifacts/f" {
		t.Errorf("with a public object store parts go to %v", urls)
	}
	// 12 hours later all uploads are over, and gc frees what they hold.
	hours.Store(13)
	if v := a.want(404, "PUT", strings.TrimPrefix(urls[0], srv.URL), "x"); !strings.Contains(fmt.Sprint(v["message"]), "begin it again") {
		t.Errorf("a part that comes too late: %v", v)
	}
	a.want(404, "POST", "/api/2.0/mlflow-artifacts/mpu/complete/1/r/artifacts", `{"path": "f", "upload_id": "`+id+`", "parts": [{"part_number": 1, "etag": "x"}]}`)
	a.user = "admin"
	if v := a.want(200, "POST", "/api/registry/gc", ""); v["uploads"] != 3.0 || v["bytes"] != 21.0 || objects.aborted.Load() != 3 {
		t.Errorf("gc: %v, %d given up", v, objects.aborted.Load())
	}
	if v := a.want(200, "POST", "/api/registry/gc", ""); v["uploads"] != 0.0 {
		t.Errorf("a second gc: %v", v)
	}
}
