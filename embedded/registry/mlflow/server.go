// Package mlflow speaks MLflow's REST protocol over the store. Handlers parse,
// call the store and encode; the store knows what a call means.
package mlflow

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path"
	"reflect"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
)

// Version is the MLflow version whose protocol this server speaks. Clients
// decide by it which features they use.
const Version = "3.17.0"

type server struct {
	store *store.Store
	auth  mlops.Authenticator
	log   *slog.Logger
	mux   *http.ServeMux
	// calls are the registered calls that scopes has rows for; scoped are the
	// patterns that look there.
	calls  []string
	scoped map[string]bool
}

// NewHandler returns the registry's HTTP surface. With auth nil anybody may do
// anything: that is for a registry that listens on the loopback address only.
func NewHandler(st *store.Store, auth mlops.Authenticator, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &server{store: st, auth: auth, log: log, mux: http.NewServeMux(), scoped: map[string]bool{}}
	s.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { plain(w, "OK") })
	s.mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { plain(w, Version) })
	s.experiments()
	s.runs()
	s.metrics()
	s.runArtifacts()
	s.loggedModels()
	s.registeredModels()
	s.modelVersions()
	s.traces()
	s.webhooks()
	s.lineage()
	s.gc()
	s.serverInfo()
	return s
}

func plain(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(text))
}

// open lists the paths that answer without credentials.
func open(p string) bool {
	if rest, ok := cutAPI(p, "2.0/mlflow-artifacts"); ok && strings.HasPrefix(rest, partsPath) {
		return true
	}
	return p == "/health" || p == "/version" || strings.HasSuffix(p, "/3.0/mlflow/server-info")
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		// One request's bug must not end the process that also runs a cluster.
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.log.Error("registry handler panicked", "method", r.Method, "path", r.URL.Path, "panic", p)
			s.fail(w, r, mlops.Errorf(mlops.Internal, "internal error: see the log"))
		}
	}()
	if err := s.refuseForged(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if s.auth == nil && !localHost(r.Host) {
		// Without credentials only its other origin keeps a web page away. A
		// name that the page resolves to this machine would get around that.
		s.fail(w, r, mlops.Errorf(mlops.Denied, "this registry has no credentials and answers to localhost and 127.0.0.1 only, not to %q", r.Host))
		return
	}
	if s.auth != nil && !open(r.URL.Path) {
		p, err := s.authenticate(r)
		if err == nil && !p.Role.May(mlops.Read) {
			err = mlops.Errorf(mlops.Denied, "%s may not read the registry: its role is %s", p.Name, p.Role)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), principalKey{}, p))
	}
	if rest, ok := cutAPI(r.URL.Path, "2.0/mlflow-artifacts"); ok {
		s.proxy(w, r, rest)
		return
	}
	// ServeMux would redirect paths that are not clean; clients do not follow
	// redirects with a body.
	if path.Clean(r.URL.Path) != r.URL.Path && r.URL.Path != "/" {
		s.fail(w, r, noEndpoint(r))
		return
	}
	_, pattern := s.mux.Handler(r)
	if pattern == "" {
		s.fail(w, r, s.unrouted(r))
		return
	}
	if who := principalOf(r.Context()); who.Limited() && !s.scoped[pattern] {
		s.fail(w, r, who.Outside("what belongs to a project is not known of "+pattern+": use a key without projects"))
		return
	}
	s.mux.ServeHTTP(w, r)
}

func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// cutAPI cuts /api/ or /ajax-api/ and what follows it from a path.
func cutAPI(p, name string) (rest string, ok bool) {
	for _, base := range [...]string{"/api/", "/ajax-api/"} {
		if rest, ok := strings.CutPrefix(p, base+name); ok && (rest == "" || rest[0] == '/') {
			return rest, true
		}
	}
	return "", false
}

func noEndpoint(r *http.Request) error {
	return mlops.Errorf(mlops.EndpointError, "there is no endpoint %s %s", r.Method, r.URL.Path)
}

// unrouted tells a wrong method from a wrong path.
func (s *server) unrouted(r *http.Request) error {
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodPut} {
		o := r.Clone(r.Context())
		o.Method = m
		if _, pattern := s.mux.Handler(o); pattern != "" && m != r.Method {
			return &methodError{allow: m, path: r.URL.Path}
		}
	}
	return noEndpoint(r)
}

