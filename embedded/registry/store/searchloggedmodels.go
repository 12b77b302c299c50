package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// ModelDataset narrows metrics to those measured on a dataset.
type ModelDataset struct {
	Name   string `json:"dataset_name"`
	Digest string `json:"dataset_digest"`
}

// ModelOrder is an order_by clause of a search for logged models.
type ModelOrder struct {
	Field         string `json:"field_name"`
	Ascending     *bool  `json:"ascending"` // true if absent
	DatasetName   string `json:"dataset_name"`
	DatasetDigest string `json:"dataset_digest"`
}

// LoggedModelSearch is what SearchLoggedModels needs.
type LoggedModelSearch struct {
	ExperimentIDs []string
	Filter        string
	Datasets      []ModelDataset
	Max           int
	OrderBy       []ModelOrder
	Token         string
}

var loggedModelAttrs = map[string]string{"name": "l.name", "model_id": "l.model_id", "model_type": "l.model_type", "logged_model_status": "l.status",
	"source_run_id": "l.source_run_id", "creation_timestamp": "l.created", "last_updated_timestamp": "l.updated"}

// SearchLoggedModels returns a page of logged models, the newest first unless ordered.
func (s *Store) SearchLoggedModels(ctx context.Context, q LoggedModelSearch) ([]wire.LoggedModel, string, error) {
	comps, err := filter.Parse(q.Filter, filter.LoggedModels)
	if err != nil {
		return nil, "", err
	}
	exps := make([]int64, 0, len(q.ExperimentIDs))
	for _, id := range q.ExperimentIDs {
		n, err := experimentID(id)
		if err != nil {
			return nil, "", err
		}
		exps = append(exps, n)
	}
	cond := clause{"l.lifecycle = 'active' AND l.exp IN (" + idList(exps) + ")", nil}
	for _, d := range q.Datasets {
		if d.Name == "" {
			return nil, "", invalid("datasets: dataset_name must not be empty")
		}
	}
	metricSeen := false
	for _, c := range comps {
		metricSeen = metricSeen || c.Entity == filter.Metric
		one, err := loggedModelCondition(c, q.Datasets)
		if err != nil {
			return nil, "", err
		}
		cond.and(one)
	}
	if len(q.Datasets) > 0 && !metricSeen {
		d := datasetCondition(q.Datasets)
		cond.and(clause{"EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model = l.id" + d.sql + ")", d.args})
	}
	from := clause{loggedModelColumns, nil}
	cols, err := loggedModelOrder(q.OrderBy, &from)
	if err != nil {
		return nil, "", err
	}
	pq := PageQuery{Filter: fmt.Sprint(exps, q.Filter, q.Datasets), Max: q.Max, Token: q.Token}
	for _, o := range q.OrderBy {
		pq.OrderBy = append(pq.OrderBy, fmt.Sprint(o.Field, o.Ascending == nil || *o.Ascending, o.DatasetName, o.DatasetDigest))
	}
	cond.args = append(from.args, cond.args...)
	rows, next, err := page(ctx, s, from.sql, cond, cols, pq, scanLoggedModel)
	if err != nil {
		return nil, "", err
	}
	out, err := s.withMetrics(ctx, rows)
	return out, next, err
}

func loggedModelCondition(c filter.Comparison, datasets []ModelDataset) (clause, error) {
	switch c.Entity {
	case filter.Metric:
		v := compareMetric("x", c)
		d := datasetCondition(datasets)
		args := append([]any{c.Key}, v.args...)
		return clause{"EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model = l.id AND x.key = ? AND " + v.sql + d.sql + ")", append(args, d.args...)}, nil
	case filter.Param:
		return compareTag("logged_model_params", "model", "l.id", c), nil
	case filter.Tag:
		return compareTag("logged_model_tags", "model", "l.id", c), nil
	}
	switch c.Key {
	case "logged_model_status":
		n, ok := wire.LoggedModelStatusNumber(c.Text)
		if !ok {
			return clause{}, invalid("status %q is not known: expected PENDING, READY or UPLOAD_FAILED", head(strings.TrimPrefix(c.Text, "LOGGED_MODEL_")))
		}
		if c.Op == filter.Ne {
			return clause{"l.status <> ?", []any{n}}, nil
		}
		return clause{"l.status = ?", []any{n}}, nil
	case "creation_timestamp", "last_updated_timestamp":
		return compareNumber(loggedModelAttrs[c.Key], c), nil
	}
	return compareText(loggedModelAttrs[c.Key], c), nil
}

// datasetCondition narrows the metrics x to datasets.
func datasetCondition(ds []ModelDataset) clause {
	var out clause
	for i, d := range ds {
		out.add([]string{" AND (", " OR "}[min(i, 1)])
		if d.Digest == "" {
			out.add("x.dataset_name = ?", d.Name)
		} else {
			out.add("(x.dataset_name = ? AND x.dataset_digest = ?)", d.Name, d.Digest)
		}
	}
	if len(ds) > 0 {
		out.add(")")
	}
	return out
}

func loggedModelOrder(orders []ModelOrder, from *clause) ([]sortCol, error) {
	var cols []sortCol
	for i, o := range orders {
		if o.Field == "" {
			return nil, invalid("order_by: field_name must not be empty")
		}
		desc := o.Ascending != nil && !*o.Ascending
		parsed, err := filter.ParseOrder([]string{o.Field}, filter.LoggedModels)
		if err != nil {
			return nil, err
		}
		key := parsed[0]
		if (o.DatasetName != "" || o.DatasetDigest != "") && key.Entity != filter.Metric {
			return nil, invalid("order_by: only metrics are measured on a dataset, not %q", head(o.Field))
		}
		switch alias := fmt.Sprintf("o%d", i); key.Entity {
		case filter.Attribute:
			cols = append(cols, sortCol{loggedModelAttrs[key.Key], desc})
		default:
			inner := clause{"SELECT model, max(is_nan) AS is_nan, max(value) AS value FROM (SELECT x.*, rank() OVER (PARTITION BY x.model ORDER BY x.timestamp DESC, x.step DESC) AS nth FROM logged_model_metrics x WHERE x.key = ?", []any{key.Key}}
			if o.DatasetName != "" {
				inner.add(" AND x.dataset_name = ?", o.DatasetName)
			}
			if o.DatasetDigest != "" {
				inner.add(" AND x.dataset_digest = ?", o.DatasetDigest)
			}
			from.add("LEFT JOIN ("+inner.sql+") WHERE nth = 1 GROUP BY model) "+alias+" ON "+alias+".model = l.id ", inner.args...)
			cols = append(cols, sortCol{"coalesce(" + alias + ".is_nan, 2)", false}, sortCol{"iif(" + alias + ".is_nan, NULL, " + alias + ".value)", desc})
		}
	}
	return append(cols, sortCol{"l.created", true}, sortCol{"l.model_id", false}), nil
}
