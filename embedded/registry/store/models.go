package store

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// tagIsPrompt marks a registered model as a prompt.
const tagIsPrompt = "mlflow.prompt.is_prompt"

func validateModelName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return invalid("the registered model's name must not be empty")
	case strings.ContainsAny(name, "/:"):
		return invalid("the registered model's name %q must not contain '/' or ':'", head(name))
	}
	return nil
}

func validateRegistryTag(kv wire.KV) error {
	switch {
	case kv.Key == "":
		return invalid("tag: the key must not be empty")
	case !keyName.MatchString(kv.Key):
		return validateKey("tag", kv.Key)
	}
	if err := validateLength("tag key", kv.Key, wire.MaxKey); err != nil {
		return err
	}
	return validateLength("tag "+strconv.Quote(kv.Key), kv.Value, wire.MaxRegistryTag)
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
	err := s.write(ctx, func(t *tx) error {
		if err := t.modelNameFree(name, prompt); err != nil {
			return err
		}
		id, err := t.insert("INSERT INTO registered_models (name, description, created, updated, prompt) VALUES (?, ?, ?, ?, ?)", name, description, t.now, t.now, prompt)
		if err != nil {
			return err
		}
		for _, kv := range tags {
			if err := t.exec("INSERT OR REPLACE INTO registered_model_tags (model, key, value) VALUES (?, ?, ?)", id, kv.Key, kv.Value); err != nil {
				return err
			}
		}
		return t.emitModel(name, "REGISTERED_MODEL", "CREATED", map[string]any{"tags": tagMap(tags), "description": description})
	})
	if err != nil {
		return wire.RegisteredModel{}, err
	}
	return s.RegisteredModel(ctx, name)
}

func isPromptTag(kv wire.KV) bool {
	return kv.Key == tagIsPrompt && strings.EqualFold(kv.Value, "true")
}

