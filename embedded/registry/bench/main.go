// Command bench compares this registry with the real MLflow server on the same
// machine, in the same run, with the same client. Each server runs as a
// process of its own, from an empty directory.
//
//	bench -python /path/to/venv/bin/python   # a venv in which mlflow is installed
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/benchtop-lab/benchtop/embedded/registry"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		serve(os.Args[2])
		return
	}
	python := flag.String("python", "", "the Python of a venv with mlflow; without it only this registry is measured")
	each := flag.Duration("each", 3*time.Second, "how long each measurement takes")
	conns := flag.Int("conns", 8, "connections when several are used")
	flag.Parse()
	if err := bench(*python, *each, *conns); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func serve(dir string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := registry.ServeAlone(ctx, registry.AloneConfig{DataDir: dir, Addr: "127.0.0.1:0", Ready: func(a net.Addr) { fmt.Println("http://" + a.String()) }})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func bench(python string, each time.Duration, conns int) error {
	dir, err := os.MkdirTemp("", "bench-registry-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ours, err := one("benchtop", dir, python, each, conns)
	if err != nil {
		return err
	}
	var theirs []result
	if python != "" {
		if theirs, err = one("mlflow", dir, python, each, conns); err != nil {
			return err
		}
	}
	report(os.Stdout, ours, theirs)
	return nil
}

// one starts a server, fills it, measures it and stops it.
func one(name, dir, python string, each time.Duration, conns int) ([]result, error) {
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	srv, err := start(name, dir, python)
	if err != nil {
		return nil, err
	}
	defer func() { srv.stop() }()
	idle := memory(srv.pid)
	c := newClient(srv.base, conns)
	fmt.Fprintln(os.Stderr, name, "serves, filling it")
	began := time.Now()
	for _, size := range []int{10_000, 100_000} {
		if name == "mlflow" {
			err = fillMLflow(dir, python, size, c)
		} else {
			err = fill(newClient(srv.base, fillConns), size, fillConns)
		}
		if err != nil {
			return nil, fmt.Errorf("fill %s: %w", name, err)
		}
	}
	fmt.Fprintln(os.Stderr, name, "filled in", time.Since(began).Round(time.Second))
	rs, err := measure(c, each, conns)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", name, err)
	}
	if python != "" {
		more, err := pythonClient(python, srv.base)
		if err != nil {
			return nil, fmt.Errorf("measure %s with the Python client: %w", name, err)
		}
		rs = append(rs, more...)
	}
	// After a search that took too long the server is still busy with it.
	again := func() (*client, error) {
		fmt.Fprintln(os.Stderr, name, "lost its way in a search, starting it again")
		srv.stop()
		if srv, err = start(name, dir, python); err != nil {
			return nil, err
		}
		return newClient(srv.base, conns), nil
	}
	found, err := searches(c, each, again)
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", name, err)
	}
	rs = append(rs, found...)
	loaded := memory(srv.pid)
	fmt.Fprintln(os.Stderr, name, "measured after", time.Since(began).Round(time.Second))
	return append(rs,
		result{name: "memory, idle: resident", value: idle.rss, unit: "MB"}, result{name: "memory, idle: proportional", value: idle.pss, unit: "MB"},
		result{name: "memory, after the load: resident", value: loaded.rss, unit: "MB", limit: 60}, result{name: "memory, after the load: proportional", value: loaded.pss, unit: "MB"}), nil
}

// fillConns is how many connections fill the registry: many share a commit.
const fillConns = 32

// server is a process that serves.
type server struct {
	base string
	pid  int
	stop func()
}

func start(name, dir, python string) (*server, error) {
	var cmd *exec.Cmd
	base := ""
	if name == "mlflow" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		base = fmt.Sprintf("http://127.0.0.1:%d", port)
		cmd = exec.Command(python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--workers", "1",
			"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "mlflow.db"), "--artifacts-destination", filepath.Join(dir, "artifacts"))
		cmd.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "PATH="+filepath.Dir(python)+":"+os.Getenv("PATH"))
	} else {
		cmd = exec.Command("/proc/self/exe", "serve", dir)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	cmd.Dir, cmd.Stderr, cmd.Stdout = dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		if cmd.ProcessState != nil {
			return
		}
		// A server that is busy with a search does not listen to requests to end.
		hard := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		defer hard.Stop()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if base == "" {
			b, _ := os.ReadFile(log.Name())
			line, _, _ := strings.Cut(string(b), "\n")
			if strings.HasPrefix(line, "http://") {
				base = line
			}
		}
		if base != "" {
			c := newClient(base, 1)
			if resp, err := c.http.Get(base + "/health"); err == nil {
				resp.Body.Close()
				return &server{base, cmd.Process.Pid, stop}, nil
			}
		}
		if time.Now().After(deadline) {
			stop()
			b, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("%s did not start: %s", name, b)
		}
	}
}
