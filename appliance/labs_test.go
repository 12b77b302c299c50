package appliance

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

func TestLabDial(t *testing.T) {
	var went string
	d := labDialer{domain: "lab.internal", address: "10.44.0.1", ingress: "10.44.0.1:80",
		resolve: func(_ context.Context, host string) ([]string, error) {
			switch host {
			case "model.lab-x.svc.cluster.local.":
				return []string{"10.43.7.7"}, nil
			case "alias.lab-x.svc.cluster.local.":
				return []string{"192.168.1.1"}, nil
			case "away.lab-x.svc.cluster.local.":
				return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
			}
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		},
		connect: func(_ context.Context, _, address string) (net.Conn, error) { went = address; return nil, nil }}
	for _, c := range []struct {
		address, to, text string
		code              mlops.Code
	}{
		{"model.lab-x.svc:80", "10.43.7.7:80", "", ""},
		{"model.lab-x.svc.cluster.local:8080", "10.43.7.7:8080", "", ""},
		{"lab-x.lab.internal:80", "10.44.0.1:80", "", ""},
		{"10.44.0.1:80", "10.44.0.1:80", "", ""},
		{"none.lab-x.svc:80", "", "has no name none.lab-x.svc", mlops.Internal}, // an answer for the learner
		{"alias.lab-x.svc:80", "", "outside of the cluster", mlops.Internal},
		{"away.lab-x.svc:80", "", "DNS does not answer", mlops.Unavailable}, // a fault of ours
		{"example.com:80", "", "expected a Service such as model.NAMESPACE.svc, or a host of the ingress such as x.lab.internal", mlops.Invalid},
		{"127.0.0.1:80", "", "expected a Service", mlops.Invalid},
		{"nothing", "", "expected HOST:PORT", mlops.Invalid},
	} {
		went = ""
		_, err := d.dial(t.Context(), "tcp", c.address)
		if went != c.to || (err == nil) != (c.text == "") {
			t.Errorf("%s leads to %q, %v, want %q", c.address, went, err, c.to)
		}
		if err != nil && (mlops.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: %v (%s), want %q (%s)", c.address, err, mlops.CodeOf(err), c.text, c.code)
		}
	}
}

// someLabs notes what it was asked.
type someLabs struct {
	ports.Labs
	asked []string
}

func (l *someLabs) note(words ...string) error {
	l.asked = append(l.asked, strings.Join(words, " "))
	if words[1] == "stuck" {
		return mlops.Errorf(mlops.InvalidState, "Lab stuck is being reset.")
	}
	return nil
}

func (l *someLabs) Catalogue(_ context.Context, user string) ([]mlops.LabEntry, error) {
	return []mlops.LabEntry{{GuidedLab: mlops.GuidedLab{Name: "volumes"}}}, l.note(user, "list")
}
func (l *someLabs) Lab(_ context.Context, user, lab string) (mlops.LabView, error) {
	return mlops.LabView{GuidedLab: mlops.GuidedLab{Name: lab}}, l.note(user, lab, "show")
}
func (l *someLabs) Export(_ context.Context, user string) ([]mlops.LabHistory, error) {
	return []mlops.LabHistory{{LabSession: mlops.LabSession{User: user}}}, l.note(user, "export")
}
func (l *someLabs) Start(_ context.Context, user, lab string, timed bool) error {
	return l.note(user, lab, "start", map[bool]string{true: "timed"}[timed])
}
func (l *someLabs) Leave(_ context.Context, user, lab string, sure bool) error {
	if !sure {
		return &mlops.Error{Code: mlops.InvalidState, Message: "There is work in lab " + lab + ".", Err: mlops.ErrUnsure}
	}
	return l.note(user, lab, "leave", map[bool]string{true: "sure"}[sure])
}
func (l *someLabs) Check(_ context.Context, user, lab, task string) error {
	return l.note(user, lab, "check", task)
}
func (l *someLabs) Hint(_ context.Context, user, lab, task string) (mlops.LabHintTaken, error) {
	return mlops.LabHintTaken{Task: task, Tier: 2}, l.note(user, lab, "hint", task)
}
func (l *someLabs) Answer(_ context.Context, user, lab, task, question, answer string) (mlops.LabQuestion, error) {
	return mlops.LabQuestion{ID: question, Answer: answer}, l.note(user, lab, "answer", task)
}
func (l *someLabs) Reset(_ context.Context, user, lab, task string) error {
	return l.note(user, lab, "reset", task)
}
func (l *someLabs) Break(_ context.Context, user, lab string, seed int64, timed bool) error {
	if seed != 7 || !timed {
		return errors.New("another seed")
	}
	return l.note(user, lab, "break")
}
func (l *someLabs) GiveUp(_ context.Context, user, lab string) error {
	return l.note(user, lab, "give-up")
}
func (l *someLabs) Solve(_ context.Context, user, lab, task string) (string, error) {
	return "done", l.note(user, lab, "solve", task)
}

