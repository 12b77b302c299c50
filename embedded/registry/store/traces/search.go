package traces

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SearchTraces returns a page of traces, the newest first unless ordered.
func (s *Store) SearchTraces(ctx context.Context, experiments []string, q db.PageQuery) ([]wire.TraceInfo, string, error) {
	comps, err := filter.Parse(q.Filter, filter.Traces)
	if err != nil {
		return nil, "", err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.Traces)
	if err != nil {
		return nil, "", err
	}
	exps, err := wire.ExperimentNumbers(experiments)
	if err != nil {
		return nil, "", err
	}
	cond := db.SQL("t.exp IN (" + db.IDList(exps) + ")")
	for _, c := range comps {
		one, err := traceCondition(c)
		if err != nil {
			return nil, "", err
		}
		cond.And(one)
	}
	from := db.SQL(columns)
	cols := traceOrder(orders, &from)
	q.Filter = fmt.Sprint(exps, q.Filter)
	cond.Args = append(from.Args, cond.Args...)
	rows, next, err := db.Page(ctx, s.db, from.SQL, cond, cols, q, scan)
	if err != nil {
		return nil, "", err
	}
	out := make([]wire.TraceInfo, len(rows))
	for i, r := range rows {
		out[i] = r.info
	}
	return out, next, nil
}

var traceAttrs = map[string]string{"trace_id": "t.trace_id", "status": "t.state", "client_request_id": "t.client_request_id", "timestamp": "t.timestamp",
	"execution_time": "t.duration", "end_time": "(t.timestamp + t.duration)", "experiment_id": "t.exp"}

// Attributes that are really tags or metadata.
var traceKeyed = map[string][2]string{"name": {"trace_tags", tagTraceName}, "run_id": {"trace_metadata", metaSourceRun}}

func compareTrace(col string, c filter.Comparison) (db.Clause, error) {
	if c.Op == filter.RLike {
		if _, err := regexp.Compile(c.Text); err != nil {
			return db.Clause{}, mlops.Errorf(mlops.Invalid, "%q is not a regular expression: %v", wire.Head(c.Text), err)
		}
		return db.SQL(col+" REGEXP ?", c.Text), nil
	}
	return search.CompareText(col, c), nil
}

func traceCondition(c filter.Comparison) (db.Clause, error) {
	keyed := func(table, key string) (db.Clause, error) {
		if c.Op == filter.IsNull || c.Op == filter.IsNotNull {
			c.Key = key
			return search.CompareTag(table, "trace", "t.id", c), nil
		}
		v, err := compareTrace("x.value", c)
		return db.SQL("EXISTS (SELECT 1 FROM "+table+" x WHERE x.trace = t.id AND x.key = ? AND "+v.SQL+")", append([]any{key}, v.Args...)...), err
	}
	switch c.Entity {
	case filter.Tag:
		return keyed("trace_tags", c.Key)
	case filter.Metadata:
		return keyed("trace_metadata", c.Key)
	case filter.Span:
		v, err := compareTrace("x."+c.Key, c)
		return db.SQL("EXISTS (SELECT 1 FROM spans x WHERE x.trace = t.id AND "+v.SQL+")", v.Args...), err
	case filter.Feedback, filter.Expectation:
		return assessmentCondition(c)
	}
	switch c.Key {
	case "timestamp", "execution_time", "end_time":
		return search.CompareNumber(traceAttrs[c.Key], c), nil
	case "text":
		v := search.CompareText("x.content", c)
		return db.SQL("EXISTS (SELECT 1 FROM spans x WHERE x.trace = t.id AND "+v.SQL+")", v.Args...), nil
	case "prompt":
		name, version, ok := strings.Cut(c.Text, "/")
		if !ok {
			return db.Clause{}, mlops.Errorf(mlops.Invalid, "prompt is compared with 'name/version', found %q", wire.Head(c.Text))
		}
		return db.SQL(`EXISTS (SELECT 1 FROM trace_tags x, json_each(iif(json_valid(x.value), x.value, '[]')) j WHERE x.trace = t.id AND x.key = ? AND j.value ->> 'name' = ? AND j.value ->> 'version' = ?)`, tagTracePrompts, name, version), nil
	}
	if k, ok := traceKeyed[c.Key]; ok {
		return keyed(k[0], k[1])
	}
	return compareTrace(traceAttrs[c.Key], c)
}

// assessmentCondition compares the values of valid assessments of a name:
// numbers as numbers, everything else as text.
func assessmentCondition(c filter.Comparison) (db.Clause, error) {
	head := "EXISTS (SELECT 1 FROM assessments x WHERE x.trace = t.id AND x.kind = ? AND x.name = ? AND x.valid = 1"
	args := []any{string(c.Entity), c.Key}
	switch c.Op {
	case filter.IsNull:
		return db.SQL("NOT "+head+")", args...), nil
	case filter.IsNotNull:
		return db.SQL(head+")", args...), nil
	case filter.Lt, filter.Le, filter.Gt, filter.Ge:
		if c.Text != "" && !c.IsInt && c.Number == 0 {
			return db.Clause{}, mlops.Errorf(mlops.Invalid, "%s.%s %s needs a number", c.Entity, c.Key, c.Op)
		}
		v := search.CompareNumber("x.value ->> '$'", c)
		return db.SQL(head+" AND json_type(x.value) IN ('integer', 'real') AND "+v.SQL+")", append(args, v.Args...)...), nil
	}
	v, err := compareTrace("iif(json_type(x.value) IN ('true', 'false'), json_type(x.value), cast(x.value ->> '$' AS TEXT))", c)
	return db.SQL(head+" AND "+v.SQL+")", append(args, v.Args...)...), err
}

func traceOrder(orders []filter.Order, from *db.Clause) []db.SortCol {
	var cols []db.SortCol
	for i, o := range orders {
		table, key := "", o.Key
		switch o.Entity {
		case filter.Tag:
			table = "trace_tags"
		case filter.Metadata:
			table = "trace_metadata"
		default:
			if k, ok := traceKeyed[o.Key]; ok {
				table, key = k[0], k[1]
			}
		}
		if table == "" {
			col := traceAttrs[o.Key]
			cols = append(cols, db.Asc("("+col+" IS NULL)"), db.By(col, o.Desc))
			continue
		}
		alias := fmt.Sprintf("o%d", i)
		from.Add("LEFT JOIN "+table+" "+alias+" ON "+alias+".trace = t.id AND "+alias+".key = ? ", key)
		cols = append(cols, db.Asc("("+alias+".value IS NULL)"), db.By(alias+".value", o.Desc))
	}
	return append(cols, db.Desc("t.timestamp"), db.Asc("t.trace_id"))
}
