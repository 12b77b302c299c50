package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestLifeOfAHostByHand(t *testing.T) {
	name := fmt.Sprintf("by-hand-%d", os.Getpid())
	step := func(want int, args ...string) {
		t.Helper()
		got, err := run(args)
		if got != want {
			t.Fatalf("testhost %s: exit code %d, %v; want %d", strings.Join(args, " "), got, err, want)
		}
	}
	shared := t.TempDir()
	step(0, "start", "-no-default-route", "-small-disk", "/mnt/small=8", "-bind", shared+":/mnt/shared", name)
	t.Cleanup(func() {
		if _, err := os.Stat(folder(name)); err == nil {
			step(0, "stop", name)
		}
	})
	step(1, "start", name) // the name is taken
	step(0, "info", name)
	step(0, "exec", name, "touch", "/mnt/shared/from-inside")
	if _, err := os.Stat(shared + "/from-inside"); err != nil {
		t.Errorf("the shared folder is not shared: %v", err)
	}
	step(7, "exec", name, "sh", "-c", "exit 7")
	step(0, "address", name, "192.168.99.5/24")
	step(0, "net", name, "sh", "-c", "ip -4 -o address show eth0 | grep -q 192.168.99.5/24")
	step(0, "lan", name, "sh", "-c", "ip -4 -o address show lan0 | grep -q 192.168.99.1/24")
	step(0, "unplug", name)
	step(0, "exec", name, "grep", "-q", "0", "/sys/class/net/eth0/carrier")
	step(0, "plug", name)
	step(0, "stop", name)
	step(1, "info", name)
}

func TestMistakesByHand(t *testing.T) {
	for _, args := range [][]string{{}, {"start"}, {"start", "-bind", "x", "n"}, {"start", "-small-disk", "relative=9", "n"}, {"start", "-address", "here", "n"}} {
		if code, _ := run(args); code != 2 {
			t.Errorf("testhost %v: exit code %d, want 2", args, code)
		}
	}
	if code, err := run([]string{"exec", "no-such-host", "true"}); code != 1 || err == nil {
		t.Errorf("exec in a host that does not exist: %d, %v", code, err)
	}
}
