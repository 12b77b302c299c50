package store

import (
	"context"
	"database/sql"
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
	p, err := s.planRuns(ctx, q)
	if err != nil || p == nil {
		return nil, "", err
	}
	var ids []int64
	for len(ids) <= q.Max && p.phase < len(p.phases) {
		more, err := p.fetch(ctx, q.Max+1-len(ids))
		if err != nil {
			return nil, "", err
		}
		ids = append(ids, more...)
		if len(ids) <= q.Max {
			p.phase, p.at = p.phase+1, nil
		}
	}
	if len(ids) > q.Max {
		ids = ids[:q.Max]
		next = encodeToken(p.key, p.marks[q.Max-1])
	}
	runs, err = s.documents(ctx, ids)
	return runs, next, err
}

type runToken struct {
	Phase int   `json:"p"`
	At    []any `json:"v"`
}

// runPlan is a search for runs as one or more queries, called phases, whose
// results follow each other: when runs are ordered by a metric, those that
// have it come from the metric's index in the right order, then those with
// NaN, then those without, and a page seldom needs more than the first.
type runPlan struct {
	store  *Store
	key    string // what the page tokens belong to
	phases []runPhase
	phase  int
	at     []any // where the page begins in the phase
	marks  []runToken
}

type runPhase struct {
	from clause // FROM with its joins
	cond clause
	cols []sortCol
}

