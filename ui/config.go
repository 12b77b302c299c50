package ui

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/assets/web"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// Component is an embedded system and its version, for the System page.
type Component struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// SampleProject is a project that comes with its data.
type SampleProject struct {
	Name, Title    string
	Rows, Features int
}

// Mount is a handler of another part of the process, served below a path.
type Mount struct {
	Handler http.Handler
	// Needs is what one must be allowed to use it, by session, password or
	// token: for handlers that change nothing, as a forged request may carry a
	// session. Empty means that the handler checks credentials, and forgery,
	// itself.
	Needs mlops.Permission
	// Metrics says that it serves the metrics of the whole lab, which some keys
	// of single projects may read.
	Metrics bool
}

// Config is what a Server is made of. Every port is required.
type Config struct {
	Address string      // where to listen, for example ":8080"
	TLS     *tls.Config // nil serves plain HTTP
	Version string      // of Benchtop

	// PublicURL is where browsers find this server if a proxy stands before
	// it, nil if unknown.
	PublicURL *url.URL
	// TrustedProxies may say in headers who asks, and by which address.
	TrustedProxies []netip.Prefix

	Components []Component // embedded systems, for the System page
	// Mounts are other handlers by path: "/x/" is x and all below it, "/x" is
	// that address alone.
	Mounts map[string]Mount

	Auth     Auth
	Sessions Sessions
	Keys     ports.Keys
	Loop     ports.Loop
	Metrics  ports.Metrics
	Machine  ports.Machine
	Units    ports.Units
	// Those that are functions return an error with the code Unavailable until
	// the backend serves.
	Registry func() (ports.Registry, error)
	Steps    func() (ports.Steps, error)
	Pushes   func() (ports.Pushes, error)
	Cluster  func() (ports.Cluster, error)
	GPUs     func() (ports.GPUs, error)
	Labs     func() (ports.Labs, error)

	// Samples are the projects that can be added with one click.
	Samples []SampleProject
	// Examples holds one instance per deployment to fill the form with.
	Examples map[string][]float64
	// Retention is how long metrics are kept; charts go back no further. Zero is
	// longer than any chart.
	Retention time.Duration
	// IngressPort is where deployments answer, 80 if zero.
	IngressPort int
	// S3Port is where S3 answers, 9000 if zero.
	S3Port int
	// SampleEvery is how often the machine is measured, 5 s if zero.
	SampleEvery time.Duration
	// Assets is the browser's bundle, the embedded one if nil.
	Assets *web.Assets
	// Now is the clock, time.Now if nil.
	Now func() time.Time
}

func (c *Config) complete() error {
	for name, missing := range map[string]bool{
		"Address": c.Address == "", "Auth": c.Auth == nil, "Keys": c.Keys == nil, "Sessions": c.Sessions == nil,
		"Registry": c.Registry == nil, "Loop": c.Loop == nil, "Steps": c.Steps == nil, "Pushes": c.Pushes == nil, "Cluster": c.Cluster == nil, "GPUs": c.GPUs == nil, "Labs": c.Labs == nil,
		"Metrics": c.Metrics == nil, "Machine": c.Machine == nil, "Units": c.Units == nil,
	} {
		if missing {
			return errors.New("ui config: " + name + " is not set")
		}
	}
	for path, m := range c.Mounts {
		if len(strings.Trim(path, "/")) == 0 || path[0] != '/' {
			return errors.New("ui config: mount " + strconv.Quote(path) + " must start with / and not be the root")
		}
		if m.Handler == nil {
			return errors.New("ui config: mount " + path + " has no handler")
		}
	}
	if c.Assets == nil {
		a, err := web.Load()
		if err != nil {
			return err
		}
		c.Assets = a
	}
	if c.IngressPort == 0 {
		c.IngressPort = 80
	}
	if c.S3Port == 0 {
		c.S3Port = 9000
	}
	if c.SampleEvery == 0 {
		c.SampleEvery = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}
