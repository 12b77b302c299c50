// Package client pushes code to a lab and follows what becomes of it. It speaks
// HTTP to any lab: to that of its own machine over the control socket, to
// another by its address and a token. It runs on laptops too.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/push/pack"
)

// Lab is where to push to.
type Lab struct {
	Base  string // what the paths of calls are added to: https://lab:8080/api
	Token string // of a key, "" for none
	HTTP  *http.Client
}

// Options say what to push.
type Options struct {
	Path    string // a folder, a .py or an .ipynb
	Project string // "" takes the name of the folder
	Entry   string
	Command string
	Explain bool // only say what would happen
	Detach  bool // end as soon as the lab has taken it
}

// Push packs and sends the code, then says on out what happens until the version
// is served. When ctx ends the lab goes on by itself.
func Push(ctx context.Context, lab Lab, o Options, out io.Writer) error {
	packed, archive, err := packTemporary(o.Path)
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close(); _ = os.Remove(archive.Name()) }()
	name := o.Project
	if name == "" {
		name = packed.Name
	}
	if err := mlops.ValidateName("project", name); err != nil {
		return mlops.Errorf(mlops.Invalid, "%s; name the project with --project", mlops.MessageOf(err))
	}
	fmt.Fprintf(out, "%s: %s, %s%s\n", o.Path, plural(packed.Files, "file"), size(packed.Bytes), commit(packed))
	req := mlops.PushRequest{Entry: o.Entry, Command: o.Command, Commit: packed.Commit, Dirty: packed.Dirty, Explain: o.Explain}
	var answer mlops.PushAnswer
	if err := lab.send(ctx, "/projects/"+url.PathEscape(name)+"/code?"+req.Query().Encode(), archive, packed.Bytes, &answer); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s It runs: %s\n", answer.Plan.Why, strings.Join(answer.Plan.Command, " "))
	if answer.Pushed == nil {
		fmt.Fprint(out, answer.Manifests)
		return nil
	}
	t := answer.Pushed.Training
	fmt.Fprintf(out, "training %s\n", t.Job)
	if o.Detach {
		return nil
	}
	return lab.follow(ctx, t, out)
}

// packTemporary packs a folder into a file of its own, which the caller removes.
func packTemporary(path string) (pack.Packed, *os.File, error) {
	file, err := os.CreateTemp("", "benchtop-push-*.tar.gz")
	if err != nil {
		return pack.Packed{}, nil, fmt.Errorf("make a file for the packed code: %w", err)
	}
	packed, err := pack.Folder(path, file, pack.Default)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		_ = os.Remove(file.Name())
		return packed, nil, err
	}
	return packed, file, nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func size(n int64) string {
	switch {
	case n >= 1_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}

func commit(p pack.Packed) string {
	if p.Commit == "" {
		return ""
	}
	text := ", commit " + p.Commit[:min(len(p.Commit), 12)]
	if p.Dirty {
		text += " with changes"
	}
	return text
}

// How often the lab is asked, and how long the log may take to end after its
// training has.
const (
	pause   = 400 * time.Millisecond
	logEnds = 2 * time.Second
)

// follow shows the log of a training, and then what becomes of its version.
func (l Lab) follow(ctx context.Context, t mlops.Training, out io.Writer) error {
	out = &whole{w: out}
	at := "/projects/" + url.PathEscape(t.Project) + "/pushes/" + strconv.FormatInt(t.ID, 10)
	logged := make(chan struct{})
	logs, endLog := context.WithCancel(ctx)
	go func() { defer close(logged); l.log(logs, at+"/log", out) }()
	// However this ends, nobody writes to out after it.
	defer func() { endLog(); <-logged }()
	var s mlops.PushState
	said := ""
	say := func(text string) {
		if text != said {
			said = text
			fmt.Fprintln(out, text)
		}
	}
	for trained := false; ; {
		if err := l.call(ctx, http.MethodGet, at, &s); err != nil {
			if mlops.CodeOf(err) != mlops.Unavailable { // else it is about to be back
				return err
			}
		} else if s.Training.ID != t.ID {
			return mlops.Errorf(mlops.Internal, "%s does not tell of training %d: is it a lab of this version?", l.Base, t.ID)
		}
		if s.Training.State.Terminal() && !trained {
			trained = true
			select {
			case <-logged:
			case <-time.After(logEnds):
			}
			endLog()
			<-logged
		}
		done, err := tell(s, say)
		if done || err != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			say(fmt.Sprintf("detached: the lab goes on; `benchtop logs %s` shows the rest", t.Project))
			return nil
		}
	}
}

// whole keeps what two write from mixing: each call is a line.
type whole struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *whole) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(b)
}

