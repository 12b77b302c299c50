package k3s

import (
	"bytes"
	"io"
	"sync/atomic"
)

// expected is a line that a healthy lab's components log as a warning or an
// error. Such lines hide the one that matters, so they are logged as
// information.
type expected struct {
	parts    []string // all of them are in the line
	starting bool     // only while components start; later the same line is trouble
	drop     bool     // it is dropped: it comes often and concerns nothing of ours
}

func always(parts ...string) expected   { return expected{parts: parts} }
func starting(parts ...string) expected { return expected{parts: parts, starting: true} }
func never(parts ...string) expected    { return expected{parts: parts, drop: true} }

var expectations = []expected{
	// etcd's client makes a connection, learns its endpoint once more, and
	// closes that first connection before kine has greeted it.
	never("grpc: addrConn.createTransport failed", "kine.sock", "use of closed network connection"),
	never("grpc: addrConn.createTransport failed", "kine.sock", "operation was canceled"),
	// APIs that Kubernetes no longer serves: some thirty lines at each start.
	never("genericapiserver.go", "Skipping API", "because it has no resources"),
	// Nobody reads containerd's event queue here. containerd says so for each
	// event of each container, five minutes later.
	never("container event discarded"),
	// A shim that ends says so in a loop until it has (cgroups v1).
	never("cgroups: epoll wait", "error=shutdown"),
	// How each `kubectl exec` and `port-forward` ends: the client has gone.
	never("conn.go", "Error on socket receive", "use of closed network connection"),
	always("Proxy error: write failed", "broken pipe"),
	always("Error proxying data from client to backend", "broken pipe"),

	// The kernel has them built in, or the doctor says what is missing.
	always("Failed to load kernel module"),
	// Without CAP_SYS_RESOURCE; see canLowerOOMScore.
	always("Failed to ensure process in container with oom score", "permission denied"),
	always("Failed to set rlimit on max file handles", "operation not permitted"),
	// A minimal system has no machine id, and a node needs none.
	always("Failed to get system UUID", "/etc/machine-id"),
	always("Couldn't collect info from any of the files", "/etc/machine-id"),
	// Advice about a setting that stays at Kubernetes' default.
	always("Kube-proxy configuration may be incomplete or incorrect", "nodePortAddresses is unset"),
	// There is one file system; the kubelet then measures that.
	always("failed to check if we have separate container filesystem"),
	// The kubelet may not read a pod that was deleted a moment ago.
	always("Failed to get status for pod", "no relationship found between node"),

	// A pod that has just begun or ended has no measurements.
	always("collecting metrics for", "cgroups: cgroup deleted"),
	always("Partial failure issuing cadvisor.ContainerInfoV2", "unable to find data in memory cache"),
	// flannel first reads a file that it is about to write.
	always("no subnet found for key", "/run/flannel/subnet.env"),

	// Trainer and server wait for one volume, and are scheduled in the same
	// moment. The scheduler tries the second one again.
	always("VolumeBinding", "Operation cannot be fulfilled on persistentvolumeclaims", "the object has been modified"),

	// A first start: these things do not exist yet.
	starting("no cached certificate available for preload"),
	starting("failed to load cni during init"),
	starting("Failed to read data from checkpoint", "checkpoint is not found"),
	starting("Flexvolume plugin directory", "does not exist. Recreating."),
	starting("Resetting endpoints for master service"),
	starting("Error removing old endpoints from kubernetes service", "no API server IP addresses were listed"),
	starting("Unable to perform initial Kubernetes service initialization"),
	// Components start together and miss each other for a moment.
	starting("Sending HTTP/", " 503 response"),
	starting(`node \"`, "not found"),
	starting(`nodes \"`, "not found"),
	starting(`nodes "`, "not found"), // as klog prints it without a key
	starting(`namespaces \"`, "not found"),
	starting(`namespaces "`, "not found"),
	starting("connect: connection refused", "127.0.0.1:644"), // the API, or K3s' way to it
	starting("Skipping pod synchronization"),
	starting("no RequestInfo found in the context"),
	// An API that has just been registered is asked before it has an address,
	// and before it knows who may ask.
	starting("metrics.k8s.io"),
	starting("controller.go:146", "Unhandled Error", "err=<"), // it can't be described yet
	starting("controller.go:102", "Unhandled Error", "err=<"),
	// An API of the last start is asked before it serves.
	starting("Sending HTTP/", " 502 response", "connect: connection refused"),
}

// filter makes expected lines information. It takes what klog and logrus
// write, a line at a time.
type filter struct {
	out     io.Writer
	started *atomic.Bool // the node has been ready for a while
}

func (f filter) Write(line []byte) (int, error) {
	if kept := f.line(line); kept != nil {
		if _, err := f.out.Write(kept); err != nil {
			return 0, err
		}
	}
	return len(line), nil
}

// line returns the line as it is to be kept, nil if it is not.
func (f filter) line(line []byte) []byte {
	for _, e := range expectations {
		if e.starting && f.started.Load() || !e.in(line) {
			continue
		}
		if e.drop {
			return nil
		}
		return informational(line)
	}
	return line
}

func (e expected) in(line []byte) bool {
	for _, p := range e.parts {
		if !bytes.Contains(line, []byte(p)) {
			return false
		}
	}
	return true
}

// informational returns the line with its level lowered.
func informational(line []byte) []byte {
	if len(line) > 1 && (line[0] == 'W' || line[0] == 'E') && line[1] >= '0' && line[1] <= '9' { // klog
		return append([]byte("I"), line[1:]...)
	}
	for _, level := range []string{"level=error", "level=warning"} { // logrus
		if before, after, ok := bytes.Cut(line, []byte(level)); ok {
			return bytes.Join([][]byte{before, after}, []byte("level=info"))
		}
	}
	return line
}
