package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
)

// TestMain lets the test's binary stand in for NVIDIA's programs: it acts by the
// name that it is called by.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "nvidia-device-plugin":
		fakePlugin()
	case "gpu-feature-discovery":
		fakeDiscovery()
	case "gpu-agent":
		main()
	default:
		os.Exit(m.Run())
	}
}

// beside reads a file in the folder of the program.
func beside(name string) (string, bool) {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), name))
	return strings.TrimSpace(string(text)), err == nil
}

type fakeResource struct {
	pluginapi.UnimplementedDevicePluginServer
	devices []*pluginapi.Device
}

func (f *fakeResource) GetDevicePluginOptions(context.Context, *pluginapi.Empty) (*pluginapi.DevicePluginOptions, error) {
	return &pluginapi.DevicePluginOptions{GetPreferredAllocationAvailable: true}, nil
}

func (f *fakeResource) ListAndWatch(_ *pluginapi.Empty, s grpc.ServerStreamingServer[pluginapi.ListAndWatchResponse]) error {
	if err := s.Send(&pluginapi.ListAndWatchResponse{Devices: f.devices}); err != nil {
		return err
	}
	<-s.Context().Done()
	return nil
}

func (f *fakeResource) GetPreferredAllocation(_ context.Context, in *pluginapi.PreferredAllocationRequest) (*pluginapi.PreferredAllocationResponse, error) {
	out := &pluginapi.PreferredAllocationResponse{}
	for _, r := range in.ContainerRequests {
		ids := slices.Sorted(slices.Values(r.AvailableDeviceIDs))
		slices.Reverse(ids) // so that it differs from what the kubelet would take
		out.ContainerResponses = append(out.ContainerResponses, &pluginapi.ContainerPreferredAllocationResponse{DeviceIDs: ids[:r.AllocationSize]})
	}
	return out, nil
}

func (f *fakeResource) Allocate(_ context.Context, in *pluginapi.AllocateRequest) (*pluginapi.AllocateResponse, error) {
	out := &pluginapi.AllocateResponse{}
	for _, r := range in.ContainerRequests {
		c := &pluginapi.ContainerAllocateResponse{}
		for _, id := range r.DevicesIds {
			c.CdiDevices = append(c.CdiDevices, &pluginapi.CDIDevice{Name: "k8s.device-plugin.nvidia.com/gpu=" + bare(id)})
		}
		out.ContainerResponses = append(out.ContainerResponses, c)
	}
	return out, nil
}

