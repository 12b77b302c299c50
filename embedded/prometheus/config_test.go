package prometheus

import (
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	ok := Config{Dir: "/x"}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"relative folder", func(c *Config) { c.Dir = "x" }, "not an absolute path"},
		{"retention", func(c *Config) { c.RetentionTime = time.Hour }, "too short"},
		{"bytes", func(c *Config) { c.RetentionBytes = 1000 }, "64 MiB"},
		{"interval", func(c *Config) { c.ScrapeInterval = time.Millisecond }, "expected 1s or more"},
		{"job", func(c *Config) { c.Targets = []Target{{Job: "A b", Address: "x:1"}} }, "job name"},
		{"own job", func(c *Config) { c.Targets = []Target{{Job: "pods", Address: "x:1"}} }, "taken by a built-in job"},
		{"twice", func(c *Config) { c.Targets = []Target{{Job: "a", Address: "x:1"}, {Job: "a", Address: "x:2"}} }, "listed twice"},
		{"address", func(c *Config) { c.Targets = []Target{{Job: "a", Address: "x"}} }, "host:port"},
		{"path", func(c *Config) { c.Targets = []Target{{Job: "a", Address: "x:1", Path: "m"}} }, "start with '/'"},
		{"label", func(c *Config) {
			c.Targets = []Target{{Job: "a", Address: "x:1", Labels: map[string]string{"a-b": "c"}}}
		}, "label name"},
	} {
		c := ok
		tc.change(&c)
		_, err := New(c)
		if mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, err := New(ok); err != nil {
		t.Errorf("defaults: %v", err)
	}
}
