package resourcemetrics

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

// The listers ask the API each time: an informer would keep every pod's
// metadata in memory for a question that may never come.

// nodeLister implements listers.NodeLister.
type nodeLister struct{ kube kubernetes.Interface }

func (l nodeLister) List(selector labels.Selector) ([]*corev1.Node, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := l.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	out := make([]*corev1.Node, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}

// Get returns the API's own error, which says what was not found.
func (l nodeLister) Get(name string) (*corev1.Node, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return l.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
}

// podLister implements cache.GenericLister for running pods.
type podLister struct {
	client    metadata.Interface
	namespace string // "" for all
}

func (l podLister) ByNamespace(namespace string) cache.GenericNamespaceLister {
	return podLister{l.client, namespace}
}

func (l podLister) pods() metadata.ResourceInterface {
	return l.client.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(l.namespace)
}

func (l podLister) List(selector labels.Selector) ([]runtime.Object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := l.pods().List(ctx, metav1.ListOptions{LabelSelector: selector.String(), FieldSelector: "status.phase=Running"})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	out := make([]runtime.Object, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}

// Get returns the API's own error, which says what was not found.
func (l podLister) Get(name string) (runtime.Object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pod, err := l.pods().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return pod, nil
}
