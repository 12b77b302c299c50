package store

import (
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
)

// clause is a piece of SQL with the values of its question marks. Nothing
// that a user sent is ever part of the text.
type clause struct {
	sql  string
	args []any
}

// add appends; clauses that were copied from this one stay as they are.
func (c *clause) add(sql string, args ...any) {
	c.sql += sql
	c.args = append(slices.Clip(c.args), args...)
}

func (c *clause) and(o clause) {
	if o.sql == "" {
		return
	}
	if c.sql != "" {
		c.sql += " AND "
	}
	c.add(o.sql, o.args...)
}

// compareText compares a column of text.
func compareText(col string, c filter.Comparison) clause {
	switch c.Op {
	case filter.Like:
		return clause{col + " GLOB ?", []any{globOf(c.Text)}}
	case filter.ILike:
		return clause{col + " LIKE ?", []any{c.Text}} // SQLite's own ignores the case of ASCII letters, as MLflow's does
	case filter.In, filter.NotIn:
		args := make([]any, len(c.List))
		for i, v := range c.List {
			args[i] = v
		}
		return clause{col + " " + string(c.Op) + " (" + marks(len(args)) + ")", args}
	case filter.IsNull, filter.IsNotNull:
		return clause{col + " " + string(c.Op), nil}
	case filter.Ne:
		return clause{col + " <> ?", []any{c.Text}}
	}
	return clause{col + " = ?", []any{c.Text}}
}

// globOf turns a LIKE pattern into one for GLOB, which heeds the case as
// MLflow's LIKE does; SQLite's own LIKE does not.
func globOf(like string) string {
	var b strings.Builder
	for _, r := range like {
		switch r {
		case '%':
			b.WriteByte('*')
		case '_':
			b.WriteByte('?')
		case '*', '?', '[':
			b.WriteByte('[')
			b.WriteRune(r)
			b.WriteByte(']')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// compareNumber compares a column of numbers.
func compareNumber(col string, c filter.Comparison) clause {
	o := string(c.Op)
	if c.Op == filter.Ne {
		o = "<>"
	}
	if c.IsInt {
		return clause{col + " " + o + " ?", []any{c.Int}}
	}
	return clause{col + " " + o + " ?", []any{c.Number}}
}

// compareMetric compares the value of a latest metric. NaN is unequal to
// every number, and neither less nor greater.
func compareMetric(alias string, c filter.Comparison) clause {
	v := compareNumber(alias+".value", c)
	if c.Op == filter.Ne {
		return clause{"(" + v.sql + " OR " + alias + ".is_nan = 1)", v.args}
	}
	return clause{alias + ".is_nan = 0 AND " + v.sql, v.args}
}

// compareTag says that the row t of a table (owner, key, value) fits, by
// EXISTS. owner is the expression that the table's owner column must equal.
func compareTag(table, ownerCol, owner string, c filter.Comparison) clause {
	out := clause{}
	head := "EXISTS (SELECT 1 FROM " + table + " x WHERE x." + ownerCol + " = " + owner + " AND x.key = ?"
	switch c.Op {
	case filter.IsNull:
		out.add("NOT "+head+")", c.Key)
	case filter.IsNotNull:
		out.add(head+")", c.Key)
	default:
		v := compareText("x.value", c)
		out.add(head+" AND "+v.sql+")", append([]any{c.Key}, v.args...)...)
	}
	return out
}
