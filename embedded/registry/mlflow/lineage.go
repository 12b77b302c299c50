package mlflow

import (
	"net/http"
)

// lineage answers the one question that MLflow has no call for.
func (s *server) lineage() {
	s.handle("GET /api/lineage/model-versions/{name}/{version}", func(w http.ResponseWriter, r *http.Request) {
		l, err := s.store.Lineage(r.Context(), r.PathValue("name"), r.PathValue("version"), s.store.Deployed())
		if err != nil {
			s.fail(w, r, err)
			return
		}
		l.Lineage = l.Within(principalOf(r.Context()))
		writeJSON(w, http.StatusOK, l)
	})
}
