package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/minio"
	"github.com/benchtop-lab/benchtop/embedded/registry"
)

// TestArtifactsInMinIO uploads to the registry as the appliance wires it, with
// a MinIO behind it. One test for all of it: MinIO runs once per process.
func TestArtifactsInMinIO(t *testing.T) {
	r := startRegistry(t)
	t.Run("in parts", r.inParts)
	t.Run("in parts by MLflow's client", r.byClient)
	t.Run("parts that are refused", r.badParts)
	t.Run("removed for good", r.gc)
	t.Run("two gigabytes", r.big)
	t.Run("two gigabytes in parts", r.bigInParts)
}

// artifactRegistry is a registry over a MinIO, both in this process.
type artifactRegistry struct {
	url      string
	minio    *minio.Unit
	password string // if the registry wants one
}

func startRegistry(t *testing.T) *artifactRegistry {
	t.Helper()
	unit, err := minio.New(minio.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", RootUser: "root-of-tests", RootPassword: "a long secret of the tests",
		Buckets: []minio.Bucket{{Name: artifactBucket}}, Users: []minio.User{{Name: "somebody", AccessKey: "somebody", SecretKey: "else's secret key", Grants: []minio.Grant{minio.FullBucket(artifactBucket)}}}, MemoryLimit: memoryLimit})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h, ready := supervise.NewHandle(io.Discard)
	done := make(chan error, 1)
	go func() { done <- unit.Run(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("MinIO ended with %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatalf("MinIO ended before it was ready: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("MinIO is not ready after a minute")
	}
	store, err := registry.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), registry.Options{Artifacts: unit.Bucket(artifactBucket)})
	if err != nil {
		t.Fatal(err)
	}
	const password = "only for tests"
	srv := httptest.NewServer(registry.NewHandler(store, NewAuth(Secrets{AdminPassword: password, AdminToken: password, Trainer: "another"}, nil), nil))
	t.Cleanup(func() {
		srv.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &artifactRegistry{srv.URL, unit, password}
}

// do sends a request as the administrator and decodes the answer into out, if
// not nil.
func (r *artifactRegistry) do(t *testing.T, method, url string, body io.Reader, out any) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(url, "/parts/") { // clients put parts without credentials
		req.SetBasicAuth("admin", r.password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			t.Fatalf("%s %s: %s %s", method, url, resp.Status, b)
		}
	}
	return resp.StatusCode, resp.Header
}

func (r *artifactRegistry) mpu(t *testing.T, action string, fields map[string]any, out any) int {
	t.Helper()
	fields["path"] = "/home/me/model.bin"
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := r.do(t, "POST", r.url+"/api/2.0/mlflow-artifacts/mpu/"+action+"/1/run/artifacts", bytes.NewReader(b), out)
	return status
}

// created is the answer to the beginning of an upload.
type created struct {
	UploadID    string `json:"upload_id"`
	Credentials []struct {
		URL    string `json:"url"`
		Number int    `json:"part_number"`
	} `json:"credentials"`
}

// inParts uploads as the protocol says.
func (r *artifactRegistry) inParts(t *testing.T) {
	const file = "/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/model.bin"
	content := make([]byte, 12<<20+345)
	src := rand.NewChaCha8([32]byte{1})
	_, _ = src.Read(content) // never fails
	const partBytes = 5 << 20
	upload := func() (up created, parts []map[string]any) {
		if status := r.mpu(t, "create", map[string]any{"num_parts": 3}, &up); status != 200 || len(up.Credentials) != 3 {
			t.Fatalf("create: %d %+v", status, up)
		}
		for i, c := range up.Credentials {
			if !strings.HasPrefix(c.URL, r.url+"/") || c.Number != i+1 {
				t.Errorf("part %d goes to %s as number %d, want the registry's address: the client has reached that", i+1, c.URL, c.Number)
			}
			status, h := r.do(t, "PUT", c.URL, bytes.NewReader(content[i*partBytes:min((i+1)*partBytes, len(content))]), nil)
			if status != 200 || h.Get("ETag") == "" {
				t.Fatalf("part %d: %d %v", i+1, status, h)
			}
			parts = append(parts, map[string]any{"part_number": c.Number, "etag": h.Get("ETag"), "url": c.URL})
		}
		return up, parts
	}

	up, parts := upload()
	if status := r.mpu(t, "abort", map[string]any{"upload_id": up.UploadID}, nil); status != 200 {
		t.Errorf("abort: %d", status)
	}
	if status := r.mpu(t, "complete", map[string]any{"upload_id": up.UploadID, "parts": parts}, nil); status != 404 {
		t.Errorf("completing what was aborted: %d, want 404", status)
	}
	if status, _ := r.do(t, "GET", r.url+file, nil, nil); status != 404 {
		t.Errorf("the file is there after an abort: %d", status)
	}

	up, parts = upload()
	parts[0], parts[2] = parts[2], parts[0] // clients list parts in the order in which they ended
	if status := r.mpu(t, "complete", map[string]any{"upload_id": up.UploadID, "parts": parts[:2]}, nil); status != 400 {
		t.Errorf("completing without the first part: %d, want 400", status)
	}
	if status := r.mpu(t, "complete", map[string]any{"upload_id": up.UploadID, "parts": parts}, nil); status != 200 {
		t.Fatalf("complete: %d", status)
	}
	resp := r.get(t, r.url+file)
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v; want the %d bytes that were uploaded", len(got), err, len(content))
	}
}

