// Package visit runs the server on a lab made of memory, and visits it as a
// browser or a program does: for tests of pages.
package visit

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
)

// Noon is when tests of pages take place.
var Noon = time.Date(2026, 11, 21, 12, 7, 30, 0, time.UTC)

// AtNoon is a clock that stands still.
func AtNoon() time.Time { return Noon }

// Lab is a server on a world, and a browser that visits it.
type Lab struct {
	T      *testing.T
	World  *uitest.World
	Server *ui.Server
	URL    string
	Client *http.Client
	Log    *Output
}

// Output is a log that may be read while it is written.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String returns what was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Start runs the unit on a free port until the test ends.
func Start(t *testing.T, w *uitest.World, change ...func(*ui.Config)) *Lab {
	t.Helper()
	cfg := w.Config()
	cfg.Assets, cfg.SampleEvery = uitest.Assets(), time.Hour
	for _, f := range change {
		f(&cfg)
	}
	server, err := ui.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{T: t, World: w, Server: server, Log: &Output{}}
	ctx, cancel := context.WithCancel(context.Background())
	h, ready := supervise.NewHandle(l.Log)
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, h) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("run:", err)
		}
	})
	l.URL = "http://" + server.Address().String()
	l.Client = NewBrowser(t)
	l.waitForSample()
	return l
}

// NewBrowser returns a browser without cookies.
func NewBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// waitForSample waits until the machine was measured once, which the unit
// does when it starts.
func (l *Lab) waitForSample() {
	l.T.Helper()
	l.World.LoginTokens["sample"] = true
	client := NewBrowser(l.T)
	l.Do(client, http.MethodGet, "/login?token=sample", nil)
	for range 200 {
		if _, body := l.Do(client, http.MethodGet, "/api/status", nil); strings.Contains(body, `"machine"`) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	l.T.Fatal("the machine was not measured")
}

// Do sends a request, with a form if it is not nil and with headers in pairs.
func (l *Lab) Do(client *http.Client, method, path string, form url.Values, header ...string) (*http.Response, string) {
	l.T.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, l.URL+path, body)
	if err != nil {
		l.T.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := client.Do(r)
	if err != nil {
		l.T.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		l.T.Fatal(err)
	}
	if resp.Header.Get("Content-Encoding") == "gzip" && !resp.Uncompressed {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			l.T.Fatal(err)
		}
		if raw, err = io.ReadAll(z); err != nil {
			l.T.Fatal(err)
		}
	}
	return resp, string(raw)
}

// Get is a request of the lab's browser.
func (l *Lab) Get(path string, header ...string) (*http.Response, string) {
	l.T.Helper()
	return l.Do(l.Client, http.MethodGet, path, nil, header...)
}

// CSRFField finds the token of a form.
var CSRFField = regexp.MustCompile(`name="csrf" value="([^"]*)"`)

// Post sends a form with the token of the page at from.
func (l *Lab) Post(from, path string, form url.Values) (*http.Response, string) {
	l.T.Helper()
	_, page := l.Get(from)
	token := CSRFField.FindStringSubmatch(page)
	if token == nil {
		l.T.Fatalf("%s has no form: %s", from, page)
	}
	if form == nil {
		form = url.Values{}
	}
	form.Set("csrf", token[1])
	return l.Do(l.Client, http.MethodPost, path, form)
}

// SignIn signs the browser in by password.
func (l *Lab) SignIn(name, password string) *Lab {
	l.T.Helper()
	resp, body := l.Post("/login", "/login", url.Values{"name": {name}, "password": {password}})
	if resp.StatusCode != http.StatusSeeOther {
		l.T.Fatalf("sign in as %s: %s %s", name, resp.Status, body)
	}
	return l
}

// AsAdmin signs the browser in as the administrator.
func (l *Lab) AsAdmin() *Lab { l.T.Helper(); return l.SignIn("admin", uitest.Password) }

// Expect checks an answer's status and that its body contains every text.
func (l *Lab) Expect(resp *http.Response, body string, status int, texts ...string) {
	l.T.Helper()
	if resp.StatusCode != status {
		l.T.Errorf("%s %s: got %s, want %d", resp.Request.Method, resp.Request.URL.Path, resp.Status, status)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			l.T.Errorf("%s %s: %q is not in %s", resp.Request.Method, resp.Request.URL.Path, text, body)
		}
	}
}

