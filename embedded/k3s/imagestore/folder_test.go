package imagestore

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// startFolder watches a folder; archives are loaded if they say good.
func startFolder(t *testing.T, dir string) (loads chan string) {
	t.Helper()
	loads = make(chan string, 100)
	f := Folder{Dir: dir, Log: slog.New(slog.DiscardHandler), Load: func(_ context.Context, r io.Reader, _ string) ([]mlops.Image, error) {
		b, err := io.ReadAll(r)
		loads <- string(b)
		if err != nil || !strings.HasPrefix(string(b), "good") {
			return nil, mlops.Errorf(mlops.Invalid, "it is bad")
		}
		return []mlops.Image{{Reference: "docker.io/library/" + string(b)}}, nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return loads
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// expectNote waits for the note beside an archive, and that it is the only one.
func expectNote(t *testing.T, path, want string) {
	t.Helper()
	var b []byte
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		b, _ = os.ReadFile(path)
		if _, err := os.Stat(path); string(b) == want && (want != "" || os.IsNotExist(err)) {
			return
		}
	}
	t.Errorf("%s says %q, expected %q", path, b, want)
}

func TestFolder(t *testing.T) {
	dir, aside := filepath.Join(t.TempDir(), "images"), t.TempDir()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	// There before the start: new, loaded before, and a note without its archive.
	write(t, at("new.tar"), "good-new")
	write(t, at("old.tar"), "good-old")
	write(t, at("old.tar.loaded"), "as it was")
	st, err := os.Stat(at("old.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(at("old.tar.loaded"), st.ModTime(), st.ModTime()); err != nil {
		t.Fatal(err)
	}
	write(t, at("gone.tar.error"), "it is bad")
	loads := startFolder(t, dir)
	expectNote(t, at("new.tar.loaded"), "docker.io/library/good-new\n")
	expectNote(t, at("gone.tar.error"), "")
	expectNote(t, at("old.tar.loaded"), "as it was")

	// Written in two steps: only the whole counts.
	f, err := os.Create(at("slow.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("good"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if _, err := f.WriteString("-slow"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	expectNote(t, at("slow.tar.loaded"), "docker.io/library/good-slow\n")

	// Files with such names are still being written, until the name changes.
	write(t, at("later.tar.part"), "good-later")
	if err := os.Rename(at("later.tar.part"), at("later.tar")); err != nil {
		t.Fatal(err)
	}
	expectNote(t, at("later.tar.loaded"), "docker.io/library/good-later\n")

	// A failure stays until its archive is replaced or goes.
	write(t, at("bad.tar"), "bad")
	expectNote(t, at("bad.tar.error"), "it is bad\n")
	if got := Failures(dir); len(got) != 1 || got[0] != (Failure{at("bad.tar"), "it is bad"}) {
		t.Errorf("failures are %v", got)
	}
	write(t, filepath.Join(aside, "x"), "good-again")
	if err := os.Rename(filepath.Join(aside, "x"), at("bad.tar")); err != nil {
		t.Fatal(err)
	}
	expectNote(t, at("bad.tar.loaded"), "docker.io/library/good-again\n")
	expectNote(t, at("bad.tar.error"), "")
	if got := Failures(dir); len(got) != 0 {
		t.Errorf("failures are %v", got)
	}
	if err := os.Remove(at("bad.tar")); err != nil {
		t.Fatal(err)
	}
	expectNote(t, at("bad.tar.loaded"), "")

	// Links are complete at once; a folder is no archive.
	write(t, filepath.Join(aside, "y"), "good-link")
	if err := os.Symlink(filepath.Join(aside, "y"), at("link.tar")); err != nil {
		t.Fatal(err)
	}
	expectNote(t, at("link.tar.loaded"), "docker.io/library/good-link\n")
	if err := os.Link(filepath.Join(aside, "y"), at("hard.tar")); err != nil {
		t.Fatal(err)
	}
	expectNote(t, at("hard.tar.loaded"), "docker.io/library/good-link\n")
	if err := os.Mkdir(at("folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	expectNote(t, at("folder.error"), "it is not a file: "+whatIsExpected+"\n")

	// Nothing was loaded twice.
	want := map[string]int{"good-new": 1, "good-slow": 1, "good-later": 1, "bad": 1, "good-again": 1, "good-link": 2}
	for len(loads) > 0 {
		want[<-loads]--
	}
	for what, n := range want {
		if n != 0 {
			t.Errorf("%s: %d loads too few", what, n)
		}
	}

	// A folder that was deleted is there again, and watched.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if os.WriteFile(at("back.tar"), []byte("good-back"), 0o600) == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	expectNote(t, at("back.tar.loaded"), "docker.io/library/good-back\n")
}
