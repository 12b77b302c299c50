package projects

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// CreateTraining makes the row of a training. The name of its Job comes from
// the row's number, so that creating the Job can be repeated.
func (s *Store) CreateTraining(ctx context.Context, project string, trigger mlops.Trigger) (mlops.Training, error) {
	var id int64
	err := s.db.Write(ctx, func(t *db.Tx) (err error) {
		id, err = requestTraining(t, project, trigger)
		return err
	})
	if err != nil {
		return mlops.Training{}, err
	}
	return s.Training(ctx, id)
}

func requestTraining(t *db.Tx, project string, trigger mlops.Trigger) (id int64, err error) {
	p, err := findProject(t, project)
	if err != nil {
		return 0, err
	}
	if id, err = t.Insert("INSERT INTO trainings (project, trigger, state, job, created) VALUES (?, ?, ?, '', ?)", p, string(trigger), string(mlops.TrainingRequested), t.Now); err != nil {
		return 0, err
	}
	return id, t.Exec("UPDATE trainings SET job = ? WHERE id = ?", fmt.Sprintf("%s-train-%d", project, id), id)
}

// AdoptTraining makes the row of a training whose Job the CronJob has made. A
// Job that has a row keeps it.
func (s *Store) AdoptTraining(ctx context.Context, project, job string, trigger mlops.Trigger, createdAt time.Time) (mlops.Training, error) {
	if job == "" {
		return mlops.Training{}, mlops.Errorf(mlops.Invalid, "the name of the Job must not be empty")
	}
	var id int64
	err := s.db.Write(ctx, func(t *db.Tx) error {
		p, err := findProject(t, project)
		if err != nil {
			return err
		}
		if found, err := t.Row("SELECT id FROM trainings WHERE project = ? AND job = ?", []any{p, job}, &id); err != nil || found {
			return err
		}
		id, err = t.Insert("INSERT INTO trainings (project, trigger, state, job, created) VALUES (?, ?, ?, ?, ?)", p, string(trigger), string(mlops.TrainingRunning), job, createdAt.UnixMilli())
		return err
	})
	if err != nil {
		return mlops.Training{}, err
	}
	return s.Training(ctx, id)
}

func findProject(t *db.Tx, name string) (id int64, err error) {
	found, err := t.Row("SELECT id FROM projects WHERE name = ?", []any{name}, &id)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "there is no project %q", wire.Head(name))
	}
	return id, err
}

var trainingRank = map[mlops.TrainingState]int{mlops.TrainingRequested: 0, mlops.TrainingRunning: 1, mlops.TrainingSucceeded: 2, mlops.TrainingFailed: 2}

// SetTraining moves a training forward. It may repeat the present state with
// another message, and refuses to go back.
func (s *Store) SetTraining(ctx context.Context, id int64, state mlops.TrainingState, message string, endedAt time.Time) error {
	rank, ok := trainingRank[state]
	if !ok {
		return mlops.Errorf(mlops.Invalid, "training state %q is not known", state)
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		var old mlops.TrainingState
		found, err := t.Row("SELECT state FROM trainings WHERE id = ?", []any{id}, (*string)(&old))
		if err != nil {
			return err
		}
		if !found {
			return mlops.Errorf(mlops.NotFound, "there is no training %d", id)
		}
		if old != state && (old.Terminal() || rank < trainingRank[old]) {
			return mlops.Errorf(mlops.InvalidState, "training %d is %s and cannot become %s", id, old, state)
		}
		var ended any
		if !endedAt.IsZero() {
			ended = endedAt.UnixMilli()
		}
		return t.Exec("UPDATE trainings SET state = ?, message = ?, ended = coalesce(?, ended) WHERE id = ?", string(state), message, ended, id)
	})
}

// SetTrainingCode notes what a training's Job runs.
func (s *Store) SetTrainingCode(ctx context.Context, id int64, codeSHA256, image string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec("UPDATE trainings SET code = ?, image = ? WHERE id = ?", codeSHA256, image, id)
	})
}

// Training returns one training.
func (s *Store) Training(ctx context.Context, id int64) (mlops.Training, error) {
	out, err := s.trainings(ctx, "WHERE t.id = ?", id)
	if err != nil {
		return mlops.Training{}, err
	}
	if len(out) == 0 {
		return mlops.Training{}, mlops.Errorf(mlops.NotFound, "there is no training %d", id)
	}
	return out[0], nil
}

// Trainings returns the newest trainings of a project, of all if it is "".
func (s *Store) Trainings(ctx context.Context, project string, max int) ([]mlops.Training, error) {
	if max <= 0 {
		max = 100
	}
	return s.trainings(ctx, "WHERE (?1 = '' OR p.name = ?1) ORDER BY t.created DESC, t.id DESC LIMIT ?2", project, max)
}

// newestOfEach finds the newest trainings of each project by the index, however
// many there are. Those of one millisecond may be more than were asked for.
const newestOfEach = `WHERE t.created >= coalesce((SELECT n.created FROM trainings n WHERE n.project = p.id ORDER BY n.created DESC LIMIT 1 OFFSET ?), 0)
	ORDER BY p.name, t.created DESC, t.id DESC`

// NewestTrainings returns up to each of the newest trainings of every project,
// the newest first, by the projects' names.
func (s *Store) NewestTrainings(ctx context.Context, each int) ([]mlops.Training, error) {
	all, err := s.trainings(ctx, newestOfEach, max(each, 1)-1)
	if err != nil {
		return nil, err
	}
	kept := map[string]int{}
	return slices.DeleteFunc(all, func(t mlops.Training) bool {
		kept[t.Project]++
		return kept[t.Project] > max(each, 1)
	}), nil
}

// The run of a training is the one that its Job has tagged with the Job's
// name, the newest if a pod was started again.
const trainingColumns = `SELECT t.id, p.name, t.trigger, t.state, t.job, t.message, t.code, t.image, t.environment, t.created, t.ended,
	coalesce((SELECT r.run_id FROM experiments e
		JOIN tags g ON g.exp = e.id AND g.key = 'benchtop.job' AND g.value = t.job
		JOIN runs r ON r.id = g.run AND r.lifecycle = 'active'
		WHERE e.name = p.name ORDER BY r.start_time DESC LIMIT 1), '')
	FROM trainings t JOIN projects p ON p.id = t.project `

func (s *Store) trainings(ctx context.Context, where string, args ...any) (out []mlops.Training, err error) {
	err = s.db.Rows(ctx, trainingColumns+where, func(r *sql.Rows) error {
		var t mlops.Training
		var created int64
		var ended sql.NullInt64
		if err := r.Scan(&t.ID, &t.Project, (*string)(&t.Trigger), (*string)(&t.State), &t.Job, &t.Message, &t.CodeSHA256, &t.Image, &t.Environment, &created, &ended, &t.RunID); err != nil {
			return err
		}
		t.CreatedAt = time.UnixMilli(created)
		if ended.Valid {
			t.EndedAt = time.UnixMilli(ended.Int64)
		}
		out = append(out, t)
		return nil
	}, args...)
	return out, err
}
