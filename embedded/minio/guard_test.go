package minio

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	miniogo "github.com/minio/minio-go/v7"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// TestNothingIsHidden puts objects where MinIO would hide one of them, in every
// way to make an object.
func TestNothingIsHidden(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	s3, ctx := s3Client(t, u.Addr(), "registry-key", "registry-secret"), t.Context()
	core := miniogo.Core{Client: s3}
	put := func(key string) error {
		_, err := s3.PutObject(ctx, "mlflow", key, strings.NewReader("x"), 1, miniogo.PutObjectOptions{})
		return err
	}
	ways := map[string]func(key string) error{
		"put": put,
		"copy": func(key string) error {
			_, err := s3.CopyObject(ctx, miniogo.CopyDestOptions{Bucket: "mlflow", Object: key}, miniogo.CopySrcOptions{Bucket: "mlflow", Object: "hide-source"})
			return err
		},
		"begin an upload": func(key string) error {
			_, err := core.NewMultipartUpload(ctx, "mlflow", key, miniogo.PutObjectOptions{})
			return err
		},
		"the registry": func(key string) error {
			_, err := u.Bucket("mlflow").Put(ctx, key, strings.NewReader("x"), 1, "")
			return err
		},
		"put a lot": func(key string) error { // more than a connection takes unread
			_, err := u.Bucket("mlflow").Put(ctx, key, bytes.NewReader(content(8<<20)), 8<<20, "")
			return err
		},
	}
	if err := put("hide-source"); err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, way := range ways {
		for _, c := range []struct{ first, second, says string }{
			{"%s/out", "%s/out/report.txt", "is an object"},
			{"%s/out", "%s/out/deep/er/report.txt", "is an object"},
			{"%s/out/report.txt", "%s/out", "there are objects below"},
			{"%s/out/deep/er/report.txt", "%s/out/deep", "there are objects below"},
			{"%s/out/", "%s/out", "there are objects below"}, // a marker
		} {
			n++
			dir := fmt.Sprintf("hide/%d", n)
			if err := put(fmt.Sprintf(c.first, dir)); err != nil {
				t.Fatal(err)
			}
			err := way(fmt.Sprintf(c.second, dir))
			var refused miniogo.ErrorResponse
			said := err != nil && strings.Contains(err.Error(), c.says)
			if ours := mlops.CodeOf(err) == mlops.Invalid; !said || !ours && (!errors.As(err, &refused) || refused.StatusCode != http.StatusConflict) {
				t.Errorf("%s %s beside %s: %v, want it refused because it %q", name, c.second, c.first, err, c.says)
			}
			// Once the first is gone, the second is welcome.
			if err := s3.RemoveObject(ctx, "mlflow", fmt.Sprintf(c.first, dir), miniogo.RemoveObjectOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := way(fmt.Sprintf(c.second, dir)); err != nil {
				t.Errorf("%s %s after %s was deleted: %v", name, c.second, c.first, err)
			}
		}
	}
	// An upload in parts that was begun while its place was free.
	id, err := core.NewMultipartUpload(ctx, "mlflow", "hide/late/x", miniogo.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := core.PutObjectPart(ctx, "mlflow", "hide/late/x", id, 1, strings.NewReader("x"), 1, miniogo.PutObjectPartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := put("hide/late"); err != nil {
		t.Fatal(err)
	}
	if _, err := core.CompleteMultipartUpload(ctx, "mlflow", "hide/late/x", id, []miniogo.CompletePart{{PartNumber: 1, ETag: part.ETag}}, miniogo.PutObjectOptions{}); err == nil || !strings.Contains(err.Error(), "is an object") {
		t.Errorf("complete below an object: %v", err)
	}
	for _, key := range []string{"hide/same", "hide/same", "hide/samex", "hide/sam"} { // neither overwriting nor beginning alike
		if err := put(key); err != nil {
			t.Errorf("put %s: %v", key, err)
		}
	}
	// Strangers do not learn what names there are.
	if status, body := raw(t, u.Addr(), "PUT", "/mlflow/hide/same/below"); status != http.StatusForbidden {
		t.Errorf("a stranger's put: %d %s", status, body)
	}
}

// TestOfTwoAtOnceOneIsRefused runs uploads that exclude each other at the same
// time, on an empty drive.
func TestOfTwoAtOnceOneIsRefused(t *testing.T) {
	t.Parallel()
	g := &guard{drive: t.TempDir(), writing: map[string]int{}}
	release, err := g.claim("b", "d/out")
	if err != nil {
		t.Fatal(err)
	}
	for key, ok := range map[string]bool{"d/out": true, "d/out/x": false, "d/out/": true, "d": false, "d/outx": true, "d/ou": true, "e": true} {
		if free, err := g.claim("b", key); (err == nil) != ok {
			t.Errorf("claim %s: %v", key, err)
		} else if ok {
			free()
		}
	}
	release()
	if free, err := g.claim("b", "d/out/x"); err != nil {
		t.Errorf("after the release: %v", err)
	} else {
		free()
	}
	if len(g.writing) != 0 {
		t.Errorf("claims are left: %v", g.writing)
	}

	store, ctx := sharedUnit(t).Bucket("mlflow"), t.Context()
	var wg sync.WaitGroup
	for i := range 20 {
		for _, key := range []string{"race/%d", "race/%d/x"} {
			wg.Go(func() {
				if _, err := store.Put(ctx, fmt.Sprintf(key, i), strings.NewReader("x"), 1, ""); err != nil && mlops.CodeOf(err) != mlops.Invalid {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	infos, err := store.List(ctx, "race", true)
	if err != nil || len(infos) != 20 {
		t.Errorf("%d of 20 pairs are listed, %v", len(infos), err)
	}
	for _, i := range infos {
		other := i.Key + "/x"
		if key, below := strings.CutSuffix(i.Key, "/x"); below {
			other = key
		}
		if _, err := store.Stat(ctx, other); mlops.CodeOf(err) != mlops.NotFound {
			t.Errorf("%s and %s are both there: %v", i.Key, other, err)
		}
	}
}

// TestMarkers are what S3 browsers leave for folders.
func TestMarkers(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	store, s3, ctx := u.Bucket("mlflow"), s3Client(t, u.Addr(), "registry-key", "registry-secret"), t.Context()
	for _, key := range []string{"marked/", "marked/in/", "marked/in/x", "marked/empty/"} {
		if _, err := s3.PutObject(ctx, "mlflow", key, strings.NewReader(""), 0, miniogo.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	keys := func(recursive bool) (out []string) {
		infos, err := store.List(ctx, "marked", recursive)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range infos {
			out = append(out, fmt.Sprint(i.Key, " ", i.IsDir))
		}
		return out
	}
	if got, want := fmt.Sprint(keys(false)), "[marked/empty true marked/in true]"; got != want {
		t.Errorf("list: %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(keys(true)), "[marked/empty true marked/in true marked/in/x false]"; got != want {
		t.Errorf("list all: %s, want %s", got, want)
	}
	if err := store.Delete(ctx, "marked/"); err != nil {
		t.Fatal(err)
	}
	if got := keys(true); got != nil {
		t.Errorf("after deletion: %v", got)
	}
	if _, err := s3.StatObject(ctx, "mlflow", "marked/", miniogo.StatObjectOptions{}); err == nil {
		t.Error("the folder's own marker is left")
	}
}
