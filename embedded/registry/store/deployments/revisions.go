package deployments

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

const revisionColumns = `SELECT r.id, d.name, r.number, r.model, r.version, r.run_id, r.code, r.image, r.state, r.cause, r.by, r.reason, r.gates, r.measured, r.approved, r.override, r.message, r.created, r.started, r.live, r.ended
	FROM revisions r JOIN deployments d ON d.id = r.deployment `

// Revision returns one revision.
func (s *Store) Revision(ctx context.Context, id int64) (mlops.Revision, error) {
	out, err := s.revisions(ctx, "WHERE r.id = ?", id)
	if err != nil {
		return mlops.Revision{}, err
	}
	if len(out) == 0 {
		return mlops.Revision{}, mlops.Errorf(mlops.NotFound, "there is no revision with id %d", id)
	}
	return out[0], nil
}

// Revisions returns up to max revisions of a deployment, newest first.
func (s *Store) Revisions(ctx context.Context, deployment string, max int) ([]mlops.Revision, error) {
	return s.revisions(ctx, "WHERE d.name = ? ORDER BY r.number DESC LIMIT ?", deployment, max)
}

// LastLive returns the newest revision of each of the max versions that were
// live last, the newest first. Revisions that were never live do not count.
func (s *Store) LastLive(ctx context.Context, deployment string, max int) ([]mlops.Revision, error) {
	return s.revisions(ctx, `WHERE r.id IN (SELECT max(n.id) FROM revisions n JOIN deployments o ON o.id = n.deployment
		WHERE o.name = ? AND n.live > 0 GROUP BY n.version) ORDER BY r.number DESC LIMIT ?`, deployment, max)
}

// RevisionsOf returns the newest revision of a model version on each deployment
// that has one, by deployment.
func (s *Store) RevisionsOf(ctx context.Context, model string, version int) ([]mlops.Revision, error) {
	return s.revisions(ctx, ofVersion, model, version)
}

const ofVersion = `WHERE r.id IN (SELECT max(id) FROM revisions WHERE model = ? AND version = ? GROUP BY deployment) ORDER BY d.name`

// OpenRevisions returns the revisions that have neither ended nor gone live,
// oldest first. It leaves out deployments that are being deleted.
func (s *Store) OpenRevisions(ctx context.Context) ([]mlops.Revision, error) {
	return s.revisions(ctx, "WHERE r.state IN ('judging', 'waiting', 'starting') AND NOT d.deleting AND NOT EXISTS (SELECT 1 FROM projects p WHERE p.name = d.project AND p.deleting) ORDER BY r.id")
}

func (s *Store) revisions(ctx context.Context, where string, args ...any) (out []mlops.Revision, err error) {
	err = s.db.Rows(ctx, revisionColumns+where, func(r *sql.Rows) error {
		var v mlops.Revision
		var gates, measured string
		var created, started, live, ended int64
		if err := r.Scan(&v.ID, &v.Deployment, &v.Number, &v.Model, &v.Version, &v.RunID, &v.CodeSHA256, &v.Image, (*string)(&v.State), (*string)(&v.Cause), &v.By, &v.Reason,
			&gates, &measured, &v.Approved, &v.Override, &v.Message, &created, &started, &live, &ended); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(gates), &v.Gates); err != nil {
			return fmt.Errorf("decode gates of revision %d: %w", v.ID, err)
		}
		if measured != "" {
			if err := json.Unmarshal([]byte(measured), &v.Measured); err != nil {
				return fmt.Errorf("decode measurement of revision %d: %w", v.ID, err)
			}
		}
		v.CreatedAt, v.StartedAt, v.LiveAt, v.EndedAt = time.UnixMilli(created), db.TimeOf(started), db.TimeOf(live), db.TimeOf(ended)
		out = append(out, v)
		return nil
	}, args...)
	return out, err
}

