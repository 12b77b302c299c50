// Package models is the model registry: registered models, their versions,
// tags and aliases. Prompts are models of another kind.
package models

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/loggedmodels"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps registered models.
type Store struct {
	db     *db.DB
	runs   *runs.Store
	logged *loggedmodels.Store
}

// New returns the registered models of a database. Versions point at runs and
// logged models.
func New(d *db.DB, r *runs.Store, l *loggedmodels.Store) *Store { return &Store{d, r, l} }

// tagIsPrompt marks a registered model as a prompt.
const tagIsPrompt = "mlflow.prompt.is_prompt"

func validateModelName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return mlops.Errorf(mlops.Invalid, "the registered model's name must not be empty")
	case strings.ContainsAny(name, "/:"):
		return mlops.Errorf(mlops.Invalid, "the registered model's name %q must not contain '/' or ':'", wire.Head(name))
	}
	return nil
}

func validateRegistryTag(kv wire.KV) error {
	switch {
	case kv.Key == "":
		return mlops.Errorf(mlops.Invalid, "tag: the key must not be empty")
	case !wire.KeyName.MatchString(kv.Key):
		return wire.ValidateKey("tag", kv.Key)
	}
	if err := wire.ValidateLength("tag key", kv.Key, wire.MaxKey); err != nil {
		return err
	}
	return wire.ValidateLength("tag "+strconv.Quote(kv.Key), kv.Value, wire.MaxRegistryTag)
}

// CreateRegisteredModel makes a registered model without versions.
func (s *Store) CreateRegisteredModel(ctx context.Context, name, description string, tags []wire.KV) (wire.RegisteredModel, error) {
	if err := validateModelName(name); err != nil {
		return wire.RegisteredModel{}, err
	}
	prompt := false
	for _, kv := range tags {
		if err := validateRegistryTag(kv); err != nil {
			return wire.RegisteredModel{}, err
		}
		prompt = prompt || isPromptTag(kv)
	}
	err := s.db.Write(ctx, func(t *db.Tx) error {
		if err := nameFree(t, name, prompt); err != nil {
			return err
		}
		id, err := t.Insert("INSERT INTO registered_models (name, description, created, updated, prompt) VALUES (?, ?, ?, ?, ?)", name, description, t.Now, t.Now, prompt)
		if err != nil {
			return err
		}
		for _, kv := range tags {
			if err := t.Exec("INSERT OR REPLACE INTO registered_model_tags (model, key, value) VALUES (?, ?, ?)", id, kv.Key, kv.Value); err != nil {
				return err
			}
		}
		return emit(t, name, "REGISTERED_MODEL", "CREATED", map[string]any{"tags": tagMap(tags), "description": description})
	})
	if err != nil {
		return wire.RegisteredModel{}, err
	}
	return s.RegisteredModel(ctx, name)
}

func isPromptTag(kv wire.KV) bool {
	return kv.Key == tagIsPrompt && strings.EqualFold(kv.Value, "true")
}

func nameFree(t *db.Tx, name string, prompt bool) error {
	var isPrompt bool
	found, err := t.Row("SELECT prompt FROM registered_models WHERE name = ?", []any{name}, &isPrompt)
	if err != nil || !found {
		return err
	}
	what := "registered model"
	if isPrompt {
		what = "prompt"
	}
	if isPrompt != prompt {
		return mlops.Errorf(mlops.Exists, "a %s named %q exists already: prompts and models share their names, choose another one", what, name)
	}
	return mlops.Errorf(mlops.Exists, "%s %q already exists", what, name)
}

// findModel finds a registered model by name.
func findModel(t *db.Tx, name string) (int64, error) {
	if err := validateModelName(name); err != nil {
		return 0, err
	}
	var id int64
	found, err := t.Row("SELECT id FROM registered_models WHERE name = ?", []any{name}, &id)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "there is no registered model %q", wire.Head(name))
	}
	return id, err
}

// changeModel runs fn on a registered model and notes that it changed.
func (s *Store) changeModel(ctx context.Context, name string, fn func(t *db.Tx, id int64) error) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		id, err := touchModel(t, name)
		if err != nil {
			return err
		}
		return fn(t, id)
	})
}

// touchModel finds a registered model and notes that it changed.
func touchModel(t *db.Tx, name string) (int64, error) {
	id, err := findModel(t, name)
	if err != nil {
		return 0, err
	}
	t.TouchModels()
	return id, t.Exec("UPDATE registered_models SET updated = ? WHERE id = ?", t.Now, id)
}

