// Package dbtest helps the tests of the registry's stores.
package dbtest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
)

// Open returns an empty database, which is closed with the test.
func Open(t testing.TB, opt db.Options) *db.DB {
	t.Helper()
	d := Must(db.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), opt))(t)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Must returns a value unless there is an error, which ends the test.
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// OK ends the test if there is an error.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// WantCode checks the code of an error and that its text has a part.
func WantCode(t testing.TB, err error, code mlops.Code, text string) {
	t.Helper()
	if mlops.CodeOf(err) != code || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("error %v (%s), want %s with %q", err, mlops.CodeOf(err), code, text)
	}
}
