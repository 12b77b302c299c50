package ui

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
)

const (
	// maxTerminals bounds the terminals that are open at once: each is a process
	// in a pod.
	maxTerminals = 32
	// maxKeys bounds one message of a browser, in bytes. The script cuts what is
	// pasted into smaller pieces.
	maxKeys = 64 << 10
	// terminalWrite bounds how long a browser may take for one message.
	terminalWrite = 20 * time.Second
)

// said is what the server says in a terminal beside its output: why it has ended,
// and whether to come back.
type said struct {
	Say   string `json:"say"`
	Again bool   `json:"again"`
}

// terminal serves a terminal by WebSocket. Binary messages are keys and output;
// text messages are JSON: sizes from the browser, said from the server.
// See page.Site.
func (s *Server) terminal(c echo.Context, attach func(ctx context.Context, t mlops.LabTerminal) error) error {
	r := c.Request()
	if !websocket.IsWebSocketUpgrade(r) {
		return mlops.Errorf(mlops.Invalid, "A terminal is here, and it takes a WebSocket: open the lab’s page instead.")
	}
	// A handshake is a GET, and browsers let every site send one, with cookies
	// of this one.
	if !s.ownPage(r) {
		return foreignOf(r)
	}
	if s.terminals.Add(1) > maxTerminals {
		s.terminals.Add(-1)
		return mlops.Errorf(mlops.Unavailable, "Too many terminals are open: close some and reload.")
	}
	s.terminalsUp.Add(1)
	defer s.terminalsUp.Done()
	defer s.terminals.Add(-1)
	up := websocket.Upgrader{HandshakeTimeout: 10 * time.Second, ReadBufferSize: 4 << 10, WriteBufferSize: 16 << 10, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(c.Response(), r, nil)
	if err != nil {
		s.logger().Debug("no terminal", "err", err)
		return nil // Upgrade has answered
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	socket := &terminalSocket{conn: conn}
	keys, typed := io.Pipe()
	sizes := make(chan mlops.LabSize, 1)
	var watching sync.WaitGroup
	watching.Go(func() {
		defer cancel()
		_ = typed.CloseWithError(socket.read(typed, sizes))
	})
	watching.Go(func() {
		defer cancel()
		s.watchTerminal(ctx, c, socket)
	})
	err = attach(ctx, mlops.LabTerminal{In: keys, Out: socket, Sizes: sizes})
	_ = keys.Close() // who still types is not waited for
	if ctx.Err() == nil {
		socket.end(s.lastWords(c, err))
	}
	cancel()
	_ = conn.Close()
	watching.Wait()
	return nil
}

// ownPage reports whether a page of this server asks, or a program, which carries
// no cookies of others.
func (s *Server) ownPage(r *http.Request) bool {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	return site == "same-origin" || site == "" && origin == "" || s.known(origin, r)
}

// lastWords says why a terminal has ended.
func (s *Server) lastWords(c echo.Context, err error) said {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return said{Say: "The shell has ended.", Again: true}
	case mlops.CodeOf(err) == mlops.Internal:
		s.logger().Error("a terminal has failed", "path", c.Request().URL.Path, "err", err)
		return said{Say: "The connection to the shell has failed; the log of Benchtop says why.", Again: true}
	}
	return said{Say: mlops.MessageOf(page.Sentence(err)), Again: mlops.CodeOf(err) == mlops.Unavailable}
}

// watchTerminal returns when a terminal must end: the server stops, or who uses it
// may not any more.
func (s *Server) watchTerminal(ctx context.Context, c echo.Context, socket *terminalSocket) {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stopping:
			socket.end(said{Say: "Benchtop stops; the shell goes on.", Again: true})
			return
		case <-beat.C:
			if _, err := s.session(c); mlops.CodeOf(err) == mlops.Unauthorized {
				socket.end(said{Say: mlops.MessageOf(err)})
				return
			}
			if socket.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(terminalWrite)) != nil {
				return
			}
		}
	}
}

// terminalSocket is a WebSocket that output is written to.
type terminalSocket struct {
	mu   sync.Mutex
	conn *websocket.Conn
}

// Write implements io.Writer.
func (t *terminalSocket) Write(p []byte) (int, error) {
	if err := t.send(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (t *terminalSocket) send(kind int, p []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.conn.SetWriteDeadline(time.Now().Add(terminalWrite)); err != nil {
		return err
	}
	return t.conn.WriteMessage(kind, p)
}

// end says last words and closes; if that fails the browser is gone.
func (t *terminalSocket) end(last said) {
	text, _ := json.Marshal(last) // never fails
	if t.send(websocket.TextMessage, text) == nil {
		_ = t.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	}
}

// read passes on what the browser sends until it goes away, which is the end of
// its keys. A browser that does not answer to four beats is gone.
func (t *terminalSocket) read(keys io.Writer, sizes chan mlops.LabSize) error {
	t.conn.SetReadLimit(maxKeys)
	stay := func(string) error { return t.conn.SetReadDeadline(time.Now().Add(4 * beatEvery)) }
	t.conn.SetPongHandler(stay)
	for {
		if err := stay(""); err != nil {
			return io.EOF
		}
		kind, p, err := t.conn.ReadMessage()
		if err != nil {
			return io.EOF
		}
		if kind == websocket.BinaryMessage {
			if _, err := keys.Write(p); err != nil {
				return io.EOF
			}
			continue
		}
		var size struct{ Columns, Rows uint16 }
		if json.Unmarshal(p, &size) != nil || size.Columns == 0 || size.Rows == 0 {
			t.end(said{Say: `A terminal's size is expected as {"columns": 80, "rows": 24}, both above 0.`})
			return io.EOF
		}
		select {
		case <-sizes: // an older one that nobody has taken
		default:
		}
		sizes <- mlops.LabSize(size)
	}
}
