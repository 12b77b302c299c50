package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// NewSelf returns the metrics of this process — go_*, process_* and the state
// of its units — and of the machine, for Config.Self. They have a registry of
// their own, because the default one answers with an error once MinIO has put
// its metrics into it. machine is asked at each scrape, and so is waiting, which
// counts the pods that wait for a GPU; it is nil in a lab without GPUs.
func NewSelf(statuses func() []supervise.Status, machine func() (mlops.MachineSample, error), waiting func() (int, error)) client.Gatherer {
	r := client.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		unitCollector{statuses}, machineCollector{machine})
	if waiting != nil {
		r.MustRegister(waitingCollector{waiting})
	}
	return r
}

var (
	machineCPU = client.NewDesc("benchtop_machine_cpu_ratio",
		"Share of all cores of the machine in use since the scrape before, 0 to 1.", nil, nil)
	machineMemory = client.NewDesc("benchtop_machine_memory_used_bytes",
		"Memory of the machine that is in use and cannot be had by others.", nil, nil)
	machineDisk = client.NewDesc("benchtop_machine_disk_used_bytes",
		"What is in use of the file system of the data dir.", nil, nil)
	diskFull = client.NewDesc("benchtop_disk_nearly_full",
		"1 if the file system of the data dir has so little room that trainings and uploads are about to fail.", nil, nil)
)

// machineCollector measures the machine at each scrape.
type machineCollector struct {
	sample func() (mlops.MachineSample, error)
}

func (c machineCollector) Describe(ch chan<- *client.Desc) {
	for _, d := range []*client.Desc{machineCPU, machineMemory, machineDisk, diskFull} {
		ch <- d
	}
}

func (c machineCollector) Collect(ch chan<- client.Metric) {
	s, err := c.sample()
	if err != nil {
		ch <- client.NewInvalidMetric(machineCPU, err)
		return
	}
	full := 0.0
	if s.Disk().NearlyFull() {
		full = 1
	}
	for d, v := range map[*client.Desc]float64{machineCPU: s.CPU, machineMemory: float64(s.MemoryUsed), machineDisk: float64(s.DiskUsed), diskFull: full} {
		ch <- client.MustNewConstMetric(d, client.GaugeValue, v)
	}
}

var gpuWaiting = client.NewDesc("benchtop_gpu_waiting_pods",
	"Pods that wait for a GPU, or for a part of one.", nil, nil)

// waitingCollector counts at each scrape. Without an answer there is no series.
type waitingCollector struct {
	count func() (int, error)
}

func (waitingCollector) Describe(ch chan<- *client.Desc) { ch <- gpuWaiting }

func (c waitingCollector) Collect(ch chan<- client.Metric) {
	n, err := c.count()
	if err != nil {
		ch <- client.NewInvalidMetric(gpuWaiting, err)
		return
	}
	ch <- client.MustNewConstMetric(gpuWaiting, client.GaugeValue, float64(n))
}

var (
	unitState = client.NewDesc("benchtop_unit_state",
		"1 for the state that a part of the appliance is in, 0 for its other states.", []string{"unit", "state"}, nil)
	unitRestarts = client.NewDesc("benchtop_unit_restarts_total",
		"Automatic restarts of a part of the appliance.", []string{"unit"}, nil)
	unitStart = client.NewDesc("benchtop_unit_start_seconds",
		"Time from the start of a part of the appliance until it was ready.", []string{"unit"}, nil)
)

var unitStates = []supervise.State{supervise.Waiting, supervise.Starting, supervise.Ready, supervise.Failed, supervise.Stopping, supervise.Stopped}

// unitCollector asks for the units' states at each scrape.
type unitCollector struct {
	statuses func() []supervise.Status
}

func (c unitCollector) Describe(ch chan<- *client.Desc) {
	for _, d := range []*client.Desc{unitState, unitRestarts, unitStart} {
		ch <- d
	}
}

func (c unitCollector) Collect(ch chan<- client.Metric) {
	for _, s := range c.statuses() {
		for _, state := range unitStates {
			v := 0.0
			if s.State == state {
				v = 1
			}
			ch <- client.MustNewConstMetric(unitState, client.GaugeValue, v, s.Name, string(state))
		}
		ch <- client.MustNewConstMetric(unitRestarts, client.CounterValue, float64(s.Restarts), s.Name)
		if s.Took > 0 {
			ch <- client.MustNewConstMetric(unitStart, client.GaugeValue, s.Took.Seconds(), s.Name)
		}
	}
}

func gathererOrEmpty(g client.Gatherer) client.Gatherer {
	if g == nil {
		return client.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, nil })
	}
	return g
}

// selfAddress is the address of our own metrics. It is no host: connections
// to it stay in memory, so that no port is opened for them.
const selfAddress = "benchtop.self:80"

// selfEndpoint serves a gatherer to the scraper of the same process.
type selfEndpoint struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	srv    *http.Server
	dialer net.Dialer
}

func newSelfEndpoint(g client.Gatherer) *selfEndpoint {
	e := &selfEndpoint{conns: make(chan net.Conn), closed: make(chan struct{}), dialer: net.Dialer{Timeout: maxTimeout}}
	e.srv = &http.Server{ReadHeaderTimeout: time.Second,
		Handler: promhttp.HandlerFor(g, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, DisableCompression: true})}
	go func() { _ = e.srv.Serve(e) }() // ends with ErrServerClosed
	return e
}

// dial is how all scrapes connect.
func (e *selfEndpoint) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if addr != selfAddress {
		c, err := e.dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, fmt.Errorf("dial %s: %w", addr, err)
		}
		return c, nil
	}
	ours, theirs := net.Pipe()
	select {
	case e.conns <- theirs:
		return ours, nil
	case <-e.closed:
		return nil, errors.Join(net.ErrClosed, ours.Close(), theirs.Close())
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), ours.Close(), theirs.Close())
	}
}

// Accept implements net.Listener.
func (e *selfEndpoint) Accept() (net.Conn, error) {
	select {
	case c := <-e.conns:
		return c, nil
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (e *selfEndpoint) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

// Addr implements net.Listener.
func (e *selfEndpoint) Addr() net.Addr { return selfAddr{} }

type selfAddr struct{}

func (selfAddr) Network() string { return "memory" }
func (selfAddr) String() string  { return selfAddress }

func (e *selfEndpoint) close() {
	_ = e.srv.Close() // closes the listener, which never fails
}
