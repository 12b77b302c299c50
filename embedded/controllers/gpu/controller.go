// Package gpu keeps a node in step with what its GPUs are: it labels the node,
// and has the agent on the node share and cut the GPUs as NVIDIA's ConfigMaps and
// the node's labels say. See ../DESIGN.md.
package gpu

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
	"github.com/benchtop-lab/benchtop/embedded/controllers"
)

// labelSimulated is on the node while its GPUs are simulated.
const labelSimulated = "benchtop.dev/gpu-simulated"

// Values of the label cluster.LabelMIGState.
const (
	migPending = "pending"
	migSuccess = "success"
	migFailed  = "failed"
)

// Agent is what opens the driver on the node.
type Agent interface {
	// Next waits until what is offered differs from a generation, or wait is over.
	Next(ctx context.Context, since int64, wait time.Duration) (mlops.GPUState, error)
	// Configure has NVIDIA's plugin run with a configuration of its format.
	Configure(ctx context.Context, config []byte) (mlops.GPUState, error)
	// Partition cuts GPUs as the entries of mig-parted's format, as JSON, say.
	Partition(ctx context.Context, layout json.RawMessage) (mlops.GPUState, error)
}

// Config says which node it is about.
type Config struct {
	Node  string
	Agent Agent
}

// Controller keeps the node in step.
type Controller struct {
	cfg Config

	client   kubernetes.Interface
	log      *slog.Logger
	recorder record.EventRecorder

	mu       sync.Mutex
	sharing  mlops.GPUSharing  // the part of it that Kubernetes' objects decide
	wrong    []string          // ConfigMaps that can't be read, and why
	own      map[string]string // what our ConfigMap held when sharing was made
	asked    atomic.Int64      // how often Share has asked: what was refused may be asked again
	answered int64             // the asked that sharing takes account of
	kicked   chan struct{}     // has a signal when the loop is to look
	sharers  sync.Mutex        // one Share at a time
	changed  chan struct{}     // closed at the next change of sharing

	// What the agent was told last; nil if it was told nothing. Only the loop
	// of run uses them.
	configured  *told
	partitioned *told
	heard       int64    // the asked that the agent was told for
	known       bool     // these are the GPUs that the node's labels are about
	labelled    []string // the keys that were set last: the node's annotation may be on its way
}

// told is what the agent was told, and why it refused.
type told struct{ body, refusal string }

// New returns a controller that does not run yet.
func New(cfg Config) *Controller {
	return &Controller{cfg: cfg, changed: make(chan struct{}), kicked: make(chan struct{}, 1)}
}

// Name is the controller's name in the log.
func (*Controller) Name() string { return "gpu" }

// Pauses between two questions.
const (
	longest = time.Minute     // the agent answers earlier if something changes
	again   = 2 * time.Second // while it does not answer, or refuses what may pass
	// The agent keeps GPUs that wait to be cut from other pods for ten seconds
	// after each question.
	longestRetry = 8 * time.Second
)

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context, kube *rest.Config, log *slog.Logger) error {
	client, err := kubernetes.NewForConfig(kube)
	if err != nil {
		return fmt.Errorf("build Kubernetes client: %w", err)
	}
	return c.run(ctx, client, log)
}

