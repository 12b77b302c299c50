package minio

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// python returns an interpreter that has the locked requirements. Its virtual
// environment is made once and kept in the user's cache.
func python(t *testing.T) string {
	t.Helper()
	lock, err := filepath.Abs("testdata/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "benchtop-tests", fmt.Sprintf("s3-%x", sha256.Sum256(text))[:16])
	bin, stamp := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "complete")
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	guard, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = guard.Close() }()
	if err := syscall.Flock(int(guard.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stamp); err == nil {
		return bin
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{bin, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "-r", lock},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("prepare boto3 (needs python3 with venv, and a package index): %v\n%s", err, out)
		}
	}
	if err := os.WriteFile(stamp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return bin
}

func TestBoto3(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	k := keeper("datasets", rootPassword)
	cmd := exec.CommandContext(t.Context(), python(t), "testdata/s3_client.py", "http://"+u.Addr(), filepath.Join(t.TempDir(), "big"), k.AccessKey, k.SecretKey)
	cmd.Env = append(os.Environ(), "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "NO_PROXY=*", "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("boto3: %v\n%s", err, out)
	}
}
