package db

import (
	"context"
	"database/sql"
	"strings"
)

// PageQuery is a search that goes from page to page.
type PageQuery struct {
	Filter  string
	Max     int
	OrderBy []string
	Token   string
	// Projects limits experiments, models and versions to those of these
	// projects; empty means all.
	Projects []string
}

// Page runs a search that goes from page to page by the values of cols. columns
// is "SELECT … FROM …"; Page selects the sort columns behind them.
func Page[T any](ctx context.Context, d *DB, columns string, cond Clause, cols []SortCol, q PageQuery, scan func(*sql.Rows, ...any) (T, error)) (out []T, next string, err error) {
	key := q.Filter + "\x00" + strings.Join(q.OrderBy, "\x00") + "\x00" + columns
	if cond.SQL == "" {
		cond.SQL = "1"
	}
	if q.Token != "" {
		at, err := DecodeToken[[]any](q.Token, key)
		if err != nil {
			return nil, "", err
		}
		if err := CheckCols(at, len(cols)); err != nil {
			return nil, "", err
		}
		cond.And(After(cols, at))
	}
	// The list of columns ends where a line begins with FROM.
	head, tail, _ := strings.Cut(columns, "\n\tFROM ")
	query := head + ", " + SelectCols(cols) + " FROM " + tail + "WHERE " + cond.SQL + " ORDER BY " + OrderBy(cols) + " LIMIT ?"
	var marks [][]any
	err = d.RowsOnce(ctx, query, func(r *sql.Rows) error {
		at, dest := make([]any, len(cols)), make([]any, len(cols))
		for i := range at {
			dest[i] = &at[i]
		}
		v, err := scan(r, dest...)
		out, marks = append(out, v), append(marks, at)
		return err
	}, append(cond.Args, q.Max+1)...)
	if err != nil {
		return nil, "", err
	}
	if len(out) > q.Max {
		out = out[:q.Max]
		next = EncodeToken(key, marks[q.Max-1])
	}
	return out, next, nil
}