// FollowModels makes the revisions that moved aliases and new versions ask for,
// and returns how many. The same transaction notes what it looked at, so that
// nothing is asked for twice or missed.
func (s *Store) FollowModels(ctx context.Context) (made int, err error) {
	due, err := s.due(ctx)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	err = s.db.Write(ctx, func(t *db.Tx) error {
		made = 0
		for _, name := range due {
			n, err := follow(t, name)
			if err != nil {
				return err
			}
			made += n
		}
		return nil
	})
	return made, err
}

// due returns the deployments whose model has changed in a way that concerns
// them.
func (s *Store) due(ctx context.Context) (names []string, err error) {
	err = s.db.Rows(ctx, `SELECT d.name FROM deployments d JOIN registered_models m ON m.name = d.model WHERE d.pinned = 0 AND d.deleting = 0 AND NOT EXISTS (SELECT 1 FROM projects p WHERE p.name = d.project AND p.deleting) AND (
		d.automatic AND d.newest < (SELECT coalesce(max(v.version), 0) FROM model_versions v WHERE v.model = m.id AND v.status = 'READY')
		OR d.follows <> '' AND d.seen <> (SELECT coalesce(max(a.version), 0) FROM model_aliases a WHERE a.model = m.id AND a.alias = d.follows))`,
		func(r *sql.Rows) error {
			var name string
			if err := r.Scan(&name); err != nil {
				return err
			}
			names = append(names, name)
			return nil
		})
	return names, err
}

func follow(t *db.Tx, name string) (made int, err error) {
	d, err := findDeployment(t, name)
	if err != nil || d.pinned || d.deleting {
		return 0, err
	}
	target, err := aliased(t, d.model, d.follows)
	if err != nil {
		return 0, err
	}
	var newest int64
	if _, err := t.Row(`SELECT coalesce(max(v.version), 0) FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE m.name = ? AND v.status = 'READY'`, []any{d.model}, &newest); err != nil {
		return 0, err
	}
	serving, err := servedVersion(t, d)
	if err != nil {
		return 0, err
	}
	// The alias comes last, so that a person's decision stays.
	if d.automatic && newest > d.newest {
		if err := t.Exec("UPDATE deployments SET newest = ? WHERE id = ?", newest, d.id); err != nil {
			return 0, err
		}
		if newest != serving && (target == d.seen || target != newest) {
			if _, err := addRevision(t, d, newest, mlops.RevisionJudging, mlops.CauseVersion, mlops.Act{By: "benchtop"}); err != nil {
				return 0, err
			}
			made++
		}
	}
	if target != d.seen {
		if err := t.Exec("UPDATE deployments SET seen = ? WHERE id = ?", target, d.id); err != nil {
			return 0, err
		}
		if target != 0 && target != serving {
			if _, err := addRevision(t, d, target, mlops.RevisionJudging, mlops.CauseAlias, mlops.Act{By: "alias " + d.follows}); err != nil {
				return 0, err
			}
			made++
			return made, nil
		}
		// The alias was taken back: its version is not wanted any more.
		if err := t.Exec(`UPDATE revisions SET state = 'superseded', message = 'the alias was moved back', ended = ?
			WHERE deployment = ? AND state IN ('judging', 'waiting') AND cause = ?`, t.Now, d.id, string(mlops.CauseAlias)); err != nil {
			return 0, err
		}
	}
	return made, nil
}

// aliased is the version that an alias of a model points at, 0 for none.
func aliased(t *db.Tx, model, alias string) (version int64, err error) {
	_, err = t.Row("SELECT a.version FROM model_aliases a JOIN registered_models m ON m.id = a.model WHERE m.name = ? AND a.alias = ?", []any{model, alias}, &version)
	return version, err
}

