package cluster

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// watch calls changed for each object that there is and whenever one comes or
// changes, and gone when one goes, until ctx ends: one call at a time. It
// connects again by itself and then tells what it has missed.
func (c *Client) watch(ctx context.Context, of func(informers.SharedInformerFactory) cache.SharedInformer, only metav1.ListOptions, changed, gone func(o any)) {
	factory := informers.NewSharedInformerFactoryWithOptions(c.kube, 0, informers.WithTransform(withoutManagers), informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector, o.FieldSelector = only.LabelSelector, only.FieldSelector
	}))
	// It fails only for an informer that has stopped; this one has not begun.
	_, _ = of(factory).AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: changed, UpdateFunc: func(_, o any) { changed(o) }, DeleteFunc: gone,
	})
	factory.Start(ctx.Done())
}

// withoutManagers drops what nobody here reads from what is kept in memory.
func withoutManagers(o any) (any, error) {
	if m, ok := o.(metav1.Object); ok {
		m.SetManagedFields(nil)
	}
	return o, nil
}
