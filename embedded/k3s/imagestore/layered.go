package imagestore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Layered makes the image of an environment: base, which is here, and one layer on
// it, a plain tar with the SHA-256 diffID. Of base's variables it sets those in
// env. As with Load, pods can start from it when it returns, and a failure leaves
// nothing behind. The same layer on the same base is the same image.
func (s *Store) Layered(ctx context.Context, name, base string, layer io.Reader, diffID string, env map[string]string) (out mlops.Image, err error) {
	if name, err = Reference(name); err != nil {
		return out, err
	}
	if !isEnvironment(name) {
		return out, mlops.Errorf(mlops.Invalid, "%s is not the name of an environment: expected %s:TAG", name, mlops.EnvironmentRepository)
	}
	if base, err = Reference(base); err != nil {
		return out, err
	}
	diff := digest.NewDigestFromEncoded(digest.SHA256, strings.TrimPrefix(diffID, "sha256:"))
	if err := diff.Validate(); err != nil {
		return out, mlops.Errorf(mlops.Invalid, "%q is not the digest of a layer: expected 64 lower-case hex digits", diffID)
	}
	client, ctx, err := s.connect(ctx)
	if err != nil {
		return out, err
	}
	defer client.Close()
	on, err := client.ImageService().Get(ctx, base)
	if errdefs.IsNotFound(err) {
		return out, notHere(base)
	}
	if err != nil {
		return out, fmt.Errorf("get image %s: %w", base, err)
	}
	err = s.leased(ctx, client, func(ctx context.Context, id string) error {
		target, err := layerOn(ctx, ingester{client.ContentStore(), id}, on, layer, diff, env)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		img := images.Image{Name: name, Target: target}
		if err := s.unpack(ctx, client, img); err != nil {
			return err
		}
		out, err = s.put(ctx, client, img, mlops.ImageEnvironment)
		return err
	})
	return out, err
}

// layerOn writes the parts of the image that base and a layer make.
func layerOn(ctx context.Context, store ingester, base images.Image, layer io.Reader, diff digest.Digest, env map[string]string) (ocispec.Descriptor, error) {
	manifest, err := images.Manifest(ctx, store, base.Target, platforms.Default())
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("read manifest of %s: %w", base.Name, err)
	}
	config, err := content.ReadBlob(ctx, store, manifest.Config)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("read configuration of %s: %w", base.Name, err)
	}
	size, err := writeLayer(ctx, store, layer, diff)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	made, err := compose(manifest, config, addition{base: base.Name, diff: diff, size: size, env: env})
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("put a layer on %s: %w", base.Name, err)
	}
	for what, blob := range map[string][]byte{"configuration": made.config, "manifest": made.manifest} {
		desc := ocispec.Descriptor{Digest: digest.FromBytes(blob), Size: int64(len(blob))}
		if err := content.WriteBlob(ctx, store, what, bytes.NewReader(blob), desc); err != nil {
			return ocispec.Descriptor{}, fmt.Errorf("write %s: %w", what, err)
		}
	}
	return made.target, nil
}

// writeLayer writes a layer, which must have the digest that it was announced by,
// and returns its size.
func writeLayer(ctx context.Context, store ingester, layer io.Reader, diff digest.Digest) (size int64, err error) {
	w, err := store.Writer(ctx, content.WithRef("layer"))
	if err != nil {
		return 0, fmt.Errorf("begin to write layer: %w", err)
	}
	defer w.Close() //nolint:errcheck // what counts is whether it was committed
	if size, err = io.Copy(w, layer); err != nil {
		return 0, fmt.Errorf("write layer: %w", err)
	}
	switch err := w.Commit(ctx, size, diff); {
	case errdefs.IsFailedPrecondition(err):
		return 0, mlops.Errorf(mlops.Invalid, "the layer is not %s, which it was announced as: it was changed or cut off on its way", short(diff))
	case err != nil && !errdefs.IsAlreadyExists(err):
		return 0, fmt.Errorf("end writing layer: %w", err)
	}
	return size, nil
}

// RemoveLayered removes the image of an environment. One that is not here is no
// error. Pods that run in it run on.
func (s *Store) RemoveLayered(ctx context.Context, name string) error {
	name, err := Reference(name)
	if err != nil {
		return err
	}
	if !isEnvironment(name) {
		return mlops.Errorf(mlops.Invalid, "%s is not the name of an environment: expected %s:TAG", name, mlops.EnvironmentRepository)
	}
	client, ctx, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	img, err := client.ImageService().Get(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get image %s: %w", name, err)
	}
	return drop(ctx, client, img)
}
