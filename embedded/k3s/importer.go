package k3s

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"golang.org/x/sync/errgroup"

	"github.com/benchtop-lab/benchtop/embedded/images"
)

// importOrder is the order in which images are needed; those that it does not
// name follow. The first is part of every pod.
var importOrder = []string{"pause", "coredns", "traefik", "lab-python"}

// importer brings the bundled images into containerd, straight from the
// binary. Images that are there with the right digest cost one look-up. They
// are labelled as pinned so that the kubelet never removes them.
type importer struct {
	address     string // of containerd
	snapshotter string
	bundle      *images.Bundle
	images      []images.Image // those of the bundle that a start imports
	onDemand    []images.Image // those that only who needs one imports
	late        []string       // of images, what only who names it waits for
	progress    func(string, ...any)
	done        map[string]chan struct{} // by image, closed when it is there
	// containerd names what it ingests after the file in the archive, so two
	// archives at once would block each other; unpacking is the slow part.
	ingest sync.Mutex
	need   sync.Mutex // held by who imports an image on demand
}

func newImporter(address, snapshotter string, bundle *images.Bundle, unused, late, onDemand []string, progress func(string, ...any)) *importer {
	i := &importer{address: address, snapshotter: snapshotter, bundle: bundle, late: late, progress: progress, done: map[string]chan struct{}{}}
	for _, img := range bundle.Images() {
		switch {
		case slices.Contains(unused, img.Name):
			continue
		case slices.Contains(onDemand, img.Name):
			i.onDemand = append(i.onDemand, img)
		default:
			i.images = append(i.images, img)
		}
		i.done[img.Name] = make(chan struct{})
	}
	return i
}

// wait returns when the named images, or all that a start imports but the late
// ones if none is named, are there.
func (i *importer) wait(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		for _, img := range i.images {
			if !slices.Contains(i.late, img.Name) {
				names = append(names, img.Name)
			}
		}
	}
	for _, name := range names {
		select {
		case <-i.done[name]: // an unknown name waits until ctx ends; the manifests' test knows them all
		case <-ctx.Done():
			return fmt.Errorf("wait for image %s: %w", name, context.Cause(ctx))
		}
	}
	return nil
}

// bring returns when an image is there that is imported on demand. It imports
// the image if nobody has yet.
func (i *importer) bring(ctx context.Context, name string) error {
	n := slices.IndexFunc(i.onDemand, func(img images.Image) bool { return img.Name == name })
	if n < 0 {
		return fmt.Errorf("image %s: the bundle has none of that name that is imported on demand", name)
	}
	i.need.Lock()
	defer i.need.Unlock()
	select {
	case <-i.done[name]:
		return nil
	default:
	}
	client, err := containerd.New(i.address)
	if err != nil {
		return fmt.Errorf("connect to containerd: %w", err)
	}
	defer client.Close()
	if err := i.importImage(namespaces.WithNamespace(ctx, "k8s.io"), client, i.onDemand[n]); err != nil {
		return err
	}
	close(i.done[name])
	return nil
}

// run imports all images of a start, a few at a time, and returns the first failure.
func (i *importer) run(ctx context.Context) error {
	ctx = namespaces.WithNamespace(ctx, "k8s.io")
	client, err := containerd.New(i.address)
	if err != nil {
		return fmt.Errorf("connect to containerd: %w", err)
	}
	defer client.Close()
	all := slices.Clone(i.images)
	rank := func(img images.Image) int {
		if n := slices.Index(importOrder, img.Name); n >= 0 {
			return n
		}
		if slices.Contains(i.late, img.Name) {
			return len(importOrder) + 1
		}
		return len(importOrder)
	}
	slices.SortStableFunc(all, func(a, b images.Image) int { return rank(a) - rank(b) })
	var count atomic.Int32
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for _, img := range all {
		g.Go(func() error {
			if err := i.importImage(gctx, client, img); err != nil {
				return err
			}
			i.progress("importing images: %d of %d", count.Add(1), len(all))
			close(i.done[img.Name])
			return nil
		})
	}
	return g.Wait()
}

// importImage imports one image, after the one that it is based on: that one's
// archive holds the layers that they share.
func (i *importer) importImage(ctx context.Context, client *containerd.Client, want images.Image) error {
	if want.Base != "" {
		if err := i.wait(ctx, want.Base); err != nil {
			return err
		}
	}
	if err := i.unpack(ctx, client, want); err != nil {
		return fmt.Errorf("import image %s: %w", want.Ref, err)
	}
	return nil
}

func (i *importer) unpack(ctx context.Context, client *containerd.Client, want images.Image) error {
	img, err := client.GetImage(ctx, want.Ref)
	if err == nil && img.Target().Digest.String() == want.Digest {
		if ok, err := img.IsUnpacked(ctx, i.snapshotter); err == nil && ok {
			return nil
		}
	} else {
		r, err := i.bundle.OpenImage(want.Name)
		if err != nil {
			return err
		}
		defer r.Close()
		// The label is containerd's io.cri-containerd.pinned, see its
		// internal/cri/labels.
		i.ingest.Lock()
		imported, err := client.Import(ctx, r, containerd.WithImageLabels(map[string]string{"io.cri-containerd.pinned": "pinned"}))
		i.ingest.Unlock()
		if err != nil {
			return err
		}
		if len(imported) != 1 || imported[0].Name != want.Ref {
			return fmt.Errorf("archive holds %d images, expected exactly %s", len(imported), want.Ref)
		}
		img = containerd.NewImage(client, imported[0])
	}
	if err := img.Unpack(ctx, i.snapshotter); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}
