package minio

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	miniogo "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func s3Client(t *testing.T, addr, key, secret string) *miniogo.Client {
	t.Helper()
	c, err := miniogo.New(addr, &miniogo.Options{Creds: credentials.NewStaticV4(key, secret, ""), Region: region, MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStopIsCleanAndTheProcessGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, testConfig(dir))
	s3 := s3Client(t, c.Addr, "registry-key", "registry-secret")
	if _, err := s3.PutObject(t.Context(), "mlflow", "a/b", strings.NewReader("hello"), 5, miniogo.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	c.order("stop")
	if got := c.expect("RETURNED"); got != "<nil>" {
		t.Fatalf("Run returned %s, want nil", got)
	}
	t.Logf("stop took %s", time.Since(begin))
	c.expect("ALIVE")
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	for _, addr := range []string{c.Addr, c.Loop} {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_ = conn.Close()
			t.Errorf("%s still answers after the stop", addr)
		}
	}

	again := start(t, testConfig(dir))
	s3 = s3Client(t, again.Addr, "registry-key", "registry-secret")
	obj, err := s3.GetObject(t.Context(), "mlflow", "a/b", miniogo.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(obj); err != nil || string(b) != "hello" {
		t.Errorf("after a restart the object reads %q, %v", b, err)
	}
	t.Logf("ready after %s on a new folder, %s on a used one", c.Took, again.Took)
}

func TestSignalsBelongToTheProcess(t *testing.T) {
	t.Parallel()
	c := start(t, testConfig(t.TempDir()))
	// Nobody in the child listens to signals, so with MinIO's handler gone
	// SIGTERM has its default meaning: the process dies of it.
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := c.cmd.Wait()
	st, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !st.Signaled() || st.Signal() != syscall.SIGTERM {
		t.Errorf("after SIGTERM the process ended with %v: MinIO's handler took the signal", err)
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Parallel()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = manager.Close() }()
	socket := "NOTIFY_SOCKET=" + manager.LocalAddr().String()
	c := start(t, testConfig(t.TempDir()), "MINIO_BROWSER=on", "_MINIO_SERVER_DEBUG=off", socket)
	c.order("env")
	env := strings.Split(c.expect("ENV"), "\x1f")
	notify := false
	for _, kv := range env {
		if strings.Contains(kv, rootPassword) || strings.Contains(kv, "MINIO_") || strings.HasPrefix(kv, "CONSOLE_") {
			t.Errorf("left in the environment: %s", kv)
		}
		notify = notify || kv == socket
	}
	if !notify {
		t.Error("NOTIFY_SOCKET was not put back")
	}
	if err := manager.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	told := make([]byte, 100)
	if n, err := manager.Read(told); err == nil {
		t.Errorf("the service manager was told %q: only the appliance knows when all is ready", told[:n])
	}
	c.order("limit")
	if got := c.expect("LIMIT"); got != fmt.Sprint(1<<30) {
		t.Errorf("memory limit is %s after the start, want %d as before", got, 1<<30)
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	t.Parallel()
	c := start(t, testConfig(t.TempDir()))
	const most = 150 << 10 // KiB; 290 MB without FreeOSMemory, about 50 with it
	deadline := time.Now().Add(20 * time.Second)
	for {
		c.order("memory")
		kib := 0
		for _, line := range strings.Split(c.expect("MEMORY"), "\x1f") {
			if _, err := fmt.Sscanf(line, "RssAnon: %d kB", &kib); err == nil {
				break
			}
		}
		if kib > 0 && kib < most {
			t.Logf("%d KiB of anonymous memory when idle", kib)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d KiB of anonymous memory when idle, want less than %d", kib, most)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func TestSecondStartIsRefused(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	c := start(t, cfg)
	c.order("again")
	if got := c.expect("AGAIN"); !strings.Contains(got, "only once per process") {
		t.Errorf("second start says %q", got)
	}
}

func TestExitOfMinIOIsAFailureOfTheUnit(t *testing.T) {
	t.Parallel()
	c := start(t, testConfig(t.TempDir()))
	c.order("exit")
	if got := c.expect("RETURNED"); !strings.Contains(got, "MinIO") || got == "<nil>" {
		t.Errorf("Run returned %q after MinIO wanted to exit", got)
	}
	c.expect("ALIVE")
}

func TestFatalReasonIsReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// A drive that something else has written.
	sys := filepath.Join(dir, "drive", ".minio.sys")
	if err := os.MkdirAll(sys, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sys, "format.json"), []byte(`{"version":"1","format":"wrong"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := spawn(t, testConfig(dir))
	got := c.expect("RETURNED")
	c.expect("ALIVE")
	if want := "MinIO gave up on " + filepath.Join(dir, "drive") + ": Invalid arguments"; !strings.Contains(got, want) {
		t.Errorf("Run returned %q, want MinIO's reason and the folder: %q", got, want)
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cfg := testConfig(t.TempDir())
	cfg.Addr = l.Addr().String()
	_, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := spawn(t, cfg)
	got := c.expect("RETURNED")
	if !strings.Contains(got, "port "+port+" for S3 is taken: another process listens on it") {
		t.Errorf("Run returned %q", got)
	}
}

func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	c := spawn(t, testConfig(t.TempDir()))
	time.Sleep(150 * time.Millisecond) // somewhere in MinIO's start
	c.order("stop")
	if got := c.expect("RETURNED"); got != "<nil>" {
		t.Errorf("Run returned %q", got)
	}
	c.expect("ALIVE")
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, testConfig(dir))
	c.order("put killed")
	var acked []string
	for len(acked) < 200 {
		acked = append(acked, c.expect("PUT"))
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for c.out.Scan() { // acknowledged before the kill took effect
		if key, ok := strings.CutPrefix(c.out.Text(), "PUT "); ok {
			acked = append(acked, key)
		}
	}
	_ = c.cmd.Wait() // killed

	again := start(t, testConfig(dir))
	k := keeper("datasets", rootPassword)
	s3 := s3Client(t, again.Addr, k.AccessKey, k.SecretKey)
	for _, key := range acked {
		obj, err := s3.GetObject(t.Context(), "datasets", key, miniogo.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(obj); err != nil || string(b) != key {
			t.Fatalf("object %s reads %q, %v after kill -9", key, b, err)
		}
		_ = obj.Close()
	}
	t.Logf("%d acknowledged objects, all there", len(acked))
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := testConfig(dir)
	c := start(t, cfg)
	c.order("stop")
	c.expect("RETURNED")

	// A new secret, a new access key, a user less, a policy more, and new
	// root credentials.
	cfg.RootUser, cfg.RootPassword = "other-root", "another long secret"
	cfg.Users = []User{
		{Name: "trainer", AccessKey: "trainer-key", SecretKey: "trainer-secret-2", Grants: []Grant{ReadObjects("datasets", "wine/")}},
		{Name: "registry", AccessKey: "registry-key-2", SecretKey: "registry-secret", Grants: []Grant{FullBucket("mlflow")}},
	}
	again := start(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, tc := range []struct {
		key, secret, bucket, object string
		want                        string // NoSuchKey means: allowed
	}{
		{"trainer-key", "trainer-secret", "datasets", "wine/x", "SignatureDoesNotMatch"},
		{"trainer-key", "trainer-secret-2", "datasets", "wine/x", "NoSuchKey"},
		{"trainer-key", "trainer-secret-2", "datasets", "iris/x", "AccessDenied"},
		{"registry-key", "registry-secret", "mlflow", "x", "InvalidAccessKeyId"},
		{"registry-key-2", "registry-secret", "mlflow", "x", "NoSuchKey"},
		{"server-key", "server-secret", "mlflow", "x", "InvalidAccessKeyId"},
		{rootUser, rootPassword, "mlflow", "x", "InvalidAccessKeyId"},
	} {
		obj, err := s3Client(t, again.Addr, tc.key, tc.secret).GetObject(ctx, tc.bucket, tc.object, miniogo.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(obj)
		code := miniogo.ToErrorResponse(err).Code
		if code != tc.want {
			t.Errorf("%s reads %s/%s: %q (%v), want %q", tc.key, tc.bucket, tc.object, code, err, tc.want)
		}
	}
}
