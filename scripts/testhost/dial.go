package testhost

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// DialContext connects from inside the host, so 127.0.0.1 is the host's own.
// Names other than localhost mean the host's address: there is no DNS here.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return h.dial(ctx, h.net.host, network, address)
}

// DialFromLAN connects from the client machine on the host's LAN. Every name
// means the host's address.
func (h *Host) DialFromLAN(ctx context.Context, network, address string) (net.Conn, error) {
	return h.dial(ctx, h.net.lan, network, address)
}

func (h *Host) dial(ctx context.Context, ns *os.File, network, address string) (conn net.Conn, err error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("connect to %q: %w", address, err)
	}
	if net.ParseIP(name) == nil {
		if name == "localhost" {
			name = "127.0.0.1"
		} else {
			name = h.Address().String()
		}
	}
	err = inNetns(ns, func() error {
		// A literal address is connected to on the calling thread, and only
		// that one is in the namespace.
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, net.JoinHostPort(name, port))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s in the host: %w", address, err)
	}
	return conn, nil
}

// Listen listens inside the host's network, but in this process.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	err = inNetns(h.net.host, func() error {
		l, err = net.Listen(network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s in the host: %w", address, err)
	}
	return l, nil
}

// ListenPacket is Listen for datagrams.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = inNetns(h.net.host, func() error {
		c, err = net.ListenPacket(network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s in the host: %w", address, err)
	}
	return c, nil
}

// HTTP returns a client whose requests start inside the host. It follows no
// redirects and keeps no cookies.
func (h *Host) HTTP() *http.Client { return client(h.DialContext) }

// HTTPFromLAN returns a client whose requests come from the LAN.
func (h *Host) HTTPFromLAN() *http.Client { return client(h.DialFromLAN) }

func client(dial func(context.Context, string, string) (net.Conn, error)) *http.Client {
	return &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 32},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
