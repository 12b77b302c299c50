package db

import (
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// SortCol is a column of an ORDER BY. Its values are what a page token holds.
type SortCol struct {
	Expr string
	Desc bool
}

// Asc orders by a column, the least first.
func Asc(expr string) SortCol { return SortCol{expr, false} }

// Desc orders by a column, the greatest first.
func Desc(expr string) SortCol { return SortCol{expr, true} }

// By is Asc or Desc.
func By(expr string, desc bool) SortCol { return SortCol{expr, desc} }

// OrderBy writes columns for ORDER BY.
func OrderBy(cols []SortCol) string {
	parts := make([]string, len(cols))
	for i, c := range cols {
		parts[i] = c.Expr
		if c.Desc {
			parts[i] += " DESC"
		}
	}
	return strings.Join(parts, ", ")
}

// SelectCols writes columns for SELECT.
func SelectCols(cols []SortCol) string {
	parts := make([]string, len(cols))
	for i, c := range cols {
		parts[i] = c.Expr
	}
	return strings.Join(parts, ", ")
}

// After says that a row comes after the one with these values in the order of
// cols. It repeats the first column's bound outside of the OR, where SQLite can
// use it to enter an index in the right place.
func After(cols []SortCol, at []any) Clause {
	var out Clause
	if cols[0].Desc {
		out.Add(cols[0].Expr+" <= ? AND (", at[0])
	} else {
		out.Add(cols[0].Expr+" >= ? AND (", at[0])
	}
	for i, c := range cols {
		if i > 0 {
			out.Add(" OR ")
		}
		out.Add("(")
		for j := range i {
			out.Add(cols[j].Expr+" IS ? AND ", at[j])
		}
		o := " > ?"
		if c.Desc {
			o = " < ?"
		}
		out.Add(c.Expr+o+")", at[i])
	}
	out.Add(")")
	return out
}

// CheckCols checks that a token has one plain value a column.
func CheckCols(at []any, n int) error {
	ok := len(at) == n
	for _, v := range at {
		switch v.(type) {
		case float64, string, nil:
		default:
			ok = false
		}
	}
	if !ok {
		return mlops.Errorf(mlops.Invalid, "the page token does not fit this query: start again without page_token")
	}
	return nil
}
