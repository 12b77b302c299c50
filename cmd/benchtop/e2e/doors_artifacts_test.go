//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	miniogo "github.com/minio/minio-go/v7"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// partsBehindAFirewall uploads a file in parts from a machine that reaches the
// registry, but not S3's port, by each of the registry's doors.
func (s *story) partsBehindAFirewall(t *testing.T) {
	venv, err := exec.CommandContext(t.Context(), filepath.Join(repository, "embedded/registry/clienttest/run"), "venv", "mlflow3").Output()
	if err != nil {
		t.Fatalf("make the client's venv: %v", err)
	}
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address := s.Host.Address().String()
	firewall := func(change string) {
		if out, err := s.Host.InNetwork(t.Context(), "iptables", change, "INPUT", "-p", "tcp", "-d", address, "--dport", "9000", "-j", "DROP").CombinedOutput(); err != nil {
			t.Fatalf("iptables: %v\n%s", err, out)
		}
	}
	var runs []string
	func() {
		firewall("-I")
		defer firewall("-D")
		if out, err := s.Host.OnLAN(t.Context(), "curl", "-s", "-m", "1", "http://"+address+":9000/minio/health/live").CombinedOutput(); err == nil {
			t.Fatalf("S3's port is not closed: %s", out)
		}
		cmd := s.Host.OnLAN(t.Context(), filepath.Join(strings.TrimSpace(string(venv)), "bin", "python"), filepath.Join("testdata", "parts.py"), "http://"+address+":5000", "http://"+address+":8080")
		cmd.Env = append(os.Environ(), "MLFLOW_TRACKING_USERNAME=admin", "MLFLOW_TRACKING_PASSWORD="+admin.Password,
			"MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=true", "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE=10485760", "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE=5242880",
			"MLFLOW_HTTP_REQUEST_MAX_RETRIES=1", "MLFLOW_DISABLE_TELEMETRY=true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false", "HOME="+t.TempDir())
		said, err := cmd.CombinedOutput()
		for line := range strings.Lines(string(said)) {
			if id, ok := strings.CutPrefix(line, "run "); ok {
				runs = append(runs, strings.TrimSpace(id))
			}
		}
		if err != nil || len(runs) != 2 {
			t.Fatalf("parts.py: %v\n%s", err, said)
		}
	}()
	store, err := s.ObjectStore(admin.S3.Access, admin.S3.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range runs {
		r := s.artifactsOf(t, admin, id)
		big, err := store.StatObject(t.Context(), "mlflow", r+"/big.bin", miniogo.StatObjectOptions{})
		if err != nil || !strings.HasSuffix(big.ETag, "-3") { // S3's digest of an object ends with the number of its parts
			t.Errorf("%+v, %v; want three parts", big, err)
		}
		if err := admin.MLflow(t.Context(), http.MethodPost, "runs/delete", map[string]any{"run_id": id}, nil); err != nil {
			t.Error(err)
		}
	}
}

// artifactsOf returns the key of a run's artifacts in the bucket.
func (s *story) artifactsOf(t *testing.T, admin *drive.Admin, id string) string {
	t.Helper()
	var r struct {
		Run struct {
			Info struct {
				ArtifactURI string `json:"artifact_uri"`
			} `json:"info"`
		} `json:"run"`
	}
	if err := admin.MLflow(t.Context(), http.MethodGet, "runs/get?run_id="+id, nil, &r); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(r.Run.Info.ArtifactURI, "mlflow-artifacts:/")
}

// nothingStaysAfterGC leaves a folder's marker and half an upload in a run, as
// S3's own clients do. Then it deletes the run and removes it for good.
func (s *story) nothingStaysAfterGC(t *testing.T) {
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := s.ObjectStore(admin.S3.Access, admin.S3.Secret)
	if err != nil {
		t.Fatal(err)
	}
	s.benchtop(t, "registry", "gc") // of earlier chapters
	store := miniogo.Core{Client: client}
	var made struct {
		Run struct {
			Info struct {
				ID string `json:"run_id"`
			} `json:"info"`
		} `json:"run"`
	}
	if err := admin.MLflow(t.Context(), http.MethodPost, "runs/create", map[string]any{"experiment_id": "0"}, &made); err != nil {
		t.Fatal(err)
	}
	id := made.Run.Info.ID
	root := s.artifactsOf(t, admin, id)
	for key, content := range map[string]string{root + "/folder/": "", root + "/folder/report.txt": "12345"} {
		if _, err := client.PutObject(t.Context(), "mlflow", key, strings.NewReader(content), int64(len(content)), miniogo.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// A name is a file or a folder, for S3's clients as well.
	for key, says := range map[string]string{root + "/folder": "there are objects below", root + "/folder/report.txt/x": "is an object"} {
		if _, err := client.PutObject(t.Context(), "mlflow", key, strings.NewReader("x"), 1, miniogo.PutObjectOptions{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("put %s: %v, want it refused because it %q", key, err, says)
		}
	}
	upload, err := store.NewMultipartUpload(t.Context(), "mlflow", root+"/half.bin", miniogo.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutObjectPart(t.Context(), "mlflow", root+"/half.bin", upload, 1, strings.NewReader("1234567"), 7, miniogo.PutObjectPartOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := admin.MLflow(t.Context(), http.MethodPost, "runs/delete", map[string]any{"run_id": id}, nil); err != nil {
		t.Fatal(err)
	}
	if said, want := s.benchtop(t, "registry", "gc"), "1 runs and 0 logged models; freed 12 bytes in 1 artifacts and 1 unfinished uploads"; !strings.Contains(said, want) {
		t.Errorf("gc says %q, want %q", said, want)
	}
	for o := range client.ListObjects(t.Context(), "mlflow", miniogo.ListObjectsOptions{Prefix: root, Recursive: true}) {
		t.Errorf("left behind: %+v", o)
	}
	if left, err := store.ListMultipartUploads(t.Context(), "mlflow", root+"/half.bin", "", "", "", 10); err != nil || len(left.Uploads) > 0 {
		t.Errorf("uploads left behind: %+v, %v", left.Uploads, err)
	}
}
