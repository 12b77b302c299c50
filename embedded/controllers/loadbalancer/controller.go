// Package loadbalancer gives Services of type LoadBalancer the machine's own
// addresses on its networks. kube-proxy then answers there by itself, without
// pods and without this process. See ../DESIGN.md.
package loadbalancer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/benchtop-lab/benchtop/embedded/controllers"
	"github.com/benchtop-lab/benchtop/embedded/lan"
)

// Config is what the controller needs to know of the machine.
type Config struct {
	NodeAddress net.IP         // the appliance's own address, which the LAN does not know
	Ingress     string         // namespace/name of the ingress' Service; its traffic comes by host ports
	Ports       map[int]string // TCP ports of the lab itself, with what they are for
	// Listener names the program that listens on a port at one of the
	// addresses, "" if none does.
	Listener func(network string, port int, at []net.IP) string
}

// Controller fills in the addresses of Services.
type Controller struct {
	controllers.Report
	cfg Config

	client   kubernetes.Interface
	log      *slog.Logger
	recorder record.EventRecorder
	said     map[types.UID]string // the last event of a Service
}

// New returns a controller that does not run yet.
func New(cfg Config) *Controller { return &Controller{cfg: cfg, said: map[types.UID]string{}} }

// Name is the controller's name in the log.
func (*Controller) Name() string { return "load balancer" }

// again is the pause before a taken port is looked at again: the kernel does
// not tell when a listener goes. Without a problem nothing is looked at.
const again = 10 * time.Second

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context, kube *rest.Config, log *slog.Logger) error {
	client, err := kubernetes.NewForConfig(kube)
	if err != nil {
		return fmt.Errorf("build Kubernetes client: %w", err)
	}
	return c.run(ctx, client, log)
}

func (c *Controller) run(ctx context.Context, client kubernetes.Interface, log *slog.Logger) error {
	addresses, err := lan.Watch(ctx, c.cfg.NodeAddress, func(err error) { log.Error("addresses of load balancers may be old until the next start", "err", err) })
	if err != nil {
		return err
	}
	c.client, c.log, c.recorder = client, log, controllers.NewRecorder(ctx, client)

	changed := make(chan struct{}, 1)
	kick := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	// A Service that gets another type leaves this list; the API server clears
	// its addresses.
	only := fields.OneTermEqualSelector("spec.type", string(corev1.ServiceTypeLoadBalancer)).String()
	services, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				o.FieldSelector = only
				return client.CoreV1().Services("").List(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				o.FieldSelector = only
				return client.CoreV1().Services("").Watch(ctx, o)
			},
		}, client),
		ObjectType: &corev1.Service{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { kick() },
			UpdateFunc: func(any, any) { kick() },
			DeleteFunc: func(any) { kick() },
		},
	})
	go informer.Run(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil // asked to end
	}
	var at []net.IP
	for {
		var retry <-chan time.Time
		select {
		case at = <-addresses:
			log.Info("addresses of this machine", "addresses", at)
		default:
		}
		if c.sync(ctx, services.List(), at) {
			retry = time.After(again)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case at = <-addresses:
			log.Info("addresses of this machine", "addresses", at)
		case <-retry:
		}
	}
}

// sync brings every Service's status up to date. It reports whether one of them
// must be looked at again even without a change.
func (c *Controller) sync(ctx context.Context, list []any, at []net.IP) (retry bool) {
	var services []*corev1.Service
	for _, o := range list {
		if s := o.(*corev1.Service); s.Spec.LoadBalancerClass == nil && s.DeletionTimestamp == nil {
			services = append(services, s)
		}
	}
	// A Service that has a port keeps it; otherwise the older Service gets it.
	slices.SortFunc(services, func(a, b *corev1.Service) int {
		return cmp.Or(
			cmp.Compare(len(b.Status.LoadBalancer.Ingress), len(a.Status.LoadBalancer.Ingress)),
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(nameOf(a), nameOf(b)))
	})
	var problems []controllers.Problem
	if len(at) == 0 {
		problems = append(problems, controllers.Problem{About: "network", Detail: "this machine has no address on one; only it itself reaches the lab",
			Fix: "connect a network cable or wifi; the lab takes the new address over by itself"})
	}
	p := newPlan(ctx, c.cfg, c.client, at)
	said := map[types.UID]string{}
	for _, s := range services {
		ingress, problem := p.decide(s)
		if !reflect.DeepEqual(ingress, s.Status.LoadBalancer.Ingress) {
			if err := c.publish(ctx, s, ingress); err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
				c.log.Error("cannot set the addresses of a Service; trying again", "service", nameOf(s), "err", err)
				retry = true
			}
		}
		if problem == nil {
			continue
		}
		retry = retry || problem.reason == portTaken
		text := problem.Error()
		if c.said[s.UID] != text {
			c.recorder.Event(s, corev1.EventTypeWarning, problem.reason, text)
		}
		said[s.UID] = text
		problems = append(problems, controllers.Problem{About: "Service " + nameOf(s), Detail: "no address, because " + problem.detail, Fix: problem.fix})
	}
	c.said = said
	if err := p.failed; err != nil && ctx.Err() == nil {
		c.log.Error("cannot see which ports are taken; trying again", "err", err)
		retry = true
	}
	c.Set(problems)
	return retry
}

func (c *Controller) publish(ctx context.Context, s *corev1.Service, ingress []corev1.LoadBalancerIngress) error {
	// A merge patch replaces the list; null removes it.
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": ingress}}})
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	if _, err := c.client.CoreV1().Services(s.Namespace).Patch(ctx, s.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "benchtop"}, "status"); err != nil {
		return fmt.Errorf("set status of Service %s: %w", nameOf(s), err)
	}
	c.log.Info("addresses of a Service", "service", nameOf(s), "addresses", ips(ingress))
	return nil
}

func nameOf(s *corev1.Service) string { return s.Namespace + "/" + s.Name }

func ips(ingress []corev1.LoadBalancerIngress) (out []string) {
	for _, i := range ingress {
		out = append(out, i.IP)
	}
	return out
}

// portTaken is the only reason whose end is not reported by anything.
const portTaken = "PortTaken"

// problem is why a Service gets no address.
type problem struct{ reason, detail, fix string }

func (p *problem) Error() string { return p.detail + ": " + p.fix }
