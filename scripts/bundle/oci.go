package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Media types of the OCI image specification.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+zstd"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *platform         `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type imageConfig struct {
	Created      string `json:"created"`
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       struct {
		User       string            `json:"User,omitempty"`
		Env        []string          `json:"Env,omitempty"`
		Entrypoint []string          `json:"Entrypoint,omitempty"`
		WorkingDir string            `json:"WorkingDir,omitempty"`
		Labels     map[string]string `json:"Labels,omitempty"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []history `json:"history"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// imageRef is the reference under which an image is known: its version and the recipe that made it.
func imageRef(r *Recipe, key string) string {
	return fmt.Sprintf("benchtop.local/%s:%s-%s", r.Name, r.Version, key[:12])
}

// writeImage packs the stage as an OCI image layout into <dir>/<name>.tar.
func writeImage(dir string, r *Recipe, key, arch, stage string) (Meta, error) {
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
	config, man, digest, err := describeImage(r, arch, layer)
	if err != nil {
		return Meta{}, err
	}
	ref := imageRef(r, key)
	top, err := json.Marshal(index{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{{
		MediaType: typeManifest, Digest: digest, Size: int64(len(man)),
		Platform: &platform{Architecture: arch, OS: "linux"},
		// The first is the specification's, the second the one from which containerd takes the full name.
		Annotations: map[string]string{"org.opencontainers.image.ref.name": ref, "io.containerd.image.name": ref},
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
	small := map[string][]byte{
		"oci-layout":     []byte(`{"imageLayoutVersion":"1.0.0"}`),
		"index.json":     top,
		blobPath(digest): man,
		blobOf(config):   config,
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
	return Meta{Name: r.Name, Digest: digest, Unpacked: layer.Unpacked}, out.Close()
}

// describeImage returns the image's config and manifest, and the manifest's digest.
func describeImage(r *Recipe, arch string, layer Layer) (config, man []byte, digest string, err error) {
	created := epoch.Format("2006-01-02T15:04:05Z")
	c := imageConfig{Created: created, Architecture: arch, OS: "linux"}
	c.Config.User = r.User
	c.Config.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, r.Env...)
	sort.Strings(c.Config.Env)
	c.Config.Entrypoint = r.Entrypoint
	c.Config.WorkingDir = r.WorkingDir
	c.Config.Labels = map[string]string{
		"org.opencontainers.image.title":    r.Title,
		"org.opencontainers.image.version":  r.Version,
		"org.opencontainers.image.source":   r.Source,
		"org.opencontainers.image.licenses": r.Licenses,
	}
	c.RootFS.Type = "layers"
	c.RootFS.DiffIDs = []string{layer.DiffID}
	c.History = []history{{Created: created, CreatedBy: "benchtop scripts/bundle: " + r.Name + " " + r.Version}}
	if config, err = json.Marshal(c); err != nil {
		return nil, nil, "", err
	}
	man, err = json.Marshal(manifest{
		SchemaVersion: 2, MediaType: typeManifest,
		Config: descriptor{MediaType: typeConfig, Digest: digestOf(config), Size: int64(len(config))},
		Layers: []descriptor{{MediaType: typeLayer, Digest: layer.Digest, Size: layer.Size}},
	})
	return config, man, digestOf(man), err
}

func writeBlob(tw *tar.Writer, name string, size int64, r io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: epoch}); err != nil {
		return err
	}
	_, err := io.Copy(tw, r)
	return err
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func blobOf(data []byte) string     { return blobPath(digestOf(data)) }
func blobPath(digest string) string { return "blobs/sha256/" + strings.TrimPrefix(digest, "sha256:") }
