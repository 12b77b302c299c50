// Package localpath makes and removes the folders of the StorageClass
// local-path. Provisioner name, folders and PersistentVolumes are those of
// Rancher's local-path-provisioner, which K3s brings as a pod.
package localpath

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is the provisioner that StorageClasses name.
const Name = "rancher.io/local-path"

// Controller makes and removes volumes.
type Controller struct{ node, dir string }

// New returns a controller, which does not run yet, for the volumes of a node
// below dir.
func New(node, dir string) *Controller { return &Controller{node, dir} }

// Name is the controller's name in the log.
func (*Controller) Name() string { return "volumes" }

// Run provisions and deletes volumes until ctx ends. Claims that were made
// while nothing ran wait until it starts.
func (c *Controller) Run(ctx context.Context, cfg *rest.Config, log *slog.Logger) error {
	kube, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("build Kubernetes client: %w", err)
	}
	f, err := openFolders(c.dir)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.widen(); err != nil {
		log.Warn("a volume of an earlier version stays closed to some users", "err", err)
	}
	newController(ctx, kube, &provisioner{node: c.node, folders: f}).Run(ctx)
	return nil
}

func newController(ctx context.Context, kube kubernetes.Interface, p *provisioner) *controller.ProvisionController {
	return controller.NewProvisionController(ctx, kube, Name, p,
		controller.LeaderElection(false), // there is one process
		// A volume whose PersistentVolume is deleted before its claim goes too.
		controller.AddFinalizer(true),
		// A full disk may have room again later, so it never gives up.
		controller.FailedProvisionThreshold(0), controller.FailedDeleteThreshold(0),
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, 2*time.Minute)),
		controller.CreateProvisionedPVLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, time.Minute)),
	)
}
