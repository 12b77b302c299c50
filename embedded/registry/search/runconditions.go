package search

import (
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
)

// runGroup is the comparisons of a filter with one thing, for example a metric.
// Together they are a range of an index.
type runGroup struct {
	entity filter.Entity
	key    string
	comps  []filter.Comparison
}

// groupRuns splits comparisons: those that an index can answer become groups by
// what they compare, the others become conditions on the run r in base.
func groupRuns(comps []filter.Comparison, base db.Clause) ([]*runGroup, db.Clause) {
	var groups []*runGroup
next:
	for _, c := range comps {
		if c.Entity == filter.Attribute && !indexedAttribute(c) {
			col := "r." + c.Key // the schema has only let columns through
			if c.Key == "start_time" {
				base.And(CompareNumber(col, c))
			} else {
				base.And(CompareText(col, c))
			}
			continue
		}
		// These stand alone: a missing key is in no index, and a run may have
		// read several datasets, one for each comparison.
		alone := c.Op == filter.IsNull || c.Entity == filter.Dataset
		if !alone {
			for _, g := range groups {
				if g.entity == c.Entity && g.key == c.Key && !g.absent() {
					g.comps = append(g.comps, c)
					continue next
				}
			}
		}
		groups = append(groups, &runGroup{c.Entity, c.Key, []filter.Comparison{c}})
	}
	return groups, base
}

func indexedAttribute(c filter.Comparison) bool {
	switch c.Key {
	case "run_name", "status", "user_id", "end_time":
		return true
	case "run_id":
		return c.Op == filter.Eq || c.Op == filter.In
	}
	return false
}

// absent reports whether the group asks for a key to be missing.
func (g *runGroup) absent() bool { return g.comps[0].Op == filter.IsNull }

// scans reports whether an index must be read from end to end for the group.
func (g *runGroup) scans() bool {
	for _, c := range g.comps {
		switch c.Op {
		case filter.ILike, filter.Ne:
			return true
		case filter.Like:
			if strings.IndexAny(c.Text, "%_") == 0 {
				return true
			}
		}
	}
	return g.entity == filter.Dataset && g.key == "context" // which has none
}

// allowsNaN reports whether a run whose metric is NaN may fit.
func (g *runGroup) allowsNaN() bool {
	return g.entity == filter.Metric && !slices.ContainsFunc(g.comps, func(c filter.Comparison) bool { return c.Op != filter.Ne })
}

// compare is the comparisons with column col of the row alias.
func (g *runGroup) compare(alias, col string) db.Clause {
	var out db.Clause
	for _, c := range g.comps {
		switch {
		case g.entity == filter.Metric:
			out.And(CompareMetric(alias, c))
		case g.entity == filter.Attribute && g.key == "end_time":
			out.And(CompareNumber(alias+"."+col, c))
		case c.Op != filter.IsNotNull: // a row is there
			out.And(CompareText(alias+"."+col, c))
		}
	}
	return out
}

// runs selects the numbers of the runs that fit, as column run, from an index
// alone. It does not work for absent groups.
func (g *runGroup) runs(in string) db.Clause {
	switch g.entity {
	case filter.Metric, filter.Param, filter.Tag:
		out := db.SQL("SELECT x.run AS run FROM "+keyTable(g.entity)+" x WHERE x.exp"+in+" AND x.key = ?", g.key)
		out.And(g.compare("x", "value"))
		return out
	case filter.Dataset:
		v := g.compare(datasetColumn(g.key))
		return db.SQL("SELECT DISTINCT i.run AS run FROM input_datasets d CROSS JOIN run_inputs i ON i.dataset = d.id WHERE d.exp"+in+" AND "+v.SQL, v.Args...)
	}
	out := db.SQL("SELECT x.id AS run FROM runs x WHERE x.exp" + in)
	if g.key == "run_id" {
		out.SQL = "SELECT x.id AS run FROM runs x WHERE +x.exp" + in
	}
	out.And(g.compare("x", runColumn(g.key)))
	return out
}

func datasetColumn(key string) (alias, col string) {
	if key == "context" {
		return "i", key
	}
	return "d", key
}

// check is the group as a condition on the run with this number, a column. Each
// condition is a subquery with a value: SQLite would make a join of EXISTS and
// lose the order in which runs are visited.
func (g *runGroup) check(run string) db.Clause {
	var out db.Clause
	switch g.entity {
	case filter.Metric, filter.Param, filter.Tag:
		out = db.SQL("(SELECT 1 FROM "+keyTable(g.entity)+" x WHERE x.run = "+run+" AND x.key = ?", g.key)
		if g.absent() {
			out.Add(") IS NULL")
			return out
		}
		out.And(g.compare("x", "value"))
	case filter.Dataset:
		out = db.SQL("(SELECT 1 FROM run_inputs i JOIN input_datasets d ON d.id = i.dataset WHERE i.run = " + run)
		out.And(g.compare(datasetColumn(g.key)))
		out.Add(" LIMIT 1")
	default:
		out = db.SQL("(SELECT 1 FROM runs x WHERE x.id = " + run)
		out.And(g.compare("x", runColumn(g.key)))
	}
	out.Add(")")
	return out
}
