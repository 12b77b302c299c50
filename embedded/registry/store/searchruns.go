package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// View says which lifecycle stages a search returns.
type View string

// The views, by the protocol's names.
const (
	ViewActive  View = "ACTIVE_ONLY"
	ViewDeleted View = "DELETED_ONLY"
	ViewAll     View = "ALL"
)

func (v View) clause(col string) (clause, error) {
	switch v {
	case ViewActive, "":
		return clause{col + " = 'active'", nil}, nil
	case ViewDeleted:
		return clause{col + " = 'deleted'", nil}, nil
	case ViewAll:
		return clause{col + " IN ('active', 'deleted')", nil}, nil
	}
	return clause{}, invalid("view type %q is not known: expected ACTIVE_ONLY, DELETED_ONLY or ALL", head(string(v)))
}

// RunSearch is what SearchRunDocs needs.
type RunSearch struct {
	ExperimentIDs []string
	Filter        string
	View          View
	Max           int
	OrderBy       []string
	Token         string
}

// SearchRunDocs returns a page of runs; next is "" on the last one.
func (s *Store) SearchRunDocs(ctx context.Context, q RunSearch) (runs []*wire.Run, next string, err error) {
	rs, at, err := s.planRuns(ctx, q)
	if err != nil || rs == nil {
		return nil, "", err
	}
	hits, err := rs.page(ctx, at, q.Max+1)
	if err != nil {
		return nil, "", err
	}
	if len(hits) > q.Max {
		hits = hits[:q.Max]
		next = encodeToken(rs.key, hits[q.Max-1].at)
	}
	ids := make([]int64, len(hits))
	for i, h := range hits {
		ids[i] = h.id
	}
	runs, err = s.documents(ctx, ids)
	return runs, next, err
}

// planRuns checks a search and says where its page begins; nil if nothing can
// be found.
func (s *Store) planRuns(ctx context.Context, q RunSearch) (*runSearch, []any, error) {
	comps, err := filter.Parse(q.Filter, filter.Runs)
	if err != nil {
		return nil, nil, err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.Runs)
	if err != nil {
		return nil, nil, err
	}
	exps := make([]int64, 0, len(q.ExperimentIDs))
	for _, id := range q.ExperimentIDs {
		n, err := experimentID(id)
		if err != nil {
			return nil, nil, err
		}
		exps = append(exps, n)
	}
	base, err := q.View.clause("r.lifecycle")
	if err != nil {
		return nil, nil, err
	}
	rs := &runSearch{store: s, limits: s.limits, in: " IN (" + idList(exps) + ")", orders: orders,
		key: fmt.Sprint(exps, q.View, "\x00", q.Filter, "\x00", strings.Join(q.OrderBy, "\x00"))}
	if len(exps) == 1 {
		rs.in = " = " + idList(exps)
	}
	base.and(clause{"r.exp" + rs.in, nil})
	rs.groups, rs.base = groupRuns(comps, base)
	var at []any
	if q.Token != "" {
		if at, err = decodeToken[[]any](q.Token, rs.key); err != nil {
			return nil, nil, err
		}
		_, cols := orderRuns(orders)
		if err := checkCols(at, len(cols)); err != nil {
			return nil, nil, err
		}
	}
	if len(exps) == 0 {
		return nil, nil, nil // as MLflow: no experiments, no runs
	}
	if len(exps) > 1 {
		var all int
		if _, err := s.row(ctx, "SELECT count(*) FROM experiments", nil, &all); err != nil {
			return nil, nil, err
		}
		rs.most = 2*len(exps) > all
	}
	return rs, at, nil
}
