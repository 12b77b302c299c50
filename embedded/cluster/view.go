package cluster

import (
	"context"
	"fmt"
	"sort"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Pods lists the pods of a namespace, or of all if it is "", by name.
func (c *Client) Pods(ctx context.Context, namespace string) ([]mlops.Pod, error) {
	list, err := c.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	pods := make([]mlops.Pod, 0, len(list.Items))
	for i := range list.Items {
		c.explainPulls(ctx, &list.Items[i])
		c.explainGPUs(ctx, &list.Items[i])
		pods = append(pods, podOf(&list.Items[i]))
	}
	return pods, nil
}

// Events lists up to max events, newest first.
func (c *Client) Events(ctx context.Context, max int) ([]mlops.Event, error) {
	list, err := c.kube.CoreV1().Events("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	events := make([]mlops.Event, 0, len(list.Items))
	for _, e := range list.Items {
		t := e.LastTimestamp.Time
		if t.IsZero() {
			t = e.EventTime.Time
		}
		if t.IsZero() {
			t = e.CreationTimestamp.Time
		}
		events = append(events, mlops.Event{Time: t, Type: e.Type, Reason: e.Reason, Namespace: e.Namespace,
			Object: strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name, Message: e.Message, Count: int(max1(e.Count))})
	}
	sort.SliceStable(events, func(i, j int) bool { return events[i].Time.After(events[j].Time) })
	return events[:min(max, len(events))], nil
}

func max1(n int32) int32 { return max(n, 1) }

// Objects lists what Benchtop runs in the cluster, by kind, namespace, name.
func (c *Client) Objects(ctx context.Context) ([]mlops.Object, error) {
	var out []mlops.Object
	add := func(kind string, m metav1.ObjectMeta, status string) {
		out = append(out, mlops.Object{Kind: kind, Namespace: m.Namespace, Name: m.Name, Status: status, CreatedAt: m.CreationTimestamp.Time})
	}
	all := metav1.ListOptions{}
	nodes, err := c.kube.CoreV1().Nodes().List(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	for _, n := range nodes.Items {
		add("Node", n.ObjectMeta, "kubelet "+n.Status.NodeInfo.KubeletVersion)
	}
	deployments, err := c.kube.AppsV1().Deployments("").List(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("list deployments: %w", err)
	}
	for _, d := range deployments.Items {
		add("Deployment", d.ObjectMeta, fmt.Sprintf("%d of %d ready", d.Status.ReadyReplicas, replicas(&d)))
	}
	crons, err := c.kube.BatchV1().CronJobs("").List(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("list cron jobs: %w", err)
	}
	for _, j := range crons.Items {
		add("CronJob", j.ObjectMeta, j.Spec.Schedule)
	}
	jobs, err := c.kube.BatchV1().Jobs("").List(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	for i := range jobs.Items {
		add("Job", jobs.Items[i].ObjectMeta, string(jobOf(&jobs.Items[i]).State))
	}
	claims, err := c.kube.CoreV1().PersistentVolumeClaims("").List(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("list volume claims: %w", err)
	}
	for _, v := range claims.Items {
		add("PersistentVolumeClaim", v.ObjectMeta, string(v.Status.Phase))
	}
	services, err := c.kube.CoreV1().Services("").List(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	for _, s := range services.Items {
		add("Service", s.ObjectMeta, s.Spec.ClusterIP)
	}
	ingresses, err := c.kube.NetworkingV1().Ingresses("").List(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("list ingresses: %w", err)
	}
	for _, i := range ingresses.Items {
		host := "any host"
		if len(i.Spec.Rules) > 0 && i.Spec.Rules[0].Host != "" {
			host = i.Spec.Rules[0].Host
		}
		add("Ingress", i.ObjectMeta, host)
	}
	return out, nil
}

func replicas(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}
