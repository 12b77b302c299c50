package mlflow

import (
	"context"
	"encoding/json"

	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

var runStatuses = []string{"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"}

func (s *server) runs() {
	write(s, "POST runs/create", func(ctx context.Context, q *struct {
		ExperimentID string     `json:"experiment_id"`
		UserID       string     `json:"user_id"`
		RunName      string     `json:"run_name"`
		StartTime    wire.Int64 `json:"start_time"`
		Tags         []wire.KV  `json:"tags"`
	}) (any, error) {
		run, err := s.store.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: q.ExperimentID, UserID: q.UserID, Name: q.RunName, StartTime: int64(q.StartTime), Tags: q.Tags})
		if err != nil {
			return nil, err
		}
		// A run that has just begun has no outputs, not even an empty list.
		return map[string]any{"run": map[string]any{"info": run.Info, "data": run.Data, "inputs": run.Inputs}}, nil
	})
	write(s, "POST runs/update", func(ctx context.Context, q *struct {
		RunID   string      `json:"run_id"`
		RunUUID string      `json:"run_uuid"`
		Status  *wire.Enum  `json:"status"`
		EndTime *wire.Int64 `json:"end_time"`
		RunName *string     `json:"run_name"`
	}) (any, error) {
		id, err := runRef{q.RunID, q.RunUUID}.id()
		if err != nil {
			return nil, err
		}
		u := runs.RunUpdate{Name: q.RunName, EndTime: (*int64)(q.EndTime)}
		if q.Status != nil {
			name := q.Status.Name(1, runStatuses...)
			u.Status = &name
		}
		info, err := s.store.Runs.UpdateRun(ctx, id, u)
		return map[string]any{"run_info": info}, err
	})
	read(s, "GET runs/get", func(ctx context.Context, q *runRef) (any, error) {
		id, err := q.id()
		if err != nil {
			return nil, err
		}
		run, err := s.store.Runs.RunByID(ctx, id)
		return map[string]any{"run": run}, err
	})
	type byID struct {
		RunID string `json:"run_id" req:"true"`
	}
	write(s, "POST runs/delete", func(ctx context.Context, q *byID) (any, error) {
		return nil, s.store.Runs.DeleteRun(ctx, q.RunID)
	})
	write(s, "POST runs/restore", func(ctx context.Context, q *byID) (any, error) {
		return nil, s.store.Runs.RestoreRun(ctx, q.RunID)
	})
	read(s, "POST runs/search", s.searchRuns)
	write(s, "POST runs/set-tag", func(ctx context.Context, q *struct {
		RunID   string `json:"run_id"`
		RunUUID string `json:"run_uuid"`
		Key     string `json:"key" req:"true"`
		Value   string `json:"value"`
	}) (any, error) {
		id, err := runRef{q.RunID, q.RunUUID}.id()
		if err != nil {
			return nil, err
		}
		return nil, s.store.Runs.SetTag(ctx, id, wire.KV{Key: q.Key, Value: q.Value})
	})
	write(s, "POST runs/delete-tag", func(ctx context.Context, q *struct {
		RunID string `json:"run_id" req:"true"`
		Key   string `json:"key" req:"true"`
	}) (any, error) {
		return nil, s.store.Runs.DeleteTag(ctx, q.RunID, q.Key)
	})
	write(s, "POST runs/log-inputs", func(ctx context.Context, q *struct {
		RunID    string              `json:"run_id" req:"true"`
		Datasets []wire.DatasetInput `json:"datasets"`
		Models   []wire.ModelInput   `json:"models"`
	}) (any, error) {
		return nil, s.store.Runs.LogInputs(ctx, q.RunID, q.Datasets, q.Models)
	})
	write(s, "POST runs/outputs", func(ctx context.Context, q *struct {
		RunID  string `json:"run_id" req:"true"`
		Models []struct {
			ModelID string     `json:"model_id"`
			Step    wire.Int64 `json:"step"`
		} `json:"models" req:"true"`
	}) (any, error) {
		outs := make([]wire.ModelOutput, len(q.Models))
		for i, m := range q.Models {
			outs[i] = wire.ModelOutput{ModelID: m.ModelID, Step: int64(m.Step)}
		}
		return nil, s.store.Runs.LogOutputs(ctx, q.RunID, outs)
	})
	write(s, "POST runs/log-model", s.logModel)
}

func (s *server) searchRuns(ctx context.Context, q *struct {
	ExperimentIDs []string    `json:"experiment_ids"`
	Filter        string      `json:"filter"`
	View          wire.Enum   `json:"run_view_type"`
	MaxResults    *wire.Int64 `json:"max_results"`
	OrderBy       []string    `json:"order_by"`
	PageToken     string      `json:"page_token"`
}) (any, error) {
	n, err := pageSize(q.MaxResults, 1000, wire.MaxSearchRuns)
	if err != nil {
		return nil, err
	}
	runs, next, err := s.store.Runs.SearchRunDocs(ctx, search.RunQuery{ExperimentIDs: q.ExperimentIDs, Filter: q.Filter, View: viewOf(q.View), Max: n, OrderBy: q.OrderBy, Token: q.PageToken})
	return struct {
		Runs []*wire.Run `json:"runs,omitempty"`
		Next string      `json:"next_page_token,omitempty"`
	}{runs, next}, err
}

// logModel is how clients before MLflow 3 say that a run has made a model.
func (s *server) logModel(ctx context.Context, q *struct {
	RunID     string `json:"run_id" req:"true"`
	ModelJSON string `json:"model_json" req:"true"`
}) (any, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(q.ModelJSON), &m); err != nil {
		return nil, invalid("model_json is not a JSON object: %v", err)
	}
	for _, field := range []string{"artifact_path", "flavors", "utc_time_created", "run_id"} {
		if _, ok := m[field]; !ok {
			return nil, invalid("model_json lacks the field %q", field)
		}
	}
	return nil, s.store.Runs.RecordModel(ctx, q.RunID, json.RawMessage(q.ModelJSON))
}
