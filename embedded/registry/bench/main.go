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
	fmt.Println("Both servers answer a write after it is on disk: SQLite with synchronous=FULL, here in WAL mode, MLflow's in its default mode.")
	fmt.Printf("+Inf: a call took more than %s; NaN: not measured, as the server was still busy with that call.\n", patience)
	fmt.Printf("%-55s %14s %14s %10s\n", "", "benchtop", "mlflow", "ratio")
	for i, r := range ours {
		fmt.Printf("%-55s %9.2f %-4s", r.name, r.value, r.unit)
		if i < len(theirs) {
			ratio := theirs[i].value / r.value
			if r.more {
				ratio = r.value / theirs[i].value
			}
			fmt.Printf(" %9.2f %-4s %9.1f×", theirs[i].value, r.unit, ratio)
		}
		fmt.Println()
	}
	return nil
}

// one starts a server, fills it, measures it and stops it.
func one(name, dir, python string, each time.Duration, conns int) ([]result, error) {
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	base, pid, stop, err := start(name, dir, python)
	if err != nil {
		return nil, err
	}
	defer stop()
	idle := memory(pid)
	c := newClient(base, conns)
	fmt.Fprintln(os.Stderr, name, "serves, filling it")
	began := time.Now()
	for _, size := range []int{10_000, 100_000} {
		if name == "mlflow" {
			err = fillMLflow(dir, python, size, c)
		} else {
			err = fill(c, size, conns)
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
	return append(rs, result{"resident memory, idle", idle, "MB", false}, result{"resident memory after the load", memory(pid), "MB", false}), nil
}

func start(name, dir, python string) (base string, pid int, stop func(), err error) {
	var cmd *exec.Cmd
	if name == "mlflow" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", 0, nil, err
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
		return "", 0, nil, err
	}
	cmd.Dir, cmd.Stderr, cmd.Stdout = dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return "", 0, nil, err
	}
	stop = func() {
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
				return base, cmd.Process.Pid, stop, nil
			}
		}
		if time.Now().After(deadline) {
			stop()
			b, _ := os.ReadFile(log.Name())
			return "", 0, nil, fmt.Errorf("%s did not start: %s", name, b)
		}
	}
}

// memory is the resident memory of a process and its descendants, in MB.
func memory(pid int) float64 {
	children := map[int][]int{}
	rss := map[int]float64{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		b, err := os.ReadFile(d + "/status")
		if err != nil {
			continue
		}
		p, _ := strconv.Atoi(filepath.Base(d))
		for line := range strings.SplitSeq(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			n, _ := strconv.Atoi(f[1])
			switch f[0] {
			case "PPid:":
				children[n] = append(children[n], p)
			case "VmRSS:":
				rss[p] = float64(n) * 1024 / 1e6
			}
		}
	}
	var sum func(int) float64
	sum = func(p int) float64 {
		total := rss[p]
		for _, c := range children[p] {
			total += sum(c)
		}
		return total
	}
	return sum(pid)
}
