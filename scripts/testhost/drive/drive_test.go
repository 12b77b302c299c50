package drive

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

// standIn behaves like the binary, as far as this package can see.
const standIn = `#!/bin/sh
case "$1" in
up)
	[ "$2" = --broken ] && { echo "Error: no" >&2; exit 4; }
	mkdir -p /var/lib/benchtop; echo $$ > /var/lib/benchtop/lock
	trap 'exit 0' TERM
	echo starting
	sleep 0.3
	printf 'UI       http://192.168.77.20:8080/login?token=abc\nPassword /var/lib/benchtop/secrets/admin-password (user admin)\nTry      curl '"'http://192.168.77.20/models/iris/predict?x=1'"'\n'
	while :; do sleep 0.05; done ;;
status) echo '{"state":"degraded","units":[{"name":"k3s","state":"failed","error":"why"}],"loop":[]}' ;;
cat) cat ;;
*) echo "Error: unknown command $1" >&2; exit 1 ;;
esac
`

func install(t *testing.T) *Appliance {
	t.Helper()
	file := filepath.Join(t.TempDir(), "benchtop")
	if err := os.WriteFile(file, []byte(standIn), 0o755); err != nil {
		t.Fatal(err)
	}
	a, err := Install(file, testhost.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Host.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestUpIsFollowed(t *testing.T) {
	a := install(t)
	var log strings.Builder
	u, err := a.Up(&log)
	if err != nil {
		t.Fatal(err)
	}
	said, err := u.Ready(t.Context(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := Announcement{"http://192.168.77.20:8080/login?token=abc", "/var/lib/benchtop/secrets/admin-password", "http://192.168.77.20/models/iris/predict?x=1"}
	if said != want {
		t.Errorf("announced %+v, want %+v", said, want)
	}
	if err := u.Terminate(); err != nil {
		t.Fatal(err)
	}
	if code, err := u.Wait(5 * time.Second); code != 0 || err != nil {
		t.Errorf("SIGTERM: %d, %v", code, err)
	}
	if !strings.Contains(log.String(), "starting\n") {
		t.Errorf("logged %q", log.String())
	}
	if u, err = a.Up(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Ready(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := a.Signal(t.Context(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code, err := u.Wait(5 * time.Second); code != 137 || err != nil || u.Running() {
		t.Errorf("SIGKILL: %d, %v", code, err)
	}
}

func TestFailuresAreNotMistakenForSuccess(t *testing.T) {
	a := install(t)
	u, err := a.Up(nil, "--broken")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Ready(t.Context(), 5*time.Second); err == nil || !strings.Contains(err.Error(), "code 4") || !strings.Contains(err.Error(), "Error: no") {
		t.Errorf("up that failed: %v", err)
	}
	if r, err := a.Try(t.Context(), "", "explode"); err != nil || r.Code != 1 || !strings.Contains(r.Stderr, "unknown command explode") {
		t.Errorf("a command that failed: %+v, %v", r, err)
	}
	if _, err := a.Run(t.Context(), "explode"); err == nil || !strings.Contains(err.Error(), "unknown command explode") {
		t.Errorf("a command that failed: %v", err)
	}
	if r, err := a.Try(t.Context(), "yes\n", "cat"); err != nil || r.Stdout != "yes\n" {
		t.Errorf("standard input: %+v, %v", r, err)
	}
	s, err := a.WaitState(t.Context(), 300*time.Millisecond, "ready")
	if err == nil || s.State != "degraded" || len(s.Units) != 1 || s.Units[0].Error != "why" {
		t.Errorf("waited for ready, got %+v, %v", s, err)
	}
	if err := a.WriteFile(t.Context(), "/etc/a b/c", "x\n"); err != nil {
		t.Error(err)
	}
	if got, err := a.ReadFile(t.Context(), "/etc/a b/c"); got != "x\n" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestTrafficCountsEveryFailure(t *testing.T) {
	a := install(t)
	l, err := a.Host.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n == 20: // wrong
			fmt.Fprint(w, `{"version":"1","predictions":[{"class":"virginica"}]}`)
		case n == 30: // refused
			w.WriteHeader(http.StatusBadGateway)
		case n == 40: // cut off
			panic(http.ErrAbortHandler)
		default:
			fmt.Fprintf(w, `{"version":"%d","predictions":[{"class":"setosa"}]}`, 1+n/50)
		}
	})}
	go func() { _ = srv.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = srv.Close() })
	traffic := a.StartTraffic("http://"+a.Host.Address().String()+"/models/iris/predict", 2, time.Millisecond)
	if err := Eventually(t.Context(), 10*time.Second, func() error {
		if n := asked.Load(); n < 60 {
			return fmt.Errorf("asked %d times", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r := traffic.Stop()
	// Go's client asks again when a kept connection is cut, so that one may
	// be counted as answered; the other two never.
	if n := len(r.Failures); n < 2 || n > 3 {
		t.Errorf("%d failures, want 3 (or 2, if the cut one was asked again): %v", n, r.Failures)
	}
	if r.Answered < 50 || len(r.Versions) < 2 || r.Versions[0] != "1" || r.Gap <= 0 {
		t.Errorf("report %+v", r)
	}
}
