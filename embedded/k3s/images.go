package k3s

import (
	"context"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/k3s/imagestore"
)

// containerdSocket is where K3s has containerd listen.
const containerdSocket = "/run/k3s/containerd/containerd.sock"

func (c Config) imageStore(snapshotter string) *imagestore.Store {
	s := &imagestore.Store{Address: containerdSocket, Snapshotter: snapshotter, Dir: c.Dir}
	for _, img := range c.Bundle.Images() {
		s.Bundled = append(s.Bundled, img.Ref)
	}
	return s
}

// Images lists the images that pods can start from, with the pods that do.
func (c *Client) Images(ctx context.Context) ([]mlops.Image, error) {
	images, err := c.images.List(ctx)
	if err != nil {
		return nil, err
	}
	users, err := c.imageUsers(ctx)
	if err != nil {
		return nil, err
	}
	for i := range images {
		images[i].Pods = append(images[i].Pods, users[images[i].Reference]...)
	}
	return images, nil
}

// LoadImages brings the images of an archive onto the machine. name, if it is
// not "", is what the archive's one image is called.
func (c *Client) LoadImages(ctx context.Context, r io.Reader, name string) ([]mlops.Image, error) {
	return c.images.Load(ctx, r, name)
}

// RemoveImage takes a reference off the machine, and its image with the last
// one. One that pods use stays, unless it is forced: such a pod runs on, but
// can't start again. It returns the reference in full.
func (c *Client) RemoveImage(ctx context.Context, ref string, force bool) (string, error) {
	ref, err := imagestore.Reference(ref)
	if err != nil {
		return "", err
	}
	if err := c.images.Removable(ctx, ref); err != nil {
		return "", err
	}
	users, err := c.imageUsers(ctx)
	if err != nil {
		return "", err
	}
	if pods := users[ref]; len(pods) > 0 && !force {
		return "", mlops.Errorf(mlops.InvalidState, "%s is used by %s: delete these first, or give --force and they can't start again", ref, strings.Join(pods, ", "))
	}
	return ref, c.images.Remove(ctx, ref)
}

// imageUsers returns, by image, the pods that have not ended.
func (c *Client) imageUsers(ctx context.Context) (map[string][]string, error) {
	list, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "status.phase!=Succeeded,status.phase!=Failed"})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	users := map[string][]string{}
	for _, p := range list.Items {
		seen := map[string]bool{}
		for _, container := range containersOf(&p) {
			ref, err := imagestore.Reference(container.Image)
			if err == nil && !seen[ref] {
				seen[ref] = true
				users[ref] = append(users[ref], p.Namespace+"/"+p.Name)
			}
		}
	}
	return users, nil
}

func containersOf(p *corev1.Pod) []corev1.Container {
	out := append([]corev1.Container(nil), p.Spec.InitContainers...)
	return append(out, p.Spec.Containers...)
}
