package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// gpuLab is an appliance that knows of GPUs only.
type gpuLab struct {
	dir     string
	gpus    mlops.GPUs
	none    error
	blocked string   // without deletePods
	asked   []string // what was changed
}

func startGPULab(t *testing.T) *gpuLab {
	t.Helper()
	dir, err := os.MkdirTemp("", "bt") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &gpuLab{dir: dir, gpus: mlops.GPUs{Simulated: true, Driver: mlops.GPUDriver{Version: "550.54.15", CUDA: "12.4"},
		GPUs: []mlops.GPU{
			{Index: 0, Product: "NVIDIA A100-SXM4-80GB", MemoryMiB: 81920, UsedMiB: 30732, Utilization: 61, Temperature: 58, Watts: 231.4, LimitWatts: 400, Healthy: true,
				Partitions: []mlops.GPUPartition{{Profile: "3g.40gb"}, {Profile: "2g.20gb"}, {Profile: "2g.20gb"}},
				Holders:    []mlops.GPUHolder{{Namespace: "iris", Pod: "train"}, {Namespace: "iris", Pod: "train"}, {Namespace: "vision", Pod: "note\x1bbook"}}},
			{Index: 1, Product: "NVIDIA A100-SXM4-80GB", MemoryMiB: 81920, Temperature: 34, Watts: 61, Fault: "it has fallen off the bus", XID: 79}},
		Resources: []mlops.GPUOffer{{Name: "nvidia.com/gpu", Total: 4, Held: 1}, {Name: "nvidia.com/mig-3g.40gb", Total: 1, Healthy: 1, Held: 1}},
		Labels:    map[string]string{"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "benchtop.dev/gpu-simulated": "true"},
		Sharing:   mlops.GPUSharing{Replicas: 4, MIGStrategy: "mixed", Problem: "a key is not known"},
		Waiting:   []mlops.GPUWait{{Namespace: "vision", Pod: "tune", Resource: "nvidia.com/gpu", Count: 1, Reason: "none is healthy"}}}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any, err error) {
		if err != nil {
			w.WriteHeader(mlops.CodeOf(err).HTTPStatus())
			v = map[string]any{"code": mlops.CodeOf(err), "message": mlops.MessageOf(err)}
		}
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /v1/gpus", func(w http.ResponseWriter, _ *http.Request) { answer(w, l.gpus, l.none) })
	mux.HandleFunc("POST /v1/gpus/plan", func(w http.ResponseWriter, r *http.Request) {
		var s mlops.GPUShare
		err := json.NewDecoder(r.Body).Decode(&s)
		p := mlops.GPUPlan{Share: s, Before: l.gpus.Resources, After: []mlops.GPUOffer{{Name: "nvidia.com/gpu", Total: 2 * max(s.Replicas, 1)}},
			Steps: []string{"Start the device plugin anew.", "Write the labels anew."}, Pods: l.gpus.GPUs[0].Holders}
		if !s.DeletePods {
			p.Blocked = l.blocked
		}
		answer(w, p, errors.Join(err, l.none))
	})
	change := func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		l.asked = append(l.asked, strings.TrimPrefix(r.URL.Path, "/v1/gpus/")+" "+string(raw))
		answer(w, l.gpus, err)
	}
	mux.HandleFunc("POST /v1/gpus/share", change)
	mux.HandleFunc("POST /v1/gpus/{index}/recover", change)
	mux.HandleFunc("POST /v1/gpus/faults", change)
	socket := appliance.Paths{Data: dir}.Socket()
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return l
}

func (l *gpuLab) run(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	return run(t, input, append(append([]string{"gpu"}, args...), "--data-dir", l.dir)...)
}

func TestGPUs(t *testing.T) {
	l := startGPULab(t)
	out, err := l.run(t, "")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "gpu.txt", out)
	out, err = l.run(t, "", "--json")
	var g mlops.GPUs
	if jerr := json.Unmarshal([]byte(out), &g); err != nil || jerr != nil || !g.Simulated || len(g.GPUs) != 2 {
		t.Errorf("%v, %v: %s", err, jerr, out)
	}
	out, err = l.run(t, "", "labels")
	if want := "benchtop.dev/gpu-simulated=true\nnvidia.com/gpu.product=NVIDIA-A100-SXM4-80GB\n"; err != nil || out != want {
		t.Errorf("%v: %s", err, out)
	}
	l.gpus = mlops.GPUs{Driver: l.gpus.Driver, Problem: "nvidia-uvm is not loaded", GPUs: []mlops.GPU{{Index: 0, Product: "NVIDIA T4", MemoryMiB: 15360, Watts: 9, Healthy: true}}}
	out, err = l.run(t, "")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "gpu-real.txt", out)
	l.none = mlops.Errorf(mlops.NotFound, "this machine has no NVIDIA GPU")
	for _, args := range [][]string{nil, {"labels"}, {"share", "2"}} {
		_, err = l.run(t, "", args...)
		expectMessage(t, err, "this machine has no NVIDIA GPU")
	}
}

