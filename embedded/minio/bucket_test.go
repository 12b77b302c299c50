package minio

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var _ mlops.MultipartStore = (*bucket)(nil)

func content(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, n)))
	_, _ = src.Read(b) // never fails
	return b
}

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	store := sharedUnit(t).Bucket("mlflow")
	ctx := t.Context()
	for _, tc := range []struct {
		name string
		data []byte
		size int64 // -1: not told
	}{
		{"empty", nil, 0},
		{"empty of unknown size", nil, -1},
		{"small", []byte("hello"), 5},
		{"small of unknown size", []byte("hello"), -1},
		{"exactly what is peeked at", content(peekSize), -1},
		{"a part and a bit, unknown size", content(partSize + 12345), -1},
		{"two parts, known size", content(2*partSize + 1), 2*partSize + 1},
	} {
		key := "put/" + tc.name + "/файл +%?#.bin"
		info, err := store.Put(ctx, key, bytes.NewReader(tc.data), tc.size, "application/x-test")
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if info.Key != key || info.Bytes != int64(len(tc.data)) || info.ETag == "" {
			t.Errorf("%s: put says %+v", tc.name, info)
		}
		r, got, err := store.Get(ctx, key)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(b, tc.data) {
			t.Errorf("%s: read %d bytes, %v; want the %d bytes put", tc.name, len(b), err, len(tc.data))
		}
		if got.ContentType != "application/x-test" || got.Bytes != int64(len(tc.data)) || got.ETag != info.ETag || got.ModifiedAt.IsZero() {
			t.Errorf("%s: get says %+v", tc.name, got)
		}
		if st, err := store.Stat(ctx, key); err != nil || st != got {
			t.Errorf("%s: stat says %+v, %v; get said %+v", tc.name, st, err, got)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: close: %v", tc.name, err)
		}
	}
}

func TestGetSeeks(t *testing.T) {
	t.Parallel()
	store := sharedUnit(t).Bucket("mlflow")
	data := content(100_000)
	if _, err := store.Put(t.Context(), "seek", bytes.NewReader(data), int64(len(data)), ""); err != nil {
		t.Fatal(err)
	}
	r, _, err := store.Get(t.Context(), "seek")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	s, ok := r.(io.ReadSeeker)
	if !ok {
		t.Fatal("the reader cannot seek")
	}
	if _, err := s.Seek(50_000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if _, err := io.ReadFull(s, b); err != nil || !bytes.Equal(b, data[50_000:50_010]) {
		t.Errorf("after a seek: %v, %v", b, err)
	}
}

func TestPutIsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	store := sharedUnit(t).Bucket("mlflow")
	broken := errors.New("the source broke")
	for _, tc := range []struct {
		name string
		r    io.Reader
		size int64
	}{
		{"small, unknown size", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), -1},
		{"small, known size", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), 10},
		{"in parts", io.MultiReader(bytes.NewReader(content(partSize+5)), iotest.ErrReader(broken)), -1},
		{"shorter than said", strings.NewReader("abc"), 10},
	} {
		key := "broken/" + tc.name
		if _, err := store.Put(t.Context(), key, tc.r, tc.size, ""); err == nil {
			t.Errorf("%s: no error", tc.name)
		}
		if _, err := store.Stat(t.Context(), key); mlops.CodeOf(err) != mlops.NotFound {
			t.Errorf("%s: the object is there, or %v", tc.name, err)
		}
	}
}

func TestListAndDelete(t *testing.T) {
	t.Parallel()
	store := sharedUnit(t).Bucket("mlflow")
	ctx := t.Context()
	for _, key := range []string{"ls/a", "ls/b/1", "ls/b/2", "ls/b/c/3", "ls/b.txt", "lsx"} {
		if _, err := store.Put(ctx, key, strings.NewReader(key), int64(len(key)), ""); err != nil {
			t.Fatal(err)
		}
	}
	list := func(prefix string, recursive bool) string {
		t.Helper()
		got, err := store.List(ctx, prefix, recursive)
		if err != nil {
			t.Fatal(err)
		}
		var s []string
		for _, o := range got {
			k := o.Key
			if o.IsDir {
				k += "/"
			} else if o.Bytes != int64(len(o.Key)) {
				t.Errorf("%s has %d bytes", o.Key, o.Bytes)
			}
			s = append(s, k)
		}
		return strings.Join(s, " ")
	}
	for _, tc := range []struct {
		prefix    string
		recursive bool
		want      string
	}{
		{"ls", false, "ls/a ls/b/ ls/b.txt"},
		{"ls/", true, "ls/a ls/b.txt ls/b/1 ls/b/2 ls/b/c/3"},
		{"ls/b", false, "ls/b/1 ls/b/2 ls/b/c/"},
		{"nothing", true, ""},
	} {
		if got := list(tc.prefix, tc.recursive); got != tc.want {
			t.Errorf("list %q recursive=%v: %q, want %q", tc.prefix, tc.recursive, got, tc.want)
		}
	}
	if err := store.Delete(ctx, "ls/b/"); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, "ls/a"); err != nil {
		t.Fatal(err)
	}
	if got := list("ls", true); got != "ls/b.txt" {
		t.Errorf("after deleting: %q", got)
	}
	for _, key := range []string{"ls/a", "nothing/"} {
		if err := store.Delete(ctx, key); err != nil {
			t.Errorf("deleting %s, which is not there: %v", key, err)
		}
	}
}

func TestStoreErrors(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	store, ctx := u.Bucket("mlflow"), t.Context()
	get := func(s mlops.ObjectStore, key string) error { _, _, err := s.Get(ctx, key); return err }
	idle, err := New(testConfig(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	denied := &bucket{unit: u, name: "mlflow", key: User{AccessKey: "server-key", SecretKey: "server-secret"}}
	for _, tc := range []struct {
		name string
		err  error
		code mlops.Code
		want string
	}{
		{"missing object", get(store, "missing"), mlops.NotFound, "s3://mlflow/missing: no such object"},
		{"bucket that is not configured", get(u.Bucket("nobucket"), "x"), mlops.Denied, "access denied"},
		{"somebody else's key", get(denied, "x"), mlops.Denied, "access denied"},
		{"parent in the path", func() error { _, err := store.Put(ctx, "a/../b", strings.NewReader(""), 0, ""); return err }(), mlops.Invalid, ""},
		{"unknown upload", store.CompleteMultipart(ctx, "x", "nope", []string{"e"}), mlops.NotFound, "no such upload"},
		{"not running", get(idle.Bucket("mlflow"), "x"), mlops.Unavailable, "not ready"},
	} {
		if mlops.CodeOf(tc.err) != tc.code || !strings.Contains(mlops.MessageOf(tc.err), tc.want) {
			t.Errorf("%s: %s %v, want %s with %q", tc.name, mlops.CodeOf(tc.err), tc.err, tc.code, tc.want)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := store.Stat(cancelled, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
}