// servedVersion is the version of the model that should be served, 0 for none.
// A version of an earlier model of that name does not count: its run or the
// time when it was made differs. Old revisions have no such time.
func servedVersion(t *db.Tx, d deploymentRow) (version int64, err error) {
	_, err = t.Row(`SELECT r.version FROM revisions r JOIN registered_models m ON m.name = r.model
		JOIN model_versions v ON v.model = m.id AND v.version = r.version AND v.run_id = r.run_id AND r.made IN (0, v.created) WHERE r.id = ?`, []any{d.revision}, &version)
	return version, err
}

// addRevision makes the next revision. It supersedes older ones that are still
// being judged or wait.
func addRevision(t *db.Tx, d deploymentRow, version int64, state mlops.RevisionState, cause mlops.Cause, act mlops.Act) (int64, error) {
	var run string
	var made int64
	found, err := t.Row(`SELECT v.run_id, v.created FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE m.name = ? AND v.version = ?`, []any{d.model, version}, &run, &made)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, mlops.Errorf(mlops.NotFound, "registered model %q has no version %d", wire.Head(d.model), version)
	}
	if err := t.Exec(`UPDATE revisions SET state = 'superseded', message = 'a newer revision came before it was put into service', ended = ? WHERE deployment = ? AND state IN ('judging', 'waiting')`, t.Now, d.id); err != nil {
		return 0, err
	}
	code, image, err := codeOf(t, run)
	if err != nil {
		return 0, err
	}
	return t.Insert(`INSERT INTO revisions (deployment, number, model, version, run_id, code, image, made, state, cause, by, reason, created)
		VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM revisions WHERE deployment = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.id, d.id, d.model, version, run, code, image, made, string(state), string(cause), act.By, act.Reason, t.Now)
}

// imageReference is what an image can be named by, with registry, tag and
// digest.
var imageReference = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,511}$`)

// codeOf is the digest of the code that made a run, and the image that it ran
// in. Any client may set these tags: what is neither a digest nor a reference
// counts for nothing.
func codeOf(t *db.Tx, run string) (code, image string, err error) {
	for key, value := range map[string]*string{mlops.TagCodeSHA256: &code, mlops.TagImage: &image} {
		if _, err := t.Row("SELECT g.value FROM runs r JOIN tags g ON g.run = r.id AND g.key = ? WHERE r.run_id = ?", []any{key, run}, value); err != nil {
			return "", "", err
		}
	}
	if !mlops.IsSHA256(code) {
		code = ""
	}
	if !imageReference.MatchString(image) {
		image = ""
	}
	return code, image, nil
}

// CreateRevision makes the revision that a person asks for. It still has to be
// judged; with override it passes whatever its gates find.
func (s *Store) CreateRevision(ctx context.Context, deployment string, version int, cause mlops.Cause, override bool, act mlops.Act) (mlops.Revision, error) {
	var id int64
	err := s.db.Write(ctx, func(t *db.Tx) error {
		d, err := findDeployment(t, deployment)
		if err != nil {
			return err
		}
		t.TouchModels()
		serving, err := servedVersion(t, d)
		if err != nil {
			return err
		}
		if cause == mlops.CausePromote && serving == int64(version) {
			return mlops.Errorf(mlops.InvalidState, "deployment %s serves version %d already", deployment, version)
		}
		if id, err = addRevision(t, d, int64(version), mlops.RevisionJudging, cause, act); err != nil || !override {
			return err
		}
		return t.Exec("UPDATE revisions SET override = 1, approved = ? WHERE id = ?", act.By, id)
	})
	if err != nil {
		return mlops.Revision{}, err
	}
	return s.Revision(ctx, id)
}

