package main

import (
	"archive/zip"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/images"
)

// missing lists the recipes of which the index has nothing: a bundle made with -only is no release.
func missing(idx images.Index, recipes []*Recipe) []string {
	have := map[string]bool{}
	for _, img := range idx.Images {
		have[img.Name] = true
	}
	for _, bin := range idx.Bins {
		have[bin.Component] = true
	}
	var names []string
	for _, r := range recipes {
		if !have[r.Name] {
			names = append(names, r.Name)
		}
	}
	return names
}

// appendBundle writes core followed by the bundle in dir, as a zip archive, to out; every recipe must have its part in
// the bundle. The file gets its name last.
func appendBundle(core, dir, out string, recipes []*Recipe) error {
	idx, err := readIndex(dir)
	if err != nil {
		return err
	}
	if names := missing(idx, recipes); len(names) > 0 {
		return fmt.Errorf("the bundle in %s lacks %s; run `go run ./scripts/bundle build`", dir, strings.Join(names, ", "))
	}
	if b, err := images.Open(core); err == nil {
		b.Close()
		return fmt.Errorf("%s already carries a bundle: name the program that `go build` made", core)
	}
	tmp := out + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	defer f.Close()
	size, err := copyFile(f, core)
	if err != nil {
		return fmt.Errorf("copy %s: %w", core, err)
	}
	if err := writeArchive(f, size, dir, idx); err != nil {
		return fmt.Errorf("append bundle: %w", err)
	}
	if err := f.Chmod(0o755); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(tmp, out)
}

func readIndex(dir string) (images.Index, error) {
	var idx images.Index
	data, err := os.ReadFile(filepath.Join(dir, images.IndexFile))
	if err != nil {
		return idx, fmt.Errorf("read the bundle's index (`go run ./scripts/bundle build` makes it): %w", err)
	}
	if err := json.Unmarshal(data, &idx); err != nil {
		return idx, fmt.Errorf("read the bundle's index in %s: %w", dir, err)
	}
	return idx, nil
}

func writeArchive(w io.Writer, offset int64, dir string, idx images.Index) error {
	zw := zip.NewWriter(w)
	zw.SetOffset(offset)
	zw.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	add := func(name string, method uint16, sum string) error {
		// Images are compressed inside; storing them lets the reader seek and saves time.
		zf, err := zw.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			return err
		}
		d := newDigester(zf)
		if _, err := copyFile(d, filepath.Join(dir, name)); err != nil {
			return err
		}
		if sum != "" && d.digest().Encoded() != sum {
			return fmt.Errorf("%s differs from the index; run `go run ./scripts/bundle build` again", name)
		}
		return nil
	}
	if err := add(images.IndexFile, zip.Deflate, ""); err != nil {
		return err
	}
	for _, bin := range idx.Bins {
		if err := add(images.BinDir+bin.Name, zip.Deflate, bin.SHA256); err != nil {
			return err
		}
	}
	for _, img := range idx.Images {
		if err := add(images.ImageDir+img.Name+".tar", zip.Store, img.SHA256); err != nil {
			return err
		}
	}
	return zw.Close()
}

func copyFile(w io.Writer, file string) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(w, f)
}
