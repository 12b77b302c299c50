package store

import (
	"context"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// This file gives registered models and their versions as nouns, for pages.
// A trainer makes thousands of versions: nothing here reads all of them.

// Models returns a page of registered models by name. Prompts are left out.
func (s *Store) Models(ctx context.Context, q mlops.ModelQuery) (mlops.ModelPage, error) {
	if err := validatePageSize(q.Max); err != nil {
		return mlops.ModelPage{}, err
	}
	cond := clause{"m.prompt = 0", nil}
	if q.Name != "" {
		cond.and(clause{"instr(lower(m.name), lower(?)) > 0", []any{q.Name}})
	}
	cond.and(ofProjects("m.name", q.Projects))
	rs, next, err := page(ctx, s, modelColumns, cond, []sortCol{{"m.name", false}}, PageQuery{Filter: q.Name, Max: q.Max, Token: q.PageToken}, scanModel)
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
	rs, _, err := page(ctx, s, modelColumns, clause{"m.prompt = 0 AND m.name = ?", []any{name}}, []sortCol{{"m.name", false}}, PageQuery{Max: 1}, scanModel)
	if err != nil {
		return mlops.RegisteredModel{}, err
	}
	if len(rs) == 0 {
		return mlops.RegisteredModel{}, notFound("there is no registered model %q", head(name))
	}
	return s.modelNoun(ctx, rs[0])
}

// modelNoun adds how many versions a model has, and the newest.
func (s *Store) modelNoun(ctx context.Context, r wire.RegisteredModel) (mlops.RegisteredModel, error) {
	m := mlops.RegisteredModel{Name: r.Name, Description: r.Description, CreatedAt: ms(r.CreationTime), LastUpdateAt: ms(r.LastUpdated), Tags: kvNouns(r.Tags)}
	for _, a := range r.Aliases {
		v, err := parseVersion(a.Version)
		if err != nil {
			return m, err
		}
		m.Aliases = append(m.Aliases, mlops.Alias{Alias: a.Alias, Version: v})
	}
	if _, err := s.row(ctx, "SELECT count(*) FROM model_versions WHERE model = (SELECT id FROM registered_models WHERE name = ?)", []any{r.Name}, &m.Versions); err != nil {
		return m, err
	}
	newest, err := s.versions(ctx, "WHERE m.name = ? ORDER BY v.version DESC LIMIT 1", r.Name)
	if err != nil {
		return m, err
	}
	if len(newest) > 0 {
		v := versionNoun(newest[0])
		m.Latest = &v
	}
	return m, nil
}

func versionNoun(v wire.ModelVersion) mlops.ModelVersion {
	n, _ := strconv.Atoi(v.Version) // written by scanVersion
	return mlops.ModelVersion{Model: v.Name, Version: n, RunID: v.RunID, Source: v.Source, Status: v.Status, Stage: v.CurrentStage,
		Description: v.Description, CreatedAt: ms(v.CreationTime), Aliases: v.Aliases, Tags: kvNouns(v.Tags)}
}

// Versions returns a page of the versions of a model, the newest first.
func (s *Store) Versions(ctx context.Context, q mlops.VersionQuery) (mlops.VersionPage, error) {
	if err := validatePageSize(q.Max); err != nil {
		return mlops.VersionPage{}, err
	}
	vs, next, err := page(ctx, s, versionColumns, clause{"m.name = ?", []any{q.Model}}, []sortCol{{"v.version", true}}, PageQuery{Filter: q.Model, Max: q.Max, Token: q.PageToken}, scanVersion)
	out := mlops.VersionPage{NextPageToken: next}
	for _, v := range vs {
		out.Versions = append(out.Versions, versionNoun(v))
	}
	return out, err
}

func validatePageSize(n int) error {
	if n < 1 || n > wire.MaxModels {
		return invalid("a page has 1 to %d entries, not %d", wire.MaxModels, n)
	}
	return nil
}
