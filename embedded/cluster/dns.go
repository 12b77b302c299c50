package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	dnsName = "coredns"
	dnsPods = "k8s-app=kube-dns"

	// annotationDNS, on a pod of the cluster's DNS, is the digest of the
	// configuration that the pod was last told to read.
	annotationDNS = "benchtop.dev/dns-configuration"
)

// applyNameservers gives the cluster's DNS the resolver's servers. The pod
// keeps running: it reads the changed configuration by itself.
func (c *Client) applyNameservers(ctx context.Context) error {
	objects, err := c.cfg.render("coredns.yaml")
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() == "ConfigMap" {
			if err := c.applyUnstructured(ctx, o); err != nil {
				return err
			}
		}
	}
	return c.refreshDNS(ctx)
}

// refreshDNS makes the kubelet bring a changed configuration into the DNS pods
// at once. The kubelet does so whenever a pod changes, otherwise within about a
// minute.
func (c *Client) refreshDNS(ctx context.Context) error {
	config, err := c.kube.CoreV1().ConfigMaps(systemNamespace).Get(ctx, dnsName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the configuration of the cluster's DNS: %w", err)
	}
	digest := sha256.Sum256([]byte(config.Data["Corefile"]))
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotationDNS: hex.EncodeToString(digest[:6])}}})
	if err != nil {
		return fmt.Errorf("encode annotation: %w", err)
	}
	pods := c.kube.CoreV1().Pods(systemNamespace)
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: dnsPods})
	if err != nil {
		return fmt.Errorf("list pods of the cluster's DNS: %w", err)
	}
	for _, p := range list.Items {
		if _, err := pods.Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("annotate pod %s: %w", p.Name, err)
		}
	}
	return nil
}

// DNSReady says whether the cluster's DNS answers. If it does not, why says
// what is known.
func (c *Client) DNSReady(ctx context.Context) (ready bool, why string, err error) {
	d, err := c.kube.AppsV1().Deployments(systemNamespace).Get(ctx, dnsName, metav1.GetOptions{})
	if err != nil {
		return false, "", fmt.Errorf("get the cluster's DNS: %w", err)
	}
	if d.Status.ReadyReplicas > 0 {
		return true, "", nil
	}
	list, err := c.kube.CoreV1().Pods(systemNamespace).List(ctx, metav1.ListOptions{LabelSelector: dnsPods})
	if err != nil {
		return false, "", fmt.Errorf("list pods of the cluster's DNS: %w", err)
	}
	for i := range list.Items {
		if p := podOf(&list.Items[i]); p.Message != "" {
			return false, p.Message, nil
		}
	}
	return false, "its pod is not ready", nil
}
