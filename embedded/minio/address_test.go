package minio

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestPublicURL(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	other := &Unit{cfg: u.cfg, addr: u.addr, loopback: u.loopback}
	other.cfg.PublicURL = "https://s3.lab.internal"
	_, urls, err := other.Bucket("mlflow").CreateMultipart(t.Context(), "elsewhere", 1)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(urls[0], "https://s3.lab.internal/mlflow/elsewhere?") {
		t.Errorf("URL is %s", urls[0])
	}
	if got, err := publicURL("", wildcard{}); err != nil || !strings.HasSuffix(got, ":9000") || strings.Contains(got, "0.0.0.0") {
		t.Errorf("for a wildcard address: %q, %v", got, err)
	}
}

type wildcard struct{}

func (wildcard) Network() string { return "tcp" }
func (wildcard) String() string  { return "0.0.0.0:9000" }

func TestMachineAddressWithoutRoutes(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=address")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET} // not even the loopback interface is up
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "127.0.0.1 <nil>\n" {
		t.Errorf("in an empty network: %q, %v", out, err)
	}
}
