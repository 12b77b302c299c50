package loggedmodels

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
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
	// Projects limits the search to what belongs to these projects, or was
	// registered in one of their models; empty is all.
	Projects []string
}

var attrs = map[string]string{"name": "l.name", "model_id": "l.model_id", "model_type": "l.model_type", "logged_model_status": "l.status",
	"source_run_id": "l.source_run_id", "creation_timestamp": "l.created", "last_updated_timestamp": "l.updated"}

// SearchLoggedModels returns a page of logged models, the newest first unless ordered.
func (s *Store) SearchLoggedModels(ctx context.Context, q LoggedModelSearch) ([]wire.LoggedModel, string, error) {
	comps, err := filter.Parse(q.Filter, filter.LoggedModels)
	if err != nil {
		return nil, "", err
	}
	exps, err := wire.ExperimentNumbers(q.ExperimentIDs)
	if err != nil {
		return nil, "", err
	}
	cond := db.SQL("l.lifecycle = 'active' AND l.exp IN (" + db.IDList(exps) + ")")
	if len(q.Projects) > 0 {
		reached := db.SQL("(l.exp IN (SELECT e.id FROM experiments e WHERE ")
		of, made := search.OfProjects("e.name", q.Projects), search.MadeVersions(db.SQL(search.MadeOfLogged), q.Projects)
		reached.Add(of.SQL+") OR "+made.SQL+")", append(slices.Clone(of.Args), made.Args...)...)
		cond.And(reached)
	}
	for _, d := range q.Datasets {
		if d.Name == "" {
			return nil, "", mlops.Errorf(mlops.Invalid, "datasets: dataset_name must not be empty")
		}
	}
	metricSeen := false
	for _, c := range comps {
		metricSeen = metricSeen || c.Entity == filter.Metric
		one, err := condition(c, q.Datasets)
		if err != nil {
			return nil, "", err
		}
		cond.And(one)
	}
	if len(q.Datasets) > 0 && !metricSeen {
		d := datasetCondition(q.Datasets)
		cond.And(db.SQL("EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model = l.id"+d.SQL+")", d.Args...))
	}
	from := db.SQL(columns)
	cols, err := order(q.OrderBy, &from)
	if err != nil {
		return nil, "", err
	}
	pq := db.PageQuery{Filter: fmt.Sprint(exps, q.Filter, q.Datasets), Max: q.Max, Token: q.Token}
	for _, o := range q.OrderBy {
		pq.OrderBy = append(pq.OrderBy, fmt.Sprint(o.Field, o.Ascending == nil || *o.Ascending, o.DatasetName, o.DatasetDigest))
	}
	cond.Args = append(from.Args, cond.Args...)
	rows, next, err := db.Page(ctx, s.db, from.SQL, cond, cols, pq, scan)
	if err != nil {
		return nil, "", err
	}
	out, err := s.withMetrics(ctx, rows)
	return out, next, err
}

func condition(c filter.Comparison, datasets []ModelDataset) (db.Clause, error) {
	switch c.Entity {
	case filter.Metric:
		v := search.CompareMetric("x", c)
		d := datasetCondition(datasets)
		args := append([]any{c.Key}, v.Args...)
		return db.SQL("EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model = l.id AND x.key = ? AND "+v.SQL+d.SQL+")", append(args, d.Args...)...), nil
	case filter.Param:
		return search.CompareTag("logged_model_params", "model", "l.id", c), nil
	case filter.Tag:
		return search.CompareTag("logged_model_tags", "model", "l.id", c), nil
	}
	switch c.Key {
	case "logged_model_status":
		n, ok := wire.LoggedModelStatusNumber(c.Text)
		if !ok {
			return db.Clause{}, mlops.Errorf(mlops.Invalid, "status %q is not known: expected PENDING, READY or UPLOAD_FAILED", wire.Head(strings.TrimPrefix(c.Text, "LOGGED_MODEL_")))
		}
		if c.Op == filter.Ne {
			return db.SQL("l.status <> ?", n), nil
		}
		return db.SQL("l.status = ?", n), nil
	case "creation_timestamp", "last_updated_timestamp":
		return search.CompareNumber(attrs[c.Key], c), nil
	}
	return search.CompareText(attrs[c.Key], c), nil
}

// datasetCondition narrows the metrics x to datasets.
func datasetCondition(ds []ModelDataset) db.Clause {
	var out db.Clause
	for i, d := range ds {
		out.Add([]string{" AND (", " OR "}[min(i, 1)])
		if d.Digest == "" {
			out.Add("x.dataset_name = ?", d.Name)
		} else {
			out.Add("(x.dataset_name = ? AND x.dataset_digest = ?)", d.Name, d.Digest)
		}
	}
	if len(ds) > 0 {
		out.Add(")")
	}
	return out
}

func order(orders []ModelOrder, from *db.Clause) ([]db.SortCol, error) {
	var cols []db.SortCol
	for i, o := range orders {
		if o.Field == "" {
			return nil, mlops.Errorf(mlops.Invalid, "order_by: field_name must not be empty")
		}
		desc := o.Ascending != nil && !*o.Ascending
		parsed, err := filter.ParseOrder([]string{o.Field}, filter.LoggedModels)
		if err != nil {
			return nil, err
		}
		key := parsed[0]
		if (o.DatasetName != "" || o.DatasetDigest != "") && key.Entity != filter.Metric {
			return nil, mlops.Errorf(mlops.Invalid, "order_by: only metrics are measured on a dataset, not %q", wire.Head(o.Field))
		}
		switch alias := fmt.Sprintf("o%d", i); key.Entity {
		case filter.Attribute:
			cols = append(cols, db.By(attrs[key.Key], desc))
		default:
			inner := db.SQL("SELECT model, max(is_nan) AS is_nan, max(value) AS value FROM (SELECT x.*, rank() OVER (PARTITION BY x.model ORDER BY x.timestamp DESC, x.step DESC) AS nth FROM logged_model_metrics x WHERE x.key = ?", key.Key)
			if o.DatasetName != "" {
				inner.Add(" AND x.dataset_name = ?", o.DatasetName)
			}
			if o.DatasetDigest != "" {
				inner.Add(" AND x.dataset_digest = ?", o.DatasetDigest)
			}
			from.Add("LEFT JOIN ("+inner.SQL+") WHERE nth = 1 GROUP BY model) "+alias+" ON "+alias+".model = l.id ", inner.Args...)
			cols = append(cols, db.Asc("coalesce("+alias+".is_nan, 2)"), db.By("iif("+alias+".is_nan, NULL, "+alias+".value)", desc))
		}
	}
	return append(cols, db.Desc("l.created"), db.Asc("l.model_id")), nil
}
