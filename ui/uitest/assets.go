package uitest

import (
	"testing/fstest"

	"github.com/benchtop-lab/benchtop/assets/web"
)

// Assets is a bundle with fixed names, so that tests of the server need no
// bundle to be built.
func Assets() *web.Assets {
	return &web.Assets{Script: "app-TEST.js", Style: "style-TEST.css", Icon: "icon-TEST.svg", Licenses: "licenses-TEST.txt", Files: fstest.MapFS{
		"app-TEST.js":       {Data: []byte("// a script that is long enough to be worth compressing ................\n")},
		"licenses-TEST.txt": {Data: []byte("some\n")},
		"style-TEST.css":    {Data: []byte("body{}\n")},
		"icon-TEST.svg":     {Data: []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n")},
	}}
}
