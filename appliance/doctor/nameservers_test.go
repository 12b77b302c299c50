package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/nameservers"
)

func TestNameservers(t *testing.T) {
	const (
		add  = `add a line such as "nameserver 192.168.1.1" to /etc/resolv.conf if pods need other names; the lab follows by itself`
		mend = "start it or mend the network to it, or name another in /etc/resolv.conf; the lab follows by itself"
	)
	router, stub, silent := netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.168.1.2")
	ask := func(a netip.Addr) error {
		switch a {
		case router:
			return nil
		case silent:
			return fmt.Errorf("ask name server: %w", os.ErrDeadlineExceeded)
		}
		return fmt.Errorf("ask name server: %w", errors.New("connection refused"))
	}
	for name, c := range map[string]struct {
		m    nameservers.Machine
		want []Finding
	}{
		"none":    {nameservers.Machine{Problem: "/etc/resolv.conf does not exist"}, []Finding{finding("nameserver", Warn, "/etc/resolv.conf does not exist: names of the lab work, all others fail at once", add)}},
		"answers": {nameservers.Machine{File: "/etc/resolv.conf", Servers: []netip.Addr{router}}, []Finding{finding("nameserver", OK, "answered by name server 192.168.1.1", "")}},
		"one dead": {nameservers.Machine{File: "/run/x", Servers: []netip.Addr{silent, router}},
			[]Finding{finding("nameserver", Warn, "name server 192.168.1.2, named in /run/x, does not answer (it stays silent): all names work, through 192.168.1.1", mend)}},
		"all dead": {nameservers.Machine{File: "/etc/resolv.conf", Servers: []netip.Addr{silent, stub}}, []Finding{
			finding("nameserver", Warn, "name server 192.168.1.2, named in /etc/resolv.conf, does not answer (it stays silent): names of the lab work, all others fail", mend),
			finding("nameserver", Warn, "name server 127.0.0.1, named in /etc/resolv.conf, does not answer (connection refused): names of the lab work, all others fail", mend)}},
	} {
		if got := judgeNameservers(c.m, ask); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: found %+v\nwant %+v", name, got, c.want)
		}
	}
	alive := func(netip.Addr) error { return nil }
	expect(t, judgeNameservers(nameservers.Machine{Servers: []netip.Addr{stub}}, alive)[0], finding("nameserver", OK, "answered by name server 127.0.0.1 (relayed to pods)", ""))

	cover(t, "/etc/resolv.conf", "nameserver 127.0.0.1\n")
	expect(t, Nameservers(t.Context())[0], finding("nameserver", Warn, "name server 127.0.0.1, named in /etc/resolv.conf, does not answer (connection refused): names of the lab work, all others fail", mend))
}
