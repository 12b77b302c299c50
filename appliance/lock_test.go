package appliance

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// TestHelperHoldLock is a process that holds a lock until its input ends.
func TestHelperHoldLock(t *testing.T) {
	dir := os.Getenv("BENCHTOP_TEST_HOLD")
	if dir == "" {
		return // run by TestLock only
	}
	l, err := AcquireLock(Paths{Data: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if os.Getenv("BENCHTOP_TEST_LEAVE") != "" {
		// A child that keeps the file open, as one does before its exec.
		child := exec.Command("sleep", "3")
		child.ExtraFiles = []*os.File{l.f}
		if err := child.Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fmt.Println("held")
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

// hold starts a process that holds the lock of a data dir.
func hold(t *testing.T, p Paths, env ...string) *exec.Cmd {
	t.Helper()
	holder := exec.Command(os.Args[0], "-test.run=^TestHelperHoldLock$")
	holder.Env = append(append(os.Environ(), "BENCHTOP_TEST_HOLD="+p.Data), env...)
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 5)
	if _, err := io.ReadFull(out, said); err != nil || string(said) != "held\n" {
		t.Fatalf("the other process said %q (%v)", said, err)
	}
	return holder
}

func TestLock(t *testing.T) {
	p := newPaths(t)
	if Locked(p) {
		t.Error("nobody holds it")
	}
	holder := hold(t, p)
	if !Locked(p) {
		t.Error("another process holds it")
	}
	_, err := AcquireLock(p)
	want := fmt.Sprintf("data dir %s is in use by another benchtop (process %d): stop it with `benchtop down --data-dir %s`, or choose another --data-dir", p.Data, holder.Process.Pid, p.Data)
	if mlops.CodeOf(err) != mlops.InvalidState || mlops.MessageOf(err) != want {
		t.Errorf("error is %v\nexpected %s", err, want)
	}
	// kill -9: the kernel gives it back.
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
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

// TestLockOutlivesItsHolder: a killed process may leave a child that has the lock
// file open for a moment more.
func TestLockOutlivesItsHolder(t *testing.T) {
	p := newPaths(t)
	holder := hold(t, p, "BENCHTOP_TEST_LEAVE=yes")
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	if !Locked(p) {
		t.Error("its child does not keep the lock: this tests nothing")
	}
	l, err := AcquireLock(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}
