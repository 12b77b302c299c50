package prometheus

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v2"

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

// readKubeconfig reads the first cluster and user of a kubeconfig.
func readKubeconfig(path string) (*kubeAccess, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	var doc struct {
		Clusters []struct {
			Cluster struct {
				Server string `yaml:"server"`
				CA     string `yaml:"certificate-authority"`
				CAData string `yaml:"certificate-authority-data"`
			} `yaml:"cluster"`
		} `yaml:"clusters"`
		Users []struct {
			User struct {
				Cert     string `yaml:"client-certificate"`
				CertData string `yaml:"client-certificate-data"`
				Key      string `yaml:"client-key"`
				KeyData  string `yaml:"client-key-data"`
				Token    string `yaml:"token"`
			} `yaml:"user"`
		} `yaml:"users"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("parse kubeconfig %s: %w", path, err)
	}
	if len(doc.Clusters) == 0 || len(doc.Users) == 0 {
		return nil, mlops.Errorf(mlops.Invalid, "kubeconfig %s: expected a cluster and a user", path)
	}
	c, u := doc.Clusters[0].Cluster, doc.Users[0].User
	k := &kubeAccess{Path: path, Token: u.Token}
	server, err := url.Parse(c.Server)
	if err != nil || server.Scheme != "https" || server.Host == "" {
		return nil, mlops.Errorf(mlops.Invalid, "kubeconfig %s: server %q is not https://host:port", path, c.Server)
	}
	k.Address = server.Host
	if server.Port() == "" {
		k.Address = net.JoinHostPort(server.Hostname(), "443")
	}
	dir := filepath.Dir(path)
	for _, f := range []struct {
		what, data, file string
		to               *string
	}{
		{"certificate authority", c.CAData, c.CA, &k.CA},
		{"client certificate", u.CertData, u.Cert, &k.Cert},
		{"client key", u.KeyData, u.Key, &k.Key},
	} {
		if *f.to, err = inlineOrFile(dir, f.data, f.file); err != nil {
			return nil, fmt.Errorf("kubeconfig %s: %s: %w", path, f.what, err)
		}
	}
	if k.CA == "" || (k.Cert == "" || k.Key == "") && k.Token == "" {
		return nil, mlops.Errorf(mlops.Invalid, "kubeconfig %s: expected a certificate authority, and a client certificate with its key or a token", path)
	}
	return k, nil
}

func inlineOrFile(dir, data, file string) (string, error) {
	if data != "" {
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return "", fmt.Errorf("decode: %w", err)
		}
		return string(b), nil
	}
	if file == "" {
		return "", nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read: %w", err)
	}
	return string(b), nil
}
