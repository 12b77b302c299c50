//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	miniogo "github.com/minio/minio-go/v7"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// undisturbed ends traffic and checks that no request failed.
func undisturbed(t *testing.T, traffic *drive.Traffic) {
	t.Helper()
	r := traffic.Stop()
	if r.Answered == 0 || len(r.Failures) > 0 {
		t.Errorf("%d requests answered, %d failed: %s", r.Answered, len(r.Failures), strings.Join(r.Failures[:min(5, len(r.Failures))], "\n"))
	}
	t.Logf("%d requests answered, longest gap %s", r.Answered, r.Gap.Round(time.Millisecond))
}

// longLived identifies the containers that must survive, with the number of
// their restarts.
func (s *story) longLived(t *testing.T) string {
	t.Helper()
	return s.benchtop(t, "kubectl", "get", "pods", "-A", "--field-selector=status.phase=Running", "--sort-by=.metadata.name",
		"-o", `jsonpath={range .items[?(@.spec.restartPolicy=="Always")]}{.metadata.uid} {.metadata.name} {.status.containerStatuses[*].restartCount} {.status.containerStatuses[*].containerID}{"\n"}{end}`)
}

func (s *story) restart(t *testing.T) {
	before := s.longLived(t)
	traffic := s.StartTraffic(s.said.Try, 3, 20*time.Millisecond)
	stopping := time.Now()
	if err := s.up.Terminate(); err != nil {
		t.Fatal(err)
	}
	code, err := s.up.Wait(patience)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(stopping); code != 0 || took > time.Minute {
		t.Errorf("SIGTERM: exit code %d after %.1f s, want 0 within a minute", code, took.Seconds())
	}
	time.Sleep(2 * time.Second) // the pods are on their own, and serve
	took := s.start(t)
	t.Logf("ready again after %.1f s", took.Seconds())
	if _, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Error(err)
	}
	undisturbed(t, traffic)
	if after := s.longLived(t); after != before {
		t.Errorf("the pods were not taken over.\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

// written is what the appliance acknowledged before it was killed.
type written struct {
	mu      sync.Mutex
	runs    []string
	metrics int
	objects []string
}

func (s *story) killed(t *testing.T) {
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store, err := s.ObjectStore(admin.S3.Access, admin.S3.Secret)
	if err != nil {
		t.Fatal(err)
	}
	var experiment struct {
		ID string `json:"experiment_id"`
	}
	if err := admin.MLflow(t.Context(), http.MethodPost, "experiments/create", map[string]any{"name": "killed"}, &experiment); err != nil {
		t.Fatal(err)
	}
	newRun := func(ctx context.Context, name string) (string, error) {
		var r struct {
			Run run `json:"run"`
		}
		err := admin.MLflow(ctx, http.MethodPost, "runs/create", map[string]any{"experiment_id": experiment.ID, "run_name": name, "start_time": time.Now().UnixMilli()}, &r)
		return r.Run.Info.RunID, err
	}
	measured, err := newRun(t.Context(), "measured")
	if err != nil {
		t.Fatal(err)
	}
	before := s.longLived(t)
	traffic := s.StartTraffic(s.said.Try, 3, 20*time.Millisecond)

	var w written
	var writers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	// A writer goes on until its first failure: that is the kill.
	write := func(step func(n int) error) {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil && step(n) == nil; n++ {
			}
		})
	}
	write(func(n int) error {
		id, err := newRun(ctx, fmt.Sprint("run ", n))
		if err == nil {
			w.mu.Lock()
			w.runs = append(w.runs, id)
			w.mu.Unlock()
		}
		return err
	})
	write(func(n int) error {
		err := admin.MLflow(ctx, http.MethodPost, "runs/log-metric", map[string]any{"run_id": measured, "key": "n", "value": n, "timestamp": 1 + n, "step": n}, nil)
		if err == nil {
			w.mu.Lock()
			w.metrics = n + 1
			w.mu.Unlock()
		}
		return err
	})
	for writer := range 2 {
		write(func(n int) error {
			key := fmt.Sprintf("killed/%d/%d", writer, n)
			_, err := store.PutObject(ctx, "mlflow", key, strings.NewReader("content of "+key), -1, miniogo.PutObjectOptions{PartSize: 5 << 20})
			if err == nil {
				w.mu.Lock()
				w.objects = append(w.objects, key)
				w.mu.Unlock()
			}
			return err
		})
	}
	time.Sleep(4 * time.Second)
	if err := s.up.Kill(); err != nil {
		t.Fatal(err)
	}
	stop()
	writers.Wait()
	s.everyMinute(t)
	took := s.start(t)
	// How long it takes is the bench's to judge: another story runs beside this one.
	if status, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Errorf("%v: %+v", err, status)
	}
	t.Logf("ready again after %.1f s, everything back after %.1f s", took.Seconds(), time.Since(s.up.Started).Seconds())
	undisturbed(t, traffic)
	if after := s.longLived(t); after != before {
		t.Errorf("the pods were not taken over.\nbefore:\n%s\nafter:\n%s", before, after)
	}
	s.nothingLost(t, admin, store, measured, &w)
}

