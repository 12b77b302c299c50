package packages

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// How long upstream may take to take a connection, to secure it, and to begin an
// answer; and for how long one that could not be reached is not tried again.
const (
	dialTime   = 3 * time.Second
	secureTime = 5 * time.Second
	answerTime = 30 * time.Second
	downTime   = 30 * time.Second
)

// askerHeader names the index that asks another.
const askerHeader = "Benchtop-Package-Index"

// upstream asks the index that the lab's stands in for.
type upstream struct {
	index *url.URL // ends with a slash; nil if there is none
	id    string   // tells our own questions
	http  *http.Client
	now   func() time.Time

	mu   sync.Mutex
	dead map[string]time.Time // hosts that could not be reached, until when
}

// unreachable says that a host, or any if it is "", can't be asked.
type unreachable struct {
	host string
	err  error
}

func (u *unreachable) Error() string {
	if u.host == "" {
		return "there is no index upstream"
	}
	return u.host + " can't be reached"
}

func (u *unreachable) Unwrap() error { return u.err }

func newUpstream(s Source, now func() time.Time) (*upstream, error) {
	u := &upstream{id: rand.Text(), now: now, dead: map[string]time.Time{}}
	if s.URL == "" {
		return u, nil
	}
	var err error
	if u.index, err = parseIndex(s.URL); err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTime}).DialContext,
		TLSHandshakeTimeout: secureTime, ResponseHeaderTimeout: answerTime, IdleConnTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 4, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if t.TLSClientConfig.RootCAs, err = s.trusted(); err != nil {
		return nil, err
	}
	u.http = &http.Client{Transport: t}
	return u, nil
}

func (u *upstream) close() {
	if u.http != nil {
		u.http.CloseIdleConnections()
	}
}

// parseIndex reads the address of an index. It never shows a password.
func parseIndex(text string) (*url.URL, error) {
	at, err := url.Parse(strings.TrimSpace(text))
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.RawQuery != "" || at.Fragment != "" {
		return nil, mlops.Errorf(mlops.Invalid, "expected the address of a package index such as https://packages.example.org/simple/")
	}
	if !strings.HasSuffix(at.Path, "/") {
		at = at.JoinPath("/")
	}
	return at, nil
}

// shown is an address without credentials.
func shown(at *url.URL) string {
	plain := *at
	plain.User = nil
	return plain.String()
}

// host names the index upstream, "" if there is none.
func (u *upstream) host() string {
	if u.index == nil {
		return ""
	}
	return u.index.Host
}

// project is the address of a project's page, nil if there is no index.
func (u *upstream) project(name string) *url.URL {
	if u.index == nil {
		return nil
	}
	return u.index.JoinPath(name + "/")
}

// file is the address of a file, with the credentials of the index if it lies on
// the same host.
func (u *upstream) file(address string) (*url.URL, error) {
	at, err := url.Parse(address)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, mlops.Errorf(mlops.Unavailable, "the index upstream names an address that is not of HTTP")
	}
	if u.index == nil {
		return nil, &unreachable{}
	}
	if at.User == nil && at.Scheme == u.index.Scheme && at.Host == u.index.Host {
		at.User = u.index.User
	}
	return at, nil
}

// down returns an error if the host could not be reached a moment ago.
func (u *upstream) down(host string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	until, is := u.dead[host]
	if !is {
		return nil
	}
	if u.now().Before(until) {
		return &unreachable{host: host}
	}
	delete(u.dead, host)
	return nil
}

// get asks; an answer of whatever status is none of its errors. They are
// *unreachable, or that ctx has ended.
func (u *upstream) get(ctx context.Context, at *url.URL, header http.Header) (*http.Response, error) {
	if err := u.down(at.Host); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "benchtop")
	req.Header.Set(askerHeader, u.id)
	resp, err := u.http.Do(req)
	if err == nil {
		return resp, nil
	}
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, context.Cause(ctx)
	}
	// Its text has the address, with the user in it.
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if costly(err) {
		u.mu.Lock()
		u.dead[at.Host] = u.now().Add(downTime)
		u.mu.Unlock()
	}
	return nil, &unreachable{host: at.Host, err: err}
}

// costly reports whether each further try would be a wait: nobody takes the
// connection, or nobody answers.
func costly(err error) bool {
	if e, ok := errors.AsType[*net.OpError](err); ok && (e.Op == "dial" || e.Op == "proxyconnect") {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// Upstream names the host of the index upstream, "" if there is none.
func (x *Index) Upstream() string { return x.upstream.host() }
