package minio

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// putURL uploads a part the way a client of the registry does.
func putURL(t *testing.T, url string, data []byte) (etag string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("PUT of a part: %s %s", resp.Status, b)
	}
	return resp.Header.Get("ETag")
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	store, ctx := u.Bucket("mlflow"), t.Context()
	key := fmt.Sprintf("multi part/é %d", time.Now().UnixNano())
	id, urls, err := store.CreateMultipart(ctx, key, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(urls) != 2 {
		t.Fatalf("%d URLs, want 2", len(urls))
	}
	parts := [][]byte{content(5 << 20), []byte("the end")}
	var tags []string
	for i, url := range urls {
		if !strings.HasPrefix(url, "http://"+u.Addr()+"/mlflow/") || strings.Contains(url, rootUser) {
			t.Errorf("URL %s is not for the public address, or names the root key", url)
		}
		tags = append(tags, putURL(t, url, parts[i]))
	}
	if _, err := store.Stat(ctx, key); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("the object is there before its upload is complete: %v", err)
	}
	if err := store.CompleteMultipart(ctx, key, id, []string{tags[1], tags[0]}); mlops.CodeOf(err) != mlops.Invalid {
		t.Errorf("parts in the wrong order: %v", err)
	}
	if err := store.CompleteMultipart(ctx, key, id, tags); err != nil {
		t.Fatal(err)
	}
	r, info, err := store.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(b, bytes.Join(parts, nil)) || info.Bytes != int64(len(b)) {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
	_ = r.Close()

	id, urls, err = store.CreateMultipart(ctx, "aborted", 1)
	if err != nil {
		t.Fatal(err)
	}
	tag := putURL(t, urls[0], []byte("x"))
	if err := store.AbortMultipart(ctx, "aborted", id); err != nil {
		t.Fatal(err)
	}
	if err := store.CompleteMultipart(ctx, "aborted", id, []string{tag}); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("completing an aborted upload: %v", err)
	}
}
