package registry

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const serveEnv = "REGISTRY_TEST_SERVE"

// TestMain lets the test program be the server that the crash test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		err := ServeAlone(context.Background(), AloneConfig{DataDir: dir, Addr: "127.0.0.1:0", Ready: func(a net.Addr) { fmt.Printf("http://%s\n", a) }})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestKill kills the server while several clients write to it, starts it
// again on the same files, and looks for every write that was acknowledged.
func TestKill(t *testing.T) {
	rounds := 3
	if os.Getenv("REGISTRY_SOAK") != "" {
		rounds = 40
	}
	dir := t.TempDir()
	type acked struct{ metrics, params, tags int }
	acks := map[string]*acked{} // by run
	blobs := map[string]string{}
	for round := range rounds {
		base, kill := startServer(t, dir)
		check := func(when string) {
			for run, a := range acks {
				v := get(t, base+"/api/2.0/mlflow/runs/get?run_id="+run)
				data := v["run"].(map[string]any)["data"].(map[string]any)
				if n := len(list(data["params"])); n < a.params {
					t.Errorf("%s: run %s has %d params, %d were acknowledged", when, run, n, a.params)
				}
				if n := len(list(data["tags"])); n < a.tags {
					t.Errorf("%s: run %s has %d tags, %d were acknowledged", when, run, n, a.tags)
				}
				h := get(t, base+"/api/2.0/mlflow/metrics/get-history?metric_key=m&run_id="+run)
				if n := len(list(h["metrics"])); n < a.metrics {
					t.Errorf("%s: run %s has %d points, %d were acknowledged", when, run, n, a.metrics)
				}
			}
			for path, want := range blobs {
				resp, err := http.Get(base + path)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(b) != want {
					t.Errorf("%s: artifact %s has %d bytes, want %d", when, path, len(b), len(want))
				}
			}
		}
		check(fmt.Sprintf("start %d", round))
		var mu sync.Mutex
		var wg sync.WaitGroup
		for w := range 6 {
			wg.Go(func() {
				run, err := post(base+"/api/2.0/mlflow/runs/create", map[string]any{"experiment_id": "0"})
				if err != nil {
					return
				}
				id := run["run"].(map[string]any)["info"].(map[string]any)["run_id"].(string)
				a := &acked{tags: 1}
				mu.Lock()
				acks[id] = a
				mu.Unlock()
				for i := 0; ; i++ {
					if _, err := post(base+"/api/2.0/mlflow/runs/log-batch", map[string]any{"run_id": id,
						"metrics": []any{map[string]any{"key": "m", "value": i, "timestamp": i, "step": 2 * i}, map[string]any{"key": "m", "value": i, "timestamp": i, "step": 2*i + 1}},
						"params":  []any{map[string]any{"key": fmt.Sprintf("p%d", i), "value": "v"}},
						"tags":    []any{map[string]any{"key": fmt.Sprintf("t%d", i), "value": "v"}}}); err != nil {
						return
					}
					mu.Lock()
					a.metrics, a.params, a.tags = a.metrics+2, a.params+1, a.tags+1
					mu.Unlock()
					if i%10 == w {
						path, text := fmt.Sprintf("/api/2.0/mlflow-artifacts/artifacts/0/%s/artifacts/f%d", id, i), strings.Repeat("x", 1000*i)
						req, _ := http.NewRequest("PUT", base+path, strings.NewReader(text))
						resp, err := http.DefaultClient.Do(req)
						if err != nil {
							return
						}
						resp.Body.Close()
						mu.Lock()
						blobs[path] = text
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Duration(300+137*round%400) * time.Millisecond)
		kill()
		wg.Wait()
	}
	total := 0
	for _, a := range acks {
		total += a.metrics
	}
	base, kill := startServer(t, dir)
	for run, a := range acks {
		h := get(t, base+"/api/2.0/mlflow/metrics/get-history?metric_key=m&run_id="+run)
		// A write that was not acknowledged is there whole or not at all.
		if n := len(list(h["metrics"])); n < a.metrics || n > a.metrics+2 || n%2 != 0 {
			t.Errorf("run %s has %d points, %d were acknowledged", run, n, a.metrics)
		}
	}
	kill()
	db, err := sql.Open("sqlite", filepath.Join(dir, "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var ok string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity_check: %s %v", ok, err)
	}
	if rows, err := db.Query("PRAGMA foreign_key_check"); err != nil || rows.Next() {
		t.Errorf("foreign_key_check: %v", err)
	}
	t.Logf("%d rounds, %d acknowledged points in %d runs, %d artifacts: all there", rounds, total, len(acks), len(blobs))
	if total == 0 {
		t.Error("nothing was written")
	}
}

func startServer(t *testing.T, dir string) (base string, kill func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), serveEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server does not start: %v", err)
	}
	return strings.TrimSpace(line), func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func get(t *testing.T, url string) map[string]any {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var v map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %v %v", url, resp.StatusCode, v, err)
	}
	return v
}

func post(url string, body any) (map[string]any, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	resp, err := http.Post(url, "application/json", strings.NewReader(string(b)))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var v map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || resp.StatusCode != 200 {
		return nil, fmt.Errorf("%s: %d %v", url, resp.StatusCode, err)
	}
	return v, nil
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
