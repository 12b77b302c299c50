package minio

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// MinIO runs once per process. Tests of its API share one in the test binary.
// Tests of its life each start the test binary again as a child, which runs a
// unit and takes orders on its standard input.

const (
	childEnv = "BENCHTOP_TEST_MINIO_CHILD"
	doorEnv  = "BENCHTOP_TEST_MINIO_DOOR" // a door that admits everybody
)

type openDoor struct{}

func (openDoor) Admit(string) error { return nil }
func (openDoor) Used(string)        {}

func TestMain(m *testing.M) {
	if cfg := os.Getenv(childEnv); cfg != "" {
		if err := os.Unsetenv(childEnv); err != nil {
			panic(err)
		}
		runChild(cfg)
		return
	}
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the shared object store:", err)
		code = 1
	}
	os.Exit(code)
}

const (
	rootUser     = "root-of-tests"
	rootPassword = "a long secret of the tests"
)

func testConfig(dir string) Config {
	return Config{Dir: dir, Addr: "127.0.0.1:0", PodURL: mlops.S3Door, RootUser: rootUser, RootPassword: rootPassword,
		Buckets: []Bucket{{Name: "datasets", Versioned: true}, {Name: "mlflow"}, {Name: "lent", Gives: true, Takes: true}},
		Users: []User{
			{Name: "trainer", AccessKey: "trainer-key", SecretKey: "trainer-secret", Grants: []Grant{ReadObjects("datasets", "iris/")}},
			{Name: "registry", AccessKey: "registry-key", SecretKey: "registry-secret", Grants: []Grant{FullBucket("mlflow")}},
			{Name: "server", AccessKey: "server-key", SecretKey: "server-secret"},
		}}
}

var shared struct {
	once   sync.Once
	unit   *Unit
	cancel context.CancelFunc
	done   chan error
	dir    string
	err    error
}

// sharedUnit returns the object store that the tests of this process share.
func sharedUnit(t *testing.T) *Unit {
	t.Helper()
	shared.once.Do(func() {
		shared.dir, shared.err = os.MkdirTemp("", "benchtop-minio-")
		if shared.err != nil {
			return
		}
		shared.unit, shared.err = New(testConfig(shared.dir))
		if shared.err != nil {
			return
		}
		var ctx context.Context
		ctx, shared.cancel = context.WithCancel(context.Background())
		shared.done = make(chan error, 1)
		h, ready := supervise.NewHandle(os.Stderr)
		go func() { shared.done <- shared.unit.Run(ctx, h) }()
		select {
		case <-ready:
		case err := <-shared.done:
			shared.err = fmt.Errorf("ended before it was ready: %w", err)
			shared.done <- err
		case <-time.After(time.Minute):
			shared.err = fmt.Errorf("not ready after a minute")
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.unit
}

func stopShared() error {
	if shared.cancel == nil {
		return nil
	}
	shared.cancel()
	err := <-shared.done
	return firstError(err, os.RemoveAll(shared.dir))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// child is the test binary running a unit.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	Addr   string
	Loop   string
	Took   time.Duration
	stderr *os.File
}

// spawn starts a child without waiting for it to be ready.
func spawn(t *testing.T, cfg Config, env ...string) *child {
	t.Helper()
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), env...), childEnv+"="+string(raw))
	c := &child{t: t, cmd: cmd}
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	c.out.Buffer(nil, 1<<20)
	if c.stderr, err = os.Create(filepath.Join(t.TempDir(), "stderr")); err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = c.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		_ = c.stderr.Close()
	})
	return c
}

// start starts a child and waits until it is ready.
func start(t *testing.T, cfg Config, env ...string) *child {
	t.Helper()
	c := spawn(t, cfg, env...)
	f := strings.Fields(c.expect("READY"))
	c.Addr, c.Loop = f[0], f[1]
	var err error
	if c.Took, err = time.ParseDuration(f[2]); err != nil {
		t.Fatal(err)
	}
	return c
}

// expect reads lines up to one that starts with word and returns its rest.
func (c *child) expect(word string) string {
	c.t.Helper()
	var said []string
	for c.out.Scan() {
		said = append(said, c.out.Text())
		if rest, ok := strings.CutPrefix(c.out.Text(), word+" "); ok {
			return rest
		}
	}
	log, err := os.ReadFile(c.stderr.Name())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Fatalf("child ended without saying %s but %q; its log:\n%s", word, said, log)
	return ""
}

func (c *child) order(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		c.t.Fatalf("tell the child: %v", err)
	}
}

// runChild is the main function of a child.
func runChild(raw string) {
	var cfg Config
	if err := json.Unmarshal([]byte(raw), &cfg); err != nil {
		panic(err)
	}
	if os.Getenv(doorEnv) != "" {
		cfg.Door = openDoor{}
	}
	u, err := New(cfg)
	if err != nil {
		panic(err)
	}
	debug.SetMemoryLimit(1 << 30)
	run := func(u *Unit, ctx context.Context) (<-chan error, <-chan struct{}) {
		h, ready := supervise.NewHandle(os.Stderr)
		done := make(chan error, 1)
		go func() { done <- u.Run(ctx, h) }()
		return done, ready
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	begin := time.Now()
	done, ready := run(u, ctx)
	go childOrders(u, cancel, func() error { d, _ := run(u, ctx); return <-d })
	select {
	case <-ready:
		fmt.Println("READY", u.Addr(), u.Loopback(), time.Since(begin))
	case err := <-done:
		fmt.Println("RETURNED", err)
		fmt.Println("ALIVE and well")
		return
	}
	err = <-done
	fmt.Println("RETURNED", err)
	fmt.Println("ALIVE and well")
}

func childOrders(u *Unit, cancel func(), again func() error) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch verb, arg, _ := strings.Cut(in.Text(), " "); verb {
		case "stop":
			cancel()
		case "env":
			fmt.Println("ENV", strings.Join(os.Environ(), "\x1f"))
		case "memory":
			status, err := os.ReadFile("/proc/self/status")
			fmt.Println("MEMORY", strings.ReplaceAll(string(status), "\n", "\x1f"), err)
		case "limit":
			fmt.Println("LIMIT", debug.SetMemoryLimit(-1))
		case "again":
			fmt.Println("AGAIN", again())
		case "keys": // makes the users of access keys be those named
			var keys []mlops.ObjectUser
			for _, name := range strings.Fields(arg) {
				keys = append(keys, mlops.ObjectUser{Name: name, Secret: "secret-of-" + name, Buckets: []mlops.KeyBucket{{Name: "datasets"}}})
			}
			fmt.Println("KEYS", u.SyncKeys(context.Background(), keys))
		case "exit": // what MinIO does when it is lost
			go minioExit(1)
		case "put": // put objects named by numbers until killed, one line each
			store := u.Bucket("datasets")
			for i := 0; ; i++ {
				key := fmt.Sprintf("%s/%06d", arg, i)
				if _, err := store.Put(context.Background(), key, strings.NewReader(key), int64(len(key)), "text/plain"); err != nil {
					fmt.Println("PUTERR", err)
					return
				}
				fmt.Println("PUT", key)
			}
		}
	}
}
