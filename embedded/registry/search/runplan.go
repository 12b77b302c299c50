package search

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
)

// runSearch is a search for runs. It has three ways to find a page:
//
//   - lead: an index names the few runs that fit one comparison;
//   - walk: runs are visited in the order asked for until the page is full;
//   - join: when neither is short, the sets of runs that fit the comparisons
//     are intersected, and the rest is sorted.
//
// All of them order by the same columns, so a page may be begun in one way and
// ended in another, as may the next one.
type runSearch struct {
	db     *db.DB
	limits limits
	key    string    // what the page tokens belong to
	in     string    // " = 1" or " IN (1,2)": the experiments
	most   bool      // they are most of those that there are
	base   db.Clause // on r: experiments, stage, attributes that no index has
	groups []*runGroup
	orders []filter.Order

	// While the walk is at one value of what orders[0] named, orders holds the
	// rest, pins says that r has the value, and prefix begins the marks of
	// these runs.
	pins   db.Clause
	prefix []any
}

// hit is a run of a page and the values that it is ordered by.
type hit struct {
	id int64
	at []any
}

// limits says when a search for runs takes which way.
type limits struct {
	// lead is how many runs may fit a comparison at most for its index to lead.
	// With so many of 100,000, walking costs as much for a page of fifty.
	lead int
	// walk is how many runs are visited before the search decides whether to
	// walk on.
	walk int
	// gather is how many runs may fit a comparison at most for their numbers to
	// be gathered. A look-up there is cheaper than in the table, but gathering
	// costs, too.
	gather int
}

var usualLimits = limits{lead: 1500, walk: 2000, gather: 20000}

// page returns the n runs behind at, a position in the order.
func (q *runSearch) page(ctx context.Context, at []any, n int) ([]hit, error) {
	// Patterns are counted only after a walk has failed: that means reading an
	// index from end to end.
	lead, fits, err := q.least(ctx, q.limits.lead, func(g *runGroup) bool { return !g.absent() && !g.scans() })
	if err != nil {
		return nil, err
	}
	if lead >= 0 {
		return q.join(ctx, lead, fits, at, n)
	}
	hits, done, err := q.walk(ctx, at, n)
	if err != nil || done {
		return hits, err
	}
	if len(hits) > 0 {
		at = hits[len(hits)-1].at
	}
	lead, fits, err = q.least(ctx, q.limits.gather, func(g *runGroup) bool { return !g.absent() })
	if err != nil {
		return nil, err
	}
	more, err := q.join(ctx, lead, fits, at, n-len(hits))
	return append(hits, more...), err
}

// fit is how many runs fit a group, and a query for their numbers.
type fit struct {
	n    int
	runs db.Clause
}

// least asks the indexes which group has the fewest runs. Groups that have more
// than max, or that ask excludes, get max+1. best is -1 if all have more.
func (q *runSearch) least(ctx context.Context, max int, ask func(*runGroup) bool) (best int, fits []fit, err error) {
	best, fewest := -1, max+1
	fits = make([]fit, len(q.groups))
	for i, g := range q.groups {
		fits[i].n = max + 1
		if !ask(g) {
			continue
		}
		runs := g.runs(q.in)
		of := fmt.Sprintf(" FROM (%s LIMIT %d)", runs.SQL, max+1)
		if g.scans() {
			// Read the index only once.
			var ids string
			err = q.db.RowsOnce(ctx, "SELECT count(*), '[' || coalesce(group_concat(run), '') || ']'"+of, func(r *sql.Rows) error { return r.Scan(&fits[i].n, &ids) }, runs.Args...)
			runs = db.SQL("SELECT value AS run FROM json_each(?)", ids)
		} else {
			err = q.db.RowsOnce(ctx, "SELECT count(*)"+of, func(r *sql.Rows) error { return r.Scan(&fits[i].n) }, runs.Args...)
		}
		if err != nil {
			return 0, nil, err
		}
		if fits[i].runs = runs; fits[i].n < fewest {
			best, fewest = i, fits[i].n
		}
	}
	return best, fits, nil
}

// join sorts the runs that fit all groups. With a lead it looks only at the
// lead's runs. It gathers the runs of each other group that has few enough,
// unless the lead is so short that gathering is not worth it.
func (q *runSearch) join(ctx context.Context, lead int, fits []fit, at []any, n int) ([]hit, error) {
	from, run := db.SQL("runs r"), "r.id"
	few := false
	if lead >= 0 {
		if fits[lead].n == 0 {
			return nil, nil
		}
		few = fits[lead].n <= q.limits.lead
		// Conditions on the number alone are checked before the run is read.
		from, run = db.SQL("("+fits[lead].runs.SQL+") d CROSS JOIN runs r ON r.id = d.run", fits[lead].runs.Args...), "d.run"
	}
	cond := q.base
	for i, g := range q.groups {
		switch {
		case i == lead:
		case !few && fits[i].n <= q.limits.gather:
			cond.And(db.SQL(run+" IN ("+fits[i].runs.SQL+")", fits[i].runs.Args...))
		default:
			cond.And(g.check(run))
		}
	}
	return q.sorted(ctx, from, cond, q.orders, nil, at, n)
}

