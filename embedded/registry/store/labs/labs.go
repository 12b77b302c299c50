// Package labs keeps the sessions of guided labs, and what users have reached in
// them.
package labs

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
)

// Store keeps sessions.
type Store struct{ db *db.DB }

// New returns the sessions of a database.
func New(d *db.DB) *Store { return &Store{d} }

// CreateSession adds a session in state opening, and gives it its ID and a room
// that no other session has. It is mlops.Exists if the user has one of the lab.
func (s *Store) CreateSession(ctx context.Context, n mlops.LabSession) (mlops.LabSession, error) {
	err := s.db.Write(ctx, func(t *db.Tx) error {
		found, err := t.Row("SELECT 1 FROM lab_sessions WHERE user = ? AND lab = ? AND state <> 'closed'", []any{n.User, n.Lab}, new(int))
		if err == nil && found {
			err = mlops.Errorf(mlops.Exists, "lab %s is open already: go on with it, or leave it first with `benchtop lab leave %s`", n.Lab, n.Lab)
		}
		if err != nil {
			return err
		}
		room := "lab-" + n.Lab
		for i := 2; ; i++ {
			taken, err := t.Row("SELECT 1 FROM lab_sessions WHERE room = ? AND state <> 'closed'", []any{room}, new(int))
			if err != nil {
				return err
			}
			if !taken {
				break
			}
			room = fmt.Sprintf("lab-%s-%d", n.Lab, i)
		}
		n.Room, n.State = room, mlops.LabOpening
		n.ID, err = t.Insert("INSERT INTO lab_sessions (lab, user, room, state, timed, opened) VALUES (?, ?, ?, ?, ?, ?)",
			n.Lab, n.User, n.Room, string(n.State), n.Timed, n.OpenedAt.UnixMilli())
		return err
	})
	return n, err
}

// SetSession changes the state of a session. At is when it became ready or closed,
// zero if it did neither.
func (s *Store) SetSession(ctx context.Context, id int64, state mlops.LabState, problem string, at time.Time) error {
	var ready, closed int64
	switch {
	case state == mlops.LabClosed:
		closed = db.MsOf(at)
	case state == mlops.LabOpen:
		ready = db.MsOf(at)
	}
	return s.one(ctx, id, "UPDATE lab_sessions SET state = ?, problem = ?, ready = CASE ? WHEN 0 THEN ready ELSE ? END, closed = ? WHERE id = ?",
		string(state), problem, ready, ready, closed, id)
}

// DeleteSession removes a closed session with all that it holds.
func (s *Store) DeleteSession(ctx context.Context, id int64) error {
	return s.one(ctx, id, "DELETE FROM lab_sessions WHERE id = ? AND state = 'closed'", id)
}

// one changes the row of a session.
func (s *Store) one(ctx context.Context, id int64, query string, args ...any) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := t.Changes(query, args...)
		if err == nil && n == 0 {
			return mlops.Errorf(mlops.NotFound, "session %d of a guided lab is not there, or not closed", id)
		}
		return err
	})
}

const sessionColumns = "id, lab, user, room, state, problem, timed, opened, ready, closed"

func scanSession(r *sql.Rows) (n mlops.LabSession, err error) {
	var opened, ready, closed int64
	err = r.Scan(&n.ID, &n.Lab, &n.User, &n.Room, &n.State, &n.Problem, &n.Timed, &opened, &ready, &closed)
	n.OpenedAt, n.ReadyAt, n.ClosedAt = db.TimeOf(opened), db.TimeOf(ready), db.TimeOf(closed)
	return n, err
}

// Sessions returns those that aren't closed, the oldest first.
func (s *Store) Sessions(ctx context.Context) (out []mlops.LabSession, err error) {
	err = s.db.Rows(ctx, "SELECT "+sessionColumns+" FROM lab_sessions WHERE state <> 'closed' ORDER BY id", func(r *sql.Rows) error {
		n, err := scanSession(r)
		out = append(out, n)
		return err
	})
	return out, err
}

