package prometheus

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Config says which targets are scraped, how often, and how much of it is kept.
type Config struct {
	// Dir is the absolute path of the folder that holds the samples.
	Dir string
	// RetentionTime is how long samples are kept, 15 days if zero.
	RetentionTime time.Duration
	// RetentionBytes bounds the size of Dir, 1 GiB if zero. The newest three
	// hours or so are kept whatever they need.
	RetentionBytes int64
	// ScrapeInterval is the time between two looks at our own process, MinIO,
	// Traefik and annotated pods; 15 s if zero. Kubernetes itself, which has
	// more to say and changes less, is asked every fourth time, and at most
	// every 30 s.
	ScrapeInterval time.Duration
	// Self is scraped as job "benchtop", next to our own metrics.
	Self client.Gatherer
	// Targets are further endpoints; see also Unit.SetTarget.
	Targets []Target
	// Domain names the cluster in the external label "cluster", if set.
	Domain string

	minSlow time.Duration // see slowInterval; tests cannot wait that long
}

// Target is an endpoint at a fixed address.
type Target struct {
	Job     string            // its job label, one target per job
	Address string            // host:port
	Path    string            // "/metrics" if empty
	Labels  map[string]string // added to every series
	// HonorLabels keeps the target's own labels where they have the names of
	// ours: its series are about others.
	HonorLabels bool
}

const (
	defaultRetention = 15 * 24 * time.Hour
	defaultBytes     = 1 << 30
	defaultInterval  = 15 * time.Second
	minInterval      = time.Second
	minRetention     = 3 * time.Hour // a block is two hours long
	minBytes         = 64 << 20
	slowFactor       = 4
	defaultMinSlow   = 30 * time.Second
)

var (
	jobName   = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)
	labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// ownJobs are the jobs that the unit itself defines.
var ownJobs = []string{selfJob, "k3s", "kubelet", "cadvisor", "traefik", "pods"}

const selfJob = "benchtop"

// withDefaults returns c with its zero values filled in.
func (c Config) withDefaults() Config {
	if c.RetentionTime == 0 {
		c.RetentionTime = defaultRetention
	}
	if c.RetentionBytes == 0 {
		c.RetentionBytes = defaultBytes
	}
	if c.ScrapeInterval == 0 {
		c.ScrapeInterval = defaultInterval
	}
	if c.minSlow == 0 {
		c.minSlow = defaultMinSlow
	}
	return c
}

// slowInterval is the time between two looks at Kubernetes' own metrics: one
// look reads 27,000 samples, twice, of which 1,300 are kept.
func (c Config) slowInterval() time.Duration {
	return max(slowFactor*c.ScrapeInterval, c.minSlow)
}

// lookback is how old a sample may be to count as present: one scrape may fail,
// of Kubernetes' own metrics too.
func (c Config) lookback() time.Duration {
	return max(5*time.Minute, 3*c.slowInterval())
}

// Validate reports the first thing in c that cannot work.
func (c Config) Validate() error {
	c = c.withDefaults()
	if !filepath.IsAbs(c.Dir) {
		return mlops.Errorf(mlops.Invalid, "prometheus: folder %q is not an absolute path", c.Dir)
	}
	if c.RetentionTime < minRetention {
		return mlops.Errorf(mlops.Invalid, "prometheus: retention of %s is too short: expected %s or more, because samples are dropped in blocks of two hours", c.RetentionTime, minRetention)
	}
	if c.RetentionBytes < minBytes {
		return mlops.Errorf(mlops.Invalid, "prometheus: retention of %d bytes is too small: expected %d (64 MiB) or more", c.RetentionBytes, minBytes)
	}
	if c.ScrapeInterval < minInterval {
		return mlops.Errorf(mlops.Invalid, "prometheus: scrape interval %s is too short: expected %s or more", c.ScrapeInterval, minInterval)
	}
	seen := map[string]bool{}
	for _, t := range c.Targets {
		if err := t.Validate(); err != nil {
			return err
		}
		if seen[t.Job] {
			return mlops.Errorf(mlops.Invalid, "prometheus: job %s is listed twice", t.Job)
		}
		seen[t.Job] = true
	}
	return nil
}

// Validate reports what is wrong with t.
func (t Target) Validate() error {
	if !jobName.MatchString(t.Job) {
		return mlops.Errorf(mlops.Invalid, "prometheus: job name %q is not usable: expected lower-case letters, digits and '-'", t.Job)
	}
	for _, own := range ownJobs {
		if t.Job == own {
			return mlops.Errorf(mlops.Invalid, "prometheus: job name %s is taken by a built-in job", t.Job)
		}
	}
	if _, _, err := net.SplitHostPort(t.Address); err != nil {
		return mlops.Errorf(mlops.Invalid, "prometheus: address %q of job %s is not host:port", t.Address, t.Job)
	}
	if t.Path != "" && !strings.HasPrefix(t.Path, "/") {
		return mlops.Errorf(mlops.Invalid, "prometheus: path %q of job %s does not start with '/'", t.Path, t.Job)
	}
	for k := range t.Labels {
		if !labelName.MatchString(k) || strings.HasPrefix(k, "__") {
			return mlops.Errorf(mlops.Invalid, "prometheus: label name %q of job %s is not usable", k, t.Job)
		}
	}
	return nil
}