// fakePlugin registers what devices.json beside it names, each device so often
// as the configuration says.
func fakePlugin() {
	fmt.Fprintln(os.Stderr, "I1127 12:00:00.000000       1 main.go:1] Starting Plugins.")
	if text, ok := beside("fail"); ok {
		fmt.Fprintf(os.Stderr, "E1127 12:00:00.000000       1 main.go:183] %s\n", text)
		os.Exit(1)
	}
	if _, ok := beside("hang"); ok {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		return
	}
	var c config
	for _, arg := range os.Args {
		if path, ok := strings.CutPrefix(arg, "--config-file="); ok {
			text, err := os.ReadFile(path)
			if err == nil {
				c, err = parseConfig(text)
			}
			if err != nil {
				fmt.Fprintf(os.Stderr, "E1127 12:00:00.000000       1 main.go:183] %v\n", err)
				os.Exit(1)
			}
		}
	}
	if refuse, ok := beside("refuse-strategy"); ok && refuse == c.strategy {
		fmt.Fprintf(os.Stderr, "E1127 12:00:00.000000       1 main.go:183] error starting plugins: strategy %s is refused\n", refuse)
		os.Exit(1)
	}
	dir, _ := beside("plugin-dir")
	text, _ := beside("devices.json")
	var resources map[string][]string
	if err := json.Unmarshal([]byte(text), &resources); err != nil {
		panic(err)
	}
	if len(resources) == 0 {
		fmt.Fprintln(os.Stderr, "I1127 12:00:00.000000       1 main.go:200] No devices found. Waiting indefinitely.")
	}
	for name, ids := range resources {
		f := &fakeResource{}
		for _, id := range ids {
			if c.replicas == 0 {
				f.devices = append(f.devices, &pluginapi.Device{ID: id, Health: pluginapi.Healthy})
			}
			for i := range c.replicas {
				f.devices = append(f.devices, &pluginapi.Device{ID: fmt.Sprintf("%s::%d", id, i), Health: pluginapi.Healthy})
			}
		}
		endpoint := "nvidia-" + strings.TrimPrefix(name, "nvidia.com/") + ".sock"
		lis, err := listen(filepath.Join(dir, endpoint))
		if err != nil {
			panic(err)
		}
		s := grpc.NewServer()
		pluginapi.RegisterDevicePluginServer(s, f)
		go s.Serve(lis)
		conn, err := dial(filepath.Join(dir, "kubelet.sock"))
		if err != nil {
			panic(err)
		}
		_, err = pluginapi.NewRegistrationClient(conn).Register(context.Background(), &pluginapi.RegisterRequest{
			Version: pluginapi.Version, Endpoint: endpoint, ResourceName: name,
			Options: &pluginapi.DevicePluginOptions{GetPreferredAllocationAvailable: true}})
		if err != nil {
			panic(err)
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}

// fakeDiscovery writes labels that show with which settings it ran.
func fakeDiscovery() {
	if text, ok := beside("gfd-fail"); ok {
		fmt.Fprintf(os.Stderr, "E1127 12:00:00.000000       1 main.go:99] %s\n", text)
		os.Exit(1)
	}
	labels := "nvidia.com/gpu.present=true\nnvidia.com/gpu.replicas=1\n"
	for _, arg := range os.Args {
		if path, ok := strings.CutPrefix(arg, "--config-file="); ok {
			text, _ := os.ReadFile(path)
			if c, err := parseConfig(text); err == nil {
				labels = fmt.Sprintf("nvidia.com/gpu.present=true\nnvidia.com/gpu.replicas=%d\n", max(c.replicas, 1))
			}
		}
	}
	// As with several kinds: now this one, now that.
	if text, ok := beside("gfd-products"); ok {
		next, rest, _ := strings.Cut(text, "\n")
		labels += "nvidia.com/gpu.product=" + next + "\n"
		if err := os.WriteFile(filepath.Join(filepath.Dir(os.Args[0]), "gfd-products"), []byte(rest+"\n"+next), 0o644); err != nil {
			panic(err)
		}
	}
	for _, arg := range os.Args {
		if path, ok := strings.CutPrefix(arg, "--output-file="); ok {
			if err := os.WriteFile(path, []byte(labels), 0o644); err != nil {
				panic(err)
			}
		}
	}
}

// fakeKubelet is the kubelet's side: it takes registrations and follows devices.
type fakeKubelet struct {
	pluginapi.UnimplementedRegistrationServer
	podresources.UnimplementedPodResourcesListerServer
	dir string

	mu        sync.Mutex
	resources map[string][]*pluginapi.Device
	endpoints map[string]string
	count     map[string]int // registrations
	pods      []*podresources.PodResources
	server    *grpc.Server
	podServer *grpc.Server
	stop      context.CancelFunc
}

func newFakeKubelet(t *testing.T, dir string) *fakeKubelet {
	k := &fakeKubelet{dir: dir, count: map[string]int{}}
	k.start(t)
	return k
}

// start makes the sockets, as a kubelet does at its start.
func (k *fakeKubelet) start(t *testing.T) {
	t.Helper()
	var ctx context.Context
	ctx, k.stop = context.WithCancel(context.Background())
	_ = ctx
	dir := filepath.Join(k.dir, "device-plugins")
	for _, d := range []string{dir, filepath.Join(k.dir, "pod-resources")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	old, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, o := range old {
		os.Remove(o)
	}
	k.mu.Lock()
	k.resources, k.endpoints = map[string][]*pluginapi.Device{}, map[string]string{}
	k.mu.Unlock()
	lis, err := listen(filepath.Join(dir, "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	k.server = grpc.NewServer()
	pluginapi.RegisterRegistrationServer(k.server, k)
	go k.server.Serve(lis)
	lis, err = listen(filepath.Join(k.dir, "pod-resources", "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	k.podServer = grpc.NewServer()
	podresources.RegisterPodResourcesListerServer(k.podServer, k)
	go k.podServer.Serve(lis)
	t.Cleanup(k.end)
}

func (k *fakeKubelet) end() {
	k.stop()
	k.server.Stop()
	k.podServer.Stop()
}

func (k *fakeKubelet) Register(_ context.Context, req *pluginapi.RegisterRequest) (*pluginapi.Empty, error) {
	if req.Version != pluginapi.Version || !req.Options.GetPreferredAllocationAvailable {
		return nil, fmt.Errorf("unexpected registration %v", req)
	}
	k.mu.Lock()
	k.endpoints[req.ResourceName] = req.Endpoint
	k.count[req.ResourceName]++
	k.mu.Unlock()
	go k.follow(req)
	return &pluginapi.Empty{}, nil
}

func (k *fakeKubelet) follow(req *pluginapi.RegisterRequest) {
	conn, err := dial(filepath.Join(k.dir, "device-plugins", req.Endpoint))
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	s, err := pluginapi.NewDevicePluginClient(conn).ListAndWatch(context.Background(), &pluginapi.Empty{})
	for err == nil {
		var list *pluginapi.ListAndWatchResponse
		if list, err = s.Recv(); err == nil {
			k.mu.Lock()
			k.resources[req.ResourceName] = list.Devices
			k.mu.Unlock()
		}
	}
}

func (k *fakeKubelet) List(context.Context, *podresources.ListPodResourcesRequest) (*podresources.ListPodResourcesResponse, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &podresources.ListPodResourcesResponse{PodResources: k.pods}, nil
}

// give says that a pod holds devices.
func (k *fakeKubelet) give(namespace, pod, resource string, devices ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pods = append(k.pods, &podresources.PodResources{Name: pod, Namespace: namespace, Containers: []*podresources.ContainerResources{
		{Name: "main", Devices: []*podresources.ContainerDevices{{ResourceName: resource, DeviceIds: devices}}}}})
}

func (k *fakeKubelet) takeAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pods = nil
}

// seen is what the kubelet knows of a resource: healthy and all devices.
func (k *fakeKubelet) seen(resource string) (healthy, all int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range k.resources[resource] {
		all++
		if d.Health == pluginapi.Healthy {
			healthy++
		}
	}
	return healthy, all
}

func (k *fakeKubelet) client(t *testing.T, resource string) pluginapi.DevicePluginClient {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	conn, err := dial(filepath.Join(k.dir, "device-plugins", k.endpoints[resource]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pluginapi.NewDevicePluginClient(conn)
}

// fakeNVML is a driver with two A100s.
type fakeNVML struct {
	*dgxa100.Server
	events chan nvml.EventData

	mu       sync.Mutex
	initRet  nvml.Return
	action   [2]nvml.DeviceGpuRecoveryAction
	lost     [2]bool
	noAction bool
	celsius  [2]uint32
	ecc      [2]uint64

	modeRet       nvml.Return // what switching MIG on or off answers
	destroyRet    nvml.Return // what taking a part away answers
	instancesLeft int         // how many GPU instances can still be made; negative for any number
}

const gpuA, gpuB = "GPU-51b00000-0000-4000-8000-000000000000", "GPU-51b00000-0000-4000-8000-000000000001"

func (f *fakeNVML) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func newFakeNVML() *fakeNVML {
	f := &fakeNVML{Server: dgxa100.New(), events: make(chan nvml.EventData, 8)}
	f.DeviceGetCountFunc = func() (int, nvml.Return) { return 2, nvml.SUCCESS }
	f.GpmSampleAllocFunc = func() (nvml.GpmSample, nvml.Return) { return nil, nvml.ERROR_NOT_SUPPORTED }
	f.InitFunc = func() nvml.Return {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.initRet
	}
	f.instancesLeft = -1
	f.celsius = [2]uint32{40, 41}
	for i, uuid := range []string{gpuA, gpuB} {
		dev := f.Devices[i].(*dgxa100.Device)
		dev.UUID = uuid
		memory := dev.GetMemoryInfoFunc
		dev.GetMemoryInfoFunc = func() (nvml.Memory, nvml.Return) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.lost[i] {
				return nvml.Memory{}, nvml.ERROR_GPU_IS_LOST
			}
			return memory()
		}
		dev.GetUtilizationRatesFunc = func() (nvml.Utilization, nvml.Return) { return nvml.Utilization{Gpu: 40, Memory: 20}, nvml.SUCCESS }
		dev.GetTemperatureFunc = func(nvml.TemperatureSensors) (uint32, nvml.Return) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.celsius[i], nvml.SUCCESS
		}
		dev.GetTemperatureThresholdFunc = func(kind nvml.TemperatureThresholds) (uint32, nvml.Return) {
			if kind != nvml.TEMPERATURE_THRESHOLD_SLOWDOWN {
				return 0, nvml.ERROR_NOT_SUPPORTED
			}
			return 92, nvml.SUCCESS
		}
		dev.GetTotalEccErrorsFunc = func(kind nvml.MemoryErrorType, since nvml.EccCounterType) (uint64, nvml.Return) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if kind != nvml.MEMORY_ERROR_TYPE_UNCORRECTED || since != nvml.VOLATILE_ECC {
				return 0, nvml.ERROR_NOT_SUPPORTED
			}
			return f.ecc[i], nvml.SUCCESS
		}
		dev.GetClockInfoFunc = func(kind nvml.ClockType) (uint32, nvml.Return) {
			switch kind {
			case nvml.CLOCK_SM:
				return 1410, nvml.SUCCESS
			case nvml.CLOCK_MEM:
				return 1593, nvml.SUCCESS
			}
			return 0, nvml.ERROR_INVALID_ARGUMENT
		}
		dev.GetTotalEnergyConsumptionFunc = func() (uint64, nvml.Return) { return 123456789, nvml.SUCCESS }
		dev.GetPcieReplayCounterFunc = func() (int, nvml.Return) { return 3, nvml.SUCCESS }
		dev.GetEncoderUtilizationFunc = func() (uint32, uint32, nvml.Return) { return 5, 167000, nvml.SUCCESS }
		dev.GetDecoderUtilizationFunc = func() (uint32, uint32, nvml.Return) { return 0, 0, nvml.ERROR_NOT_SUPPORTED }
		dev.GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 1, 2, false, true, nvml.SUCCESS }
		dev.GetGridLicensableFeaturesFunc = func() (nvml.GridLicensableFeatures, nvml.Return) {
			return nvml.GridLicensableFeatures{}, nvml.ERROR_NOT_SUPPORTED
		}
		dev.GetMemoryInfo_v2Func = func() (nvml.Memory_v2, nvml.Return) {
			return nvml.Memory_v2{Total: 40960 << 20, Reserved: 600 << 20, Used: 1000 << 20, Free: 39360 << 20}, nvml.SUCCESS
		}
		dev.GpmQueryDeviceSupportFunc = func() (nvml.GpmSupport, nvml.Return) {
			return nvml.GpmSupport{IsSupportedDevice: uint32(i)}, nvml.SUCCESS // the second is newer
		}
		dev.GetPowerUsageFunc = func() (uint32, nvml.Return) { return 61500, nvml.SUCCESS }
		dev.GetEnforcedPowerLimitFunc = func() (uint32, nvml.Return) { return 400000, nvml.SUCCESS }
		dev.GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 7, nvml.SUCCESS }
		dev.GetMigDeviceHandleByIndexFunc = func(n int) (nvml.Device, nvml.Return) { return migHandle(dev, i, n) }
		dev.GetGpuInstanceByIdFunc = func(id int) (nvml.GpuInstance, nvml.Return) {
			for _, gi := range sortedInstances(dev) {
				if int(gi.Info.Id) == id {
					return gi, nvml.SUCCESS
				}
			}
			return nil, nvml.ERROR_NOT_FOUND
		}
		mode := dev.SetMigModeFunc
		dev.SetMigModeFunc = func(want int) (nvml.Return, nvml.Return) {
			f.mu.Lock()
			ret := f.modeRet
			f.mu.Unlock()
			if ret != nvml.SUCCESS {
				return nvml.SUCCESS, ret
			}
			return mode(want)
		}
		create := dev.CreateGpuInstanceWithPlacementFunc
		dev.CreateGpuInstanceWithPlacementFunc = func(info *nvml.GpuInstanceProfileInfo, at *nvml.GpuInstancePlacement) (nvml.GpuInstance, nvml.Return) {
			f.mu.Lock()
			left := f.instancesLeft
			f.instancesLeft--
			f.mu.Unlock()
			if left == 0 {
				return nil, nvml.ERROR_INSUFFICIENT_RESOURCES
			}
			gi, ret := create(info, at)
			g := gi.(*dgxa100.GpuInstance)
			destroy := g.DestroyFunc
			g.DestroyFunc = func() nvml.Return {
				f.mu.Lock()
				ret := f.destroyRet
				f.mu.Unlock()
				if ret != nvml.SUCCESS {
					return ret
				}
				return destroy()
			}
			g.GetComputeInstanceByIdFunc = func(id int) (nvml.ComputeInstance, nvml.Return) {
				for ci := range g.ComputeInstances {
					if int(ci.Info.Id) == id {
						return ci, nvml.SUCCESS
					}
				}
				return nil, nvml.ERROR_NOT_FOUND
			}
			return gi, ret
		}
		dev.GetSupportedEventTypesFunc = func() (uint64, nvml.Return) { return nvml.EventTypeXidCriticalError, nvml.SUCCESS }
		dev.RegisterEventsFunc = func(uint64, nvml.EventSet) nvml.Return { return nvml.SUCCESS }
		dev.GetFieldValuesFunc = func(values []nvml.FieldValue) nvml.Return {
			f.mu.Lock()
			defer f.mu.Unlock()
			for j := range values {
				if values[j].FieldId != nvml.FI_DEV_GET_GPU_RECOVERY_ACTION || f.noAction {
					values[j].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
					continue
				}
				values[j].NvmlReturn = uint32(nvml.SUCCESS)
				values[j].ValueType = uint32(nvml.VALUE_TYPE_UNSIGNED_INT)
				values[j].Value[0] = byte(f.action[i])
			}
			return nvml.SUCCESS
		}
	}
	f.EventSetCreateFunc = func() (nvml.EventSet, nvml.Return) {
		return &mock.EventSet{FreeFunc: func() nvml.Return { return nvml.SUCCESS }, WaitFunc: func(ms uint32) (nvml.EventData, nvml.Return) {
			select {
			case e := <-f.events:
				return e, nvml.SUCCESS
			case <-time.After(time.Duration(ms) * time.Millisecond / 20): // so that tests are quick
				return nvml.EventData{}, nvml.ERROR_TIMEOUT
			}
		}}, nvml.SUCCESS
	}
	return f
}

func sortedInstances(dev *dgxa100.Device) []*dgxa100.GpuInstance {
	dev.RLock()
	defer dev.RUnlock()
	return slices.SortedFunc(maps.Keys(dev.GpuInstances), func(a, b *dgxa100.GpuInstance) int { return int(a.Info.Id) - int(b.Info.Id) })
}

// migHandle is the MIG device with a number, as the driver lists them.
func migHandle(dev *dgxa100.Device, gpu, n int) (nvml.Device, nvml.Return) {
	for _, gi := range sortedInstances(dev) {
		for ci := range gi.ComputeInstances {
			if n--; n >= 0 {
				continue
			}
			return &mock.Device{
				IsMigDeviceHandleFunc:                  func() (bool, nvml.Return) { return true, nvml.SUCCESS },
				GetUUIDFunc:                            func() (string, nvml.Return) { return fmt.Sprintf("MIG-%d-%d", gpu, gi.Info.Id), nvml.SUCCESS },
				GetDeviceHandleFromMigDeviceHandleFunc: func() (nvml.Device, nvml.Return) { return dev, nvml.SUCCESS },
				GetGpuInstanceIdFunc:                   func() (int, nvml.Return) { return int(gi.Info.Id), nvml.SUCCESS },
				GetComputeInstanceIdFunc:               func() (int, nvml.Return) { return int(ci.Info.Id), nvml.SUCCESS },
				GetMemoryInfoFunc:                      func() (nvml.Memory, nvml.Return) { return nvml.Memory{Total: 4864 << 20, Used: 12 << 20}, nvml.SUCCESS },
				GetMemoryInfo_v2Func: func() (nvml.Memory_v2, nvml.Return) {
					return nvml.Memory_v2{Total: 4864 << 20, Reserved: 8 << 20, Used: 12 << 20, Free: 4844 << 20}, nvml.SUCCESS
				},
				GetAttributesFunc: func() (nvml.DeviceAttributes, nvml.Return) {
					for _, info := range dgxa100.MIGProfiles.GpuInstanceProfiles {
						if info.Id == gi.Info.ProfileId {
							return nvml.DeviceAttributes{MemorySizeMB: info.MemorySizeMB, GpuInstanceSliceCount: info.SliceCount, ComputeInstanceSliceCount: info.SliceCount}, nvml.SUCCESS
						}
					}
					return nvml.DeviceAttributes{}, nvml.ERROR_NOT_FOUND
				},
			}, nvml.SUCCESS
		}
	}
	return nil, nvml.ERROR_NOT_FOUND
}

// world is an agent with everything around it.
type world struct {
	*agent
	t       *testing.T
	dir     string
	kubelet *fakeKubelet
	stop    func() error // ends the agent and gives its error
}

func (w *world) file(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) offer(resources map[string][]string) {
	w.t.Helper()
	text, err := json.Marshal(resources)
	if err != nil {
		w.t.Fatal(err)
	}
	w.file("bin/devices.json", string(text))
}

// newWorld makes folders, a kubelet and NVIDIA's programs.
func newWorld(t *testing.T, lib nvml.Interface) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "gpu") // short: names of sockets are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{t: t, dir: dir}
	for _, d := range []string{"gpu", "driver/dev", "bin", "plugins", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.file("driver/usr/lib/x86_64-linux-gnu/"+nvmlName, "library")
	w.file("driver/dev/nvidia-uvm", "")
	w.file("bin/nvidia-cdi-hook", "hook")
	w.file("bin/plugin-dir", filepath.Join(dir, "plugins"))
	for _, name := range []string{"nvidia-device-plugin", "gpu-feature-discovery"} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(self, filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	w.offer(map[string][]string{"nvidia.com/gpu": {gpuA, gpuB}})
	w.kubelet = newFakeKubelet(t, filepath.Join(dir, "kubelet"))
	w.agent = newAgent(options{
		gpuDir: filepath.Join(dir, "gpu"), driverRoot: filepath.Join(dir, "driver"), kubelet: filepath.Join(dir, "kubelet"),
		pluginDir: filepath.Join(dir, "plugins"), temp: filepath.Join(dir, "tmp"),
		plugin: filepath.Join(dir, "bin/nvidia-device-plugin"), discovery: filepath.Join(dir, "bin/gpu-feature-discovery"),
		hook: filepath.Join(dir, "bin/nvidia-cdi-hook"), sim: filepath.Join(dir, "sim"), metrics: "127.0.0.1:0",
		hostGPUDir: "/data/gpu", hostRoot: "/", node: "lab", load: func(string) nvml.Interface { return lib },
		settling: 100 * time.Millisecond,
	})
	return w
}

// start runs the agent until the test ends.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	var once sync.Once
	var err error
	w.stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case err = <-done:
			case <-time.After(3 * time.Second):
				err = fmt.Errorf("the agent did not end within 3 s")
			}
		})
		return err
	}
	w.t.Cleanup(func() {
		if err := w.stop(); err != nil {
			w.t.Error(err)
		}
	})
}

// until waits until something is true.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			_, a := w.do("GET", "/v1/gpus", "")
			w.t.Fatalf("timed out: %s\n%+v", what, a)
		}
	}
}

func (w *world) untilSeen(resource string, healthy, all int) {
	w.t.Helper()
	w.until(fmt.Sprintf("the kubelet sees %d of %d healthy %s", healthy, all, resource), func() bool {
		h, a := w.kubelet.seen(resource)
		return h == healthy && a == all
	})
}

// do calls the API.
func (w *world) do(method, path, body string) (int, anyReply) {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(w.dir, "gpu/agent.sock"))
	}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequest(method, "http://agent"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, anyReply{Error: err.Error()}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var r anyReply
	if err := json.Unmarshal(text, &r); err != nil {
		w.t.Fatalf("%s %s: %q: %v", method, path, text, err)
	}
	return res.StatusCode, r
}

// anyReply is an answer of the API, or its error.
type anyReply struct {
	answer
	Error string `json:"error"`
}

func (w *world) get() answer {
	w.t.Helper()
	code, r := w.do("GET", "/v1/gpus", "")
	if code != 200 {
		w.t.Fatalf("GET /v1/gpus: %d %s", code, r.Error)
	}
	return r.answer
}
