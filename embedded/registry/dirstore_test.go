package registry

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestDirStore(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	if err := os.MkdirAll(filepath.Join(dir, ".uploads"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".uploads", "left"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := NewDirStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, ".uploads")); len(left) != 0 {
		t.Error("what a crash left behind was not removed")
	}
	put := func(key string, r io.Reader, size int64) error {
		_, err := s.Put(ctx, key, r, size, "")
		return err
	}
	for _, key := range []string{"a/b", "a/c/d", "e"} {
		if err := put(key, strings.NewReader("x"), 1); err != nil {
			t.Fatal(err)
		}
	}
	// An upload that breaks off leaves the old file, or none.
	for key, r := range map[string]io.Reader{"e": iotest.TimeoutReader(bytes.NewReader(make([]byte, 1<<20))), "f": strings.NewReader("short")} {
		if err := put(key, r, 1<<20); err == nil {
			t.Errorf("a broken upload of %s was taken", key)
		}
	}
	if i, err := s.Stat(ctx, "e"); err != nil || i.Bytes != 1 {
		t.Errorf("after a broken upload: %+v %v", i, err)
	}
	if _, err := s.Stat(ctx, "f"); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("a broken upload is there: %v", err)
	}
	keys := func(prefix string, recursive bool) (out []string) {
		is, err := s.List(ctx, prefix, recursive)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range is {
			out = append(out, i.Key)
		}
		return out
	}
	for _, c := range []struct {
		prefix    string
		recursive bool
		want      string
	}{{"", false, "[a e]"}, {"", true, "[a/b a/c/d e]"}, {"a", false, "[a/b a/c]"}, {"a/c/", true, "[a/c/d]"}, {"none", false, "[]"}, {"e", false, "[]"}} {
		if got := fmt.Sprint(keys(c.prefix, c.recursive)); got != c.want {
			t.Errorf("list %q %v: %s, want %s", c.prefix, c.recursive, got, c.want)
		}
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"../x", "/x", "a/../b", "", "link/passwd", ".uploads/x", "a//b", "a\\b"} {
		if _, _, err := s.Get(ctx, key); mlops.CodeOf(err) != mlops.Invalid {
			t.Errorf("get %q: %v, want refused", key, err)
		}
		if err := put(key, strings.NewReader(""), 0); mlops.CodeOf(err) != mlops.Invalid {
			t.Errorf("put %q: %v, want refused", key, err)
		}
	}
	for key, says := range map[string]string{"e/x": `"e" is a file`, "a/b/c/d": `"a/b" is a file`, "a": "folder with files", "a/c": "folder with files"} {
		r := strings.NewReader("x")
		if err := put(key, r, 1); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(err.Error(), says) || r.Len() == 0 {
			t.Errorf("put %q: %v, want it refused before it is read: %s", key, err, says)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "empty"), 0o700); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	if err := put("empty", strings.NewReader("x"), 1); err != nil {
		t.Errorf("in the place of an empty directory: %v", err)
	}
	for _, key := range []string{"a/", "none", "none/", "e/", "empty"} {
		if err := s.Delete(ctx, key); err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
	}
	if got := fmt.Sprint(keys("", true)); got != "[e link]" {
		t.Errorf("after deletion: %s", got)
	}
}
