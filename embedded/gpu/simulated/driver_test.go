package simulated

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

type listed struct {
	Index                                                                                                                                           int
	Bus, Architecture, Brand                                                                                                                        string
	Name, UUID, Minor, Capability, Memory, Utilization, Temperature, Power, Limit, SMClock, Reasons, ECC, Rows, Fields, MIG, GPM, Fabric, Processes answered
	Profiles                                                                                                                                        []string
	Parts                                                                                                                                           []struct {
		Profile, UUID                               string
		Name, Instance, Compute, Attributes, Memory answered
	}
}

type answered struct {
	Value any
	Error string
}

func (a answered) String() string {
	if a.Error != "" {
		return a.Error
	}
	return fmt.Sprint(a.Value)
}

func list(t *testing.T, d *Driver) (all []listed) {
	t.Helper()
	if err := json.Unmarshal([]byte(probe(t, d, "list")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestKinds asks for every kind what NVIDIA's libraries make of it.
func TestKinds(t *testing.T) {
	d := open(t, strings.Join(kindNames(), ","))
	var got []string
	for i, g := range list(t, d) {
		got = append(got, fmt.Sprintf("%s, %s, %s, %v, %s, %v W, mig %v, ecc %v, gpm %v, %s", g.Name, g.Architecture, g.Brand, g.Capability,
			g.Bus, g.Limit, g.MIG, g.ECC, g.GPM, strings.Join(g.Profiles, " ")))
		if g.Index != i || g.Minor.String() != strconv.Itoa(i) || g.UUID.String() != UUID(d.spec[i], i) || !strings.HasPrefix(g.UUID.String(), "GPU-51b") {
			t.Errorf("GPU %d says index %d, minor %v, UUID %v", i, g.Index, g.Minor, g.UUID)
		}
		memory := g.Memory.Value.(map[string]any)
		if total := memory["Total"].(float64); total != float64(d.spec[i].MemoryMiB<<20) {
			t.Errorf("%s has %.0f bytes, expected %d MiB", g.Name, total, d.spec[i].MemoryMiB)
		}
		if g.Fabric.Error != "Not Supported" || g.Processes.String() != "[]" {
			t.Errorf("%s: fabric %v, processes %v", g.Name, g.Fabric, g.Processes)
		}
	}
	want := []string{
		"NVIDIA A100-SXM4-40GB, Ampere, Nvidia, [8 0], 0000:07:00.0, 400000 W, mig [0 0], ecc 0, gpm supported 0, Success, 1g.5gb 2g.10gb 3g.20gb 4g.20gb 7g.40gb 1g.5gb+me 1g.10gb",
		"NVIDIA A100-SXM4-80GB, Ampere, Nvidia, [8 0], 0000:0f:00.0, 400000 W, mig [0 0], ecc 0, gpm supported 0, Success, 1g.10gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb 1g.10gb+me 1g.20gb",
		"NVIDIA H100 80GB HBM3, Hopper, Nvidia, [9 0], 0000:17:00.0, 700000 W, mig [0 0], ecc 0, gpm [0 0], 1g.10gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb 1g.10gb+me 1g.20gb",
		"NVIDIA H200, Hopper, Nvidia, [9 0], 0000:1f:00.0, 700000 W, mig [0 0], ecc 0, gpm [0 0], 1g.18gb 2g.35gb 3g.71gb 4g.71gb 7g.141gb 1g.18gb+me 1g.35gb",
		"NVIDIA L4, Ada Lovelace, Nvidia, [8 9], 0000:27:00.0, 72000 W, mig Not Supported, ecc 0, gpm supported 0, Success, ",
		"Tesla T4, Turing, Nvidia, [7 5], 0000:2f:00.0, 70000 W, mig Not Supported, ecc 0, gpm supported 0, Success, ",
		"NVIDIA GeForce RTX 3090, Ampere, GeForce, [8 6], 0000:37:00.0, 350000 W, mig Not Supported, ecc Not Supported, gpm supported 0, Success, ",
		"NVIDIA GeForce RTX 4090, Ada Lovelace, GeForce, [8 9], 0000:3f:00.0, 450000 W, mig Not Supported, ecc Not Supported, gpm supported 0, Success, ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the library says\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLoad(t *testing.T) {
	d := open(t, "H100,T4")
	const fields = "utilization.gpu,memory.used,power.draw,temperature.gpu,clocks.sm,pstate"
	if got := query(t, d, fields); !slices.Equal(got, []string{"0, 0, 71.00, 29, 345, P0", "0, 0, 9.00, 36, 300, P8"}) {
		t.Errorf("idle: %q", got)
	}
	for gpu, l := range []Load{{Utilization: 0.5, MemoryMiB: 40000}, {Utilization: 7, MemoryMiB: 1 << 40}} {
		if err := d.SetLoad(gpu, l); err != nil {
			t.Fatal(err)
		}
	}
	// Power follows at once, heat later; nothing goes beyond what there is.
	if got := query(t, d, fields); !slices.Equal(got, []string{"50, 40000, 375.50, 29, 1980, P0", "100, 14915, 69.00, 36, 1590, P0"}) {
		t.Errorf("under load: %q", got)
	}
	if got := list(t, d)[0].GPM.String(); got != "[50 30]" {
		t.Errorf("the engines' counters say %v", got)
	}
	// A minute and a half later.
	shift(t, d, -90*time.Second)
	if got := query(t, d, "temperature.gpu"); !slices.Equal(got, []string{"47", "72"}) {
		t.Errorf("after 90 s under load the temperatures are %q", got)
	}
	// What was heated and used is kept when the load changes: both sides compute alike.
	before, energy := query(t, d, "temperature.gpu"), energyOf(t, d)
	for gpu := range 2 {
		if err := d.SetLoad(gpu, Load{}); err != nil {
			t.Fatal(err)
		}
	}
	if after := query(t, d, "temperature.gpu"); !slices.Equal(after, before) {
		t.Errorf("temperatures jump from %q to %q when the load ends", before, after)
	}
	if after := energyOf(t, d); after < energy || after > energy+1_000_000 || energy < 375.5*90*1000 {
		t.Errorf("energy goes from %.0f to %.0f mJ when the load ends, expected little more, and at least %.0f", energy, after, 375.5*90*1000)
	}
	shift(t, d, -time.Hour)
	if got := query(t, d, "temperature.gpu"); !slices.Equal(got, []string{"29", "36"}) {
		t.Errorf("an hour later the temperatures are %q", got)
	}
	if err := d.SetLoad(2, Load{}); err == nil || !strings.Contains(err.Error(), "GPU 2: expected 0 to 1, the simulated GPUs are 1xH100,1xT4") {
		t.Errorf("load of a GPU that is not there: %v", err)
	}
}

func energyOf(t *testing.T, d *Driver) float64 {
	t.Helper()
	var all []struct{ Energy struct{ Value float64 } }
	if err := json.Unmarshal([]byte(probe(t, d, "list")), &all); err != nil {
		t.Fatal(err)
	}
	return all[0].Energy.Value
}

// shift moves the times of all loads.
func shift(t *testing.T, d *Driver, by time.Duration) {
	t.Helper()
	err := d.change(func(f *stateFile) {
		for i := range f.Load {
			f.Load[i].Since += uint64(by)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFaults(t *testing.T) {
	d := open(t, "A100-80GB,T4,RTX-3090")
	recovery := func(gpu int) string {
		return fmt.Sprint(list(t, d)[gpu].Fields.Value.([]any)[0].(map[string]any)["value"].(float64))
	}
	inject := func(gpu int, f Fault) {
		t.Helper()
		if err := d.Inject(gpu, f); err != nil {
			t.Fatal(err)
		}
	}
	cleared := func(gpu int) {
		t.Helper()
		if err := d.Clear(gpu); err != nil {
			t.Fatal(err)
		}
	}

	inject(0, Fault{Kind: FaultXID, XID: 48})
	if got := recovery(0); got != "1" {
		t.Errorf("after XID 48 the recovery action is %s, expected 1 (reset)", got)
	}
	cleared(0)
	inject(0, Fault{Kind: FaultXID, XID: 31})
	if got := recovery(0); got != "0" {
		t.Errorf("after XID 31, an application's error, the recovery action is %s, expected none", got)
	}
	inject(0, Fault{Kind: FaultXID, XID: 79})
	if g := list(t, d)[0]; g.Temperature.Error != "GPU is lost" || g.Power.Error != "GPU is lost" || g.Name.Error != "" || g.Memory.Error != "" {
		t.Errorf("after XID 79: temperature %v, power %v, name %v, memory %v", g.Temperature, g.Power, g.Name, g.Memory)
	}
	if other := list(t, d)[1]; other.Temperature.Error != "" {
		t.Errorf("another GPU's temperature: %v", other.Temperature)
	}
	cleared(0)
	if g := list(t, d)[0]; g.Temperature.Error != "" || recovery(0) != "0" {
		t.Errorf("after it was cleared: temperature %v, recovery action %s", g.Temperature, recovery(0))
	}

	inject(0, Fault{Kind: FaultECC})
	if g := list(t, d)[0]; g.ECC.String() != "1" || g.Rows.String() != "[0 1 true false]" || recovery(0) != "1" {
		t.Errorf("after an ECC error: %v errors, rows %v, recovery action %s", g.ECC, g.Rows, recovery(0))
	}
	cleared(0)
	if g := list(t, d)[0]; g.ECC.String() != "0" || g.Rows.String() != "[0 1 false false]" {
		t.Errorf("after it was cleared: %v errors, rows %v, expected the row to stay replaced", g.ECC, g.Rows)
	}

	inject(1, Fault{Kind: FaultHot})
	if err := d.SetLoad(1, Load{Utilization: 1}); err != nil {
		t.Fatal(err)
	}
	shift(t, d, -10*time.Minute)
	if got := query(t, d, "temperature.gpu,clocks.sm")[1]; got != "95, 795" {
		t.Errorf("without cooling: temperature and clock %s, expected it above 93 °C and slow", got)
	}
	if g := list(t, d)[1]; g.Reasons.String() != "72" {
		t.Errorf("without cooling the clocks are slow because of %v, expected 72 (hardware, heat)", g.Reasons)
	}

	inject(2, Fault{Kind: FaultMismatch})
	out, err := exec.Command(d.path("usr/bin/nvidia-smi")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Driver/library version mismatch") {
		t.Errorf("with another library: %s (%v)", out, err)
	}
	if _, err := command("", nil, goProgram(t, "./sim/probe"), d.library(), "list"); err == nil || !strings.Contains(err.Error(), "(18)") {
		t.Errorf("with another library NVML says %v, expected error 18", err)
	}
	inject(2, Fault{Kind: FaultNoUVM})
	if _, err := os.Stat(d.path("dev/nvidia-uvm")); err == nil {
		t.Error("dev/nvidia-uvm is there")
	}

	// A restart keeps all of it.
	again, err := Open(d.dir, d.spec)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, f := range again.Faults() {
		kinds = append(kinds, fmt.Sprintf("%d %s %v", f.GPU, f.Kind, f.Since.IsZero()))
	}
	if want := []string{"1 hot false", "2 mismatch false", "2 no-uvm false"}; !slices.Equal(kinds, want) {
		t.Errorf("after a restart the faults are %q, expected %q", kinds, want)
	}
	if _, err := os.Stat(d.path("dev/nvidia-uvm")); err == nil {
		t.Error("a restart brings dev/nvidia-uvm back")
	}
	d = again
	cleared(2)
	if st, err := os.Stat(d.path("dev/nvidia-uvm")); err != nil || st.Mode() != os.ModeDevice|os.ModeCharDevice|0o666 {
		t.Errorf("dev/nvidia-uvm after it was cleared: %v (%v)", st, err)
	}
	if got := query(t, d, "temperature.gpu")[1]; got != "95" {
		t.Errorf("after a restart the hot GPU has %s °C", got)
	}

	for want, f := range map[string]struct {
		gpu int
		Fault
	}{
		"XID 0: expected a number from 1 to 999":                     {0, Fault{Kind: FaultXID}},
		`fault "melted": expected xid, hot, ecc, mismatch or no-uvm`: {0, Fault{Kind: "melted"}},
		"GPU 2 is a RTX-3090, whose memory has no error correction":  {2, Fault{Kind: FaultECC}},
		"GPU -1: expected 0 to 2":                                    {-1, Fault{Kind: FaultHot}},
	} {
		if err := d.Inject(f.gpu, f.Fault); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("inject %v: %v, expected %q", f, err, want)
		}
	}
	if err := d.Clear(3); err == nil || !strings.Contains(err.Error(), "GPU 3: expected 0 to 2") {
		t.Errorf("clear a GPU that is not there: %v", err)
	}
}

// TestEvents waits for XIDs in several processes, as the agent does.
func TestEvents(t *testing.T) {
	d := open(t, "2xL4")
	if err := d.Inject(0, Fault{Kind: FaultXID, XID: 63}); err != nil { // before anybody listens
		t.Fatal(err)
	}
	var outs []*bufio.Scanner
	for range 2 {
		cmd := exec.Command(goProgram(t, "./sim/probe"), d.library(), "wait", "1500")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		s := bufio.NewScanner(out)
		if !s.Scan() || s.Text() != "ready" {
			t.Fatalf("the probe says %q", s.Text())
		}
		outs = append(outs, s)
	}
	for _, f := range []struct{ gpu, xid int }{{1, 79}, {0, 48}, {0, 48}} {
		if err := d.Inject(f.gpu, Fault{Kind: FaultXID, XID: f.xid}); err != nil {
			t.Fatal(err)
		}
	}
	zero, one := UUID(d.spec[0], 0), UUID(d.spec[1], 1)
	for i, s := range outs {
		var got []string
		for s.Scan() {
			got = append(got, s.Text())
		}
		slices.Sort(got)
		if want := []string{zero + " 48", zero + " 48", one + " 79"}; !slices.Equal(got, want) {
			t.Errorf("listener %d got %q, expected %q", i, got, want)
		}
	}
}

// TestPlaces makes parts as in the examples of NVIDIA's MIG User Guide, and expects the ids and places that a driver chose
// there.
func TestPlaces(t *testing.T) {
	d := open(t, "A100-40GB,T4")
	for _, c := range []struct{ parts, want string }{
		{"3g.20gb 3g.20gb", "3g.20gb 2 4:4, 3g.20gb 1 0:4"},
		{"4g.20gb 2g.10gb 1g.5gb", "4g.20gb 1 0:4, 2g.10gb 5 4:2, 1g.5gb 13 6:1"},
		{"1g.5gb 1g.5gb 1g.5gb 1g.5gb 1g.5gb 1g.5gb 1g.5gb", "1g.5gb 13 6:1, 1g.5gb 11 4:1, 1g.5gb 12 5:1, 1g.5gb 7 0:1, 1g.5gb 8 1:1, 1g.5gb 9 2:1, 1g.5gb 10 3:1"},
		{"7g.40gb", "7g.40gb 0 0:8"},
		{"1g.10gb 1g.10gb 1g.10gb 1g.10gb", "1g.10gb 6 6:2, 1g.10gb 5 4:2, 1g.10gb 3 0:2, 1g.10gb 4 2:2"},
		{"", ""},
	} {
		got := strings.ReplaceAll(probe(t, d, append([]string{"cut", "0"}, strings.Fields(c.parts)...)...), "\n", ", ")
		if got != c.want {
			t.Errorf("%s lie at %s, expected %s", c.parts, got, c.want)
		}
		// Nodes of what was before are gone.
		nodes, err := os.ReadDir(d.path("dev/nvidia-caps"))
		if want := 2 + 2*len(strings.Fields(c.parts)); err != nil || len(nodes) != want {
			t.Errorf("%s: %d nodes below dev/nvidia-caps (%v), expected %d", c.parts, len(nodes), err, want)
		}
	}
	for args, want := range map[string]string{
		"cut 0 4g.20gb 4g.20gb":     "make 4g.20gb: Insufficient Resources",
		"cut 0 3g.20gb 7g.40gb":     "make 7g.40gb: Insufficient Resources",
		"cut 0 1g.5gb+me 1g.5gb+me": "make 1g.5gb+me: Insufficient Resources",
		"cut 1 1g.5gb":              "set MIG mode: Not Supported, Success",
	} {
		if _, err := command("", nil, goProgram(t, "./sim/probe"), append([]string{d.library()}, strings.Fields(args)...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", args, err, want)
		}
	}
}

func TestParts(t *testing.T) {
	d := open(t, "H100")
	probe(t, d, "cut", "0", "3g.40gb", "2g.20gb", "1g.10gb+me")
	if err := d.SetLoad(0, Load{Utilization: 1, MemoryMiB: 7001}); err != nil {
		t.Fatal(err)
	}
	g := list(t, d)[0]
	var got []string
	for _, p := range g.Parts {
		a := p.Attributes.Value.(map[string]any)
		memory := p.Memory.Value.(map[string]any)
		got = append(got, fmt.Sprintf("%s %s %v/%v %v SM %v of %v MiB %s", p.Name, p.Profile, p.Instance, p.Compute, a["MultiprocessorCount"], int(memory["Used"].(float64))>>20, a["MemorySizeMB"], p.UUID))
	}
	want := []string{
		"NVIDIA H100 80GB HBM3 MIG 3g.40gb 3g.40gb 2/0 60 SM 4018 of 40192 MiB MIG-51b00000-0003-5205-8000-000000000000",
		"NVIDIA H100 80GB HBM3 MIG 2g.20gb 2g.20gb 3/0 32 SM 1996 of 19968 MiB MIG-51b00000-0003-5304-8000-000000000000",
		"NVIDIA H100 80GB HBM3 MIG 1g.10gb+me 1g.10gb+me 9/0 16 SM 985 of 9856 MiB MIG-51b00000-0003-5902-8000-000000000000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the parts are\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if g.Utilization.Error != "Not Supported" || g.MIG.String() != "[1 1]" {
		t.Errorf("cut: utilisation %v, MIG %v", g.Utilization, g.MIG)
	}
	straight(t, smi(t, d))
	if out := smi(t, d, "-L"); out != "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-51b00000-0003-4000-8000-000000000000)\n"+
		"  MIG 3g.40gb      Device  0: (UUID: MIG-51b00000-0003-5205-8000-000000000000)\n"+
		"  MIG 2g.20gb      Device  1: (UUID: MIG-51b00000-0003-5304-8000-000000000000)\n"+
		"  MIG 1g.10gb+me   Device  2: (UUID: MIG-51b00000-0003-5902-8000-000000000000)\n" {
		t.Errorf("nvidia-smi -L: %s", out)
	}
	// A restart keeps the parts, and makes nodes anew that were lost, with a copy of the folder for example.
	if err := os.RemoveAll(d.path("dev")); err != nil {
		t.Fatal(err)
	}
	d = openAt(t, d.dir, "H100")
	if again := list(t, d)[0].Parts; len(again) != 3 || again[0].UUID != g.Parts[0].UUID {
		t.Errorf("after a restart the parts are %v", again)
	}
	// Another GPU in its place has none.
	d = openAt(t, d.dir, "2xH100")
	if all := list(t, d); len(all) != 2 || len(all[0].Parts) != 0 || all[0].MIG.String() != "[0 0]" {
		t.Errorf("other GPUs: %v", all)
	}
	if nodes, err := os.ReadDir(d.path("dev/nvidia-caps")); err != nil || len(nodes) != 2 {
		t.Errorf("other GPUs: nodes %v (%v)", nodes, err)
	}
}

// TestInPlace changes the GPUs under a mapping of the state, as a running container has one.
func TestInPlace(t *testing.T) {
	d := open(t, "2xT4")
	var before, after syscall.Stat_t
	if err := syscall.Stat(d.path(stateName), &before); err != nil {
		t.Fatal(err)
	}
	d = openAt(t, d.dir, "H200")
	if err := d.Inject(0, Fault{Kind: FaultXID, XID: 48}); err != nil {
		t.Fatal(err)
	}
	probe(t, d, "cut", "0", "7g.141gb")
	if err := syscall.Stat(d.path(stateName), &after); err != nil || after.Ino != before.Ino || after.Size < before.Size {
		t.Errorf("the state file was replaced or made shorter (%v)", err)
	}
	if got := query(t, d, "name"); !slices.Equal(got, []string{"NVIDIA H200"}) {
		t.Errorf("the GPUs are %q", got)
	}
	if _, err := os.Stat(d.path("dev/nvidia1")); err == nil {
		t.Error("the node of a GPU that is no longer there stays")
	}
	if err := RemoveAll(d.dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.dir); err == nil {
		t.Error("RemoveAll leaves the folder")
	}
	if err := RemoveAll(d.dir); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}
}

// TestWriters lets two processes and this one change the state at once.
func TestWriters(t *testing.T) {
	d := open(t, "A100-80GB")
	program := goProgram(t, "./sim/probe")
	done := make(chan error)
	go func() {
		for range 10 {
			if _, err := command("", nil, program, d.library(), "cut", "0", "3g.40gb", "3g.40gb"); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := 0; ; i++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if g := list(t, d)[0]; len(g.Parts) != 2 {
				t.Errorf("the parts are %v", g.Parts)
			}
			return
		default:
		}
		if err := d.SetLoad(0, Load{Utilization: 0.3, MemoryMiB: int64(i % 2 * 1000)}); err != nil {
			t.Fatal(err)
		}
		if got := query(t, d, "memory.used,name")[0]; got != fmt.Sprintf("%d, NVIDIA A100-SXM4-80GB", i%2*1000) {
			t.Fatalf("memory used and name are %s", got)
		}
	}
}

// TestContainer shows to a container what a CDI specification gives it: one of the GPUs, or a part of one.
func TestContainer(t *testing.T) {
	d := open(t, "2xA100-80GB,T4")
	probe(t, d, "cut", "0", "3g.40gb", "3g.40gb")
	for _, c := range []struct {
		nodes []string
		want  string
	}{
		{[]string{"nvidia2"}, "GPU 0: Tesla T4 (UUID: GPU-51b00000-0006-4000-8000-000000000002)\n"},
		{[]string{"nvidia1", "nvidia2"}, "GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-51b00000-0002-4000-8000-000000000001)\nGPU 1: Tesla T4 (UUID: GPU-51b00000-0006-4000-8000-000000000002)\n"},
		{[]string{"nvidia0", "nvidia-caps/nvidia-cap12", "nvidia-caps/nvidia-cap13"}, "GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-51b00000-0002-4000-8000-000000000000)\n" +
			"  MIG 3g.40gb      Device  0: (UUID: MIG-51b00000-0002-5105-8000-000000000000)\n"},
		{nil, "No devices were found\n"},
	} {
		root := t.TempDir()
		var script strings.Builder
		fmt.Fprintf(&script, "set -e\nmount -t tmpfs t %s\ncd %s\nmkdir -p dev/nvidia-caps proc usr/bin %s %s\nmount -t proc p proc\n", root, root, LibDir(), filepath.Dir(stateName))
		for _, name := range append([]string{"nvidiactl"}, c.nodes...) {
			fmt.Fprintf(&script, "mknod dev/%s c 1 3\n", name)
		}
		for _, name := range []string{"usr/bin/nvidia-smi", stateName} {
			fmt.Fprintf(&script, "touch %s\nmount --bind -o ro %s %s\n", name, d.path(name), name)
		}
		script.WriteString("exec chroot . /usr/bin/nvidia-smi -L\n")
		out, err := exec.Command("unshare", "-m", "sh", "-c", script.String()).CombinedOutput()
		if string(out) != c.want {
			t.Errorf("with %v a container sees %q (%v), expected %q", c.nodes, out, err, c.want)
		}
	}
}

// TestCUDA links a program with the simulated libcuda: it starts, and learns that nothing computes.
func TestCUDA(t *testing.T) {
	d := open(t, "H100")
	dir := t.TempDir()
	const source = `#include <stdio.h>
int cuInit(unsigned); int cuDeviceGetCount(int *); int cuDriverGetVersion(int *); int cuGetErrorString(int, const char **);
int cuGetProcAddress_v2(const char *, void **, int, unsigned long long, int *);
int main(void)
{
	int version = 0, count = 7;
	const char *text = "";
	int (*alloc)(void **, unsigned long) = 0;
	cuDriverGetVersion(&version);
	cuGetErrorString(cuInit(0), &text);
	cuGetProcAddress_v2("cuMemAlloc", (void **)&alloc, 12040, 0, 0);
	printf("%d %d %d %d %s\n", version, cuInit(0), cuDeviceGetCount(&count), alloc(0, 1), text);
	return 0;
}
`
	if err := os.WriteFile(filepath.Join(dir, "cuda.c"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := command(dir, nil, "gcc", "-Wall", "-Werror", "-o", "cuda", "cuda.c", d.path(LibDir()+"/libcuda.so.1"), "-Wl,-rpath,"+d.path(LibDir())); err != nil {
		t.Fatal(err)
	}
	out, err := command(dir, nil, filepath.Join(dir, "cuda"))
	if want := "12040 100 100 100 no CUDA-capable device is detected (this GPU is simulated and computes nothing)\n"; err != nil || out != want {
		t.Errorf("the program says %q (%v), expected %q", out, err, want)
	}
}

func TestSMI(t *testing.T) {
	d := open(t, "T4,RTX-4090")
	if err := d.SetLoad(0, Load{Utilization: 0.25, MemoryMiB: 2000}); err != nil {
		t.Fatal(err)
	}
	table := smi(t, d)
	want, err := os.ReadFile("testdata/nvidia-smi.txt")
	if os.Getenv("UPDATE") != "" {
		err = os.WriteFile("testdata/nvidia-smi.txt", []byte(table), 0o644)
		want = []byte(table)
	}
	if err != nil || table != string(want) {
		t.Errorf("nvidia-smi prints\n%s\n(%v), expected\n%s", table, err, want)
	}
	straight(t, table)
	if out := smi(t, d, "-i", "1", "--query-gpu=name,memory.total,fan.speed,serial", "--format=csv"); out != "name, memory.total [MiB], fan.speed [%], serial\nNVIDIA GeForce RTX 4090, 24564 MiB, 30 %, [N/A]\n" {
		t.Errorf("csv: %q", out)
	}
	if out := smi(t, d, "-q", "--id=00000000:07:00.0"); !strings.HasPrefix(out, "SIMULATED GPU: nothing is computed here (Benchtop)\n") ||
		!strings.Contains(out, "\nAttached GPUs                                       : 2\nGPU 00000000:07:00.0\n    name                                            : Tesla T4\n") {
		t.Errorf("-q: %s", out)
	}
	if now, err := time.Parse("2006/01/02 15:04:05.000", query(t, d, "timestamp")[0]); err != nil || time.Since(now).Abs() > time.Minute {
		t.Errorf("the timestamp is %v (%v), expected now", now, err)
	}
	for args, want := range map[string]string{
		"--query-gpu=warmth --format=csv":     `Field "warmth" is not a valid field to query`,
		"--query-gpu=name":                    "--query-gpu needs --format=csv",
		"--query-gpu=name --format=xml":       "--query-gpu needs --format=csv",
		"--query-gpu=name --format=csv,plain": "--format=csv,plain: expected csv, then ,noheader or ,nounits or both",
		"--query-gpu= --format=csv":           "--query-gpu= names no field",
		"-i 5":                                `No GPU has the id "5": expected an index, UUID`,
		"-i":                                  "-i needs a value",
		"topo -m":                             `Option "topo" is not recognized by the simulated nvidia-smi`,
	} {
		if out, err := exec.Command(d.path("usr/bin/nvidia-smi"), strings.Fields(args)...).CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("nvidia-smi %s: %q (%v), expected %q", args, out, err, want)
		}
	}
	if err := os.Remove(d.path("dev/nvidiactl")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(d.path("usr/bin/nvidia-smi")).CombinedOutput(); err == nil || !strings.Contains(string(out), "couldn't communicate with the NVIDIA driver") {
		t.Errorf("without a driver: %q (%v)", out, err)
	}
}

// straight expects a table whose right edge is straight.
func straight(t *testing.T, table string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[1:] {
		if line != "" && len(line) != 91 {
			t.Errorf("a line of the table has %d columns, expected 91: %s", len(line), line)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "expected 1 to 16") {
		t.Errorf("no GPUs: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Spec{Kinds[0]}); err == nil || !strings.Contains(err.Error(), "make the simulated driver") {
		t.Errorf("a file in its place: %v", err)
	}
	d := open(t, "T4")
	if err := os.WriteFile(d.path(faultsFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(d.dir, d.spec); err == nil || !strings.Contains(err.Error(), "remove the file to forget the faults") {
		t.Errorf("a damaged list of faults: %v", err)
	}
}
