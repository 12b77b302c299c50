package appliance

import (
	"context"
	"net"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
	"github.com/benchtop-lab/benchtop/embedded/controllers/localpath"
	"github.com/benchtop-lab/benchtop/embedded/controllers/resourcemetrics"
	"github.com/benchtop-lab/benchtop/embedded/images"
	"github.com/benchtop-lab/benchtop/embedded/k3s"
)

// buildKubernetes makes K3s and what is done with its API. They know each
// other only by what is passed on here.
func (a *Appliance) buildKubernetes(bundle *images.Bundle) {
	nodeAddress := net.ParseIP(a.cfg.NodeAddress)
	cfg := k3s.Config{
		Dir: a.paths.Dir("k3s"), BinDir: a.paths.Bin(), RunDir: RunDir, NodeName: a.node, NodeAddress: nodeAddress, Bundle: bundle, ImagesDir: a.paths.Images(),
		CertNames: splitList(a.cfg.TLSSAN), ResolvConf: a.dns.ResolvConf(), OnDemand: []string{"lab-shell", "lab-build"}, TakeSignals: a.takeSignals, CaptureStderr: a.logs.capture, Log: a.logs,
		Up: func(ctx context.Context, h *supervise.Handle, images k3s.Images, ready func()) error {
			return a.cluster.Run(ctx, h, images, ready)
		},
	}
	controllers := []cluster.Controller{}
	if a.gpus.any() {
		cfg.RuncAlias, cfg.Late = "nvidia", []string{"gpu"}
		controllers = append(controllers, a.gpus.controller)
	} else {
		cfg.Unused = []string{"gpu"}
	}
	ports := make([]int, 0, 8)
	for _, p := range a.cfg.ports() {
		ports = append(ports, p.Number)
	}
	a.network = newNetwork(a.cfg, a.node)
	a.cluster = cluster.New(cluster.Config{
		Kubeconfig: cfg.Kubeconfig(), TLSDir: cfg.TLSDir(), NodeName: a.node, NodeAddress: nodeAddress, Image: bundle.Ref, CertNames: cfg.AllCertNames,
		HTTPPort: a.cfg.HTTPPort, HTTPSPort: a.cfg.HTTPSPort, S3Port: portOf(a.cfg.S3Addr), RegistryPort: portOf(a.cfg.RegistryAddr), UIPort: portOf(a.cfg.HTTPAddr),
		LabPorts: ports, FrontPage: a.cfg.reachable(a.cfg.HTTPAddr), Resolver: a.dns,
		Controllers: append(controllers, a.network.balancer, a.network.policies, localpath.New(a.node, cfg.VolumeDir())),
		GPU:         a.gpus.clusterConfig(),
		ResourceMetrics: func() (cluster.MetricsServer, error) {
			return resourcemetrics.New(nodeAddress, cfg.Kubeconfig())
		},
	})
	a.gpus.cluster = a.cluster
	a.k3s = k3s.NewUnit(cfg)
}
