package images

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// ErrNoBundle is returned by Open for an executable that carries no bundle.
var ErrNoBundle = errors.New("this binary was built without its bundle; build it with `make`")

// Bundle is an opened bundle. It keeps the executable's file open, so that it goes on reading the right bytes when
// an upgrade replaces the file. Its methods may be called from several goroutines at once.
type Bundle struct {
	index Index
	files map[string]*zip.File
	f     *os.File
}

// Open reads the bundle appended to the executable at path; os.Executable gives the running one. The error wraps
// ErrNoBundle when nothing is appended. Close the bundle when it is no longer needed.
func Open(path string) (*Bundle, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open bundle: %w", err)
	}
	b, err := read(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open bundle in %s: %w", path, err)
	}
	return b, nil
}

func read(f *os.File) (*Bundle, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// archive/zip looks for the directory at the file's end and copes with the program in front of the archive.
	zr, err := zip.NewReader(f, st.Size())
	if errors.Is(err, zip.ErrFormat) {
		return nil, ErrNoBundle
	}
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	b := &Bundle{files: make(map[string]*zip.File, len(zr.File)), f: f}
	for _, zf := range zr.File {
		b.files[zf.Name] = zf
	}
	if b.files[IndexFile] == nil {
		return nil, ErrNoBundle
	}
	r, err := b.open(IndexFile)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := json.NewDecoder(r).Decode(&b.index); err != nil {
		return nil, fmt.Errorf("decode %s: %w", IndexFile, err)
	}
	return b, b.check()
}

// check finds a half-written or foreign bundle now rather than in the middle of a boot.
func (b *Bundle) check() error {
	if b.index.Arch != runtime.GOARCH {
		return fmt.Errorf("the bundle is for %s, this program for %s; build both with `make`", b.index.Arch, runtime.GOARCH)
	}
	for _, img := range b.index.Images {
		zf := b.files[imageFile(img.Name)]
		if zf == nil || int64(zf.UncompressedSize64) != img.Size {
			return fmt.Errorf("image %s is missing or has the wrong size; build the binary again with `make`", img.Name)
		}
	}
	for _, bin := range b.index.Bins {
		zf := b.files[BinDir+bin.Name]
		if zf == nil || int64(zf.UncompressedSize64) != bin.Size {
			return fmt.Errorf("program %s is missing or has the wrong size; build the binary again with `make`", bin.Name)
		}
	}
	return nil
}

// Close closes the executable's file.
func (b *Bundle) Close() error { return b.f.Close() }

// Images lists the images, sorted by name.
func (b *Bundle) Images() []Image { return append([]Image(nil), b.index.Images...) }

// Bins lists the programs, sorted by name.
func (b *Bundle) Bins() []Bin { return append([]Bin(nil), b.index.Bins...) }

// Image returns the image called name.
func (b *Bundle) Image(name string) (Image, bool) {
	for _, img := range b.index.Images {
		if img.Name == name {
			return img, true
		}
	}
	return Image{}, false
}

// Ref returns the full reference of the image called name, or "" when the bundle has no such image.
func (b *Bundle) Ref(name string) string {
	img, _ := b.Image(name)
	return img.Ref
}

// PackageIndex returns the address of the index of Python packages that the bundled uv asks where nothing else is said, or ""
// when the bundle has no uv.
func (b *Bundle) PackageIndex() string { return b.index.PackageIndex }

// OpenImage opens the OCI image-layout tar of the image called name. The reader fails at its end when the bytes do
// not match the archive's checksum.
func (b *Bundle) OpenImage(name string) (io.ReadCloser, error) {
	if _, ok := b.Image(name); !ok {
		return nil, fmt.Errorf("open image %q: the bundle has no image of that name", name)
	}
	r, err := b.open(imageFile(name))
	if err != nil {
		return nil, fmt.Errorf("open image %q: %w", name, err)
	}
	return r, nil
}

func (b *Bundle) open(name string) (io.ReadCloser, error) {
	r, err := b.files[name].Open()
	if err != nil {
		return nil, fmt.Errorf("open %s in the bundle: %w", name, err)
	}
	return r, nil
}

func imageFile(name string) string { return ImageDir + name + ".tar" }
