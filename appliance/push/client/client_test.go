package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// lab answers as a lab does. states is what is said of the push, one after the
// other, the last one for ever.
type lab struct {
	mu     sync.Mutex
	states []mlops.PushState
	refuse error
	got    []byte
	query  string
	asked  []string
}

func (l *lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch {
	case l.refuse != nil:
		w.WriteHeader(http.StatusForbidden)
		answer(map[string]any{"error_code": mlops.CodeOf(l.refuse), "message": mlops.MessageOf(l.refuse)})
	case r.Method == http.MethodPost && r.URL.Path == "/api/projects/prices/code":
		l.got, _ = io.ReadAll(r.Body)
		l.query = r.URL.RawQuery
		a := mlops.PushAnswer{Plan: mlops.CodePlan{Why: "train.py is in the folder's root.", Command: []string{"python", "train.py"}}}
		if r.URL.Query().Get("explain") == "true" {
			a.Manifests = "---\nkind: Namespace\n"
		} else {
			a.Pushed = &mlops.Pushed{Training: mlops.Training{ID: 7, Project: "prices", Job: "prices-train-7"}}
		}
		answer(a)
	case r.URL.Path == "/api/projects/prices/pushes/7/log":
		fmt.Fprint(w, "epoch 1\nepoch 2")
	case r.URL.Path == "/api/projects/prices/pushes/7":
		s := l.states[0]
		if len(l.states) > 1 {
			l.states = l.states[1:]
		}
		answer(s)
	default:
		http.NotFound(w, r)
	}
}

func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "prices")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "train.py"), []byte("print(1)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func push(t *testing.T, l *lab, o Options) (string, error) {
	t.Helper()
	server := httptest.NewServer(l)
	defer server.Close()
	var out bytes.Buffer
	err := Push(t.Context(), Lab{Base: server.URL + "/api", Token: "secret", HTTP: server.Client()}, o, &out)
	return out.String(), err
}

func state(training mlops.TrainingState, message string, r *mlops.Revision) mlops.PushState {
	return mlops.PushState{Training: mlops.Training{ID: 7, Project: "prices", Job: "prices-train-7", RunID: "4a11", State: training, Message: message}, Revision: r, Address: "http://lab/models/prices/predict"}
}

func TestPush(t *testing.T) {
	registered := state(mlops.TrainingSucceeded, "registered version 3", nil)
	registered.Version = 3
	l := &lab{states: []mlops.PushState{
		state(mlops.TrainingRunning, "asks for 2 GPUs, the node has 1", nil),
		state(mlops.TrainingRunning, "", nil),
		registered, // the next pass of the loop makes its revision
		state(mlops.TrainingSucceeded, "registered version 3", &mlops.Revision{Version: 3, State: mlops.RevisionStarting}),
		state(mlops.TrainingSucceeded, "registered version 3", &mlops.Revision{Version: 3, State: mlops.RevisionLive}),
	}}
	out, err := push(t, l, Options{Path: folder(t), Command: "python train.py --n 2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 file, ", "train.py is in the folder's root. It runs: python train.py\n", "training prices-train-7\n", "it waits: asks for 2 GPUs, the node has 1\n", "  epoch 1\n  epoch 2\n", "trained: run 4a11, version 3\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if !strings.HasSuffix(out, "\nhttp://lab/models/prices/predict\n") {
		t.Errorf("it does not end with the address:\n%s", out)
	}
	if l.query != "command=python+train.py+--n+2" || !bytes.HasPrefix(l.got, []byte{0x1f, 0x8b}) {
		t.Errorf("the lab got %q and %d bytes that begin %x", l.query, len(l.got), l.got[:min(4, len(l.got))])
	}
	if l.asked[0] != "POST /api/projects/prices/code Bearer secret" {
		t.Errorf("it asked %s", l.asked[0])
	}
}

func TestPushEnds(t *testing.T) {
	for _, c := range []struct {
		name      string
		state     mlops.PushState
		out, fail string
	}{
		{"failed", state(mlops.TrainingFailed, "ZeroDivisionError: division by zero", nil), "", "training prices-train-7 failed: ZeroDivisionError: division by zero"},
		{"no model", state(mlops.TrainingSucceeded, "no model was found: add joblib.dump", nil), "no model was found", ""},
		{"refused", state(mlops.TrainingSucceeded, "", &mlops.Revision{Version: 3, State: mlops.RevisionRejected, Message: "accuracy 0.4 < 0.8"}), "", "version 3 is rejected: accuracy 0.4 < 0.8"},
		{"waits", state(mlops.TrainingSucceeded, "", &mlops.Revision{Version: 3, Deployment: "prices", State: mlops.RevisionWaiting}), "waits for an approval: `benchtop approve prices`", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := push(t, &lab{states: []mlops.PushState{c.state}}, Options{Path: folder(t)})
			if !strings.Contains(out, c.out) || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
				t.Errorf("it says %q and ends with %v; want %q and %q", out, err, c.out, c.fail)
			}
		})
	}
	held := state(mlops.TrainingSucceeded, "", nil)
	held.Held = "deployment prices is pinned"
	if out, err := push(t, &lab{states: []mlops.PushState{held}}, Options{Path: folder(t)}); err != nil || !strings.Contains(out, held.Held) {
		t.Errorf("of a pinned deployment: %q, %v", out, err)
	}
}

func TestPushOnlyExplainsOrDetaches(t *testing.T) {
	l := &lab{}
	if out, err := push(t, l, Options{Path: folder(t), Explain: true}); err != nil || !strings.HasSuffix(out, "---\nkind: Namespace\n") || len(l.asked) != 1 {
		t.Errorf("to explain says %q, %v, after %v", out, err, l.asked)
	}
	l = &lab{}
	if out, err := push(t, l, Options{Path: folder(t), Detach: true}); err != nil || !strings.HasSuffix(out, "training prices-train-7\n") || len(l.asked) != 1 {
		t.Errorf("to detach says %q, %v, after %v", out, err, l.asked)
	}
}

func TestPushMistakes(t *testing.T) {
	fails := func(o Options, l *lab, want string) {
		t.Helper()
		if _, err := push(t, l, o); err == nil || !strings.Contains(mlops.MessageOf(err), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	dir := folder(t)
	fails(Options{Path: dir, Project: "No"}, &lab{}, "name the project with --project")
	fails(Options{Path: filepath.Join(dir, "absent")}, &lab{}, "absent")
	fails(Options{Path: dir}, &lab{refuse: mlops.Errorf(mlops.Denied, "The key ada is limited to project wine")}, "The key ada is limited to project wine")
	fails(Options{Path: dir}, &lab{states: []mlops.PushState{{}}}, "is it a lab of this version?")
	var out bytes.Buffer
	err := Push(context.Background(), Lab{Base: "http://127.0.0.1:1/api", HTTP: &http.Client{}}, Options{Path: dir}, &out)
	if mlops.CodeOf(err) != mlops.Unavailable || !strings.Contains(err.Error(), "the lab at http://127.0.0.1:1/api does not answer") {
		t.Errorf("without a lab: %v", err)
	}
}