func (c *Controller) run(ctx context.Context, client kubernetes.Interface, log *slog.Logger) error {
	c.mu.Lock()
	c.client, c.log, c.recorder = client, log, controllers.NewRecorder(ctx, client)
	c.mu.Unlock()
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { kick(c.kicked) },
		UpdateFunc: func(any, any) { kick(c.kicked) },
		DeleteFunc: func(any) { kick(c.kicked) },
	}
	var stores []cache.Store
	watch := func(informer cache.SharedIndexInformer) error {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		go informer.RunWithContext(ctx)
		if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			return ctx.Err()
		}
		stores = append(stores, informer.GetStore())
		return nil
	}
	node := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(onlyLabels),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector("metadata.name", c.cfg.Node).String()
		}))
	if err := watch(node.Core().V1().Nodes().Informer()); err != nil {
		return err
	}
	for _, namespace := range Namespaces {
		f := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace), informers.WithTransform(onlyConfigs))
		if err := watch(f.Core().V1().ConfigMaps().Informer()); err != nil {
			return err
		}
	}
	states := make(chan *mlops.GPUState)
	go c.follow(ctx, states)

	var state *mlops.GPUState
	pause := again
	for {
		var retry <-chan time.Time
		if state != nil {
			if err := c.sync(ctx, stores, state); err != nil && ctx.Err() == nil {
				log.Warn("the node's GPUs are not as they should be yet", "err", err)
				retry = time.After(pause)
				pause = min(2*pause, longestRetry)
			} else {
				pause = again
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case state = <-states:
			if state == nil { // the next agent may be another one
				c.configured, c.partitioned = nil, nil
			}
		case <-c.kicked:
		case <-retry:
		}
	}
}

func kick(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// onlyLabels drops what the controller does not look at.
func onlyLabels(o any) (any, error) {
	if n, ok := o.(*corev1.Node); ok {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: n.UID, Labels: n.Labels, Annotations: map[string]string{cluster.GPULabels: n.Annotations[cluster.GPULabels]}, ResourceVersion: n.ResourceVersion}}, nil
	}
	return o, nil
}

// onlyConfigs drops what ConfigMaps of others hold.
func onlyConfigs(o any) (any, error) {
	m, ok := o.(*corev1.ConfigMap)
	if !ok {
		return o, nil
	}
	out := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion}}
	for key, text := range m.Data {
		if mayBeConfig(text) {
			if out.Data == nil {
				out.Data = map[string]string{}
			}
			out.Data[key] = text
		}
	}
	return out, nil
}

// follow passes on every state of the agent, and nil when it does not answer.
func (c *Controller) follow(ctx context.Context, states chan<- *mlops.GPUState) {
	var since int64
	for ctx.Err() == nil {
		state, err := c.cfg.Agent.Next(ctx, since, longest)
		next := &state
		if err != nil { // its pod starts, or has just ended
			next, state.Generation = nil, 0
		} else if state.Generation == since {
			continue
		}
		since = state.Generation
		select {
		case states <- next:
		case <-ctx.Done():
		}
		if next == nil {
			select {
			case <-time.After(again):
			case <-ctx.Done():
			}
		}
	}
}

// sync brings GPUs and node in step.
func (c *Controller) sync(ctx context.Context, stores []cache.Store, state *mlops.GPUState) error {
	var node *corev1.Node
	var found []*corev1.ConfigMap
	for _, s := range stores {
		for _, o := range s.List() {
			switch o := o.(type) {
			case *corev1.Node:
				node = o
			case *corev1.ConfigMap:
				found = append(found, o)
			}
		}
	}
	if node == nil {
		return nil // it is about to be registered
	}
	k := readConfigs(found)
	if others := node.Labels[labelSimulated] != ""; node.Annotations[cluster.GPULabels] != "" && others != state.GPUs.Simulated && !c.known {
		return c.forgetSharing(ctx)
	}
	c.known = true
	asked := c.asked.Load()
	if asked != c.heard {
		c.configured, c.partitioned, c.heard = nil, nil, asked
	}
	sharing := mlops.GPUSharing{MIGConfig: node.Labels[cluster.LabelMIG]}
	after, err := c.partition(ctx, node, k, *state, &sharing)
	// Turns are taken also while partitions wait for a pod to end.
	configured, cerr := c.configure(ctx, node, k, after, &sharing)
	*state, err = configured, errors.Join(err, cerr)
	c.set(sharing, asked, k.wrong, found)
	if lerr := c.label(ctx, node, *state, sharing); err == nil {
		err = lerr
	}
	return err
}

