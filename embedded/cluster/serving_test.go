package cluster

import (
	"slices"
	"strings"
	"testing"
)

// What servers were told is taken back whole, and they are made to look.
func TestServeNothing(t *testing.T) {
	s, c := newAPIServer(t)
	applyIris(t, c)
	d := testDeployment().Deployment
	before := s.names()
	if err := c.ServeNothing(t.Context(), d); err != nil {
		t.Errorf("of servers that were told nothing: %v", err)
	}
	if err := c.Serve(t.Context(), d, 3, "run", nil); err != nil {
		t.Fatal(err)
	}
	const pod = "/api/v1/namespaces/iris/pods/a"
	l := map[string]any{}
	for k, v := range deploymentLabels(d, serverRole) {
		l[k] = v
	}
	s.objects[pod] = map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "a", "namespace": "iris", "labels": l}, "status": map[string]any{"phase": "Running"}}
	s.broken = "DELETE"
	expectError(t, c.ServeNothing(t.Context(), d), "take back the served version of iris: quota exceeded")
	s.broken, s.calls = "", nil
	if err := c.ServeNothing(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if got := slices.DeleteFunc(s.names(), func(n string) bool { return n == pod }); !slices.Equal(got, before) {
		t.Errorf("the cluster holds\n%s", strings.Join(got, "\n"))
	}
	if !slices.Contains(s.calls, "PATCH "+pod) {
		t.Errorf("the servers would notice within a minute only: %v", s.calls)
	}
}
