//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

func (s *story) addressChanges(t *testing.T) {
	before := s.longLived(t)
	if err := s.Host.SetAddress(netip.MustParsePrefix("10.77.0.5/24")); err != nil {
		t.Fatal(err)
	}
	url := "http://10.77.0.5/models/iris/predict?x=" + drive.Setosa
	if err := drive.Eventually(t.Context(), patience, func() error {
		_, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), url, "")
		return err
	}); err != nil {
		t.Error(err)
	}
	s.said.Try = url
	// The cable too: a laptop in a bag.
	if err := s.Host.Unplug(); err != nil {
		t.Fatal(err)
	}
	if _, err := drive.Predict(t.Context(), s.Host.HTTP(), "http://127.0.0.1/models/iris/predict?x="+drive.Setosa, ""); err != nil {
		t.Errorf("without a cable, on the machine itself: %v", err)
	}
	// A training goes through every inner path: API, DNS, S3, registry, volume.
	s.benchtop(t, "train", "--wait")
	if err := s.Host.Plug(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Error(err)
	}
	if err := drive.Eventually(t.Context(), patience, func() error {
		_, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), url, "")
		return err
	}); err != nil {
		t.Error(err)
	}
	if after := s.longLived(t); after != before {
		t.Errorf("pods changed with the address.\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

// TestNoDefaultRoute boots where no router exists, and with everything that
// can be configured set to something else.
func TestNoDefaultRoute(t *testing.T) {
	inTurn(t)
	s := begin(t, "no-route", testhost.Options{NoDefaultRoute: true, DropCapabilities: []string{"CAP_SYS_RESOURCE", "CAP_SYS_MODULE"}})
	config := `data_dir: /var/lib/elsewhere
domain: home.arpa
node_name: shelf
http_addr: ":18080"
public_url: https://lab.home.arpa
trusted_proxies: 10.9.8.7, 192.168.0.0/16
registry_addr: ":15000"
s3_addr: ":19000"
ingress:
  http_port: 10080
  https_port: 10443
project:
  schedule: "0 0 1 1 *"
prometheus:
  retention_time: 2d
  retention_size: 256MB
log_level: debug
`
	if err := s.WriteFile(t.Context(), "/srv/lab.yaml", config); err != nil {
		t.Fatal(err)
	}
	took := s.start(t, "--config", "/srv/lab.yaml")
	t.Logf("ready after %.1f s", took.Seconds())
	address := s.Host.Address().String()
	for what, c := range map[string]struct{ got, want string }{
		"UI":       {s.said.UI, "https://lab.home.arpa/login"},
		"Try":      {s.said.Try, "http://" + address + ":10080/models/iris/predict"},
		"Password": {s.said.PasswordFile, "/var/lib/elsewhere/secrets/"},
	} {
		if !strings.HasPrefix(c.got, c.want) {
			t.Errorf("the line %s shows %s, want %s…", what, c.got, c.want)
		}
	}
	if _, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), s.said.Try, ""); err != nil {
		t.Error(err)
	}
	if _, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), fmt.Sprintf("http://%s:10080/predict?x=%s", address, drive.Setosa), "iris.home.arpa"); err != nil {
		t.Errorf("by host name in the configured domain: %v", err)
	}
	if out := s.benchtop(t, "kubectl", "--data-dir", "/var/lib/elsewhere", "get", "nodes", "-o", "name"); out != "node/shelf" {
		t.Errorf("the node is %q, want node/shelf", out)
	}
	for _, port := range []string{":18080/healthz", ":15000/health", ":19000/"} {
		r, err := s.Host.HTTPFromLAN().Get("http://" + address + port)
		if err != nil {
			t.Errorf("nothing answers at %s: %v", port, err)
			continue
		}
		_ = r.Body.Close()
	}
	s.behindConfiguredProxy(t, "http://"+address+":18080")
	if left := s.sh(t, "ls -d /var/lib/benchtop 2>/dev/null || true"); left != "" {
		t.Errorf("the default data dir was made although another is configured")
	}
}
