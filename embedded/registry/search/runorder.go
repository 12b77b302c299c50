package search

import (
	"fmt"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
)

// runColumn is the column of an attribute that order_by names.
func runColumn(key string) string {
	if key == "run_name" {
		return "name"
	}
	return key
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

// orderRuns returns the columns that order runs r, and the joins that they
// need. The newest come first unless start_time is named; the id makes the
// order total. Page tokens hold the values of these columns, in whichever way a
// page was found.
func orderRuns(orders []filter.Order) (joins db.Clause, cols []db.SortCol) {
	started := false
	for i, o := range orders {
		switch o.Entity {
		case filter.Attribute:
			if o.Key == "end_time" {
				cols = append(cols, db.Asc("(r.end_time IS NULL)"))
			}
			cols = append(cols, db.By("r."+runColumn(o.Key), o.Desc))
			started = started || o.Key == "start_time"
		default:
			alias := fmt.Sprintf("o%d", i)
			joins.Add(" LEFT JOIN "+keyTable(o.Entity)+" "+alias+" ON "+alias+".run = r.id AND "+alias+".key = ?", o.Key)
			if o.Entity == filter.Metric {
				cols = append(cols, db.Asc("coalesce("+alias+".is_nan, 2)"), db.By("iif("+alias+".is_nan, NULL, "+alias+".value)", o.Desc))
			} else {
				cols = append(cols, db.Asc("("+alias+".value IS NULL)"), db.By(alias+".value", o.Desc))
			}
		}
	}
	if !started {
		cols = append(cols, db.Desc("r.start_time"))
	}
	return joins, append(cols, db.Asc("r.run_id"))
}

// byStart reports whether runs_by_start has runs in this order already, but
// for the runs that started in the same millisecond.
func byStart(orders []filter.Order) bool {
	return len(orders) == 0 || orders[0].Entity == filter.Attribute && orders[0].Key == "start_time"
}

// valueIndex is an index that has the runs by what order_by names first.
type valueIndex struct {
	from  string    // the table, as k
	cond  db.Clause // its rows of these experiments that have a value
	run   string
	value string
	desc  bool
	// classed says that a class comes before the value in the order: 0 for rows
	// with a value, the last class for runs without one. required says that the
	// filter excludes the latter.
	classed, required bool
	pin               func(value any) db.Clause // that r has this value
	none              db.Clause                 // that r has none
	nan               db.Clause                 // rows of class 1 of k, if there are such
}

// indexOf returns the index of an order_by clause, nil if it has none.
func (q *runSearch) indexOf(o filter.Order) *valueIndex {
	x := &valueIndex{desc: o.Desc, classed: true}
	in := "k.exp" + q.in
	column := "value"
	switch {
	case o.Entity != filter.Attribute:
		table := keyTable(o.Entity)
		x.from, x.run, x.value = table+" k", "k.run", "k.value"
		x.cond = db.SQL(in+" AND k.key = ?", o.Key)
		has := "(SELECT 1 FROM " + table + " x WHERE x.run = r.id AND x.key = ?"
		x.none = db.SQL(has+") IS NULL", o.Key)
		number := ""
		if o.Entity == filter.Metric {
			number = " AND x.is_nan = 0"
			x.nan = db.SQL(x.cond.SQL+" AND k.is_nan = 1", x.cond.Args...)
			x.cond.SQL += " AND k.is_nan = 0"
		}
		x.pin = func(v any) db.Clause { return db.SQL(has+number+" AND x.value = ?)", o.Key, v) }
	case o.Key == "run_name" || o.Key == "status" || o.Key == "user_id" || o.Key == "end_time":
		column = runColumn(o.Key)
		x.from, x.run, x.value, x.cond = "runs k", "k.id", "k."+column, db.SQL(in)
		has := "(SELECT x." + column + " FROM runs x WHERE x.id = r.id)"
		if x.classed = o.Key == "end_time"; x.classed {
			x.cond.SQL += " AND k.end_time IS NOT NULL"
			x.none = db.SQL(has + " IS NULL")
		}
		x.pin = func(v any) db.Clause { return db.SQL(has+" = ?", v) }
	default:
		return nil
	}
	// The filter's comparisons with this key bound the walk.
	for _, g := range q.groups {
		if g.entity == o.Entity && g.key == o.Key && !g.absent() {
			x.cond.And(g.compare("k", column))
			x.required = !g.allowsNaN()
		}
	}
	return x
}

// order is the column of the values.
func (x *valueIndex) order() db.SortCol { return db.By(x.value, x.desc) }

// runs is the rows of the index with their runs.
func (x *valueIndex) runs() db.Clause {
	return db.SQL(x.from + " CROSS JOIN runs r ON r.id = " + x.run)
}

// class begins a mark: it stands before the value.
func (x *valueIndex) class(class int) []any {
	if x.classed {
		return []any{class}
	}
	return nil
}

// mark is the part of a page token for the first order_by clause.
func (x *valueIndex) mark(class int, value any) []any { return append(x.class(class), value) }

// split takes a position of a page token apart.
func (x *valueIndex) split(at []any) (class float64, value any, rest []any) {
	switch {
	case at == nil:
		return 0, nil, nil
	case !x.classed:
		return 0, at[0], at[1:]
	}
	switch c := at[0].(type) {
	case float64: // out of a token
		class = c
	case int64: // out of the database, in the middle of a page
		class = float64(c)
	case int: // out of mark
		class = float64(c)
	}
	return class, at[1], at[2:]
}

// beyond says that a row of the index comes after a value, before that it
// comes before.
func (x *valueIndex) beyond(value any) db.Clause {
	if x.desc {
		return db.SQL(x.value+" < ?", value)
	}
	return db.SQL(x.value+" > ?", value)
}

func (x *valueIndex) before(value any) db.Clause {
	if x.desc {
		return db.SQL(x.value+" > ?", value)
	}
	return db.SQL(x.value+" < ?", value)
}
