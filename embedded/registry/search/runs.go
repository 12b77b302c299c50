// Package search turns filters and orders of the protocol into SQL: conditions
// for the pages of any table, and the planner of searches for runs, which asks
// the indexes which of three ways to take. It knows tables, no nouns.
package search

import (
	"context"
	"fmt"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Runs searches for runs.
type Runs struct {
	db     *db.DB
	limits limits
}

// NewRuns returns the search for the runs of a database.
func NewRuns(d *db.DB) *Runs { return &Runs{d, usualLimits} }

// RunQuery is what Runs.Page needs.
type RunQuery struct {
	ExperimentIDs []string
	Filter        string
	View          View
	Max           int
	OrderBy       []string
	Token         string
}

// Page returns the row ids of a page of runs; next is "" on the last one.
func (p *Runs) Page(ctx context.Context, q RunQuery) (ids []int64, next string, err error) {
	rs, at, err := p.plan(ctx, q)
	if err != nil || rs == nil {
		return nil, "", err
	}
	hits, err := rs.page(ctx, at, q.Max+1)
	if err != nil {
		return nil, "", err
	}
	if len(hits) > q.Max {
		hits = hits[:q.Max]
		next = db.EncodeToken(rs.key, hits[q.Max-1].at)
	}
	ids = make([]int64, len(hits))
	for i, h := range hits {
		ids[i] = h.id
	}
	return ids, next, nil
}

// plan checks a search and says where its page begins. It returns nil if there
// is nothing to find.
func (p *Runs) plan(ctx context.Context, q RunQuery) (*runSearch, []any, error) {
	comps, err := filter.Parse(q.Filter, filter.Runs)
	if err != nil {
		return nil, nil, err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.Runs)
	if err != nil {
		return nil, nil, err
	}
	exps, err := wire.ExperimentNumbers(q.ExperimentIDs)
	if err != nil {
		return nil, nil, err
	}
	base, err := q.View.Clause("r.lifecycle")
	if err != nil {
		return nil, nil, err
	}
	rs := &runSearch{db: p.db, limits: p.limits, in: " IN (" + db.IDList(exps) + ")", orders: orders,
		key: fmt.Sprint(exps, q.View, "\x00", q.Filter, "\x00", strings.Join(q.OrderBy, "\x00"))}
	if len(exps) == 1 {
		rs.in = " = " + db.IDList(exps)
	}
	base.And(db.SQL("r.exp" + rs.in))
	rs.groups, rs.base = groupRuns(comps, base)
	var at []any
	if q.Token != "" {
		if at, err = db.DecodeToken[[]any](q.Token, rs.key); err != nil {
			return nil, nil, err
		}
		_, cols := orderRuns(orders)
		if err := db.CheckCols(at, len(cols)); err != nil {
			return nil, nil, err
		}
	}
	if len(exps) == 0 {
		return nil, nil, nil // as MLflow: no experiments, no runs
	}
	if len(exps) > 1 {
		var all int
		if _, err := p.db.Row(ctx, "SELECT count(*) FROM experiments", nil, &all); err != nil {
			return nil, nil, err
		}
		rs.most = 2*len(exps) > all
	}
	return rs, at, nil
}
