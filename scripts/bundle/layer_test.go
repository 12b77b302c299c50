package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	godigest "github.com/opencontainers/go-digest"
)

// stageFiles makes a stage: "dir/" is a directory, "a -> b" a link, the rest files with the content given.
func stageFiles(t *testing.T, files map[string]string, order []string) string {
	t.Helper()
	stage := t.TempDir()
	for _, name := range order {
		path := filepath.Join(stage, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		content := files[name]
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return stage
}

var layerFiles = map[string]string{
	"usr/bin/tool":  "#!/bin/sh\n",
	"usr/share/doc": "text",
	"bin":           "-> usr/bin",
	"tmp/":          "",
	"usr/b":         strings.Repeat("same ", 2000),
	"usr/c":         strings.Repeat("same ", 2000),
	"empty1":        "",
	"empty2":        "",
}

func TestLayerDependsOnlyOnContent(t *testing.T) {
	names := sortedKeys(layerFiles)
	one := stageFiles(t, layerFiles, names)
	for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
		names[i], names[j] = names[j], names[i]
	}
	two := stageFiles(t, layerFiles, names)
	// Times, group write bits and the owner's special bits are the build machine's business.
	for path, mode := range map[string]os.FileMode{"usr/bin/tool": 0o700, "usr/share/doc": 0o664, "usr": 0o700} {
		if err := os.Chmod(filepath.Join(two, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(one, "usr/bin/tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(two, "usr/b"), time.Now(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	la, err := writeLayer(&a, one)
	if err != nil {
		t.Fatal(err)
	}
	lb, err := writeLayer(&b, two)
	if err != nil {
		t.Fatal(err)
	}
	if la != lb || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("the same content made different layers:\n%+v\n%+v", la, lb)
	}
	if err := os.WriteFile(filepath.Join(two, "usr/share/doc"), []byte("texT"), 0o644); err != nil {
		t.Fatal(err)
	}
	lc, err := writeLayer(io.Discard, two)
	if err != nil {
		t.Fatal(err)
	}
	if lc.Digest == la.Digest || lc.DiffID == la.DiffID {
		t.Error("other content made the same layer")
	}
}

func TestLayerEntries(t *testing.T) {
	stage := stageFiles(t, layerFiles, sortedKeys(layerFiles))
	if err := os.Chmod(filepath.Join(stage, "usr/bin/tool"), 0o700); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	layer, err := writeLayer(&buf, stage)
	if err != nil {
		t.Fatal(err)
	}
	if layer.Size != int64(buf.Len()) || layer.Digest != godigest.FromBytes(buf.Bytes()) {
		t.Errorf("layer says %d bytes %s, wrote %d bytes %s", layer.Size, layer.Digest, buf.Len(), godigest.FromBytes(buf.Bytes()))
	}
	raw := decompress(t, buf.Bytes())
	if layer.Unpacked != int64(len(raw)) || layer.DiffID != godigest.FromBytes(raw) {
		t.Errorf("layer says %d bytes unpacked %s, has %d bytes %s", layer.Unpacked, layer.DiffID, len(raw), godigest.FromBytes(raw))
	}
	got := map[string]*tar.Header{}
	tr := tar.NewReader(bytes.NewReader(raw))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(epoch) {
			t.Errorf("%s: owner %d:%d %q, time %v; expected root and 1970", h.Name, h.Uid, h.Gid, h.Uname, h.ModTime)
		}
		got[h.Name] = h
	}
	for name, mode := range map[string]int64{"usr/bin/tool": 0o755, "usr/share/doc": 0o644, "usr/": 0o755, "tmp/": 0o1777, "bin": 0o777} {
		if got[name] == nil || got[name].Mode != mode {
			t.Errorf("%s: header %+v, expected mode %o", name, got[name], mode)
		}
	}
	if h := got["usr/c"]; h.Typeflag != tar.TypeLink || h.Linkname != "usr/b" {
		t.Errorf("usr/c has the content of usr/b but is %q → %q, expected a link", h.Typeflag, h.Linkname)
	}
	if h := got["empty2"]; h.Typeflag != tar.TypeReg {
		t.Error("empty2 is a link; small files are not worth one")
	}
}

func TestLayerRefusesSpecialFiles(t *testing.T) {
	stage := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(stage, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := writeLayer(io.Discard, stage); err == nil || !strings.Contains(err.Error(), "pipe is neither") {
		t.Errorf("a fifo in the stage: error %v", err)
	}
}

func decompress(t *testing.T, data []byte) []byte {
	t.Helper()
	zr, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	raw, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
