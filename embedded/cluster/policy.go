package cluster

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What NetworkPolicies of ours are made of.

// policyPeer are the pods of a namespace that have some labels, all of them
// without labels.
func policyPeer(namespace string, pods map[string]string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: pods},
	}
}

// clusterDNS is where pods ask for names.
var clusterDNS = policyPeer(systemNamespace, map[string]string{"k8s-app": "kube-dns"})

// node is the node's own address, where Services without selectors lead.
func (c *Client) node() networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: c.cfg.NodeAddress.String() + "/32"}}
}

func policyPorts(protocol corev1.Protocol, ports ...int) (out []networkingv1.NetworkPolicyPort) {
	for _, p := range ports {
		out = append(out, networkingv1.NetworkPolicyPort{Protocol: ptr(protocol), Port: ptr(intstr.FromInt32(int32(p)))}) //nolint:gosec // a port
	}
	return out
}
