package prometheus

import (
	"fmt"
	"net"
	"net/url"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// kubeAccess is what a kubeconfig says, as far as a scrape needs it. The
// Kubernetes client that finds nodes and pods reads the file itself.
type kubeAccess struct {
	Path          string // of the kubeconfig
	Address       string // host:port of the API server
	CA, Cert, Key string // PEM
	Token         string
}

// readKubeconfig reads the current context of a kubeconfig.
func readKubeconfig(path string) (*kubeAccess, error) {
	c, err := clientcmd.BuildConfigFromFlags("", path)
	if err == nil {
		err = rest.LoadTLSFiles(c)
	}
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", path, err)
	}
	k := &kubeAccess{Path: path, CA: string(c.CAData), Cert: string(c.CertData), Key: string(c.KeyData), Token: c.BearerToken}
	server, err := url.Parse(c.Host)
	if err != nil || server.Scheme != "https" || server.Host == "" {
		return nil, mlops.Errorf(mlops.Invalid, "kubeconfig %s: server %q is not https://host:port", path, c.Host)
	}
	k.Address = server.Host
	if server.Port() == "" {
		k.Address = net.JoinHostPort(server.Hostname(), "443")
	}
	if k.CA == "" || (k.Cert == "" || k.Key == "") && k.Token == "" {
		return nil, mlops.Errorf(mlops.Invalid, "kubeconfig %s: expected a certificate authority, and a client certificate with its key or a token", path)
	}
	return k, nil
}
