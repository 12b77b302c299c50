package k3s

import (
	"net"
	"os"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/lan"
)

// AllCertNames returns the names and addresses that the API server's
// certificate has to be valid for besides those of the cluster itself: this
// machine's, and those that the configuration adds.
func (c Config) AllCertNames() ([]string, error) {
	names := append([]string(nil), c.CertNames...)
	if host, err := os.Hostname(); err == nil && net.ParseIP(host) == nil {
		host = strings.ToLower(host)
		names = append(names, host)
		if !strings.Contains(host, ".") {
			names = append(names, host+".local") // its name by mDNS
		}
	}
	addresses, err := lan.Addresses(c.NodeAddress)
	for _, a := range addresses {
		names = append(names, a.String())
	}
	return names, err
}
