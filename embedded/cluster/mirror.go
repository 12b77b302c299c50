package cluster

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	appslisters "k8s.io/client-go/listers/apps/v1"
	batchlisters "k8s.io/client-go/listers/batch/v1"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// mirror keeps in memory what lists of all projects are made of. Asking the API
// instead would encode and decode every object for every page: with 50 projects
// two thirds of what an overview allocates. It begins with the first question.
type mirror struct {
	once        sync.Once
	servers     informers.SharedInformerFactory
	trainers    informers.SharedInformerFactory
	deployments appslisters.DeploymentLister
	pods        corelisters.PodLister
	cronJobs    batchlisters.CronJobLister
}

// mirrored returns the mirror once it holds what there is. Objects that it
// returns are shared: nobody may change them.
func (c *Client) mirrored(ctx context.Context) (*mirror, error) {
	m := c.mirror
	m.once.Do(func() {
		of := func(role string) informers.SharedInformerFactory {
			return informers.NewSharedInformerFactoryWithOptions(c.kube, 0, informers.WithTransform(withoutManagers), informers.WithTweakListOptions(func(o *metav1.ListOptions) {
				o.LabelSelector = labelPartOf + "=benchtop," + labelComponent + "=" + role
			}))
		}
		m.servers, m.trainers = of(serverRole), of(trainerRole)
		m.deployments = m.servers.Apps().V1().Deployments().Lister()
		m.pods = m.servers.Core().V1().Pods().Lister()
		m.cronJobs = m.trainers.Batch().V1().CronJobs().Lister()
		m.servers.Start(c.done)
		m.trainers.Start(c.done)
	})
	for _, f := range []informers.SharedInformerFactory{m.servers, m.trainers} {
		for _, synced := range f.WaitForCacheSync(ctx.Done()) {
			if !synced {
				return nil, mlops.Errorf(mlops.Unavailable, "Kubernetes has not said yet what runs: try again in a few seconds")
			}
		}
	}
	return m, nil
}
