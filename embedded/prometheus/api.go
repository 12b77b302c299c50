package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/grafana/regexp"
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/notifications"
	api "github.com/prometheus/prometheus/web/api/v1"
)

// prefix is where the API is mounted in front of us.
const prefix = "/prometheus"

// newHandler returns the API as Grafana, promtool and the client library know
// it. Writing, deleting and remote configuration are left out.
func (s *server) newHandler() http.Handler {
	router := route.New()
	s.newAPI().Register(router)
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", http.StripPrefix("/api/v1", unroutedAsJSON(router)))
	mux.HandleFunc("GET /-/healthy", text("Prometheus Server is Healthy.\n"))
	mux.HandleFunc("GET /-/ready", text("Prometheus Server is Ready.\n"))
	mux.HandleFunc("GET /federate", s.federate)
	mux.Handle("GET /metrics", promhttp.HandlerFor(client.Gatherers{s.registry, gathererOrEmpty(s.cfg.Self)}, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		respondError(w, http.StatusNotFound, "not_found", fmt.Sprintf("%s is not part of the API: see %s/api/v1/query, %s/federate and %s/metrics", r.URL.Path, prefix, prefix, prefix))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix+"/") {
			http.StripPrefix(prefix, mux).ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(s)) // the client may be gone
	}
}

func (s *server) newAPI() *api.API {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	retention := model.Duration(s.cfg.RetentionTime).String()
	flags := map[string]string{
		"storage.tsdb.path": s.cfg.Dir, "storage.tsdb.retention.time": retention,
		"storage.tsdb.retention.size": fmt.Sprintf("%dB", s.cfg.RetentionBytes),
		"query.timeout":               queryTimeout.String(), "query.max-samples": fmt.Sprint(queryMaxSamples),
		"query.lookback-delta": s.cfg.lookback().String(),
		"web.enable-admin-api": "false", "web.external-url": prefix,
	}
	return api.NewAPI(
		s.engine, s.db, nil, nil, s.db,
		func(context.Context) api.ScrapePoolsRetriever { return s.scrapes },
		func(context.Context) api.TargetRetriever { return s.scrapes },
		func(context.Context) api.AlertmanagerRetriever { return noAlertmanagers{} },
		func() config.Config { return redacted(s.config.Load()) },
		// For the links of targets on this machine; no target is ourselves.
		flags, api.GlobalURLOptions{Scheme: "http", ListenAddress: "127.0.0.1:0", Host: host},
		func(f http.HandlerFunc) http.HandlerFunc { return f },
		dbAdmin{s}, s.cfg.Dir, false, s.log.With("component", "api"),
		func(context.Context) api.RulesRetriever { return s.rules },
		1_000_000, 4, 1<<20, // remote read: samples, concurrency, bytes in a frame
		false, regexp.MustCompile(`^$`), // no page of another origin may read
		s.runtimeInfo, buildInfo(),
		func() []notifications.Notification { return nil },
		func() (<-chan notifications.Notification, func(), bool) { return nil, func() {}, false },
		s.registry, s.registry, nil,
		false, nil, false, false, false, false, s.cfg.lookback(), false, false, nil,
		features.NewRegistry(), api.OpenAPIOptions{}, s.parser,
	)
}

// redacted hides the keys of the cluster: whoever reads the API's
// status/config must not become its administrator.
func redacted(c *config.Config) config.Config {
	if c == nil {
		return config.DefaultConfig
	}
	return *c // secrets print as <secret>
}

func (s *server) runtimeInfo() (api.RuntimeInfo, error) {
	host, err := os.Hostname()
	if err != nil {
		return api.RuntimeInfo{}, fmt.Errorf("read host name: %w", err)
	}
	return api.RuntimeInfo{StartTime: s.started, Hostname: host, CWD: s.cfg.Dir, ReloadConfigSuccess: true,
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0), GOMEMLIMIT: debug.SetMemoryLimit(-1),
		StorageRetention: fmt.Sprintf("%s or %dB", model.Duration(s.cfg.RetentionTime), s.cfg.RetentionBytes)}, nil
}

// version is that of the Prometheus module in go.mod, whose v0.311.3 is the
// server's 3.11.3. A test keeps the two together.
const version = "3.11.3"

func buildInfo() *api.PrometheusVersion {
	return &api.PrometheusVersion{Version: version, Branch: "HEAD", BuildUser: "benchtop", GoVersion: runtime.Version()}
}

// dbAdmin is the part of the database that the API reads. Nothing may be
// deleted through it.
type dbAdmin struct {
	s *server
}

var errReadOnly = fmt.Errorf("the admin API is off")

func (dbAdmin) CleanTombstones() error                                         { return errReadOnly }
func (dbAdmin) Delete(context.Context, int64, int64, ...*labels.Matcher) error { return errReadOnly }
func (dbAdmin) Snapshot(string, bool) error                                    { return errReadOnly }
func (a dbAdmin) Stats(by string, limit int) (*tsdb.Stats, error) {
	return a.s.db.Head().Stats(by, limit), nil
}
func (a dbAdmin) BlockMetas() ([]tsdb.BlockMeta, error) { return a.s.db.BlockMetas(), nil }
func (a dbAdmin) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return a.s.db.stats.Head.WALReplayStatus.GetWALReplayStatus(), nil
}

// noAlertmanagers says that alerts go nowhere but to the log.
type noAlertmanagers struct{}

func (noAlertmanagers) Alertmanagers() []*url.URL        { return nil }
func (noAlertmanagers) DroppedAlertmanagers() []*url.URL { return nil }

// unroutedAsJSON has the router's own errors, of unknown paths and wrong
// methods, look like those of the API.
func unroutedAsJSON(router http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		router.ServeHTTP(&unrouted{ResponseWriter: w, method: r.Method, path: r.URL.Path}, r)
	})
}

type unrouted struct {
	http.ResponseWriter
	method, path string
	replaced     bool
}

func (u *unrouted) WriteHeader(status int) {
	if (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) && strings.HasPrefix(u.Header().Get("Content-Type"), "text/plain") {
		u.replaced = true
		respondError(u.ResponseWriter, status, "not_found", fmt.Sprintf("the API has no %s %s/api/v1%s", u.method, prefix, u.path))
		return
	}
	u.ResponseWriter.WriteHeader(status)
}

func (u *unrouted) Write(p []byte) (int, error) {
	if u.replaced {
		return len(p), nil
	}
	return u.ResponseWriter.Write(p)
}

// Flush is for answers that go on.
func (u *unrouted) Flush() {
	if f, ok := u.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// respondError answers the way the API does.
func respondError(w http.ResponseWriter, status int, kind, message string) {
	body, err := json.Marshal(map[string]string{"status": "error", "errorType": kind, "error": message})
	if err != nil {
		http.Error(w, message, status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}
