package minio

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// asPod is a client that reaches the public port under the name that pods use.
func asPod(u *Unit) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, u.Addr())
	}}}
}

// ask sends a request and returns status and body.
func ask(t *testing.T, c *http.Client, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestPresigned gets and puts objects the way a pod without a key does, through
// the public port.
func TestPresigned(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	store, ctx, pod := u.Bucket("lent"), t.Context(), asPod(u)
	if _, err := store.Put(ctx, "code/a b.tar", strings.NewReader("code"), 4, ""); err != nil {
		t.Fatal(err)
	}
	get, err := store.PresignGet(ctx, "code/a b.tar", time.Hour)
	if err != nil || !strings.HasPrefix(get, "http://s3.benchtop.svc:9000/lent/code/a%20b.tar?") || !strings.Contains(get, "X-Amz-Expires=3600&") {
		t.Fatalf("address %s, %v: want one of the host by which pods reach S3", get, err)
	}
	put, err := store.PresignPut(ctx, "built/layer.tar", time.Hour)
	if err != nil || !strings.HasPrefix(put, "http://s3.benchtop.svc:9000/lent/built/layer.tar?") {
		t.Fatalf("address %s, %v", put, err)
	}
	if status, body := ask(t, pod, http.MethodGet, get, ""); status != http.StatusOK || body != "code" {
		t.Errorf("GET: %d %s", status, body)
	}
	for _, text := range []string{"first", "second"} { // a build that is tried again
		if status, body := ask(t, pod, http.MethodPut, put, text); status != http.StatusOK {
			t.Errorf("PUT: %d %s", status, body)
		}
	}
	if r, _, err := store.Get(ctx, "built/layer.tar"); err != nil {
		t.Error(err)
	} else if b, err := io.ReadAll(r); err != nil || string(b) != "second" {
		t.Errorf("what was put is %q, %v", b, err)
	}
	// An address is good for what it was made for, and for nothing else.
	short, err := store.PresignGet(ctx, "code/a b.tar", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2100 * time.Millisecond)
	missing, err := store.PresignGet(ctx, "missing", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, url string
		header      []string
		status      int
		code        string
	}{
		"an object that is not there":   {http.MethodGet, missing, nil, 404, "NoSuchKey"},
		"another object":                {http.MethodGet, strings.Replace(get, "a%20b", "c", 1), nil, 403, "SignatureDoesNotMatch"},
		"another bucket":                {http.MethodGet, strings.Replace(get, "/lent/", "/mlflow/", 1), nil, 403, "SignatureDoesNotMatch"},
		"to put what may be got":        {http.MethodPut, get, nil, 403, "AccessDenied"},
		"to get what may be put":        {http.MethodGet, put, nil, 403, "SignatureDoesNotMatch"},
		"to delete":                     {http.MethodDelete, put, nil, 403, "SignatureDoesNotMatch"},
		"more than was asked for":       {http.MethodGet, get + "&versionId=null", nil, 403, "SignatureDoesNotMatch"},
		"to copy what was not sent":     {http.MethodPut, put, []string{"X-Amz-Copy-Source", "/lent/code/a%20b.tar"}, 403, "AccessDenied"},
		"when its time is over":         {http.MethodGet, short, nil, 403, "AccessDenied"},
		"under another name of the lab": {http.MethodGet, strings.Replace(get, "s3.benchtop.svc:9000", u.Addr(), 1), nil, 403, "SignatureDoesNotMatch"},
	} {
		if status, body := ask(t, pod, c.method, c.url, "", c.header...); status != c.status || !strings.Contains(body, "<Code>"+c.code+"</Code>") {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, c.status, c.code)
		}
	}
	if _, _, err := u.Bucket("lent").Get(ctx, "built/layer.tar"); err != nil {
		t.Errorf("what was put is gone: %v", err)
	}
}

// A bucket hands out no addresses unless it is made for that.
func TestNotPresigned(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	nameless := &Unit{cfg: u.cfg}
	nameless.cfg.PodURL = ""
	for name, store := range map[string]mlops.Presigner{"the configuration": u.Bucket("mlflow"), "a bucket that is not configured": u.Bucket("other"), "no URL": nameless.Bucket("lent")} {
		for method, presign := range map[string]func(context.Context, string, time.Duration) (string, error){"GET": store.PresignGet, "PUT": store.PresignPut} {
			if at, err := presign(t.Context(), "k", time.Hour); at != "" || mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "hand out addresses for "+method) {
				t.Errorf("%s: %s of %q, %v", name, method, at, err)
			}
		}
	}
	if _, err := u.Bucket("lent").PresignGet(t.Context(), "k", 8*24*time.Hour); err == nil || !strings.Contains(err.Error(), "presign GET of s3://lent/k") {
		t.Errorf("longer than S3 can: %v", err)
	}
}
