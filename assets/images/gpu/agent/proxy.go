package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// proxy stands between NVIDIA's device plugin and the kubelet. To the plugin it
// is the kubelet; to the kubelet it is a plugin for each resource. It passes all
// calls through, but says itself which devices are healthy: the plugin taints
// one replica of a shared GPU after an error and never heals it.
type proxy struct {
	pluginDir  string // the plugin's sockets, and ours that it registers with
	kubeletDir string // the kubelet's socket, and ours that it calls
	healthy    func(device string) bool
	changed    func() // the resources or their devices changed

	registered chan struct{} // has a signal after a registration by the plugin

	mu        sync.Mutex
	epoch     int // which run of the plugin it is
	resources map[string]*resource
	stopped   bool

	front *grpc.Server
	watch *fsnotify.Watcher
	pluginapi.UnimplementedRegistrationServer
}

// resource is an extended resource, for example nvidia.com/gpu.
type resource struct {
	p        *proxy
	name     string
	endpoint string // our socket's name in the kubelet's folder

	// Guarded by p.mu.
	epoch     int
	options   *pluginapi.DevicePluginOptions
	conn      *grpc.ClientConn
	connected bool // the plugin still serves it
	gone      bool // it is taken back
	devices   []*pluginapi.Device
	update    chan struct{} // closed when anything above changed
	known     bool          // the kubelet has accepted it
	again     chan struct{} // register with the kubelet anew

	cancel context.CancelFunc // of the stream from the plugin
	stop   context.CancelFunc // of the announcement to the kubelet
	done   chan struct{}      // the announcement has ended

	pluginapi.UnimplementedDevicePluginServer
}

func newProxy(pluginDir, kubeletDir string, healthy func(string) bool, changed func()) *proxy {
	return &proxy{pluginDir: pluginDir, kubeletDir: kubeletDir, healthy: healthy, changed: changed,
		registered: make(chan struct{}, 1), resources: map[string]*resource{}}
}

// serve takes registrations of the plugin and watches for a new kubelet, until
// stop is called.
func (p *proxy) serve() error {
	if err := os.MkdirAll(p.pluginDir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(p.pluginDir, "kubelet.sock")
	lis, err := listen(path)
	if err != nil {
		return err
	}
	watch, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	p.watch = watch
	if err := watch.Add(p.kubeletDir); err != nil {
		return fmt.Errorf("watch the kubelet's folder of device plugins for a restart of the kubelet: %w", err)
	}
	p.front = grpc.NewServer()
	pluginapi.RegisterRegistrationServer(p.front, p)
	go func() {
		if err := p.front.Serve(lis); err != nil {
			log.Printf("registration of the device plugin ended: %v", err)
		}
	}()
	go func() {
		kubelet := filepath.Join(p.kubeletDir, "kubelet.sock")
		for e := range watch.Events {
			if e.Name == kubelet && e.Has(fsnotify.Create) {
				log.Print("the kubelet made its socket anew: registering again")
				p.reannounce()
			}
		}
	}()
	go func() {
		for err := range watch.Errors {
			log.Printf("watch of %s: %v", p.kubeletDir, err)
			p.reannounce()
		}
	}()
	return nil
}

// begin says that the plugin is started now: what it offered before counts only
// until settle.
func (p *proxy) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epoch++
	select {
	case <-p.registered:
	default:
	}
}

// settle takes back what the plugin offered in an earlier run and not in this.
func (p *proxy) settle() {
	p.mu.Lock()
	var old []*resource
	for name, r := range p.resources {
		if r.epoch != p.epoch {
			old = append(old, r)
			delete(p.resources, name)
		}
	}
	p.mu.Unlock()
	for _, r := range old {
		log.Printf("%s is not offered any more", r.name)
		r.end()
	}
	if old != nil {
		p.changed()
	}
}

// stop ends all servers. The kubelet then counts their devices as unhealthy.
func (p *proxy) stop() {
	p.mu.Lock()
	p.stopped = true
	all := p.resources
	p.resources = map[string]*resource{}
	p.mu.Unlock()
	for _, r := range all {
		r.cancel()
		r.stop()
	}
	for _, r := range all {
		<-r.done
		r.conn.Close()
	}
	if p.watch != nil {
		p.watch.Close()
	}
	if p.front != nil {
		p.front.Stop()
	}
}

// refresh sends the devices to the kubelet again where their health changed.
func (p *proxy) refresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.resources {
		r.wake()
	}
}

func (p *proxy) reannounce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.resources {
		r.known = false
		select {
		case r.again <- struct{}{}:
		default:
		}
	}
}

// offer is a resource as the kubelet sees it.
type offer struct {
	name    string
	devices []*pluginapi.Device
}

