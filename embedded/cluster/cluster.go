// Package cluster projects Benchtop's rows onto the Kubernetes API and reads
// it back for pages. It knows no K3s: any Kubernetes would do. See DESIGN.md.
package cluster

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// Config describes the cluster.
type Config struct {
	Kubeconfig  string // the administrator's; written when the API server starts
	TLSDir      string // holds server-ca.crt and server-ca.key, which sign the API server's certificate
	NodeName    string
	NodeAddress net.IP // stable IPv4 address that the appliance owns
	// Image returns the reference of a bundled image, "" if there is none of
	// that name.
	Image func(name string) string
	// CertNames returns what the API server's certificate has to be valid for now.
	CertNames func() ([]string, error)
	// Controllers run from when the API answers until the end.
	Controllers []Controller
	// ResourceMetrics makes the server of metrics.k8s.io, which listens at once.
	ResourceMetrics func() (MetricsServer, error)
	// Resolver says who resolves names outside the cluster.
	Resolver Resolver

	HTTPPort  int // host port of the ingress
	HTTPSPort int
	// Ports of the appliance's own servers, reached by pods through the
	// Services s3, mlflow and prometheus of namespace benchtop. Service packages
	// leads to mlops.PackagesPort.
	S3Port, RegistryPort, UIPort int
	// LabPorts are all TCP ports of the machine that no pod and no Service may take.
	LabPorts []int
	// GPU says where pods get GPUs from; nil if the machine has none.
	GPU *GPU
	// FrontPage has the ingress show the UI's front page where nothing else
	// answers. The UI must listen on NodeAddress.
	FrontPage bool

	resourceMetricsPort int // known once it listens
}

// GPU says where NVIDIA's driver is.
type GPU struct {
	Dir        string // what agent and appliance share, on the machine
	DriverRoot string // the folder below which the driver is installed
	Simulated  bool
	// Propagates says that what is mounted below DriverRoot later can reach pods.
	Propagates bool
	// What names driver or simulated GPUs. The agent reads them once, so another
	// one has it start anew.
	What string
}

// Resolver knows the name servers outside the cluster.
type Resolver interface {
	Nameservers() []string    // addresses that pods can reach; empty if there are none
	Changed() <-chan struct{} // receives after Nameservers has changed
}

// Cluster is the cluster of this process. It can be brought up once.
type Cluster struct {
	cfg    Config
	ready  chan struct{} // closed when client is set
	client *Client
}

// New returns a cluster that has not been brought up.
func New(cfg Config) *Cluster { return &Cluster{cfg: cfg, ready: make(chan struct{})} }

// Client returns the API's client, or nil while the cluster is not up.
func (c *Cluster) Client() *Client {
	select {
	case <-c.ready:
		return c.client
	default:
		return nil
	}
}

// laterAfter is how long the first model has the machine to itself before
// things come that only people look at.
const laterAfter = 20 * time.Second

// Run waits for the API, applies what a fresh cluster lacks, calls ready when
// the node is, and keeps the cluster in step until ctx ends.
func (c *Cluster) Run(ctx context.Context, h *supervise.Handle, images Images, ready func()) error {
	client, err := connect(ctx, c.cfg)
	if err != nil {
		return err
	}
	client.done = ctx.Done()
	// Flannel waits for a role that K3s' packaged manifests would bring, so
	// this comes before the node can be ready.
	if err := client.applySystem(ctx, "rbac.yaml"); err != nil {
		return err
	}
	if err := client.retire(ctx); err != nil {
		return err
	}
	// Only after retire: an earlier version ran pods in their place.
	runControllers(ctx, h.Log(), c.cfg.Controllers, client.rest)
	go c.serveMetrics(ctx, h.Log(), client)
	if err := client.waitCA(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		manifest string
		images   []string
	}{
		{"ports.yaml", nil},
		{"local-path.yaml", nil},
		{"coredns.yaml", []string{"coredns"}},
		{"traefik.yaml", []string{"traefik"}},
		{"services.yaml", nil},
	} {
		if len(step.images) > 0 {
			if err := images.Wait(ctx, step.images...); err != nil {
				return err
			}
		}
		if err := client.applySystem(ctx, step.manifest); err != nil {
			return err
		}
	}
	if c.cfg.GPU != nil {
		go c.offerGPUs(ctx, h.Log(), client, images)
	}
	// A DNS pod of the last start reads a changed configuration now, not in a
	// minute.
	if err := client.refreshDNS(ctx); err != nil {
		return err
	}
	h.Progress("waiting for the node to be ready")
	if err := client.waitNodeReady(ctx, c.cfg.NodeName); err != nil {
		return err
	}
	if err := images.Wait(ctx); err != nil {
		return err
	}
	client.images = images
	c.client = client
	close(c.ready)
	ready()
	go client.followCertNames(ctx, h.Log())
	client.watchPulls(ctx, h.Log())
	go c.later(ctx, h.Log(), client)
	for {
		select {
		case <-c.cfg.Resolver.Changed():
			if err := client.applyNameservers(ctx); err != nil && ctx.Err() == nil {
				h.Log().Error("names outside the lab are asked where they were before, until the next change or start", "err", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// offerGPUs starts the device plugin. Nothing waits for it: the first model is
// served while its image is imported.
func (c *Cluster) offerGPUs(ctx context.Context, log *slog.Logger, client *Client, images Images) {
	err := images.Wait(ctx, "gpu")
	if err == nil {
		err = client.applySystem(ctx, "gpu.yaml")
	}
	if err != nil && ctx.Err() == nil {
		log.Error("pods are offered no GPUs until the next start", "err", err)
	}
}

// later does what can wait until the first model is served: only people look at
// the ingress' front page, and GPUs that are no more harm nobody.
func (c *Cluster) later(ctx context.Context, log *slog.Logger, client *Client) {
	if !wait(ctx, laterAfter) {
		return
	}
	c.showFront(ctx, log, client)
	if c.cfg.GPU == nil {
		if err := client.forgetGPUs(ctx); err != nil && ctx.Err() == nil {
			log.Error("the node may still be labelled with GPUs that it has no more, until the next start", "err", err)
		}
	}
}

// showFront applies the ingress' front page, or removes it.
func (c *Cluster) showFront(ctx context.Context, log *slog.Logger, client *Client) {
	apply := client.applySystem
	if !c.cfg.FrontPage {
		apply = client.removeSystem
	}
	if err := apply(ctx, "front.yaml"); err != nil && ctx.Err() == nil {
		log.Error("the ingress' front page is not as configured until the next start", "err", err)
	}
}
