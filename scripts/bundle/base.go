package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// baseRoot is where the files of a base lie while a step needs them: beside the stage, so that they don't get into the
// image's own layer.
func baseRoot(stage string) string { return stage + ".base" }

// unpackBase returns the folder with the files of the recipe's base.
func (b *Builder) unpackBase(r *Recipe, stage string) (string, error) {
	root := baseRoot(stage)
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	e, err := b.component(r.base)
	if err != nil {
		return "", err
	}
	layers, err := readLayers(e.image())
	if err != nil {
		return "", fmt.Errorf("read base %s: %w", r.Base, err)
	}
	for _, l := range layers {
		err := readBlob(e.image(), blobPath(l.Digest), func(blob io.Reader) error {
			zr, err := zstd.NewReader(blob)
			if err != nil {
				return err
			}
			defer zr.Close()
			return untar(zr, root, func(string) bool { return true })
		})
		if err != nil {
			return "", fmt.Errorf("unpack base %s: %w", r.Base, err)
		}
	}
	return root, nil
}

// baseLayers returns the layers below the recipe's own, the lowest first.
func (b *Builder) baseLayers(r *Recipe) ([]Layer, error) {
	if r.base == nil {
		return nil, nil
	}
	e, err := b.component(r.base)
	if err != nil {
		return nil, err
	}
	layers, err := readLayers(e.image())
	if err != nil {
		return nil, fmt.Errorf("read base %s: %w", r.Base, err)
	}
	return layers, nil
}

// image is the archive of a built image.
func (e *Entry) image() string { return filepath.Join(e.Dir, e.Meta.Name+".tar") }

// readLayers reads what the manifest and the config of an image's archive say of its layers.
func readLayers(file string) ([]Layer, error) {
	var idx v1.Index
	var man v1.Manifest
	var config v1.Image
	if err := readJSON(file, v1.ImageIndexFile, &idx); err != nil {
		return nil, err
	}
	if len(idx.Manifests) != 1 {
		return nil, fmt.Errorf("%s holds %d images, expected one", file, len(idx.Manifests))
	}
	if err := readJSON(file, blobPath(idx.Manifests[0].Digest), &man); err != nil {
		return nil, err
	}
	if err := readJSON(file, blobPath(man.Config.Digest), &config); err != nil {
		return nil, err
	}
	if len(man.Layers) != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("%s: the manifest has %d layers, the config %d", file, len(man.Layers), len(config.RootFS.DiffIDs))
	}
	var layers []Layer
	for i, l := range man.Layers {
		layers = append(layers, Layer{Digest: l.Digest, Size: l.Size, DiffID: config.RootFS.DiffIDs[i]})
	}
	return layers, nil
}

func readJSON(file, name string, v any) error {
	return readBlob(file, name, func(r io.Reader) error { return json.NewDecoder(r).Decode(v) })
}

// readBlob calls use with what a tar holds under a name.
func readBlob(file, name string, use func(io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	tr := tar.NewReader(f)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s has no %s", file, name)
		}
		if err != nil {
			return err
		}
		if h.Name == name {
			return use(tr)
		}
	}
}
