package appliance

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/packages"
	"github.com/benchtop-lab/benchtop/embedded/packages/packagestest"
)

func TestPackageCalls(t *testing.T) {
	a, c := serveControl(t, http.NotFoundHandler())
	up := packagestest.New()
	defer up.Close()
	up.Put("two", "two-2.0-py3-none-any.whl", packagestest.File{Bytes: packagestest.Wheel("two", "2.0")})
	index, err := packages.New(packages.Config{Store: packagestest.NewStore(), Source: packages.Source{URL: up.Index()}, Scratch: a.paths.Scratch()})
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	a.packages = packages.NewUnit(index, "127.0.0.1:0")
	if all, err := c.Packages(t.Context()); err != nil || all == nil || len(all) != 0 {
		t.Errorf("at first it has %v (%v)", all, err)
	}
	wheel := packagestest.Wheel("one", "1.0")
	k, err := c.AddPackage(t.Context(), "one-1.0-py3-none-any.whl", bytes.NewReader(wheel))
	if err != nil || k.Name != "one" || k.From != packages.Added {
		t.Errorf("added is %+v (%v)", k, err)
	}
	_, err = c.AddPackage(t.Context(), "notes.txt", bytes.NewReader(make([]byte, 4<<20)))
	expectCode(t, err, mlops.Invalid, "notes.txt is neither a wheel (.whl) nor a source archive (.tar.gz, .zip, .tgz, .tar.bz2)")
	pins, err := PackagePins("requirements.txt", []byte("two==2.0\n"))
	if err != nil || len(pins) != 1 {
		t.Fatalf("pins are %v (%v)", pins, err)
	}
	f, err := c.FetchPackage(t.Context(), pins[0])
	if err != nil || f.Kept == nil || f.Kept.File != "two-2.0-py3-none-any.whl" {
		t.Errorf("fetched is %+v (%v)", f, err)
	}
	_, err = c.FetchPackage(t.Context(), PackagePin{Name: "two", Version: "3"})
	expectCode(t, err, mlops.NotFound, "the index has no two==3")
	if all, err := c.Packages(t.Context()); err != nil || len(all) != 2 || all[0].Name != "one" || all[1].Name != "two" {
		t.Errorf("it has %v (%v)", all, err)
	}
	if gone, err := c.RemovePackage(t.Context(), "two==2.0"); err != nil || len(gone) != 1 {
		t.Errorf("removed is %v (%v)", gone, err)
	}
	_, err = c.RemovePackage(t.Context(), "two")
	expectCode(t, err, mlops.NotFound, "two is not in the lab's package index: `benchtop packages list` shows what is")
}
