package cluster

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// watch calls changed for each object that exists and for each that comes or
// changes, and gone for each that goes, one call at a time, until ctx ends. It
// connects again by itself and then reports what it has missed.
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

// withoutManagers keeps managed fields, which nobody here reads, out of memory.
func withoutManagers(o any) (any, error) {
	if m, ok := o.(metav1.Object); ok {
		m.SetManagedFields(nil)
	}
	return o, nil
}
