package models

import (
	"context"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SearchModelVersions returns a page of versions, the newest first unless
// ordered. Versions of prompts are left out unless the filter asks for them.
func (s *Store) SearchModelVersions(ctx context.Context, q db.PageQuery) ([]wire.ModelVersion, string, error) {
	comps, err := filter.Parse(q.Filter, filter.ModelVersions)
	if err != nil {
		return nil, "", err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.ModelVersions)
	if err != nil {
		return nil, "", err
	}
	names := map[string]string{"name": "m.name", "version_number": "v.version", "run_id": "v.run_id", "source_path": "v.source",
		"creation_timestamp": "v.created", "last_updated_timestamp": "v.updated"}
	var cond db.Clause
	wantsPrompts := false
	for _, c := range comps {
		switch {
		case c.Entity == filter.Tag && c.Key == tagIsPrompt:
			wantsPrompts = true
			cond.And(promptCondition(c))
		case c.Entity == filter.Tag:
			cond.And(search.CompareTag("model_version_tags", "version", "v.id", c))
		case c.Key == "version_number":
			cond.And(search.CompareNumber("v.version", c))
		default:
			cond.And(search.CompareText(names[c.Key], c))
		}
	}
	if !wantsPrompts {
		cond.And(db.SQL("m.prompt = 0"))
	}
	cond.And(search.OfProjects("m.name", q.Projects))
	ties := []db.SortCol{db.Desc("v.updated"), db.Asc("m.name"), db.Desc("v.version")}
	return db.Page(ctx, s.db, versionColumns, cond, search.OrderCols(orders, names, ties...), q, scanVersion)
}

// SearchRegisteredModels returns a page of models, by name unless ordered.
// Prompts are left out unless the filter asks for them.
func (s *Store) SearchRegisteredModels(ctx context.Context, q db.PageQuery) ([]wire.RegisteredModel, string, error) {
	comps, err := filter.Parse(q.Filter, filter.RegisteredModels)
	if err != nil {
		return nil, "", err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.RegisteredModels)
	if err != nil {
		return nil, "", err
	}
	var cond db.Clause
	wantsPrompts := false
	for _, c := range comps {
		if c.Entity == filter.Tag && c.Key == tagIsPrompt {
			wantsPrompts = true
			cond.And(promptCondition(c))
			continue
		}
		if c.Entity == filter.Tag {
			cond.And(search.CompareTag("registered_model_tags", "model", "m.id", c))
			continue
		}
		cond.And(search.CompareText("m.name", c))
	}
	if !wantsPrompts {
		cond.And(db.SQL("m.prompt = 0"))
	}
	cond.And(search.OfProjects("m.name", q.Projects))
	cols := search.OrderCols(orders, map[string]string{"name": "m.name", "last_updated_timestamp": "m.updated", "creation_timestamp": "m.created"}, db.Asc("m.name"))
	out, next, err := db.Page(ctx, s.db, modelColumns, cond, cols, q, scanModel)
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
func promptCondition(c filter.Comparison) db.Clause {
	wants := strings.EqualFold(c.Text, "true") == (c.Op != filter.Ne)
	if wants {
		return db.SQL("m.prompt = 1")
	}
	return db.SQL("m.prompt = 0")
}
