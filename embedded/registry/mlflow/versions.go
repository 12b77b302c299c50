package mlflow

import (
	"context"
	"net/http"

	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

type versionRef struct {
	Name    string `json:"name" req:"true"`
	Version string `json:"version" req:"true"`
}

type versionTagReq struct {
	Name    string `json:"name" req:"true"`
	Version string `json:"version" req:"true"`
	Key     string `json:"key" req:"true"`
	Value   string `json:"value"`
}

func versionAnswer(v wire.ModelVersion, err error) (any, error) {
	return map[string]any{"model_version": v}, err
}

func versionsAnswer(vs []wire.ModelVersion, next string, err error) (any, error) {
	return struct {
		V    []wire.ModelVersion `json:"model_versions,omitempty"`
		Next string              `json:"next_page_token,omitempty"`
	}{vs, next}, err
}

func (s *server) modelVersions() {
	write(s, "POST model-versions/create", func(ctx context.Context, q *struct {
		Name        string    `json:"name" req:"true"`
		Source      string    `json:"source" req:"true"`
		RunID       string    `json:"run_id"`
		Tags        []wire.KV `json:"tags"`
		RunLink     string    `json:"run_link"`
		Description string    `json:"description"`
		ModelID     string    `json:"model_id"`
	}) (any, error) {
		return versionAnswer(s.store.Models.CreateModelVersion(ctx, models.NewVersion{Name: q.Name, Source: q.Source, RunID: q.RunID, RunLink: q.RunLink, Description: q.Description, ModelID: q.ModelID, Tags: q.Tags}))
	})
	read(s, "GET model-versions/get", func(ctx context.Context, q *versionRef) (any, error) {
		return versionAnswer(s.store.Models.Version(ctx, q.Name, q.Version))
	})
	write(s, "PATCH model-versions/update", func(ctx context.Context, q *struct {
		Name        string `json:"name" req:"true"`
		Version     string `json:"version" req:"true"`
		Description string `json:"description"`
	}) (any, error) {
		return versionAnswer(s.store.Models.UpdateModelVersion(ctx, q.Name, q.Version, q.Description))
	})
	write(s, "POST model-versions/transition-stage", func(ctx context.Context, q *struct {
		Name    string `json:"name" req:"true"`
		Version string `json:"version" req:"true"`
		Stage   string `json:"stage" req:"true"`
		Archive bool   `json:"archive_existing_versions"`
	}) (any, error) {
		return versionAnswer(s.store.Models.TransitionStage(ctx, q.Name, q.Version, q.Stage, q.Archive))
	})
	write(s, "DELETE model-versions/delete", func(ctx context.Context, q *versionRef) (any, error) {
		return nil, s.store.Models.DeleteModelVersion(ctx, q.Name, q.Version)
	})
	read(s, "GET model-versions/search", func(ctx context.Context, q *pageReq) (any, error) {
		pq, err := q.query(ctx, wire.MaxModelVersions, wire.MaxModelVersions)
		if err != nil {
			return nil, err
		}
		return versionsAnswer(s.store.Models.SearchModelVersions(ctx, pq))
	})
	read(s, "GET model-versions/get-download-uri", func(ctx context.Context, q *versionRef) (any, error) {
		uri, err := s.store.Models.DownloadURI(ctx, q.Name, q.Version)
		return map[string]string{"artifact_uri": uri}, err
	})
	write(s, "POST model-versions/set-tag", func(ctx context.Context, q *versionTagReq) (any, error) {
		return nil, s.store.Models.SetModelVersionTag(ctx, q.Name, q.Version, wire.KV{Key: q.Key, Value: q.Value})
	})
	write(s, "DELETE model-versions/delete-tag", func(ctx context.Context, q *versionTagReq) (any, error) {
		return nil, s.store.Models.DeleteModelVersionTag(ctx, q.Name, q.Version, q.Key)
	})
	s.handle("GET /model-versions/get-artifact", s.versionArtifact)
}

// versionArtifact sends a file of a model version, as MLflow's pages fetch it.
func (s *server) versionArtifact(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	uri, err := s.store.Models.DownloadURI(r.Context(), q.Get("name"), q.Get("version"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.sendFile(w, r, uri, q.Get("path"))
}
