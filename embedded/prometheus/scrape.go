package prometheus

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	_ "github.com/prometheus/prometheus/discovery/kubernetes" // registers kubernetes_sd_configs
)

//go:embed scrape.yaml.tmpl
var scrapeTemplate string

// scrapeConfig holds the template's values.
type scrapeConfig struct {
	Interval, Timeout, Slow string
	Domain                  string
	SelfAddress             string
	Targets                 []Target
	Kube                    *kubeAccess
}

var scrapeTmpl = template.Must(template.New("scrape").Funcs(template.FuncMap{"q": quote}).Parse(scrapeTemplate))

// quote makes s a YAML scalar; JSON's strings are a subset of YAML's.
func quote(s string) (string, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("quote %q: %w", s, err)
	}
	return string(b), nil
}

// maxTimeout bounds one scrape, so that a stuck target is noticed.
const maxTimeout = 10 * time.Second

// buildConfig returns Prometheus' own configuration for cfg with the given
// targets and, once there is a cluster, the access to it.
func buildConfig(cfg Config, targets map[string]Target, kube *kubeAccess, log *slog.Logger) (*config.Config, error) {
	data := scrapeConfig{
		Interval:    model.Duration(cfg.ScrapeInterval).String(),
		Timeout:     model.Duration(min(cfg.ScrapeInterval, maxTimeout)).String(),
		Slow:        model.Duration(cfg.slowInterval()).String(),
		Domain:      cfg.Domain,
		SelfAddress: selfAddress,
		Kube:        kube,
	}
	for _, t := range targets {
		if t.Path == "" {
			t.Path = "/metrics"
		}
		data.Targets = append(data.Targets, t)
	}
	sort.Slice(data.Targets, func(i, j int) bool { return data.Targets[i].Job < data.Targets[j].Job })
	var text bytes.Buffer
	if err := scrapeTmpl.Execute(&text, data); err != nil {
		return nil, fmt.Errorf("fill in the scrape configuration: %w", err)
	}
	out, err := config.Load(text.String(), log)
	if err != nil {
		return nil, fmt.Errorf("load the scrape configuration: %w", err)
	}
	return out, nil
}

// discoveryConfigs returns how each job finds its targets.
func discoveryConfigs(c *config.Config) (map[string]discovery.Configs, error) {
	scrapes, err := c.GetScrapeConfigs()
	if err != nil {
		return nil, fmt.Errorf("read scrape configurations: %w", err)
	}
	out := make(map[string]discovery.Configs, len(scrapes))
	for _, s := range scrapes {
		out[s.JobName] = s.ServiceDiscoveryConfigs
	}
	return out, nil
}

// jobNames lists the jobs of c, for the log.
func jobNames(c *config.Config) string {
	names := make([]string, 0, len(c.ScrapeConfigs))
	for _, s := range c.ScrapeConfigs {
		names = append(names, s.JobName)
	}
	return strings.Join(names, " ")
}
