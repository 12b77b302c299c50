package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
)

// pullFailure is an image that the kubelet could not get.
type pullFailure struct {
	image  string
	policy corev1.PullPolicy
	here   bool   // the machine has the image
	alike  string // an image of the machine with the same last part
	why    string // what the kubelet says
}

// pullReasons are the reasons why a container waits for its image.
var pullReasons = []string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"}

// hint says what happened and what to do about it, for somebody who has an
// archive and no registry.
func (f pullFailure) hint() string {
	said := ""
	if cause := f.cause(); cause != "" {
		said = " (" + cause + ")"
	}
	registry := registryOf(f.image)
	load := "load it with `benchtop images load FILE`"
	if f.alike != "" {
		load = "write " + f.alike + " if you mean the image of that name, which is; or " + load
	}
	always := ""
	if f.policy == corev1.PullAlways {
		always = "imagePullPolicy: IfNotPresent"
		if implicitLatest(f.image) {
			always += " (without a tag, or with :latest, the default is Always)"
		}
	}
	switch kind := f.kind(); {
	case kind == pullDisk:
		return "the disk is full, so image " + f.image + " could not be pulled: remove images (`benchtop images remove`), or delete old runs and artifacts"
	case kind == pullNever:
		return fmt.Sprintf("image %s is not on this machine, and imagePullPolicy Never does not let the kubelet ask a registry: %s", f.image, load)
	case f.here && f.policy == corev1.PullAlways:
		return fmt.Sprintf("image %s is on this machine, but imagePullPolicy Always asks %s at each start, which %s%s: set %s", f.image, registry, kind, said, always)
	case kind == pullSilent:
		load += ", or connect the machine to " + registry
	case kind == pullUnknown, kind == pullRefused:
		load = "correct the reference; or " + load
	}
	if always != "" {
		load += ", and set " + always
	}
	return fmt.Sprintf("image %s is not on this machine, and %s %s%s: %s", f.image, registry, f.kind(), said, load)
}

// The registry's answer, as the end of "the registry …".
const (
	pullSilent  = "did not answer"
	pullUnknown = "does not have it"
	pullRefused = "refused to give it without the right credentials (imagePullSecrets)"
	pullOther   = "did not give it"
	pullNever   = "was not asked"
	pullDisk    = "gave more than fits on the disk"
)

// kind groups failures by the advice that they need.
func (f pullFailure) kind() string {
	text := strings.ToLower(f.why)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
	}
	switch {
	case f.policy == corev1.PullNever:
		return pullNever
	case has("no space left on device"):
		return pullDisk
	case has("dial tcp", "no such host", "network is unreachable", "timeout", "deadline exceeded", "connection refused", "connection reset", "unexpected eof", "tls:", "x509:", "http response to https client"):
		return pullSilent
	case has("401 unauthorized", "403 forbidden", "insufficient_scope", "authorization failed", "unauthorized:", "access denied", "no basic auth"):
		return pullRefused
	case has("not found", "manifest unknown", "name unknown"):
		return pullUnknown
	}
	return pullOther
}

// cause is the end of the kubelet's message, where the reason stands.
func (f pullFailure) cause() string {
	if f.kind() == pullNever {
		return ""
	}
	cause := strings.TrimSpace(f.why)
	if i := strings.LastIndex(cause, `": `); i >= 0 {
		cause = cause[i+3:]
	}
	return cause
}

func registryOf(image string) string {
	ref, err := reference.ParseDockerRef(image)
	if err != nil {
		return "the registry"
	}
	host, _, _ := strings.Cut(ref.String(), "/")
	if host == "docker.io" {
		return "Docker Hub"
	}
	return "registry " + host
}

func implicitLatest(image string) bool {
	ref, err := reference.ParseDockerRef(image)
	return err == nil && strings.HasSuffix(ref.String(), ":latest")
}

// pullFailureOf collects what is known of a container's image.
func (c *Client) pullFailureOf(ctx context.Context, container corev1.Container, why string) pullFailure {
	f := pullFailure{image: container.Image, policy: container.ImagePullPolicy, why: why}
	if c.images != nil {
		// If this fails, the advice says nothing about it.
		f.here, f.alike, _ = c.images.Has(ctx, container.Image)
	}
	return f
}

// explainPulls replaces the kubelet's words about images that it could not get.
func (c *Client) explainPulls(ctx context.Context, p *corev1.Pod) {
	explain := func(statuses []corev1.ContainerStatus) {
		for i := range statuses {
			waiting := statuses[i].State.Waiting
			if waiting == nil || !slices.Contains(pullReasons, waiting.Reason) {
				continue
			}
			for _, container := range containersOf(p) {
				if container.Name == statuses[i].Name {
					waiting.Message = c.pullFailureOf(ctx, container, waiting.Message).hint()
				}
			}
		}
	}
	explain(p.Status.InitContainerStatuses)
	explain(p.Status.ContainerStatuses)
}
