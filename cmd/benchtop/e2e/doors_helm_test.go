//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// charts installs charts from their archives with helm on a laptop: the one
// that `helm create` writes, around an image of one's own, and charts that
// need what popular ones need.
func (s *story) charts(t *testing.T) {
	l := s.laptop(t)
	program := client(t, "helm")
	helm := func(t *testing.T, args ...string) string {
		t.Helper()
		out, err := l.run(t.Context(), program, args...)
		if err != nil {
			t.Fatalf("%v\n%s", err, l.do(t, "get", "pods,events", "-n", "charts"))
		}
		return out
	}
	l.namespace(t, "charts")
	dir := t.TempDir()
	pack := func(chart string) string {
		helm(t, "package", "-d", dir, chart)
		return filepath.Join(dir, filepath.Base(chart)+"-0.1.0.tgz")
	}
	install := func(name, chart string, set ...string) {
		t.Helper()
		helm(t, append([]string{"install", name, chart, "-n", "charts", "--wait", "--wait-for-jobs", "--timeout", "90s"}, set...)...)
	}
	image := "image=" + s.labImage(t)

	// The one that `helm create` writes.
	layer, config := hello(t, runtime.GOARCH, "a chart")
	config["config"].(m)["Cmd"] = []string{"serve"}
	s.put(t, "/root/web.tar", dockerArchiveOf(t, layer, config, "example.org/web:1"))
	s.benchtop(t, "images", "load", "/root/web.tar")
	helm(t, "create", filepath.Join(dir, "webapp"))
	install("shop", pack(filepath.Join(dir, "webapp")), "--set", "image.repository=example.org/web,image.tag=1,ingress.enabled=true,ingress.hosts[0].host=shop.example.org,"+
		"ingress.hosts[0].paths[0].path=/,ingress.hosts[0].paths[0].pathType=ImplementationSpecific,autoscaling.enabled=true,autoscaling.maxReplicas=2,resources.requests.cpu=10m")
	if err := drive.Eventually(t.Context(), patience, func() error { return s.answers("http://appliance/", "shop.example.org", "hello from a chart") }); err != nil {
		t.Error(err)
	}
	helm(t, "upgrade", "shop", filepath.Join(dir, "webapp-0.1.0.tgz"), "-n", "charts", "--reuse-values", "--set", "autoscaling.minReplicas=2", "--wait", "--timeout", "90s")
	helm(t, "rollback", "shop", "1", "-n", "charts", "--wait", "--timeout", "90s")
	if out := helm(t, "list", "-n", "charts"); !strings.Contains(out, "deployed") {
		t.Errorf("helm list says %s", out)
	}

	// A database: no known user writes to its volumes, and they stay.
	install("ledger", pack("testdata/charts/ledger"), "--set", image)
	l.do(t, "delete", "pod", "-n", "charts", "ledger-1")
	l.do(t, "rollout", "status", "-n", "charts", "statefulset/ledger", "--timeout=180s")
	if out := l.do(t, "exec", "-n", "charts", "ledger-0", "--", "wget", "-qO-", "http://ledger-1.ledger:8000/born"); out != "ledger-1\nledger-1" {
		t.Errorf("the volume of ledger-1 holds %q, want both lives of the pod", out)
	}
	if out := l.do(t, "get", "pdb", "-n", "charts", "ledger", "-o", "jsonpath={.status.disruptionsAllowed}"); out != "1" {
		t.Errorf("the budget allows %s disruptions, want 1", out)
	}

	install("nightly", pack("testdata/charts/nightly"), "--set", image)
	l.do(t, "create", "job", "-n", "charts", "tonight", "--from=cronjob/nightly")
	l.do(t, "wait", "-n", "charts", "job/tonight", "--for=condition=Complete", "--timeout=180s")
	if out, err := l.try(t.Context(), "create", "service", "loadbalancer", "-n", "charts", "refused", "--tcp=7777:80"); err == nil || !strings.Contains(out, "exceeded quota") {
		t.Errorf("the quota refuses nothing: %s", out)
	}

	install("hooked", pack("testdata/charts/hooked"), "--set", image)
	helm(t, "upgrade", "hooked", filepath.Join(dir, "hooked-0.1.0.tgz"), "-n", "charts", "--reuse-values", "--wait")
	for _, hook := range []string{"pre-install", "post-install", "pre-upgrade"} {
		if out := l.do(t, "logs", "-n", "charts", "job/hooked-"+hook); out != hook {
			t.Errorf("hook %s says %q", hook, out)
		}
	}
	for _, release := range []string{"shop", "ledger", "nightly", "hooked"} {
		helm(t, "uninstall", release, "-n", "charts", "--wait")
	}
	s.benchtop(t, "images", "remove", "example.org/web:1")
}

// answers asks from the LAN, with a Host header, and wants an answer with a
// text in it.
func (s *story) answers(url, host, want string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Host = host
	r, err := s.Host.HTTPFromLAN().Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && (r.StatusCode != http.StatusOK || !strings.Contains(string(b), want)) {
		err = fmt.Errorf("%s as %s answers %s: %.300s, want %q", url, host, r.Status, b, want)
	}
	return err
}
