package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/benchtop-lab/benchtop/appliance/nameservers"
)

// Nameservers asks every name server that the machine is configured with and
// names those that do not answer. It may take two seconds.
func Nameservers(ctx context.Context) []Finding {
	return judgeNameservers(nameservers.Read(), func(a netip.Addr) error { return nameservers.Ask(ctx, a) })
}

func judgeNameservers(m nameservers.Machine, ask func(netip.Addr) error) []Finding {
	const check = "nameserver"
	if len(m.Servers) == 0 {
		return []Finding{warn(check, m.Problem+": names of the lab work, all others fail at once",
			"add a line such as \"nameserver 192.168.1.1\" to /etc/resolv.conf if pods need other names; the lab follows by itself")}
	}
	answers := make([]error, len(m.Servers))
	var wg sync.WaitGroup
	for i, a := range m.Servers {
		wg.Go(func() { answers[i] = ask(a) })
	}
	wg.Wait()
	var alive []string
	for i, a := range m.Servers {
		if answers[i] == nil {
			alive = append(alive, describe(a))
		}
	}
	var out []Finding
	for i, a := range m.Servers {
		if answers[i] == nil {
			continue
		}
		works := "names of the lab work, all others fail"
		if len(alive) > 0 {
			works = "all names work, through " + strings.Join(alive, " and ")
		}
		out = append(out, warn(check, fmt.Sprintf("name server %s, named in %s, does not answer (%s): %s", a, m.File, cause(answers[i]), works),
			"start it or mend the network to it, or name another in /etc/resolv.conf; the lab follows by itself"))
	}
	if len(out) == 0 {
		out = append(out, ok(check, "answered by name server "+strings.Join(alive, " and ")))
	}
	return out
}

func describe(a netip.Addr) string {
	if nameservers.PodsReach(a) {
		return a.String()
	}
	return a.String() + " (relayed to pods)"
}

// cause returns the useful part of a network error.
func cause(err error) string {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "it stays silent"
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		err = e
	}
	return err.Error()
}
