package search

import (
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
)

// CompareText compares a column of text.
func CompareText(col string, c filter.Comparison) db.Clause {
	switch c.Op {
	case filter.Like:
		return db.SQL(col+" GLOB ?", globOf(c.Text))
	case filter.ILike:
		return db.SQL(col+" LIKE ?", c.Text) // SQLite's own ignores the case of ASCII letters, as MLflow's does
	case filter.In, filter.NotIn:
		args := make([]any, len(c.List))
		for i, v := range c.List {
			args[i] = v
		}
		return db.SQL(col+" "+string(c.Op)+" ("+db.Marks(len(args))+")", args...)
	case filter.IsNull, filter.IsNotNull:
		return db.SQL(col + " " + string(c.Op))
	case filter.Ne:
		return db.SQL(col+" <> ?", c.Text)
	}
	return db.SQL(col+" = ?", c.Text)
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

// CompareNumber compares a column of numbers.
func CompareNumber(col string, c filter.Comparison) db.Clause {
	o := string(c.Op)
	if c.Op == filter.Ne {
		o = "<>"
	}
	if c.IsInt {
		return db.SQL(col+" "+o+" ?", c.Int)
	}
	return db.SQL(col+" "+o+" ?", c.Number)
}

// CompareMetric compares the value of a latest metric. NaN is unequal to
// every number, and neither less nor greater.
func CompareMetric(alias string, c filter.Comparison) db.Clause {
	v := CompareNumber(alias+".value", c)
	if c.Op == filter.Ne {
		return db.SQL("("+v.SQL+" OR "+alias+".is_nan = 1)", v.Args...)
	}
	return db.SQL(alias+".is_nan = 0 AND "+v.SQL, v.Args...)
}

// CompareTag says that the row t of a table (owner, key, value) fits, by
// EXISTS. owner is the expression that the table's owner column must equal.
func CompareTag(table, ownerCol, owner string, c filter.Comparison) db.Clause {
	out := db.Clause{}
	head := "EXISTS (SELECT 1 FROM " + table + " x WHERE x." + ownerCol + " = " + owner + " AND x.key = ?"
	switch c.Op {
	case filter.IsNull:
		out.Add("NOT "+head+")", c.Key)
	case filter.IsNotNull:
		out.Add(head+")", c.Key)
	default:
		v := CompareText("x.value", c)
		out.Add(head+" AND "+v.SQL+")", append([]any{c.Key}, v.Args...)...)
	}
	return out
}

// OrderCols maps order_by clauses to columns and appends the tie-breakers
// that are not among them.
func OrderCols(orders []filter.Order, names map[string]string, ties ...db.SortCol) []db.SortCol {
	var cols []db.SortCol
	has := map[string]bool{}
	for _, o := range orders {
		cols = append(cols, db.By(names[o.Key], o.Desc))
		has[names[o.Key]] = true
	}
	for _, c := range ties {
		if !has[c.Expr] {
			cols = append(cols, c)
		}
	}
	return cols
}
