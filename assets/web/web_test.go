package web

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func TestOpen(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	const manifest = `{"app.js":"app-1.js","app.css":"app-2.css","icon.svg":"icon-3.svg","licenses.txt":"licenses-4.txt","terminal.js":"terminal-5.js","terminal.css":"terminal-6.css"}`
	whole := fstest.MapFS{"manifest.json": file(manifest), "app-1.js.gz": file("x"), "app-2.css.gz": file("x"), "icon-3.svg.gz": file("x"), "licenses-4.txt.gz": file("x"),
		"terminal-5.js.gz": file("x"), "terminal-6.css.gz": file("x")}

	a, err := Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	if a.Script != "app-1.js" || a.Style != "app-2.css" || a.Icon != "icon-3.svg" || a.Licenses != "licenses-4.txt" || a.Terminal != "terminal-5.js" || a.TerminalStyle != "terminal-6.css" {
		t.Errorf("got %+v", a)
	}

	for name, files := range map[string]fstest.MapFS{
		"nothing built":    {".gitkeep": file("")},
		"file missing":     {"manifest.json": file(manifest), "app-1.js.gz": file("x"), "icon-3.svg.gz": file("x")},
		"entry missing":    {"manifest.json": file(`{"app.js":"app-1.js"}`), "app-1.js.gz": file("x")},
		"half a directory": {"app-1.js.gz": file("x")},
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
