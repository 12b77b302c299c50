package images

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// program is what stands in front of the archive in an executable.
var program = bytes.Repeat([]byte("\x7fELF"), 1000)

type spec struct {
	images map[string]string
	bins   map[string]string
	links  map[string][]string
	edit   func(idx *Index)
}

// writeBinary writes an executable with a bundle, as scripts/bundle does.
func writeBinary(t *testing.T, s spec) string {
	t.Helper()
	idx := Index{Arch: runtime.GOARCH}
	files := map[string]string{}
	for name, content := range s.images {
		idx.Images = append(idx.Images, Image{Name: name, Version: "1", Ref: "benchtop.local/" + name + ":1-0123456789ab", Size: int64(len(content))})
		files[ImageDir+name+".tar"] = content
	}
	for name, content := range s.bins {
		sum := sha256.Sum256([]byte(content))
		idx.Bins = append(idx.Bins, Bin{Name: name, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content)), Links: s.links[name]})
		files[BinDir+name] = content
	}
	if s.edit != nil {
		s.edit(&idx)
	}
	data, err := json.Marshal(idx)
	if err != nil {
		t.Fatal(err)
	}
	files[IndexFile] = string(data)
	buf := bytes.NewBuffer(bytes.Clone(program))
	zw := zip.NewWriter(buf)
	zw.SetOffset(int64(len(program)))
	for name, content := range files {
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "benchtop")
	write(t, file, buf.String())
	return file
}

func open(t *testing.T, s spec) *Bundle {
	t.Helper()
	b, err := Open(writeBinary(t, s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestOpenImage(t *testing.T) {
	b := open(t, spec{images: map[string]string{"pause": "tar of pause", "traefik": "tar of traefik"}})
	if n := len(b.Images()); n != 2 {
		t.Errorf("%d images, expected 2", n)
	}
	r, err := b.OpenImage("pause")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); err != nil || string(data) != "tar of pause" {
		t.Errorf("pause holds %q (%v)", data, err)
	}
	if ref := b.Ref("traefik"); ref != "benchtop.local/traefik:1-0123456789ab" {
		t.Errorf("traefik's reference is %q", ref)
	}
	if ref := b.Ref("nginx"); ref != "" {
		t.Errorf("an image that is not there has the reference %q", ref)
	}
	if _, err := b.OpenImage("nginx"); err == nil || !strings.Contains(err.Error(), `"nginx": the bundle has no image`) {
		t.Errorf("an image that is not there: error %v", err)
	}
}

func TestPackageIndex(t *testing.T) {
	b := open(t, spec{edit: func(idx *Index) { idx.PackageIndex = "https://packages.example/simple" }})
	if got := b.PackageIndex(); got != "https://packages.example/simple" {
		t.Errorf("the package index is %q", got)
	}
	if got := open(t, spec{}).PackageIndex(); got != "" {
		t.Errorf("a bundle without uv has the package index %q", got)
	}
}

func TestOpenSurvivesAnUpgrade(t *testing.T) {
	file := writeBinary(t, spec{images: map[string]string{"pause": "old"}})
	b, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	write(t, file+".new", "new version")
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	r, err := b.OpenImage("pause")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); err != nil || string(data) != "old" {
		t.Errorf("after the file was replaced pause holds %q (%v)", data, err)
	}
}

func TestOpenErrors(t *testing.T) {
	bare := filepath.Join(t.TempDir(), "benchtop")
	write(t, bare, string(program))
	_, err := Open(bare)
	if !errors.Is(err, ErrNoBundle) || !strings.Contains(err.Error(), "this binary was built without its bundle; build it with `make`") {
		t.Errorf("a binary without a bundle: error %v", err)
	}
	if _, err := Open(bare + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: error %v", err)
	}
	for want, s := range map[string]spec{
		"the bundle is for riscv64":   {edit: func(idx *Index) { idx.Arch = "riscv64" }},
		"image pause is missing":      {edit: func(idx *Index) { idx.Images = []Image{{Name: "pause", Size: 1}} }},
		"image a is missing or has":   {images: map[string]string{"a": "x"}, edit: func(idx *Index) { idx.Images[0].Size = 7 }},
		"program runc is missing":     {edit: func(idx *Index) { idx.Bins = []Bin{{Name: "runc"}} }},
		"program b is missing or has": {bins: map[string]string{"b": "x"}, edit: func(idx *Index) { idx.Bins[0].Size = 7 }},
	} {
		if _, err := Open(writeBinary(t, s)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}

func TestDamagedImageIsNoticed(t *testing.T) {
	file := writeBinary(t, spec{images: map[string]string{"pause": strings.Repeat("pause image ", 100)}})
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Beyond the program the first bytes are an entry's; flip one in the middle of the largest.
	i := bytes.Index(data, []byte("pause.tar")) + len("pause.tar") + 8
	data[i] ^= 0xff
	write(t, file, string(data))
	b, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, err := b.OpenImage("pause")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil {
		t.Error("a damaged image was read without an error")
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}
