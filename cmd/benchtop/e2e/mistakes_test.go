//go:build e2e

package e2e

import (
	"bufio"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// TestMistakes makes the mistakes that people make. Each is refused at once and
// by name, with what to do, and nothing is left half-started.
func TestMistakes(t *testing.T) {
	inTurn(t)
	s := begin(t, "mistakes", testhost.Options{})
	untouched := func(t *testing.T) {
		t.Helper()
		if out := s.sh(t, "ps -eo args --no-headers | grep -E 'benchtop up|containerd|k3s' | grep -v grep || true"); out != "" {
			t.Errorf("left running:\n%s", out)
		}
		if out := s.sh(t, "ls /sys/class/net"); out != "eth0\nlo" {
			t.Errorf("left links: %s", out)
		}
	}
	for name, c := range map[string]struct {
		config string
		want   []string
	}{
		"unknown key":        {"domain: lab.internal\nhttp_adress: \":8080\"\n", []string{"config.yaml:2", "http_adress", "http_addr"}},
		"unknown nested key": {"ingress:\n  http_prot: 80\n", []string{"config.yaml:2", "ingress.http_prot", "ingress.http_port"}},
		"bad port":           {"ingress:\n  http_port: 80000\n", []string{"config.yaml:2", "ingress.http_port", "1 to 65535", "80000"}},
		"bad address":        {"s3_addr: nine thousand\n", []string{"config.yaml:1", "s3_addr", ":8080", "nine thousand"}},
		"bad schedule":       {"\nproject:\n  schedule: hourly-ish\n", []string{"config.yaml:3", "project.schedule", "five", "hourly-ish"}},
		"bad log level":      {"log_level: loud\n", []string{"config.yaml:1", "log_level", "debug", "loud"}},
		"bad retention":      {"prometheus:\n  retention_time: long\n", []string{"config.yaml:2", "prometheus.retention_time", "15d", "long"}},
		"bad domain":         {"domain: not a domain\n", []string{"config.yaml:1", "domain", "lab.internal"}},
		"key twice":          {"log_level: info\nlog_level: debug\n", []string{"config.yaml", "log_level"}},
		"not YAML":           {"domain: [lab\n", []string{"config.yaml", "YAML"}},
		"two ports the same": {"http_addr: \":9000\"\n", []string{"9000", "s3_addr", "http_addr"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", c.config); err != nil {
				t.Fatal(err)
			}
			s.refuses(t, c.want, "up")
			untouched(t)
		})
	}
	s.sh(t, "rm /etc/benchtop/config.yaml")

	t.Run("missing config file", func(t *testing.T) {
		s.refuses(t, []string{"/nowhere.yaml", "does not exist"}, "up", "--config", "/nowhere.yaml")
	})
	t.Run("bad flag value", func(t *testing.T) {
		s.refuses(t, []string{"--http-addr", "expected"}, "up", "--http-addr", "x")
	})
	for _, port := range []string{"8080", "5000", "9000", "80", "6443"} {
		t.Run("port "+port+" taken", func(t *testing.T) {
			pid := s.occupy(t, port)
			s.refuses(t, []string{port, "perl", pid}, "up")
			untouched(t)
			if r, err := s.Try(t.Context(), "", "doctor"); err != nil || r.Code == 0 || !strings.Contains(r.All(), port) {
				t.Errorf("doctor does not name port %s: code %d, %v\n%s", port, r.Code, err, r.All())
			}
		})
	}
	t.Run("not root", func(t *testing.T) {
		cmd := s.Host.Command(t.Context(), "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", drive.Program, "up")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "sudo") {
			t.Errorf("as user 1000: %v: %s", err, out)
		}
	})
	t.Run("data dir is a file", func(t *testing.T) {
		s.sh(t, "touch /var/lib/a-file")
		s.refuses(t, []string{"/var/lib/a-file"}, "up", "--data-dir", "/var/lib/a-file")
		untouched(t)
	})
	t.Run("nothing runs", func(t *testing.T) {
		s.refuses(t, []string{"benchtop up"}, "predict", drive.Setosa)
		s.refuses(t, []string{"benchtop up"}, "train")
		s.refuses(t, []string{"benchtop up"}, "kubectl", "get", "pods")
	})
}

// occupy listens on a port inside, with a program that has a name, until the
// test ends.
func (s *story) occupy(t *testing.T, port string) (pid string) {
	t.Helper()
	cmd := s.Host.Command(t.Context(), "perl", "-e", `use Socket; $|=1; socket(S,PF_INET,SOCK_STREAM,0); setsockopt(S,SOL_SOCKET,SO_REUSEADDR,1);
		bind(S,sockaddr_in($ARGV[0],INADDR_ANY)) or die $!; listen(S,5); print "$$\n"; sleep 600`, port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: that it failed is the point
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("occupy port %s: %v", port, err)
	}
	return strings.TrimSpace(line)
}
