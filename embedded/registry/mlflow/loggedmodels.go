package mlflow

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/store/loggedmodels"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

var loggedModelStatuses = []string{"LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"}

type loggedModelRef struct {
	ModelID string `path:"model_id"`
}

func loggedModelAnswer(m wire.LoggedModel, err error) (any, error) {
	return map[string]any{"model": m}, err
}

func (s *server) loggedModels() {
	write(s, "POST logged-models", func(ctx context.Context, q *struct {
		ExperimentID string    `json:"experiment_id" req:"true"`
		Name         string    `json:"name"`
		ModelType    string    `json:"model_type"`
		SourceRunID  string    `json:"source_run_id"`
		Params       []wire.KV `json:"params"`
		Tags         []wire.KV `json:"tags"`
	}) (any, error) {
		return loggedModelAnswer(s.store.LoggedModels.CreateLoggedModel(ctx, loggedmodels.NewLoggedModel{ExperimentID: q.ExperimentID, Name: q.Name, ModelType: q.ModelType, SourceRunID: q.SourceRunID, Params: q.Params, Tags: q.Tags}))
	})
	read(s, "POST logged-models/search", s.searchLoggedModels)
	read(s, "GET logged-models/{model_id}", func(ctx context.Context, q *struct {
		ModelID      string `path:"model_id"`
		AllowDeleted bool   `json:"allow_deleted"`
	}) (any, error) {
		return loggedModelAnswer(s.store.LoggedModels.LoggedModel(ctx, q.ModelID, q.AllowDeleted))
	})
	write(s, "PATCH logged-models/{model_id}", func(ctx context.Context, q *struct {
		ModelID string    `path:"model_id"`
		Status  wire.Enum `json:"status" req:"true"`
	}) (any, error) {
		return loggedModelAnswer(s.store.LoggedModels.FinalizeLoggedModel(ctx, q.ModelID, q.Status.Name(0, loggedModelStatuses...)))
	})
	write(s, "DELETE logged-models/{model_id}", func(ctx context.Context, q *loggedModelRef) (any, error) {
		return nil, s.store.LoggedModels.DeleteLoggedModel(ctx, q.ModelID)
	})
	write(s, "PATCH logged-models/{model_id}/tags", func(ctx context.Context, q *struct {
		ModelID string    `path:"model_id"`
		Tags    []wire.KV `json:"tags"`
	}) (any, error) {
		return nil, s.store.LoggedModels.SetLoggedModelTags(ctx, q.ModelID, q.Tags)
	})
	write(s, "DELETE logged-models/{model_id}/tags/{tag_key}", func(ctx context.Context, q *struct {
		ModelID string `path:"model_id"`
		Key     string `path:"tag_key"`
	}) (any, error) {
		return nil, s.store.LoggedModels.DeleteLoggedModelTag(ctx, q.ModelID, q.Key)
	})
	write(s, "POST logged-models/{model_id}/params", func(ctx context.Context, q *struct {
		ModelID string    `path:"model_id"`
		Params  []wire.KV `json:"params"`
	}) (any, error) {
		return nil, s.store.LoggedModels.LogLoggedModelParams(ctx, q.ModelID, q.Params)
	})
	read(s, "GET logged-models/{model_id}/artifacts/directories", func(ctx context.Context, q *struct {
		ModelID string `path:"model_id"`
		Path    string `json:"artifact_directory_path"`
	}) (any, error) {
		m, err := s.store.LoggedModels.LoggedModel(ctx, q.ModelID, false)
		if err != nil {
			return nil, err
		}
		files, err := s.store.Artifacts.ListArtifacts(ctx, m.Info.ArtifactURI, q.Path)
		return listing{m.Info.ArtifactURI, files}, err
	})
}

func (s *server) searchLoggedModels(ctx context.Context, q *struct {
	ExperimentIDs []string                    `json:"experiment_ids" req:"true"`
	Filter        string                      `json:"filter"`
	Datasets      []loggedmodels.ModelDataset `json:"datasets"`
	MaxResults    *wire.Int64                 `json:"max_results"`
	OrderBy       []loggedmodels.ModelOrder   `json:"order_by"`
	PageToken     string                      `json:"page_token"`
}) (any, error) {
	n, err := pageSize(q.MaxResults, wire.MaxLoggedModels, 50000)
	if err != nil {
		return nil, err
	}
	ms, next, err := s.store.LoggedModels.SearchLoggedModels(ctx, loggedmodels.LoggedModelSearch{ExperimentIDs: q.ExperimentIDs, Filter: q.Filter, Datasets: q.Datasets, Max: n, OrderBy: q.OrderBy, Token: q.PageToken, Projects: principalOf(ctx).Projects})
	return struct {
		M    []wire.LoggedModel `json:"models,omitempty"`
		Next string             `json:"next_page_token,omitempty"`
	}{ms, next}, err
}