func TestControlOfLabs(t *testing.T) {
	a, c := serveControl(t, http.NotFoundHandler())
	have := &someLabs{}
	a.control.labs = have
	ctx := t.Context()
	if all, err := c.Labs(ctx); err != nil || len(all) != 1 || all[0].Name != "volumes" {
		t.Errorf("labs %+v, %v", all, err)
	}
	if v, err := c.Lab(ctx, "volumes"); err != nil || v.Name != "volumes" {
		t.Errorf("lab %+v, %v", v, err)
	}
	if all, err := c.LabHistory(ctx); err != nil || len(all) != 1 || all[0].User != "admin" {
		t.Errorf("history %+v, %v", all, err)
	}
	for verb, in := range map[string]LabRequest{"start": {Timed: true}, "reset": {Task: "claim"}, "give-up": {}} {
		if err := c.DoLab(ctx, "volumes", verb, in); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
	}
	for _, err := range []error{c.DoLab(ctx, "volumes", "break", LabRequest{Seed: 7, Timed: true}), c.DoLab(ctx, "volumes", "leave", LabRequest{Sure: true, User: "eve"})} {
		if err != nil {
			t.Error(err)
		}
	}
	if v, err := c.CheckLab(ctx, "volumes", "claim"); err != nil || v.Name != "volumes" {
		t.Errorf("check %+v, %v", v, err)
	}
	if h, err := c.LabHint(ctx, "volumes", "claim"); err != nil || h.Tier != 2 {
		t.Errorf("hint %+v, %v", h, err)
	}
	if q, err := c.AnswerLab(ctx, "volumes", LabRequest{Task: "claim", Question: "q", Answer: "2"}); err != nil || q.Answer != "2" {
		t.Errorf("answer %+v, %v", q, err)
	}
	if out, err := c.SolveLab(ctx, "volumes", "claim"); err != nil || out != "done" {
		t.Errorf("solve %q, %v", out, err)
	}
	for _, want := range []string{"admin volumes start timed", "eve volumes leave sure", "admin volumes check claim", "admin volumes reset claim", "admin volumes break", "admin volumes give-up", "admin volumes solve claim"} {
		if !strings.Contains(strings.Join(have.asked, "\n"), want) {
			t.Errorf("nobody was asked for %q: %q", want, have.asked)
		}
	}
	if err := c.DoLab(ctx, "stuck", "reset", LabRequest{}); mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "is being reset") {
		t.Errorf("a refusal: %v", err)
	}
	if err := c.DoLab(ctx, "volumes", "leave", LabRequest{}); mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "There is work in lab volumes. Say that you are sure with --sure.") {
		t.Errorf("leaving with work in it: %v", err)
	}
	if err := c.DoLab(ctx, "volumes", "fly", LabRequest{}); mlops.CodeOf(err) != mlops.EndpointError || !strings.Contains(mlops.MessageOf(err), "a guided lab cannot fly") {
		t.Errorf("an unknown verb: %v", err)
	}
}

func TestFolderOfALab(t *testing.T) {
	read := func(body []byte) error {
		_, err := labFolder(httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body)))
		return err
	}
	if err := read(nil); err != nil {
		t.Errorf("none: %v", err)
	}
	if err := read(make([]byte, maxLabFolder+1)); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), "expected at most 4 MiB") {
		t.Errorf("a large one: %v", err)
	}
	if err := read([]byte("no zip")); err == nil || !strings.Contains(err.Error(), "unpack the folder of a lab") {
		t.Errorf("no archive: %v", err)
	}
}

func TestNewLab(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my-lab")
	if err := NewLab(dir); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "lab.yaml")); err != nil || !strings.Contains(string(b), "title: My lab") {
		t.Errorf("lab.yaml is %q, %v", b, err)
	}
	if err := NewLab(dir); mlops.CodeOf(err) != mlops.Exists || !strings.Contains(mlops.MessageOf(err), "exists already: choose another name") {
		t.Errorf("again: %v", err)
	}
	if err := NewLab(filepath.Join(t.TempDir(), "none", "my-lab")); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), "can't make the folder") {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if err := NewLab(filepath.Join(t.TempDir(), "My_Lab")); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), "can't be called") {
		t.Errorf("an odd name: %v", err)
	}
}

func TestLabTally(t *testing.T) {
	tally := NewLabTally()
	tally.Add(LabStep{Lab: "a", Kind: "solve", OK: true, Late: 300e6})
	tally.Add(LabStep{Lab: "a", Kind: "reset", OK: false})
	tally.Add(LabStep{Lab: "gpus", Kind: skipped, OK: true})
	if got := tally.String(); !strings.HasPrefix(got, "3 steps, 1 failed; p95: a verdict 0.30 s") || !strings.HasSuffix(got, "; NOT TRIED: gpus") {
		t.Errorf("tally is %q", got)
	}
}
