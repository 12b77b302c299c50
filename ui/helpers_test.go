package ui_test

import (
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

	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
)

// noon is when tests of pages take place.
var noon = time.Date(2026, 11, 21, 12, 7, 30, 0, time.UTC)

func atNoon() time.Time { return noon }

// lab is a server on a world, and a browser that visits it.
type lab struct {
	t      *testing.T
	world  *uitest.World
	server *ui.Server
	url    string
	client *http.Client
	log    *output
}

// output is a log that may be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs the unit on a free port until the test ends.
func start(t *testing.T, w *uitest.World, change ...func(*ui.Config)) *lab {
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
	l := &lab{t: t, world: w, server: server, log: &output{}}
	ctx, cancel := context.WithCancel(context.Background())
	h, ready := supervise.NewHandle(l.log)
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
	l.url = "http://" + server.Address().String()
	l.client = newBrowser(t)
	l.waitForSample()
	return l
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// waitForSample waits until the machine was measured once, which the unit
// does when it starts.
func (l *lab) waitForSample() {
	l.t.Helper()
	l.world.LoginTokens["sample"] = true
	client := newBrowser(l.t)
	l.do(client, http.MethodGet, "/login?token=sample", nil)
	for range 200 {
		if _, body := l.do(client, http.MethodGet, "/api/status", nil); strings.Contains(body, `"machine"`) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	l.t.Fatal("the machine was not measured")
}

func (l *lab) do(client *http.Client, method, path string, form url.Values, header ...string) (*http.Response, string) {
	l.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, l.url+path, body)
	if err != nil {
		l.t.Fatal(err)
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
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	if resp.Header.Get("Content-Encoding") == "gzip" && !resp.Uncompressed {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			l.t.Fatal(err)
		}
		if raw, err = io.ReadAll(z); err != nil {
			l.t.Fatal(err)
		}
	}
	return resp, string(raw)
}

func (l *lab) get(path string, header ...string) (*http.Response, string) {
	l.t.Helper()
	return l.do(l.client, http.MethodGet, path, nil, header...)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]*)"`)

// post sends a form with the token of the page at from.
func (l *lab) post(from, path string, form url.Values) (*http.Response, string) {
	l.t.Helper()
	_, page := l.get(from)
	token := csrfField.FindStringSubmatch(page)
	if token == nil {
		l.t.Fatalf("%s has no form: %s", from, page)
	}
	if form == nil {
		form = url.Values{}
	}
	form.Set("csrf", token[1])
	return l.do(l.client, http.MethodPost, path, form)
}

// signIn signs the browser in by password.
func (l *lab) signIn(name, password string) *lab {
	l.t.Helper()
	resp, body := l.post("/login", "/login", url.Values{"name": {name}, "password": {password}})
	if resp.StatusCode != http.StatusSeeOther {
		l.t.Fatalf("sign in as %s: %s %s", name, resp.Status, body)
	}
	return l
}

func (l *lab) asAdmin() *lab { l.t.Helper(); return l.signIn("admin", uitest.Password) }

// expect checks an answer's status and that its body contains every text.
func (l *lab) expect(resp *http.Response, body string, status int, texts ...string) {
	l.t.Helper()
	if resp.StatusCode != status {
		l.t.Errorf("%s %s: got %s, want %d", resp.Request.Method, resp.Request.URL.Path, resp.Status, status)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			l.t.Errorf("%s %s: %q is not in %s", resp.Request.Method, resp.Request.URL.Path, text, body)
		}
	}
}

// expectJSON checks an error for a program.
func (l *lab) expectJSON(resp *http.Response, body string, status int, code, text string) {
	l.t.Helper()
	l.expect(resp, body, status)
	var e struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Code != code || !strings.Contains(e.Message, text) || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		l.t.Errorf("%s %s answers %s %s, want %s: %s", resp.Request.Method, resp.Request.URL.Path, resp.Header.Get("Content-Type"), body, code, text)
	}
}

// expectText checks that a body contains every text.
func (l *lab) expectText(body string, texts ...string) {
	l.t.Helper()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			l.t.Errorf("%q is not in %s", text, body)
		}
	}
}
