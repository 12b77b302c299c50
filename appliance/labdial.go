package appliance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// labDialer connects checks of guided labs to what they may ask over HTTP.
type labDialer struct {
	domain  string
	address string // of the node
	ingress string // its host and port
	resolve func(ctx context.Context, host string) ([]string, error)
	connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// clusterNetworks hold the addresses of Services and pods.
var clusterNetworks = []netip.Prefix{netip.MustParsePrefix(mlops.ServiceNetwork), netip.MustParsePrefix(mlops.PodNetwork)}

const labDialTimeout = 2 * time.Second

func (a *Appliance) labDialer() labDialer {
	d := &net.Dialer{Timeout: labDialTimeout}
	dns := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, net.JoinHostPort(mlops.ClusterDNS, "53"))
	}}
	return labDialer{domain: a.cfg.Domain, address: a.cfg.NodeAddress, ingress: net.JoinHostPort(a.cfg.NodeAddress, strconv.Itoa(a.cfg.HTTPPort)), resolve: dns.LookupHost, connect: d.DialContext}
}

// dial connects to a Service by its name in the cluster, or to the ingress for
// the hosts below the domain and the node's address. It connects to nothing else.
func (d labDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, mlops.Errorf(mlops.Invalid, "address %q: expected HOST:PORT", address)
	}
	switch name := strings.TrimSuffix(strings.TrimSuffix(host, "."), ".cluster.local"); {
	case strings.HasSuffix(name, ".svc"):
		found, err := d.resolve(ctx, name+".cluster.local.")
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return nil, fmt.Errorf("the cluster's DNS has no name %s", name)
		}
		if err != nil {
			return nil, &mlops.Error{Code: mlops.Unavailable, Message: "the cluster's DNS does not answer", Err: err}
		}
		// A Service may be an alias of any name: we are no way to other machines.
		ip, err := netip.ParseAddr(found[0])
		if err != nil || !slices.ContainsFunc(clusterNetworks, func(n netip.Prefix) bool { return n.Contains(ip) }) {
			return nil, fmt.Errorf("%s leads to %s, which is outside of the cluster", name, found[0])
		}
		return d.connect(ctx, network, net.JoinHostPort(found[0], port))
	case host == d.address, strings.HasSuffix(host, "."+d.domain):
		return d.connect(ctx, network, d.ingress)
	}
	return nil, mlops.Errorf(mlops.Invalid, "host %q: expected a Service such as model.NAMESPACE.svc, or a host of the ingress such as x.%s", host, d.domain)
}
