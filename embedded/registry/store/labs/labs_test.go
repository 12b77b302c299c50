package labs_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
)

var begin = time.UnixMilli(1_790_000_000_000)

func at(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }

func TestSessions(t *testing.T) {
	s, ctx := storetest.Open(t).Labs, t.Context()
	open := func(user, lab string) mlops.LabSession {
		t.Helper()
		return dbtest.Must(s.CreateSession(ctx, mlops.LabSession{Lab: lab, User: user, Timed: true, OpenedAt: begin}))(t)
	}
	ada, eve := open("ada", "volumes"), open("eve", "volumes")
	if ada.Room != "lab-volumes" || eve.Room != "lab-volumes-2" || ada.State != mlops.LabOpening {
		t.Errorf("rooms are %s (%s) and %s, want lab-volumes (opening) and lab-volumes-2", ada.Room, ada.State, eve.Room)
	}
	_, err := s.CreateSession(ctx, mlops.LabSession{Lab: "volumes", User: "ada", OpenedAt: begin})
	dbtest.WantCode(t, err, mlops.Exists, "benchtop lab leave volumes")
	if err := s.SetSession(ctx, ada.ID, mlops.LabOpen, "", at(4)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetSession(ctx, ada.ID, mlops.LabOpen, "the shell is away", time.Time{}); err != nil { // keeps when it was ready
		t.Fatal(err)
	}
	dbtest.WantCode(t, s.DeleteSession(ctx, ada.ID), mlops.NotFound, "not closed")
	if err := s.SetSession(ctx, ada.ID, mlops.LabClosed, "", at(9)); err != nil {
		t.Fatal(err)
	}
	if got := dbtest.Must(s.Sessions(ctx))(t); len(got) != 1 || !reflect.DeepEqual(got[0], eve) {
		t.Errorf("open sessions are %+v, want that of eve", got)
	}
	if again := open("ada", "volumes"); again.Room != "lab-volumes" {
		t.Errorf("a room that is free again is not given again: %s", again.Room)
	}
	history := dbtest.Must(s.History(ctx, "ada"))(t)
	if len(history) != 2 || history[0].State != mlops.LabClosed || !history[0].ClosedAt.Equal(at(9)) || !history[0].ReadyAt.Equal(at(4)) {
		t.Errorf("history is %+v, want the closed session and the open one", history)
	}
	if err := s.DeleteSession(ctx, ada.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.Session(ctx, ada.ID)
	dbtest.WantCode(t, err, mlops.NotFound, "is not there")
	dbtest.WantCode(t, s.SetSession(ctx, ada.ID, mlops.LabOpen, "", begin), mlops.NotFound, "is not there")
}

func TestReached(t *testing.T) {
	s, ctx := storetest.Open(t).Labs, t.Context()
	n := dbtest.Must(s.CreateSession(ctx, mlops.LabSession{Lab: "volumes", User: "ada", OpenedAt: begin}))(t)
	do := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	do(s.AddPass(ctx, n.ID, mlops.LabPass{Task: "claim", At: at(1)}),
		s.AddPass(ctx, n.ID, mlops.LabPass{Task: "claim", At: at(2), Solved: true}), // the first counts
		s.AddPass(ctx, n.ID, mlops.LabPass{Task: "pin", At: at(3), Solved: true}),
		s.AddHint(ctx, n.ID, mlops.LabHintTaken{Task: "claim", Tier: 1, Topic: "0", Text: "look", At: at(1)}),
		s.AddHint(ctx, n.ID, mlops.LabHintTaken{Task: "pin", Tier: 1, Topic: "0", Text: "there", At: at(2)}),
		s.AddAnswer(ctx, n.ID, mlops.LabAnswer{Task: "claim", Question: "q", Answer: "1", Right: true, At: at(1)}),
		s.AddAnswer(ctx, n.ID, mlops.LabAnswer{Task: "claim", Question: "q", Answer: "2", At: at(2)}))
	b := dbtest.Must(s.AddBreak(ctx, n.ID, mlops.LabBreak{Fault: "class", Seed: 7, Timed: true, At: at(4)}))(t)
	lost := dbtest.Must(s.AddBreak(ctx, n.ID, mlops.LabBreak{Fault: "size", Seed: 8, At: at(6)}))(t)
	do(s.EndBreak(ctx, b.ID, at(5), time.Time{}), s.EndBreak(ctx, lost.ID, time.Time{}, at(7)))
	dbtest.WantCode(t, s.EndBreak(ctx, b.ID, at(8), time.Time{}), mlops.InvalidState, "not looked for")

	got := dbtest.Must(s.Session(ctx, n.ID))(t)
	want := mlops.LabHistory{LabSession: n,
		Passes:  []mlops.LabPass{{Task: "claim", At: at(1)}, {Task: "pin", At: at(3), Solved: true}},
		Hints:   []mlops.LabHintTaken{{Task: "claim", Tier: 1, Topic: "0", Text: "look", At: at(1)}, {Task: "pin", Tier: 1, Topic: "0", Text: "there", At: at(2)}},
		Answers: []mlops.LabAnswer{{Task: "claim", Question: "q", Answer: "1", Right: true, At: at(1)}},
		Breaks:  []mlops.LabBreak{{ID: b.ID, Fault: "class", Seed: 7, Timed: true, At: at(4), MendedAt: at(5)}, {ID: lost.ID, Fault: "size", Seed: 8, At: at(6), GaveUpAt: at(7)}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the session holds\n%+v, want\n%+v", got, want)
	}
	reached := func() mlops.LabReached { return dbtest.Must(s.Progress(ctx, "ada"))(t)["volumes"] }
	wantReached := mlops.LabReached{Sessions: 1, Passed: map[string]time.Time{"claim": at(1)}, Mended: map[string]time.Time{"class": at(5)}}
	if r := reached(); !reflect.DeepEqual(r, wantReached) {
		t.Errorf("reached %+v, want %+v: the author's solution is not the learner's, nor is a fault that was given up", r, wantReached)
	}

	// A reset takes passes back and not what was learned.
	do(s.DropPasses(ctx, n.ID, "claim"), s.DropHints(ctx, n.ID, "claim"))
	if got = dbtest.Must(s.Session(ctx, n.ID))(t); len(got.Passes) != 1 || got.Passes[0].Task != "pin" || len(got.Hints) != 1 || got.Hints[0].Task != "pin" {
		t.Errorf("after the reset of a task: passes %+v, hints %+v", got.Passes, got.Hints)
	}
	do(s.AddPass(ctx, n.ID, mlops.LabPass{Task: "claim", At: at(20), Solved: true}))
	if got = dbtest.Must(s.Session(ctx, n.ID))(t); len(got.Passes) != 2 || !got.Passes[1].Solved {
		t.Errorf("passed again: %+v", got.Passes)
	}
	do(s.DropPasses(ctx, n.ID), s.DropHints(ctx, n.ID), s.AddPass(ctx, n.ID, mlops.LabPass{Task: "pin", At: at(30)}))
	wantReached.Passed["pin"] = at(30)
	if r := reached(); !reflect.DeepEqual(r, wantReached) {
		t.Errorf("after a reset of all and another pass: %+v, want %+v", r, wantReached)
	}
}
