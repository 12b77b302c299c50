package nameservers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// relay answers on the node's address for servers that pods can't reach: those
// on the machine's loopback, and those with IPv6 addresses.
type relay struct {
	to      []netip.AddrPort
	servers []*dns.Server
}

// startRelay listens on at. If a server of the machine already answers on every
// address, pods reach it there: then no relay is needed and startRelay returns
// nil.
func startRelay(at netip.AddrPort, to []netip.AddrPort, failed func(error)) (*relay, error) {
	r := &relay{to: to}
	// The node's address may appear only after this.
	listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) }); cerr != nil {
			return cerr
		}
		return err
	}}
	udp, err := listen.ListenPacket(context.Background(), "udp4", at.String())
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("listen on %s for DNS: %w", at, err)
	}
	tcp, err := listen.Listen(context.Background(), "tcp4", at.String())
	if err != nil {
		_ = udp.Close() // nothing was read from it
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil
		}
		return nil, fmt.Errorf("listen on %s for DNS: %w", at, err)
	}
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: r.handler("udp")}, {Listener: tcp, Handler: r.handler("tcp")}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := s.ActivateAndServe(); err != nil {
				failed(fmt.Errorf("relay DNS on %s: %w", at, err))
			}
		}()
		select { // a server that has not started can't be shut down
		case <-started:
		case <-ended:
		}
		r.servers = append(r.servers, s)
	}
	return r, nil
}

func (r *relay) stop() {
	for _, s := range r.servers {
		_ = s.Shutdown() // it ended by itself: then failed was told
	}
}

// handler asks one server after the other until one answers.
func (r *relay) handler(network string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		c := dns.Client{Net: network, Timeout: askTimeout}
		for _, to := range r.to {
			if answer, _, err := c.Exchange(q, to.String()); err == nil {
				_ = w.WriteMsg(answer) // the client went away
				return
			}
		}
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
	}
}
