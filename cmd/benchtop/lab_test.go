package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestLabCommandsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ args, text string }{
		{"lab verify", "expected names of labs, the folder of one, or --all"},
		{"lab verify --all volumes", "expected names of labs, or --all, not both"},
		{"lab verify --all --steps -1", "expected --steps of 0 or more"},
		{"lab verify --all --at-once 0", "--at-once of 1 or more"},
		{"lab verify ./none --steps 3", "random steps are for labs of the catalogue"},
		{"lab new /none/my-lab", "can't make the folder"},
	} {
		if _, err := run(t, "", strings.Fields(c.args)...); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), c.text) {
			t.Errorf("%s: %v, want %q", c.args, err, c.text)
		}
	}
}

func TestPrintLab(t *testing.T) {
	began := time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC)
	v := mlops.LabView{GuidedLab: mlops.GuidedLab{Name: "volumes", Title: "Where?", Level: "beginner", Minutes: 20, Summary: "Find it."}, CanBreak: "not all is passed"}
	printed := func() string {
		t.Helper()
		var out bytes.Buffer
		if err := printLab(&out, v); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	expect := func(what string, texts ...string) {
		t.Helper()
		got := printed()
		for _, text := range texts {
			if !strings.Contains(got, text) {
				t.Errorf("%s does not say %q:\n%s", what, text, got)
			}
		}
	}
	expect("a lab that isn't open", "Find it.", "sudo benchtop lab start volumes")
	v.Session = &mlops.LabSession{Room: "lab-volumes", State: mlops.LabOpening}
	v.Shell.Why = "its image is being loaded"
	expect("one that opens", "the lab is opening: its image is being loaded")
	v.Session.Problem = "the disk is full"
	expect("one that can't", "the lab is opening: the disk is full")
	v.Session.State, v.Session.Problem = mlops.LabOpen, ""
	v.Tasks = []mlops.LabTaskView{
		{LabTask: mlops.LabTask{ID: "a"}, Pass: &mlops.LabPass{}, Verdict: mlops.LabVerdict{Holds: true, At: began}},
		{LabTask: mlops.LabTask{ID: "b"}, Pass: &mlops.LabPass{Solved: true}, Verdict: mlops.LabVerdict{Holds: true, At: began}},
		{LabTask: mlops.LabTask{ID: "c"}, Pass: &mlops.LabPass{}, Verdict: mlops.LabVerdict{Saw: "it is gone\x1b", At: began}},
		{LabTask: mlops.LabTask{ID: "d"}, Pass: &mlops.LabPass{}, Verdict: mlops.LabVerdict{Fault: "no DNS", At: began}},
		{LabTask: mlops.LabTask{ID: "e", Title: "Look", Prose: "Look at it.\nTwice.", Questions: []mlops.LabQuestion{{ID: "q", Ask: "How many?", Choices: []string{"1", "2"}}}}, Unlocked: true, Verdict: mlops.LabVerdict{Saw: "There is none.", At: began}},
		{LabTask: mlops.LabTask{ID: "f"}, Unlocked: true, Verdict: mlops.LabVerdict{Fault: "no DNS", At: began}},
		{LabTask: mlops.LabTask{ID: "g", After: []string{"e", "f"}}},
	}
	expect("an open one", "a                passed\n", "passed (by the author's solution)", "passed, but it does not hold any more: it is gone \n", "passed; whether it still holds is not known, which is our fault: no DNS",
		"e                There is none.\n", "f                this check could not run, which is our fault and not yours: no DNS", "locked, comes after e, f", "Look at it.\nTwice.", "q: How many? (1 | 2)", "sudo benchtop lab shell volumes")
	v.Tasks, v.CanBreak = v.Tasks[:1], ""
	expect("one that is done", "sudo benchtop lab break volumes")
	v.Break = &mlops.LabBreakView{LabBreak: mlops.LabBreak{Timed: true, At: began}, Symptom: "Callers say it is slow."}
	v.CanBreak = "a fault is being looked for"
	expect("a broken one", "broken\n", "Callers say it is slow.")
	v.Break.Verdict = mlops.LabVerdict{Saw: "status 502", At: began}
	expect("a broken one that was looked at", "broken: status 502")
	v.Break.MendedAt, v.Break.Title, v.Break.Explained, v.CanBreak = began.Add(95*time.Second), "A wrong port", "It was the port.", ""
	expect("a mended one", "mended: A wrong port, in 1m35s", "It was the port.", "sudo benchtop lab break volumes")
	v.Break.MendedAt, v.Break.GaveUpAt = time.Time{}, began
	expect("one that was given up", "given up: A wrong port")

	var out bytes.Buffer
	if err := printLabs(&out, []mlops.LabEntry{{GuidedLab: v.GuidedLab, Progress: mlops.LabProgress{Passed: 1, Tasks: 5, Faults: 3, Open: true}}, {GuidedLab: mlops.GuidedLab{Name: "gpus"}, Next: true, Lacks: "no GPU"}}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"volumes  beginner  20       1/5    0/3            open", "next, no GPU"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the list does not say %q:\n%s", text, out.String())
		}
	}
}
