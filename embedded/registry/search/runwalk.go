package search

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
)

// walkIndex visits runs by the value that order_by names first. The index alone
// does not give the order: very many runs may share a value (a param has few
// values), and the next clause orders these. So it walks the index in
// stretches, and each value between two stretches by itself.
func (q *runSearch) walkIndex(ctx context.Context, x *valueIndex, at []any, n int) (hits []hit, done bool, err error) {
	class, value, rest := x.split(at)
	started := at != nil && class == 0
	if started {
		if hits, done, err = q.sameValue(ctx, x, value, rest, n); err != nil || !done {
			return hits, done, err
		}
	}
	order, stretch := x.order(), n
	if len(q.groups) > 0 {
		stretch = q.limits.walk
	}
	found := class == 0
	for round := 1; found && len(hits) < n; round++ {
		from := x.cond
		if started {
			from.And(x.beyond(value))
		}
		if value, found, err = q.ahead(ctx, x, from, stretch); err != nil {
			return nil, false, err
		}
		if found {
			from.And(x.before(value))
		}
		some, err := q.sorted(ctx, x.runs(), q.all(from), q.orders[1:], &order, nil, n-len(hits), x.class(0)...)
		if err != nil {
			return nil, false, err
		}
		hits = append(hits, some...)
		if found && len(hits) < n {
			some, done, err := q.sameValue(ctx, x, value, nil, n-len(hits))
			if hits = append(hits, some...); err != nil || !done {
				return hits, done, err
			}
		}
		if len(q.groups) > 0 && len(hits) < n && found && tooSparse(len(hits), n, round) {
			return hits, false, nil
		}
		started = true
	}
	if len(hits) >= n || !x.classed || x.required {
		return hits, true, nil
	}
	last := 1
	if x.nan.SQL != "" {
		last = 2
		if class <= 1 {
			some, err := q.sorted(ctx, x.runs(), q.all(x.nan), q.orders[1:], nil, ifAt(class == 1, rest), n-len(hits), x.mark(1, nil)...)
			if hits = append(hits, some...); err != nil || len(hits) >= n {
				return hits, true, err
			}
		}
	}
	some, done, err := q.pinned(x.none, x.mark(last, nil)).walk(ctx, ifAt(int(class) == last, rest), n-len(hits))
	return append(hits, some...), done, err
}

// ifAt returns at if the position is in what is being searched.
func ifAt(is bool, at []any) []any {
	if is {
		return at
	}
	return nil
}

// pinned is the search of the runs that are equal in the first order_by clause.
func (q *runSearch) pinned(pin db.Clause, mark []any) *runSearch {
	sub := *q
	sub.orders, sub.prefix = q.orders[1:], slices.Concat(q.prefix, mark)
	sub.pins.And(pin)
	return &sub
}

// all adds to a condition everything else that a run must fit.
func (q *runSearch) all(cond db.Clause) db.Clause {
	cond.And(q.base)
	cond.And(q.checks())
	return cond
}

// ahead returns the value that stands n entries further in the index.
func (q *runSearch) ahead(ctx context.Context, x *valueIndex, from db.Clause, n int) (value any, found bool, err error) {
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d", x.value, x.from, from.SQL, db.OrderBy([]db.SortCol{x.order()}), n-1)
	err = q.db.RowsOnce(ctx, query, func(r *sql.Rows) error { found = true; return r.Scan(&value) }, from.Args...)
	return value, found, err
}

// sameValue finds runs with one value, behind the position at.
func (q *runSearch) sameValue(ctx context.Context, x *valueIndex, value any, at []any, n int) ([]hit, bool, error) {
	cond := x.cond
	cond.And(db.SQL(x.value+" = ?", value))
	many := 0
	query := fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s LIMIT %d)", x.from, cond.SQL, q.limits.lead+1)
	if err := q.db.RowsOnce(ctx, query, func(r *sql.Rows) error { return r.Scan(&many) }, cond.Args...); err != nil {
		return nil, false, err
	}
	if many > q.limits.lead {
		return q.pinned(x.pin(value), x.mark(0, value)).walk(ctx, at, n)
	}
	hits, err := q.sorted(ctx, x.runs(), q.all(cond), q.orders[1:], nil, at, n, x.mark(0, value)...)
	return hits, true, err
}
