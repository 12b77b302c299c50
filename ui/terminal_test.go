package ui_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

const terminalPath = "/labs/" + uitest.NameLab + "/terminal"

func benchLab(t *testing.T) *visit.Lab {
	t.Helper()
	w := uitest.Full(time.Now)
	w.AddLabScene("mid-way")
	return visit.Start(t, w).AsAdmin()
}

// dial opens a terminal as the lab's browser, with headers in pairs.
func dial(l *visit.Lab, path string, header ...string) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{Jar: l.Client.Jar, HandshakeTimeout: 5 * time.Second}
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return d.Dial("ws"+strings.TrimPrefix(l.URL, "http")+path, h)
}

func open(t *testing.T, l *visit.Lab, header ...string) *websocket.Conn {
	t.Helper()
	conn, resp, err := dial(l, terminalPath, header...)
	if err != nil {
		t.Fatalf("%v %v", err, resp)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func write(t *testing.T, conn *websocket.Conn, kind int, text string) {
	t.Helper()
	if err := conn.WriteMessage(kind, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// heard reads output until it has text.
func heard(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	var all strings.Builder
	for !strings.Contains(all.String(), text) {
		kind, p, err := conn.ReadMessage()
		if err != nil || kind != websocket.BinaryMessage {
			t.Fatalf("%q was not heard in %q: %d %s %v", text, all.String(), kind, p, err)
		}
		all.Write(p)
	}
}

type lastWords struct {
	Say   string
	Again bool
}

// ends reads until the server says its last words and closes.
func ends(t *testing.T, conn *websocket.Conn) (words lastWords) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		kind, p, err := conn.ReadMessage()
		if err != nil {
			if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				t.Errorf("it ended with %v after %+v", err, words)
			}
			return words
		}
		if kind == websocket.TextMessage {
			if err := json.Unmarshal(p, &words); err != nil {
				t.Fatal(err)
			}
		}
	}
}

const eighty = `{"columns": 80, "rows": 24}`

func TestTerminal(t *testing.T) {
	l := benchLab(t)
	conn := open(t, l, "Origin", l.URL)
	write(t, conn, websocket.TextMessage, eighty)
	heard(t, conn, "80 columns by 24 rows")
	write(t, conn, websocket.BinaryMessage, "ls\xc3\xa4\r")
	heard(t, conn, "you said: ls\xc3\xa4")
	write(t, conn, websocket.TextMessage, `{"columns": 100, "rows": 30}`)
	// A second one is as good: the shell is the same.
	other := open(t, l)
	write(t, other, websocket.TextMessage, `{"columns": 90, "rows": 20}`)
	heard(t, other, "90 columns by 20 rows")
	write(t, conn, websocket.BinaryMessage, "exit\r")
	if words := ends(t, conn); words != (lastWords{"The shell has ended.", true}) {
		t.Errorf("it says %+v", words)
	}
	write(t, other, websocket.TextMessage, `{"columns": 0}`)
	if words := ends(t, other); words.Again || !strings.Contains(words.Say, `expected as {"columns": 80, "rows": 24}`) {
		t.Errorf("it says %+v", words)
	}
}

func TestTerminalIsRefused(t *testing.T) {
	l := benchLab(t)
	refused := func(what string, status int, text string, resp *http.Response, err error) {
		t.Helper()
		if err == nil {
			t.Fatalf("%s: it was opened", what)
		}
		if resp == nil || resp.StatusCode != status {
			t.Fatalf("%s: %v %v, want %d", what, resp, err, status)
		}
		body := make([]byte, 1<<10) // gorilla keeps that much
		n, _ := resp.Body.Read(body)
		if text != "" && !strings.Contains(string(body[:n]), text) {
			t.Errorf("%s: %q is not in %s", what, text, body[:n])
		}
	}
	json := []string{"Accept", "application/json"}
	for _, origin := range []string{"http://evil.example", "https://" + strings.TrimPrefix(l.URL, "http://") + ".evil.example", "null"} {
		_, resp, err := dial(l, terminalPath, append(json, "Origin", origin)...)
		refused(origin, 403, "This request came from another site", resp, err)
	}
	_, resp, err := dial(l, terminalPath, append(json, "Origin", l.URL, "Sec-Fetch-Site", "cross-site")...)
	refused("cross-site", 403, "This request came from another site", resp, err)
	open(t, l, "Origin", "http://evil.example", "Sec-Fetch-Site", "same-origin") // the browser knows best

	stranger := &visit.Lab{T: t, URL: l.URL, Client: visit.NewBrowser(t)}
	_, resp, err = dial(stranger, terminalPath, json...)
	refused("a stranger", 401, "Sign in first", resp, err)
	l.World.Lock()
	l.World.Passwords["ada:ada"] = mlops.Principal{Name: "ada", Role: mlops.RoleEditor, Projects: []string{"iris"}}
	l.World.Unlock()
	for name, text := range map[string]string{"guest": "its role is reader", "ada": "limited to project iris"} {
		who := &visit.Lab{T: t, URL: l.URL, Client: visit.NewBrowser(t)}
		who.SignIn(name, name)
		_, resp, err = dial(who, terminalPath, json...)
		refused(name, 403, text, resp, err)
	}
	resp, body := l.Get(terminalPath)
	l.Expect(resp, body, 400, "A terminal is here, and it takes a WebSocket: open the lab’s page instead.")
}

// The names that a proxy passes on count, and the public address does.
func TestTerminalBehindAProxy(t *testing.T) {
	for name, config := range map[string]func(*ui.Config){"trusted": trustLoopback, "public address": publicURL("http://lab.example:8088")} {
		t.Run(name, func(t *testing.T) {
			w := uitest.Full(time.Now)
			w.AddLabScene("mid-way")
			l := visit.Start(t, w, config).AsAdmin()
			open(t, l, "Origin", "http://lab.example:8088", "X-Forwarded-Host", "lab.example:8088")
			if _, resp, err := dial(l, terminalPath, "Origin", "http://evil.example", "X-Forwarded-Host", "lab.example:8088"); err == nil || resp.StatusCode != http.StatusForbidden {
				t.Errorf("another site: %v %v", resp, err)
			}
		})
	}
}

func TestTerminalSaysWhatIsWrong(t *testing.T) {
	l := benchLab(t)
	for _, c := range []struct {
		refuse error
		want   lastWords
	}{
		{mlops.Errorf(mlops.Unavailable, "the shell's pod is not running yet"), lastWords{"The shell's pod is not running yet.", true}},
		{mlops.Errorf(mlops.InvalidState, "the lab is closing"), lastWords{"The lab is closing.", false}},
		{errors.New("dial unix: secret"), lastWords{"The connection to the shell has failed; the log of Benchtop says why.", true}},
	} {
		l.World.Lock()
		l.World.Refuse = c.refuse
		l.World.Unlock()
		if words := ends(t, open(t, l)); words != c.want {
			t.Errorf("%v: it says %+v", c.refuse, words)
		}
	}
	if !strings.Contains(l.Log.String(), "dial unix: secret") {
		t.Error("the log lacks the cause")
	}
	conn, _, err := dial(l, "/labs/none/terminal")
	if err != nil {
		t.Fatal(err)
	}
	if words := ends(t, conn); words != (lastWords{`There is no lab "none".`, false}) {
		t.Errorf("it says %+v", words)
	}
}

func TestTerminalEndsWithItsSession(t *testing.T) {
	defer ui.SetBeat(50 * time.Millisecond)()
	l := benchLab(t)
	conn := open(t, l)
	write(t, conn, websocket.TextMessage, eighty)
	heard(t, conn, "80 columns")
	pinged := make(chan struct{}, 100)
	answer := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		pinged <- struct{}{}
		return answer(data)
	})
	go func() {
		<-pinged
		l.World.Change(func() { clear(l.World.Sessions) })
	}()
	if words := ends(t, conn); words.Again || !strings.Contains(words.Say, "session has ended") {
		t.Errorf("it says %+v", words)
	}
}

