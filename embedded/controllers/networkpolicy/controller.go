// Package networkpolicy enforces NetworkPolicies with kube-router's
// controller, from the first policy on. See ../DESIGN.md.
package networkpolicy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/benchtop-lab/benchtop/embedded/controllers"
)

// Config is what the controller needs to know of the cluster.
type Config struct {
	NodeName    string
	ServiceCIDR string
}

// Controller enforces NetworkPolicies.
type Controller struct {
	controllers.Report
	cfg Config
}

// New returns a controller that does not run yet.
func New(cfg Config) *Controller { return &Controller{cfg: cfg} }

// Name is the controller's name in the log.
func (*Controller) Name() string { return "network policies" }

// pause is how long kube-router is left alone after it failed; a variable for
// tests.
var pause = 30 * time.Second

// Run works until ctx ends. Until there is a policy it only watches for one.
func (c *Controller) Run(ctx context.Context, kube *rest.Config, log *slog.Logger) error {
	client, err := kubernetes.NewForConfig(kube)
	if err != nil {
		return fmt.Errorf("build Kubernetes client: %w", err)
	}
	return c.run(ctx, client, log)
}

func (c *Controller) run(ctx context.Context, client kubernetes.Interface, log *slog.Logger) error {
	recorder := controllers.NewRecorder(ctx, client)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(slim))
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	added := make(chan struct{}, 1)
	if _, err := policies.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) {
		select {
		case added <- struct{}{}:
		default:
		}
	}}); err != nil {
		return fmt.Errorf("watch policies: %w", err)
	}
	factory.Start(ctx.Done())
	// Rules outlive the process. Rules of policies that have gone meanwhile
	// must go too.
	if leftRules() {
		added <- struct{}{}
	}
	told := map[types.UID]string{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-added:
		}
		why := missing()
		if why == "" {
			break
		}
		log.Warn("NetworkPolicies are not enforced", "why", why)
		c.refuse(recorder, policies.GetStore().List(), why, told)
	}
	c.Set(nil)
	for {
		log.Info("enforcing NetworkPolicies")
		err := c.enforce(ctx, client, factory, policies)
		if ctx.Err() != nil {
			return nil
		}
		log.Error("NetworkPolicies are not kept up to date; trying again", "err", err, "in", pause)
		c.Set([]controllers.Problem{{About: "NetworkPolicies", Detail: "are not kept up to date: " + err.Error(), Fix: "it is tried again; see `benchtop logs k3s` if it stays so"}})
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		c.Set(nil)
	}
}

// fix is the advice where policies are not enforced.
const fix = "load the kernel modules ip_set, ip_set_hash_ip, ip_set_hash_net, xt_set, xt_physdev and br_netfilter, then start benchtop again"

// refuse says on each policy that it is not enforced.
func (c *Controller) refuse(recorder record.EventRecorder, policies []any, why string, told map[types.UID]string) {
	for _, o := range policies {
		p := o.(*networkingv1.NetworkPolicy)
		if told[p.UID] != why {
			told[p.UID] = why
			recorder.Event(p, corev1.EventTypeWarning, "NotEnforced", "this policy does nothing, because "+why+": "+fix)
		}
	}
	c.Set([]controllers.Problem{{About: "NetworkPolicies", Detail: "are accepted, but not enforced: " + why, Fix: fix}})
}

// enforce runs kube-router's controller until ctx ends or it gives up. It is
// what K3s does, without a health check and metrics that tick every three
// seconds, and without a wait for a heartbeat of the node that may take
// minutes to come.
func (c *Controller) enforce(ctx context.Context, client kubernetes.Interface, factory informers.SharedInformerFactory, policies cache.SharedIndexInformer) error {
	pods, namespaces := factory.Core().V1().Pods().Informer(), factory.Core().V1().Namespaces().Informer()
	factory.Start(ctx.Done()) // once; what has started goes on
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !cache.WaitForCacheSync(ctx.Done(), policies.HasSynced, pods.HasSynced, namespaces.HasSynced) {
		return ctx.Err()
	}
	cfg := options.NewKubeRouterConfig()
	cfg.ClusterIPCIDRs = []string{c.cfg.ServiceCIDR}
	cfg.EnableIPv4, cfg.EnableIPv6 = true, false
	cfg.NodePortRange = "30000:32767"
	cfg.HostnameOverride = c.cfg.NodeName
	cfg.RunFirewall = true
	iptables, ipsets, err := netpol.NewIPTablesHandlers(cfg)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	for family, handler := range iptables {
		iptables[family] = guard{handler, failed}
	}
	npc, err := netpol.NewNetworkPolicyController(client, cfg, pods, policies, namespaces, &sync.Mutex{}, nil, iptables, ipsets)
	if err != nil {
		return fmt.Errorf("set up kube-router: %w", err)
	}
	for informer, handler := range map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		pods: npc.PodEventHandler, namespaces: npc.NamespaceEventHandler, policies: npc.NetworkPolicyEventHandler,
	} {
		registration, err := informer.AddEventHandler(handler)
		if err != nil {
			return fmt.Errorf("watch for kube-router: %w", err)
		}
		defer func() { _ = informer.RemoveEventHandler(registration) }()
	}
	// kube-router blocks unless somebody reads its heartbeats.
	alive := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for {
			select {
			case <-alive:
			case <-ctx.Done():
				return
			}
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	go npc.Run(alive, ctx.Done(), &running)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-failed:
		return err
	}
}

// slim drops what nobody here reads.
func slim(o any) (any, error) {
	if m, err := meta.Accessor(o); err == nil {
		m.SetManagedFields(nil)
	}
	if p, ok := o.(*corev1.Pod); ok {
		p.Annotations, p.Spec.Volumes, p.Spec.InitContainers, p.Status.ContainerStatuses = nil, nil, nil, nil
		for i := range p.Spec.Containers {
			p.Spec.Containers[i] = corev1.Container{Name: p.Spec.Containers[i].Name, Ports: p.Spec.Containers[i].Ports}
		}
	}
	return o, nil
}
