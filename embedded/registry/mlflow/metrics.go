package mlflow

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// metricReq is a metric as clients send it.
type metricReq struct {
	Key           string        `json:"key"`
	Value         *wire.Float64 `json:"value"`
	Timestamp     *wire.Int64   `json:"timestamp"`
	Step          wire.Int64    `json:"step"`
	ModelID       string        `json:"model_id"`
	DatasetName   string        `json:"dataset_name"`
	DatasetDigest string        `json:"dataset_digest"`
}

func (m metricReq) metric() (wire.Metric, error) {
	switch {
	case m.Value == nil:
		return wire.Metric{}, invalid("missing value for required parameter 'value' of metric %q", m.Key)
	case m.Timestamp == nil:
		return wire.Metric{}, invalid("missing value for required parameter 'timestamp' of metric %q", m.Key)
	}
	return wire.Metric{Key: m.Key, Value: *m.Value, Timestamp: int64(*m.Timestamp), Step: int64(m.Step), ModelID: m.ModelID, DatasetName: m.DatasetName, DatasetDigest: m.DatasetDigest}, nil
}

func (s *server) metrics() {
	write(s, "POST runs/log-metric", func(ctx context.Context, q *struct {
		RunID   string `json:"run_id"`
		RunUUID string `json:"run_uuid"`
		metricReq
		Key string `json:"key" req:"true"`
	}) (any, error) {
		id, err := runRef{q.RunID, q.RunUUID}.id()
		if err != nil {
			return nil, err
		}
		q.metricReq.Key = q.Key
		m, err := q.metric()
		if err != nil {
			return nil, err
		}
		return nil, s.store.Runs.LogBatch(ctx, id, runs.Batch{Metrics: []wire.Metric{m}})
	})
	write(s, "POST runs/log-parameter", func(ctx context.Context, q *struct {
		RunID   string `json:"run_id"`
		RunUUID string `json:"run_uuid"`
		Key     string `json:"key" req:"true"`
		Value   string `json:"value"`
	}) (any, error) {
		id, err := runRef{q.RunID, q.RunUUID}.id()
		if err != nil {
			return nil, err
		}
		return nil, s.store.Runs.LogBatch(ctx, id, runs.Batch{Params: []wire.KV{{Key: q.Key, Value: q.Value}}})
	})
	write(s, "POST runs/log-batch", func(ctx context.Context, q *struct {
		RunID   string      `json:"run_id" req:"true"`
		Metrics []metricReq `json:"metrics"`
		Params  []wire.KV   `json:"params"`
		Tags    []wire.KV   `json:"tags"`
	}) (any, error) {
		b := runs.Batch{Params: q.Params, Tags: q.Tags, Metrics: make([]wire.Metric, len(q.Metrics))}
		for i, m := range q.Metrics {
			var err error
			if b.Metrics[i], err = m.metric(); err != nil {
				return nil, err
			}
		}
		return nil, s.store.Runs.LogBatch(ctx, q.RunID, b)
	})
	read(s, "GET metrics/get-history", func(ctx context.Context, q *struct {
		RunID      string      `json:"run_id"`
		RunUUID    string      `json:"run_uuid"`
		Key        string      `json:"metric_key" req:"true"`
		MaxResults *wire.Int64 `json:"max_results"`
		PageToken  string      `json:"page_token"`
	}) (any, error) {
		id, err := runRef{q.RunID, q.RunUUID}.id()
		if err != nil {
			return nil, err
		}
		n := 0
		if q.MaxResults != nil {
			if *q.MaxResults < 1 || *q.MaxResults > 1<<31-2 {
				return nil, invalid("invalid value %d for parameter 'max_results': expected a positive number", *q.MaxResults)
			}
			n = int(*q.MaxResults)
		}
		ms, next, err := s.store.Runs.History(ctx, id, q.Key, n, q.PageToken)
		return struct {
			M    []wire.Metric `json:"metrics,omitempty"`
			Next string        `json:"next_page_token,omitempty"`
		}{ms, next}, err
	})
	read(s, "GET metrics/get-history-bulk", s.historyBulk)
	read(s, "GET metrics/get-history-bulk-interval", s.historyInterval)
}

func checkHistoryRuns(n int) error {
	if n == 0 || n > wire.MaxHistoryRuns {
		return invalid("expected 1 to %d runs, found %d", wire.MaxHistoryRuns, n)
	}
	return nil
}

func (s *server) historyBulk(ctx context.Context, q *struct {
	RunIDs     []string    `json:"run_id"`
	Key        string      `json:"metric_key" req:"true"`
	MaxResults *wire.Int64 `json:"max_results"`
}) (any, error) {
	if err := checkHistoryRuns(len(q.RunIDs)); err != nil {
		return nil, err
	}
	max := wire.MaxHistory
	if q.MaxResults != nil && *q.MaxResults < wire.MaxHistory {
		if *q.MaxResults < 1 {
			return nil, invalid("invalid value %d for parameter 'max_results': expected a positive number", *q.MaxResults)
		}
		max = int(*q.MaxResults)
	}
	out := []wire.Metric{}
	for _, id := range q.RunIDs {
		if len(out) >= max {
			break
		}
		ms, _, err := s.store.Runs.History(ctx, id, q.Key, max-len(out), "")
		if err != nil {
			return nil, err
		}
		for i := range ms {
			ms[i].RunID = id
		}
		out = append(out, ms...)
	}
	return map[string]any{"metrics": out}, nil
}

func (s *server) historyInterval(ctx context.Context, q *struct {
	RunIDs     []string    `json:"run_ids" req:"true"`
	Key        string      `json:"metric_key" req:"true"`
	StartStep  *wire.Int64 `json:"start_step"`
	EndStep    *wire.Int64 `json:"end_step"`
	MaxResults *wire.Int64 `json:"max_results"`
}) (any, error) {
	if err := checkHistoryRuns(len(q.RunIDs)); err != nil {
		return nil, err
	}
	max, err := pageSize(q.MaxResults, wire.MaxIntervalPoints, wire.MaxIntervalPoints)
	if err != nil {
		return nil, err
	}
	start, end := int64(1), int64(0) // the whole history
	switch {
	case (q.StartStep == nil) != (q.EndStep == nil):
		return nil, invalid("start_step and end_step must be sent together")
	case q.StartStep != nil:
		start, end = int64(*q.StartStep), int64(*q.EndStep)
		if start > end {
			return nil, invalid("end_step must not be less than start_step, found %d and %d", end, start)
		}
	}
	ms, err := s.store.Runs.HistoryInterval(ctx, q.RunIDs, q.Key, start, end, max)
	return struct {
		M []wire.Metric `json:"metrics,omitempty"`
	}{ms}, err
}
