package runs_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestArtifacts(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	run := "/runs/" + w.Runs[1].ID
	w.Files[w.Runs[1].ID]["evil.html"] = "<script>alert(1)</script>"
	w.Files[w.Runs[1].ID]["big.txt"] = strings.Repeat("é", 100<<10)
	w.Files[w.Runs[1].ID]["empty.txt"] = ""
	w.Files[w.Runs[1].ID]["bad.json"] = "{not json"
	w.Files[w.Runs[1].ID]["long.csv"] = "a,b\n" + strings.Repeat("1,2\n", 500)
	w.Files[w.Runs[1].ID]["huge.png"] = strings.Repeat("x", 9<<20)
	w.Files[w.Runs[1].ID][`odd "name"; é.txt`] = "odd"

	for path, texts := range map[string][]string{
		"":                            {"model", "predictions.csv", "No file chosen"},
		"?path=model":                 {"model.json", "weights.bin", "No file chosen"},
		"?path=model/model.json":      {"&#34;kind&#34;: &#34;logistic&#34;"},
		"?path=predictions.csv":       {`<th scope="col">expected</th>`, "<td>versicolor</td>"},
		"?path=plots/confusion.svg":   {`<img class="preview-image" src="` + run + `/image?path=plots%2Fconfusion.svg"`},
		"?path=evil.html":             {"&lt;script&gt;"},
		"?path=big.txt":               {"Only the beginning is shown"},
		"?path=empty.txt":             {"The file is empty."},
		"?path=bad.json":              {"{not json"},
		"?path=long.csv":              {"Only the first 99 rows are shown"},
		"?path=model/weights.bin":     {"This file is not text"},
		"?path=odd+%22name%22;+é.txt": nil,
	} {
		if path == "?path=odd+%22name%22;+é.txt" {
			path, texts = "?"+url.Values{"path": {`odd "name"; é.txt`}}.Encode(), []string{"odd"}
		}
		resp, body := l.Get(run + "/artifacts" + path)
		l.Expect(resp, body, 200, texts...)
	}

	resp, body := l.Get(run + "/download?path=evil.html")
	l.Expect(resp, body, 200, "<script>")
	h := resp.Header
	if h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment; filename=evil.html") ||
		h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("download: %v", h)
	}
	resp, body = l.Get(run + "/download?" + url.Values{"path": {`odd "name"; é.txt`}}.Encode())
	l.Expect(resp, body, 200, "odd")
	if got := resp.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment;") || strings.ContainsAny(got, "\r\n") {
		t.Errorf("disposition %q", got)
	}
	resp, body = l.Get(run + "/image?path=plots/confusion.svg")
	l.Expect(resp, body, 200, "<svg")
	if h = resp.Header; h.Get("Content-Type") != "image/svg+xml" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || strings.Contains(h.Get("Content-Security-Policy"), "script") {
		t.Errorf("image: %v", h)
	}
	resp, body = l.Get(run + "/image?path=evil.html")
	l.Expect(resp, body, 400, "not a picture that can be shown")
	resp, body = l.Get(run + "/image?path=huge.png")
	l.Expect(resp, body, 400, "too large to show")
	resp, body = l.Get(run + "/download")
	l.Expect(resp, body, 400, "must name a file")
	resp, body = l.Get(run + "/artifacts?path=nothing.txt")
	l.Expect(resp, body, 404, "has no artifact nothing.txt")
	resp, body = l.Get("/runs/unknown/artifacts")
	l.Expect(resp, body, 404)

	for _, path := range []string{"..", "../x", "/etc/passwd", "a/../../b", "a//b", "a/", ".", "a\\b", "a\x00b", "./a"} {
		for _, what := range []string{"artifacts", "download", "image"} {
			p := path
			if what == "image" {
				p += ".png"
			}
			resp, body = l.Get(run + "/" + what + "?" + url.Values{"path": {p}}.Encode())
			if what == "image" && (path == "." || path == ".." || path == "a/") {
				continue // "..png" and "a/.png" are names like others
			}
			l.Expect(resp, body, 400, "is not valid")
		}
	}

	w.Down["registry"] = errors.New("the disk broke")
	resp, body = l.Get(run + "/download?path=evil.html")
	l.Expect(resp, body, 500)
}

func TestFoldersOpenInPages(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	run := "/runs/" + w.Runs[1].ID
	w.Files[w.Runs[1].ID] = map[string]string{}
	for i := range 2500 {
		w.Files[w.Runs[1].ID][fmt.Sprintf("many & more/%04d.txt", i)] = "x"
		w.Files[w.Runs[1].ID][fmt.Sprintf("%04d.txt", i)] = "x"
	}
	for _, c := range []struct {
		at    string
		texts []string
		files int
	}{
		{"", []string{"1 to 100, of 2501.", "/artifacts?page=2"}, 100},
		{"/artifacts", []string{"1 to 100, of 2501.", "/artifacts?page=2"}, 100},
		{"/artifacts?page=26", []string{"2501 to 2501, of 2501.", "many &amp; more", "/artifacts?page=1"}, 0},
		{"/artifacts?path=many+%26+more", []string{"1 to 100, of 2500.", "/artifacts?page=2&amp;path=many+%26+more"}, 100},
		{"/artifacts?path=many+%26+more&page=25", []string{"2401 to 2500, of 2500.", "2499.txt"}, 100},
		{"/artifacts?path=many+%26+more/1234.txt", []string{"1201 to 1300, of 2500.", `class="file-current"`, "Text of many"}, 100},
	} {
		resp, body := l.Get(run + c.at)
		l.Expect(resp, body, 200, c.texts...)
		if got := strings.Count(body, `aria-label="Download `); got != c.files || len(body) > 150<<10 {
			t.Errorf("%s: %d files in %d bytes, want %d", c.at, got, len(body), c.files)
		}
	}
	for at, want := range map[string]int{"?page=27": 404, "?page=0": 400, "?page=-1": 400, "?page=x": 400, "?page=99999999999999999999": 400} {
		resp, body := l.Get(run + "/artifacts" + at)
		l.Expect(resp, body, want)
	}
	resp, body := l.Get(run + "/artifacts?page=27")
	l.Expect(resp, body, 404, "There is no page 27: this folder has 26.")
	w.Files[w.Runs[1].ID] = map[string]string{}
	resp, body = l.Get(run + "/artifacts?page=1")
	l.Expect(resp, body, 200, "Nothing here yet.")
}
