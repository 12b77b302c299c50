//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	miniogo "github.com/minio/minio-go/v7"
)

// ownScript runs a training script of a user's own on another machine of the
// network, with the real MLflow client.
func (s *story) ownScript(t *testing.T) {
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.Host.OnLAN(t.Context(), filepath.Join(venv(t, "mlflow3"), "bin", "python"), filepath.Join("testdata", "train.py"))
	cmd.Env = append(os.Environ(), "MLFLOW_TRACKING_URI=http://"+s.Host.Address().String()+":8080", "MLFLOW_TRACKING_USERNAME=admin", "MLFLOW_TRACKING_PASSWORD="+admin.Password,
		"MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=true", "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE=10485760", "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE=5242880",
		"MLFLOW_DISABLE_TELEMETRY=true", "MPLCONFIGDIR="+t.TempDir(), "HOME="+t.TempDir())
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the script: %v\n%s", err, said)
	}

	var chain struct {
		Code struct {
			Source string `json:"source"`
		} `json:"code"`
		Run struct {
			Artifacts string `json:"artifact_uri"`
		} `json:"run"`
		Version struct {
			Aliases []string `json:"aliases"`
		} `json:"model_version"`
	}
	if err := admin.Do(t.Context(), http.MethodGet, "http://appliance:8080/api/lineage/model-versions/digits-forest/1", nil, &chain); err != nil {
		t.Fatal(err)
	}
	if len(chain.Version.Aliases) != 1 || chain.Version.Aliases[0] != "champion" || !strings.HasSuffix(chain.Code.Source, "train.py") {
		t.Errorf("the lineage is %+v", chain)
	}
	store, err := s.ObjectStore(admin.S3.Access, admin.S3.Secret)
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimPrefix(chain.Run.Artifacts, "mlflow-artifacts:/") + "/weights.bin"
	weights, err := store.StatObject(t.Context(), "mlflow", key, miniogo.StatObjectOptions{})
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	// S3's digest of an object in parts ends with their number.
	if weights.Size != 12<<20+1 || !strings.HasSuffix(weights.ETag, "-3") {
		t.Errorf("the file of 12 MiB and a byte lies there with %d bytes and the digest %s, want three parts", weights.Size, weights.ETag)
	}
}
