//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// labImage is the one image that every lab has for pods of one's own.
func (s *story) labImage(t *testing.T) string {
	t.Helper()
	return s.benchtop(t, "kubectl", "get", "deployment", "-n", "iris", "iris", "-o", "jsonpath={..image}")
}

// apply applies manifests from the laptop, with the lab's image in place of
// IMAGE.
func (l *laptop) apply(t *testing.T, namespace, manifest string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	manifest = strings.ReplaceAll(manifest, "IMAGE", l.s.labImage(t))
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	l.do(t, "apply", "-n", namespace, "-f", file)
}

// namespace makes a namespace that is gone after the test.
func (l *laptop) namespace(t *testing.T, name string) {
	t.Helper()
	l.do(t, "create", "namespace", name)
	t.Cleanup(func() {
		if _, err := l.try(context.Background(), "delete", "namespace", name, "--timeout=180s"); err != nil {
			t.Error(err)
		}
	})
}

const toolPod = `
apiVersion: v1
kind: Pod
metadata: {name: tool, labels: {app: tool}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: IMAGE
    command: [python3, -c, "import http.server,functools;print('serving',flush=True);http.server.ThreadingHTTPServer(('',8000),functools.partial(http.server.SimpleHTTPRequestHandler,directory='/srv')).serve_forever()"]
    workingDir: /srv
    resources: {requests: {cpu: 10m, memory: 32Mi}}
    volumeMounts: [{name: srv, mountPath: /srv}]
  volumes: [{name: srv, emptyDir: {}}]
`

// kubectlVerbs walks through the daily uses of kubectl, from the LAN.
func (s *story) kubectlVerbs(t *testing.T) {
	l := s.laptop(t)
	l.namespace(t, "verbs")
	l.apply(t, "verbs", toolPod)
	l.do(t, "wait", "-n", "verbs", "pod/tool", "--for=condition=Ready", "--timeout=180s")

	dir := t.TempDir()
	file := filepath.Join(dir, "hello.txt")
	if err := os.WriteFile(file, []byte("from the laptop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.do(t, "cp", "-n", "verbs", file, "tool:/srv/hello.txt")
	if out := l.do(t, "exec", "-n", "verbs", "tool", "--", "cat", "/srv/hello.txt"); out != "from the laptop" {
		t.Errorf("kubectl cp and exec: %q", out)
	}
	l.do(t, "cp", "-n", "verbs", "tool:/srv/hello.txt", filepath.Join(dir, "back.txt"))
	if b, err := os.ReadFile(filepath.Join(dir, "back.txt")); err != nil || string(b) != "from the laptop\n" {
		t.Errorf("kubectl cp brought back %q: %v", b, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	forward := s.Host.OnLAN(ctx, l.kubectl, "port-forward", "-n", "verbs", "pod/tool", "18000:8000")
	forward.Env = append(os.Environ(), "KUBECONFIG="+l.kubeconfig)
	follow := s.Host.OnLAN(ctx, l.kubectl, "logs", "-f", "-n", "verbs", "tool")
	follow.Env = forward.Env
	lines := &drive.Output{}
	follow.Stdout = lines
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	if err := drive.Eventually(t.Context(), patience, func() error {
		r, err := s.Host.HTTPFromLAN().Get("http://127.0.0.1:18000/hello.txt")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != "from the laptop\n" {
			return fmt.Errorf("port-forward answers %q: %w", b, err)
		}
		if got := lines.String(); !strings.Contains(got, "serving") || !strings.Contains(got, "GET /hello.txt") {
			return fmt.Errorf("logs -f shows %q", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	cancel()
	_, _ = forward.Process.Wait()
	_, _ = follow.Process.Wait()

	// kubectl shows what is said once it is attached: a command may have ended by then.
	if err := drive.Eventually(t.Context(), patience, func() error {
		out, err := l.try(t.Context(), "debug", "-n", "verbs", "tool", "--image="+s.labImage(t), "--image-pull-policy=IfNotPresent", "--target=web", "--attach", "-q", "--profile=general",
			"--", "sh", "-c", "sleep 1; tr '\\0' ' ' < /proc/1/cmdline")
		if err == nil && !strings.Contains(out, "ThreadingHTTPServer") {
			err = fmt.Errorf("kubectl debug does not see the container's processes: %q", out)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := drive.Eventually(t.Context(), patience, func() error {
		for _, args := range [][]string{{"top", "nodes", "--no-headers"}, {"top", "pods", "-n", "verbs", "--no-headers"}} {
			if out, err := l.try(t.Context(), args...); err != nil || !strings.Contains(out, "Mi") {
				return fmt.Errorf("kubectl %v: %s %w", args, out, err)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
