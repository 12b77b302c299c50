package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	selectors "k8s.io/apimachinery/pkg/labels"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Observe fills in what the cluster knows of deployments, and returns those
// that it has. Only the servers know what they serve.
func (c *Client) Observe(ctx context.Context, rows []mlops.Deployment) ([]mlops.Deployment, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	seen, err := c.mirrored(ctx)
	if err != nil {
		return nil, err
	}
	list, err := seen.deployments.List(selectors.Everything())
	if err != nil {
		return nil, fmt.Errorf("list deployments: %w", err)
	}
	pods, err := seen.pods.List(selectors.Everything())
	if err != nil {
		return nil, fmt.Errorf("list pods of deployments: %w", err)
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	objects := make(map[string]*appsv1.Deployment, len(list))
	for _, o := range list {
		objects[o.Namespace+"/"+o.Name] = o
	}
	in := map[string][]*corev1.Pod{}
	for _, p := range pods {
		in[p.Namespace] = append(in[p.Namespace], p)
	}
	out := make([]mlops.Deployment, 0, len(rows))
	for _, d := range rows {
		o := objects[d.Namespace+"/"+d.Name]
		switch {
		case o == nil && d.Own:
			d.Message = "its servers have not been made yet"
			out = append(out, d)
			continue
		case o == nil:
			continue
		}
		if err := c.observe(ctx, &d, o, in[d.Namespace]); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// observe fills in a row from its object and its pods.
func (c *Client) observe(ctx context.Context, d *mlops.Deployment, o *appsv1.Deployment, pods []*corev1.Pod) error {
	selector, err := metav1.LabelSelectorAsSelector(o.Spec.Selector)
	if err != nil {
		return fmt.Errorf("read selector of deployment %s: %w", o.Name, err)
	}
	d.Image, d.Ready, d.Pods = o.Spec.Template.Spec.Containers[0].Image, int(o.Status.ReadyReplicas), nil
	for _, p := range pods {
		if !selector.Matches(selectors.Set(p.Labels)) {
			continue
		}
		p = p.DeepCopy() // it is shared, and explaining changes it
		c.explainPulls(ctx, p)
		c.explainGPUs(ctx, p)
		pod := podOf(p)
		d.Pods = append(d.Pods, pod)
		if !pod.Ready && pod.Message != "" {
			d.Message = pod.Message
		}
	}
	return nil
}

// ServerPods lists the pods of a deployment, by name.
func (c *Client) ServerPods(ctx context.Context, d mlops.Deployment) ([]mlops.Pod, error) {
	o, err := c.kube.AppsV1().Deployments(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, &mlops.Error{Code: mlops.NotFound, Message: "deployment " + d.Name + " is not in the cluster", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("get deployment %s: %w", d.Name, err)
	}
	list, err := c.kube.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(o.Spec.Selector)})
	if err != nil {
		return nil, fmt.Errorf("list pods of deployment %s: %w", d.Name, err)
	}
	out := make([]mlops.Pod, 0, len(list.Items))
	for i := range list.Items {
		out = append(out, podOf(&list.Items[i]))
	}
	return out, nil
}

// NextTrainings returns when each project's schedule fires next after now. A
// project with a suspended schedule has none.
func (c *Client) NextTrainings(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	seen, err := c.mirrored(ctx)
	if err != nil {
		return nil, err
	}
	list, err := seen.cronJobs.List(selectors.Everything())
	if err != nil {
		return nil, fmt.Errorf("list trainers: %w", err)
	}
	out := make(map[string]time.Time, len(list))
	for _, cron := range list {
		if cron.Spec.Suspend != nil && *cron.Spec.Suspend {
			continue
		}
		next, err := nextFire(cron.Spec.Schedule, zoneOf(cron.Spec.TimeZone), now)
		if err != nil {
			return nil, err
		}
		out[cron.Labels[labelProject]] = next
	}
	return out, nil
}
