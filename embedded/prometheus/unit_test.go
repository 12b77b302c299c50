package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

var _ supervise.Unit = (*Unit)(nil)

// running is a unit that runs for a test.
type running struct {
	*Unit
	stop func()
	log  *supervise.Lines
}

// run starts a unit and waits until it is ready. It stops with the test, or
// earlier by stop.
func run(t *testing.T, cfg Config) running {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.ScrapeInterval == 0 {
		cfg.ScrapeInterval = time.Second
	}
	u, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return runUnit(t, u)
}

func runUnit(t *testing.T, u *Unit) running {
	t.Helper()
	log := supervise.NewLines(1000)
	h, ready := supervise.NewHandle(log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx, h) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("Run returned %v before it was ready", err)
	case <-time.After(time.Minute):
		t.Fatal("not ready after a minute")
	}
	var stopped atomic.Bool
	stop := func() {
		if !stopped.CompareAndSwap(false, true) {
			return
		}
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("does not stop")
		}
	}
	t.Cleanup(stop)
	return running{Unit: u, stop: stop, log: log}
}

// eventually repeats f until it returns "", and fails with its last answer.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		msg := f()
		if msg == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(msg)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// value1 returns the value of the only series of expr, or why there is none.
func value1(u *Unit, expr string) (float64, string) {
	got, err := u.Query(context.Background(), expr, time.Time{})
	if err != nil {
		return 0, err.Error()
	}
	if len(got) != 1 {
		return 0, fmt.Sprintf("%s has %d series, want 1: %v", expr, len(got), got)
	}
	return got[0].Value, ""
}

// becomes waits until the only series of expr has the value want.
func becomes(t *testing.T, u *Unit, expr string, want float64) {
	t.Helper()
	eventually(t, func() string {
		v, msg := value1(u, expr)
		if msg == "" && v != want {
			msg = fmt.Sprintf("%s is %v, want %v", expr, v, want)
		}
		return msg
	})
}

// page serves exposition text and returns its host:port.
func page(t *testing.T, text func() string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte(text()))
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func TestScrapesAndAnswers(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	addr := page(t, func() string { return fmt.Sprintf("# TYPE things_total counter\nthings_total %d\n", n.Add(1)) })
	u := run(t, Config{Targets: []Target{{Job: "things", Address: addr, Labels: map[string]string{"room": "7"}}}})
	begin := time.Now()
	becomes(t, u.Unit, `up{job="things",room="7"}`, 1)
	t.Logf("first sample after %s", time.Since(begin))
	eventually(t, func() string {
		s, err := u.QueryRange(context.Background(), "things_total", begin, time.Now(), time.Second)
		if err != nil {
			return err.Error()
		}
		if len(s) != 1 || len(s[0].Points) < 3 {
			return fmt.Sprintf("range of things_total: %v", s)
		}
		if s[0].Labels["__name__"] != "things_total" || s[0].Labels["room"] != "7" {
			return fmt.Sprintf("labels %v", s[0].Labels)
		}
		if p := s[0].Points; p[len(p)-1].V <= p[0].V {
			return fmt.Sprintf("points do not grow: %v", p)
		}
		return ""
	})
	got, err := u.Query(context.Background(), "1 + 1", time.Unix(1000, 0))
	if err != nil || len(got) != 1 || got[0].Value != 2 || got[0].Time.Unix() != 1000 {
		t.Errorf("scalar query: %v, %v", got, err)
	}
}

func TestSetTargetWhileRunning(t *testing.T) {
	t.Parallel()
	a := page(t, func() string { return "thing 1\n" })
	b := page(t, func() string { return "thing 2\n" })
	u := run(t, Config{})
	if err := u.SetTarget(Target{Job: "moving", Address: a}); err != nil {
		t.Fatal(err)
	}
	becomes(t, u.Unit, `thing{job="moving"}`, 1)
	if err := u.SetTarget(Target{Job: "moving", Address: b}); err != nil {
		t.Fatal(err)
	}
	becomes(t, u.Unit, `thing{job="moving"}`, 2) // the old series is stale, one is left
}

