package mlflow

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// viewTypes are the protocol's view types, from number 1 on.
var viewTypes = []string{"ACTIVE_ONLY", "DELETED_ONLY", "ALL"}

func viewOf(e wire.Enum) search.View { return search.View(e.Name(1, viewTypes...)) }

// pageSize applies a default and a bound to max_results.
func pageSize(n *wire.Int64, standard, max int) (int, error) {
	if n == nil {
		return standard, nil
	}
	if *n < 1 || *n > wire.Int64(max) {
		return 0, invalid("invalid value %d for parameter 'max_results': expected 1 to %d", *n, max)
	}
	return int(*n), nil
}

type experimentRef struct {
	ExperimentID string `json:"experiment_id" req:"true"`
}

func (s *server) experiments() {
	write(s, "POST experiments/create", func(ctx context.Context, q *struct {
		Name     string    `json:"name" req:"true"`
		Location string    `json:"artifact_location"`
		Tags     []wire.KV `json:"tags"`
	}) (any, error) {
		id, err := s.store.Experiments.CreateExperiment(ctx, q.Name, q.Location, q.Tags)
		return map[string]string{"experiment_id": id}, err
	})
	read(s, "GET experiments/get", func(ctx context.Context, q *experimentRef) (any, error) {
		e, err := s.store.Experiments.Experiment(ctx, q.ExperimentID)
		return map[string]any{"experiment": e}, err
	})
	read(s, "GET experiments/get-by-name", func(ctx context.Context, q *struct {
		Name string `json:"experiment_name" req:"true"`
	}) (any, error) {
		e, err := s.store.Experiments.ExperimentByName(ctx, q.Name)
		return map[string]any{"experiment": e}, err
	})
	for _, method := range []string{"GET", "POST"} {
		read(s, method+" experiments/search", s.searchExperiments)
	}
	write(s, "POST experiments/update", func(ctx context.Context, q *struct {
		ExperimentID string `json:"experiment_id" req:"true"`
		NewName      string `json:"new_name" req:"true"`
	}) (any, error) {
		return nil, s.store.Experiments.RenameExperiment(ctx, q.ExperimentID, q.NewName)
	})
	write(s, "POST experiments/delete", func(ctx context.Context, q *experimentRef) (any, error) {
		return nil, s.store.Experiments.DeleteExperiment(ctx, q.ExperimentID)
	})
	write(s, "POST experiments/restore", func(ctx context.Context, q *experimentRef) (any, error) {
		return nil, s.store.Experiments.RestoreExperiment(ctx, q.ExperimentID)
	})
	write(s, "POST experiments/set-experiment-tag", func(ctx context.Context, q *struct {
		ExperimentID string `json:"experiment_id" req:"true"`
		Key          string `json:"key" req:"true"`
		Value        string `json:"value"`
	}) (any, error) {
		return nil, s.store.Experiments.SetExperimentTag(ctx, q.ExperimentID, wire.KV{Key: q.Key, Value: q.Value})
	})
	write(s, "POST experiments/delete-experiment-tag", func(ctx context.Context, q *struct {
		ExperimentID string `json:"experiment_id" req:"true"`
		Key          string `json:"key" req:"true"`
	}) (any, error) {
		return nil, s.store.Experiments.DeleteExperimentTag(ctx, q.ExperimentID, q.Key)
	})
	read(s, "POST experiments/search-datasets", func(ctx context.Context, q *struct {
		ExperimentIDs []string `json:"experiment_ids" req:"true"`
	}) (any, error) {
		if len(q.ExperimentIDs) > 20 {
			return nil, invalid("at most 20 experiment_ids can be searched at once, found %d", len(q.ExperimentIDs))
		}
		ds, err := s.store.Runs.SearchDatasets(ctx, q.ExperimentIDs)
		return struct {
			D []wire.DatasetSummary `json:"dataset_summaries,omitempty"`
		}{ds}, err
	})
}

type pageReq struct {
	Filter     string      `json:"filter"`
	MaxResults *wire.Int64 `json:"max_results"`
	OrderBy    []string    `json:"order_by"`
	PageToken  string      `json:"page_token"`
	ViewType   wire.Enum   `json:"view_type"`
}

// query is the requested search, limited to the caller's projects.
func (q *pageReq) query(ctx context.Context, standard, max int) (db.PageQuery, error) {
	n, err := pageSize(q.MaxResults, standard, max)
	return db.PageQuery{Filter: q.Filter, Max: n, OrderBy: q.OrderBy, Token: q.PageToken, Projects: principalOf(ctx).Projects}, err
}

func (s *server) searchExperiments(ctx context.Context, q *pageReq) (any, error) {
	pq, err := q.query(ctx, 1000, wire.MaxExperiments)
	if err != nil {
		return nil, err
	}
	es, next, err := s.store.Experiments.SearchExperiments(ctx, viewOf(q.ViewType), pq)
	return struct {
		E    []wire.Experiment `json:"experiments,omitempty"`
		Next string            `json:"next_page_token,omitempty"`
	}{es, next}, err
}
