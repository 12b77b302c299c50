package k3s

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

func TestExpectedLinesAreInformation(t *testing.T) {
	var started atomic.Bool
	var out strings.Builder
	f := filter{&out, &started}
	kept := func(line string) string {
		t.Helper()
		out.Reset()
		if n, err := fmt.Fprintln(f, line); err != nil || n != len(line)+1 {
			t.Fatalf("wrote %d of %q: %v", n, line, err)
		}
		return strings.TrimSuffix(out.String(), "\n")
	}
	const (
		klogNode   = `1127 02:47:17.035840       8 kubelet_node_status.go:106] "Error getting the current node from lister" err="node \"a\" not found"`
		csiNode    = `1128 19:36:17.856688      17 csi_plugin.go:403] Failed to initialize CSINode: error updating CSINode annotation: timed out waiting for the condition; caused by: nodes "a" not found`
		module     = ` msg="Failed to load kernel module br_netfilter with modprobe"`
		cni        = ` msg="failed to load cni during init, please check CRI plugin status" error="cni config load failed"`
		kine       = `W1127 02:48:51.516294       8 logging.go:55] [core] [Channel #575 SubChannel #576] grpc: addrConn.createTransport failed to connect to {Addr: "unix:kine.sock"}. Err: connection error: desc = "error reading server preface: read unix @->kine.sock: use of closed network connection"`
		kineDown   = `W1127 02:48:51.516294       8 logging.go:55] [core] [Channel #575 SubChannel #576] grpc: addrConn.createTransport failed to connect to {Addr: "unix:kine.sock"}. Err: connection error: desc = "connection refused"`
		skipped    = `W1127 02:47:10.755276       8 genericapiserver.go:787] Skipping API apps/v1beta1 because it has no resources.`
		claim      = `1127 10:59:29.630441      17 framework.go:1442] "Plugin failed" err="Operation cannot be fulfilled on persistentvolumeclaims \"iris-model\": the object has been modified; please apply your changes to the latest version and try again" plugin="VolumeBinding"`
		unexpected = `E1127 02:47:10.755276       8 kubelet.go:1] "Failed to start pod"`
	)
	for line, want := range map[string]string{
		"E" + klogNode:           "I" + klogNode,
		"E" + csiNode:            "I" + csiNode,
		"level=warning" + module: "level=info" + module,
		"level=error" + cni:      "level=info" + cni,
		kine:                     "", skipped: "",
		kineDown: kineDown, unexpected: unexpected, "": "",
	} {
		if got := kept(line); got != want {
			t.Errorf("while starting %q became %q", line, got)
		}
	}
	started.Store(true)
	for line, want := range map[string]string{
		"E" + klogNode:           "E" + klogNode,
		"E" + csiNode:            "E" + csiNode,
		"level=error" + cni:      "level=error" + cni,
		"level=warning" + module: "level=info" + module,
		"E" + claim:              "I" + claim,
	} {
		if got := kept(line); got != want {
			t.Errorf("once started %q became %q", line, got)
		}
	}
}
