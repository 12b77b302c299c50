// Package imagestore keeps a user's own container images in containerd: it
// loads them from archives, lists them and removes them. See ../DESIGN.md.
package imagestore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	// namespace is the one whose images pods can start from.
	namespace = "k8s.io"
	// sourceLabel tells loaded images and environments from pulled ones.
	sourceLabel = "benchtop.source"
	// leaseLabel marks the leases of loads, so that those of a process that
	// was killed can be ended.
	leaseLabel = "benchtop.load"
)

// Store is containerd's image store. It connects for each request and holds
// nothing in between.
type Store struct {
	Address     string   // of containerd
	Snapshotter string   // into which images are unpacked
	Dir         string   // lies on the file system that images fill
	Bundled     []string // references that must not be changed
}

func (s *Store) connect(ctx context.Context) (*containerd.Client, context.Context, error) {
	client, err := containerd.New(s.Address)
	if err != nil {
		return nil, ctx, fmt.Errorf("connect to containerd: %w", err)
	}
	return client, namespaces.WithNamespace(ctx, namespace), nil
}

// Recover drops what a killed process was loading.
func (s *Store) Recover(ctx context.Context) error {
	client, ctx, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	left, err := client.LeasesService().List(ctx, fmt.Sprintf("labels.%q==true", leaseLabel))
	if err != nil {
		return fmt.Errorf("list unfinished loads: %w", err)
	}
	for _, l := range left {
		if err := client.LeasesService().Delete(ctx, leases.Lease{ID: l.ID}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("end unfinished load: %w", err)
		}
	}
	return nil
}

// Reference returns an image's reference in full, as Docker and the kubelet
// complete it: myapp is docker.io/library/myapp:latest.
func Reference(ref string) (string, error) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return "", mlops.Errorf(mlops.Invalid, "%q is not an image reference (%v): expected one such as myapp:1 or registry.example.com/team/myapp:1", ref, err)
	}
	return named.String(), nil
}

// isEnvironment reports whether an image's full name is one of environments.
func isEnvironment(ref string) bool {
	return strings.HasPrefix(ref, mlops.EnvironmentRepository+":") || strings.HasPrefix(ref, mlops.EnvironmentRepository+"@")
}

// mayChange refuses to touch what the lab itself and pushed code run on.
func (s *Store) mayChange(ref string) error {
	if slices.Contains(s.Bundled, ref) {
		return mlops.Errorf(mlops.InvalidState, "%s travels inside benchtop and runs the lab itself: it can't be replaced or removed", ref)
	}
	if isEnvironment(ref) {
		return mlops.Errorf(mlops.InvalidState, "%s is an environment of pushed code, in which its trainings and models run: only benchtop makes and removes it", ref)
	}
	return nil
}