func TestSelfIsScrapedInMemory(t *testing.T) {
	t.Parallel()
	self := NewSelf(func() []supervise.Status {
		return []supervise.Status{{Name: "minio", State: supervise.Ready, Restarts: 2, Took: 1500 * time.Millisecond}, {Name: "k3s", State: supervise.Failed}}
	}, func() (mlops.MachineSample, error) { return mlops.MachineSample{}, errors.New("/proc is not there") }, func() (int, error) { return 0, errors.New("Kubernetes is not there") })
	u := run(t, Config{Self: self})
	becomes(t, u.Unit, `benchtop_unit_state{unit="minio",state="ready"}`, 1)
	becomes(t, u.Unit, `benchtop_unit_state{unit="minio",state="failed"}`, 0)
	becomes(t, u.Unit, `benchtop_unit_restarts_total{unit="minio"}`, 2)
	becomes(t, u.Unit, `benchtop_unit_start_seconds{unit="minio"}`, 1.5)
	becomes(t, u.Unit, `up{job="benchtop",instance="benchtop"}`, 1)
	becomes(t, u.Unit, `count(process_resident_memory_bytes{job="benchtop"} > 1e6)`, 1)
	becomes(t, u.Unit, `count(prometheus_tsdb_head_series > 100)`, 1)
	// Rules see it: the failed unit raises an alert, on the page and in the log.
	becomes(t, u.Unit, `ALERTS{alertname="UnitFailed",unit="k3s",alertstate="firing",severity="critical"}`, 1)
	eventually(t, func() string {
		for _, l := range u.log.Last(1000) {
			if strings.Contains(l.Text, "k3s has failed") {
				return ""
			}
		}
		return "the log does not tell of the alert"
	})
}

func TestStopLeavesNoLockAndRestartFindsSamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addr := page(t, func() string { return "kept 42\n" })
	target := Target{Job: "things", Address: addr}
	u := run(t, Config{Dir: dir, Targets: []Target{target}})
	becomes(t, u.Unit, "kept", 42)
	at := time.Now()
	u.stop()
	t.Logf("stop took %s", time.Since(at))
	if _, err := os.Stat(filepath.Join(dir, "lock")); !os.IsNotExist(err) {
		t.Errorf("the lock file is still there: %v", err)
	}
	// The same unit runs again, as after a failure.
	again := runUnit(t, u.Unit)
	got, err := again.Query(context.Background(), "kept", at)
	if err != nil || len(got) != 1 || got[0].Value != 42 {
		t.Errorf("after a restart: %v, %v", got, err)
	}
	becomes(t, again.Unit, `up{job="things"}`, 1)
}

func TestSecondInstanceOnOneFolder(t *testing.T) {
	t.Parallel()
	u := run(t, Config{})
	other, err := New(Config{Dir: u.cfg.Dir, ScrapeInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	h, _ := supervise.NewHandle(supervise.NewLines(10))
	err = other.Run(context.Background(), h)
	if want := u.cfg.Dir + " is in use by another process"; mlops.CodeOf(err) != mlops.Unavailable || !strings.Contains(mlops.MessageOf(err), want) {
		t.Errorf("second instance: %v, want %q", err, want)
	}
}

func TestGathererMayFail(t *testing.T) {
	t.Parallel()
	r := client.NewRegistry()
	r.MustRegister(client.NewGaugeFunc(client.GaugeOpts{Name: "fine"}, func() float64 { return 3 }))
	r.MustRegister(brokenCollector{})
	u := run(t, Config{Self: r})
	becomes(t, u.Unit, "fine", 3) // the collectors that work are still served
}

// brokenCollector fails each time it is asked.
type brokenCollector struct{}

func (brokenCollector) Describe(ch chan<- *client.Desc) {
	client.DescribeByCollect(brokenCollector{}, ch)
}
func (brokenCollector) Collect(ch chan<- client.Metric) {
	ch <- client.NewInvalidMetric(client.NewDesc("broken", "Fails.", nil, nil), errors.New("broken on purpose"))
}