func (t *tx) modelNameFree(name string, prompt bool) error {
	var isPrompt bool
	found, err := t.row("SELECT prompt FROM registered_models WHERE name = ?", []any{name}, &isPrompt)
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

// modelID finds a registered model by name.
func (t *tx) modelID(name string) (int64, error) {
	if err := validateModelName(name); err != nil {
		return 0, err
	}
	var id int64
	found, err := t.row("SELECT id FROM registered_models WHERE name = ?", []any{name}, &id)
	if err == nil && !found {
		err = notFound("there is no registered model %q", head(name))
	}
	return id, err
}

// changeModel runs fn on a registered model and notes that it changed.
func (s *Store) changeModel(ctx context.Context, name string, fn func(t *tx, id int64) error) error {
	return s.write(ctx, func(t *tx) error {
		id, err := t.touchModel(name)
		if err != nil {
			return err
		}
		return fn(t, id)
	})
}

// touchModel finds a registered model and notes that it changed.
func (t *tx) touchModel(name string) (int64, error) {
	id, err := t.modelID(name)
	if err != nil {
		return 0, err
	}
	t.models = true
	return id, t.exec("UPDATE registered_models SET updated = ? WHERE id = ?", t.now, id)
}

// RenameRegisteredModel gives a model another name.
func (s *Store) RenameRegisteredModel(ctx context.Context, name, newName string) (wire.RegisteredModel, error) {
	if err := validateModelName(newName); err != nil {
		return wire.RegisteredModel{}, err
	}
	err := s.changeModel(ctx, name, func(t *tx, id int64) error {
		if newName != name {
			if err := t.modelNameFree(newName, false); err != nil {
				return err
			}
		}
		if err := t.exec("UPDATE model_versions SET updated = ? WHERE model = ?", t.now, id); err != nil {
			return err
		}
		if err := t.forgetFollowed(name); err != nil {
			return err
		}
		return t.exec("UPDATE registered_models SET name = ? WHERE id = ?", newName, id)
	})
	if err != nil {
		return wire.RegisteredModel{}, err
	}
	return s.RegisteredModel(ctx, newName)
}

// UpdateRegisteredModel changes a model's description.
func (s *Store) UpdateRegisteredModel(ctx context.Context, name, description string) (wire.RegisteredModel, error) {
	err := s.changeModel(ctx, name, func(t *tx, id int64) error {
		return t.exec("UPDATE registered_models SET description = ? WHERE id = ?", description, id)
	})
	if err != nil {
		return wire.RegisteredModel{}, err
	}
	return s.RegisteredModel(ctx, name)
}

// DeleteRegisteredModel removes a model with its versions, tags and aliases.
func (s *Store) DeleteRegisteredModel(ctx context.Context, name string) error {
	return s.write(ctx, func(t *tx) error {
		id, err := t.modelID(name)
		if err != nil {
			return err
		}
		if err := t.forgetFollowed(name); err != nil {
			return err
		}
		return t.exec("DELETE FROM registered_models WHERE id = ?", id)
	})
}

// forgetFollowed makes deployments look anew at a model name that is given up:
// the numbers of the next model of that name begin again.
func (t *tx) forgetFollowed(model string) error {
	t.models = true
	return t.exec("UPDATE deployments SET newest = 0, seen = 0 WHERE model = ?", model)
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
	if m.Tags, err = kvsOf(tags); err != nil {
		return m, err
	}
	kvs, err := kvsOf(aliases)
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
	if err := s.rows(ctx, modelColumns+"WHERE m.name = ?", func(r *sql.Rows) error {
		found = true
		m, err = scanModel(r)
		return err
	}, name); err != nil {
		return m, err
	}
	if !found {
		return m, notFound("there is no registered model %q", head(name))
	}
	m.LatestVersions, err = s.LatestVersions(ctx, name, nil)
	return m, err
}

// PageQuery is a search of anything but runs.
type PageQuery struct {
	Filter  string
	Max     int
	OrderBy []string
	Token   string
	// Projects limits experiments, models and versions to those of these
	// projects; empty is all.
	Projects []string
}

// SearchRegisteredModels returns a page of models, by name unless ordered.
// Prompts are left out unless the filter asks for them.
func (s *Store) SearchRegisteredModels(ctx context.Context, q PageQuery) ([]wire.RegisteredModel, string, error) {
	comps, err := filter.Parse(q.Filter, filter.RegisteredModels)
	if err != nil {
		return nil, "", err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.RegisteredModels)
	if err != nil {
		return nil, "", err
	}
	var cond clause
	wantsPrompts := false
	for _, c := range comps {
		if c.Entity == filter.Tag && c.Key == tagIsPrompt {
			wantsPrompts = true
			cond.and(promptCondition(c))
			continue
		}
		if c.Entity == filter.Tag {
			cond.and(compareTag("registered_model_tags", "model", "m.id", c))
			continue
		}
		cond.and(compareText("m.name", c))
	}
	if !wantsPrompts {
		cond.and(clause{"m.prompt = 0", nil})
	}
	cond.and(ofProjects("m.name", q.Projects))
	cols := orderCols(orders, map[string]string{"name": "m.name", "last_updated_timestamp": "m.updated", "creation_timestamp": "m.created"}, sortCol{"m.name", false})
	out, next, err := page(ctx, s, modelColumns, cond, cols, q, scanModel)
	if err != nil {
		return nil, "", err
	}
	for i := range out {
		if out[i].LatestVersions, err = s.LatestVersions(ctx, out[i].Name, nil); err != nil {
			return nil, "", err
		}
	}
	return out, next, nil
}

// promptCondition reads the prompt tag in a filter: a model without the tag
// counts as one that is not a prompt.
func promptCondition(c filter.Comparison) clause {
	wants := strings.EqualFold(c.Text, "true") == (c.Op != filter.Ne)
	if wants {
		return clause{"m.prompt = 1", nil}
	}
	return clause{"m.prompt = 0", nil}
}
