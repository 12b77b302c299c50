package podlogs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// cluster has pods and their logs.
type cluster struct {
	mu     sync.Mutex
	pods   []mlops.Pod
	said   map[string][]string // by pod, "pod/previous" for the container before
	err    error
	opened []mlops.PodLogQuery
}

func (c *cluster) Pods(context.Context) ([]mlops.Pod, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.pods), c.err
}

func line(second float64, text string) string {
	return begin.Add(time.Duration(second*float64(time.Second))).Format(time.RFC3339Nano) + " " + text
}

// PodLog follows until the pod has no log any more.
func (c *cluster) PodLog(ctx context.Context, q mlops.PodLogQuery) (io.ReadCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = append(c.opened, q)
	name := q.Pod
	if q.Previous {
		name += "/previous"
	}
	if _, ok := c.said[name]; !ok {
		return nil, errors.New("no log")
	}
	lines := slices.Clone(c.said[name])
	if !q.Since.IsZero() {
		// As Kubernetes does it: by whole seconds.
		lines = slices.DeleteFunc(lines, func(l string) bool { return l[:19] < q.Since.UTC().Format("2006-01-02T15:04:05") })
	}
	if !q.Follow {
		lines = lines[max(0, len(lines)-q.Tail):]
		return io.NopCloser(strings.NewReader(strings.Join(lines, "\n") + "\n")), nil
	}
	r, w := io.Pipe()
	go func() {
		sent := 0
		for ctx.Err() == nil {
			for _, l := range lines[sent:] {
				if _, err := fmt.Fprintln(w, l); err != nil {
					return
				}
				sent++
			}
			time.Sleep(100 * time.Millisecond)
			c.mu.Lock()
			all, ok := c.said[q.Pod]
			lines = append(lines[:sent:sent], all[min(len(all), sent):]...)
			c.mu.Unlock()
			if !ok {
				break
			}
		}
		_ = w.Close()
	}()
	return r, nil
}

func texts(lines []mlops.LogLine) (out []string) {
	for _, l := range lines {
		text := mlops.ShortPod(l.Pod) + " " + l.Text
		if l.Ended {
			text = mlops.ShortPod(l.Pod) + " (ended) " + l.Text
		}
		out = append(out, text)
	}
	return out
}

func expect(t *testing.T, got []mlops.LogLine, want ...string) {
	t.Helper()
	if !slices.Equal(texts(got), want) {
		t.Errorf("the log is\n%s\nwant\n%s", strings.Join(texts(got), "\n"), strings.Join(want, "\n"))
	}
}

func TestOneLogOfSeveralPods(t *testing.T) {
	c := &cluster{
		pods: []mlops.Pod{{Name: "iris-a", Phase: "Running"}, {Name: "iris-b", Phase: "Running", Restarts: 2}, {Name: "iris-c", Phase: "Pending"}, {Name: "iris-d", Phase: "Running"}},
		said: map[string][]string{
			"iris-a":          {line(1, "one"), line(4.5, "four")},
			"iris-b/previous": {line(0, "zero"), line(2, "two")},
			"iris-b":          {line(3, "three"), line(5, strings.Repeat("x", 2*maxLine))},
		},
	}
	var got []mlops.LogLine
	if err := Merge(t.Context(), c, Options{Tail: 2}, func(l []mlops.LogLine) error { got = append(got, l...); return nil }); err != nil {
		t.Fatal(err)
	}
	// The last two lines of each.
	const stamp = len("2026-11-21T12:00:05Z ")
	expect(t, got, "b (ended) zero", "a one", "b (ended) two", "b three", "a four", "b "+strings.Repeat("x", maxLine-stamp)+" … (cut)")
}

func TestContainerThatWaitsToStartAgain(t *testing.T) {
	crashed := []string{line(1, "boom")}
	c := &cluster{pods: []mlops.Pod{{Name: "iris-a", Phase: "Running", Restarts: 1}}, said: map[string][]string{"iris-a": crashed, "iris-a/previous": crashed}}
	var got []mlops.LogLine
	if err := Merge(t.Context(), c, Options{Tail: 10}, func(l []mlops.LogLine) error { got = l; return nil }); err != nil {
		t.Fatal(err)
	}
	expect(t, got, "a (ended) boom")
}

// The kubelet answers with a line of its own if a container was removed a moment ago.
func TestWhatTheKubeletSaysIsNoLog(t *testing.T) {
	c := &cluster{pods: []mlops.Pod{{Name: "iris-a", Phase: "Running", Restarts: 2}}, said: map[string][]string{
		"iris-a":          {line(1, "boom")},
		"iris-a/previous": {`failed to try resolving symlinks in path "/var/log/pods/iris_iris-a/server/0.log": no such file or directory`},
	}}
	var got []mlops.LogLine
	if err := Merge(t.Context(), c, Options{Tail: 10}, func(l []mlops.LogLine) error { got = l; return nil }); err != nil {
		t.Fatal(err)
	}
	expect(t, got, "a boom")
}

func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	if err := Merge(t.Context(), &cluster{err: broken}, Options{}, nil); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	c := &cluster{pods: []mlops.Pod{{Name: "a", Phase: "Running"}}, said: map[string][]string{"a": {line(1, "one")}}}
	if err := Merge(t.Context(), c, Options{Tail: 1, Follow: true}, func([]mlops.LogLine) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestFollowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{pods: []mlops.Pod{{Name: "iris-a", Phase: "Running"}}, said: map[string][]string{"iris-a": {line(1.2, "one")}}}
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var got []mlops.LogLine
		done := make(chan error, 1)
		go func() {
			done <- Merge(ctx, c, Options{Tail: 10, Follow: true}, func(l []mlops.LogLine) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, l...)
				return nil
			})
		}()
		time.Sleep(time.Second)
		c.mu.Lock()
		// A new pod, whose line is older than the newest of the other.
		c.pods = append(c.pods, mlops.Pod{Name: "iris-b", Phase: "Running"})
		c.said["iris-b"] = []string{line(2, "two")}
		c.said["iris-a"] = append(c.said["iris-a"], line(1.4, "one and a bit"))
		c.mu.Unlock()
		time.Sleep(5 * time.Second)
		c.mu.Lock()
		c.said["iris-b"] = append(c.said["iris-b"], line(4, "four"))
		c.said["iris-a"] = append(c.said["iris-a"], line(3, "three"))
		c.mu.Unlock()
		time.Sleep(time.Second)
		mu.Lock()
		expect(t, got, "a one", "a one and a bit", "b two", "a three", "b four")
		mu.Unlock()

		c.mu.Lock()
		delete(c.said, "iris-a") // its container ends, and another one begins
		c.mu.Unlock()
		time.Sleep(time.Second)
		c.mu.Lock()
		c.said["iris-a"] = []string{line(6, "again")}
		c.mu.Unlock()
		time.Sleep(5 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		expect(t, got[5:], "a again")
	})
}

func TestOnlyWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{pods: []mlops.Pod{{Name: "iris-a", Phase: "Running"}}, said: map[string][]string{"iris-a": {"1999-01-01T00:00:00Z old"}}} // the clock is that of the bubble
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := Merge(ctx, c, Options{Follow: true}, func(l []mlops.LogLine) error { t.Errorf("it says %v", l); return nil }); err != nil {
			t.Error(err)
		}
	})
}
