package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// This file answers what pages ask about many experiments or runs at once,
// each in one query, so that a page's cost does not grow with its rows.

// ExperimentSummaries returns all experiments, deleted ones too, those changed
// last first. The runs are counted in the index that lists them; a GROUP BY
// over all of them takes three times as long.
func (s *Store) ExperimentSummaries(ctx context.Context) ([]mlops.ExperimentSummary, error) {
	var out []mlops.ExperimentSummary
	err := s.rows(ctx, `SELECT e.id, e.name, e.artifact_location, e.lifecycle, e.created, e.updated,
		(SELECT count(*) FROM runs r WHERE r.exp = e.id AND r.lifecycle = e.lifecycle),
		coalesce((SELECT start_time FROM runs r WHERE r.exp = e.id AND r.lifecycle = e.lifecycle ORDER BY start_time DESC LIMIT 1), 0)
		FROM experiments e ORDER BY e.updated DESC, e.id DESC`, func(r *sql.Rows) error {
		var x mlops.ExperimentSummary
		var id, created, updated, newest int64
		var lifecycle string
		if err := r.Scan(&id, &x.Name, &x.ArtifactURI, &lifecycle, &created, &updated, &x.Runs, &newest); err != nil {
			return err
		}
		x.ID, x.Deleted = strconv.FormatInt(id, 10), lifecycle == wire.Deleted
		x.CreatedAt, x.LastUpdateAt, x.NewestRunAt = ms(created), ms(updated), ms(newest)
		out = append(out, x)
		return nil
	})
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
		out = append(out, versionNoun(v))
	}
	return out, err
}

// RunModels returns the models that a run has logged, in the order it did.
// Deleted ones are left out.
func (s *Store) RunModels(ctx context.Context, runID string) ([]mlops.LoggedModel, error) {
	var out []mlops.LoggedModel
	err := s.rows(ctx, `SELECT l.model_id, l.name, l.model_type, l.status, m.step FROM runs r JOIN run_models m ON m.run = r.id AND m.output = 1
		JOIN logged_models l ON l.model_id = m.model_id AND l.lifecycle = 'active' WHERE r.run_id = ? ORDER BY m.rank`, func(r *sql.Rows) error {
		var m mlops.LoggedModel
		var status int
		if err := r.Scan(&m.ID, &m.Name, &m.Type, &status, &m.Step); err != nil {
			return err
		}
		m.Status = strings.TrimPrefix(wire.LoggedModelStatusName(status), "LOGGED_MODEL_")
		out = append(out, m)
		return nil
	}, runID)
	return out, err
}
