package appliance

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const someLog = `time=2026-01-02T03:04:05.000Z level=INFO msg="all units are ready"
minio: time=2026-01-02T03:04:05.000Z level=INFO msg=one
registry: time=2026-01-02T03:04:05.000Z level=INFO msg=two
time="2026-01-02T03:04:06Z" level=info msg="Running kube-apiserver: --x"
I0102 03:04:07.000000       1 controller.go:1] kubernetes: says something
minio: time=2026-01-02T03:04:08.000Z level=INFO msg=three
k3s: time=2026-01-02T03:04:09.000Z level=INFO msg="node prepared"
minio: partial`

func TestUnitLogs(t *testing.T) {
	p := newPaths(t)
	write(t, p.LogFile(), someLog)
	line := strings.SplitAfter(someLog, "\n")
	for _, c := range []struct {
		unit string
		tail int
		want string
	}{
		{"", 100, strings.Join(line[:7], "")},
		{"", 2, line[5] + line[6]},
		{"minio", 100, line[1] + line[5]},
		{"minio", 1, line[5]},
		{"minio", 0, ""},
		{"minio", -1, ""},
		{"registry", 100, line[2]},
		// Kubernetes' and K3s' own forms belong to the unit that runs them.
		{"k3s", 100, line[3] + line[4] + line[6]},
		{"loop", 100, ""},
	} {
		var out bytes.Buffer
		if err := UnitLogs(t.Context(), p.Data, c.unit, false, c.tail, &out); err != nil || out.String() != c.want {
			t.Errorf("the last %d of %q are\n%s(%v)\nexpected\n%s", c.tail, c.unit, out.String(), err, c.want)
		}
	}
}

func TestUnitLogsErrors(t *testing.T) {
	dir := t.TempDir()
	err := UnitLogs(t.Context(), dir, "", false, 1, &bytes.Buffer{})
	if mlops.CodeOf(err) != mlops.NotFound || mlops.MessageOf(err) != "there is no log in "+dir+": benchtop has not run with this data dir" {
		t.Errorf("error %v", err)
	}
	p := newPaths(t)
	write(t, p.LogFile(), "x\n")
	if err := UnitLogs(t.Context(), p.Data, "", false, 1, brokenPipe{}); err == nil || err.Error() != "print log: broken pipe" {
		t.Errorf("error %v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// output is what a follower has printed so far.
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

func (o *output) waitFor(t *testing.T, want string) {
	t.Helper()
	for range 500 {
		if o.String() == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it printed\n%s\nexpected\n%s", o.String(), want)
}

func TestUnitLogsFollow(t *testing.T) {
	p := newPaths(t)
	write(t, p.LogFile(), "minio: old\nloop: other\nminio: star")
	ctx, cancel := context.WithCancel(t.Context())
	var out output
	done := make(chan error, 1)
	go func() { done <- UnitLogs(ctx, p.Data, "minio", true, 10, &out) }()
	out.waitFor(t, "minio: old\n")
	appendTo := func(file, text string) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	appendTo(p.LogFile(), "ted\nregistry: no\n")
	out.waitFor(t, "minio: old\nminio: started\n")
	// The log is rotated right after a line was written to the old file.
	appendTo(p.LogFile(), "minio: last of the old\n")
	if err := os.Rename(p.LogFile(), p.LogFile()+".1"); err != nil {
		t.Fatal(err)
	}
	appendTo(p.LogFile(), "minio: first of the new\n")
	out.waitFor(t, "minio: old\nminio: started\nminio: last of the old\nminio: first of the new\n")
	appendTo(p.LogFile(), "minio: more\n")
	out.waitFor(t, "minio: old\nminio: started\nminio: last of the old\nminio: first of the new\nminio: more\n")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