// offers are the resources in the order of their names.
func (p *proxy) offers() []offer {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []offer
	for _, r := range p.resources {
		list = append(list, offer{name: r.name, devices: r.list()})
	}
	slices.SortFunc(list, func(a, b offer) int { return strings.Compare(a.name, b.name) })
	return list
}

// allKnown says whether the kubelet has accepted every resource.
func (p *proxy) allKnown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.resources {
		if !r.known {
			return false
		}
	}
	return true
}

// Register is called by the plugin for each of its resources.
func (p *proxy) Register(ctx context.Context, req *pluginapi.RegisterRequest) (*pluginapi.Empty, error) {
	if req.Version != pluginapi.Version {
		return nil, status.Errorf(codes.InvalidArgument, "the device plugin speaks version %s, expected %s", req.Version, pluginapi.Version)
	}
	if req.Endpoint == "" || req.Endpoint != filepath.Base(req.Endpoint) || req.Endpoint == "kubelet.sock" {
		return nil, status.Errorf(codes.InvalidArgument, "endpoint %q: expected the name of a socket in %s", req.Endpoint, p.pluginDir)
	}
	_, short, ok := strings.Cut(req.ResourceName, "/")
	if !ok || short == "" || strings.Contains(short, "/") {
		return nil, status.Errorf(codes.InvalidArgument, "resource %q: expected domain/name", req.ResourceName)
	}
	conn, err := dial(filepath.Join(p.pluginDir, req.Endpoint))
	if err != nil {
		return nil, err
	}
	streamCtx, cancel := context.WithCancel(context.Background())
	stream, err := pluginapi.NewDevicePluginClient(conn).ListAndWatch(streamCtx, &pluginapi.Empty{})
	var first *pluginapi.ListAndWatchResponse
	if err == nil {
		stuck := time.AfterFunc(5*time.Second, cancel)
		first, err = stream.Recv()
		stuck.Stop()
	}
	if err != nil {
		cancel()
		conn.Close()
		return nil, status.Errorf(codes.Unavailable, "list the devices of %s: %v", req.ResourceName, err)
	}

	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		cancel()
		conn.Close()
		return nil, status.Error(codes.Unavailable, "the agent is stopping")
	}
	r := p.resources[req.ResourceName]
	if r == nil {
		r = &resource{p: p, name: req.ResourceName, endpoint: "nvidia-" + short + ".sock",
			update: make(chan struct{}), again: make(chan struct{}, 1), done: make(chan struct{})}
		p.resources[req.ResourceName] = r
		var announce context.Context
		announce, r.stop = context.WithCancel(context.Background())
		go r.announce(announce)
	} else {
		r.cancel()
		r.conn.Close()
	}
	r.epoch, r.options, r.conn, r.cancel = p.epoch, req.Options, conn, cancel
	r.devices, r.connected = first.Devices, true
	r.wake()
	p.mu.Unlock()

	go r.follow(conn, stream)
	select {
	case p.registered <- struct{}{}:
	default:
	}
	p.changed()
	return &pluginapi.Empty{}, nil
}

// follow takes over what the plugin says of its devices, until the plugin ends.
func (r *resource) follow(conn *grpc.ClientConn, stream grpc.ServerStreamingClient[pluginapi.ListAndWatchResponse]) {
	for {
		list, err := stream.Recv()
		r.p.mu.Lock()
		if r.conn != conn { // a newer plugin has taken over
			r.p.mu.Unlock()
			return
		}
		if err != nil {
			r.connected = false
		} else {
			r.devices = list.Devices
		}
		r.wake()
		r.p.mu.Unlock()
		r.p.changed()
		if err != nil {
			return
		}
	}
}

// wake tells the streams to the kubelet that something changed. p.mu is held.
func (r *resource) wake() {
	close(r.update)
	r.update = make(chan struct{})
}

// list is what the kubelet shall know. p.mu is held.
func (r *resource) list() []*pluginapi.Device {
	if r.gone {
		return nil
	}
	var list []*pluginapi.Device
	for _, d := range r.devices {
		health := d.Health
		if !r.connected || !r.p.healthy(d.ID) {
			health = pluginapi.Unhealthy
		}
		list = append(list, &pluginapi.Device{ID: d.ID, Health: health, Topology: d.Topology})
	}
	return list
}

