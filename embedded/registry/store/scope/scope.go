// Package scope says to which project things belong: by the name of the
// experiment or the registered model that they lie under (mlops.Belongs).
package scope

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/artifacts"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
)

// Store looks up what things lie under.
type Store struct{ db *db.DB }

// New returns the scopes of a database.
func New(d *db.DB) *Store { return &Store{d} }

// Kind is a kind of thing that lies under an experiment.
type Kind string

// The kinds.
const (
	KindExperiment  Kind = "experiment"
	KindRun         Kind = "run"
	KindLoggedModel Kind = "logged model"
	KindTrace       Kind = "trace"
)

var experimentNames = map[Kind]string{
	KindExperiment:  "SELECT name FROM experiments WHERE id = ?",
	KindRun:         "SELECT e.name FROM runs r JOIN experiments e ON e.id = r.exp WHERE r.run_id = ?",
	KindLoggedModel: "SELECT e.name FROM logged_models m JOIN experiments e ON e.id = m.exp WHERE m.model_id = ?",
	KindTrace:       "SELECT e.name FROM traces t JOIN experiments e ON e.id = t.exp WHERE t.trace_id = ?",
}

// ExperimentOf returns the name of the experiment that a thing lies under,
// deleted or not; found is false if there is no such thing.
func (s *Store) ExperimentOf(ctx context.Context, kind Kind, id string) (name string, found bool, err error) {
	var arg any = id
	if kind == KindExperiment {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return "", false, nil
		}
		arg = n
	}
	found, err = s.db.Row(ctx, experimentNames[kind], []any{arg}, &name)
	return name, found, err
}

// ExperimentsAt returns the experiments whose artifacts lie at a key of the
// artifact store: those whose folder holds the key, and those whose folder lies
// below it.
func (s *Store) ExperimentsAt(ctx context.Context, key string) (above, below []string, err error) {
	first, _, _ := strings.Cut(key, "/")
	id, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		id = -1
	}
	err = s.db.Rows(ctx, "SELECT name, artifact_location FROM experiments WHERE id = ? OR artifact_location <> ? || id", func(r *sql.Rows) error {
		var name, location string
		if err := r.Scan(&name, &location); err != nil {
			return err
		}
		folder, err := artifacts.KeyOf(location)
		switch {
		case err != nil: // kept elsewhere
		case beneath(key, folder):
			above = append(above, name)
		case beneath(folder, key):
			below = append(below, name)
		}
		return nil
	}, id, experiments.ArtifactScheme)
	return above, below, err
}

// beneath reports whether a key is a folder or lies below it; "" is the root.
func beneath(key, folder string) bool {
	return folder == "" || key == folder || strings.HasPrefix(key, folder+"/")
}

// MadeVersion reports whether a version of a model of one of the projects was
// made of a run or a logged model.
func (s *Store) MadeVersion(ctx context.Context, kind Kind, id string, projects []string) (bool, error) {
	switch kind {
	case KindRun:
		return s.yes(ctx, search.MadeVersions(db.SQL("v.run_id = ?", id), projects))
	case KindLoggedModel:
		return s.yes(ctx, search.MadeVersions(db.SQL("v.model_id = ? OR v.run_id <> '' AND v.run_id = (SELECT source_run_id FROM logged_models WHERE model_id = ?)", id, id), projects))
	}
	return false, nil
}

// ShowsLogged reports whether an experiment has logged models that versions of
// the projects' models were made of.
func (s *Store) ShowsLogged(ctx context.Context, experiment string, projects []string) (bool, error) {
	id, err := strconv.ParseInt(experiment, 10, 64)
	if err != nil {
		return false, nil
	}
	return s.yes(ctx, search.MadeVersions(db.SQL("(SELECT exp FROM runs WHERE run_id = v.run_id) = ? OR (SELECT exp FROM logged_models WHERE model_id = v.model_id) = ?", id, id), projects))
}

func (s *Store) yes(ctx context.Context, c db.Clause) (yes bool, err error) {
	err = s.db.RowsOnce(ctx, "SELECT coalesce("+c.SQL+", 0)", func(r *sql.Rows) error { return r.Scan(&yes) }, c.Args...)
	return yes, err
}

// VersionAt reports whether a version of one of the projects has files at a key
// of the artifact store: below the run or logged model that it was made of, or
// below what it has kept of one that is gone.
func (s *Store) VersionAt(ctx context.Context, key string, projects []string) (yes bool, err error) {
	for _, id := range strings.Split(key, "/") { // their folders are named by their ids
		c := db.SQL("SELECT artifact_uri FROM runs r WHERE r.run_id = ?", id)
		c.And(search.MadeVersions(db.SQL("v.run_id = r.run_id"), projects))
		c.Add(" UNION ALL SELECT artifact_uri FROM logged_models l WHERE l.model_id = ?", id)
		c.And(search.MadeVersions(db.SQL(search.MadeOfLogged), projects))
		if err := s.db.RowsOnce(ctx, c.SQL, func(r *sql.Rows) error {
			var uri string
			if err := r.Scan(&uri); err != nil {
				return err
			}
			folder, err := artifacts.KeyOf(uri)
			yes = yes || err == nil && folder != "" && beneath(key, folder)
			return nil
		}, c.Args...); err != nil || yes {
			return yes, err
		}
	}
	c := db.SQL("SELECT v.storage_location FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE v.storage_location <> ''")
	c.And(search.OfProjects("m.name", projects))
	err = s.db.RowsOnce(ctx, c.SQL, func(r *sql.Rows) error {
		var location string
		if err := r.Scan(&location); err != nil {
			return err
		}
		kept, err := artifacts.KeyOf(location)
		yes = yes || err == nil && kept != "" && beneath(key, kept)
		return nil
	}, c.Args...)
	return yes, err
}
