package cluster

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Images are the container images of the machine.
type Images interface {
	// Wait returns when the bundled images of these names are there; without
	// names, when all are that a start imports.
	Wait(ctx context.Context, names ...string) error
	// Bring returns when a bundled image is there that no start imports. The
	// first call imports it.
	Bring(ctx context.Context, name string) error
	List(ctx context.Context) ([]mlops.Image, error)
	// Has says whether an image is there. alike is one with a similar name.
	Has(ctx context.Context, ref string) (has bool, alike string, err error)
	// Environment returns the variables that an image sets, as NAME=VALUE.
	Environment(ctx context.Context, ref string) ([]string, error)
	Load(ctx context.Context, r io.Reader, name string) ([]mlops.Image, error)
	// Layered makes the image of an environment: base and one layer, a plain tar
	// with the SHA-256 diffID. It sets the variables in env.
	Layered(ctx context.Context, name, base string, layer io.Reader, diffID string, env map[string]string) (mlops.Image, error)
	// RemoveLayered removes such an image; one that is not here is no error.
	RemoveLayered(ctx context.Context, name string) error
	// Removable returns the full reference, or why its image can't be removed.
	Removable(ctx context.Context, ref string) (string, error)
	Remove(ctx context.Context, ref string) error
}

// Images lists the images that pods can start from, with the pods that use
// them.
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

// LoadImages brings the images of an archive onto the machine. A name that is
// not "" is given to the archive's only image.
func (c *Client) LoadImages(ctx context.Context, r io.Reader, name string) ([]mlops.Image, error) {
	return c.images.Load(ctx, r, name)
}

// MakeEnvironment makes the image of an environment of what its Job has built.
func (c *Client) MakeEnvironment(ctx context.Context, name, base string, layer io.Reader, diffID string, env map[string]string) (mlops.Image, error) {
	return c.images.Layered(ctx, name, base, layer, diffID, env)
}

// RemoveEnvironment removes the image of an environment, if it is there.
func (c *Client) RemoveEnvironment(ctx context.Context, name string) error {
	return c.images.RemoveLayered(ctx, name)
}

// HasImage reports whether an image is on the machine.
func (c *Client) HasImage(ctx context.Context, ref string) (bool, error) {
	has, _, err := c.images.Has(ctx, ref)
	return has, err
}

// RemoveImage removes a reference, and with the last one its image. An image
// that pods use stays unless it is forced: such a pod runs on, but can't start
// again. It returns the full reference.
func (c *Client) RemoveImage(ctx context.Context, ref string, force bool) (string, error) {
	ref, err := c.images.Removable(ctx, ref)
	if err != nil {
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
			ref, err := reference.ParseDockerRef(container.Image)
			if err == nil && !seen[ref.String()] {
				seen[ref.String()] = true
				users[ref.String()] = append(users[ref.String()], p.Namespace+"/"+p.Name)
			}
		}
	}
	return users, nil
}

func containersOf(p *corev1.Pod) []corev1.Container {
	out := append([]corev1.Container(nil), p.Spec.InitContainers...)
	return append(out, p.Spec.Containers...)
}
