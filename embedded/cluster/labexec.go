package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	// labOutput is how much of a script's output is kept, in bytes of each stream.
	labOutput = 256 << 10
	// scriptTime is what a script gets that names no time.
	scriptTime = 10 * time.Second
	// kubeletWait is how long a script waits for a way to a pod that is ready: after a
	// start of K3s the kubelet is reached a moment after the node is ready.
	kubeletWait  = 8 * time.Second
	kubeletPause = 250 * time.Millisecond
	// scriptLeaves is how long the end of a script that is out of time may take.
	scriptLeaves = 3 * time.Second
)

// execAt says what to run, and where.
type execAt struct {
	namespace, pod, container string
	command                   []string
}

// execInPod runs a command over a WebSocket. The API server is our own, of this
// version, so there is no need to fall back to SPDY.
func (c *Client) execInPod(ctx context.Context, at execAt, streams remotecommand.StreamOptions) error {
	url := c.kube.CoreV1().RESTClient().Post().Namespace(at.namespace).Resource("pods").Name(at.pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: at.container, Command: at.command, TTY: streams.Tty,
			Stdin: streams.Stdin != nil, Stdout: streams.Stdout != nil, Stderr: streams.Stderr != nil && !streams.Tty,
		}, scheme.ParameterCodec).URL()
	e, err := remotecommand.NewWebSocketExecutor(c.rest, "GET", url.String())
	if err != nil {
		return err
	}
	return e.StreamWithContext(ctx, streams)
}

// readScript has the shell take the whole script from standard input first: what
// a script runs must not read the rest of it.
const readScript = `script=$(cat); exec </dev/null; eval "$script"`

// RunLab runs a script in the shell's pod. A script that ends with another code
// than 0 is no error. One that takes longer than its time is ended, with all that
// it has started, and is an error.
func (c *Client) RunLab(ctx context.Context, room string, s mlops.LabScript) (mlops.LabOutput, error) {
	if s.Container != mlops.LabLearner && s.Container != mlops.LabAuthor {
		return mlops.LabOutput{}, mlops.Errorf(mlops.Invalid, "container %q: expected %s or %s", s.Container, mlops.LabLearner, mlops.LabAuthor)
	}
	limit := s.Timeout
	if limit <= 0 {
		limit = scriptTime
	}
	// The pod's own clock ends the script: a connection that ends leaves it running.
	at := execAt{mlops.LabShells, room, s.Container, []string{
		"/usr/bin/timeout", "-k", "1", strconv.FormatFloat(limit.Seconds(), 'f', 3, 64), "sh", "-euc", readScript,
	}}
	ctx, cancel := context.WithTimeout(ctx, limit+scriptLeaves)
	defer cancel()
	var stdout, stderr *bounded
	var start time.Time
	var err error
	for until := time.Now().Add(kubeletWait); ; {
		stdout, stderr, start = &bounded{max: labOutput}, &bounded{max: labOutput}, time.Now()
		err = c.exec(ctx, at, remotecommand.StreamOptions{Stdin: strings.NewReader(exports(s.Env) + s.Text), Stdout: stdout, Stderr: stderr})
		if !neverBegan(err) || time.Now().After(until) {
			break // it has run, or never will
		}
		if shell, lookErr := c.LabShell(ctx, room); lookErr != nil || !shell.Ready || !wait(ctx, kubeletPause) {
			break
		}
	}
	out := mlops.LabOutput{Stdout: stdout.kept.String(), Stderr: stderr.kept.String()}
	var code exec.CodeExitError
	if errors.As(err, &code) {
		out.Code, err = code.Code, nil
	}
	late := time.Since(start) >= limit && (out.Code == 124 || out.Code == 137)
	switch {
	case late || errors.Is(err, context.DeadlineExceeded):
		return out, mlops.Errorf(mlops.Unavailable, "the script did not end within %s", limit)
	case err != nil:
		return out, c.whyNoExec(ctx, room, err)
	}
	return out, nil
}

// neverBegan reports whether a command has not begun: the API server could not be
// connected to, or says in its text that it could not ask the kubelet, or that the
// kubelet did not take the connection, since it doesn't know the pod yet
// (k8s.io/client-go/transport/spdy, Negotiate and NewConnection).
func neverBegan(err error) bool {
	return err != nil && (httpstream.IsUpgradeFailure(err) || strings.Contains(err.Error(), "error sending request") || strings.Contains(err.Error(), "unable to upgrade connection"))
}

// exports sets a script's variables. They go the way of the script, because a
// command line shows in the list of processes.
func exports(env map[string]string) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(&out, "export %s='%s'\n", name, strings.ReplaceAll(env[name], "'", `'\''`))
	}
	return out.String()
}

