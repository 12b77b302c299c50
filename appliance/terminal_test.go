package appliance

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

func TestTerminalPlain(t *testing.T) {
	var out bytes.Buffer
	term := NewTerminal(&out, false)
	term.Note("port %d", 80)
	term.Progress("waiting")
	term.Done("ready in 2s")
	term.Lines([]string{"a", "b"})
	if got := out.String(); got != "! port 80\n· waiting\n✓ ready in 2s\n\na\nb\n\n" {
		t.Errorf("it printed %q", got)
	}
}

func TestTerminalRewritesItsLine(t *testing.T) {
	var out bytes.Buffer
	term := NewTerminal(&out, true)
	term.Progress("one")
	term.Progress("one") // the same again is not drawn again
	term.Note("note")
	term.Progress("two")
	term.Done("done")
	const clear = "\r\x1b[K"
	want := clear + "· one" + clear + "! note\n· one" + clear + "· two" + clear + "\x1b[32m✓\x1b[0m done\n"
	if got := out.String(); got != want {
		t.Errorf("it printed %q\nexpected   %q", got, want)
	}
}

func TestTerminalShowsUnits(t *testing.T) {
	status := func(state supervise.State, progress string) supervise.Status {
		return supervise.Status{Name: "k3s", State: state, Progress: progress, Took: 8512 * time.Millisecond, Error: "no room", Lines: []supervise.Line{{Text: "disk full"}}}
	}
	steps := []supervise.Status{
		status(supervise.Waiting, ""), status(supervise.Starting, ""), status(supervise.Starting, "importing images: 1 of 7"),
		status(supervise.Ready, ""), status(supervise.Ready, ""), status(supervise.Failed, ""), status(supervise.Stopping, ""), status(supervise.Stopped, ""),
	}
	var plain bytes.Buffer
	term, seen := NewTerminal(&plain, false), map[string]string{}
	for _, s := range steps {
		term.show([]supervise.Status{s}, seen)
	}
	if got := plain.String(); got != "· k3s: starting\n✓ k3s         8.5s\n✗ k3s: no room\n    disk full\n" {
		t.Errorf("plain: %q", got)
	}
	var tty bytes.Buffer
	term, seen = NewTerminal(&tty, true), map[string]string{}
	for _, s := range steps {
		term.show([]supervise.Status{s}, seen)
	}
	for _, want := range []string{"· k3s", "· k3s: importing images: 1 of 7", "\x1b[32m✓\x1b[0m k3s         8.5s\n", "\x1b[31m✗\x1b[0m k3s: no room\n    disk full\n", "· stopping k3s"} {
		if !strings.Contains(tty.String(), want) {
			t.Errorf("a terminal does not show %q: %q", want, tty.String())
		}
	}
}

func TestTerminalFollows(t *testing.T) {
	var out output
	units := supervise.New(nil, nil)
	units.Announce(failing{}, supervise.Options{})
	stop := NewTerminal(&out, false).Follow(units)
	if err := units.Start(t.Context(), "minio"); err == nil {
		t.Error("a unit that fails was started")
	}
	stop()
	if got := out.String(); !strings.Contains(got, "✗ minio: the disk is full\n") {
		t.Errorf("it printed %q", got)
	}
}

func TestLinks(t *testing.T) {
	a := &Appliance{cfg: DefaultConfig(), paths: Paths{Data: "/data"}, tokens: newLoginTokens()}
	lines := a.links(DefaultProject)
	if len(lines) != 3 || !strings.Contains(lines[0], ":8080/login?token=") || lines[1] != "Password  /data/secrets/admin-password (user admin)" {
		t.Fatalf("links are %q", lines)
	}
	_, token, _ := strings.Cut(lines[0], "token=")
	if !a.tokens.TakeLoginToken(token) {
		t.Error("the printed token does not work")
	}
	if !strings.HasPrefix(lines[2], "Try       curl 'http://") || !strings.HasSuffix(lines[2], "/models/iris/predict?x=5.1,3.5,1.4,0.2'") {
		t.Errorf("the curl line is %q", lines[2])
	}
	if got := a.ingressURL("192.168.1.9"); got != "http://192.168.1.9" {
		t.Errorf("the ingress is at %s", got)
	}
	a.cfg.HTTPPort = 8081
	if got := a.ingressURL("192.168.1.9"); got != "http://192.168.1.9:8081" {
		t.Errorf("the ingress is at %s", got)
	}
}

// Without a project there is nothing to ask yet, but something to do.
func TestLinksWithoutProject(t *testing.T) {
	a := &Appliance{cfg: DefaultConfig(), paths: Paths{Data: "/data"}, tokens: newLoginTokens()}
	if lines := a.links(""); lines[2] != "Try       sudo benchtop project add iris" {
		t.Errorf("the last line is %q", lines[2])
	}
	if lines := a.links("wine"); !strings.Contains(lines[2], "/models/wine/predict?x=14.23,1.71,") {
		t.Errorf("the last line is %q", lines[2])
	}
}
