package imagestore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// List returns the images that pods can start from, by reference.
func (s *Store) List(ctx context.Context) ([]mlops.Image, error) {
	client, ctx, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	all, err := client.ImageService().List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	out := []mlops.Image{}
	for _, img := range all {
		if isID(img.Name) || isDigestOf(img, all) {
			continue
		}
		described, err := s.describe(ctx, client, img)
		if errdefs.IsNotFound(err) {
			continue // it was removed meanwhile, or is still being pulled
		}
		if err != nil {
			return nil, err
		}
		out = append(out, described)
	}
	slices.SortFunc(out, func(a, b mlops.Image) int { return strings.Compare(a.Reference, b.Reference) })
	return out, nil
}

// isID reports whether a name is the id that containerd's side of the kubelet
// gives each image besides its references.
func isID(name string) bool { return strings.HasPrefix(name, "sha256:") }

// isDigestOf reports whether an image has a digest as its name only because it
// was pulled by a tag. The list shows it under that tag too.
func isDigestOf(img images.Image, all []images.Image) bool {
	repository, _, ok := strings.Cut(img.Name, "@")
	return ok && slices.ContainsFunc(all, func(o images.Image) bool {
		return o.Target.Digest == img.Target.Digest && strings.HasPrefix(o.Name, repository+":")
	})
}

func (s *Store) describe(ctx context.Context, client *containerd.Client, img images.Image) (mlops.Image, error) {
	size, err := containerd.NewImage(client, img).Usage(ctx, containerd.WithUsageManifestLimit(1), containerd.WithManifestUsage(), containerd.WithSnapshotUsage())
	if err != nil {
		return mlops.Image{}, fmt.Errorf("measure image %s: %w", img.Name, err)
	}
	out := mlops.Image{Reference: img.Name, Digest: img.Target.Digest.String(), Bytes: size, Source: mlops.ImagePulled, Pods: []string{}}
	switch {
	case img.Labels[sourceLabel] == string(mlops.ImageEnvironment):
		out.Source = mlops.ImageEnvironment
	case img.Labels[sourceLabel] != "":
		out.Source = mlops.ImageLoaded
	case slices.Contains(s.Bundled, img.Name), img.Labels["io.cri-containerd.pinned"] != "":
		out.Source = mlops.ImageBundled // also one of an earlier version, which may be removed
	}
	return out, nil
}

// Has reports whether an image is here. If it is not, alike is one with the
// same last part, "" if there is none.
func (s *Store) Has(ctx context.Context, ref string) (has bool, alike string, err error) {
	if ref, err = Reference(ref); err != nil {
		return false, "", err
	}
	client, ctx, err := s.connect(ctx)
	if err != nil {
		return false, "", err
	}
	defer client.Close()
	all, err := client.ImageService().List(ctx)
	if err != nil {
		return false, "", fmt.Errorf("list images: %w", err)
	}
	last := ref[strings.LastIndex(ref, "/")+1:]
	for _, img := range all {
		if img.Name == ref {
			return true, "", nil
		}
		if strings.HasSuffix(img.Name, "/"+last) {
			alike = familiar(img.Name)
		}
	}
	return false, alike, nil
}

// Environment returns the variables that an image sets, as NAME=VALUE.
func (s *Store) Environment(ctx context.Context, ref string) ([]string, error) {
	ref, err := Reference(ref)
	if err != nil {
		return nil, err
	}
	client, ctx, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	img, err := client.GetImage(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("find image %s: %w", ref, err)
	}
	spec, err := img.Spec(ctx)
	if err != nil {
		return nil, fmt.Errorf("read configuration of image %s: %w", ref, err)
	}
	return spec.Config.Env, nil
}

// familiar returns a reference as people write it.
func familiar(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.FamiliarString(named)
}
