package mlflow

import (
	"net/http"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// gc lets the command remove deleted things while the registry runs: the
// database belongs to one process. Only admins may.
func (s *server) gc() {
	s.handle("POST /api/registry/gc", func(w http.ResponseWriter, r *http.Request) {
		if s.auth != nil && !principalOf(r.Context()).Role.May(mlops.Administer) {
			s.fail(w, r, mlops.Errorf(mlops.Denied, "only an admin may remove deleted runs for good"))
			return
		}
		var q struct {
			OlderThan string `json:"older_than"` // a Go duration; empty for everything that is deleted
		}
		err := decode(r, &q)
		var d time.Duration
		if err == nil && q.OlderThan != "" {
			if d, err = time.ParseDuration(q.OlderThan); err != nil || d < 0 {
				err = invalid("older_than %q is not a duration: expected for example 24h", q.OlderThan)
			}
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		rep, err := s.store.Artifacts.GC(r.Context(), d)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, rep)
	})
}
