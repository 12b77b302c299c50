package imagestore

import (
	"context"
	"fmt"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Removable returns an image's full reference, or why nobody can remove it. It
// does not look at who uses the image.
func (s *Store) Removable(ctx context.Context, ref string) (string, error) {
	ref, err := Reference(ref)
	if err != nil {
		return "", err
	}
	if err := s.mayChange(ref); err != nil {
		return "", err
	}
	has, _, err := s.Has(ctx, ref)
	if err == nil && !has {
		err = notHere(ref)
	}
	return ref, err
}

func notHere(ref string) error {
	return mlops.Errorf(mlops.NotFound, "image %s is not on this machine: see `benchtop images`", ref)
}

// Remove takes a name off an image; the image goes with its last name.
func (s *Store) Remove(ctx context.Context, ref string) error {
	if err := s.mayChange(ref); err != nil {
		return err
	}
	client, ctx, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	img, err := client.ImageService().Get(ctx, ref)
	if errdefs.IsNotFound(err) {
		return notHere(ref)
	}
	if err != nil {
		return fmt.Errorf("get image %s: %w", ref, err)
	}
	return drop(ctx, client, img)
}

// drop removes a name, and with the last one its image.
func drop(ctx context.Context, client *containerd.Client, img images.Image) error {
	if err := client.ImageService().Delete(ctx, img.Name); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove image %s: %w", img.Name, err)
	}
	return dropUnnamed(ctx, client, img)
}

// dropUnnamed removes the rest of an image that has lost its last name: the
// names that containerd's side of the kubelet gave it. When it returns, the
// space is free.
func dropUnnamed(ctx context.Context, client *containerd.Client, img images.Image) error {
	id, err := configDigest(ctx, client, img)
	if errdefs.IsNotFound(err) {
		return nil // its content is gone, and so are its names
	}
	if err != nil {
		return err
	}
	all, err := client.ImageService().List(ctx)
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	doomed := []string{id}
	for _, other := range all {
		if isID(other.Name) {
			continue
		}
		same := other.Target.Digest == img.Target.Digest
		if !same {
			otherID, err := configDigest(ctx, client, other)
			same = err == nil && otherID == id
		}
		switch {
		case same && isDigestOf(other, append(all, img)):
			doomed = append(doomed, other.Name)
		case same:
			return nil
		}
	}
	for _, name := range doomed {
		if err := client.ImageService().Delete(ctx, name, images.SynchronousDelete()); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove image %s: %w", name, err)
		}
	}
	return nil
}
