package cluster

import (
	"net"
	"slices"
	"strings"
	"testing"
)

// bundled are the images that a released binary carries for pods.
var bundled = []string{"coredns", "traefik", "lab-python", "lab-shell", "gpu"}

// imageOf returns the references of bundled images of these names.
func imageOf(names ...string) func(string) string {
	return func(name string) string {
		if !slices.Contains(names, name) {
			return ""
		}
		return "benchtop.local/" + name + ":1-0123456789ab"
	}
}

func testConfig(t *testing.T) Config {
	t.Helper()
	return Config{
		NodeName: "node-a", NodeAddress: net.IPv4(10, 44, 0, 1), Resolver: fakeResolver{"192.168.1.1", "192.168.1.2"}, Image: imageOf(bundled...),
		HTTPPort: 8081, HTTPSPort: 8443, S3Port: 19000, RegistryPort: 15000, UIPort: 18080, LabPorts: []int{8081, 18080, 6443}, resourceMetricsPort: 14443,
	}
}

// fakeResolver is a machine with these name servers.
type fakeResolver []string

func (r fakeResolver) Nameservers() []string  { return r }
func (fakeResolver) Changed() <-chan struct{} { return nil }

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, expected %q in it", err, want)
	}
}

func TestClientBeforeTheAPI(t *testing.T) {
	if c := New(testConfig(t)).Client(); c != nil {
		t.Errorf("a cluster that is not up has the client %v", c)
	}
}
