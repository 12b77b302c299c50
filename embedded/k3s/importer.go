package k3s

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	daemonconfig "github.com/k3s-io/k3s/pkg/daemons/config"
	"golang.org/x/sync/errgroup"

	"github.com/benchtop-lab/benchtop/embedded/images"
)

// importImages brings the bundled images into containerd, straight from the
// binary. Images that are there with the right digest cost one look-up. They
// are labelled as pinned so that the kubelet never removes them.
func importImages(ctx context.Context, cfg *daemonconfig.Node, snapshotter string, bundle *images.Bundle, progress func(string, ...any)) error {
	ctx = namespaces.WithNamespace(ctx, "k8s.io")
	client, err := containerd.New(cfg.Containerd.Address)
	if err != nil {
		return fmt.Errorf("connect to containerd: %w", err)
	}
	defer client.Close()
	all := bundle.Images()
	var done atomic.Int32
	// containerd names what it ingests after the file in the archive, so two
	// archives at once would block each other; unpacking is the slow part.
	var ingest sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, img := range all {
		g.Go(func() error {
			if err := importImage(gctx, client, snapshotter, bundle, img, &ingest); err != nil {
				return fmt.Errorf("import image %s: %w", img.Ref, err)
			}
			progress("importing images: %d of %d", done.Add(1), len(all))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return nil
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