// whyNoExec says why a command could not run in a shell.
func (c *Client) whyNoExec(ctx context.Context, room string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	shell, lookErr := c.LabShell(ctx, room)
	switch {
	case lookErr != nil:
		return lookErr
	case !shell.Ready:
		return &mlops.Error{Code: mlops.Unavailable, Message: fmt.Sprintf("the shell of room %s is not ready (%s): try again in a few seconds", room, shell.Why), Err: err}
	}
	return &mlops.Error{Code: mlops.Unavailable, Message: fmt.Sprintf("the shell of room %s can't be reached: try again in a few seconds (%s)", room, err), Err: err}
}

// bounded keeps the first bytes and takes all.
type bounded struct {
	kept bytes.Buffer
	max  int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.kept.Write(p[:min(len(p), b.max-b.kept.Len())])
	return len(p), nil
}

// terminals tells the terminals of this process from those of an earlier one.
type terminals struct {
	process string
	count   atomic.Int64
}

func newTerminals() *terminals {
	id := make([]byte, 6)
	_, _ = rand.Read(id) // it never fails
	return &terminals{process: hex.EncodeToString(id)}
}

// attach joins the one session, or starts it. A connection that ends leaves the
// process in the pod running, so each notes itself in a file, and those of an
// earlier process are ended: nobody reads them any more.
const attach = `d=/tmp/.terminals; mkdir -p $d
for f in $d/*; do
	[ -f "$f" ] || continue
	case $f in $d/$1-*) continue ;; esac
	p=$(cat "$f"); rm -f "$f"
	[ "$(cat /proc/$p/comm 2>/dev/null)" != "tmux: client" ] || kill -HUP "$p"
done
echo $$ >$d/$1-$2
# What has left the session's screen goes above the terminal's, to be scrolled to.
if tmux capture-pane -t main -p -e -S -2000 -E -1 2>/dev/null | cat >$d/.history && [ -s $d/.history ]; then
	cat $d/.history
	i=$(busybox stty size | busybox cut -d' ' -f1); while [ "${i:-0}" -gt 0 ]; do echo; i=$((i-1)); done
fi
exec tmux -u new-session -A -s main`

// detach ends one terminal, which may not have noted itself yet. The session
// lives on.
const detach = `f=/tmp/.terminals/$1-$2
for i in 1 2 3 4 5 6 7 8 9 10; do [ ! -f "$f" ] || break; sleep 0.1; done
p=$(cat "$f"); rm -f "$f"
[ "$(cat /proc/$p/comm)" != "tmux: client" ] || kill -HUP "$p"`

// terminalLeaves is how long a terminal may take to end.
const terminalLeaves = 3 * time.Second

// LabTerminal attaches to the shell's session until t.In ends, ctx ends, or the
// session does. A read of t.In that goes on by then is lost.
func (c *Client) LabTerminal(ctx context.Context, room string, t mlops.LabTerminal) error {
	// The terminal is ended in the pod and not by its connection, which would
	// leave it running, and have client-go log that it broke.
	connection, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	number := strconv.FormatInt(c.terminals.count.Add(1), 10)
	run := func(script string) execAt {
		return execAt{mlops.LabShells, room, mlops.LabLearner, []string{"sh", "-c", script, "terminal", c.terminals.process, number}}
	}
	in := &typing{from: t.In, ended: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		done <- c.exec(connection, run(attach), remotecommand.StreamOptions{Tty: true, Stdin: in, Stdout: t.Out, TerminalSizeQueue: sizes{connection, t.Sizes}})
	}()
	select {
	case err := <-done:
		in.stop()
		var code exec.CodeExitError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &code):
			return mlops.Errorf(mlops.Unavailable, "the terminal in the shell of room %s ended with code %d: connect again", room, code.Code)
		}
		return c.whyNoExec(connection, room, err)
	case <-in.ended:
	case <-ctx.Done():
	}
	in.stop()
	leaving, end := context.WithTimeout(connection, terminalLeaves)
	defer end()
	// If it fails the pod is gone, or the next process' first terminal ends this one.
	if err := c.exec(leaving, run(detach), remotecommand.StreamOptions{Stdout: io.Discard, Stderr: io.Discard}); err == nil {
		select {
		case <-done:
		case <-leaving.Done():
		}
	}
	return nil
}

// typing is what is typed, until it ends or nobody takes it any more.
type typing struct {
	from    io.Reader
	once    sync.Once
	ended   chan struct{} // closed when from has ended
	stopped atomic.Bool
}

func (r *typing) stop() { r.stopped.Store(true) }

func (r *typing) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if r.stopped.Load() {
		return 0, io.EOF
	}
	if err != nil {
		r.once.Do(func() { close(r.ended) })
	}
	return n, err
}

// sizes is the queue of a terminal's sizes, until ctx ends.
type sizes struct {
	ctx  context.Context
	from <-chan mlops.LabSize
}

func (s sizes) Next() *remotecommand.TerminalSize {
	select {
	case size, ok := <-s.from:
		if !ok {
			<-s.ctx.Done() // no new one comes
			return nil
		}
		return &remotecommand.TerminalSize{Width: clamp(size.Columns), Height: clamp(size.Rows)}
	case <-s.ctx.Done():
		return nil
	}
}

func clamp(n uint16) uint16 { return min(max(n, 1), 1000) }
