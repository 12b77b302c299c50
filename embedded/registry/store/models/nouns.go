package models

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// This file gives registered models and their versions as nouns, for pages.
// A trainer makes thousands of versions: nothing here reads all of them.

// Models returns a page of registered models by name. Prompts are left out.
func (s *Store) Models(ctx context.Context, q mlops.ModelQuery) (mlops.ModelPage, error) {
	if err := validatePageSize(q.Max); err != nil {
		return mlops.ModelPage{}, err
	}
	cond := db.SQL("m.prompt = 0")
	if q.Name != "" {
		cond.And(db.SQL("instr(lower(m.name), lower(?)) > 0", q.Name))
	}
	cond.And(search.OfProjects("m.name", q.Projects))
	rs, next, err := db.Page(ctx, s.db, modelColumns, cond, []db.SortCol{db.Asc("m.name")}, db.PageQuery{Filter: q.Name, Max: q.Max, Token: q.PageToken}, scanModel)
	if err != nil {
		return mlops.ModelPage{}, err
	}
	out := mlops.ModelPage{Models: make([]mlops.RegisteredModel, 0, len(rs)), NextPageToken: next}
	for _, r := range rs {
		m, err := s.modelNoun(ctx, r)
		if err != nil {
			return mlops.ModelPage{}, err
		}
		out.Models = append(out.Models, m)
	}
	return out, nil
}

// Model returns one registered model. A prompt is not found.
func (s *Store) Model(ctx context.Context, name string) (mlops.RegisteredModel, error) {
	rs, _, err := db.Page(ctx, s.db, modelColumns, db.SQL("m.prompt = 0 AND m.name = ?", name), []db.SortCol{db.Asc("m.name")}, db.PageQuery{Max: 1}, scanModel)
	if err != nil {
		return mlops.RegisteredModel{}, err
	}
	if len(rs) == 0 {
		return mlops.RegisteredModel{}, mlops.Errorf(mlops.NotFound, "there is no registered model %q", wire.Head(name))
	}
	return s.modelNoun(ctx, rs[0])
}

// modelNoun adds how many versions a model has, and the newest.
func (s *Store) modelNoun(ctx context.Context, r wire.RegisteredModel) (mlops.RegisteredModel, error) {
	m := mlops.RegisteredModel{Name: r.Name, Description: r.Description, CreatedAt: db.TimeOf(r.CreationTime), LastUpdateAt: db.TimeOf(r.LastUpdated), Tags: wire.KVNouns(r.Tags)}
	for _, a := range r.Aliases {
		v, err := parseVersion(a.Version)
		if err != nil {
			return m, err
		}
		m.Aliases = append(m.Aliases, mlops.Alias{Alias: a.Alias, Version: v})
	}
	if _, err := s.db.Row(ctx, "SELECT count(*) FROM model_versions WHERE model = (SELECT id FROM registered_models WHERE name = ?)", []any{r.Name}, &m.Versions); err != nil {
		return m, err
	}
	newest, err := s.versions(ctx, "WHERE m.name = ? ORDER BY v.version DESC LIMIT 1", r.Name)
	if err != nil {
		return m, err
	}
	if len(newest) > 0 {
		v := VersionNoun(newest[0])
		m.Latest = &v
	}
	return m, nil
}

// VersionNoun gives a version as a noun.
func VersionNoun(v wire.ModelVersion) mlops.ModelVersion {
	n, _ := strconv.Atoi(v.Version) // written by scanVersion
	return mlops.ModelVersion{Model: v.Name, Version: n, RunID: v.RunID, Source: v.Source, Status: v.Status, Stage: v.CurrentStage,
		Description: v.Description, CreatedAt: db.TimeOf(v.CreationTime), Aliases: v.Aliases, Tags: wire.KVNouns(v.Tags)}
}

// Versions returns a page of the versions of a model, the newest first.
func (s *Store) Versions(ctx context.Context, q mlops.VersionQuery) (mlops.VersionPage, error) {
	if err := validatePageSize(q.Max); err != nil {
		return mlops.VersionPage{}, err
	}
	vs, next, err := db.Page(ctx, s.db, versionColumns, db.SQL("m.name = ?", q.Model), []db.SortCol{db.Desc("v.version")}, db.PageQuery{Filter: q.Model, Max: q.Max, Token: q.PageToken}, scanVersion)
	out := mlops.VersionPage{NextPageToken: next}
	for _, v := range vs {
		out.Versions = append(out.Versions, VersionNoun(v))
	}
	return out, err
}

// VersionsOfRuns returns the model versions that name one of these runs as
// their origin, of each model the oldest first. Those of prompts are left out.
func (s *Store) VersionsOfRuns(ctx context.Context, runIDs []string) ([]mlops.ModelVersion, error) {
	list, err := json.Marshal(runIDs)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	vs, err := s.versions(ctx, "WHERE v.run_id <> '' AND v.run_id IN (SELECT value FROM json_each(?)) AND m.prompt = 0 ORDER BY m.name, v.version", string(list))
	out := make([]mlops.ModelVersion, 0, len(vs))
	for _, v := range vs {
		out = append(out, VersionNoun(v))
	}
	return out, err
}

// NewestVersions returns the newest version of each of the models that has one.
func (s *Store) NewestVersions(ctx context.Context, models []string) ([]mlops.ModelVersion, error) {
	list, err := json.Marshal(models)
	if err != nil {
		return nil, fmt.Errorf("list models: %w", err)
	}
	vs, err := s.versions(ctx, `WHERE m.prompt = 0 AND m.name IN (SELECT value FROM json_each(?))
		AND v.version = (SELECT max(n.version) FROM model_versions n WHERE n.model = m.id) ORDER BY m.name`, string(list))
	out := make([]mlops.ModelVersion, 0, len(vs))
	for _, v := range vs {
		out = append(out, VersionNoun(v))
	}
	return out, err
}

func validatePageSize(n int) error {
	if n < 1 || n > wire.MaxModels {
		return mlops.Errorf(mlops.Invalid, "a page has 1 to %d entries, not %d", wire.MaxModels, n)
	}
	return nil
}
