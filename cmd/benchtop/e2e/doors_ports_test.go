//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// labPorts are refused to pods and Services: their rules come before every
// listener, and with the API's port nobody could remove the pod any more.
func (s *story) labPorts(t *testing.T) {
	l := s.laptop(t)
	l.namespace(t, "ports")
	for name, c := range map[string]struct{ manifest, want string }{
		"the API's": {`
apiVersion: v1
kind: Pod
metadata: {name: thief}
spec: {containers: [{name: c, image: example.org/x:1, ports: [{containerPort: 80, hostPort: 6443}]}]}`, "host port 6443 belongs to the lab: use another"},
		"the UI's, by an init container": {`
apiVersion: v1
kind: Pod
metadata: {name: thief}
spec:
  initContainers: [{name: i, image: example.org/x:1, ports: [{containerPort: 80, hostPort: 8080}]}]
  containers: [{name: c, image: example.org/x:1}]`, "host port 8080 belongs to the lab"},
		"the ingress'": {`
apiVersion: v1
kind: Service
metadata: {name: thief}
spec: {externalIPs: [192.0.2.1], ports: [{port: 80}]}`, "port 80 belongs to the lab: use another for a Service with externalIPs"},
		"the node's address": {`
apiVersion: v1
kind: Service
metadata: {name: thief}
spec: {externalIPs: [10.44.0.1], ports: [{port: 7000}]}`, "10.44.0.1 and 127.0.0.1 belong to the lab"},
	} {
		file := filepath.Join(t.TempDir(), "thief.yaml")
		if err := os.WriteFile(file, []byte(c.manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := l.try(t.Context(), "create", "-n", "ports", "-f", file); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s port: %s, want %q", name, out, c.want)
		}
	}
	// Others are nobody's.
	l.apply(t, "ports", `
apiVersion: v1
kind: Service
metadata: {name: honest}
spec: {externalIPs: [192.0.2.1], ports: [{port: 7000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: honest}
spec: {containers: [{name: c, image: IMAGE, command: [sleep, "60"], ports: [{containerPort: 80, hostPort: 7001}]}]}`)
	l.do(t, "delete", "pod", "-n", "ports", "honest", "--now")
}
