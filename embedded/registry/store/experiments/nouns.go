package experiments

import (
	"context"
	"database/sql"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// ExperimentSummaries returns all experiments, deleted ones too, those changed
// last first. The runs are counted in the index that lists them; a GROUP BY
// over all of them takes three times as long.
func (s *Store) ExperimentSummaries(ctx context.Context) ([]mlops.ExperimentSummary, error) {
	var out []mlops.ExperimentSummary
	err := s.db.Rows(ctx, `SELECT e.id, e.name, e.artifact_location, e.lifecycle, e.created, e.updated,
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
		x.CreatedAt, x.LastUpdateAt, x.NewestRunAt = db.TimeOf(created), db.TimeOf(updated), db.TimeOf(newest)
		out = append(out, x)
		return nil
	})
	return out, err
}

// Experiments returns the active experiments, those changed last first.
func (s *Store) Experiments(ctx context.Context) ([]mlops.Experiment, error) {
	es, _, err := s.SearchExperiments(ctx, search.ViewActive, db.PageQuery{Max: wire.MaxExperiments})
	out := make([]mlops.Experiment, 0, len(es))
	for _, e := range es {
		out = append(out, mlops.Experiment{ID: e.ID, Name: e.Name, ArtifactURI: e.ArtifactLocation, Deleted: e.LifecycleStage == wire.Deleted,
			CreatedAt: db.TimeOf(e.CreationTime), LastUpdateAt: db.TimeOf(e.LastUpdateTime)})
	}
	return out, err
}

// Names returns the names of all experiments by id, deleted ones too.
func (s *Store) Names(ctx context.Context) (map[string]string, error) {
	es, _, err := s.SearchExperiments(ctx, search.ViewAll, db.PageQuery{Max: wire.MaxExperiments})
	names := make(map[string]string, len(es))
	for _, e := range es {
		names[e.ID] = e.Name
	}
	return names, err
}
