package minio

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"relative folder", func(c *Config) { c.Dir = "data" }, `folder "data" is not an absolute path`},
		{"address", func(c *Config) { c.Addr = "9000" }, "is not host:port"},
		{"public URL", func(c *Config) { c.PublicURL = "lab:9000" }, "expected http://host:port"},
		{"public URL with a path", func(c *Config) { c.PublicURL = "http://lab/s3" }, "expected http://host:port"},
		{"URL for pods", func(c *Config) { c.PodURL = "s3.benchtop.svc:9000" }, `URL for pods "s3.benchtop.svc:9000" is not usable: expected http://host:port`},
		{"root password", func(c *Config) { c.RootPassword = "short" }, "at least 8"},
		{"bucket name", func(c *Config) { c.Buckets = []Bucket{{Name: "No_Good"}} }, `bucket name "No_Good"`},
		{"user name", func(c *Config) { c.Users[0].Name = "Ä" }, "user name"},
		{"reserved name", func(c *Config) { c.Users[0].AccessKey = "keeper-x" }, "reserved"},
		{"access key", func(c *Config) { c.Users[0].AccessKey = "a=b,c" }, "no '=' or ','"},
		{"secret key", func(c *Config) { c.Users[0].SecretKey = "short" }, "secret key needs at least 8"},
		{"policy", func(c *Config) { c.Users[0].Policy = json.RawMessage("{") }, "not valid JSON"},
		{"grant", func(c *Config) { c.Users[0].Grants = []Grant{ReadObjects("*", "")} }, "no '*'"},
		{"shared key", func(c *Config) { c.Users[1].AccessKey = c.Users[0].AccessKey }, "share the access key"},
		{"root's key", func(c *Config) { c.Users[0].AccessKey = c.RootUser }, "share the access key"},
	} {
		c := testConfig("/x")
		tc.change(&c)
		_, err := New(c)
		if mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, err := New(testConfig("/x")); err != nil {
		t.Errorf("a good configuration: %v", err)
	}
}

func TestKeeperKeys(t *testing.T) {
	t.Parallel()
	a, b, c := keeper("datasets", "p1"), keeper("mlflow", "p1"), keeper("datasets", "p2")
	if a.SecretKey == b.SecretKey || a.SecretKey == c.SecretKey {
		t.Error("keepers of different buckets or root passwords share a secret")
	}
	if again := keeper("datasets", "p1"); again.SecretKey != a.SecretKey {
		t.Error("a keeper's secret changes from one start to the next")
	}
	if len(a.SecretKey) != 40 {
		t.Errorf("a secret of %d characters, want 40, the most that MinIO takes", len(a.SecretKey))
	}
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	log, quiet := &strings.Builder{}, &strings.Builder{}
	l := newLogReader(testLogger(log), quiet)
	for _, line := range []string{
		`{"level":"INFO","message":"MinIO Object Storage Server"}`,
		`{"level":"ERROR","api":{"name":"PutObject","args":{"bucket":"b","object":"o"}},"error":{"message":"drive\n  full"}}`,
		`{"level":"WARNING","message":"careful"}`,
		`{"level":"WARNING","message":"Strict AWS S3 compatible incoming ..."}`,
		`no JSON at all`,
		`{"level":"FATAL","message":"gave up"}`,
		`{"level":"FATAL","message":"gave up again"}`,
	} {
		l.line(line)
	}
	for _, want := range []string{`level=ERROR msg="drive full" api=PutObject bucket=b object=o`, `level=WARN msg=careful`, `msg="gave up"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	if strings.Contains(log.String(), "Strict") || strings.Contains(log.String(), "Storage Server") {
		t.Errorf("noise in the log:\n%s", log)
	}
	if got, want := quiet.String(), "MinIO Object Storage Server\nno JSON at all\n"; got != want {
		t.Errorf("kept lines %q, want %q", got, want)
	}
	if l.lastError() != "drive full" || l.lastFatal(0) != "gave up again" {
		t.Errorf("last error %q, last fatal %q", l.lastError(), l.lastFatal(0))
	}
}

func testLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
