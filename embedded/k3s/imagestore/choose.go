package imagestore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// choose returns the images of an archive's index that this machine can run,
// each with its full name. One name may stand for several platforms.
func choose(ctx context.Context, store content.Store, index ocispec.Descriptor, name string) ([]images.Image, error) {
	b, err := content.ReadBlob(ctx, store, index)
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	var idx ocispec.Index
	if err := json.Unmarshal(b, &idx); err != nil {
		return nil, mlops.Errorf(mlops.Invalid, "its index.json is no JSON (%v): write the archive again", err)
	}
	ours := platforms.Default()
	var out []images.Image
	best := map[string]ocispec.Platform{} // by name
	offers := map[string][]string{}       // by name, the platforms that are not ours
	for _, m := range idx.Manifests {
		there, err := platformsOf(ctx, store, m)
		if err != nil {
			return nil, err
		}
		if len(there) == 0 {
			continue // an attestation or a signature
		}
		called, err := nameOf(m, name)
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(there, func(a, b ocispec.Platform) int {
			switch {
			case ours.Less(a, b):
				return -1
			case ours.Less(b, a):
				return 1
			}
			return 0
		})
		if !ours.Match(there[0]) {
			for _, p := range there {
				offers[called] = append(offers[called], platforms.Format(p))
			}
			continue
		}
		img := images.Image{Name: called, Target: m}
		i := slices.IndexFunc(out, func(o images.Image) bool { return o.Name == called })
		switch {
		case i < 0:
			out = append(out, img)
		case out[i].Target.Digest == m.Digest:
			continue
		case ours.Less(there[0], best[called]):
			out[i] = img
		case !ours.Less(best[called], there[0]):
			// Neither suits better: they are different images.
			if name != "" {
				return nil, mlops.Errorf(mlops.Invalid, "it holds several images, and --name names one: load it without --name")
			}
			return nil, mlops.Errorf(mlops.Invalid, "it holds several images with the name %q: write one archive for each", called)
		default:
			continue
		}
		best[called] = there[0]
	}
	for called, offered := range offers {
		if _, ok := best[called]; !ok {
			return nil, mlops.Errorf(mlops.Invalid, "%s is for %s, and this machine is %s: build or save it for this platform (`docker build --platform %s`)",
				orUnnamed(called), strings.Join(offered, ", "), platforms.Format(platforms.DefaultSpec()), platforms.Format(platforms.DefaultSpec()))
		}
	}
	if len(out) == 0 {
		return nil, mlops.Errorf(mlops.Invalid, "it holds no container image: %s", whatIsExpected)
	}
	for _, img := range out {
		if img.Name == "" {
			return nil, mlops.Errorf(mlops.Invalid, "its image has no name: say how it is called with `benchtop images load --name myapp:1 FILE`, or name it when you save it (`docker save myapp:1`)")
		}
	}
	return out, nil
}

func orUnnamed(name string) string {
	if name == "" {
		return "its image"
	}
	return name
}

// nameOf returns the full name of an image in an index, "" if it has none. A
// tag alone is no name.
func nameOf(m ocispec.Descriptor, name string) (string, error) {
	if name != "" {
		return name, nil
	}
	called := m.Annotations[images.AnnotationImageName]
	if ref := m.Annotations[ocispec.AnnotationRefName]; called == "" && strings.ContainsAny(ref, ":/") {
		called = ref
	}
	if called == "" {
		return "", nil
	}
	return Reference(called)
}

// platformsOf returns the platforms of an image or an index of images, and
// nothing for anything else.
func platformsOf(ctx context.Context, store content.Store, desc ocispec.Descriptor) ([]ocispec.Platform, error) {
	if desc.Annotations[images.AnnotationManifestSubject] != "" || desc.Annotations["vnd.docker.reference.type"] != "" {
		return nil, nil
	}
	if p := desc.Platform; p != nil && p.OS != "" && p.Architecture != "" {
		if p.OS == "unknown" {
			return nil, nil
		}
		return []ocispec.Platform{platforms.Normalize(*p)}, nil
	}
	if !images.IsIndexType(desc.MediaType) && !images.IsManifestType(desc.MediaType) {
		return nil, nil
	}
	b, err := content.ReadBlob(ctx, store, desc)
	if errdefs.IsNotFound(err) {
		return nil, lacking(desc.Digest)
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	var m struct {
		Manifests []ocispec.Descriptor `json:"manifests"`
		Config    ocispec.Descriptor   `json:"config"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, mlops.Errorf(mlops.Invalid, "its manifest %s is no JSON (%v): write the archive again", short(desc.Digest), err)
	}
	if images.IsManifestType(desc.MediaType) {
		if !images.IsConfigType(m.Config.MediaType) {
			return nil, nil
		}
		p, err := images.ConfigPlatform(ctx, store, m.Config)
		if errdefs.IsNotFound(err) {
			return nil, lacking(m.Config.Digest)
		}
		if err != nil {
			return nil, mlops.Errorf(mlops.Invalid, "its configuration %s can't be read (%v): write the archive again", short(m.Config.Digest), err)
		}
		return []ocispec.Platform{p}, nil
	}
	var out []ocispec.Platform
	for _, child := range m.Manifests {
		p, err := platformsOf(ctx, store, child)
		if err != nil {
			return nil, err
		}
		out = append(out, p...)
	}
	return out, nil
}

// keep notes what an image refers to, so that this stays as long as the image,
// and finds what the archive lacks. It skips other platforms.
func keep(ctx context.Context, store content.Store, target ocispec.Descriptor) error {
	handler := images.FilterPlatforms(images.ChildrenHandler(store), platforms.Default())
	handler = images.LimitManifests(handler, platforms.Default(), 1)
	handler = images.SetChildrenLabels(store, handler)
	return images.Walk(ctx, images.HandlerFunc(func(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		if _, err := store.Info(ctx, desc.Digest); errdefs.IsNotFound(err) {
			return nil, lacking(desc.Digest)
		} else if err != nil {
			return nil, fmt.Errorf("look for %s: %w", short(desc.Digest), err)
		}
		return handler(ctx, desc)
	}), target)
}

func lacking(d digest.Digest) error {
	return mlops.Errorf(mlops.Invalid, "it is incomplete: %s is missing; copy or write the archive again", short(d))
}
