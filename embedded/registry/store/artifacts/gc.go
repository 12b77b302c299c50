package artifacts

import (
	"context"
	"database/sql"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
)

// GCReport says what GC removed.
type GCReport struct {
	Experiments  int   `json:"experiments"`
	Runs         int   `json:"runs"`
	LoggedModels int   `json:"logged_models"`
	Files        int   `json:"files"`
	Uploads      int   `json:"uploads"`             // in parts that were never completed
	Bytes        int64 `json:"bytes"`               // of files and uploads
	DatabaseFree int64 `json:"database_free_bytes"` // that the file can use again without growing
}

// GC removes for good what was deleted more than olderThan ago: experiments, runs and logged models with their
// artifacts and unfinished uploads. Files go first, so that an interrupted GC can be repeated. It spares what lies
// under the source of a model version.
func (s *Store) GC(ctx context.Context, olderThan time.Duration) (rep GCReport, err error) {
	objects, err := s.ArtifactStore()
	if err != nil {
		return rep, err
	}
	before := s.db.NowMs() - olderThan.Milliseconds()
	if err := s.removeAll(ctx, objects, []doomedQuery{
		{"model", `SELECT l.id, l.artifact_uri FROM logged_models l JOIN experiments e ON e.id = l.exp
			WHERE l.lifecycle = 'deleted' AND l.updated <= ?1 OR e.lifecycle = 'deleted' AND e.updated <= ?1`},
		{"run", `SELECT r.id, r.artifact_uri FROM runs r JOIN experiments e ON e.id = r.exp
			WHERE r.lifecycle = 'deleted' AND r.deleted_time <= ?1 OR e.lifecycle = 'deleted' AND e.updated <= ?1`},
		{"experiment", "SELECT id, artifact_location FROM experiments WHERE lifecycle = 'deleted' AND updated <= ?1 AND id <> 0"},
	}, before, &rep); err != nil {
		return rep, err
	}
	if err := s.dropUploads(ctx, objects, "", &rep); err != nil {
		return rep, err
	}
	if err := s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec("DELETE FROM input_datasets WHERE NOT EXISTS (SELECT 1 FROM run_inputs i WHERE i.dataset = input_datasets.id)")
	}); err != nil {
		return rep, err
	}
	_, err = s.db.Row(ctx, "SELECT f.freelist_count * p.page_size FROM pragma_freelist_count f, pragma_page_size p", nil, &rep.DatabaseFree)
	return rep, err
}

// RemoveOf removes for good all experiments of a name, and those whose names go on
// behind it with a '.' or a '/' (mlops.Belongs), with their runs, logged models and
// artifacts, deleted or not. It spares what lies under the source of a model
// version.
func (s *Store) RemoveOf(ctx context.Context, name string) (rep GCReport, err error) {
	objects, err := s.ArtifactStore()
	if err != nil {
		return rep, err
	}
	const named = "(e.name = ?1 OR substr(e.name, 1, length(?1) + 1) IN (?1 || '.', ?1 || '/')) AND e.id <> 0"
	return rep, s.removeAll(ctx, objects, []doomedQuery{
		{"model", "SELECT l.id, l.artifact_uri FROM logged_models l JOIN experiments e ON e.id = l.exp WHERE " + named},
		{"run", "SELECT r.id, r.artifact_uri FROM runs r JOIN experiments e ON e.id = r.exp WHERE " + named},
		{"experiment", "SELECT e.id, e.artifact_location FROM experiments e WHERE " + named},
	}, name, &rep)
}

// doomedQuery finds ids and artifacts of what is to be removed for good.
type doomedQuery struct{ kind, query string }

// removeAll removes what the queries find: files first, so that it can be
// repeated. Children come first, because an experiment takes its rows with it and
// not its files.
func (s *Store) removeAll(ctx context.Context, objects mlops.ObjectStore, queries []doomedQuery, arg any, rep *GCReport) error {
	type doomed struct {
		kind string
		id   int64
		uri  string
	}
	var list []doomed
	for _, q := range queries {
		if err := s.db.Rows(ctx, q.query, func(r *sql.Rows) error {
			d := doomed{kind: q.kind}
			err := r.Scan(&d.id, &d.uri)
			list = append(list, d)
			return err
		}, arg); err != nil {
			return err
		}
	}
	for _, d := range list {
		if err := s.removeTree(ctx, objects, d.uri, rep); err != nil {
			return err
		}
		if err := s.db.Write(ctx, func(t *db.Tx) error {
			switch d.kind {
			case "model":
				rep.LoggedModels++
				return t.Exec("DELETE FROM logged_models WHERE id = ?", d.id)
			case "run":
				rep.Runs++
				t.Stale(d.id)
				t.Forget()
				return t.Exec("DELETE FROM runs WHERE id = ?", d.id)
			}
			rep.Experiments++
			t.Forget()
			return t.Exec("DELETE FROM experiments WHERE id = ?", d.id)
		}); err != nil {
			return err
		}
	}
	return nil
}
