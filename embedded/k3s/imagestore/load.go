package imagestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Load brings the images of an archive into containerd; pods can start from
// them when it returns. A name that is not "" is given to the archive's only
// image. An image gets its name when all of it is there, so a failure leaves
// nothing behind.
func (s *Store) Load(ctx context.Context, r io.Reader, name string) (out []mlops.Image, err error) {
	if name != "" {
		if name, err = Reference(name); err != nil {
			return nil, err
		}
	}
	client, ctx, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	err = s.leased(ctx, client, func(ctx context.Context, id string) (err error) {
		out, err = s.load(ctx, client, id, r, name)
		return err
	})
	return out, err
}

// leased runs a load under a lease, which owns all that the load writes. What no
// image refers to goes with it.
func (s *Store) leased(ctx context.Context, client *containerd.Client, load func(ctx context.Context, id string) error) (err error) {
	lease, err := client.LeasesService().Create(ctx, leases.WithRandomID(), leases.WithExpiration(24*time.Hour), leases.WithLabel(leaseLabel, "true"))
	if err != nil {
		return s.explain(fmt.Errorf("create lease: %w", err))
	}
	defer func() {
		if err != nil {
			err = s.explain(err)
		}
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		// When this returns, what no image refers to is gone.
		if derr := client.LeasesService().Delete(cctx, lease, leases.SynchronousDelete); derr != nil {
			err = errors.Join(err, fmt.Errorf("end lease: %w", derr))
		}
	}()
	return load(leases.WithLease(ctx, lease.ID), lease.ID)
}

func (s *Store) load(ctx context.Context, client *containerd.Client, id string, r io.Reader, name string) ([]mlops.Image, error) {
	in, err := openArchive(r)
	if err != nil {
		return nil, err
	}
	defer in.Close() //nolint:errcheck // only read from
	index, err := archive.ImportIndex(ctx, ingester{client.ContentStore(), id}, in)
	if err != nil {
		return nil, err
	}
	// Behind the tar's end lies the checksum of what was compressed.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return nil, err
	}
	found, err := choose(ctx, client.ContentStore(), index, name)
	if err != nil {
		return nil, err
	}
	for _, img := range found {
		if err := s.mayChange(img.Name); err != nil {
			return nil, err
		}
	}
	for _, img := range found {
		if err := s.unpack(ctx, client, img); err != nil {
			return nil, err
		}
	}
	var out []mlops.Image
	for _, img := range found {
		loaded, err := s.put(ctx, client, img, mlops.ImageLoaded)
		if err != nil {
			return out, err
		}
		out = append(out, loaded)
	}
	return out, nil
}

// unpack makes all of an image ready that is here, and finds what is not.
func (s *Store) unpack(ctx context.Context, client *containerd.Client, img images.Image) error {
	if err := keep(ctx, client.ContentStore(), img.Target); err != nil {
		return fmt.Errorf("%s: %w", img.Name, err)
	}
	if err := checkLayers(ctx, client.ContentStore(), img.Target); err != nil {
		return fmt.Errorf("%s: %w", img.Name, err)
	}
	if err := containerd.NewImage(client, img).Unpack(ctx, s.Snapshotter); err != nil {
		return fmt.Errorf("unpack %s: %w", img.Name, err)
	}
	return nil
}

// checkLayers compares layers that came as they are with the image's
// configuration. Unpacking does that too, but not for a layer of an image that
// the machine has already.
func checkLayers(ctx context.Context, store content.Provider, target ocispec.Descriptor) error {
	manifest, err := images.Manifest(ctx, store, target, platforms.Default())
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	diffs, err := images.RootFS(ctx, store, manifest.Config)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if len(diffs) != len(manifest.Layers) {
		return mlops.Errorf(mlops.Invalid, "it is damaged: the image says that it has %d layers, and has %d; write the archive again", len(diffs), len(manifest.Layers))
	}
	for i, layer := range manifest.Layers {
		if compression, err := images.DiffCompression(ctx, layer.MediaType); err == nil && compression == "" && layer.Digest != diffs[i] {
			return damaged(diffs[i])
		}
	}
	return nil
}

// put names an image, and waits until the kubelet's side of containerd, which
// learns of it by an event, knows it.
func (s *Store) put(ctx context.Context, client *containerd.Client, img images.Image, source mlops.ImageSource) (mlops.Image, error) {
	img.Labels = map[string]string{sourceLabel: string(source)}
	before, err := client.ImageService().Get(ctx, img.Name)
	switch {
	case errdefs.IsNotFound(err):
		_, err = client.ImageService().Create(ctx, img)
	case err == nil && before.Target.Digest == img.Target.Digest:
		_, err = client.ImageService().Update(ctx, img, "labels."+sourceLabel)
	case err == nil:
		// Without the kubelet's label its side looks at the image afresh.
		_, err = client.ImageService().Update(ctx, img, "target", "labels")
	}
	if err != nil {
		return mlops.Image{}, fmt.Errorf("name image %s: %w", img.Name, err)
	}
	id, err := configDigest(ctx, client, img)
	if err != nil {
		return mlops.Image{}, err
	}
	kubelet := cri.NewImageServiceClient(client.Conn().(grpc.ClientConnInterface)) // which it is, see containerd
	for deadline := time.Now().Add(10 * time.Second); ; {
		st, err := kubelet.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: img.Name}})
		if err == nil && st.Image != nil && st.Image.Id == id {
			break
		}
		if time.Now().After(deadline) {
			return mlops.Image{}, fmt.Errorf("image %s was loaded, but the kubelet does not see it (%w)", img.Name, err)
		}
		select {
		case <-ctx.Done():
			return mlops.Image{}, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if before.Name != "" && before.Target.Digest != img.Target.Digest {
		if err := dropUnnamed(ctx, client, before); err != nil {
			return mlops.Image{}, err
		}
	}
	return s.describe(ctx, client, img)
}

func configDigest(ctx context.Context, client *containerd.Client, img images.Image) (string, error) {
	desc, err := containerd.NewImage(client, img).Config(ctx)
	if err != nil {
		return "", fmt.Errorf("read configuration of image %s: %w", img.Name, err)
	}
	return desc.Digest.String(), nil
}
