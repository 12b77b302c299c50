package cluster

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// applyRetired makes the cluster as an earlier version left it.
func applyRetired(t *testing.T, c *Client) {
	t.Helper()
	f, err := os.Open("testdata/retired.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for dec := yaml.NewYAMLOrJSONDecoder(f, 4096); ; {
		var o unstructured.Unstructured
		err := dec.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = c.applyUnstructured(t.Context(), &o)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEarlierVersionsObjectsAreRetired(t *testing.T) {
	s, c := newAPIServer(t)
	applyRetired(t, c)
	before := len(s.names())
	if before != 14 {
		t.Fatalf("the cluster holds %d objects, expected those of both former manifests", before)
	}
	if err := c.applySystem(t.Context(), files(t)...); err != nil {
		t.Fatal(err)
	}
	ours := len(s.names()) - before

	// Cut off anywhere, the next start goes on.
	s.broken = "DELETE /api/v1/namespaces/kube-system/configmaps"
	expectError(t, c.retire(t.Context()), "delete configmaps local-path-config of an earlier version: quota exceeded")
	s.broken = ""
	for range 2 {
		if err := c.retire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.names(); len(got) != ours {
		t.Errorf("the cluster holds %d objects, expected %d:\n%s", len(got), ours, strings.Join(got, "\n"))
	}
	if !slices.Contains(s.names(), "/apis/storage.k8s.io/v1/storageclasses/local-path") {
		t.Error("the StorageClass is gone")
	}

	s.calls = nil
	if err := c.retire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.calls) != 2 {
		t.Errorf("with nothing to do it asked %v, expected for one object of each", s.calls)
	}
	s.broken = "GET"
	expectError(t, c.retire(t.Context()), "look for deployments local-path-provisioner of an earlier version: quota exceeded")
}
