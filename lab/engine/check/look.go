package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// World is what sources are read from, for one room.
type World struct {
	Objects func(ctx context.Context, q mlops.LabObjects) (any, error)
	Call    func(ctx context.Context, method, path string, body []byte) (status int, answer any, err error)
	Listed  func(ctx context.Context, bucket, prefix string) (objects []mlops.ObjectInfo, there bool, err error)
	Query   func(ctx context.Context, promql string, at time.Time) ([]mlops.Sample, error)
	Script  func(ctx context.Context, text string, timeout time.Duration) (mlops.LabOutput, error)
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Now     func() time.Time
}

// Look is one look at a room. Checks that are judged by the same look see the
// same: what several of them ask word for word is asked once.
type Look struct {
	world World
	env   map[string]string
	now   time.Time
	ctx   context.Context
	end   context.CancelFunc

	mu      sync.Mutex
	answers map[string]*answer
	running sync.WaitGroup
	scripts chan struct{} // holds one for each script that runs
}

// scriptsAtOnce is how many scripts of a look run beside each other. Each takes half
// a second of CPU, mostly to start kubectl. All of a lab's at once would share a
// small machine until none of them is done in its time.
const scriptsAtOnce = 2

type answer struct {
	done  chan struct{}
	value any
	err   error
}

// NewLook begins a look. Env has what ${NAME} stands for. Close ends it.
func NewLook(ctx context.Context, w World, env map[string]string) *Look {
	l := &Look{world: w, env: env, now: w.Now(), answers: map[string]*answer{}, scripts: make(chan struct{}, scriptsAtOnce)}
	l.ctx, l.end = context.WithCancel(ctx)
	return l
}

// Close ends what is still being asked and waits for it.
func (l *Look) Close() {
	l.end()
	l.running.Wait()
}

// Judge says whether a check holds. It may be called by several at once.
func (l *Look) Judge(c *Check) Verdict {
	v := c.judge(l.ctx, l)
	v.At = l.world.Now()
	return v
}

// ask asks a source, once for each look.
func (l *Look) ask(s Source) *answer {
	s = s.expanded(l.env)
	key := s.key()
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, ok := l.answers[key]; ok {
		return a
	}
	a := &answer{done: make(chan struct{})}
	l.answers[key] = a
	l.running.Go(func() {
		defer close(a.done)
		if s.Script != nil {
			select {
			case l.scripts <- struct{}{}:
				defer func() { <-l.scripts }()
			case <-l.ctx.Done():
				a.err = context.Cause(l.ctx)
				return
			}
		}
		ctx, cancel := context.WithTimeoutCause(l.ctx, s.timeout(), ErrLate)
		defer cancel()
		a.value, a.err = l.world.read(ctx, s)
		if a.err != nil && errors.Is(context.Cause(ctx), ErrLate) {
			a.err = fmt.Errorf("%w (%s)", ErrLate, s.timeout())
		}
	})
	return a
}

// read asks a source.
func (w World) read(ctx context.Context, s Source) (any, error) {
	switch {
	case s.Object != nil:
		v, err := w.Objects(ctx, s.Object.query())
		return Normal(v), err
	case s.Objects != nil:
		v, err := w.Objects(ctx, s.Objects.query())
		if list, ok := v.([]any); err == nil && !ok || list == nil {
			v = []any{}
		}
		return Normal(v), err
	case s.HTTP != nil:
		return w.fetch(ctx, *s.HTTP)
	case s.API != nil:
		return w.call(ctx, *s.API)
	case s.S3 != nil:
		return w.listed(ctx, *s.S3)
	case s.Script != nil:
		return w.run(ctx, *s.Script)
	}
	samples, err := w.Query(ctx, s.PromQL, w.Now())
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(samples))
	for _, sample := range samples {
		labels := make(map[string]any, len(sample.Labels))
		for name, value := range sample.Labels {
			labels[name] = value
		}
		out = append(out, map[string]any{"labels": labels, "value": sample.Value})
	}
	return out, nil
}

func (w World) call(ctx context.Context, a API) (any, error) {
	method, body := http.MethodGet, []byte(nil)
	if a.Body != "" {
		method, body = http.MethodPost, []byte(a.Body)
	}
	status, answer, err := w.Call(ctx, method, a.Path, body)
	if err != nil {
		return nil, err
	}
	if status >= 500 || status == http.StatusUnauthorized {
		return nil, fmt.Errorf("%s %s answered %d", method, a.Path, status)
	}
	return map[string]any{"status": int64(status), "json": Normal(answer)}, nil
}

func (w World) listed(ctx context.Context, s S3) (any, error) {
	objects, there, err := w.Listed(ctx, s.Bucket, s.Prefix)
	if err != nil {
		return nil, err
	}
	list := make([]any, 0, len(objects))
	for _, o := range objects {
		list = append(list, map[string]any{"key": o.Key, "size": o.Bytes, "etag": o.ETag, "modified": o.ModifiedAt.UTC().Format(time.RFC3339)})
	}
	return map[string]any{"there": there, "objects": list}, nil
}

func (w World) run(ctx context.Context, s Script) (any, error) {
	out, err := w.Script(ctx, s.Text, s.Timeout)
	if err != nil {
		return nil, err
	}
	return map[string]any{"code": int64(out.Code), "out": out.Stdout, "err": out.Stderr, "json": decoded([]byte(out.Stdout))}, nil
}

// fetch makes a request. That there is no answer is an answer.
func (w World) fetch(ctx context.Context, h HTTP) (any, error) {
	out := map[string]any{"status": int64(0), "body": "", "json": nil, "error": "", "ms": 0.0, "headers": map[string]any{}}
	began := w.Now()
	req, err := http.NewRequestWithContext(ctx, h.Method, h.URL, strings.NewReader(h.Body))
	if err != nil {
		return nil, err // the URL is the author's
	}
	for name, value := range h.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	t := &http.Transport{DialContext: w.Dial, DisableKeepAlives: true, DisableCompression: true}
	defer t.CloseIdleConnections()
	client := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err == nil {
		defer resp.Body.Close()
		var body []byte
		body, err = io.ReadAll(io.LimitReader(resp.Body, int64(maxBody)))
		headers := map[string]any{}
		for name, values := range resp.Header {
			headers[strings.ToLower(name)] = values[0]
		}
		out["status"], out["body"], out["json"], out["headers"] = int64(resp.StatusCode), strings.ToValidUTF8(string(body), "\uFFFD"), decoded(body), headers
	}
	if err != nil {
		if parent := context.Cause(ctx); parent != nil && !errors.Is(parent, ErrLate) {
			return nil, parent // nobody wants to know any more
		}
		// What our side of the way can't do is no answer either.
		var ours *mlops.Error
		if errors.As(err, &ours) {
			return nil, ours
		}
		out["error"] = reason(ctx, err, h.Timeout)
	}
	out["ms"] = float64(w.Now().Sub(began).Microseconds()) / 1000
	return out, nil
}

// reason says in few words why there was no answer.
func reason(ctx context.Context, err error, timeout time.Duration) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(context.Cause(ctx), ErrLate):
		return fmt.Sprintf("no answer within %s", timeout)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s is not known", dns.Name)
	case errors.As(err, &op):
		return strings.TrimPrefix(op.Err.Error(), "connect: ")
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// decoded is JSON, or nil.
func decoded(b []byte) any {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return nil
	}
	return Normal(v)
}
