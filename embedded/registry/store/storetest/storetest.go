// Package storetest opens a whole registry for tests of its stores.
package storetest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
)

// Open returns an empty registry, which is closed with the test.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s := dbtest.Must(store.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), store.Options{}))(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// NewRun makes a run of an experiment.
func NewRun(t testing.TB, s *store.Store, exp string) string {
	t.Helper()
	return dbtest.Must(s.Runs.CreateRun(t.Context(), runs.NewRun{ExperimentID: exp}))(t).Info.RunID
}

// Iris is a version of dataset iris whose digest is one digit.
func Iris(sha string) mlops.Dataset {
	return mlops.Dataset{Name: "iris", SHA256: strings.Repeat(sha, 64), Bucket: "datasets", Key: "iris/x.csv", Rows: 150, Features: 4, Classes: []string{"a", "b"}}
}
