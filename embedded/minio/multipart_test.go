package minio

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestMultipart(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	store, ctx := u.Bucket("mlflow"), t.Context()
	folder := fmt.Sprintf("multi part/%d", time.Now().UnixNano())
	key := folder + "/é"
	id, err := store.CreateMultipart(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if urls, err := store.PartURLs(ctx, key, id, 2, time.Hour); urls != nil || err != nil {
		t.Errorf("addresses that nobody promised to be reachable: %v %v", urls, err)
	}
	parts := [][]byte{content(5 << 20), []byte("the end")}
	var tags []string
	for i, p := range parts {
		tag, err := store.PutPart(ctx, key, id, i+1, bytes.NewReader(p), int64(len(p)))
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, tag)
	}
	if _, err := store.PutPart(ctx, key, id, 2, strings.NewReader("the"), 7); err == nil {
		t.Error("a part that ended early was taken")
	}
	if _, err := store.Stat(ctx, key); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("the object is there before its upload is complete: %v", err)
	}
	if ups, err := store.Uploads(ctx, folder); err != nil || !slices.Contains(ups, mlops.Upload{Key: key, ID: id}) {
		t.Errorf("uploads: %v %v", ups, err)
	}
	if err := store.CompleteMultipart(ctx, key, id, []string{tags[1], tags[0]}); mlops.CodeOf(err) != mlops.Invalid {
		t.Errorf("parts in the wrong order: %v", err)
	}
	if err := store.CompleteMultipart(ctx, key, id, tags); err != nil {
		t.Fatal(err)
	}
	if ups, err := store.Uploads(ctx, folder); err != nil || len(ups) != 0 {
		t.Errorf("uploads when all is done: %v %v", ups, err)
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

	if id, err = store.CreateMultipart(ctx, "aborted"); err != nil {
		t.Fatal(err)
	}
	tag, err := store.PutPart(ctx, "aborted", id, 1, strings.NewReader("12345"), 5)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := store.AbortMultipart(ctx, "aborted", id); n != 5 || err != nil {
		t.Errorf("abort: %d bytes, %v; want 5", n, err)
	}
	if err := store.CompleteMultipart(ctx, "aborted", id, []string{tag}); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("completing an aborted upload: %v", err)
	}
	if _, err := store.PutPart(ctx, "aborted", id, 1, strings.NewReader("12345"), 5); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("a part of an aborted upload: %v", err)
	}
}

// TestPartURLs uploads the way a client does where S3 has a public URL.
func TestPartURLs(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	public := &Unit{cfg: u.cfg, addr: u.addr, loopback: u.loopback}
	public.cfg.PublicURL = "http://" + u.Addr()
	store, ctx := public.Bucket("mlflow"), t.Context()
	id, err := store.CreateMultipart(ctx, "by url")
	if err != nil {
		t.Fatal(err)
	}
	urls, err := store.PartURLs(ctx, "by url", id, 1, time.Hour)
	if err != nil || len(urls) != 1 || !strings.HasPrefix(urls[0], "http://"+u.Addr()+"/mlflow/by%20url?") || strings.Contains(urls[0], rootUser) {
		t.Fatalf("URLs %v, %v: want one for the public address that does not name the root key", urls, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, urls[0], strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("PUT of a part: %v %v", resp, err)
	}
	_ = resp.Body.Close()
	if err := store.CompleteMultipart(ctx, "by url", id, []string{resp.Header.Get("ETag")}); err != nil {
		t.Error(err)
	}
	public.cfg.PublicURL = "https://s3.lab.internal"
	if urls, err = store.PartURLs(ctx, "by url", id, 1, time.Hour); err != nil || !strings.HasPrefix(urls[0], "https://s3.lab.internal/mlflow/by%20url?") {
		t.Errorf("URLs %v, %v", urls, err)
	}
}
