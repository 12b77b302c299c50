package nameservers

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// askTimeout is how long a server may take before it counts as dead. The
// cluster's DNS waits as long.
const askTimeout = 2 * time.Second

// Ask asks a server for the root's name servers. Every resolver knows them or
// says that it does not, and either answer shows that the server lives.
func Ask(ctx context.Context, server netip.Addr) error {
	return ask(ctx, netip.AddrPortFrom(server, 53))
}

func ask(ctx context.Context, server netip.AddrPort) error {
	q := new(dns.Msg)
	q.SetQuestion(".", dns.TypeNS)
	c := dns.Client{Timeout: askTimeout}
	if _, _, err := c.ExchangeContext(ctx, q, server.String()); err != nil {
		return fmt.Errorf("ask name server %s: %w", server.Addr(), err)
	}
	return nil
}
