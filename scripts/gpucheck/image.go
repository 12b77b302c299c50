package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/benchtop-lab/benchtop/embedded/images"
)

// imageName is the image's name in the bundle.
const imageName = "gpu"

// fetch unpacks the image into a folder and returns the path of runc. Both come
// from the bundle unless the options name others.
func fetch(o options, root, bin string) (runc string, err error) {
	st, err := os.Stat(o.Bundle)
	switch {
	case o.Image != "" && o.Runc != "":
	case err != nil:
		return "", fmt.Errorf("find the image and runc: %w; name a folder that `go run ./scripts/bundle build` made, or a built benchtop, with -bundle", err)
	case st.IsDir():
		if o.Image == "" {
			o.Image = filepath.Join(o.Bundle, images.ImageDir, imageName+".tar")
		}
		if o.Runc == "" {
			o.Runc = filepath.Join(o.Bundle, images.BinDir, "runc")
		}
	default:
		b, err := images.Open(o.Bundle)
		if err != nil {
			return "", err
		}
		defer b.Close()
		if o.Runc == "" {
			if err := b.InstallBins(bin); err != nil {
				return "", err
			}
			o.Runc = filepath.Join(bin, "runc")
		}
		if o.Image == "" {
			r, err := b.OpenImage(imageName)
			if err != nil {
				return "", err
			}
			defer r.Close()
			return o.Runc, unpack(r, root)
		}
	}
	f, err := os.Open(o.Image)
	if err != nil {
		return "", fmt.Errorf("open the image: %w", err)
	}
	defer f.Close()
	return o.Runc, unpack(f, root)
}

// unpack lays the layers of an image, a tar of an OCI image layout, into a folder.
func unpack(r io.Reader, root string) error {
	files := map[string][]byte{}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the image: %w", err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			return fmt.Errorf("read the image: %w", err)
		}
		files[h.Name] = b
	}
	type descriptor struct {
		Digest string `json:"digest"`
	}
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	var manifest struct {
		Layers []descriptor `json:"layers"`
	}
	blob := func(d descriptor) []byte { return files["blobs/"+strings.Replace(d.Digest, ":", "/", 1)] }
	if err := json.Unmarshal(files["index.json"], &index); err != nil || len(index.Manifests) != 1 {
		return fmt.Errorf("read the image: expected a tar of an OCI image layout with one manifest (%w)", err)
	}
	if err := json.Unmarshal(blob(index.Manifests[0]), &manifest); err != nil {
		return fmt.Errorf("read the image's manifest: %w", err)
	}
	for _, layer := range manifest.Layers {
		z, err := zstd.NewReader(bytes.NewReader(blob(layer)))
		if err != nil {
			return fmt.Errorf("unpack the image: %w", err)
		}
		err = unpackLayer(tar.NewReader(z), root)
		z.Close()
		if err != nil {
			return fmt.Errorf("unpack the image: %w", err)
		}
	}
	return nil
}

func unpackLayer(tr *tar.Reader, root string) error {
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("%q lies outside of the image", h.Name)
		}
		to := filepath.Join(root, h.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(to, 0o755)
			if err == nil {
				err = os.Chmod(to, h.FileInfo().Mode())
			}
		case tar.TypeReg:
			err = writeFile(to, tr, h.FileInfo().Mode())
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, to)
		case tar.TypeLink:
			err = os.Link(filepath.Join(root, h.Linkname), to)
		default:
			err = fmt.Errorf("%s is of type %q, expected files, folders and links", h.Name, h.Typeflag)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(to string, r io.Reader, mode os.FileMode) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Chmod(mode), f.Close())
}
