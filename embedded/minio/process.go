package minio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/minio/madmin-go/v3"
	miniogo "github.com/minio/minio-go/v7"
	"github.com/minio/minio/cmd"
)

// MinIO is a program, not a library: it exits, takes signals and reads its
// settings from the environment. These four of its variables make it a
// well-behaved guest; DESIGN.md tells how.

//go:linkname minioSignals github.com/minio/minio/cmd.globalOSSignalCh
var minioSignals chan os.Signal

//go:linkname minioProfilerMu github.com/minio/minio/cmd.globalProfilerMu
var minioProfilerMu sync.Mutex

//go:linkname minioLoggerOutput github.com/minio/minio/cmd.globalLoggerOutput
var minioLoggerOutput io.WriteCloser

//go:linkname minioExit github.com/minio/minio/internal/logger.ExitFunc
var minioExit func(int)

// clientRetries is the default of minio-go and madmin-go.
const clientRetries = 10

// init runs after MinIO's own, which turns off the retries of every client
// in the process.
func init() {
	miniogo.MaxRetry = clientRetries
	madmin.MaxRetry = clientRetries
}

// process is MinIO's server running inside this process.
type process struct {
	drive    string        // folder that it keeps objects in
	loopback string        // host:port it listens on
	notify   string        // NOTIFY_SOCKET while it is hidden
	logs     *logReader    // what it writes
	fatal    chan struct{} // closed when it wanted to exit
	main     chan struct{} // closed when its main function has ended
}

// started remembers that MinIO's globals are used up.
var started atomic.Bool

var errStarted = errors.New("MinIO can be started only once per process: restart benchtop to start it again")

// settings tames MinIO for a single small machine. MinIO sizes its queues by
// these workers; see DESIGN.md.
var settings = map[string]string{
	"MINIO_BROWSER":                     "off",
	"MINIO_UPDATE":                      "off",
	"MINIO_CALLHOME_ENABLE":             "off",
	"MINIO_PROMETHEUS_AUTH_TYPE":        "public", // the loopback port only, the proxy hides it
	"MINIO_API_REPLICATION_PRIORITY":    "slow",
	"MINIO_API_REPLICATION_MAX_WORKERS": "1",
	"MINIO_ILM_TRANSITION_WORKERS":      "1",
	"MINIO_ILM_EXPIRATION_WORKERS":      "1",
	"MINIO_SCANNER_SPEED":               "slowest",
}

// driveOf returns where MinIO keeps its objects.
func driveOf(dir string) string { return filepath.Join(dir, "drive") }

// startProcess starts MinIO on dir. It returns at once; MinIO may still fail.
func startProcess(dir, user, password string, logs *logReader) (*process, error) {
	if minioSignals == nil || minioExit == nil {
		return nil, errors.New("this build's MinIO is not the version it was written for: its signal channel or exit function has moved")
	}
	drive, conf := driveOf(dir), filepath.Join(dir, "conf")
	for _, d := range []string{drive, conf} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make MinIO's folder: %w", err)
		}
	}
	loopback, err := freePort()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for MinIO's log: %w", err)
	}
	if !started.CompareAndSwap(false, true) {
		return nil, errors.Join(errStarted, r.Close(), w.Close())
	}
	p := &process{drive: drive, loopback: loopback, logs: logs, fatal: make(chan struct{}), main: make(chan struct{})}
	go logs.run(r)

	clearSettings()
	for k, v := range settings {
		setenv(k, v)
	}
	setenv(envUser, user)
	setenv(envPassword, password)

	// MinIO's stop ends with this lock and then os.Exit. Only its profiler
	// takes the lock too, and only the hidden admin API reaches that.
	minioProfilerMu.Lock()
	var once sync.Once
	minioExit = func(int) {
		once.Do(func() { close(p.fatal) })
		runtime.Goexit()
	}
	// MinIO keeps whatever os.Stderr is when it sets up its log, and closes
	// it as the last step of its stop: for us, the end of the pipe.
	stderr := os.Stderr
	os.Stderr = w
	p.notify = os.Getenv(envNotify)
	_ = os.Unsetenv(envNotify) // fails only for names that are not names
	go func() {
		defer close(p.main)
		cmd.Main([]string{"minio", "server", "--quiet", "--json", "--address", loopback,
			"--certs-dir", conf, "--config-dir", conf, drive})
	}()
	err = p.untilLogging()
	os.Stderr = stderr
	// Signals belong to the appliance, which stops us in order.
	signal.Stop(minioSignals)
	if err != nil {
		p.cleanEnvironment()
		return nil, err
	}
	return p, nil
}

