package k3s

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	agentcontainerd "github.com/k3s-io/k3s/pkg/agent/containerd"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/images"
)

// Config is what the K3s unit needs to know.
type Config struct {
	Dir         string // K3s' data dir, absolute
	BinDir      string // where runc, the shim and the CNI plugins are installed
	RunDir      string // cleared at reboot, absolute
	NodeName    string // stays the same for the life of the data dir
	NodeAddress net.IP // stable IPv4 address that the appliance owns
	Bundle      *images.Bundle
	ImagesDir   string // image archives that are put here are loaded
	// Unused names bundled images that nothing will run; they stay in the binary.
	Unused []string
	// Late names bundled images that nothing of a start waits for: only who names
	// one waits for it.
	Late []string
	// OnDemand names bundled images that no start imports, only who needs one.
	OnDemand []string
	// RuncAlias is a second name of runc for runtime classes, if it is set.
	RuncAlias string
	// TakeSignals is called when K3s has registered its signal handlers, so
	// that the caller can take SIGINT and SIGTERM back.
	TakeSignals func()
	// CaptureStderr sends what libraries write to os.Stderr to a writer, a line
	// at a time, instead of the log.
	CaptureStderr func(io.Writer)
	// Up brings up what runs on K3s, calls ready when the node is usable, and
	// goes on until ctx ends. When it is called, the API may not
	// answer yet.
	Up func(ctx context.Context, h *supervise.Handle, images Images, ready func()) error
	// ResolvConf is the file for pods that use the node's resolver. It always
	// exists.
	ResolvConf string
	// Log gets K3s' output besides the unit's buffer.
	Log io.Writer

	// CertNames are names and addresses, besides those found on the machine,
	// that the API server's certificate is valid for.
	CertNames []string
}

// nodePodNetwork is the node's part of the pod network: K3s gives the first
// node the first /24.
const nodePodNetwork = "10.42.0.0/24"

// Kubeconfig returns the path of the administrator's kubeconfig.
func (c Config) Kubeconfig() string { return filepath.Join(c.Dir, "kubeconfig.yaml") }

// TLSDir returns where K3s keeps the keys and certificates of its servers.
func (c Config) TLSDir() string { return filepath.Join(c.Dir, "server", "tls") }

// VolumeDir returns where the volumes of StorageClass local-path lie.
func (c Config) VolumeDir() string { return filepath.Join(c.Dir, "volumes") }

// args returns the command line of the K3s server; its certificate will be
// valid for names.
func (c Config) args(snapshotter string, names []string) []string {
	args := []string{"k3s", "server",
		"--data-dir=" + c.Dir,
		"--write-kubeconfig=" + c.Kubeconfig(), "--write-kubeconfig-mode=0600",
		"--node-name=" + c.NodeName, "--node-ip=" + c.NodeAddress.String(),
		"--advertise-address=" + c.NodeAddress.String(),
		"--cluster-cidr=" + mlops.PodNetwork, "--service-cidr=" + mlops.ServiceNetwork, "--cluster-dns=" + mlops.ClusterDNS,
		// host-gw needs no kernel module; one node has no peers to encapsulate for.
		"--flannel-backend=host-gw", "--flannel-iface=" + mlops.NodeInterface,
		"--pause-image=" + c.Bundle.Ref("pause"),
		"--snapshotter=" + snapshotter,
		// Our own manifests do their work, or one node does not need them.
		"--disable=coredns,servicelb,traefik,local-storage,metrics-server,runtimes",
		"--disable-cloud-controller", "--disable-helm-controller", "--disable-network-policy",
		// Without it K3s asks 8.8.8.8 if the machine's resolver is a local one.
		"--resolv-conf=" + c.ResolvConf,
		"--kubelet-arg=fail-cgroupv1=false",
		// Only memory evicts: with a full disk the pods that serve must go on
		// serving, and bundled images could not be pulled again.
		"--kubelet-arg=eviction-hard=memory.available<100Mi",
		"--kubelet-arg=image-gc-high-threshold=100",
		// A full disk keeps the kubelet from saying that it lives. Where there is one
		// node, nobody gains if its pods are called not ready for that: the ingress
		// would stop sending requests to servers that answer.
		"--kube-controller-manager-arg=node-monitor-grace-period=24h",
		// The defaults write sysctls that a container may be forbidden to write.
		"--kube-proxy-arg=conntrack-max-per-core=0",
		"--kube-proxy-arg=conntrack-tcp-timeout-established=0s",
		"--kube-proxy-arg=conntrack-tcp-timeout-close-wait=0s",
	}
	for _, name := range names {
		args = append(args, "--tls-san="+name)
	}
	return args
}

// prepare writes the files that K3s and containerd read, and returns the
// snapshotter to use.
func (c Config) prepare() (snapshotter string, err error) {
	dropins := filepath.Join(c.Dir, "agent", "etc", "containerd", "config-v3.toml.d")
	for _, dir := range []string{dropins, filepath.Join(c.Dir, "server", "db"), c.autoDeployed(), filepath.Join(c.Dir, "agent", "containerd"), c.RunDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fmt.Errorf("create directory: %w", err)
		}
	}
	// Without CAP_SYS_RESOURCE (LXC, some CI machines) runc may not lower an
	// OOM score; then containerd must not ask for it.
	dropin := fmt.Sprintf("version = 3\n[plugins.'io.containerd.cri.v1.runtime']\n  restrict_oom_score_adj = %t\n", !canLowerOOMScore())
	if err := os.WriteFile(filepath.Join(dropins, "10-benchtop.toml"), []byte(dropin), 0o600); err != nil {
		return "", fmt.Errorf("write containerd configuration: %w", err)
	}
	if err := c.writeCNI(); err != nil {
		return "", err
	}
	if err := agentcontainerd.OverlaySupported(filepath.Join(c.Dir, "agent", "containerd")); err != nil {
		return "native", nil //nolint:nilerr // no overlayfs here: copying layers works everywhere
	}
	return "overlayfs", nil
}

// autoDeployed is the folder whose manifests K3s applies, as its users expect.
// Ours are elsewhere: they need an order, and K3s reads this folder every 15 s.
func (c Config) autoDeployed() string { return filepath.Join(c.Dir, "server", "manifests") }

func (c Config) cniConf() string { return filepath.Join(c.Dir, "agent", "cni.conflist") }

// writeCNI writes the pod network: a bridge with host-local addresses, and
// portmap for the ingress' host ports. The CNI project's plugins are used
// because flannel's own plugin is not published as a Go module.
func (c Config) writeCNI() error {
	type m map[string]any
	conf := m{"name": "benchtop", "cniVersion": "1.0.0", "plugins": []m{
		{
			"type": "bridge", "bridge": mlops.PodBridge, "isGateway": true, "isDefaultGateway": true, "ipMasq": true,
			"hairpinMode": true, "forceAddress": true,
			"ipam": m{
				"type": "host-local", "ranges": [][]m{{{"subnet": nodePodNetwork}}},
				// Addresses are given out per boot: pods do not outlive one.
				"dataDir": filepath.Join(c.RunDir, "cni"),
			},
		},
		{"type": "portmap", "capabilities": m{"portMappings": true}, "snat": true},
	}}
	b, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return fmt.Errorf("encode CNI configuration: %w", err)
	}
	if err := os.WriteFile(c.cniConf(), b, 0o600); err != nil {
		return fmt.Errorf("write CNI configuration: %w", err)
	}
	return nil
}