// walk visits runs in the order asked for. done is false if it gave up.
func (q *runSearch) walk(ctx context.Context, at []any, n int) (hits []hit, done bool, err error) {
	if byStart(q.orders) {
		return q.visit(ctx, at, n)
	}
	if x := q.indexOf(q.orders[0]); x != nil {
		return q.walkIndex(ctx, x, at, n)
	}
	if len(q.groups) > 0 {
		return nil, false, nil
	}
	cond := q.base
	cond.And(q.pins)
	hits, err = q.sorted(ctx, db.SQL("runs r"), cond, q.orders, nil, at, n)
	return hits, true, err
}

// checks is everything that a run which is visited must fit.
func (q *runSearch) checks() db.Clause {
	cond := q.pins
	for _, g := range q.groups {
		cond.And(g.check("r.id"))
	}
	return cond
}

// visit walks runs by their start.
func (q *runSearch) visit(ctx context.Context, at []any, n int) (hits []hit, done bool, err error) {
	joins, cols := orderRuns(q.orders)
	index := "runs_by_start"
	if q.most {
		index = "runs_by_time"
	}
	from := db.SQL("runs r INDEXED BY " + index)
	cond := q.checks()
	if cond.SQL == "" {
		hits, err = q.sorted(ctx, from, q.base, q.orders, nil, at, n)
		return hits, true, err
	}
	where := q.base
	if at != nil {
		where.And(db.After(cols, at))
	}
	// The inner query visits runs in order. The outer one checks them, and ends
	// the inner one when the page is full.
	inner, outer := "SELECT r.id", "SELECT r.id"
	for i, c := range cols {
		inner += fmt.Sprintf(", %s AS c%d", c.Expr, i)
		outer += fmt.Sprintf(", r.c%d", i)
	}
	query := outer + " FROM (" + inner + " FROM " + from.SQL + joins.SQL + " WHERE " + where.SQL + " ORDER BY " + db.OrderBy(cols) + " LIMIT ? OFFSET ?) r WHERE " + cond.SQL + " LIMIT ?"
	limit, offset := q.limits.walk, 0
	if len(q.groups) == 0 {
		limit = -1
	}
	for {
		some, err := q.hits(ctx, query, nil, len(cols), slices.Concat(joins.Args, where.Args, []any{limit, offset}, cond.Args, []any{n - len(hits)})...)
		if err != nil {
			return nil, false, err
		}
		hits = append(hits, some...)
		if len(hits) >= n || limit < 0 {
			return hits, true, nil
		}
		if tooSparse(len(hits), n, 1) {
			return hits, false, nil
		}
		limit, offset = -1, q.limits.walk
	}
}

// tooSparse says that a walk would need more than 8 times its rounds so far to
// find n hits.
func tooSparse(hits, n, rounds int) bool { return hits*8 < n*rounds }

// sorted runs a query that ends when n runs are found. In their marks, prefix
// stands between the search's prefix and the order's values.
func (q *runSearch) sorted(ctx context.Context, from, cond db.Clause, orders []filter.Order, first *db.SortCol, at []any, n int, prefix ...any) ([]hit, error) {
	joins, cols := orderRuns(orders)
	if first != nil {
		cols = append([]db.SortCol{*first}, cols...)
	}
	if at != nil {
		cond.And(db.After(cols, at))
	}
	query := "SELECT r.id, " + db.SelectCols(cols) + " FROM " + from.SQL + joins.SQL + " WHERE " + cond.SQL + " ORDER BY " + db.OrderBy(cols) + " LIMIT ?"
	return q.hits(ctx, query, prefix, len(cols), slices.Concat(from.Args, joins.Args, cond.Args, []any{n})...)
}

// hits reads ids and the values of the columns that order them.
func (q *runSearch) hits(ctx context.Context, query string, prefix []any, cols int, args ...any) ([]hit, error) {
	prefix = slices.Concat(q.prefix, prefix)
	var out []hit
	err := q.db.RowsOnce(ctx, query, func(r *sql.Rows) error {
		h := hit{at: make([]any, len(prefix)+cols)}
		copy(h.at, prefix)
		dest := make([]any, 1, cols+1)
		dest[0] = &h.id
		for i := range cols {
			dest = append(dest, &h.at[len(prefix)+i])
		}
		if err := r.Scan(dest...); err != nil {
			return err
		}
		out = append(out, h)
		return nil
	}, args...)
	return out, err
}
