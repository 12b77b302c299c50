package store

import (
	"strings"
)

// sortCol is a column of an ORDER BY. Its values are what a page token holds.
type sortCol struct {
	expr string
	desc bool
}

func orderBy(cols []sortCol) string {
	parts := make([]string, len(cols))
	for i, c := range cols {
		parts[i] = c.expr
		if c.desc {
			parts[i] += " DESC"
		}
	}
	return strings.Join(parts, ", ")
}

func selectCols(cols []sortCol) string {
	parts := make([]string, len(cols))
	for i, c := range cols {
		parts[i] = c.expr
	}
	return strings.Join(parts, ", ")
}

// after says that a row comes after the one with these values in the order of
// cols. The first column's bound is repeated outside of the OR, where SQLite
// can use it to enter an index in the right place.
func after(cols []sortCol, at []any) clause {
	var out clause
	if cols[0].desc {
		out.add(cols[0].expr+" <= ? AND (", at[0])
	} else {
		out.add(cols[0].expr+" >= ? AND (", at[0])
	}
	for i, c := range cols {
		if i > 0 {
			out.add(" OR ")
		}
		out.add("(")
		for j := range i {
			out.add(cols[j].expr+" IS ? AND ", at[j])
		}
		o := " > ?"
		if c.desc {
			o = " < ?"
		}
		out.add(c.expr+o+")", at[i])
	}
	out.add(")")
	return out
}

// checkCols makes sure that a token has one plain value a column.
func checkCols(at []any, n int) error {
	ok := len(at) == n
	for _, v := range at {
		switch v.(type) {
		case float64, string, nil:
		default:
			ok = false
		}
	}
	if !ok {
		return invalid("the page token does not fit this query: start again without page_token")
	}
	return nil
}
