//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// lookups is what a pod gets for names, and how long the slowest took.
type lookups struct {
	Answers map[string]string // an address, or the error's name
	Slowest float64           // seconds
}

const lookupScript = `
import json, socket, sys, time
answers, slowest = {}, 0
for name in sys.argv[1:]:
    begin = time.time()
    try:
        answers[name] = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)[0][4][0]
    except socket.gaierror as e:
        answers[name] = "fails"
    slowest = max(slowest, time.time() - begin)
print(json.dumps({"Answers": answers, "Slowest": slowest}))
`

func (s *story) lookUp(t *testing.T, names ...string) lookups {
	t.Helper()
	out := s.benchtop(t, append([]string{"kubectl", "exec", "-n", "iris", "deploy/iris", "--", "python3", "-c", lookupScript}, names...)...)
	var l lookups
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		t.Fatalf("read %s: %v", out, err)
	}
	return l
}

// serveDNS answers every A question with an address, inside the host, until
// the returned function is called.
func (s *story) serveDNS(t *testing.T, at, answer string) (stop func()) {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(answer)}}
		}
		_ = w.WriteMsg(m) // who asked went away
	})
	udp, err := s.Host.ListenPacket("udp4", at+":53")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: udp, Handler: handler}
	up := make(chan struct{})
	srv.NotifyStartedFunc = func() { close(up) }
	go func() {
		if err := srv.ActivateAndServe(); err != nil {
			t.Errorf("serve DNS at %s: %v", at, err)
		}
	}()
	<-up
	return func() {
		if err := srv.Shutdown(); err != nil {
			t.Errorf("stop DNS at %s: %v", at, err)
		}
	}
}

// resolvers gives the machine one resolver configuration after another, and
// restarts the cluster's DNS with those that used to break it. Names of the lab
// answer with each. Outside names answer if some server knows them, otherwise
// fail within seconds. The doctor says which server is dead.
func (s *story) resolvers(t *testing.T) {
	address := s.Host.Address().String()
	const outside, known = "www.example.org", "198.51.100.7"
	before := s.sh(t, "cat /etc/resolv.conf")
	defer func() { s.sh(t, `printf '%s\n' "$1" > /etc/resolv.conf`, before) }()
	node := s.benchtop(t, "kubectl", "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")

	for _, c := range []struct {
		name, file string // the file's content, "" for no file
		server     string // where one answers
		restart    bool   // of the cluster's DNS
		want       string // for a name outside
		doctor     string
	}{
		{name: "a server on the LAN", file: "search lan\nnameserver " + address, server: address, want: known, doctor: "answered by name server " + address},
		{name: "a server that stays silent", file: "nameserver 203.0.113.9", want: "fails", doctor: "name server 203.0.113.9, named in /etc/resolv.conf, does not answer (it stays silent): names of the lab work"},
		{name: "a silent one before one that answers", file: "nameserver 203.0.113.9\nnameserver " + address, server: address, want: known, doctor: "all names work, through " + address},
		{name: "a local stub", file: "nameserver 127.0.0.1", server: "127.0.0.1", restart: true, want: known, doctor: "answered by name server 127.0.0.1 (relayed to pods)"},
		{name: "a local stub that is dead", file: "nameserver 127.0.0.53", restart: true, want: "fails", doctor: "name server 127.0.0.53, named in /etc/resolv.conf, does not answer (connection refused)"},
		{name: "an empty file", file: "\n", restart: true, want: "fails", doctor: "/etc/resolv.conf names no name server"},
		{name: "no file", restart: true, want: "fails", doctor: "/etc/resolv.conf does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.server != "" {
				defer s.serveDNS(t, c.server, known)()
			}
			s.sh(t, `if [ -n "$1" ]; then printf "$1\n" > /etc/resolv.conf; else rm -f /etc/resolv.conf; fi`, c.file)
			if c.restart {
				s.restartDNS(t)
			}
			// CoreDNS reads a change within seconds.
			if err := drive.Eventually(t.Context(), patience, func() error {
				if got := s.lookUp(t, outside).Answers[outside]; got != c.want {
					return fmt.Errorf("%s gives %s, want %s", outside, got, c.want)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			got := s.lookUp(t, "s3.benchtop.svc", "kubernetes.default", node)
			if got.Answers[node] != "10.44.0.1" || !strings.HasPrefix(got.Answers["s3.benchtop.svc"], "10.43.") || got.Answers["kubernetes.default"] != "10.43.0.1" || got.Slowest > 1 {
				t.Errorf("names of the lab: %+v", got)
			}
			if got := s.lookUp(t, outside, "other.example.org"); got.Slowest > 7 {
				t.Errorf("names outside take %.1f s", got.Slowest)
			}
			if out := s.benchtop(t, "doctor"); !strings.Contains(out, c.doctor) {
				t.Errorf("doctor does not say %q:\n%s", c.doctor, out)
			}
		})
	}
}

// restartDNS replaces the pod of the cluster's DNS and waits for the new one,
// whose sandbox needs a resolv.conf.
func (s *story) restartDNS(t *testing.T) {
	t.Helper()
	const pods = `jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {.status.containerStatuses[0].restartCount}{"\n"}{end}`
	old, _, _ := strings.Cut(s.benchtop(t, "kubectl", "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", pods), " ")
	s.benchtop(t, "kubectl", "delete", "pod", "-n", "kube-system", "--grace-period=1", old)
	if err := drive.Eventually(t.Context(), patience, func() error {
		out := s.benchtop(t, "kubectl", "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", pods)
		if strings.Contains(out, old) || !strings.HasSuffix(out, " True 0") {
			return fmt.Errorf("the cluster's DNS is %q", out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
