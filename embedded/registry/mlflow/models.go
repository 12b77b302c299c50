package mlflow

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

type modelRef struct {
	Name string `json:"name" req:"true"`
}

type modelTagReq struct {
	Name  string `json:"name" req:"true"`
	Key   string `json:"key" req:"true"`
	Value string `json:"value"`
}

type aliasReq struct {
	Name    string `json:"name" req:"true"`
	Alias   string `json:"alias" req:"true"`
	Version string `json:"version"`
}

func modelAnswer(m wire.RegisteredModel, err error) (any, error) {
	return map[string]any{"registered_model": m}, err
}

func (s *server) registeredModels() {
	write(s, "POST registered-models/create", func(ctx context.Context, q *struct {
		Name        string    `json:"name" req:"true"`
		Tags        []wire.KV `json:"tags"`
		Description string    `json:"description"`
	}) (any, error) {
		return modelAnswer(s.store.Models.CreateRegisteredModel(ctx, q.Name, q.Description, q.Tags))
	})
	read(s, "GET registered-models/get", func(ctx context.Context, q *modelRef) (any, error) {
		return modelAnswer(s.store.Models.RegisteredModel(ctx, q.Name))
	})
	write(s, "POST registered-models/rename", func(ctx context.Context, q *struct {
		Name    string `json:"name" req:"true"`
		NewName string `json:"new_name" req:"true"`
	}) (any, error) {
		return modelAnswer(s.store.Models.RenameRegisteredModel(ctx, q.Name, q.NewName))
	})
	write(s, "PATCH registered-models/update", func(ctx context.Context, q *struct {
		Name        string `json:"name" req:"true"`
		Description string `json:"description"`
	}) (any, error) {
		return modelAnswer(s.store.Models.UpdateRegisteredModel(ctx, q.Name, q.Description))
	})
	write(s, "DELETE registered-models/delete", func(ctx context.Context, q *modelRef) (any, error) {
		return nil, s.store.Models.DeleteRegisteredModel(ctx, q.Name)
	})
	read(s, "GET registered-models/search", func(ctx context.Context, q *pageReq) (any, error) {
		pq, err := q.query(ctx, 100, wire.MaxModels)
		if err != nil {
			return nil, err
		}
		ms, next, err := s.store.Models.SearchRegisteredModels(ctx, pq)
		return struct {
			M    []wire.RegisteredModel `json:"registered_models,omitempty"`
			Next string                 `json:"next_page_token,omitempty"`
		}{ms, next}, err
	})
	for _, method := range []string{"GET", "POST"} {
		read(s, method+" registered-models/get-latest-versions", func(ctx context.Context, q *struct {
			Name   string   `json:"name" req:"true"`
			Stages []string `json:"stages"`
		}) (any, error) {
			if _, err := s.store.Models.RegisteredModel(ctx, q.Name); err != nil {
				return nil, err
			}
			vs, err := s.store.Models.LatestVersions(ctx, q.Name, q.Stages)
			return versionsAnswer(vs, "", err)
		})
	}
	write(s, "POST registered-models/set-tag", func(ctx context.Context, q *modelTagReq) (any, error) {
		return nil, s.store.Models.SetRegisteredModelTag(ctx, q.Name, wire.KV{Key: q.Key, Value: q.Value})
	})
	write(s, "DELETE registered-models/delete-tag", func(ctx context.Context, q *modelTagReq) (any, error) {
		return nil, s.store.Models.DeleteRegisteredModelTag(ctx, q.Name, q.Key)
	})
	write(s, "POST registered-models/alias", func(ctx context.Context, q *aliasReq) (any, error) {
		if q.Version == "" {
			return nil, invalid("missing value for required parameter 'version'")
		}
		return nil, s.store.Models.SetAlias(ctx, q.Name, q.Alias, q.Version)
	})
	write(s, "DELETE registered-models/alias", func(ctx context.Context, q *aliasReq) (any, error) {
		return nil, s.store.Models.DeleteAlias(ctx, q.Name, q.Alias)
	})
	read(s, "GET registered-models/alias", func(ctx context.Context, q *aliasReq) (any, error) {
		return versionAnswer(s.store.Models.VersionByAlias(ctx, q.Name, q.Alias))
	})
}