// tell says how far a push has come, and whether it is at its end.
func tell(s mlops.PushState, say func(string)) (done bool, err error) {
	t, r := s.Training, s.Revision
	switch {
	case t.State == mlops.TrainingFailed:
		return true, mlops.Errorf(mlops.InvalidState, "training %s failed: %s", t.Job, t.Message)
	case t.State != mlops.TrainingSucceeded:
		if why := t.Waits(); why != "" {
			say("it waits: " + why)
		}
		return false, nil
	case r == nil && s.Version == 0 && t.Message != "": // the runner has left no version, and says why
		say("trained: run " + t.RunID)
		say(t.Message)
		return true, nil
	case r == nil && s.Held != "":
		say("trained: run " + t.RunID)
		say(s.Held)
		return true, nil
	case r == nil:
		return false, nil
	}
	say(fmt.Sprintf("trained: run %s, version %d", t.RunID, r.Version))
	switch r.State {
	case mlops.RevisionLive:
		say(s.Address)
		return true, nil
	case mlops.RevisionRejected, mlops.RevisionFailed, mlops.RevisionSuperseded:
		return true, mlops.Errorf(mlops.InvalidState, "version %d is %s: %s", r.Version, r.State, r.Message)
	case mlops.RevisionWaiting:
		say(fmt.Sprintf("version %d waits for an approval: `benchtop approve %s`", r.Version, r.Deployment))
		return true, nil
	}
	if r.Message != "" {
		say(r.Message)
	}
	return false, nil
}

// log copies the log of a training until it ends. What hinders it is no error: the
// training goes on without being looked at.
func (l Lab) log(ctx context.Context, path string, out io.Writer) {
	for ctx.Err() == nil {
		resp, err := l.do(ctx, http.MethodGet, path, nil, 0)
		if err == nil && resp.StatusCode == http.StatusOK {
			lines := bufio.NewReader(resp.Body)
			for {
				line, err := lines.ReadString('\n')
				if line != "" {
					fmt.Fprintf(out, "  %s\n", strings.TrimSuffix(line, "\n"))
				}
				if err != nil {
					break
				}
			}
			_ = resp.Body.Close()
			return
		}
		if err == nil {
			_ = resp.Body.Close()
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func (l Lab) do(ctx context.Context, method, path string, body io.Reader, length int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, l.Base+path, body)
	if err != nil {
		return nil, fmt.Errorf("address of the lab: %w", err)
	}
	if body != nil {
		req.ContentLength = length
		req.Header.Set("Content-Type", "application/gzip")
	}
	if l.Token != "" {
		req.Header.Set("Authorization", "Bearer "+l.Token)
	}
	resp, err := l.HTTP.Do(req)
	if err != nil {
		var known *mlops.Error
		if errors.As(err, &known) {
			return nil, known
		}
		return nil, &mlops.Error{Code: mlops.Unavailable, Message: fmt.Sprintf("the lab at %s does not answer: %s", l.Base, reason(err)), Err: err}
	}
	return resp, nil
}

// reason leaves out what the caller says already.
func reason(err error) string {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	return err.Error()
}

func (l Lab) call(ctx context.Context, method, path string, into any) error {
	resp, err := l.do(ctx, method, path, nil, 0)
	if err != nil {
		return err
	}
	return l.read(resp, into)
}

func (l Lab) send(ctx context.Context, path string, body io.Reader, length int64, into any) error {
	// The client closes a body that it may close, and it is ours.
	resp, err := l.do(ctx, http.MethodPost, path, io.NopCloser(body), length)
	if err != nil {
		return err
	}
	return l.read(resp, into)
}

// answerLimit bounds what is read of an answer, in bytes.
const answerLimit = 4 << 20

func (l Lab) read(resp *http.Response, into any) error {
	defer resp.Body.Close() //nolint:errcheck // only read from
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return &mlops.Error{Code: mlops.Unavailable, Message: "the lab's answer broke off: " + err.Error(), Err: err}
	}
	if resp.StatusCode < 300 {
		if err := json.Unmarshal(raw, into); err != nil {
			return fmt.Errorf("the lab's answer can't be read (is %s a lab of this version?): %w", l.Base, err)
		}
		return nil
	}
	var said struct { // of the API, and of the control socket
		Code    mlops.Code `json:"error_code"`
		Short   mlops.Code `json:"code"`
		Message string     `json:"message"`
	}
	if json.Unmarshal(raw, &said) != nil || said.Message == "" {
		return mlops.Errorf(mlops.Internal, "%s answered %s: %s", l.Base, resp.Status, bytes.TrimSpace(raw[:min(len(raw), 300)]))
	}
	if said.Code == "" {
		said.Code = said.Short
	}
	return mlops.Errorf(said.Code, "%s", said.Message)
}
