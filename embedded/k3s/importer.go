package k3s

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	daemonconfig "github.com/k3s-io/k3s/pkg/daemons/config"
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
	bundle   *images.Bundle
	images   []images.Image // those of the bundle that are used
	late     []string       // of these, what only who names it waits for
	progress func(string, ...any)
	done     map[string]chan struct{} // by image, closed when it is there
}

func newImporter(bundle *images.Bundle, unused, late []string, progress func(string, ...any)) *importer {
	i := &importer{bundle: bundle, late: late, progress: progress, done: map[string]chan struct{}{}}
	for _, img := range bundle.Images() {
		if !slices.Contains(unused, img.Name) {
			i.images = append(i.images, img)
			i.done[img.Name] = make(chan struct{})
		}
	}
	return i
}

// wait returns when the named images, or all but the late ones if none is named,
// are there.
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

// run imports all images, a few at a time, and returns the first failure.
func (i *importer) run(ctx context.Context, cfg *daemonconfig.Node, snapshotter string) error {
	ctx = namespaces.WithNamespace(ctx, "k8s.io")
	client, err := containerd.New(cfg.Containerd.Address)
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
	// containerd names what it ingests after the file in the archive, so two
	// archives at once would block each other; unpacking is the slow part.
	var ingest sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for _, img := range all {
		g.Go(func() error {
			if err := importImage(gctx, client, snapshotter, i.bundle, img, &ingest); err != nil {
				return fmt.Errorf("import image %s: %w", img.Ref, err)
			}
			i.progress("importing images: %d of %d", count.Add(1), len(all))
			close(i.done[img.Name])
			return nil
		})
	}
	return g.Wait()
}

func importImage(ctx context.Context, client *containerd.Client, snapshotter string, bundle *images.Bundle, want images.Image, ingest *sync.Mutex) error {
	img, err := client.GetImage(ctx, want.Ref)
	if err == nil && img.Target().Digest.String() == want.Digest {
		if ok, err := img.IsUnpacked(ctx, snapshotter); err == nil && ok {
			return nil
		}
	} else {
		r, err := bundle.OpenImage(want.Name)
		if err != nil {
			return err
		}
		defer r.Close()
		// The label is containerd's io.cri-containerd.pinned, see its
		// internal/cri/labels.
		ingest.Lock()
		imported, err := client.Import(ctx, r, containerd.WithImageLabels(map[string]string{"io.cri-containerd.pinned": "pinned"}))
		ingest.Unlock()
		if err != nil {
			return err
		}
		if len(imported) != 1 || imported[0].Name != want.Ref {
			return fmt.Errorf("archive holds %d images, expected exactly %s", len(imported), want.Ref)
		}
		img = containerd.NewImage(client, imported[0])
	}
	if err := img.Unpack(ctx, snapshotter); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}
