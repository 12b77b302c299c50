package cluster

import (
	"crypto"
	"os"
	"path/filepath"
	"testing"

	"github.com/rancher/dynamiclistener/cert"
	"github.com/rancher/dynamiclistener/factory"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// An address that changes during a first start waits for K3s' Secret, and then
// is in the certificate.
func TestCertifyWaitsForTheSecret(t *testing.T) {
	dir := t.TempDir()
	ca, key, err := factory.GenCA()
	if err != nil {
		t.Fatal(err)
	}
	pem, err := cert.MarshalPrivateKeyToPEM(key.(crypto.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"server-ca.crt": cert.EncodeCertPEM(ca), "server-ca.key": pem} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kube := fake.NewClientset()
	c := &Client{kube: kube, cfg: Config{TLSDir: dir, CertNames: func() ([]string, error) { return []string{"lab.example.org"}, nil }}}
	awaits(t, c.certifyAll, func() error {
		_, err := kube.CoreV1().Secrets("kube-system").Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "k3s-serving"}}, metav1.CreateOptions{})
		return err
	})
	s, err := kube.CoreV1().Secrets("kube-system").Get(t.Context(), "k3s-serving", metav1.GetOptions{})
	if err != nil || s.Annotations["listener.cattle.io/cn-lab.example.org"] != "lab.example.org" || len(s.Data["tls.crt"]) == 0 {
		t.Errorf("the Secret is %+v, %v", s, err)
	}
}