type methodError struct{ allow, path string }

func (e *methodError) Error() string { return e.path + " wants the method " + e.allow }

type principalKey struct{}

func (s *server) authenticate(r *http.Request) (mlops.Principal, error) {
	if name, password, ok := r.BasicAuth(); ok {
		p, err := s.auth.Password(name, password)
		if errors.Is(err, mlops.ErrCredentials) {
			err = mlops.Errorf(mlops.Unauthorized, "wrong user name or password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
		}
		return p, err
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		p, err := s.auth.Token(strings.TrimSpace(token))
		if errors.Is(err, mlops.ErrCredentials) {
			err = mlops.Errorf(mlops.Unauthorized, "the token is not valid: set MLFLOW_TRACKING_TOKEN to one that is")
		}
		return p, err
	}
	return mlops.Principal{}, mlops.Errorf(mlops.Unauthorized, "credentials are needed: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN")
}

// mayWrite refuses those who may only read.
func (s *server) mayWrite(r *http.Request) error {
	p := principalOf(r.Context())
	if s.auth == nil || p.Role.May(mlops.Record) {
		return nil
	}
	return mlops.Errorf(mlops.Denied, "%s may read the registry, but not change it: its role is %s", p.Name, p.Role)
}

func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var me *methodError
	if errors.As(err, &me) {
		w.Header().Set("Allow", me.allow)
		writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"error_code": string(mlops.BadRequest), "message": me.Error()})
		return
	}
	if r.Context().Err() != nil && mlops.CodeOf(err) == mlops.Internal {
		return // the client has gone, nobody reads the answer
	}
	code, message := mlops.CodeOf(err), mlops.MessageOf(err)
	st := code.HTTPStatus()
	switch st {
	case 401:
		w.Header().Set("WWW-Authenticate", `Basic realm="mlflow"`)
	case 503:
		w.Header().Set("Retry-After", "5")
	}
	if st >= 500 && st != http.StatusNotImplemented {
		s.log.Error("registry request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeJSON(w, st, map[string]string{"error_code": string(code), "message": message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	b := []byte("{}")
	if v != nil {
		var err error
		if b, err = json.Marshal(v); err != nil {
			panic(err) // answers are made of marshalable types
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// roots are where the protocol's calls are.
var roots = []string{"/api/2.0/mlflow/", "/api/3.0/mlflow/", "/ajax-api/2.0/mlflow/", "/ajax-api/3.0/mlflow/"}

// read and write register a call under both API roots and, as MLflow's own
// page does, under both versions. Q is the request's type.
func read[Q any](s *server, pattern string, fn func(context.Context, *Q) (any, error)) {
	register(s, pattern, false, fn)
}

func write[Q any](s *server, pattern string, fn func(context.Context, *Q) (any, error)) {
	register(s, pattern, true, fn)
}

func register[Q any](s *server, pattern string, changes bool, fn func(context.Context, *Q) (any, error)) {
	method, p, _ := strings.Cut(pattern, " ")
	checkFields(pattern, reflect.TypeFor[Q]())
	s.calls = append(s.calls, pattern)
	h := func(w http.ResponseWriter, r *http.Request) {
		if changes {
			if err := s.mayWrite(r); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		q := new(Q)
		if err := decode(r, q); err != nil {
			s.fail(w, r, err)
			return
		}
		if err := s.inScope(r.Context(), pattern, changes, fieldValues(q), dropValues(q)); err != nil {
			s.fail(w, r, err)
			return
		}
		v, err := fn(r.Context(), q)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
	for _, root := range roots {
		s.scoped[method+" "+root+p] = true
		s.mux.HandleFunc(method+" "+root+p, h)
	}
}

// runRef is how requests name a run: by the new field or the old one.
type runRef struct {
	RunID   string `json:"run_id"`
	RunUUID string `json:"run_uuid"`
}

func (r runRef) id() (string, error) {
	if r.RunID != "" {
		return r.RunID, nil
	}
	if r.RunUUID != "" {
		return r.RunUUID, nil
	}
	return "", invalid("missing value for required parameter 'run_id'")
}