// announce serves the resource to the kubelet and registers it there, again
// after each restart of the kubelet.
func (r *resource) announce(ctx context.Context) {
	defer close(r.done)
	var server *grpc.Server
	path := filepath.Join(r.p.kubeletDir, r.endpoint)
	stop := func() {
		if server == nil {
			return
		}
		graceful := make(chan struct{})
		go func(s *grpc.Server) { s.GracefulStop(); close(graceful) }(server)
		select {
		case <-graceful:
		case <-time.After(500 * time.Millisecond):
			server.Stop()
		}
		os.Remove(path)
	}
	defer func() { stop() }()
	wait := 50 * time.Millisecond
	said := ""
	for {
		if server != nil {
			server.Stop() // its streams belong to a kubelet that is gone
		}
		server = nil
		lis, err := listen(path)
		if err == nil {
			server = grpc.NewServer()
			pluginapi.RegisterDevicePluginServer(server, r)
			go server.Serve(lis) //nolint:errcheck // it ends by Stop
			err = r.register(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		var retry <-chan time.Time
		if err != nil {
			if said != err.Error() {
				said = err.Error()
				log.Printf("register %s with the kubelet: %v; trying again", r.name, err)
			}
			retry = time.After(wait)
			wait = min(2*wait, 2*time.Second)
		} else {
			log.Printf("registered %s with the kubelet", r.name)
			wait, said = 50*time.Millisecond, ""
			r.p.mu.Lock()
			r.known = true
			r.p.mu.Unlock()
			r.p.changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-r.again:
		case <-retry:
		}
	}
}

func (r *resource) register(ctx context.Context) error {
	conn, err := dial(filepath.Join(r.p.kubeletDir, "kubelet.sock"))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r.p.mu.Lock()
	options := r.options
	r.p.mu.Unlock()
	_, err = pluginapi.NewRegistrationClient(conn).Register(ctx, &pluginapi.RegisterRequest{
		Version: pluginapi.Version, Endpoint: r.endpoint, ResourceName: r.name, Options: options})
	return err
}

// end takes the resource back: the kubelet first learns that it has no devices.
func (r *resource) end() {
	r.p.mu.Lock()
	r.gone = true
	r.wake()
	r.p.mu.Unlock()
	r.cancel()
	r.stop()
	<-r.done
	r.conn.Close()
}

// ListAndWatch tells the kubelet the devices and each change of them.
func (r *resource) ListAndWatch(_ *pluginapi.Empty, s grpc.ServerStreamingServer[pluginapi.ListAndWatchResponse]) error {
	var sent []*pluginapi.Device
	for first := true; ; first = false {
		r.p.mu.Lock()
		list, update, gone := r.list(), r.update, r.gone
		r.p.mu.Unlock()
		if first || !sameDevices(sent, list) {
			if err := s.Send(&pluginapi.ListAndWatchResponse{Devices: list}); err != nil {
				return err
			}
			sent = list
		}
		if gone {
			return nil
		}
		select {
		case <-update:
		case <-s.Context().Done():
			return nil
		}
	}
}

func sameDevices(a, b []*pluginapi.Device) bool {
	return slices.EqualFunc(a, b, func(x, y *pluginapi.Device) bool { return x.ID == y.ID && x.Health == y.Health })
}

// plugin is the connection to NVIDIA's plugin.
func (r *resource) plugin() (pluginapi.DevicePluginClient, error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if !r.connected {
		return nil, status.Error(codes.Unavailable, "NVIDIA's device plugin is being restarted; try again in a moment")
	}
	return pluginapi.NewDevicePluginClient(r.conn), nil
}

// GetDevicePluginOptions passes the kubelet's call through.
func (r *resource) GetDevicePluginOptions(ctx context.Context, in *pluginapi.Empty) (*pluginapi.DevicePluginOptions, error) {
	c, err := r.plugin()
	if err != nil {
		return nil, err
	}
	return c.GetDevicePluginOptions(ctx, in)
}

// GetPreferredAllocation passes the kubelet's call through.
func (r *resource) GetPreferredAllocation(ctx context.Context, in *pluginapi.PreferredAllocationRequest) (*pluginapi.PreferredAllocationResponse, error) {
	c, err := r.plugin()
	if err != nil {
		return nil, err
	}
	return c.GetPreferredAllocation(ctx, in)
}

// Allocate passes the kubelet's call through.
func (r *resource) Allocate(ctx context.Context, in *pluginapi.AllocateRequest) (*pluginapi.AllocateResponse, error) {
	c, err := r.plugin()
	if err != nil {
		return nil, err
	}
	return c.Allocate(ctx, in)
}

// PreStartContainer passes the kubelet's call through.
func (r *resource) PreStartContainer(ctx context.Context, in *pluginapi.PreStartContainerRequest) (*pluginapi.PreStartContainerResponse, error) {
	c, err := r.plugin()
	if err != nil {
		return nil, err
	}
	return c.PreStartContainer(ctx, in)
}

// listen makes a unix socket, in place of one that an earlier agent left.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

func dial(path string) (*grpc.ClientConn, error) {
	return grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
}
