package store

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
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

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Deliveries are made in the background by a few goroutines from a bounded
// queue: a slow receiver delays other deliveries, never a request. What is in
// the queue when the process ends is lost, as in MLflow.
const (
	deliverers     = 4
	deliveryQueue  = 1000
	deliveryTries  = 4
	deliveryWait   = time.Second // before the second try; doubled each time
	deliveryLimit  = 10 * time.Second
	maxAnswerBytes = 10 << 10
)

type deliverer struct {
	store *Store
	http  *http.Client
	queue chan delivery
	stop  context.CancelFunc
	ctx   context.Context
	wg    sync.WaitGroup
	wait  time.Duration
}

type delivery struct {
	event   wire.WebhookEvent
	payload any
}

func newDeliverer(s *Store, allow []netip.Prefix) *deliverer {
	ctx, stop := context.WithCancel(context.Background())
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		return checkTarget(address, allow)
	}}
	d := &deliverer{store: s, queue: make(chan delivery, deliveryQueue), ctx: ctx, stop: stop, wait: deliveryWait, http: &http.Client{
		Timeout: deliveryLimit,
		// No proxy: the address checked must be the address reached. No
		// redirects for the same reason of surprise.
		Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for range deliverers {
		d.wg.Go(d.loop)
	}
	return d
}

func (d *deliverer) close() {
	d.stop()
	d.wg.Wait()
}

// clusterNets are K3s' standard networks for pods and services.
var clusterNets = []netip.Prefix{netip.MustParsePrefix("10.42.0.0/16"), netip.MustParsePrefix("10.43.0.0/16"), netip.MustParsePrefix("fd42::/16"), netip.MustParsePrefix("fd43::/16")}

var errTarget = errors.New("the webhook's address is this machine's or the cluster's own, which is refused unless the operator allows it")

// checkTarget is called with the address that a name has resolved to, right
// before the connection: checking the name earlier could be tricked by a name
// that changes.
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

// Notify tells the webhooks that want to hear of an event. It never waits: if
// the queue is full the event is dropped and logged.
func (s *Store) Notify(entity, action string, payload any) {
	select {
	case s.hook.queue <- delivery{wire.WebhookEvent{Entity: wire.Enum(entity), Action: wire.Enum(action)}, payload}:
	default:
		s.log.Error("webhook dropped: more events than receivers take", "entity", entity, "action", action)
	}
}

func (d *deliverer) loop() {
	for {
		select {
		case <-d.ctx.Done():
			return
		case x := <-d.queue:
			hooks, err := d.store.webhooksFor(d.ctx, x.event)
			if err != nil {
				if d.ctx.Err() == nil {
					d.store.log.Error("webhooks could not be read", "error", err)
				}
				continue
			}
			for _, w := range hooks {
				d.deliver(w, x)
			}
		}
	}
}

func (d *deliverer) deliver(w wire.Webhook, x delivery) {
	id := newID() // the same for every try, so that a receiver can tell
	wait := d.wait
	for try := 1; ; try++ {
		status, _, err := d.post(d.ctx, w, x, id)
		if err == nil && status < 300 {
			return
		}
		again := err != nil && !errors.Is(err, errTarget) || status == 429 || status >= 500
		if !again || try == deliveryTries {
			d.store.log.Error("webhook not delivered", "name", w.Name, "event", eventKey(x.event), "tries", try, "status", status, "error", err)
			return
		}
		select {
		case <-time.After(wait):
			wait *= 2
		case <-d.ctx.Done():
			return
		}
	}
}

func (d *deliverer) post(ctx context.Context, w wire.Webhook, x delivery, id string) (status int, body string, err error) {
	b, err := json.Marshal(map[string]any{"entity": strings.ToLower(string(x.event.Entity)), "action": strings.ToLower(string(x.event.Action)),
		"timestamp": d.store.now().UTC().Format(time.RFC3339Nano), "data": x.payload})
	if err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(b))
	if err != nil {
		return 0, "", err
	}
	at := strconv.FormatInt(d.store.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-MLflow-Delivery-Id", id)
	req.Header.Set("X-MLflow-Timestamp", at)
	if w.Secret != "" {
		req.Header.Set("X-MLflow-Signature", Sign(w.Secret, id, at, b))
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	return resp.StatusCode, string(answer), err
}

// Sign is the signature of a delivery: HMAC-SHA256 over its id, its time and
// its body, so that neither can be replayed under another.
func Sign(secret, id, timestamp string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(m, "%s.%s.", id, timestamp)
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
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
			return WebhookTest{}, invalid("there is no event %s of %s", head(string(event.Action)), head(string(event.Entity)))
		}
		e = known
	}
	status, body, err := s.hook.post(ctx, w, delivery{e, map[string]string{"name": "example", "version": "1", "description": "a test delivery"}}, newID())
	if err != nil {
		return WebhookTest{ErrorMessage: err.Error()}, nil
	}
	t := WebhookTest{Success: status < 300, Status: status, Body: body}
	if !t.Success {
		t.ErrorMessage = fmt.Sprintf("the receiver answered %d", status)
	}
	return t, nil
}
