package store

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SearchExperiments returns a page of experiments, those changed last first
// unless ordered.
func (s *Store) SearchExperiments(ctx context.Context, view View, q PageQuery) ([]wire.Experiment, string, error) {
	comps, err := filter.Parse(q.Filter, filter.Experiments)
	if err != nil {
		return nil, "", err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.Experiments)
	if err != nil {
		return nil, "", err
	}
	cond, err := view.clause("e.lifecycle")
	if err != nil {
		return nil, "", err
	}
	names := map[string]string{"name": "e.name", "experiment_id": "e.id", "creation_time": "e.created", "last_update_time": "e.updated"}
	for _, c := range comps {
		switch {
		case c.Entity == filter.Tag:
			cond.and(compareTag("experiment_tags", "exp", "e.id", c))
		case c.Key == "experiment_id":
			cond.and(compareText("cast(e.id AS TEXT)", c))
		case c.Key == "name":
			cond.and(compareText("e.name", c))
		default:
			cond.and(compareNumber(names[c.Key], c))
		}
	}
	cond.and(ofProjects("e.name", q.Projects))
	ties := []sortCol{{"e.id", true}}
	if len(orders) == 0 {
		ties = []sortCol{{"e.updated", true}, {"e.id", true}}
	}
	q.OrderBy = append(q.OrderBy[:len(q.OrderBy):len(q.OrderBy)], string(view))
	return page(ctx, s, experimentColumns, cond, orderCols(orders, names, ties...), q, scanExperiment)
}
