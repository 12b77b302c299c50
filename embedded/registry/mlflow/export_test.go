package mlflow

import (
	"log/slog"
	"net/http"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
)

// Calls returns the registered calls, and those that scopes has a row for.
func Calls() (registered, scoped []string) {
	s := NewHandler(nil, nil, nil).(*server)
	for call := range scopes {
		scoped = append(scoped, call)
	}
	return s.calls, scoped
}

// NewHandlerWith has a route without a row.
func NewHandlerWith(st *store.Store, auth mlops.Authenticator, pattern string) http.Handler {
	s := NewHandler(st, auth, slog.New(slog.DiscardHandler)).(*server)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { plain(w, "secret") })
	return s
}
