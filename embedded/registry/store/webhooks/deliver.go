package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// One goroutine for each webhook delivers its rows of the outbox in the
// background: a slow receiver delays only its own deliveries, and no request. A
// webhook hears of events in the order of their commits, so an event that is
// tried again holds back later ones. A row goes when the receiver has accepted
// it or after the last try. If the process ends after an event was sent and
// before its row is gone, the event is sent again under the same delivery id.
const (
	deliveryTries  = 4
	deliveryWait   = time.Second // before the second try; doubled each time
	deliveryLimit  = 10 * time.Second
	maxAnswerBytes = 10 << 10
)

type deliverer struct {
	store *Store
	http  *http.Client
	stop  context.CancelFunc
	ctx   context.Context
	wg    sync.WaitGroup
	wait  time.Duration

	mu      sync.Mutex
	started bool
	busy    map[int64]bool // webhooks with a goroutine; true if rows have come since it last looked
	full    map[int64]bool // webhooks of which rows were dropped, until they have none left
}

func newDeliverer(s *Store, allow []netip.Prefix) *deliverer {
	ctx, stop := context.WithCancel(context.Background())
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		return checkTarget(address, allow)
	}}
	return &deliverer{store: s, ctx: ctx, stop: stop, wait: deliveryWait, busy: map[int64]bool{}, full: map[int64]bool{}, http: &http.Client{
		Timeout: deliveryLimit,
		// No proxy: the address checked must be the address reached. No
		// redirects for the same reason of surprise.
		Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// start begins to deliver, first the rows that an earlier process has left.
func (d *deliverer) start(ctx context.Context) error {
	d.mu.Lock()
	d.started = true
	d.mu.Unlock()
	hooks, err := d.store.waitingWebhooks(ctx)
	for _, hook := range hooks {
		d.wake(hook)
	}
	return err
}

// close ends deliveries under way; their rows stay.
func (d *deliverer) close() {
	d.mu.Lock()
	d.started = false
	d.mu.Unlock()
	d.stop()
	d.wg.Wait()
	d.http.CloseIdleConnections()
}

// wake says that a webhook may have rows to deliver. It never waits.
func (d *deliverer) wake(hook int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.started {
		return // start finds the rows
	}
	if _, ok := d.busy[hook]; ok {
		d.busy[hook] = true
		return
	}
	d.busy[hook] = false
	d.wg.Go(func() { d.serve(hook) })
}

// overflowed logs that events were dropped, once until the webhook has caught up.
func (d *deliverer) overflowed(hook int64) {
	d.mu.Lock()
	known := d.full[hook]
	d.full[hook] = true
	d.mu.Unlock()
	if !known {
		d.store.db.Log().Error("webhook events dropped: the receiver takes fewer than there are, the oldest go", "webhook", hook, "undelivered", d.store.db.MaxUndelivered())
	}
}

// clusterNets are the networks of pods and Services, and K3s' standard ones for IPv6.
var clusterNets = []netip.Prefix{netip.MustParsePrefix(mlops.PodNetwork), netip.MustParsePrefix(mlops.ServiceNetwork), netip.MustParsePrefix("fd42::/16"), netip.MustParsePrefix("fd43::/16")}

var errTarget = errors.New("the webhook's address is this machine's or the cluster's own, which is refused unless the operator allows it")

// checkTarget is called right before the connection, with the address that a
// name has resolved to. A name that changes could trick an earlier check.
func checkTarget(address string, allow []netip.Prefix) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("webhook address: %w", err)
	}
	ip := ap.Addr().Unmap()
	for _, p := range allow {
		if p.Contains(ip) {
			return nil
		}
	}
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return errTarget
	}
	for _, p := range clusterNets {
		if p.Contains(ip) {
			return errTarget
		}
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("webhook address: %w", err)
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip.AsSlice()) {
			return errTarget
		}
	}
	return nil
}

// serve delivers the rows of one webhook until there are none.
func (d *deliverer) serve(hook int64) {
	type try struct {
		id int64
		n  int
	}
	var waited try
	for d.ctx.Err() == nil {
		l, found, err := d.store.nextLetter(d.ctx, hook)
		switch wait := d.untilDue(l); {
		case d.ctx.Err() != nil:
			return
		case err != nil:
			d.store.db.Log().Error("the outbox could not be read: trying again", "webhook", hook, "error", err)
			d.sleep(d.backoff(deliveryTries))
		case !found:
			if d.rest(hook) {
				return
			}
		case wait > 0 && waited != try{l.id, l.tries}:
			// Then it is read again: the webhook may have changed meanwhile.
			d.sleep(wait)
			waited = try{l.id, l.tries}
		default:
			d.deliver(l)
		}
	}
}

// backoff is how long to wait after the nth try that failed.
func (d *deliverer) backoff(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return d.wait << (n - 1)
}

