package experiments

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SearchExperiments returns a page of experiments, those changed last first
// unless ordered.
func (s *Store) SearchExperiments(ctx context.Context, view search.View, q db.PageQuery) ([]wire.Experiment, string, error) {
	comps, err := filter.Parse(q.Filter, filter.Experiments)
	if err != nil {
		return nil, "", err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.Experiments)
	if err != nil {
		return nil, "", err
	}
	cond, err := view.Clause("e.lifecycle")
	if err != nil {
		return nil, "", err
	}
	names := map[string]string{"name": "e.name", "experiment_id": "e.id", "creation_time": "e.created", "last_update_time": "e.updated"}
	for _, c := range comps {
		switch {
		case c.Entity == filter.Tag:
			cond.And(search.CompareTag("experiment_tags", "exp", "e.id", c))
		case c.Key == "experiment_id":
			cond.And(search.CompareText("cast(e.id AS TEXT)", c))
		case c.Key == "name":
			cond.And(search.CompareText("e.name", c))
		default:
			cond.And(search.CompareNumber(names[c.Key], c))
		}
	}
	cond.And(search.OfProjects("e.name", q.Projects))
	ties := []db.SortCol{db.Desc("e.id")}
	if len(orders) == 0 {
		ties = []db.SortCol{db.Desc("e.updated"), db.Desc("e.id")}
	}
	q.OrderBy = append(q.OrderBy[:len(q.OrderBy):len(q.OrderBy)], string(view))
	return db.Page(ctx, s.db, columns, cond, search.OrderCols(orders, names, ties...), q, scan)
}
