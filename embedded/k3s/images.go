package k3s

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/k3s/imagestore"
)

// containerdSocket is where K3s has containerd listen.
const containerdSocket = "/run/k3s/containerd/containerd.sock"

// Images are the images in containerd.
type Images struct {
	*imagestore.Store
	bundled *importer
}

// Bring returns when a bundled image is there that is imported on demand. The
// first call imports it, which can take seconds.
func (i Images) Bring(ctx context.Context, name string) error { return i.bundled.bring(ctx, name) }

// Wait returns when the bundled images of these names are there; without names,
// when all are that a start imports.
func (i Images) Wait(ctx context.Context, names ...string) error {
	return i.bundled.wait(ctx, names...)
}

func (c Config) imageStore(snapshotter string) *imagestore.Store {
	s := &imagestore.Store{Address: containerdSocket, Snapshotter: snapshotter, Dir: c.Dir}
	for _, img := range c.Bundle.Images() {
		s.Bundled = append(s.Bundled, img.Ref)
	}
	return s
}