func (s *Store) planRuns(ctx context.Context, q RunSearch) (*runPlan, error) {
	comps, err := filter.Parse(q.Filter, filter.Runs)
	if err != nil {
		return nil, err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.Runs)
	if err != nil {
		return nil, err
	}
	exps := make([]int64, 0, len(q.ExperimentIDs))
	for _, id := range q.ExperimentIDs {
		n, err := experimentID(id)
		if err != nil {
			return nil, err
		}
		exps = append(exps, n)
	}
	cond, err := q.View.clause("r.lifecycle")
	if err != nil {
		return nil, err
	}
	p := &runPlan{store: s, key: fmt.Sprint(exps, q.View, "\x00", q.Filter, "\x00", strings.Join(q.OrderBy, "\x00"))}
	if q.Token != "" {
		t, err := decodeToken[runToken](q.Token, p.key)
		if err != nil {
			return nil, err
		}
		p.phase, p.at = t.Phase, t.At
	}
	if len(exps) == 0 {
		return nil, nil // as MLflow: no experiments, no runs
	}
	driver, drives, err := s.mostSelective(ctx, exps, comps)
	if err != nil {
		return nil, err
	}
	for i, c := range comps {
		if drives && i == driver {
			continue
		}
		cond.and(runCondition(c))
	}
	in := clause{"r.exp IN (" + idList(exps) + ")", nil}
	if len(exps) == 1 {
		in.sql = "r.exp = " + idList(exps)
	}
	cond.and(in)
	switch {
	case drives:
		d := keyed(exps, comps[driver])
		p.phases = []runPhase{generic(clause{"(SELECT DISTINCT run FROM " + d.sql + ") d CROSS JOIN runs r ON r.id = d.run", d.args}, cond, orders)}
	case len(exps) == 1 && len(orders) > 0 && orders[0].Entity != filter.Attribute:
		p.phases = byKey(exps[0], cond, orders)
	default:
		p.phases = []runPhase{generic(clause{"runs r", nil}, cond, orders)}
	}
	if p.phase < 0 || p.phase >= len(p.phases) {
		return nil, invalid("the page token does not fit this query: start again without page_token")
	}
	if q.Token != "" {
		if err := checkCols(p.at, len(p.phases[p.phase].cols)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// fetch reads at most n ids of the current phase and marks where each stands.
func (p *runPlan) fetch(ctx context.Context, n int) ([]int64, error) {
	ph := p.phases[p.phase]
	cond := ph.cond
	if p.at != nil {
		cond.and(after(ph.cols, p.at))
	}
	query := "SELECT r.id, " + selectCols(ph.cols) + " FROM " + ph.from.sql + " WHERE " + cond.sql + " ORDER BY " + orderBy(ph.cols) + " LIMIT ?"
	args := append(append(append([]any{}, ph.from.args...), cond.args...), n)
	var ids []int64
	err := p.store.rowsOnce(ctx, query, func(r *sql.Rows) error {
		var id int64
		at := make([]any, len(ph.cols))
		dest := make([]any, 0, len(at)+1)
		dest = append(dest, &id)
		for i := range at {
			dest = append(dest, &at[i])
		}
		if err := r.Scan(dest...); err != nil {
			return err
		}
		for i, v := range at {
			if b, ok := v.([]byte); ok {
				at[i] = string(b)
			}
		}
		ids = append(ids, id)
		p.marks = append(p.marks, runToken{p.phase, at})
		return nil
	}, args...)
	return ids, err
}

// drivingLimit is up to how many matches a comparison may have for its index
// to lead the search. Beyond that, runs are visited in the order asked for and
// checked one by one, which finds a page soon when matches are frequent.
const drivingLimit = 2000

// mostSelective asks the indexes which comparison has the fewest matches.
func (s *Store) mostSelective(ctx context.Context, exps []int64, comps []filter.Comparison) (best int, ok bool, err error) {
	least := drivingLimit + 1
	for i, c := range comps {
		if !indexed(c) {
			continue
		}
		k := keyed(exps, c)
		n := 0
		if err := s.rowsOnce(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+k.sql+fmt.Sprintf(" LIMIT %d)", least), func(r *sql.Rows) error { return r.Scan(&n) }, k.args...); err != nil {
			return 0, false, err
		}
		if n < least {
			best, least, ok = i, n, true
		}
	}
	return best, ok, nil
}

// runColumn is the column of an attribute that order_by names.
func runColumn(key string) string {
	if key == "run_name" {
		return "r.name"
	}
	return "r." + key
}

// generic orders by any clauses, whatever that costs.
func generic(from, cond clause, orders []filter.Order) runPhase {
	ph := runPhase{from: from, cond: cond}
	started := false
	for i, o := range orders {
		switch o.Entity {
		case filter.Attribute:
			if o.Key == "end_time" {
				ph.cols = append(ph.cols, sortCol{"(r.end_time IS NULL)", false})
			}
			ph.cols = append(ph.cols, sortCol{runColumn(o.Key), o.Desc})
			started = started || o.Key == "start_time"
		default:
			alias := fmt.Sprintf("o%d", i)
			ph.from.add(" LEFT JOIN "+keyTable(o.Entity)+" "+alias+" ON "+alias+".run = r.id AND "+alias+".key = ?", o.Key)
			if o.Entity == filter.Metric {
				ph.cols = append(ph.cols, sortCol{"coalesce(" + alias + ".is_nan, 2)", false})
				ph.cols = append(ph.cols, sortCol{"iif(" + alias + ".is_nan, NULL, " + alias + ".value)", o.Desc})
			} else {
				ph.cols = append(ph.cols, sortCol{"(" + alias + ".value IS NULL)", false}, sortCol{alias + ".value", o.Desc})
			}
		}
	}
	if !started {
		ph.cols = append(ph.cols, sortCol{"r.start_time", true})
	}
	ph.cols = append(ph.cols, sortCol{"r.run_id", false})
	return ph
}

func keyTable(e filter.Entity) string {
	switch e {
	case filter.Metric:
		return "latest_metrics"
	case filter.Param:
		return "params"
	}
	return "tags"
}

// byKey orders the runs of one experiment by a metric, param or tag first.
func byKey(exp int64, cond clause, orders []filter.Order) []runPhase {
	first, table := orders[0], keyTable(orders[0].Entity)
	with := func(extra string) runPhase {
		from := clause{table + " k CROSS JOIN runs r ON r.id = k.run", nil}
		c := clause{fmt.Sprintf("k.exp = %d AND k.key = ?%s", exp, extra), []any{first.Key}}
		c.and(cond)
		return generic(from, c, orders[1:])
	}
	var out []runPhase
	if first.Entity == filter.Metric {
		ph := with(" AND k.is_nan = 0")
		ph.cols = append([]sortCol{{"k.value", first.Desc}}, ph.cols...)
		out = append(out, ph, with(" AND k.is_nan = 1"))
	} else {
		ph := with("")
		ph.cols = append([]sortCol{{"k.value", first.Desc}}, ph.cols...)
		out = append(out, ph)
	}
	c := clause{"NOT EXISTS (SELECT 1 FROM " + table + " k WHERE k.run = r.id AND k.key = ?)", []any{first.Key}}
	c.and(cond)
	return append(out, generic(clause{"runs r", nil}, c, orders[1:]))
}
