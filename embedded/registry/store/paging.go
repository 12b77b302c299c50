package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
)

// orderCols maps order_by clauses to columns and appends the tie-breakers
// that are not among them.
func orderCols(orders []filter.Order, names map[string]string, ties ...sortCol) []sortCol {
	var cols []sortCol
	has := map[string]bool{}
	for _, o := range orders {
		cols = append(cols, sortCol{names[o.Key], o.Desc})
		has[names[o.Key]] = true
	}
	for _, c := range ties {
		if !has[c.expr] {
			cols = append(cols, c)
		}
	}
	return cols
}

// page runs a search that goes from page to page by the values of its columns.
// columns is "SELECT … FROM …"; the sort columns are selected behind them.
func page[T any](ctx context.Context, s *Store, columns string, cond clause, cols []sortCol, q PageQuery, scan func(*sql.Rows, ...any) (T, error)) (out []T, next string, err error) {
	key := q.Filter + "\x00" + strings.Join(q.OrderBy, "\x00") + "\x00" + columns
	if cond.sql == "" {
		cond.sql = "1"
	}
	if q.Token != "" {
		at, err := decodeToken[[]any](q.Token, key)
		if err != nil {
			return nil, "", err
		}
		if err := checkCols(at, len(cols)); err != nil {
			return nil, "", err
		}
		cond.and(after(cols, at))
	}
	// The list of columns ends where a line begins with FROM.
	head, tail, _ := strings.Cut(columns, "\n\tFROM ")
	query := head + ", " + selectCols(cols) + " FROM " + tail + "WHERE " + cond.sql + " ORDER BY " + orderBy(cols) + " LIMIT ?"
	var marks [][]any
	err = s.rowsOnce(ctx, query, func(r *sql.Rows) error {
		at, dest := make([]any, len(cols)), make([]any, len(cols))
		for i := range at {
			dest[i] = &at[i]
		}
		v, err := scan(r, dest...)
		out, marks = append(out, v), append(marks, at)
		return err
	}, append(cond.args, q.Max+1)...)
	if err != nil {
		return nil, "", err
	}
	if len(out) > q.Max {
		out = out[:q.Max]
		next = encodeToken(key, marks[q.Max-1])
	}
	return out, next, nil
}
