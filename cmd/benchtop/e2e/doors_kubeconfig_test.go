//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// client returns the path of a program that a user's laptop has: kubectl or
// helm as released, apart from what is built into benchtop.
func client(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(repository, "scripts", "clients", "build.sh"))
	cmd.Stderr = os.Stderr
	dir, err := cmd.Output()
	if err != nil {
		t.Fatalf("build the clients: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), name)
}

// laptop is a machine on the LAN with a kubeconfig from the appliance.
type laptop struct {
	s          *story
	kubeconfig string
	kubectl    string
}

// laptop writes what `benchtop kubeconfig` prints into a file on the LAN's
// machine.
func (s *story) laptop(t *testing.T, args ...string) *laptop {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig.yaml")
	out := s.benchtop(t, append([]string{"kubeconfig"}, args...)...)
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return &laptop{s, file, client(t, "kubectl")}
}

// try runs kubectl on the laptop.
func (l *laptop) try(ctx context.Context, args ...string) (string, error) {
	return l.run(ctx, l.kubectl, args...)
}

func (l *laptop) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := l.s.Host.OnLAN(ctx, program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+l.kubeconfig, "HOME="+filepath.Dir(l.kubeconfig))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// do runs kubectl on the laptop; it must succeed.
func (l *laptop) do(t *testing.T, args ...string) string {
	t.Helper()
	out, err := l.try(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// kubeconfigs is about kubectl on another machine: the certificate is valid
// for what the machine is reached at, also after that has changed.
func (s *story) kubeconfigs(t *testing.T) {
	address := s.Host.Address().String()
	admin := s.laptop(t)
	if out := admin.do(t, "get", "nodes", "--no-headers"); !strings.Contains(out, " Ready ") {
		t.Errorf("kubectl from the LAN says %s", out)
	}
	if b, err := os.ReadFile(admin.kubeconfig); err != nil || !strings.Contains(string(b), "https://"+address+":6443") {
		t.Errorf("the kubeconfig does not name %s: %v", address, err)
	}
	if out := admin.do(t, "auth", "whoami"); !strings.Contains(out, "kubeconfig:laptop:") {
		t.Errorf("the user on the laptop is %s, want one of its own", out)
	}
	for _, name := range []string{"open-doors", "open-doors.local", "127.0.0.1", address, "lab.example.org"} {
		s.benchtop(t, "kubeconfig", "--user", "names", "--server", name)
	}
	s.refuses(t, []string{"not valid for 203.0.113.9", "tls_san"}, "kubeconfig", "--server", "203.0.113.9")

	viewer := s.laptop(t, "--user", "anna", "--role", "view")
	viewer.do(t, "get", "pods", "-n", "iris")
	if out, err := viewer.try(t.Context(), "delete", "pod", "-n", "iris", "--all", "--dry-run=server"); err == nil || !strings.Contains(out, "Forbidden") {
		t.Errorf("who may only look deletes pods: %s", out)
	}
	if out := s.benchtop(t, "kubeconfig", "list"); !strings.Contains(out, "anna") || !strings.Contains(out, "view") {
		t.Errorf("the list says %s", out)
	}
	s.refuses(t, []string{"anna exists with the role view"}, "kubeconfig", "--user", "anna", "--role", "edit")
	s.benchtop(t, "kubeconfig", "revoke", "anna")
	if err := drive.Eventually(t.Context(), 2*time.Second, func() error {
		if out, err := viewer.try(t.Context(), "get", "pods", "-n", "iris"); err == nil || !strings.Contains(out, "Forbidden") {
			return fmt.Errorf("a revoked kubeconfig still reads pods: %s", out)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	s.refuses(t, []string{`"anna" has no kubeconfig`}, "kubeconfig", "revoke", "anna")

	// The machine gets another address: a kubeconfig for it works in seconds.
	before := netip.PrefixFrom(s.Host.Address(), 24)
	if err := s.Host.SetAddress(netip.MustParsePrefix("10.77.0.6/24")); err != nil {
		t.Fatal(err)
	}
	if err := drive.Eventually(t.Context(), patience, func() error {
		_, err := s.Run(t.Context(), "kubeconfig", "--server", "10.77.0.6")
		return err
	}); err != nil {
		t.Error(err)
	} else if out := s.laptop(t).do(t, "get", "nodes", "--no-headers"); !strings.Contains(out, " Ready ") {
		t.Errorf("at the new address kubectl says %s", out)
	}
	if err := s.Host.SetAddress(before); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"laptop", "names"} {
		s.benchtop(t, "kubeconfig", "revoke", user)
	}
}
