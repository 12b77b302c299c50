package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// kubelet does what a kubelet does with device plugins: it takes registrations,
// follows the devices, asks for them, and tells which pod holds which.
type kubelet struct {
	pluginapi.UnimplementedRegistrationServer
	podresources.UnimplementedPodResourcesListerServer
	ctx     context.Context
	plugins string // folder of the plugins' sockets
	servers []*grpc.Server

	mu      sync.Mutex
	offers  map[string]*offer
	held    []*podresources.PodResources
	changed chan struct{} // closed when offers change
	trouble error         // why a plugin could not be followed
}

// offer is what a plugin offers.
type offer struct {
	endpoint string
	devices  []*pluginapi.Device
}

// startKubelet serves a kubelet's sockets below dir.
func startKubelet(ctx context.Context, dir string) (*kubelet, error) {
	k := &kubelet{ctx: ctx, plugins: filepath.Join(dir, "device-plugins"), offers: map[string]*offer{}, changed: make(chan struct{})}
	for folder, register := range map[string]func(*grpc.Server){
		k.plugins:                           func(s *grpc.Server) { pluginapi.RegisterRegistrationServer(s, k) },
		filepath.Join(dir, "pod-resources"): func(s *grpc.Server) { podresources.RegisterPodResourcesListerServer(s, k) },
	} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("start a kubelet: %w", err)
		}
		lis, err := net.Listen("unix", filepath.Join(folder, "kubelet.sock"))
		if err != nil {
			return nil, fmt.Errorf("start a kubelet: %w", err)
		}
		s := grpc.NewServer()
		register(s)
		k.servers = append(k.servers, s)
		go s.Serve(lis) //nolint:errcheck // it ends by stop
	}
	return k, nil
}

func (k *kubelet) stop() {
	for _, s := range k.servers {
		s.Stop()
	}
}

// Register implements the kubelet's side of the device plugins' protocol.
func (k *kubelet) Register(_ context.Context, r *pluginapi.RegisterRequest) (*pluginapi.Empty, error) {
	if r.Version != pluginapi.Version {
		return nil, fmt.Errorf("version %s of the device plugins' protocol: expected %s", r.Version, pluginapi.Version)
	}
	o := &offer{endpoint: r.Endpoint}
	k.change(func() { k.offers[r.ResourceName] = o })
	go func() {
		if err := k.follow(o); err != nil && k.ctx.Err() == nil {
			k.change(func() { k.trouble = fmt.Errorf("follow the devices of %s: %w", r.ResourceName, err) })
		}
	}()
	return &pluginapi.Empty{}, nil
}

func (k *kubelet) change(do func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	do()
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *kubelet) client(endpoint string) (pluginapi.DevicePluginClient, func(), error) {
	conn, err := grpc.NewClient("unix://"+filepath.Join(k.plugins, endpoint), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	return pluginapi.NewDevicePluginClient(conn), func() { conn.Close() }, nil
}

func (k *kubelet) follow(o *offer) error {
	client, done, err := k.client(o.endpoint)
	if err != nil {
		return err
	}
	defer done()
	stream, err := client.ListAndWatch(k.ctx, &pluginapi.Empty{})
	if err != nil {
		return err
	}
	for {
		list, err := stream.Recv()
		if err != nil {
			return err
		}
		k.change(func() { o.devices = list.Devices })
	}
}

// await returns the healthy devices of a resource, when there are any.
func (k *kubelet) await(ctx context.Context, resource string, d time.Duration) ([]string, error) {
	timeout := time.After(d)
	for {
		k.mu.Lock()
		var ids []string
		var all int
		if o := k.offers[resource]; o != nil {
			all = len(o.devices)
			for _, dev := range o.devices {
				if dev.Health == pluginapi.Healthy {
					ids = append(ids, dev.ID)
				}
			}
		}
		changed, trouble := k.changed, k.trouble
		k.mu.Unlock()
		if len(ids) > 0 {
			slices.Sort(ids)
			return ids, nil
		}
		select {
		case <-changed:
		case <-timeout:
			return nil, fmt.Errorf("the device plugin has offered no healthy %s within %s (unhealthy ones: %d, trouble: %v)", resource, d, all, trouble)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// allocate asks the plugin for devices, and returns their CDI names.
func (k *kubelet) allocate(ctx context.Context, resource string, ids ...string) ([]string, error) {
	k.mu.Lock()
	endpoint := k.offers[resource].endpoint
	k.mu.Unlock()
	client, done, err := k.client(endpoint)
	if err != nil {
		return nil, err
	}
	defer done()
	r, err := client.Allocate(ctx, &pluginapi.AllocateRequest{ContainerRequests: []*pluginapi.ContainerAllocateRequest{{DevicesIds: ids}}})
	if err != nil {
		return nil, fmt.Errorf("ask the device plugin for %v: %w", ids, err)
	}
	var names []string
	for _, c := range r.ContainerResponses {
		if len(c.Devices)+len(c.Mounts)+len(c.Envs) > 0 {
			return nil, fmt.Errorf("the device plugin answers with devices, mounts or variables of its own, expected CDI names alone: %v", c)
		}
		for _, d := range c.CdiDevices {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the device plugin names no CDI device for %v", ids)
	}
	return names, nil
}

// give says that a pod holds devices; take, that none does.
func (k *kubelet) give(pod, resource string, ids ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = []*podresources.PodResources{{Name: pod, Namespace: "default", Containers: []*podresources.ContainerResources{
		{Name: "main", Devices: []*podresources.ContainerDevices{{ResourceName: resource, DeviceIds: ids}}}}}}
}

func (k *kubelet) take() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = nil
}

// List implements the kubelet's API of pods' resources.
func (k *kubelet) List(context.Context, *podresources.ListPodResourcesRequest) (*podresources.ListPodResourcesResponse, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &podresources.ListPodResourcesResponse{PodResources: k.held}, nil
}
