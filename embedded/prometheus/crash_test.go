package prometheus

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

const childEnv = "BENCHTOP_TEST_PROMETHEUS_CHILD"

// TestMain lets the test binary be a process that runs a unit until it is
// killed: "dir address".
func TestMain(m *testing.M) {
	args := strings.Fields(os.Getenv(childEnv))
	if len(args) == 0 {
		os.Exit(m.Run())
	}
	u, err := New(Config{Dir: args[0], ScrapeInterval: time.Second, Targets: []Target{{Job: "things", Address: args[1]}}})
	if err != nil {
		panic(err)
	}
	h, _ := supervise.NewHandle(os.Stderr)
	go func() { panic(u.Run(context.Background(), h)) }()
	for {
		time.Sleep(100 * time.Millisecond)
		if got, err := u.Query(context.Background(), "count_over_time(kept[1h])", time.Time{}); err == nil && len(got) == 1 {
			fmt.Println("SAMPLES", got[0].Value, time.Now().UnixMilli())
		}
	}
}

func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := Target{Job: "things", Address: page(t, func() string { return "kept 42\n" })}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir+" "+target.Address)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var samples float64
	var at int64
	for samples < 5 && lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "SAMPLES %g %d", &samples, &at); err != nil {
			t.Fatalf("child says %q", lines.Text())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed

	u := run(t, Config{Dir: dir})
	got, err := u.Query(context.Background(), "count_over_time(kept[1h])", time.UnixMilli(at))
	if err != nil || len(got) != 1 || got[0].Value < samples {
		t.Errorf("after kill -9: %v, %v; want %v samples", got, err, samples)
	}
}

// lastFile returns the newest file of the folder.
func lastFile(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(all) - 1; i >= 0; i-- {
		if info, err := all[i].Info(); err == nil && !info.IsDir() && info.Size() > 0 {
			return filepath.Join(dir, all[i].Name())
		}
	}
	t.Fatalf("no file in %s", dir)
	return ""
}

func TestCorruptLogIsRepaired(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := Target{Job: "things", Address: page(t, func() string { return "kept 42\n" })}
	u := run(t, Config{Dir: dir, Targets: []Target{target}})
	becomes(t, u.Unit, "kept", 42)
	becomes(t, u.Unit, "count_over_time(kept[1h]) > bool 2", 1)
	at := time.Now()
	u.stop()
	wal := lastFile(t, filepath.Join(dir, "wal"))
	b, err := os.ReadFile(wal)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) * 3 / 4; i < len(b); i++ { // the last quarter is rubbish
		b[i] ^= 0x5a
	}
	if err := os.WriteFile(wal, b, 0o600); err != nil {
		t.Fatal(err)
	}

	again := run(t, Config{Dir: dir, Targets: []Target{target}})
	if got, err := again.Query(context.Background(), "kept", at); err != nil || len(got) != 1 {
		t.Errorf("what was before the damage: %v, %v", got, err)
	}
	said := false
	for _, l := range again.log.Last(1000) {
		said = said || strings.Contains(l.Text, "repair")
	}
	if !said {
		t.Errorf("the log does not tell of the repair: %v", again.log.Last(1000))
	}
	becomes(t, again.Unit, "kept", 42)
}

func TestBrokenBlockIsPutAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	block := filepath.Join(dir, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if err := os.MkdirAll(filepath.Join(block, "chunks"), 0o700); err != nil {
		t.Fatal(err)
	}
	meta := `{"ulid":"01ARZ3NDEKTSV4RRFFQ69G5FAV","minTime":1,"maxTime":7200000,"stats":{"numSamples":1,"numSeries":1,"numChunks":1},"compaction":{"level":1,"sources":["01ARZ3NDEKTSV4RRFFQ69G5FAV"]},"version":1}`
	for name, text := range map[string]string{"meta.json": meta, "index": "rubbish", "chunks/000001": ""} {
		if err := os.WriteFile(filepath.Join(block, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	u := run(t, Config{Dir: dir})
	becomes(t, u.Unit, `up{job="benchtop"}`, 1)
	if _, err := os.Stat(filepath.Join(dir, "broken", filepath.Base(block), "index")); err != nil {
		t.Errorf("the broken block was not kept aside: %v", err)
	}
	said := false
	for _, l := range u.log.Last(1000) {
		said = said || strings.Contains(l.Text, "put aside") && strings.Contains(l.Text, filepath.Base(block))
	}
	if !said {
		t.Errorf("the log does not tell of it: %v", u.log.Last(1000))
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("benchtop-test", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatalf("mount a small tmpfs (the tests need root, or a user namespace: unshare -rm): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	target := Target{Job: "things", Address: page(t, func() string { return "kept 42\n" })}
	u := run(t, Config{Dir: filepath.Join(dir, "prometheus"), Targets: []Target{target}})
	becomes(t, u.Unit, "kept", 42)
	before := time.Now()
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { // it says so ...
		for _, l := range u.log.Last(1000) {
			if strings.Contains(l.Text, "no space left on device") {
				return ""
			}
		}
		return "the log does not tell of the full disk"
	})
	if got, err := u.Query(context.Background(), "kept", before); err != nil || len(got) != 1 { // ... and answers
		t.Errorf("on a full disk: %v, %v", got, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	room := time.Now()
	eventually(t, func() string { // ... and goes on when there is room
		got, err := u.Query(context.Background(), "timestamp(kept)", time.Time{})
		if err != nil || len(got) != 1 || got[0].Value < float64(room.Unix()+2) {
			return fmt.Sprintf("after room was made: %v, %v", got, err)
		}
		return ""
	})
	u.stop()
	again := runUnit(t, u.Unit)
	if got, err := again.Query(context.Background(), "kept", before); err != nil || len(got) != 1 {
		t.Errorf("after a restart: %v, %v", got, err)
	}
	becomes(t, again.Unit, "kept", 42)
}