// JudgeRevision records what the gates found. The revision goes on to waiting,
// with a message that says for what, or to rejected, with the reason, or stays
// judging if it is about to start.
func (s *Store) JudgeRevision(ctx context.Context, id int64, gates []mlops.GateResult, state mlops.RevisionState, message string) error {
	if gates == nil {
		gates = []mlops.GateResult{}
	}
	b, err := json.Marshal(gates)
	if err != nil {
		return fmt.Errorf("encode gates: %w", err)
	}
	return s.moveRevision(ctx, id, func(t *db.Tx, _ deploymentRow, r revisionRow) error {
		if r.state != mlops.RevisionJudging && r.state != mlops.RevisionWaiting {
			return mlops.Errorf(mlops.InvalidState, "revision %d is %s: it was judged before", r.number, r.state)
		}
		var ended int64
		if state.Terminal() {
			ended = t.Now
		}
		return t.Exec("UPDATE revisions SET gates = ?, state = ?, message = ?, ended = ? WHERE id = ?", string(b), string(state), message, ended, id)
	})
}

// MeasureRevision keeps what was measured of a revision that is judged.
func (s *Store) MeasureRevision(ctx context.Context, id int64, m mlops.Measurement) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode measurement: %w", err)
	}
	return s.moveRevision(ctx, id, func(t *db.Tx, _ deploymentRow, r revisionRow) error {
		if r.state != mlops.RevisionJudging && r.state != mlops.RevisionWaiting {
			return mlops.Errorf(mlops.InvalidState, "revision %d is %s: it needs no measurement any more", r.number, r.state)
		}
		return t.Exec("UPDATE revisions SET measured = ? WHERE id = ?", string(b), id)
	})
}

// ApproveRevision notes who lets a waiting revision pass.
func (s *Store) ApproveRevision(ctx context.Context, id int64, act mlops.Act) error {
	return s.moveRevision(ctx, id, func(t *db.Tx, _ deploymentRow, r revisionRow) error {
		if r.state != mlops.RevisionWaiting {
			return mlops.Errorf(mlops.InvalidState, "revision %d is %s: only one that waits can be approved", r.number, r.state)
		}
		return t.Exec("UPDATE revisions SET approved = ?, reason = CASE WHEN ? = '' THEN reason ELSE ? END WHERE id = ?", act.By, act.Reason, act.Reason, id)
	})
}

// RejectRevision ends a waiting revision.
func (s *Store) RejectRevision(ctx context.Context, id int64, act mlops.Act) error {
	return s.moveRevision(ctx, id, func(t *db.Tx, _ deploymentRow, r revisionRow) error {
		if r.state != mlops.RevisionWaiting && r.state != mlops.RevisionJudging {
			return mlops.Errorf(mlops.InvalidState, "revision %d is %s: only one that waits can be rejected", r.number, r.state)
		}
		message := "rejected by " + act.By
		if act.Reason != "" {
			message += ": " + act.Reason
		}
		return t.Exec("UPDATE revisions SET state = 'rejected', message = ?, ended = ? WHERE id = ?", message, t.Now, id)
	})
}

// StartRevision makes a revision the one that should be served, and points the
// followed alias at its version.
func (s *Store) StartRevision(ctx context.Context, id int64) error {
	return s.moveRevision(ctx, id, func(t *db.Tx, d deploymentRow, r revisionRow) error {
		if r.state != mlops.RevisionJudging && r.state != mlops.RevisionWaiting {
			return mlops.Errorf(mlops.InvalidState, "revision %d is %s and cannot be started", r.number, r.state)
		}
		if err := t.Exec("UPDATE revisions SET state = 'superseded', message = 'a newer revision came before it was live', ended = ? WHERE deployment = ? AND state = 'starting'", t.Now, d.id); err != nil {
			return err
		}
		if err := t.Exec("UPDATE revisions SET state = 'starting', message = '', started = ? WHERE id = ?", t.Now, id); err != nil {
			return err
		}
		return serve(t, d, id, r.version)
	})
}

