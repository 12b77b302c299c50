package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// quiet is how long the plugin registers nothing before it counts as having
	// registered everything: it does so one by one, within milliseconds.
	quiet = 250 * time.Millisecond
	// stopTime is how long the plugin has to stop before it is killed.
	stopTime = time.Second
	// readyTime is how long a plugin may take to register after a change.
	readyTime = 10 * time.Second
)

// plugin runs NVIDIA's device plugin as a child process and starts it again when
// it ends.
type plugin struct {
	path    string
	args    func() []string
	env     []string
	proxy   *proxy
	changed func()
	settled func() // a run has registered all its resources

	readyTime time.Duration
	requests  chan request

	mu       sync.Mutex
	now      *incarnation
	pid      int
	err      string
	restarts int
}

// request asks for the plugin to be stopped and, if run is true, started again.
type request struct {
	run   bool
	reply chan *incarnation // the new run, nil if there is none
}

// incarnation is one run of the plugin.
type incarnation struct {
	done chan struct{} // closed when it is ready, or has ended before
	err  error         // why it ended before it was ready; read after done
	over bool          // done is closed
}

func (i *incarnation) finish(err error) {
	if !i.over {
		i.over, i.err = true, err
		close(i.done)
	}
}

// pluginStatus is the plugin's part of the API's answer.
type pluginStatus struct {
	Running  bool   `json:"running"`
	Error    string `json:"error"`
	Restarts int    `json:"restarts"`
}

func (p *plugin) status() pluginStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pluginStatus{Running: p.now != nil, Error: p.err, Restarts: p.restarts}
}

// start starts or restarts the plugin and waits until it has registered all its
// resources. The error has the plugin's last words.
func (p *plugin) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.readyTime)
	defer cancel()
	late := func() error {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errPassing{fmt.Errorf("NVIDIA's device plugin has registered nothing within %s", p.readyTime)}
		}
		return ctx.Err()
	}
	req := request{run: true, reply: make(chan *incarnation, 1)}
	select {
	case p.requests <- req:
	case <-ctx.Done():
		return late()
	}
	inc := <-req.reply
	select {
	case <-inc.done:
		return inc.err
	case <-ctx.Done():
		return late()
	}
}

// stop ends the plugin and leaves it so.
func (p *plugin) stop(ctx context.Context) {
	req := request{reply: make(chan *incarnation, 1)}
	select {
	case p.requests <- req:
		<-req.reply
	case <-ctx.Done():
	}
}

// run does all work of the plugin until ctx ends. The thread is locked because
// the kernel ends the child when the thread that made it ends.
func (p *plugin) run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const firstWait, maxWait = 500 * time.Millisecond, 30 * time.Second
	wait := firstWait
	var pending *request
	for {
		for pending == nil || !pending.run { // it is stopped
			if pending != nil {
				pending.reply <- nil
			}
			select {
			case <-ctx.Done():
				return
			case r := <-p.requests:
				pending = &r
			}
		}
		inc := &incarnation{done: make(chan struct{})}
		pending.reply <- inc
		begin := time.Now()
		var err error
		pending, err = p.once(ctx, inc)
		if ctx.Err() != nil {
			return
		}
		if pending != nil { // it was asked to end
			wait = firstWait
			continue
		}
		if time.Since(begin) > time.Minute {
			wait = firstWait
		}
		log.Printf("NVIDIA's device plugin ended: %v; starting it again in %s", err, wait)
		p.mu.Lock()
		p.err = err.Error()
		p.mu.Unlock()
		p.changed()
		select {
		case <-ctx.Done():
			return
		case r := <-p.requests:
			pending = &r
			wait = firstWait
		case <-time.After(wait):
			wait = min(2*wait, maxWait)
			pending = &request{run: true, reply: make(chan *incarnation, 1)}
			p.mu.Lock()
			p.restarts++
			p.mu.Unlock()
		}
	}
}

// once runs the plugin until it ends or until a request comes, which is returned.
func (p *plugin) once(ctx context.Context, inc *incarnation) (*request, error) {
	p.proxy.begin()
	cmd := exec.Command(p.path, p.args()...)
	cmd.Env = p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r, w, err := os.Pipe()
	if err == nil {
		cmd.Stdout, cmd.Stderr = w, w
		err = cmd.Start()
		w.Close()
	}
	if err != nil {
		err = fmt.Errorf("start NVIDIA's device plugin: %w", err)
		inc.finish(err)
		return nil, err
	}
	p.mu.Lock()
	p.now, p.pid = inc, cmd.Process.Pid
	p.mu.Unlock()
	p.changed()

	words := &lastWords{}
	none := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		words.copy(r, none)
		r.Close()
		ended <- cmd.Wait()
	}()
	defer func() {
		p.mu.Lock()
		p.now = nil
		p.mu.Unlock()
		p.changed()
	}()

	settle := time.NewTimer(time.Hour)
	defer settle.Stop()
	ready := func() {
		p.proxy.settle()
		p.mu.Lock()
		p.err = ""
		p.mu.Unlock()
		p.changed()
		p.settled()
		inc.finish(nil)
	}
	for {
		select {
		case <-p.proxy.registered:
			settle.Reset(quiet)
		case <-settle.C:
			ready()
		case <-none:
			ready()
		case err := <-ended:
			err = words.explain(err)
			inc.finish(err)
			return nil, err
		case req := <-p.requests:
			p.end(cmd, ended)
			inc.finish(errors.New("NVIDIA's device plugin was stopped before it was ready"))
			return &req, nil
		case <-ctx.Done():
			p.end(cmd, ended)
			inc.finish(ctx.Err())
			return nil, ctx.Err()
		}
	}
}

func (p *plugin) end(cmd *exec.Cmd, ended chan error) {
	cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	select {
	case <-ended:
	case <-time.After(stopTime):
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-ended
	}
}

// lastWords keeps the last lines that a program wrote.
type lastWords struct {
	quiet bool // don't write the lines to the log
	mu    sync.Mutex
	lines []string
}

// noDevices is what the plugin says when it registers nothing.
const noDevices = "No devices found"

func (l *lastWords) copy(r io.Reader, none chan<- struct{}) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if !l.quiet {
			fmt.Fprintln(os.Stderr, line)
		}
		l.mu.Lock()
		l.lines = append(l.lines, line)
		if len(l.lines) > 50 {
			l.lines = slices.Delete(l.lines, 0, len(l.lines)-50)
		}
		l.mu.Unlock()
		if none != nil && strings.Contains(line, noDevices) {
			select {
			case none <- struct{}{}:
			default:
			}
		}
	}
	io.Copy(io.Discard, r) //nolint:errcheck // the rest of a line that is too long
}

// header is what klog writes before a message.
var header = regexp.MustCompile(`^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [^ ]+\] `)

// explain says why a program ended: its last error, if it said one.
func (l *lastWords) explain(err error) error {
	how := "exit status 0"
	if err != nil {
		how = err.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var last string
	for _, line := range l.lines {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			last = line
			break
		}
		if h := header.FindString(line); h != "" && (h[0] == 'E' || h[0] == 'F') {
			last = strings.TrimPrefix(line, h)
		}
	}
	if n := len(l.lines); last == "" && n > 0 && !header.MatchString(l.lines[n-1]) {
		last = strings.TrimSpace(l.lines[n-1]) // not a message of its log: of the loader, for example
	}
	if last == "" {
		return errors.New(how)
	}
	return fmt.Errorf("%s (%s)", last, how)
}
