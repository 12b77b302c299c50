package mlflow

import (
	"net/http"
)

// lineage answers the one question that MLflow has no call for.
func (s *server) lineage() {
	s.mux.HandleFunc("GET /api/lineage/model-versions/{name}/{version}", func(w http.ResponseWriter, r *http.Request) {
		l, err := s.store.Lineage.Lineage(r.Context(), r.PathValue("name"), r.PathValue("version"), s.store.Lineage.Deployed())
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, l)
	})
}
