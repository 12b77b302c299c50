package main

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	godigest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// imageRef is the reference under which an image is known: its version and the recipe that made it.
func imageRef(r *Recipe, key string) string {
	return fmt.Sprintf("benchtop.local/%s:%s-%s", r.Name, r.Version, key[:12])
}

// writeImage packs the stage as an OCI image layout into <dir>/<name>.tar. The layers below it are named there, but their blobs
// are in the archive of the base alone.
func writeImage(dir string, r *Recipe, key, arch, stage string, below []Layer) (Meta, error) {
	layerFile := filepath.Join(dir, ".layer")
	f, err := os.Create(layerFile)
	if err != nil {
		return Meta{}, err
	}
	defer os.Remove(layerFile)
	defer f.Close()
	layer, err := writeLayer(f, stage)
	if err != nil {
		return Meta{}, err
	}
	config, man, digest, err := describeImage(r, arch, append(below[:len(below):len(below)], layer))
	if err != nil {
		return Meta{}, err
	}
	ref := imageRef(r, key)
	top, err := json.Marshal(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{{
		MediaType: v1.MediaTypeImageManifest, Digest: digest, Size: int64(len(man)),
		Platform: &v1.Platform{Architecture: arch, OS: "linux"},
		// The first is the specification's, the second the one from which containerd takes the full name.
		Annotations: map[string]string{v1.AnnotationRefName: ref, "io.containerd.image.name": ref},
	}}})
	if err != nil {
		return Meta{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Meta{}, err
	}
	out, err := os.Create(filepath.Join(dir, r.Name+".tar"))
	if err != nil {
		return Meta{}, err
	}
	defer out.Close()
	tw := tar.NewWriter(out)
	layout, err := json.Marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion})
	if err != nil {
		return Meta{}, err
	}
	small := map[string][]byte{
		v1.ImageLayoutFile:                   layout,
		v1.ImageIndexFile:                    top,
		blobPath(digest):                     man,
		blobPath(godigest.FromBytes(config)): config,
	}
	for _, name := range []string{"blobs/", "blobs/sha256/"} {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: epoch}); err != nil {
			return Meta{}, err
		}
	}
	for _, name := range sortedKeys(small) {
		if err := writeBlob(tw, name, int64(len(small[name])), strings.NewReader(string(small[name]))); err != nil {
			return Meta{}, err
		}
	}
	if err := writeBlob(tw, blobPath(layer.Digest), layer.Size, f); err != nil {
		return Meta{}, err
	}
	if err := tw.Close(); err != nil {
		return Meta{}, err
	}
	return Meta{Name: r.Name, Digest: digest.String(), Unpacked: layer.Unpacked}, out.Close()
}

// describeImage returns the config and manifest of an image of these layers, the lowest first, and the manifest's digest.
func describeImage(r *Recipe, arch string, layers []Layer) (config, man []byte, digest godigest.Digest, err error) {
	c := v1.Image{Created: &epoch, Platform: v1.Platform{Architecture: arch, OS: "linux"}}
	c.Config.User = r.User
	c.Config.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, r.Env...)
	sort.Strings(c.Config.Env)
	c.Config.Entrypoint = r.Entrypoint
	c.Config.WorkingDir = r.WorkingDir
	c.Config.Labels = map[string]string{
		v1.AnnotationTitle:    r.Title,
		v1.AnnotationVersion:  r.Version,
		v1.AnnotationSource:   r.Source,
		v1.AnnotationLicenses: r.Licenses,
	}
	c.RootFS.Type = "layers"
	var blobs []v1.Descriptor
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.DiffID)
		blobs = append(blobs, v1.Descriptor{MediaType: v1.MediaTypeImageLayerZstd, Digest: l.Digest, Size: l.Size})
	}
	if r.base != nil {
		c.History = append(c.History, historyOf(r.base))
	}
	c.History = append(c.History, historyOf(r))
	if config, err = json.Marshal(c); err != nil {
		return nil, nil, "", err
	}
	man, err = json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: godigest.FromBytes(config), Size: int64(len(config))},
		Layers: blobs,
	})
	return config, man, godigest.FromBytes(man), err
}

func historyOf(r *Recipe) v1.History {
	return v1.History{Created: &epoch, CreatedBy: "benchtop scripts/bundle: " + r.Name + " " + r.Version}
}

func writeBlob(tw *tar.Writer, name string, size int64, r io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: epoch}); err != nil {
		return err
	}
	_, err := io.Copy(tw, r)
	return err
}

func blobPath(d godigest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }
