package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const labelKubeconfig = "benchtop.dev/kubeconfig"

// KubeconfigRoles are the cluster roles that a kubeconfig may carry, from most
// to least.
var KubeconfigRoles = []string{"cluster-admin", "admin", "edit", "view"}

var kubeconfigUser = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Kubeconfig returns a kubeconfig for another machine. server is this machine's
// address or name, with or without a port. The cluster knows the user by a
// certificate that is valid for a year and by a role binding, without which the
// certificate is worth nothing (see RevokeKubeconfig). A user who exists gets
// another certificate with the same role; role must then be that one or "".
func (c *Client) Kubeconfig(ctx context.Context, user, role, server string) ([]byte, error) {
	if !kubeconfigUser.MatchString(user) {
		return nil, mlops.Errorf(mlops.Invalid, "user: expected at most 40 lower-case letters, digits and '-', found %q", user)
	}
	if role != "" && !slices.Contains(KubeconfigRoles, role) {
		return nil, mlops.Errorf(mlops.Invalid, "role: expected one of %s, found %q", strings.Join(KubeconfigRoles, ", "), role)
	}
	host, port, err := splitServer(server)
	if err != nil {
		return nil, err
	}
	if err := servedFor(ctx, host); err != nil {
		return nil, err
	}
	binding, err := c.bindKubeconfig(ctx, user, role)
	if err != nil {
		return nil, err
	}
	cert, key, err := c.clientCertificate(ctx, binding.Subjects[0].Name)
	if err != nil {
		return nil, err
	}
	own, err := clientcmd.LoadFromFile(c.cfg.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the administrator's kubeconfig: %w", err)
	}
	var ca []byte
	for _, cluster := range own.Clusters {
		ca = cluster.CertificateAuthorityData
	}
	const name = "benchtop"
	out := clientcmdapi.NewConfig()
	out.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + net.JoinHostPort(host, port), CertificateAuthorityData: ca}
	out.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	out.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	out.CurrentContext = name
	b, err := clientcmd.Write(*out)
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig: %w", err)
	}
	return b, nil
}

func splitServer(server string) (host, port string, err error) {
	host, port = server, strconv.Itoa(mlops.KubernetesPort)
	if h, p, err := net.SplitHostPort(server); err == nil {
		host, port = h, p
	}
	host = strings.Trim(host, "[]")
	if n, err := strconv.Atoi(port); host == "" || strings.ContainsAny(host, "/ @?#") || err != nil || n < 1 || n > 65535 {
		return "", "", mlops.Errorf(mlops.Invalid, "server: expected an address or a name, such as 192.168.1.10 or lab.example.org:6443, found %q", server)
	}
	return host, port, nil
}

// servedFor refuses a host that the API's certificate is not valid for.
func servedFor(ctx context.Context, host string) error {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // looked at below, not trusted
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(mlops.KubernetesPort)))
	if err != nil {
		return fmt.Errorf("read the API server's certificate: %w", err)
	}
	defer conn.Close()
	leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	if leaf.VerifyHostname(host) == nil {
		return nil
	}
	valid := leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		valid = append(valid, ip.String())
	}
	return mlops.Errorf(mlops.Invalid, "the Kubernetes API's certificate is not valid for %s: set tls_san: %s in the configuration and start again, or name one of %s",
		host, host, strings.Join(valid, ", "))
}

func bindingName(user string) string { return "benchtop-kubeconfig-" + user }

// bindKubeconfig returns the role binding of a user and makes it if necessary.
// The name in it ends at random, so a revoked user stays revoked when a user of
// the same name comes later.
func (c *Client) bindKubeconfig(ctx context.Context, user, role string) (*rbacv1.ClusterRoleBinding, error) {
	bindings := c.kube.RbacV1().ClusterRoleBindings()
	b, err := bindings.Get(ctx, bindingName(user), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if role == "" {
			role = KubeconfigRoles[0]
		}
		b, err = bindings.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: bindingName(user), Labels: map[string]string{labelPartOf: "benchtop", labelKubeconfig: user}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "kubeconfig:" + user + ":" + utilrand.String(8)}},
		}, metav1.CreateOptions{FieldManager: fieldManager})
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("bind a role to user %s: %w", user, err)
	case len(b.Subjects) != 1:
		return nil, fmt.Errorf("role binding %s has %d subjects, expected 1: revoke the user and make it anew", b.Name, len(b.Subjects))
	case role != "" && b.RoleRef.Name != role:
		return nil, mlops.Errorf(mlops.Exists, "user %s exists with the role %s: choose another --user, or `benchtop kubeconfig revoke %s` first", user, b.RoleRef.Name, user)
	}
	return b, nil
}

// clientCertificate has the cluster sign a new key for a user.
func (c *Client) clientCertificate(ctx context.Context, commonName string) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode key: %w", err)
	}
	req, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: commonName}}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate request: %w", err)
	}
	requests := c.kube.CertificatesV1().CertificateSigningRequests()
	csr, err := requests.Create(ctx, &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "benchtop-kubeconfig-", Labels: map[string]string{labelPartOf: "benchtop"}},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: req}),
			SignerName: certificatesv1.KubeAPIServerClientSignerName,
			Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		},
	}, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil {
		return nil, nil, fmt.Errorf("request a certificate: %w", err)
	}
	defer func() { _ = requests.Delete(context.WithoutCancel(ctx), csr.Name, metav1.DeleteOptions{}) }()
	csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Kubeconfig", Message: "asked for by `benchtop kubeconfig`",
	})
	if _, err := requests.UpdateApproval(ctx, csr.Name, csr, metav1.UpdateOptions{FieldManager: fieldManager}); err != nil {
		return nil, nil, fmt.Errorf("approve a certificate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		signed, err := requests.Get(ctx, csr.Name, metav1.GetOptions{})
		if err == nil && len(signed.Status.Certificate) > 0 {
			return signed.Status.Certificate, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
		}
		if !wait(ctx, 100*time.Millisecond) {
			return nil, nil, mlops.Errorf(mlops.Unavailable, "the cluster has not signed the certificate in time: try again, see `benchtop logs k3s` if it stays so")
		}
	}
}

// KubeconfigUsers lists those who were given a kubeconfig, by name.
func (c *Client) KubeconfigUsers(ctx context.Context) ([]mlops.KubeconfigUser, error) {
	list, err := c.kube.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{LabelSelector: labelKubeconfig})
	if err != nil {
		return nil, fmt.Errorf("list users of kubeconfigs: %w", err)
	}
	out := make([]mlops.KubeconfigUser, 0, len(list.Items))
	for _, b := range list.Items {
		out = append(out, mlops.KubeconfigUser{Name: b.Labels[labelKubeconfig], Role: b.RoleRef.Name, CreatedAt: b.CreationTimestamp.Time})
	}
	return out, nil
}

// RevokeKubeconfig takes a user's rights away at once.
func (c *Client) RevokeKubeconfig(ctx context.Context, user string) error {
	err := c.kube.RbacV1().ClusterRoleBindings().Delete(ctx, bindingName(user), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return mlops.Errorf(mlops.NotFound, "user %q has no kubeconfig: see `benchtop kubeconfig list`", user)
	}
	if err != nil {
		return fmt.Errorf("revoke kubeconfig of %s: %w", user, err)
	}
	return nil
}
