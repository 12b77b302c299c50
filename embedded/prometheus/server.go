package prometheus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
)

// server is one life of Prometheus: everything in it is made new when the
// unit runs again.
type server struct {
	cfg      Config
	log      *slog.Logger
	registry *client.Registry
	db       *database
	engine   *promql.Engine
	parser   parser.Parser
	scrapes  *scrape.Manager
	found    *discovery.Manager
	rules    *rules.Manager
	self     *selfEndpoint
	handler  http.Handler
	config   atomic.Pointer[config.Config]
	started  time.Time

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Limits of queries: a slip of the pen must not take the machine down.
const (
	queryTimeout    = 30 * time.Second
	queryMaxSamples = 5_000_000 // 80 MB
	// settleTime is how long changes of targets are collected before they
	// take effect. Prometheus' own 5 s are for fleets.
	settleTime = time.Second
)

// newServer opens the database and puts the parts together.
func newServer(cfg Config, log *slog.Logger) (s *server, err error) {
	s = &server{cfg: cfg, log: log, registry: client.NewRegistry(), parser: parser.NewParser(parser.Options{}), started: time.Now()}
	if s.db, err = openDB(cfg, log.With("component", "tsdb"), s.registry); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			s.cancel()
			if s.self != nil {
				s.self.close()
			}
			err = errors.Join(err, s.db.Close())
		}
	}()
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger: log.With("component", "engine"), Reg: s.registry, Parser: s.parser,
		MaxSamples: queryMaxSamples, Timeout: queryTimeout, LookbackDelta: cfg.lookback(),
		EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return cfg.ScrapeInterval.Milliseconds() },
	})
	sdMetrics, err := discovery.CreateAndRegisterSDMetrics(s.registry)
	if err != nil {
		return nil, fmt.Errorf("register discovery metrics: %w", err)
	}
	s.found = discovery.NewManager(ctx, log.With("component", "discovery"), s.registry, sdMetrics, discovery.Updatert(settleTime))
	if s.found == nil {
		return nil, errors.New("make the discovery manager: see the log")
	}
	s.self = newSelfEndpoint(client.Gatherers{s.registry, gathererOrEmpty(cfg.Self)})
	s.scrapes, err = scrape.NewManager(&scrape.Options{
		DiscoveryReloadInterval: model.Duration(settleTime),
		HTTPClientOptions:       []commoncfg.HTTPClientOption{commoncfg.WithDialContextFunc(s.self.dial)},
	}, log.With("component", "scrape"), nil, nil, s.db, s.registry)
	if err != nil {
		return nil, fmt.Errorf("make the scrape manager: %w", err)
	}
	if s.rules, err = s.newRules(ctx); err != nil {
		return nil, err
	}
	s.handler = s.newHandler()
	return s, nil
}

func (s *server) newRules(ctx context.Context) (*rules.Manager, error) {
	m := rules.NewManager(&rules.ManagerOptions{
		Context: ctx, Logger: s.log.With("component", "rules"), Registerer: s.registry,
		Appendable: s.db, Queryable: s.db, QueryFunc: rules.EngineQueryFunc(s.engine, s.db),
		NotifyFunc: s.notify, GroupLoader: ruleLoader{s.parser}, Parser: s.parser,
		OutageTolerance: time.Hour, ForGracePeriod: time.Minute, ResendDelay: time.Minute,
		MaxConcurrentEvals: 1, DefaultRuleQueryOffset: func() time.Duration { return 0 },
	})
	if err := m.Update(s.cfg.ScrapeInterval, []string{rulesFile}, labels.EmptyLabels(), "", nil); err != nil {
		return nil, fmt.Errorf("load %s: %w", rulesFile, err)
	}
	return m, nil
}

// notify writes alerts that start or end to the log; the UI asks the API.
func (s *server) notify(_ context.Context, _ string, alerts ...*rules.Alert) {
	for _, a := range alerts {
		if !a.ResolvedAt.IsZero() {
			s.log.Warn("alert is over", "alert", a.Labels.String())
		} else {
			s.log.Warn("alert", "alert", a.Labels.String(), "summary", a.Annotations.Get("summary"))
		}
	}
}

// apply makes the scraped targets exactly those given. It does not disturb
// those that stay the same.
func (s *server) apply(targets map[string]Target, kube *kubeAccess) error {
	cfg, err := buildConfig(s.cfg, targets, kube, s.log)
	if err != nil {
		return err
	}
	if err := s.scrapes.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("apply scrape configuration: %w", err)
	}
	found, err := discoveryConfigs(cfg)
	if err != nil {
		return err
	}
	if err := s.found.ApplyConfig(found); err != nil {
		return fmt.Errorf("apply discovery configuration: %w", err)
	}
	s.config.Store(cfg)
	s.log.Info("scraping", "jobs", jobNames(cfg))
	return nil
}

// start runs the parts. The channel delivers the failure of one of them.
func (s *server) start() <-chan error {
	failed := make(chan error, 2)
	run := func(what string, f func() error) {
		s.wg.Go(func() {
			if err := f(); err != nil && !errors.Is(err, context.Canceled) {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	run("find targets", s.found.Run)
	run("scrape targets", func() error { return s.scrapes.Run(s.found.SyncCh()) })
	run("evaluate rules", func() error { s.rules.Run(); return nil })
	return failed
}

// close ends everything that writes, then the database, which leaves no lock
// behind.
func (s *server) close() error {
	s.scrapes.Stop()
	s.rules.Stop()
	s.cancel()
	s.wg.Wait()
	s.self.close()
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the samples in %s: %w", s.cfg.Dir, err)
	}
	return nil
}