func TestGPUShare(t *testing.T) {
	l := startGPULab(t)
	for _, answer := range []string{"", "no\n"} {
		out, err := l.run(t, answer, "share", "2")
		expectMessage(t, err, "nothing was changed: type yes, or give --yes, to share the GPUs so")
		golden(t, "gpu-share.txt", out)
	}
	l.blocked = "2 pods hold a GPU that has to be free."
	_, err := l.run(t, "yes\n", "share", "mig", "2x3g.40gb")
	expectMessage(t, err, "nothing was changed: 2 pods hold a GPU that has to be free; --delete-pods deletes them first")
	if len(l.asked) != 0 {
		t.Errorf("changed %v", l.asked)
	}
	out, err := l.run(t, "yes\n", "share", "mig", "2x3g.40gb", "--delete-pods")
	if err != nil || !strings.HasSuffix(out, "Type yes to go on: \ndone: 4 pods take turns on each, cut into parts, MIG strategy mixed\n") {
		t.Errorf("%v: %s", err, out)
	}
	l.blocked = ""
	if out, err = l.run(t, "", "share", "off", "--yes"); err != nil || strings.Contains(out, "Type yes") {
		t.Errorf("%v: %s", err, out)
	}
	if want := `share {"mig":["3g.40gb","3g.40gb"],"deletePods":true}|share {}`; strings.Join(l.asked, "|") != want {
		t.Errorf("asked for %v", l.asked)
	}
	// --delete-pods is no help where the pods are not in the way.
	l.blocked, l.gpus.GPUs[0].Holders = "GPU 0 cannot be cut into parts.", nil
	_, err = l.run(t, "", "share", "mig", "1g.10gb", "--yes")
	expectMessage(t, err, "nothing was changed: GPU 0 cannot be cut into parts")
}

func TestGPURecoverAndFault(t *testing.T) {
	l := startGPULab(t)
	out, err := l.run(t, "", "recover", "1")
	if err != nil || out != "GPU 1 is unhealthy, XID 79: it has fallen off the bus\n" {
		t.Errorf("%v: %s", err, out)
	}
	out, err = l.run(t, "", "recover", "0")
	if err != nil || out != "GPU 0 is healthy\n" {
		t.Errorf("%v: %s", err, out)
	}
	out, err = l.run(t, "", "fault", "1", "none")
	if err != nil || out != "no simulated GPU is made to fail\n" {
		t.Errorf("%v: %s", err, out)
	}
	l.gpus.Faults = []mlops.GPUFault{{GPU: 1, Kind: "xid", XID: 79}, {GPU: 0, Kind: "hot"}}
	out, err = l.run(t, "", "fault", "1", "xid=79")
	if err != nil || out != "GPU 1: xid=79\nGPU 0: hot\n" {
		t.Errorf("%v: %s", err, out)
	}
	if want := `1/recover |0/recover |faults {"gpu":1,"kind":"none","since":"0001-01-01T00:00:00Z"}|faults {"gpu":1,"kind":"xid","xid":79,"since":"0001-01-01T00:00:00Z"}`; strings.Join(l.asked, "|") != want {
		t.Errorf("asked for %s", strings.Join(l.asked, "|"))
	}
}

func TestGPUArgumentErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"gpu", "now"}, `unknown command "now" for "benchtop gpu"`},
		{[]string{"gpu", "share"}, "requires at least 1 arg(s), only received 0"},
		{[]string{"gpu", "share", "many"}, `"many" says not how GPUs are shared: expected a number of pods that take turns, mig and profiles, or off`},
		{[]string{"gpu", "share", "mig"}, "mig needs the profiles of the parts, for example mig 3g.40gb 2x2g.20gb; off takes all sharing back"},
		{[]string{"gpu", "recover"}, "accepts 1 arg(s), received 0"},
		{[]string{"gpu", "recover", "first"}, "INDEX is \"first\": expected the index of a GPU, from 0, as `benchtop gpu` lists them"},
		{[]string{"gpu", "fault", "0"}, "accepts 2 arg(s), received 1"},
		{[]string{"gpu", "fault", "-1", "hot"}, "unknown shorthand flag: '1' in -1"},
		{[]string{"gpu", "fault", "0", "fire"}, `"fire" is no fault of a simulated GPU: expected xid=NUMBER, hot, ecc, mismatch, no-uvm or none`},
	} {
		_, err := run(t, "", c.args...)
		expectMessage(t, err, c.want)
	}
	dir := t.TempDir()
	want := "benchtop does not run with data dir " + dir + ": start it with `benchtop up`, or name its --data-dir"
	for _, args := range [][]string{{"gpu"}, {"gpu", "labels"}, {"gpu", "share", "off"}, {"gpu", "recover", "0"}, {"gpu", "fault", "0", "hot"}} {
		_, err := run(t, "", append(args, "--data-dir", dir)...)
		expectMessage(t, err, want)
	}
}
