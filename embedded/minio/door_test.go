package minio

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// door knows one key that is good and one that has expired.
type door struct{ used []string }

func (d *door) Admit(key string) error {
	switch key {
	case "ada", "":
		return nil
	case "old":
		return mlops.Errorf(mlops.Unauthorized, "the access key old has expired")
	case "early":
		return mlops.Errorf(mlops.Unavailable, "keys are not known yet")
	}
	return mlops.ErrCredentials
}

func (d *door) Used(key string) { d.used = append(d.used, key) }

func TestDoorOfTheProxy(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/b/forbidden" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer backend.Close()
	d := &door{}
	p := newProxy(slog.New(slog.DiscardHandler), endless, Config{RootUser: "root-key", Door: d, Users: []User{{AccessKey: "trainer-key"}}, Buckets: []Bucket{{Name: "mlflow"}, {Name: "code", Gives: true}}})
	p.open(strings.TrimPrefix(backend.URL, "http://"))
	v4 := func(key string) string {
		return "AWS4-HMAC-SHA256 Credential=" + key + "/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"
	}
	for _, c := range []struct {
		target, authorization string
		status                int
		text                  string
		used                  bool
	}{
		{"/b/k", v4("ada"), 200, "", true},
		{"/b/k", "AWS4-HMAC-SHA256 SignedHeaders=host,Signature=00,Credential=ada/20261121/us-east-1/s3/aws4_request", 200, "", true},
		{"/b/k", "AWS ada:c2lnbg==", 200, "", true},
		{"/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ada%2F20261121%2Fus-east-1%2Fs3%2Faws4_request", "", 200, "", true},
		{"/b/k?AWSAccessKeyId=ada&Signature=x&Expires=1", "", 200, "", true},
		{"/b/forbidden", v4("ada"), 403, "", false},
		{"/b/k", v4("trainer-key"), 200, "", false},
		{"/b/k", v4("root-key"), 200, "", false},
		{"/b/k", v4("keeper-mlflow"), 200, "", false},
		{"/b/k?X-Amz-Credential=keeper-code_get%2F20261121", "", 200, "", false},
		{"/b/k?X-Amz-Credential=keeper-code_put%2F20261121", "", 403, "<Code>InvalidAccessKeyId</Code>", false}, // it takes none
		{"/b/k", "", 200, "", false},
		{"/b/k", "AWS4-HMAC-SHA256 nonsense", 200, "", false},
		{"/b/k", v4("old"), 403, "<Code>AccessDenied</Code><Message>the access key old has expired</Message>", false},
		{"/b/k?X-Amz-Credential=old%2F20261121", "", 403, "has expired", false},
		{"/b/k", v4("revoked"), 403, "<Code>InvalidAccessKeyId</Code>", false},
		{"/b/k", "AWS revoked:c2lnbg==", 403, "<Code>InvalidAccessKeyId</Code>", false},
		{"/b/k?AWSAccessKeyId=revoked", "", 403, "<Code>InvalidAccessKeyId</Code>", false},
		{"/b/k", v4("early"), 503, "<Code>ServiceUnavailable</Code>", false},
		{"/minio/health/live", v4("early"), 200, "", false},
	} {
		d.used = nil
		r := httptest.NewRequest("GET", c.target, nil)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		rec := httptest.NewRecorder()
		p.ServeHTTP(rec, r)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.text) {
			t.Errorf("%s %q: %d %s, want %d %q", c.target, c.authorization, rec.Code, rec.Body, c.status, c.text)
		}
		if rec.Code == 503 && rec.Header().Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		if used := slices.Contains(d.used, "ada"); used != c.used || len(d.used) > 1 {
			t.Errorf("%s %q: used %v, want %t", c.target, c.authorization, d.used, c.used)
		}
	}
}