// serve notes what should be served. Only the project's deployment moves the
// alias; others that follow it only read it.
func serve(t *db.Tx, d deploymentRow, revision, version int64) error {
	if err := t.Exec("UPDATE deployments SET revision = ?, newest = max(newest, ?) WHERE id = ?", revision, version, d.id); err != nil {
		return err
	}
	if d.follows == "" || d.own {
		return nil
	}
	points, err := aliased(t, d.model, d.follows)
	if err != nil {
		return err
	}
	if points != 0 && points != d.seen && points != version && !d.pinned {
		return nil // somebody has just moved it: that is looked at next
	}
	if err := t.Exec("UPDATE deployments SET seen = ? WHERE id = ?", version, d.id); err != nil {
		return err
	}
	if points == version {
		return nil // it was moved there, which asked for this revision
	}
	if err := models.SetAlias(t, d.model, d.follows, strconv.FormatInt(version, 10)); mlops.CodeOf(err) != mlops.NotFound {
		return err
	}
	return nil // the version was deleted since; what is served of it goes on
}

// NoteRevision says what keeps a revision that starts; "" is nothing. One that
// does not start any more stays as it is.
func (s *Store) NoteRevision(ctx context.Context, id int64, message string) error {
	return s.moveRevision(ctx, id, func(t *db.Tx, _ deploymentRow, r revisionRow) error {
		if r.state != mlops.RevisionStarting {
			return nil
		}
		return t.Exec("UPDATE revisions SET message = ? WHERE id = ?", message, id)
	})
}

// LiveRevision notes that a revision is served, and ends the one before.
func (s *Store) LiveRevision(ctx context.Context, id int64) error {
	return s.moveRevision(ctx, id, func(t *db.Tx, d deploymentRow, r revisionRow) error {
		if r.state != mlops.RevisionStarting || d.revision != id {
			return mlops.Errorf(mlops.InvalidState, "revision %d is %s and cannot become live", r.number, r.state)
		}
		if err := t.Exec("UPDATE revisions SET state = 'superseded', ended = ? WHERE deployment = ? AND state = 'live'", t.Now, d.id); err != nil {
			return err
		}
		return t.Exec("UPDATE revisions SET state = 'live', message = '', live = ? WHERE id = ?", t.Now, id)
	})
}

// FailRevision ends a revision that could not be served. Its deployment goes
// back to the revision that is live.
func (s *Store) FailRevision(ctx context.Context, id int64, message string) error {
	return s.moveRevision(ctx, id, func(t *db.Tx, d deploymentRow, r revisionRow) error {
		if r.state.Terminal() || r.state == mlops.RevisionLive {
			return mlops.Errorf(mlops.InvalidState, "revision %d is %s and cannot fail", r.number, r.state)
		}
		if err := t.Exec("UPDATE revisions SET state = 'failed', message = ?, ended = ? WHERE id = ?", message, t.Now, id); err != nil {
			return err
		}
		var live, version int64
		found, err := t.Row("SELECT id, version FROM revisions WHERE deployment = ? AND state = 'live'", []any{d.id}, &live, &version)
		if err != nil || d.revision != id {
			return err
		}
		if !found {
			return t.Exec("UPDATE deployments SET revision = 0 WHERE id = ?", d.id)
		}
		return serve(t, d, live, version)
	})
}

type revisionRow struct {
	version int64
	number  int
	state   mlops.RevisionState
}

// moveRevision changes a revision within a transaction that has read it.
func (s *Store) moveRevision(ctx context.Context, id int64, fn func(t *db.Tx, d deploymentRow, r revisionRow) error) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		var name string
		var r revisionRow
		found, err := t.Row("SELECT d.name, r.version, r.number, r.state FROM revisions r JOIN deployments d ON d.id = r.deployment WHERE r.id = ?", []any{id}, &name, &r.version, &r.number, (*string)(&r.state))
		if err != nil {
			return err
		}
		if !found {
			return mlops.Errorf(mlops.NotFound, "there is no revision with id %d", id)
		}
		d, err := findDeployment(t, name)
		if err != nil {
			return err
		}
		t.TouchModels()
		return fn(t, d, r)
	})
}
