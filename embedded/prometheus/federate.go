package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"google.golang.org/protobuf/proto"
)

// newest is the last sample of a series.
type newest struct {
	labels labels.Labels
	t      int64 // ms
	v      float64
}

// federate answers /federate: the newest sample of every series that one of
// the match[] selectors finds, in exposition format.
func (s *server) federate(w http.ResponseWriter, r *http.Request) {
	selectors := r.URL.Query()["match[]"]
	if len(selectors) == 0 {
		respondError(w, http.StatusBadRequest, "bad_data", `expected at least one match[] parameter, for example ?match[]={job="pods"}`)
		return
	}
	matchers, err := s.parser.ParseMetricSelectors(selectors)
	if err != nil {
		respondError(w, http.StatusBadRequest, "bad_data", err.Error())
		return
	}
	found, err := s.newest(r.Context(), matchers)
	if err != nil {
		respondError(w, http.StatusInternalServerError, "execution", err.Error())
		return
	}
	format := expfmt.Negotiate(r.Header)
	w.Header().Set("Content-Type", string(format))
	enc := expfmt.NewEncoder(w, format)
	for _, f := range families(found) {
		if err := enc.Encode(f); err != nil {
			return // the client is gone
		}
	}
}

// newest returns the last sample of every series that is present now, by its
// labels as text.
func (s *server) newest(ctx context.Context, selectors [][]*labels.Matcher) (out map[string]newest, err error) {
	now := time.Now()
	from := now.Add(-s.cfg.lookback()).UnixMilli()
	q, err := s.db.Querier(from, now.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("open a querier: %w", err)
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	out = map[string]newest{}
	hints := &storage.SelectHints{Start: from, End: now.UnixMilli()}
	for _, m := range selectors {
		set := q.Select(ctx, false, hints, m...)
		for set.Next() {
			series := set.At()
			x := newest{labels: series.Labels()}
			it := series.Iterator(nil)
			for typ := it.Next(); typ != chunkenc.ValNone; typ = it.Next() {
				if typ == chunkenc.ValFloat { // histograms have no single value
					x.t, x.v = it.At()
				}
			}
			if err := it.Err(); err != nil {
				return nil, fmt.Errorf("read %s: %w", x.labels, err)
			}
			if x.t != 0 && !value.IsStaleNaN(x.v) {
				out[x.labels.String()] = x
			}
		}
		if err := set.Err(); err != nil {
			return nil, fmt.Errorf("select series: %w", err)
		}
	}
	return out, nil
}

// families groups samples by metric name, as the exposition format wants.
func families(samples map[string]newest) []*dto.MetricFamily {
	byName := map[string]*dto.MetricFamily{}
	keys := make([]string, 0, len(samples))
	for k := range samples {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var names []string
	for _, k := range keys {
		x := samples[k]
		name := x.labels.Get(model.MetricNameLabel)
		f := byName[name]
		if f == nil {
			f = &dto.MetricFamily{Name: proto.String(name), Type: dto.MetricType_UNTYPED.Enum()}
			byName[name] = f
			names = append(names, name)
		}
		m := &dto.Metric{Untyped: &dto.Untyped{Value: proto.Float64(x.v)}, TimestampMs: proto.Int64(x.t)}
		x.labels.Range(func(l labels.Label) {
			if l.Name != model.MetricNameLabel {
				m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)})
			}
		})
		f.Metric = append(f.Metric, m)
	}
	sort.Strings(names)
	out := make([]*dto.MetricFamily, len(names))
	for i, n := range names {
		out[i] = byName[n]
	}
	return out
}