// A browser that is gone without a word frees its shell.
func TestTerminalEndsWithItsBrowser(t *testing.T) {
	defer ui.SetBeat(50 * time.Millisecond)()
	ended := make(chan struct{})
	l := benchLabWith(t, func(ctx context.Context, _ mlops.LabTerminal) error {
		<-ctx.Done()
		close(ended)
		return nil
	})
	open(t, l) // nobody reads, so nobody answers to beats
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the shell is still attached")
	}
}

func TestTerminalEndsWithTheServer(t *testing.T) {
	w := uitest.Full(time.Now)
	w.AddLabScene("mid-way")
	cfg := w.Config()
	cfg.Assets, cfg.SampleEvery = uitest.Assets(), time.Hour
	server, err := ui.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h, ready := supervise.NewHandle(&visit.Output{})
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, h) }()
	<-ready
	l := &visit.Lab{T: t, World: w, URL: "http://" + server.Address().String(), Client: visit.NewBrowser(t)}
	conn := open(t, l.AsAdmin())
	write(t, conn, websocket.TextMessage, eighty)
	heard(t, conn, "80 columns")
	cancel()
	if words := ends(t, conn); words != (lastWords{"Benchtop stops; the shell goes on.", true}) {
		t.Errorf("it says %+v", words)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTooManyTerminals(t *testing.T) {
	l := benchLab(t)
	for range 32 {
		open(t, l)
	}
	_, resp, err := dial(l, terminalPath, "Accept", "application/json")
	if err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%v %v", resp, err)
	}
}

// benchLabWith is a lab with another shell.
func benchLabWith(t *testing.T, attach func(ctx context.Context, t mlops.LabTerminal) error) *visit.Lab {
	t.Helper()
	w := uitest.Full(time.Now)
	w.AddLabScene("mid-way")
	return visit.Start(t, w, func(c *ui.Config) {
		all := c.Labs
		c.Labs = func() (ports.Labs, error) {
			labs, err := all()
			return otherShell{labs, attach}, err
		}
	}).AsAdmin()
}

type otherShell struct {
	ports.Labs
	attach func(ctx context.Context, t mlops.LabTerminal) error
}

func (o otherShell) Terminal(ctx context.Context, _, _ string, t mlops.LabTerminal) error {
	return o.attach(ctx, t)
}
