package uitest

import (
	"bytes"
	"compress/gzip"
	"testing/fstest"

	"github.com/benchtop-lab/benchtop/assets/web"
)

// Assets is a bundle with fixed names, so that tests of the server need no
// bundle to be built.
func Assets() *web.Assets {
	return &web.Assets{Script: "app-TEST.js", Style: "style-TEST.css", Icon: "icon-TEST.svg", Licenses: "licenses-TEST.txt",
		Terminal: "terminal-TEST.js", TerminalStyle: "terminal-TEST.css", Files: fstest.MapFS{
			"app-TEST.js.gz":       packed("// a script that is long enough to be worth compressing ................\n"),
			"licenses-TEST.txt.gz": packed("some\n"),
			"terminal-TEST.js.gz":  packed("// a terminal\n"),
			"terminal-TEST.css.gz": packed(".xterm{}\n"),
			"style-TEST.css.gz":    packed("body{}\n"),
			"icon-TEST.svg.gz":     packed("<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n"),
		}}
}

// packed is a file as the build writes it.
func packed(text string) *fstest.MapFile {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text)) // into memory
	_ = w.Close()
	return &fstest.MapFile{Data: out.Bytes()}
}
