package minio

import (
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestProxyRefusesWhatIsNotS3(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/minio/health/live", 200},
		{"HEAD", "/minio/health/live", 200},
		{"GET", "/minio/health/ready", 200},
		{"POST", "/minio/health/live", 403},
		{"GET", "/minio/admin/v3/info", 403},
		{"POST", "/minio/admin/v3/service?action=restart", 403},
		{"GET", "//minio/admin/v3/info", 403},
		{"GET", "/x/../minio/admin/v3/info", 403},
		{"GET", "/%6dinio/admin/v3/info", 403},
		{"GET", "/minio%2fadmin/v3/info", 403},
		{"GET", "/minio/v2/metrics/cluster", 403},
		{"GET", "/minio/metrics/v3", 403},
		{"GET", "/minio/kms/v1/status", 403},
		{"GET", "/minio/peer/v39/serverinfo", 403},
		{"GET", "/minio/", 403},
		{"GET", "/minio", 403},
		{"GET", "/.minio.sys/config/config.json", 403},
		{"POST", "/?Action=AssumeRole&Version=2011-06-15", 403},
		{"PUT", "/", 403},
		{"TRACE", "/mlflow/x", 403},
		{"CONNECT", "/mlflow/x", 403},
		{"GET", "/mlflow/x", 403}, // MinIO's own refusal of strangers
		{"GET", "/", 403},
	} {
		status, body := raw(t, u.Addr(), tc.method, tc.path)
		if status != tc.want {
			t.Errorf("%s %s answers %d, want %d: %s", tc.method, tc.path, status, tc.want, body)
		}
		if tc.want == 403 && tc.method != "HEAD" {
			var e struct{ Code, Message string }
			if err := xml.Unmarshal([]byte(body), &e); err != nil || e.Code != "AccessDenied" {
				t.Errorf("%s %s answers %q, want an S3 error", tc.method, tc.path, body)
			}
			ours := strings.Contains(e.Message, "serves S3 only")
			if wantOurs := tc.path != "/mlflow/x" && tc.path != "/" || tc.method != "GET"; ours != wantOurs {
				t.Errorf("%s %s was refused by the proxy: %v, want %v", tc.method, tc.path, ours, wantOurs)
			}
		}
	}
	if status, body := raw(t, u.Loopback(), "GET", MetricsPath); status != 200 || !strings.Contains(body, "minio_cluster_capacity_usable_free_bytes") {
		t.Errorf("metrics on the loopback port: %d %.200s", status, body)
	}
}

func endless(int64) error { return nil }

// raw sends a request line as it stands; Go's client would clean the path.
func raw(t *testing.T, addr, method, path string) (int, string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.0\r\nHost: %s\r\n\r\n", method, path, addr); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	var version string
	var status int
	if _, err := fmt.Sscanf(string(b), "%s %d", &version, &status); err != nil {
		t.Fatalf("%s %s: %q", method, path, b)
	}
	_, body, _ := strings.Cut(string(b), "\r\n\r\n")
	return status, body
}

func TestProxyBeforeAndWithoutMinIO(t *testing.T) {
	t.Parallel()
	p := newProxy(slog.New(slog.DiscardHandler), endless, Config{})
	get := func() (int, string, string) {
		rec := httptest.NewRecorder()
		p.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/mlflow/x", nil))
		return rec.Code, rec.Body.String(), rec.Header().Get("Retry-After")
	}
	if code, body, retry := get(); code != 503 || !strings.Contains(body, "is starting") || retry == "" {
		t.Errorf("while starting: %d %s", code, body)
	}
	gone, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	p.open(gone)
	if code, body, _ := get(); code != 503 || !strings.Contains(body, "did not answer") {
		t.Errorf("with MinIO gone: %d %s", code, body)
	}
}

func TestProxyPassesRequestsUnchanged(t *testing.T) {
	t.Parallel()
	var got *http.Request
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer backend.Close()
	p := newProxy(slog.New(slog.DiscardHandler), endless, Config{})
	p.open(strings.TrimPrefix(backend.URL, "http://"))
	front := httptest.NewServer(p)
	defer front.Close()
	addr := strings.TrimPrefix(front.URL, "http://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const target = "/b/a%20b/%2F+c;d?x=1;y=2&z=%zz&uploads"
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: s3.benchtop.svc:9000\r\nX-Forwarded-For: 6.6.6.6\r\nAuthorization: AWS4-HMAC-SHA256 x\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
	if got.RequestURI != target {
		t.Errorf("MinIO sees %s, want %s", got.RequestURI, target)
	}
	if got.Host != "s3.benchtop.svc:9000" || got.Header.Get("Authorization") != "AWS4-HMAC-SHA256 x" {
		t.Errorf("MinIO sees host %s and headers %v", got.Host, got.Header)
	}
	if xff := got.Header.Get("X-Forwarded-For"); xff != "127.0.0.1" {
		t.Errorf("MinIO believes the client is %s", xff)
	}
	for _, h := range []string{"Accept-Encoding", "User-Agent"} {
		if v, ok := got.Header[h]; ok {
			t.Errorf("the proxy added %s: %s", h, v)
		}
	}
}

func TestProxyRefusesWritesWithoutRoom(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer backend.Close()
	p := newProxy(slog.New(slog.DiscardHandler), func(n int64) error {
		if n < 3 {
			return nil
		}
		return mlops.Errorf(mlops.Unavailable, "no room")
	}, Config{})
	p.open(strings.TrimPrefix(backend.URL, "http://"))
	for _, tc := range []struct {
		method, target, body string
		want                 int
	}{
		{"PUT", "/b/k", "ab", 200},
		{"PUT", "/b/k", "abc", 507},
		{"POST", "/b/k?uploads", "abc", 507},
		{"POST", "/b/k?uploadId=x", "abc", 200},
		{"POST", "/b?delete", "abc", 200},
		{"DELETE", "/b/k", "abc", 200},
		{"GET", "/b/k", "", 200},
	} {
		rec := httptest.NewRecorder()
		p.ServeHTTP(rec, httptest.NewRequest(tc.method, tc.target, strings.NewReader(tc.body)))
		if rec.Code != tc.want || tc.want == 507 && !strings.Contains(rec.Body.String(), "<Code>XMinioStorageFull</Code><Message>no room</Message>") {
			t.Errorf("%s %s: %d %s, want %d", tc.method, tc.target, rec.Code, rec.Body, tc.want)
		}
	}
}