// RenameRegisteredModel gives a model another name. Deployments that were made
// of it go with it. A project's deployment does not: its project goes on
// registering versions under the old name.
func (s *Store) RenameRegisteredModel(ctx context.Context, name, newName string) (wire.RegisteredModel, error) {
	if err := validateModelName(newName); err != nil {
		return wire.RegisteredModel{}, err
	}
	err := s.changeModel(ctx, name, func(t *db.Tx, id int64) error {
		if newName != name {
			if err := nameFree(t, newName, false); err != nil {
				return err
			}
			if err := takeAlong(t, name, newName); err != nil {
				return err
			}
		}
		if err := t.Exec("UPDATE model_versions SET updated = ? WHERE model = ?", t.Now, id); err != nil {
			return err
		}
		return t.Exec("UPDATE registered_models SET name = ? WHERE id = ?", newName, id)
	})
	if err != nil {
		return wire.RegisteredModel{}, err
	}
	return s.RegisteredModel(ctx, newName)
}

// UpdateRegisteredModel changes a model's description.
func (s *Store) UpdateRegisteredModel(ctx context.Context, name, description string) (wire.RegisteredModel, error) {
	err := s.changeModel(ctx, name, func(t *db.Tx, id int64) error {
		return t.Exec("UPDATE registered_models SET description = ? WHERE id = ?", description, id)
	})
	if err != nil {
		return wire.RegisteredModel{}, err
	}
	return s.RegisteredModel(ctx, name)
}

// DeleteRegisteredModel removes a model with its versions, tags and aliases.
func (s *Store) DeleteRegisteredModel(ctx context.Context, name string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		id, err := findModel(t, name)
		if err != nil {
			return err
		}
		if err := forgetFollowed(t, name); err != nil {
			return err
		}
		return t.Exec("DELETE FROM registered_models WHERE id = ?", id)
	})
}

// RemoveOf deletes all models and prompts of a name, and those whose names go on
// behind it with a '.' or a '/' (mlops.Belongs), and says how many they were.
func (s *Store) RemoveOf(ctx context.Context, name string) (int, error) {
	var names []string
	err := s.db.Rows(ctx, "SELECT name FROM registered_models WHERE name = ?1 OR substr(name, 1, length(?1) + 1) IN (?1 || '.', ?1 || '/')", func(r *sql.Rows) error {
		var n string
		err := r.Scan(&n)
		names = append(names, n)
		return err
	}, name)
	for _, n := range names {
		if err == nil {
			if err = s.DeleteRegisteredModel(ctx, n); mlops.CodeOf(err) == mlops.NotFound {
				err = nil // somebody else was faster
			}
		}
	}
	return len(names), err
}

// takeAlong gives the deployments of a renamed model its new name, with their
// history. They have seen its versions already: the numbers stay.
func takeAlong(t *db.Tx, name, newName string) error {
	if err := t.Exec("UPDATE revisions SET model = ? WHERE model = ? AND deployment IN (SELECT id FROM deployments WHERE own AND model = ?)", newName, name, name); err != nil {
		return err
	}
	if err := t.Exec("UPDATE deployments SET model = ? WHERE own AND model = ?", newName, name); err != nil {
		return err
	}
	return forgetFollowed(t, name)
}

// forgetFollowed makes deployments look anew at a model name that is given up:
// the numbers of the next model of that name begin again.
func forgetFollowed(t *db.Tx, model string) error {
	t.TouchModels()
	return t.Exec("UPDATE deployments SET newest = 0, seen = 0 WHERE model = ?", model)
}

const modelColumns = `SELECT m.id, m.name, m.description, m.created, m.updated,
	(SELECT json_group_object(key, value) FROM registered_model_tags t WHERE t.model = m.id),
	(SELECT json_group_object(alias, cast(version AS TEXT)) FROM model_aliases a WHERE a.model = m.id)
	FROM registered_models m `

func scanModel(r *sql.Rows, extra ...any) (wire.RegisteredModel, error) {
	var m wire.RegisteredModel
	var id int64
	var tags, aliases string
	if err := r.Scan(append([]any{&id, &m.Name, &m.Description, &m.CreationTime, &m.LastUpdated, &tags, &aliases}, extra...)...); err != nil {
		return m, err
	}
	var err error
	if m.Tags, err = db.KVsOf(tags); err != nil {
		return m, err
	}
	kvs, err := db.KVsOf(aliases)
	for _, kv := range kvs {
		m.Aliases = append(m.Aliases, wire.Alias{Alias: kv.Key, Version: kv.Value})
	}
	return m, err
}

// RegisteredModel returns a model with the newest version of each stage.
func (s *Store) RegisteredModel(ctx context.Context, name string) (m wire.RegisteredModel, err error) {
	if err := validateModelName(name); err != nil {
		return m, err
	}
	found := false
	if err := s.db.Rows(ctx, modelColumns+"WHERE m.name = ?", func(r *sql.Rows) error {
		found = true
		m, err = scanModel(r)
		return err
	}, name); err != nil {
		return m, err
	}
	if !found {
		return m, mlops.Errorf(mlops.NotFound, "there is no registered model %q", wire.Head(name))
	}
	m.LatestVersions, err = s.LatestVersions(ctx, name, nil)
	return m, err
}
