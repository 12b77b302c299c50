//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

func (s *story) doctorBefore(t *testing.T) {
	out := strings.ToLower(s.benchtop(t, "doctor"))
	for _, word := range []string{"port", "disk", "memory", "cgroup", "kernel"} {
		if !strings.Contains(out, word) {
			t.Errorf("doctor does not mention the machine's %s:\n%s", word, out)
		}
	}
	// A story of the machine must leave the machine as it was.
	if left := s.sh(t, "ls "+drive.DataDir+" 2>/dev/null || true"); left != "" {
		t.Errorf("doctor made %s", left)
	}
}

func (s *story) coldBoot(t *testing.T) {
	// The schedule is far away: the first model comes from the first boot.
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "project:\n  schedule: \"0 0 1 1 *\"\n"); err != nil {
		t.Fatal(err)
	}
	took := s.start(t)
	t.Logf("ready after %.1f s", took.Seconds())
	address := s.Host.Address().String()
	for what, url := range map[string]string{"UI": s.said.UI, "Try": s.said.Try} {
		if !strings.HasPrefix(url, "http://"+address) {
			t.Errorf("the line %s names %s, want the address %s", what, url, address)
		}
	}
	lan, inside := s.Host.HTTPFromLAN(), s.Host.HTTP()
	if _, err := drive.Predict(t.Context(), lan, s.said.Try, ""); err != nil {
		t.Errorf("the printed line, from the LAN: %v", err)
	}
	if _, err := drive.Predict(t.Context(), inside, "http://127.0.0.1/models/iris/predict?x="+drive.Setosa, ""); err != nil {
		t.Errorf("on the machine itself: %v", err)
	}
	if _, err := drive.Predict(t.Context(), lan, "http://"+address+"/predict?x="+drive.Setosa, "iris.lab.internal"); err != nil {
		t.Errorf("by host name: %v", err)
	}
}

func (s *story) commandsTell(t *testing.T) {
	status, err := s.WaitState(t.Context(), patience, "ready")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, u := range status.Units {
		names = append(names, u.Name)
		if u.State != "ready" {
			t.Errorf("unit %s is %s: %s", u.Name, u.State, u.Error)
		}
	}
	for _, want := range []string{"k3s", "minio", "registry", "prometheus"} {
		if !strings.Contains(strings.Join(names, " "), want) {
			t.Errorf("units are %v, want %s among them", names, want)
		}
	}
	if !json.Valid(status.Loop) || !strings.Contains(string(status.Loop), "iris") {
		t.Errorf("the loop in the status says nothing of iris: %s", status.Loop)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"status"}, "ready"},
		{[]string{"version"}, "MinIO                        20"}, // a date
		{[]string{"doctor"}, ""},
		{[]string{"predict", drive.Setosa}, "setosa"},
		{[]string{"predict", "iris", "6.7,3.0,5.2,2.3"}, "virginica"},
		{[]string{"logs", "minio"}, ""},
		{[]string{"logs", "iris"}, ""},
		{[]string{"completion", "bash"}, "benchtop"},
		{[]string{"help"}, "up"},
	} {
		if out := s.benchtop(t, c.args...); out == "" || !strings.Contains(out, c.want) {
			t.Errorf("benchtop %s printed %q, want %q in it", strings.Join(c.args, " "), out, c.want)
		}
	}
	// A command must not read the whole executable: see scripts/patch. A
	// shell's count includes what its children read.
	if read := s.sh(t, drive.Program+` version >&2; awk '/^rchar/ {print $2}' /proc/$$/io`); len(read) > len("9999999") {
		t.Errorf("benchtop version reads %s bytes", read)
	}

	s.refuses(t, []string{"4", "5.1"}, "predict", "5.1")
	s.refuses(t, []string{"nobody"}, "predict", "nobody", drive.Setosa)
	s.refuses(t, []string{"nobody"}, "train", "nobody")
	s.refuses(t, []string{"nobody"}, "logs", "nobody")
	s.refuses(t, []string{"explode"}, "explode")
	s.refuses(t, []string{"--bogus"}, "status", "--bogus")
}

func (s *story) secondInstance(t *testing.T) {
	pid, err := s.PID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.refuses(t, []string{drive.DataDir, pid, "benchtop down"}, "up")
	if _, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Errorf("the refused instance disturbed the first: %v", err)
	}
}

func (s *story) kubectlAndCrictl(t *testing.T) {
	if out := s.benchtop(t, "kubectl", "get", "nodes", "--no-headers"); !strings.Contains(out, " Ready ") {
		t.Errorf("the node is not ready: %s", out)
	}
	out := s.benchtop(t, "kubectl", "get", "cronjob,deployment,service,ingress,pvc", "-n", "iris", "-o", "name")
	for _, kind := range []string{"cronjob", "deployment", "service/", "ingress", "persistentvolumeclaim"} {
		if !strings.Contains(out, kind) {
			t.Errorf("namespace iris has no %s:\n%s", kind, out)
		}
	}
	if out := s.benchtop(t, "kubectl", "get", "all,pvc,ingress", "-n", "iris", "-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.labels}{"\n"}{end}`); strings.Contains(out, " \n") {
		t.Errorf("some objects have no labels:\n%s", out)
	}
	if out := s.benchtop(t, "crictl", "ps"); !strings.Contains(out, "traefik") {
		t.Errorf("crictl does not list the ingress:\n%s", out)
	}
	// kubectl's own exit code and words come through.
	s.refuses(t, []string{"NotFound"}, "kubectl", "get", "pod", "nobody")
}

func (s *story) prometheusScrapes(t *testing.T) {
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var up map[string]string
	var missed error // the last thing that was waited for
	defer func() { t.Logf("%d jobs: %v; waited for: %v", len(up), up, missed) }()
	err = drive.Eventually(t.Context(), patience, func() (err error) {
		defer func() {
			if err != nil {
				missed = err
			}
		}()
		if up, err = admin.Query(t.Context(), "min(up)by(job)", "job"); err != nil {
			return err
		}
		for job, v := range up {
			if v != "1" {
				return fmt.Errorf("%s has targets that are down: %v", job, up)
			}
		}
		for _, job := range []string{"benchtop", "k3s", "kubelet", "cadvisor", "minio", "traefik", "pods"} {
			if up[job] == "" {
				return fmt.Errorf("%s is not scraped: %v", job, up)
			}
		}
		// The whole way: the pod counts the predictions, and Prometheus stores
		// the count.
		served, err := admin.Query(t.Context(), `sum(container_memory_working_set_bytes{namespace="iris"})by(namespace)`, "namespace")
		if err != nil {
			return err
		}
		if served["iris"] == "" {
			return fmt.Errorf("cAdvisor's series of namespace iris are missing")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