// cleanEnvironment restores the environment, without MinIO's settings. By then
// MinIO must have read them, and must have told the service manager whatever it
// likes, which its main function does last.
func (p *process) cleanEnvironment() {
	clearSettings()
	if p.notify != "" {
		setenv(envNotify, p.notify)
	}
}

const (
	envUser     = "MINIO_ROOT_USER"
	envPassword = "MINIO_ROOT_PASSWORD"
	envNotify   = "NOTIFY_SOCKET"      // MinIO would tell systemd that all is ready
	envSubnet   = "CONSOLE_SUBNET_URL" // set by MinIO even without its console
)

// untilLogging waits until MinIO has taken its signals and its log output,
// which it does first, or has ended.
func (p *process) untilLogging() error {
	tooLate := time.After(startTimeout)
	for minioLoggerOutput == nil {
		select {
		case <-p.main:
			return nil // untilServing says why
		case <-tooLate:
			return fmt.Errorf("MinIO has not set up its log after %s", startTimeout)
		case <-time.After(200 * time.Microsecond):
		}
	}
	return nil
}

// untilServing waits until MinIO's port answers. By then MinIO has read its
// root credentials, so they leave the environment here: whatever this process
// starts from now on must not inherit them.
func (p *process) untilServing(ctx context.Context) error {
	defer clearCredentials()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.loopback+"/minio/health/live", nil)
		if err != nil {
			return fmt.Errorf("make a health request: %w", err)
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close() // an answer of any kind is what we wait for
			return nil
		}
		if err := p.wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// wait sleeps for d, or returns early with the reason why waiting is over.
func (p *process) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-p.fatal:
		return p.reason()
	case <-p.logs.done:
		return p.reason()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// reason says why MinIO has ended by itself.
func (p *process) reason() error {
	if msg := p.logs.lastFatal(time.Second); msg != "" {
		return fmt.Errorf("MinIO gave up on %s: %s", p.drive, msg)
	}
	if msg := p.logs.lastError(); msg != "" {
		return fmt.Errorf("MinIO on %s stopped by itself; its last error: %s", p.drive, msg)
	}
	return fmt.Errorf("MinIO on %s stopped by itself without saying why", p.drive)
}

// stop ends MinIO the way a SIGTERM would, and waits until it has finished.
func (p *process) stop(ctx context.Context) error {
	// Two goroutines of MinIO wait for one signal each: its main function,
	// which returns, and the handler, which stops everything.
	for range 2 {
		select {
		case minioSignals <- syscall.SIGTERM:
		case <-ctx.Done():
			return fmt.Errorf("stop MinIO: its signal handler does not answer: %w", context.Cause(ctx))
		}
	}
	for _, done := range []<-chan struct{}{p.logs.done, p.main} {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("stop MinIO: it is still busy: %w", context.Cause(ctx))
		}
	}
	return nil
}

// freePort returns a loopback address that is free now. MinIO's own choice of
// a port (":0") is broken: it then listens on another one.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free loopback port: %w", err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("release loopback port %s: %w", addr, err)
	}
	return addr, nil
}

func clearCredentials() {
	for _, k := range []string{envUser, envPassword} {
		_ = os.Unsetenv(k) // fails only for names that are not names
	}
}

// clearSettings removes MinIO's settings from the environment: before the start
// the user's, which are meant for other servers, and after it ours.
func clearSettings() {
	for _, kv := range os.Environ() {
		k, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(k, "MINIO_") || strings.HasPrefix(k, "_MINIO_") || k == envSubnet {
			_ = os.Unsetenv(k)
		}
	}
}

func setenv(k, v string) {
	if err := os.Setenv(k, v); err != nil {
		panic(fmt.Sprintf("set %s: %v", k, err)) // a name or value with NUL in our own table
	}
}