func (s *story) nothingLost(t *testing.T, admin *drive.Admin, store *miniogo.Client, measured string, w *written) {
	if len(w.runs) < 10 || w.metrics < 10 || len(w.objects) < 10 {
		t.Fatalf("only %d runs, %d metrics and %d objects were acknowledged before the kill", len(w.runs), w.metrics, len(w.objects))
	}
	lost := 0
	for _, id := range w.runs {
		if err := admin.MLflow(t.Context(), http.MethodGet, "runs/get?run_id="+id, nil, nil); err != nil {
			lost++
			t.Logf("run: %v", err)
		}
	}
	var history struct {
		Metrics []struct {
			Step int `json:"step"`
		} `json:"metrics"`
	}
	if err := admin.MLflow(t.Context(), http.MethodGet, "metrics/get-history?metric_key=n&max_results=25000&run_id="+measured, nil, &history); err != nil {
		t.Error(err)
	}
	if have := len(history.Metrics); have < w.metrics {
		t.Errorf("%d of %d acknowledged metrics are there", have, w.metrics)
	}
	for _, key := range w.objects {
		o, err := store.GetObject(t.Context(), "mlflow", key, miniogo.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 200)
		n, _ := o.Read(b)
		_ = o.Close()
		if got, want := string(b[:n]), "content of "+key; got != want {
			lost++
			t.Logf("object %s holds %q", key, got)
		}
	}
	if lost > 0 {
		t.Errorf("%d acknowledged writes are lost", lost)
	}
	t.Logf("%d runs, %d metrics and %d objects were acknowledged, and all are there", len(w.runs), w.metrics, len(w.objects))
}

func (s *story) down(t *testing.T) {
	s.benchtop(t, "down")
	if code, err := s.up.Wait(patience); err != nil || code != 0 {
		t.Errorf("`benchtop up` ended with code %d, %v", code, err)
	}
	status, err := s.Status(t.Context())
	if err != nil || status.State != "stopped" {
		t.Errorf("state is %q, %v; want stopped", status.State, err)
	}
	if _, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), s.said.Try, ""); err != nil {
		t.Errorf("pods should go on serving: %v", err)
	}
	s.refuses(t, []string{"benchtop up"}, "train")
	s.refuses(t, []string{"benchtop up"}, "down")
}

// traces are where the appliance, K3s and containerd write outside the data
// dir.
const traces = "/var/lib/benchtop /var/lib/kubelet /var/lib/cni /var/lib/rancher /var/log/pods /var/log/containers /etc/rancher /etc/cni /opt/cni /run/k3s /run/flannel /run/containerd /run/benchtop /run/netns /run/nri"

func (s *story) reset(t *testing.T) {
	for _, answer := range []string{"", "no\n", "\n"} {
		r, err := s.Try(t.Context(), answer, "reset")
		if err != nil {
			t.Fatal(err)
		}
		if r.Code == 0 || !strings.Contains(r.All(), "--yes") && !strings.Contains(r.All(), "yes") {
			t.Errorf("reset answered with %q: code %d: %s", answer, r.Code, r.All())
		}
		if s.sh(t, "ls /var/lib/benchtop/secrets") == "" {
			t.Fatal("reset removed the data without a yes")
		}
	}
	s.benchtop(t, "reset", "--yes")
	if left := s.sh(t, "ls -d "+traces+" 2>/dev/null || true"); left != "" {
		t.Errorf("reset left\n%s", left)
	}
	if left := s.sh(t, "grep -E 'kubelet|containerd|benchtop|k3s' /proc/mounts | grep -v -E ' (/|/var|/var/lib|/root/benchtop) ' || true"); left != "" {
		t.Errorf("reset left mounts:\n%s", left)
	}
	// The kernel removes the links of a network that is gone in its own time.
	if err := drive.Eventually(t.Context(), 3*time.Second, func() error {
		if left := s.sh(t, "ls /sys/class/net"); left != "eth0\nlo" {
			return fmt.Errorf("reset left links: %s", left)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if left := s.sh(t, "ps -eo pid,args --no-headers | grep -E 'containerd|pause|k3s|benchtop|traefik|coredns|python' | grep -v -E 'benchtop-testhost|grep' || true"); left != "" {
		t.Errorf("reset left processes:\n%s", left)
	}
	if left := s.sh(t, "find /sys/fs/cgroup -type d -name '*kubepods*' -o -type d -name 'k8s.io' | head"); left != "" {
		t.Errorf("reset left cgroups:\n%s", left)
	}
	if got := s.sh(t, "ls /etc/benchtop"); got != "config.yaml" {
		t.Errorf("reset touched the configuration: %q", got)
	}
}
