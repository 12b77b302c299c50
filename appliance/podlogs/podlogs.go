// Package podlogs merges the logs of several pods by time. It includes the last
// words of each pod's previous container, and can follow new lines. It keeps
// only the last lines of each pod in memory.
package podlogs

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// MaxTail bounds how many lines of each container a log begins with.
const MaxTail = 2000

const (
	maxPods = 50       // the newest count
	maxLine = 16 << 10 // bytes; the rest of a line is cut
	readers = 8        // logs that are read at the same time
)

// Source is where the logs come from.
type Source interface {
	// Pods lists the pods, which change while a log is followed.
	Pods(ctx context.Context) ([]mlops.Pod, error)
	// PodLog opens a pod's log, with the time before each line as RFC 3339
	// has it.
	PodLog(ctx context.Context, q mlops.PodLogQuery) (io.ReadCloser, error)
}

// Options say what a log has.
type Options struct {
	Tail   int  // lines of each container to begin with, at most MaxTail
	Follow bool // go on with new lines until the context ends

	// Look is the pause between two looks for new pods, Window how long lines
	// are collected before they are sorted; 3 s and 250 ms if zero.
	Look, Window time.Duration
}

// Merge calls emit with lines, oldest first. It ends with emit's first error,
// or when there is no more to say. The end of ctx is no error. A pod whose log
// cannot be read is none either: it has not started, or has just gone.
func Merge(ctx context.Context, src Source, o Options, emit func([]mlops.LogLine) error) error {
	o.Tail = min(max(o.Tail, 0), MaxTail)
	o.Look, o.Window = cmp.Or(o.Look, 3*time.Second), cmp.Or(o.Window, 250*time.Millisecond)
	pods, err := newest(ctx, src)
	if err != nil {
		return err
	}
	lines, last := history(ctx, src, pods, o.Tail)
	if len(lines) > 0 {
		if err := emit(lines); err != nil {
			return err
		}
	}
	if !o.Follow {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	f := follower{src: src, lines: make(chan mlops.LogLine, 256), ended: make(chan string, maxPods), last: last, busy: map[string]bool{}}
	// No goroutine writes to the channels after Merge has returned.
	defer f.wait.Wait()
	defer cancel()
	return f.run(ctx, pods, o, emit)
}

func newest(ctx context.Context, src Source) ([]mlops.Pod, error) {
	pods, err := src.Pods(ctx)
	if err != nil {
		return nil, err
	}
	pods = slices.DeleteFunc(slices.Clone(pods), func(p mlops.Pod) bool { return p.Phase == "Pending" && p.Restarts == 0 && p.LastExit == nil })
	slices.SortStableFunc(pods, func(a, b mlops.Pod) int { return b.StartedAt.Compare(a.StartedAt) })
	return pods[:min(len(pods), maxPods)], nil
}

// history reads the pods' logs so far. last says up to when each was read.
func history(ctx context.Context, src Source, pods []mlops.Pod, tail int) (all []mlops.LogLine, last map[string]time.Time) {
	last = map[string]time.Time{}
	if tail == 0 {
		for _, p := range pods {
			last[p.Name] = time.Now()
		}
		return nil, last
	}
	var queries []mlops.PodLogQuery
	for _, p := range pods {
		if p.Restarts > 0 {
			queries = append(queries, mlops.PodLogQuery{Namespace: p.Namespace, Pod: p.Name, Tail: tail, Previous: true})
		}
		queries = append(queries, mlops.PodLogQuery{Namespace: p.Namespace, Pod: p.Name, Tail: tail})
	}
	found := make([][]mlops.LogLine, len(queries))
	var wait sync.WaitGroup
	turn := make(chan struct{}, readers)
	for i, q := range queries {
		turn <- struct{}{}
		wait.Go(func() {
			defer func() { <-turn }()
			log, err := src.PodLog(ctx, q)
			if err != nil {
				return
			}
			defer log.Close() //nolint:errcheck // only read from
			_ = eachLine(log, func(l mlops.LogLine) error {
				l.Pod, l.Ended = q.Pod, q.Previous
				found[i] = append(found[i], l)
				return nil
			})
		})
	}
	wait.Wait()
	for i, lines := range found {
		if n := len(lines); n > 0 && !queries[i].Previous {
			last[queries[i].Pod] = lines[n-1].Time
		}
		// While a container waits for its restart, Kubernetes still returns the
		// log of the one that has ended.
		if i > 0 && queries[i-1].Previous && len(lines) > 0 && len(found[i-1]) > 0 && !lines[0].Time.After(found[i-1][len(found[i-1])-1].Time) {
			lines = slices.DeleteFunc(lines, func(l mlops.LogLine) bool { return !l.Time.After(found[i-1][len(found[i-1])-1].Time) })
		}
		all = append(all, lines...)
	}
	sortLines(all)
	return all, last
}

func sortLines(lines []mlops.LogLine) {
	slices.SortStableFunc(lines, func(a, b mlops.LogLine) int { return a.Time.Compare(b.Time) })
}

// follower follows the logs of pods that come and go.
type follower struct {
	src   Source
	lines chan mlops.LogLine
	ended chan string // names of pods whose log has ended
	wait  sync.WaitGroup

	mu   sync.Mutex
	last map[string]time.Time // until when each pod's log has been read
	busy map[string]bool      // is being followed
}

func (f *follower) run(ctx context.Context, pods []mlops.Pod, o Options, emit func([]mlops.LogLine) error) error {
	look := time.NewTicker(o.Look)
	defer look.Stop()
	window := time.NewTimer(time.Hour)
	window.Stop()
	var batch []mlops.LogLine
	f.start(ctx, pods)
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-f.lines:
			if len(batch) == 0 {
				window.Reset(o.Window)
			}
			if batch = append(batch, l); len(batch) < cap(f.lines) {
				continue
			}
		case <-window.C:
		case name := <-f.ended:
			delete(f.busy, name)
			continue
		case <-look.C:
			if pods, err := newest(ctx, f.src); err == nil {
				f.start(ctx, pods)
			}
			continue
		}
		if len(batch) == 0 {
			continue
		}
		sortLines(batch)
		if err := emit(batch); err != nil {
			return err
		}
		batch = nil // emit may have kept it
	}
}