// untilDue is how long a row still has to wait: never longer than after a
// failure just now, even if the clock was changed.
func (d *deliverer) untilDue(l letter) time.Duration {
	return min(time.Duration(l.nextTryMs-d.store.db.NowMs())*time.Millisecond, d.backoff(l.tries))
}

// rest ends a webhook's goroutine unless rows have come since it looked.
func (d *deliverer) rest(hook int64) (ended bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.full, hook)
	if d.busy[hook] {
		d.busy[hook] = false
		return false
	}
	delete(d.busy, hook)
	return true
}

// sleep waits for that long, or until deliveries end.
func (d *deliverer) sleep(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.ctx.Done():
	}
}

// deliver tries to send a row once and notes how it went.
func (d *deliverer) deliver(l letter) {
	status, _, err := d.post(d.ctx, l.hook, l.event, l.payload, l.created, l.delivery)
	if err == nil && status < 300 {
		d.note(func(ctx context.Context) error { return d.store.deleteLetter(ctx, l.id) })
		return
	}
	if d.ctx.Err() != nil {
		return // the end of the process cut it off, which is no failure
	}
	tries := l.tries + 1
	again := err != nil && !errors.Is(err, errTarget) || status == 429 || status >= 500
	if !again || tries >= deliveryTries {
		d.store.db.Log().Error("webhook not delivered", "name", l.hook.Name, "event", l.event.Key(), "delivery", l.delivery, "tries", tries, "status", status, "error", err)
		d.note(func(ctx context.Context) error { return d.store.deleteLetter(ctx, l.id) })
		return
	}
	next := d.store.db.NowMs() + d.backoff(tries).Milliseconds()
	d.note(func(ctx context.Context) error { return d.store.postponeLetter(ctx, l.id, tries, next) })
}

// note writes how a try went. While the disk is full it tries again: to go on
// without the note would send the same event for ever. What has been sent is
// also noted while deliveries end.
func (d *deliverer) note(write func(context.Context) error) {
	for {
		err := write(context.WithoutCancel(d.ctx))
		if err == nil || d.ctx.Err() != nil {
			return
		}
		d.store.db.Log().Error("the outbox could not be written: trying again", "error", err)
		d.sleep(d.backoff(deliveryTries))
	}
}

// post sends an event once. created is the time of the event: the body is the
// same for every try, and the time in the header is that of the try.
func (d *deliverer) post(ctx context.Context, w wire.Webhook, event wire.WebhookEvent, payload any, created int64, id string) (status int, body string, err error) {
	b, err := json.Marshal(map[string]any{"entity": strings.ToLower(string(event.Entity)), "action": strings.ToLower(string(event.Action)),
		"timestamp": time.UnixMilli(created).UTC().Format(time.RFC3339Nano), "data": payload})
	if err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(b))
	if err != nil {
		return 0, "", err
	}
	at := d.store.db.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-MLflow-Delivery-Id", id)
	req.Header.Set("X-MLflow-Timestamp", strconv.FormatInt(at.Unix(), 10))
	if w.Secret != "" {
		signature, err := sign(w.Secret, id, at, b)
		if err != nil {
			return 0, "", err
		}
		req.Header.Set("X-MLflow-Signature", signature)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	return resp.StatusCode, string(answer), err
}

// sign returns the signature of a delivery over its id, its time in seconds and
// its body, as Standard Webhooks 1.0 has it. Only the headers' names are MLflow's
// own, and the key is the secret's bytes as they are.
func sign(secret, id string, at time.Time, body []byte) (string, error) {
	hook, err := standardwebhooks.NewWebhookRaw([]byte(secret))
	if err != nil {
		return "", fmt.Errorf("sign delivery: %w", err)
	}
	return hook.Sign(id, at, body)
}

// WebhookTest is how a test delivery went.
type WebhookTest struct {
	Success      bool   `json:"success"`
	Status       int    `json:"response_status,omitempty"`
	Body         string `json:"response_body,omitempty"`
	ErrorMessage string `json:"error_message,omitempty"`
}

// TestWebhook delivers an example once and waits for the answer.
func (s *Store) TestWebhook(ctx context.Context, id string, event *wire.WebhookEvent) (WebhookTest, error) {
	w, err := s.Webhook(ctx, id)
	if err != nil {
		return WebhookTest{}, err
	}
	e := w.Events[0]
	if event != nil {
		known, ok := event.Canonical()
		if !ok {
			return WebhookTest{}, mlops.Errorf(mlops.Invalid, "there is no event %s of %s", wire.Head(string(event.Action)), wire.Head(string(event.Entity)))
		}
		e = known
	}
	status, body, err := s.hook.post(ctx, w, e, map[string]string{"name": "example", "version": "1", "description": "a test delivery"}, s.db.NowMs(), db.NewID())
	if err != nil {
		return WebhookTest{ErrorMessage: err.Error()}, nil
	}
	t := WebhookTest{Success: status < 300, Status: status, Body: body}
	if !t.Success {
		t.ErrorMessage = fmt.Sprintf("the receiver answered %d", status)
	}
	return t, nil
}