// ExpectJSON checks an error for a program.
func (l *Lab) ExpectJSON(resp *http.Response, body string, status int, code, text string) {
	l.T.Helper()
	l.Expect(resp, body, status)
	var e struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Code != code || !strings.Contains(e.Message, text) || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		l.T.Errorf("%s %s answers %s %s, want %s: %s", resp.Request.Method, resp.Request.URL.Path, resp.Header.Get("Content-Type"), body, code, text)
	}
}

// ExpectText checks that a body contains every text.
func (l *Lab) ExpectText(body string, texts ...string) {
	l.T.Helper()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			l.T.Errorf("%q is not in %s", text, body)
		}
	}
}

// Event is one of an event stream.
type Event struct{ Name, Data string }

// Stream opens an event stream; the returned function waits for the next
// event, or returns none when the stream has ended.
func (l *Lab) Stream(path string) func() *Event {
	l.T.Helper()
	r, err := http.NewRequest(http.MethodGet, l.URL+path, nil)
	if err != nil {
		l.T.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	resp, err := l.Client.Do(r)
	if err != nil {
		l.T.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Content-Encoding") != "" {
		l.T.Fatalf("%s: %s %v", path, resp.Status, resp.Header)
	}
	l.T.Cleanup(func() { _ = resp.Body.Close() })
	events := make(chan Event, 100)
	go func() {
		defer close(events)
		var e Event
		var data []string
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			switch line := lines.Text(); {
			case line == "":
				if e.Name != "" {
					e.Data = strings.Join(data, "\n")
					events <- e
				}
				e, data = Event{}, nil
			case strings.HasPrefix(line, "event: "):
				e.Name = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				data = append(data, line[len("data: "):])
			}
		}
	}()
	return func() *Event {
		l.T.Helper()
		select {
		case e, ok := <-events:
			if !ok {
				return nil
			}
			return &e
		case <-time.After(10 * time.Second):
			l.T.Fatal("no event for 10 s")
			return nil
		}
	}
}

// Await skips events until one has this name and contains text.
func (l *Lab) Await(next func() *Event, name, text string) *Event {
	l.T.Helper()
	for {
		e := next()
		if e == nil {
			l.T.Fatalf("the stream ended before %s with %q", name, text)
		}
		if e.Name == name && strings.Contains(e.Data, text) {
			return e
		}
	}
}

// Refuse checks that an answer's body contains none of the texts.
func (l *Lab) Refuse(resp *http.Response, body string, texts ...string) {
	l.T.Helper()
	for _, text := range texts {
		if strings.Contains(body, text) {
			l.T.Errorf("%s %s: %q is in %s", resp.Request.Method, resp.Request.URL.Path, text, body)
		}
	}
}

// Follow posts a form and returns the page that the answer leads to.
func (l *Lab) Follow(from, path string, form url.Values) (*http.Response, string) {
	l.T.Helper()
	resp, body := l.Post(from, path, form)
	l.Expect(resp, body, http.StatusSeeOther)
	return l.Get(resp.Header.Get("Location"))
}

// SignInFrom sends the form as a browser does that sees the server at origin,
// through a proxy that adds headers.
func (l *Lab) SignInFrom(origin string, headers ...string) (*http.Response, string) {
	l.T.Helper()
	client := NewBrowser(l.T)
	resp, page := l.Do(client, http.MethodGet, "/login", nil, headers...)
	token := CSRFField.FindStringSubmatch(page)
	if token == nil {
		l.T.Fatalf("no form: %s %s", resp.Status, page)
	}
	// The jar keeps cookies for HTTPS from plain HTTP; the proxy would not.
	var cookies []string
	for _, c := range resp.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	form := url.Values{"name": {"admin"}, "password": {uitest.Password}, "csrf": {token[1]}}
	return l.Do(&http.Client{CheckRedirect: client.CheckRedirect}, http.MethodPost, "/login", form,
		append([]string{"Origin", origin, "Cookie", strings.Join(cookies, "; ")}, headers...)...)
}

// RefusedByGate is a revision that a gate said no to.
func RefusedByGate() mlops.Revision {
	return mlops.Revision{Deployment: "iris", Model: "iris", Version: 11, State: mlops.RevisionRejected, Cause: mlops.CauseVersion, By: "benchtop", CreatedAt: Noon,
		Gates:   []mlops.GateResult{{Metric: "accuracy", Bound: "at least 0.9", Value: "0.87"}, {Metric: "log_loss", Bound: "at most 1", Value: "0.1", Passed: true}},
		Message: "gate accuracy failed: 0.87, expected at least 0.9"}
}

// CompareURL is the address of a comparison.
func CompareURL(ids []string, choices ...string) string {
	return "/compare?" + url.Values{"run": ids}.Encode() + strings.Join(append([]string{""}, choices...), "&")
}