// start follows the pods that are not followed yet. It reads the log of an
// ended pod to its end once. The next container of a pod is followed from where
// the last one ended.
func (f *follower) start(ctx context.Context, pods []mlops.Pod) {
	for _, p := range pods {
		_, known := f.until(p.Name)
		if f.busy[p.Name] || known && p.Phase != "Running" && p.Phase != "Pending" {
			continue
		}
		f.busy[p.Name] = true
		f.wait.Go(func() {
			f.follow(ctx, p)
			select {
			case f.ended <- p.Name:
			case <-ctx.Done():
			}
		})
	}
}

func (f *follower) until(pod string) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, known := f.last[pod]
	return t, known
}

func (f *follower) follow(ctx context.Context, p mlops.Pod) {
	since, _ := f.until(p.Name)
	log, err := f.src.PodLog(ctx, mlops.PodLogQuery{Namespace: p.Namespace, Pod: p.Name, Follow: true, Since: since})
	if err != nil {
		return
	}
	defer log.Close() //nolint:errcheck // only read from
	_ = eachLine(log, func(l mlops.LogLine) error {
		if !l.Time.After(since) {
			return nil // Kubernetes counts in whole seconds
		}
		l.Pod = p.Name
		select {
		case f.lines <- l:
		case <-ctx.Done():
			return ctx.Err()
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.last[p.Name] = l.Time
		return nil
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.last[p.Name]; !known {
		f.last[p.Name] = since
	}
}

// eachLine reads lines of the form TIME TEXT. A line without a time is none of the
// log: by it the kubelet says that it cannot read the log, because a container has
// just been removed for example, and answers 200 all the same.
func eachLine(r io.Reader, f func(mlops.LogLine) error) error {
	in := bufio.NewReaderSize(r, 4<<10)
	for {
		line, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		stamp, text, _ := strings.Cut(line, " ")
		if at, perr := time.Parse(time.RFC3339Nano, stamp); perr == nil {
			if ferr := f(mlops.LogLine{Time: at, Text: text}); ferr != nil {
				return ferr
			}
		}
		if err != nil {
			return nil
		}
	}
}

// readLine reads a line without its end, and cuts one that is too long.
func readLine(in *bufio.Reader) (string, error) {
	var line []byte
	cut := false
	for {
		part, err := in.ReadSlice('\n')
		if room := maxLine - len(line); len(part) > room {
			part, cut = part[:room], true
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		text := strings.TrimRight(string(line), "\r\n")
		if cut {
			text += " … (cut)"
		}
		return text, err
	}
}
