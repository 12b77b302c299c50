//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

// TestOpenDoors is a day with other people's things: their charts, images,
// clients and proxies meet the lab from the LAN. One boot serves all chapters;
// each chapter cleans up what it made.
func TestOpenDoors(t *testing.T) {
	s := begin(t, "open-doors", testhost.Options{})
	chapter(t, "boot", func(t *testing.T) { s.start(t, bootTimeout) })
}

// TestNetDev is temporary.
func TestNetDev(t *testing.T) {
	s := begin(t, "net-dev", testhost.Options{})
	chapter(t, "boot", func(t *testing.T) { s.start(t, bootTimeout) })
	n := &networkDoors{story: s}
	chapter(t, "open", n.open)
	chapter(t, "LoadBalancer answers on the LAN", n.loadBalancer)
	chapter(t, "ports that are taken are named", n.conflicts)
	chapter(t, "a new address is followed", n.newAddress)
	chapter(t, "policies that nothing enforces are named", n.notEnforced)
	chapter(t, "network policies", n.policies)
	chapter(t, "other doors", n.otherDoors)
	chapter(t, "restart with policies", func(t *testing.T) {
		s.sh(t, "cp -r /var/lib/benchtop/bin/aux /root/aux")
		ip := s.Host.Address().String()
		n.apply(t, policy("deny-all", "{podSelector: {}, policyTypes: [Ingress]}"))
		state := func() (string, error) {
			if got, err := n.curl(t, "http://"+ip+":8001/"); err == nil {
				return "answered " + got, nil
			}
			return "blocked", nil
		}
		n.soon(t, "blocked", state)
		s.benchtop(t, "down")
		if _, err := s.up.Wait(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		if got, _ := state(); got != "blocked" {
			t.Error("down: ", got)
		}
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got, _ := state(); got != "blocked" {
					t.Error("while starting: ", got)
				}
			}
		}()
		s.start(t, bootTimeout)
		time.Sleep(3 * time.Second)
		close(stop)
		n.soon(t, "blocked", state)
		s.benchtop(t, "kubectl", "delete", "-n", "doors", "networkpolicy", "--all")
		n.soon(t, "answered", state)
		n.apply(t, policy("deny-all", "{podSelector: {}, policyTypes: [Ingress]}"))
		n.soon(t, "blocked", state)
		s.benchtop(t, "kubectl", "delete", "-n", "doors", "networkpolicy", "--all", "--wait=false")
		if err := s.up.Kill(); err != nil {
			t.Fatal(err)
		}
		got, _ := state()
		t.Log("after kill right after delete: ", got)
		s.start(t, bootTimeout)
		n.soon(t, "answered", state)
		t.Log(s.sh(t, "/root/aux/nft/ipset list -n; /root/aux/nft/iptables-save | wc -l; /root/aux/nft/iptables-save -t filter | grep -c ROUTER; grep -h -i 'policies\\|addresses of' /var/lib/benchtop/log/benchtop.log"))
		n.apply(t, policy("deny-all", "{podSelector: {}, policyTypes: [Ingress, Egress]}")+policy("from-client", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}"))
		n.soon(t, "blocked", state)
		t.Log(s.sh(t, "/root/aux/nft/ipset list -n"))
		s.benchtop(t, "down")
		if _, err := s.up.Wait(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		t.Log(s.benchtop(t, "reset", "--yes"))
		t.Log(s.sh(t, "echo left:; /root/aux/nft/ipset list -n; /root/aux/nft/iptables-save"))
	})
}
