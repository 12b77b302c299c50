package store

import (
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
)

func indexed(c filter.Comparison) bool {
	switch c.Entity {
	case filter.Metric:
		return c.Op != filter.Ne
	case filter.Param, filter.Tag:
		return c.Op == filter.Eq
	case filter.Attribute:
		return c.Key == "run_id" && (c.Op == filter.Eq || c.Op == filter.In) || c.Key == "run_name" && c.Op == filter.Eq
	}
	return false
}

// keyed is FROM and WHERE of the rows of an index that match a comparison;
// the column run is the run's number.
func keyed(exps []int64, c filter.Comparison) clause {
	in := " AND x.exp IN (" + idList(exps) + ")"
	switch {
	case c.Entity == filter.Metric:
		v := compareMetric("x", c)
		return clause{"latest_metrics x WHERE x.key = ? AND " + v.sql + in, append([]any{c.Key}, v.args...)}
	case c.Entity == filter.Param:
		return clause{"params x WHERE x.key = ? AND x.value = ?" + in, []any{c.Key, c.Text}}
	case c.Entity == filter.Tag:
		return clause{"tags x WHERE x.key = ? AND x.value = ?" + in, []any{c.Key, c.Text}}
	case c.Key == "run_name":
		return clause{"tags x WHERE x.key = ? AND x.value = ?" + in, []any{tagRunName, c.Text}}
	}
	v := compareText("x.run_id", c)
	return clause{"(SELECT id AS run, run_id, exp FROM runs) x WHERE " + v.sql + in, v.args}
}

// runCondition is a comparison as a condition on the run r.
func runCondition(c filter.Comparison) clause {
	switch c.Entity {
	case filter.Metric:
		v := compareMetric("x", c)
		return clause{"EXISTS (SELECT 1 FROM latest_metrics x WHERE x.run = r.id AND x.key = ? AND " + v.sql + ")", append([]any{c.Key}, v.args...)}
	case filter.Param:
		return compareTag("params", "run", "r.id", c)
	case filter.Tag:
		return compareTag("tags", "run", "r.id", c)
	case filter.Dataset:
		col := "d." + c.Key
		if c.Key == "context" {
			col = "i.context"
		}
		v := compareText(col, c)
		return clause{"EXISTS (SELECT 1 FROM run_inputs i JOIN input_datasets d ON d.id = i.dataset WHERE i.run = r.id AND " + v.sql + ")", v.args}
	}
	switch c.Key {
	case "start_time", "end_time":
		return compareNumber("r."+c.Key, c)
	case "run_name":
		return compareText("r.name", c)
	}
	return compareText("r."+c.Key, c) // the schema has only let columns through
}
