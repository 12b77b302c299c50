package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestComponentIsBuiltOnce(t *testing.T) {
	b, r := testBuilder(t), recipeDir(t, nil)
	var log bytes.Buffer
	b.Log = &log
	first, err := b.component(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := first.Meta.Files; len(got) != 1 || got[0].Name != "tool" || len(got[0].Links) != 1 || got[0].Links[0] != "alias" {
		t.Errorf("files are %+v, expected tool with its link", got)
	}
	log.Reset()
	if _, err := b.component(r); err != nil || log.Len() != 0 {
		t.Errorf("second build: error %v, log %q; expected the cache to answer", err, log.String())
	}
	b.Fresh = true
	if _, err := b.component(r); err != nil || !strings.Contains(log.String(), "building example") {
		t.Errorf("fresh build: error %v, log %q; expected a build", err, log.String())
	}
}

func TestDamagedEntryIsBuiltAnew(t *testing.T) {
	for what, damage := range map[string]func(t *testing.T, e *Entry){
		"changed byte": func(t *testing.T, e *Entry) { overwrite(t, filepath.Join(e.Dir, "tool"), "#!/bin/sh\necho toll\n") },
		"truncated":    func(t *testing.T, e *Entry) { overwrite(t, filepath.Join(e.Dir, "tool"), "") },
		"missing file": func(t *testing.T, e *Entry) { remove(t, filepath.Join(e.Dir, "tool")) },
		"bad meta":     func(t *testing.T, e *Entry) { overwrite(t, filepath.Join(e.Dir, metaFile), "{") },
		"no meta":      func(t *testing.T, e *Entry) { remove(t, filepath.Join(e.Dir, metaFile)) },
		"other key":    func(t *testing.T, e *Entry) { overwrite(t, filepath.Join(e.Dir, metaFile), `{"key":"x"}`) },
	} {
		t.Run(what, func(t *testing.T) {
			b, r := testBuilder(t), recipeDir(t, nil)
			e, err := b.component(r)
			if err != nil {
				t.Fatal(err)
			}
			damage(t, e)
			if b.Cache.get(e.Meta.Key) != nil {
				t.Fatal("the damaged entry was taken for good")
			}
			if e, err = b.component(r); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(e.Dir, "tool"))
			if err != nil || string(data) != "#!/bin/sh\necho tool\n" {
				t.Errorf("after the rebuild the tool is %q (%v)", data, err)
			}
		})
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	c := Cache{dir: t.TempDir()}
	boom := errors.New("boom")
	_, err := c.put("k", func(dir string) (Meta, error) {
		overwrite(t, filepath.Join(dir, "half"), "half")
		return Meta{}, boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("error is %v, expected the build's", err)
	}
	left, err := os.ReadDir(filepath.Join(c.dir, "components"))
	if err != nil || len(left) != 0 {
		t.Errorf("the cache holds %v (%v) after a failed build, expected nothing", left, err)
	}
}

func TestCacheDirectory(t *testing.T) {
	t.Setenv("BENCHTOP_CACHE", "/elsewhere")
	if dir, err := defaultCacheDir(); err != nil || dir != "/elsewhere" {
		t.Errorf("with BENCHTOP_CACHE: %q, %v", dir, err)
	}
	t.Setenv("BENCHTOP_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "/xdg")
	if dir, err := defaultCacheDir(); err != nil || dir != "/xdg/benchtop" {
		t.Errorf("with XDG_CACHE_HOME: %q, %v", dir, err)
	}
}

func overwrite(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}
