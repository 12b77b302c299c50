package labs

import (
	"context"
	"database/sql"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
)

// AddPass notes a pass. The first one of a task counts until it is taken back.
func (s *Store) AddPass(ctx context.Context, session int64, p mlops.LabPass) error {
	var learned int64
	if !p.Solved {
		learned = p.At.UnixMilli()
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec(`INSERT INTO lab_passes (session, task, at, solved, standing, learned) VALUES (?, ?, ?, ?, 1, ?)
			ON CONFLICT (session, task) DO UPDATE SET at = excluded.at, solved = excluded.solved, standing = 1,
				learned = CASE learned WHEN 0 THEN excluded.learned ELSE learned END
			WHERE standing = 0`, session, p.Task, p.At.UnixMilli(), p.Solved, learned)
	})
}

// DropPasses takes passes back, all if none is named.
func (s *Store) DropPasses(ctx context.Context, session int64, tasks ...string) error {
	return s.ofTasks(ctx, "UPDATE lab_passes SET standing = 0 WHERE session = ?", session, tasks)
}

// AddHint notes a hint that was asked for.
func (s *Store) AddHint(ctx context.Context, session int64, h mlops.LabHintTaken) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec("INSERT INTO lab_hints (session, task, tier, topic, text, at) VALUES (?, ?, ?, ?, ?, ?)", session, h.Task, h.Tier, h.Topic, h.Text, h.At.UnixMilli())
	})
}

// DropHints forgets the hints of tasks, all if none is named.
func (s *Store) DropHints(ctx context.Context, session int64, tasks ...string) error {
	return s.ofTasks(ctx, "DELETE FROM lab_hints WHERE session = ?", session, tasks)
}

// ofTasks changes rows of a session, all or those of tasks.
func (s *Store) ofTasks(ctx context.Context, query string, session int64, tasks []string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		if len(tasks) == 0 {
			return t.Exec(query, session)
		}
		for _, task := range tasks {
			if err := t.Exec(query+" AND task = ?", session, task); err != nil {
				return err
			}
		}
		return nil
	})
}

// AddAnswer notes an answer. The first one counts.
func (s *Store) AddAnswer(ctx context.Context, session int64, a mlops.LabAnswer) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec("INSERT INTO lab_answers (session, task, question, answer, correct, at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
			session, a.Task, a.Question, a.Answer, a.Right, a.At.UnixMilli())
	})
}

// AddBreak notes an injected fault and gives it its ID.
func (s *Store) AddBreak(ctx context.Context, session int64, b mlops.LabBreak) (mlops.LabBreak, error) {
	err := s.db.Write(ctx, func(t *db.Tx) (err error) {
		b.ID, err = t.Insert("INSERT INTO lab_breaks (session, fault, seed, timed, at) VALUES (?, ?, ?, ?, ?)", session, b.Fault, b.Seed, b.Timed, b.At.UnixMilli())
		return err
	})
	return b, err
}

// EndBreak notes that a fault was mended, or given up; the other time is zero.
func (s *Store) EndBreak(ctx context.Context, id int64, mended, gaveUp time.Time) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := t.Changes("UPDATE lab_breaks SET mended = ?, gave_up = ? WHERE id = ? AND mended = 0 AND gave_up = 0", db.MsOf(mended), db.MsOf(gaveUp), id)
		if err == nil && n == 0 {
			return mlops.Errorf(mlops.InvalidState, "the fault is not looked for any more")
		}
		return err
	})
}

// Progress says what a user has reached, by lab.
func (s *Store) Progress(ctx context.Context, user string) (map[string]mlops.LabReached, error) {
	out := map[string]mlops.LabReached{}
	err := s.db.Rows(ctx, "SELECT lab, count(*) FROM lab_sessions WHERE user = ? GROUP BY lab", func(r *sql.Rows) error {
		var lab string
		reached := mlops.LabReached{Passed: map[string]time.Time{}, Mended: map[string]time.Time{}}
		err := r.Scan(&lab, &reached.Sessions)
		out[lab] = reached
		return err
	}, user)
	if err != nil {
		return nil, err
	}
	note := func(of func(mlops.LabReached) map[string]time.Time) func(*sql.Rows) error {
		return func(r *sql.Rows) error {
			var lab, what string
			var ms int64
			err := r.Scan(&lab, &what, &ms)
			if reached, ok := out[lab]; ok {
				of(reached)[what] = db.TimeOf(ms)
			}
			return err
		}
	}
	if err := s.db.Rows(ctx, `SELECT s.lab, p.task, min(p.learned) FROM lab_passes p JOIN lab_sessions s ON s.id = p.session
		WHERE s.user = ? AND p.learned > 0 GROUP BY s.lab, p.task`, note(func(r mlops.LabReached) map[string]time.Time { return r.Passed }), user); err != nil {
		return nil, err
	}
	return out, s.db.Rows(ctx, `SELECT s.lab, b.fault, min(b.mended) FROM lab_breaks b JOIN lab_sessions s ON s.id = b.session
		WHERE s.user = ? AND b.mended > 0 GROUP BY s.lab, b.fault`, note(func(r mlops.LabReached) map[string]time.Time { return r.Mended }), user)
}
