package appliance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// newPaths returns the places of a fresh data dir.
func newPaths(t *testing.T) Paths {
	t.Helper()
	p := Paths{Data: filepath.Join(t.TempDir(), "data")}
	if err := p.create(); err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func expectMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != want {
		t.Errorf("%s has mode %o, expected %o", path, st.Mode().Perm(), want)
	}
}

func TestPaths(t *testing.T) {
	p := newPaths(t)
	expectMode(t, p.Secrets(), 0o700)
	for _, dir := range []string{"log", "run", "registry", "minio", "prometheus"} {
		expectMode(t, p.Dir(dir), 0o700)
	}
	// Pods reach their volumes below these.
	expectMode(t, p.Data, 0o711)
	expectMode(t, p.Dir("k3s"), 0o711)
	// A start mends what somebody loosened.
	if err := os.Chmod(p.Secrets(), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := p.create(); err != nil {
		t.Fatal(err)
	}
	expectMode(t, p.Secrets(), 0o700)
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if err := (Paths{Data: file}).create(); err == nil || !strings.HasPrefix(err.Error(), "create directory "+file) {
		t.Errorf("a file in the data dir's place: error %v", err)
	}
}

func TestSecrets(t *testing.T) {
	p := newPaths(t)
	s, err := LoadSecrets(p)
	if err != nil {
		t.Fatal(err)
	}
	expectMode(t, p.Secrets()+"/secrets.json", 0o600)
	expectMode(t, p.AdminPassword(), 0o600)
	again, err := LoadSecrets(p)
	if err != nil || again != s {
		t.Errorf("the second start has other secrets: %v", err)
	}
	other, err := LoadSecrets(newPaths(t))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, s := range []Secrets{s, other} {
		for _, v := range []string{s.AdminPassword, s.AdminToken, s.Trainer, s.S3Root.Access, s.S3Root.Secret, s.S3Trainer.Access, s.S3Trainer.Secret} {
			if len(v) < 20 && !strings.HasPrefix(v, "benchtop-") || all[v] {
				t.Errorf("secret %q is short, or shared", v)
			}
			all[v] = true
		}
	}
	b, err := os.ReadFile(p.Secrets() + "/secrets.json")
	if err != nil || bytes.Contains(b, []byte(s.AdminPassword)) {
		t.Errorf("the administrator's password lies in two places (%v)", err)
	}
}

func TestSecretsOfAnEarlierVersionAreCompleted(t *testing.T) {
	p := newPaths(t)
	write(t, p.Secrets()+"/secrets.json", `{"s3_root": {"access": "old", "secret": "kept"}}`)
	write(t, p.AdminPassword(), "  chosen by me \n")
	s, err := LoadSecrets(p)
	if err != nil {
		t.Fatal(err)
	}
	if s.S3Root != (KeyPair{"old", "kept"}) || s.AdminPassword != "chosen by me" {
		t.Errorf("what was there changed: %+v", s)
	}
	if s.S3Trainer.Secret == "" || s.Trainer == "" || s.AdminToken == "" {
		t.Errorf("what was missing is still: %+v", s)
	}
	if again, err := LoadSecrets(p); err != nil || again != s {
		t.Errorf("they did not last: %v", err)
	}
}

func TestSecretsErrors(t *testing.T) {
	p := newPaths(t)
	file := p.Secrets() + "/secrets.json"
	write(t, file, `{"s3_root": `)
	_, err := LoadSecrets(p)
	if err == nil || err.Error() != "read "+file+": unexpected end of JSON input (restore it from a backup, or delete it to make new secrets)" {
		t.Errorf("damaged secrets: error %v", err)
	}
	if b, _ := os.ReadFile(file); string(b) != `{"s3_root": ` {
		t.Errorf("damaged secrets were overwritten with %s", b)
	}
	p = newPaths(t)
	write(t, p.AdminPassword(), " \n")
	if _, err := LoadSecrets(p); err == nil || err.Error() != p.AdminPassword()+" is empty: write a password into it, or delete it to get a new one" {
		t.Errorf("an empty password: error %v", err)
	}
}

func TestWriteFileAtomic(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	for _, content := range []string{"long content", "short"} {
		if err := writeFileAtomic(file, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(file); string(b) != content || err != nil {
			t.Errorf("it holds %q (%v)", b, err)
		}
	}
	expectMode(t, file, 0o640)
	if err := writeFileAtomic(filepath.Join(dir, "none", "f"), nil, 0o600); err == nil || !strings.HasPrefix(err.Error(), "write "+dir+"/none/f: ") {
		t.Errorf("error %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFileAtomic(filepath.Join(dir, "d"), nil, 0o600); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if left, _ := filepath.Glob(dir + "/.*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestHelperHoldLock is a process that holds a lock until its input ends.
func TestHelperHoldLock(t *testing.T) {
	dir := os.Getenv("BENCHTOP_TEST_HOLD")
	if dir == "" {
		return // run by TestLock only
	}
	if _, err := AcquireLock(Paths{Data: dir}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

func TestLock(t *testing.T) {
	p := newPaths(t)
	if Locked(p) {
		t.Error("nobody holds it")
	}
	holder := exec.Command(os.Args[0], "-test.run=^TestHelperHoldLock$")
	holder.Env = append(os.Environ(), "BENCHTOP_TEST_HOLD="+p.Data)
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 5)
	if n, err := out.Read(said); string(said[:n]) != "held\n" && string(said[:n]) != "held" {
		t.Fatalf("the other process said %q (%v)", said[:n], err)
	}
	if !Locked(p) {
		t.Error("another process holds it")
	}
	_, err = AcquireLock(p)
	want := fmt.Sprintf("data dir %s is in use by another benchtop (process %d): stop it with `benchtop down --data-dir %s`, or choose another --data-dir", p.Data, holder.Process.Pid, p.Data)
	if mlops.CodeOf(err) != mlops.InvalidState || mlops.MessageOf(err) != want {
		t.Errorf("error is %v\nexpected %s", err, want)
	}
	// kill -9: the kernel gives it back.
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	in.Close()
	l, err := AcquireLock(p)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(p.Lock()); string(b) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("the lock file names %q", b)
	}
	// Two in one process are two as well.
	if _, err := AcquireLock(p); mlops.CodeOf(err) != mlops.InvalidState {
		t.Errorf("taking it twice: error %v", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	if Locked(p) {
		t.Error("it was released")
	}
	if _, err := AcquireLock(Paths{Data: p.Data + "/none"}); err == nil || !strings.HasPrefix(err.Error(), "open lock file: ") {
		t.Errorf("error %v", err)
	}
}

// Whoever looks, as `benchtop status` does, must not keep anybody out.
func TestLookingAtALockDoesNotTakeIt(t *testing.T) {
	p := newPaths(t)
	write(t, p.Lock(), "")
	stop := make(chan struct{})
	defer close(stop)
	for range 4 {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					Locked(p)
				}
			}
		}()
	}
	for range 2000 {
		l, err := AcquireLock(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUncleanMarker(t *testing.T) {
	p := newPaths(t)
	if last, err := markRunning(p); last != "" || err != nil {
		t.Errorf("the first start says %q, %v", last, err)
	}
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(p.Unclean(), started, started); err != nil {
		t.Fatal(err)
	}
	const killed = "the last instance, started 2026-01-02T03:04:05Z, did not stop in order (power loss or kill -9)"
	if last, err := markRunning(p); last != killed || err != nil {
		t.Errorf("after kill -9 it says %q, %v", last, err)
	}
	// A crash of the Go runtime leaves a report.
	write(t, p.Crash(), "\nfatal error: concurrent map writes\n\ngoroutine 1 [running]:\n")
	want := "the last instance crashed: fatal error: concurrent map writes (all of it in " + p.Crash() + ".last)"
	if last, err := markRunning(p); last != want || err != nil {
		t.Errorf("after a crash it says %q, %v", last, err)
	}
	if b, err := os.ReadFile(p.Crash() + ".last"); err != nil || !bytes.Contains(b, []byte("goroutine 1")) {
		t.Errorf("the report is %q (%v)", b, err)
	}
	if _, err := os.Stat(p.Crash()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the report would be told again (%v)", err)
	}
	// An empty report is of an instance that was killed.
	write(t, p.Crash(), "")
	if last, _ := markRunning(p); !strings.Contains(last, "did not stop in order") {
		t.Errorf("it says %q", last)
	}
	// In order: the marker is gone.
	if err := os.Remove(p.Unclean()); err != nil {
		t.Fatal(err)
	}
	if last, err := markRunning(p); last != "" || err != nil {
		t.Errorf("after a stop in order it says %q, %v", last, err)
	}
}

func TestNodeName(t *testing.T) {
	p := newPaths(t)
	name, err := Config{}.nodeName(p)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`).MatchString(name) {
		t.Errorf("the host's name became %q", name)
	}
	p = newPaths(t)
	if name, err := (Config{NodeName: "node-a"}).nodeName(p); name != "node-a" || err != nil {
		t.Errorf("found %q, %v", name, err)
	}
	for _, c := range []Config{{}, {NodeName: "node-a"}} {
		if name, err := c.nodeName(p); name != "node-a" || err != nil {
			t.Errorf("later it is %q, %v", name, err)
		}
	}
	_, err = Config{NodeName: "node-b"}.nodeName(p)
	expectInvalid(t, err, `node_name is "node-b", but this data dir belongs to node "node-a": volumes are pinned to that name. Set node_name to "node-a", or leave it out`)
}

func TestLoginTokens(t *testing.T) {
	tokens := newLoginTokens()
	a, b := tokens.New(), tokens.New()
	if a == b || len(a) < 26 {
		t.Errorf("tokens are %q and %q", a, b)
	}
	if tokens.TakeLoginToken("") || tokens.TakeLoginToken(a+"x") {
		t.Error("a token that was never given out works")
	}
	if !tokens.TakeLoginToken(a) || tokens.TakeLoginToken(a) {
		t.Error("a token works once, neither never nor twice")
	}
	for key, end := range tokens.live {
		if left := time.Until(end); left > tokenValid || left < tokenValid-time.Minute {
			t.Errorf("a token is good for %s", left)
		}
		tokens.live[key] = time.Now().Add(-time.Second)
	}
	if tokens.TakeLoginToken(b) {
		t.Error("a token works after its end")
	}
	if len(tokens.live) != 0 {
		t.Error("used tokens are kept")
	}
}

func TestAuth(t *testing.T) {
	a := NewAuth(Secrets{AdminPassword: "pw", AdminToken: "token", Trainer: "train"})
	for _, c := range []struct {
		name, password string
		want           mlops.Role
	}{
		{"admin", "pw", mlops.RoleAdmin}, {"trainer", "train", mlops.RoleTrainer},
		{"admin", "train", ""}, {"trainer", "pw", ""}, {"admin", "", ""}, {"", "", ""}, {"nobody", "pw", ""}, {"Admin", "pw", ""}, {"admin", "pw ", ""},
	} {
		p, ok := a.Password(c.name, c.password)
		if ok != (c.want != "") || p.Role != c.want || ok && p.Name != c.name {
			t.Errorf("%s with %q: %+v, %t", c.name, c.password, p, ok)
		}
	}
	if p, ok := a.Token("token"); !ok || p.Role != mlops.RoleAdmin || p.Name != "admin" {
		t.Errorf("the administrator's token is %+v, %t", p, ok)
	}
	for _, bad := range []string{"", "pw", "token "} {
		if p, ok := a.Token(bad); ok {
			t.Errorf("token %q is %+v", bad, p)
		}
	}
	// What must not happen: an account without a password lets everybody in.
	empty := NewAuth(Secrets{})
	if _, ok := empty.Password("admin", ""); ok {
		t.Error("without secrets the empty password is the administrator's")
	}
	if _, ok := empty.Token(""); ok {
		t.Error("without secrets the empty token is the administrator's")
	}
}
