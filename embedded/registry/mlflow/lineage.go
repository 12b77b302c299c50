package mlflow

import (
	"net/http"
)

// lineage answers what MLflow has no call for: where a version comes from, and
// what came of a dataset.
func (s *server) lineage() {
	s.handle("GET /api/lineage/datasets", func(w http.ResponseWriter, r *http.Request) {
		all, err := s.store.Lineage.DatasetSummaries(r.Context())
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"datasets": all})
	})
	s.handle("GET /api/lineage/datasets/{digest}", func(w http.ResponseWriter, r *http.Request) {
		use, err := s.store.Lineage.DatasetUse(r.Context(), r.PathValue("digest"), s.store.Lineage.Deployed())
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, use)
	})
	s.handle("GET /api/lineage/model-versions/{name}/{version}", func(w http.ResponseWriter, r *http.Request) {
		l, err := s.store.Lineage.Lineage(r.Context(), r.PathValue("name"), r.PathValue("version"), s.store.Lineage.Deployed())
		if err != nil {
			s.fail(w, r, err)
			return
		}
		l.Lineage = l.Within(principalOf(r.Context()))
		writeJSON(w, http.StatusOK, l)
	})
}