// forgetSharing takes back how GPUs of another kind were shared: what was
// practised on simulated ones must not cut real ones, without anybody having
// asked. The change of the node's labels has the controller look again.
func (c *Controller) forgetSharing(ctx context.Context) error {
	c.log.Info("how GPUs were shared is forgotten: simulated ones have taken the place of real ones, or the other way round")
	return cluster.ForgetGPUs(ctx, c.client, c.cfg.Node)
}

// set notes how GPUs are shared; who waits for it is told.
func (c *Controller) set(s mlops.GPUSharing, asked int64, wrong []string, found []*corev1.ConfigMap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sharing, c.answered, c.wrong, c.own = s, asked, wrong, nil
	for _, m := range found {
		if m.Namespace == cluster.GPUSharingNamespace && m.Name == cluster.GPUSharing {
			c.own = m.Data
		}
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// Sharing returns what Kubernetes' objects say about how GPUs are shared.
func (c *Controller) Sharing() mlops.GPUSharing {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sharing
	for _, w := range c.wrong {
		s.Problem = strings.TrimPrefix(s.Problem+"; "+w, "; ")
	}
	return s
}

// look is what came of the last look at Kubernetes' objects.
type look struct {
	own     map[string]string // what our ConfigMap held
	sharing mlops.GPUSharing
	asked   int64 // how often Share had asked before it
}

// last returns the last look, and a channel that is closed at the next.
func (c *Controller) last() (look, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return look{c.own, c.sharing, c.answered}, c.changed
}

// partition cuts the GPUs as the node's label says. Without the label they stay
// as they are.
func (c *Controller) partition(ctx context.Context, node *corev1.Node, k known, state mlops.GPUState, sharing *mlops.GPUSharing) (mlops.GPUState, error) {
	name := sharing.MIGConfig
	if name == "" {
		return state, nil
	}
	layout, ok := k.mig[name]
	if !ok {
		if layout, ok = builtinLayout(name, state.GPUs.GPUs); !ok {
			sharing.MIGState = migFailed
			sharing.Problem = fmt.Sprintf("the node's label %s names %s, and no ConfigMap has a layout of that name: expected one of %s", cluster.LabelMIG, name, strings.Join(layoutNames(k, state.GPUs.GPUs), ", "))
			return state, nil
		}
	}
	body, err := layout.encode()
	if err != nil {
		return state, err
	}
	if c.partitioned != nil && c.partitioned.body == string(body) {
		sharing.MIGState = migSuccess
		if c.partitioned.refusal != "" {
			sharing.MIGState, sharing.Problem = migFailed, c.partitioned.refusal
		}
		return state, nil
	}
	if node.Labels[cluster.LabelMIGState] != migPending {
		if err := c.patch(ctx, map[string]any{cluster.LabelMIGState: migPending}, nil); err != nil {
			return state, err
		}
	}
	sharing.MIGState = migPending
	after, err := c.cfg.Agent.Partition(ctx, body)
	if err != nil {
		sharing.Problem = fmt.Sprintf("MIG layout %s: %s", name, mlops.MessageOf(err))
		if code := mlops.CodeOf(err); code != mlops.Invalid && code != mlops.NotFound {
			// Mostly a pod that holds one: it goes on when that has ended.
			return state, fmt.Errorf("partition GPUs: %w", err)
		}
		sharing.MIGState = migFailed
		c.partitioned = &told{string(body), sharing.Problem}
		c.recorder.Event(node, corev1.EventTypeWarning, "MIGConfigFailed", sharing.Problem)
		return state, nil
	}
	c.partitioned = &told{body: string(body)}
	c.configured = nil // the agent may have changed the strategy
	sharing.MIGState = migSuccess
	c.log.Info("GPUs are partitioned", "layout", name)
	return after, nil
}

// configure has the plugin run with the configuration that is in force.
func (c *Controller) configure(ctx context.Context, node *corev1.Node, k known, state mlops.GPUState, sharing *mlops.GPUSharing) (mlops.GPUState, error) {
	chosen, err := k.choose(node.Labels[cluster.LabelGPUConfig])
	if err != nil {
		sharing.Problem = mlops.MessageOf(err)
		return state, nil
	}
	if chosen.key != "" {
		sharing.Config, sharing.Source = chosen.key, chosen.source()
	}
	body, err := withStrategy(chosen.text, strategy(state.GPUs.GPUs))
	if err != nil {
		sharing.Problem = fmt.Sprintf("ConfigMap %s, key %s: %v", sharing.Source, chosen.key, err)
		return state, nil
	}
	if c.configured != nil && c.configured.body == string(body) {
		sharing.Problem = cmp.Or(c.configured.refusal, sharing.Problem)
		return state, nil
	}
	after, err := c.cfg.Agent.Configure(ctx, body)
	if err != nil {
		if code := mlops.CodeOf(err); code != mlops.Invalid && code != mlops.NotFound {
			if code == mlops.InvalidState {
				sharing.Problem = mlops.MessageOf(err) // it may pass
			}
			return state, fmt.Errorf("configure the device plugin: %w", err)
		}
		sharing.Problem = fmt.Sprintf("ConfigMap %s, key %s: %s", sharing.Source, chosen.key, mlops.MessageOf(err))
		c.configured = &told{string(body), sharing.Problem}
		c.recorder.Event(node, corev1.EventTypeWarning, "DevicePluginConfigRefused", sharing.Problem)
		return state, nil
	}
	c.configured = &told{body: string(body)}
	c.log.Info("the device plugin is configured", "config", sharing.Config, "from", sharing.Source)
	return after, nil
}

// label makes the node's labels say what its GPUs are.
func (c *Controller) label(ctx context.Context, node *corev1.Node, state mlops.GPUState, sharing mlops.GPUSharing) error {
	want := maps.Clone(state.GPUs.Labels)
	if want == nil {
		want = map[string]string{}
	}
	if len(state.GPUs.GPUs) > 0 {
		want["nvidia.com/gpu.present"] = "true"
	}
	change := map[string]any{}
	for _, key := range append(strings.Split(node.Annotations[cluster.GPULabels], ","), c.labelled...) {
		if _, stays := want[key]; !stays && key != "" {
			change[key] = nil
		}
	}
	for key, value := range want {
		if node.Labels[key] != value {
			change[key] = value
		}
	}
	if state := sharing.MIGState; state != "" && node.Labels[cluster.LabelMIGState] != state {
		change[cluster.LabelMIGState] = state
	}
	if sharing.MIGConfig == "" && node.Labels[cluster.LabelMIGState] != "" {
		change[cluster.LabelMIGState] = nil
	}
	own := strings.Join(slices.Sorted(maps.Keys(want)), ",")
	if len(change) == 0 && node.Annotations[cluster.GPULabels] == own {
		return nil
	}
	if err := c.patch(ctx, change, map[string]any{cluster.GPULabels: own}); err != nil {
		return err
	}
	c.labelled = slices.Sorted(maps.Keys(want))
	return nil
}

// patch changes labels and annotations of the node; nil removes one.
func (c *Controller) patch(ctx context.Context, labels, annotations map[string]any) error {
	meta := map[string]any{"labels": labels}
	if annotations != nil {
		meta["annotations"] = annotations
	}
	b, err := json.Marshal(map[string]any{"metadata": meta})
	if err != nil {
		return fmt.Errorf("write labels: %w", err)
	}
	if _, err := c.client.CoreV1().Nodes().Patch(ctx, c.cfg.Node, types.MergePatchType, b, metav1.PatchOptions{FieldManager: "benchtop"}); err != nil {
		return fmt.Errorf("label node %s: %w", c.cfg.Node, err)
	}
	return nil
}
