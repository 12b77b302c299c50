package web

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func TestOpen(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	const manifest = `{"app.js":"app-1.js","app.css":"app-2.css","icon.svg":"icon-3.svg","licenses.txt":"licenses-4.txt"}`
	whole := fstest.MapFS{"manifest.json": file(manifest), "app-1.js": file("x"), "app-2.css": file("x"), "icon-3.svg": file("x"), "licenses-4.txt": file("x")}

	a, err := Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	if a.Script != "app-1.js" || a.Style != "app-2.css" || a.Icon != "icon-3.svg" || a.Licenses != "licenses-4.txt" {
		t.Errorf("got %+v", a)
	}

	for name, files := range map[string]fstest.MapFS{
		"nothing built":    {".gitkeep": file("")},
		"file missing":     {"manifest.json": file(manifest), "app-1.js": file("x"), "icon-3.svg": file("x")},
		"entry missing":    {"manifest.json": file(`{"app.js":"app-1.js"}`), "app-1.js": file("x")},
		"half a directory": {"app-1.js": file("x")},
	} {
		if _, err := Open(files); !errors.Is(err, ErrNotBuilt) {
			t.Errorf("%s: got %v, want ErrNotBuilt", name, err)
		}
	}
	if !strings.Contains(ErrNotBuilt.Error(), "make") {
		t.Error("ErrNotBuilt does not say what to do")
	}
	if _, err := Open(fstest.MapFS{"manifest.json": file("{")}); err == nil {
		t.Error("a broken manifest was accepted")
	}
}
