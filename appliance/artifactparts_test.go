package appliance

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	miniogo "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/benchtop-lab/benchtop/embedded/registry"
)

// badParts puts what must not become a part.
func (r *artifactRegistry) badParts(t *testing.T) {
	var up created
	if status := r.mpu(t, "create", map[string]any{"num_parts": 2}, &up); status != 200 {
		t.Fatalf("create: %d", status)
	}
	good := up.Credentials[0].URL
	base, id, _ := strings.Cut(strings.TrimSuffix(good, "/1"), "/parts/")
	for _, c := range []struct {
		what, method, url string
		body              io.Reader
		want              int
	}{
		{"the good one", "PUT", good, strings.NewReader("x"), 200},
		{"again", "PUT", good, strings.NewReader("y"), 200},
		{"number 0", "PUT", base + "/parts/" + id + "/0", strings.NewReader("x"), 400},
		{"one too many", "PUT", base + "/parts/" + id + "/3", strings.NewReader("x"), 400},
		{"no number", "PUT", base + "/parts/" + id, strings.NewReader("x"), 404},
		{"more path", "PUT", good + "/x", strings.NewReader("x"), 404},
		{"another id", "PUT", base + "/parts/" + strings.Repeat("0", len(id)) + "/1", strings.NewReader("x"), 404},
		{"no id", "PUT", base + "/parts//1", strings.NewReader("x"), 404},
		{"a way out", "PUT", base + "/parts/../artifacts/x", strings.NewReader("x"), 404},
		{"size unknown", "PUT", good, struct{ io.Reader }{strings.NewReader("x")}, 400},
		{"too large", "PUT", good, huge{}, 400},
		{"reading", "GET", good, nil, 405},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.url, c.body)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.body.(huge); ok {
			req.ContentLength = 6 << 30
			req.Header.Set("Expect", "100-continue") // the answer comes before the body
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.want {
			t.Errorf("%s: %d %s %v, want %d", c.what, resp.StatusCode, b, err, c.want)
		}
	}
	// The id opens the door for parts and for nothing else.
	body := `{"path": "model.bin", "upload_id": "` + up.UploadID + `", "parts": [{"part_number": 1, "etag": "x"}]}`
	for _, action := range []string{"complete", "abort"} {
		resp, err := http.Post(r.url+"/api/2.0/mlflow-artifacts/mpu/"+action+"/1/run/artifacts", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 401 {
			t.Errorf("%s without credentials: %d", action, resp.StatusCode)
		}
	}
	if status, _ := r.do(t, "POST", r.url+"/api/2.0/mlflow-artifacts/mpu/abort/2/other/artifacts", strings.NewReader(body), nil); status != 400 {
		t.Errorf("abort under another path: %d, want 400", status)
	}
	if status := r.mpu(t, "abort", map[string]any{"upload_id": up.UploadID}, nil); status != 200 {
		t.Errorf("abort: %d", status)
	}
	if status, _ := r.do(t, "PUT", good, strings.NewReader("x"), nil); status != 404 {
		t.Errorf("a part of what was given up: %d, want 404", status)
	}
}

// huge is a body of which nothing should be sent.
type huge struct{}

func (huge) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// gc deletes a run that has all kinds of things below it, and looks that
// nothing stays.
func (r *artifactRegistry) gc(t *testing.T) {
	var run struct {
		Run struct {
			Info struct {
				ID string `json:"run_id"`
			} `json:"info"`
		} `json:"run"`
	}
	if status, _ := r.do(t, "POST", r.url+"/api/2.0/mlflow/runs/create", strings.NewReader(`{"experiment_id": "0"}`), &run); status != 200 {
		t.Fatalf("create run: %d", status)
	}
	root := "0/" + run.Run.Info.ID + "/artifacts"
	keeper, err := miniogo.NewCore(r.minio.Addr(), &miniogo.Options{Creds: credentials.NewStaticV4("somebody", "else's secret key", "")})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"/", "/folder/", "/folder/deeper/"} { // as S3 browsers do
		if _, err := keeper.Client.PutObject(t.Context(), artifactBucket, root+key, strings.NewReader(""), 0, miniogo.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"/a.txt", "/folder/b.txt"} {
		if status, _ := r.do(t, "PUT", r.url+"/api/2.0/mlflow-artifacts/artifacts/"+root+file, strings.NewReader("12345"), nil); status != 200 {
			t.Fatalf("upload %s: %d", file, status)
		}
	}
	var up created
	if status, _ := r.do(t, "POST", r.url+"/api/2.0/mlflow-artifacts/mpu/create/"+root, strings.NewReader(`{"path": "big.bin", "num_parts": 2}`), &up); status != 200 {
		t.Fatalf("create upload: %d", status)
	}
	if status, _ := r.do(t, "PUT", up.Credentials[1].URL, bytes.NewReader(make([]byte, 1000)), nil); status != 200 {
		t.Fatalf("part: %d", status)
	}
	id, err := keeper.NewMultipartUpload(t.Context(), artifactBucket, root+"/folder/by s3", miniogo.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keeper.PutObjectPart(t.Context(), artifactBucket, root+"/folder/by s3", id, 1, strings.NewReader("12"), 2, miniogo.PutObjectPartOptions{}); err != nil {
		t.Fatal(err)
	}
	if status, _ := r.do(t, "POST", r.url+"/api/2.0/mlflow/runs/delete", strings.NewReader(`{"run_id": "`+run.Run.Info.ID+`"}`), nil); status != 200 {
		t.Fatalf("delete run: %d", status)
	}
	var rep registry.GCReport
	if status, _ := r.do(t, "POST", r.url+"/api/registry/gc", nil, &rep); status != 200 {
		t.Fatalf("gc: %d", status)
	}
	if rep.Runs != 1 || rep.Files != 2 || rep.Uploads != 2 || rep.Bytes != 5+5+1000+2 {
		t.Errorf("gc says %+v, want 1 run, 2 files, 2 uploads, 1012 bytes", rep)
	}
	for o := range keeper.Client.ListObjects(t.Context(), artifactBucket, miniogo.ListObjectsOptions{Prefix: root, Recursive: true}) {
		t.Errorf("left: %+v", o.Key)
	}
	for _, key := range []string{root + "/big.bin", root + "/folder/by s3"} { // MinIO lists by the whole key
		if left, err := keeper.ListMultipartUploads(t.Context(), artifactBucket, key, "", "", "", 10); err != nil || len(left.Uploads) != 0 {
			t.Errorf("uploads left: %v %v", left.Uploads, err)
		}
	}
	if status, _ := r.do(t, "POST", r.url+"/api/registry/gc", nil, &rep); status != 200 || rep.Runs+rep.Files+rep.Uploads != 0 {
		t.Errorf("a second gc: %d %+v", status, rep)
	}
}