// byClient has MLflow's own client upload in parts, and give up an upload.
func (r *artifactRegistry) byClient(t *testing.T) {
	venv, err := exec.CommandContext(t.Context(), "../embedded/registry/clienttest/run", "venv", "mlflow3").Output()
	if err != nil {
		t.Fatalf("prepare MLflow (needs python3 with venv, and a package index): %v", err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(strings.TrimSpace(string(venv)), "bin", "python"), "testdata/upload_in_parts.py", r.url, t.TempDir())
	cmd.Env = append(os.Environ(), "MLFLOW_TRACKING_USERNAME=admin", "MLFLOW_TRACKING_PASSWORD="+r.password, "NO_PROXY=*", "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("MLflow's client: %v\n%s", err, out)
	}
}

// big moves a file of 2 GB through the registry and looks at the memory of
// the process, which is also MinIO's.
func (r *artifactRegistry) big(t *testing.T) {
	move := func(size int64) {
		url := r.url + "/api/2.0/mlflow-artifacts/artifacts/big"
		req, err := http.NewRequestWithContext(t.Context(), "PUT", url, io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = size
		req.SetBasicAuth("admin", r.password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("upload: %v %v", resp, err)
		}
		resp.Body.Close()
		resp = r.get(t, url)
		defer resp.Body.Close()
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size {
			t.Fatalf("download: %d bytes of %d, %v", n, size, err)
		}
	}
	growsLittle(t, move)
}

// bigInParts does so in 20 parts, four at a time as MLflow's client does.
func (r *artifactRegistry) bigInParts(t *testing.T) {
	growsLittle(t, func(size int64) {
		const n = 20
		var up created
		if status := r.mpu(t, "create", map[string]any{"num_parts": n}, &up); status != 200 {
			t.Fatalf("create: %d", status)
		}
		parts := make([]map[string]any, n)
		slots := make(chan struct{}, 4)
		var wg sync.WaitGroup
		begin := time.Now()
		for i, c := range up.Credentials {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				req, err := http.NewRequestWithContext(t.Context(), "PUT", c.URL, io.LimitReader(zeros{}, size/n))
				if err != nil {
					t.Error(err)
					return
				}
				req.ContentLength = size / n
				resp, err := http.DefaultClient.Do(req)
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("part %d: %v %v", i+1, resp, err)
					return
				}
				resp.Body.Close()
				parts[i] = map[string]any{"part_number": i + 1, "etag": resp.Header.Get("ETag")}
			})
		}
		wg.Wait()
		t.Logf("%d MB/s", int64(float64(size>>20)/time.Since(begin).Seconds()))
		if status := r.mpu(t, "complete", map[string]any{"upload_id": up.UploadID, "parts": parts}, nil); status != 200 {
			t.Errorf("complete: %d", status)
		}
	})
}

// growsLittle moves 2 GB and looks at the most memory that it took.
func growsLittle(t *testing.T, move func(size int64)) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // as in a lab that is up
	move(120 << 20)                                  // MinIO's own buffers are made at the first upload
	residentPeak(t)
	before := residentPeak(t)
	begin := time.Now()
	move(2 << 30)
	grown := residentPeak(t) - before
	t.Logf("%d MB more at the peak, %s", grown>>20, time.Since(begin).Round(time.Millisecond))
	if grown > 64<<20 {
		t.Errorf("the process grew by %d MB, want at most 64", grown>>20)
	}
}

func (r *artifactRegistry) get(t *testing.T, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", r.password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// residentPeak is the most memory that the process has had since the last
// call, or at all before the first. What it has now counts from here on.
func residentPeak(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kb, 10, 64)
	if err != nil {
		t.Fatal(fmt.Errorf("read the peak: %w", err))
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return n << 10
}