// Session returns a session with what it holds.
func (s *Store) Session(ctx context.Context, id int64) (mlops.LabHistory, error) {
	all, err := s.histories(ctx, "id = ?", id)
	if err == nil && len(all) == 0 {
		err = mlops.Errorf(mlops.NotFound, "session %d of a guided lab is not there", id)
	}
	if err != nil {
		return mlops.LabHistory{}, err
	}
	return all[0], nil
}

// History returns all sessions of a user with what they hold, the oldest first.
func (s *Store) History(ctx context.Context, user string) ([]mlops.LabHistory, error) {
	return s.histories(ctx, "user = ?", user)
}

// histories reads the sessions that where, a constant with one argument, chooses.
func (s *Store) histories(ctx context.Context, where string, arg any) ([]mlops.LabHistory, error) {
	out := []mlops.LabHistory{}
	at := map[int64]int{} // session → its index
	err := s.db.Rows(ctx, "SELECT "+sessionColumns+" FROM lab_sessions WHERE "+where+" ORDER BY id", func(r *sql.Rows) error {
		n, err := scanSession(r)
		at[n.ID] = len(out)
		out = append(out, mlops.LabHistory{LabSession: n, Passes: []mlops.LabPass{}, Hints: []mlops.LabHintTaken{}, Answers: []mlops.LabAnswer{}, Breaks: []mlops.LabBreak{}})
		return err
	}, arg)
	if err != nil {
		return nil, err
	}
	of := " WHERE session IN (SELECT id FROM lab_sessions WHERE " + where + ") "
	// One session may close and go between two of these reads: then it has no place.
	held := func(id int64, add func(*mlops.LabHistory)) {
		if i, ok := at[id]; ok {
			add(&out[i])
		}
	}
	if err := s.db.Rows(ctx, "SELECT session, task, at, solved FROM lab_passes"+of+"AND standing = 1 ORDER BY session, at", func(r *sql.Rows) error {
		var id, ms int64
		var p mlops.LabPass
		err := r.Scan(&id, &p.Task, &ms, &p.Solved)
		p.At = db.TimeOf(ms)
		held(id, func(h *mlops.LabHistory) { h.Passes = append(h.Passes, p) })
		return err
	}, arg); err != nil {
		return nil, err
	}
	if err := s.db.Rows(ctx, "SELECT session, task, tier, topic, text, at FROM lab_hints"+of+"ORDER BY id", func(r *sql.Rows) error {
		var id, ms int64
		var n mlops.LabHintTaken
		err := r.Scan(&id, &n.Task, &n.Tier, &n.Topic, &n.Text, &ms)
		n.At = db.TimeOf(ms)
		held(id, func(h *mlops.LabHistory) { h.Hints = append(h.Hints, n) })
		return err
	}, arg); err != nil {
		return nil, err
	}
	if err := s.db.Rows(ctx, "SELECT session, task, question, answer, correct, at FROM lab_answers"+of+"ORDER BY session, at", func(r *sql.Rows) error {
		var id, ms int64
		var a mlops.LabAnswer
		err := r.Scan(&id, &a.Task, &a.Question, &a.Answer, &a.Right, &ms)
		a.At = db.TimeOf(ms)
		held(id, func(h *mlops.LabHistory) { h.Answers = append(h.Answers, a) })
		return err
	}, arg); err != nil {
		return nil, err
	}
	return out, s.db.Rows(ctx, "SELECT session, id, fault, seed, timed, at, mended, gave_up FROM lab_breaks"+of+"ORDER BY id", func(r *sql.Rows) error {
		var id, ms, mended, gaveUp int64
		var b mlops.LabBreak
		err := r.Scan(&id, &b.ID, &b.Fault, &b.Seed, &b.Timed, &ms, &mended, &gaveUp)
		b.At, b.MendedAt, b.GaveUpAt = db.TimeOf(ms), db.TimeOf(mended), db.TimeOf(gaveUp)
		held(id, func(h *mlops.LabHistory) { h.Breaks = append(h.Breaks, b) })
		return err
	}, arg)
}
