package ui_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest"
)

func TestArtifacts(t *testing.T) {
	w := uitest.Full(atNoon)
	l := start(t, w).asAdmin()
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
		resp, body := l.get(run + "/artifacts" + path)
		l.expect(resp, body, 200, texts...)
	}

	resp, body := l.get(run + "/download?path=evil.html")
	l.expect(resp, body, 200, "<script>")
	h := resp.Header
	if h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment; filename=evil.html") ||
		h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("download: %v", h)
	}
	resp, body = l.get(run + "/download?" + url.Values{"path": {`odd "name"; é.txt`}}.Encode())
	l.expect(resp, body, 200, "odd")
	if got := resp.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment;") || strings.ContainsAny(got, "\r\n") {
		t.Errorf("disposition %q", got)
	}
	resp, body = l.get(run + "/image?path=plots/confusion.svg")
	l.expect(resp, body, 200, "<svg")
	if h = resp.Header; h.Get("Content-Type") != "image/svg+xml" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || strings.Contains(h.Get("Content-Security-Policy"), "script") {
		t.Errorf("image: %v", h)
	}
	resp, body = l.get(run + "/image?path=evil.html")
	l.expect(resp, body, 400, "not a picture that can be shown")
	resp, body = l.get(run + "/image?path=huge.png")
	l.expect(resp, body, 400, "too large to show")
	resp, body = l.get(run + "/download")
	l.expect(resp, body, 400, "must name a file")
	resp, body = l.get(run + "/artifacts?path=nothing.txt")
	l.expect(resp, body, 404, "has no artifact nothing.txt")
	resp, body = l.get("/runs/unknown/artifacts")
	l.expect(resp, body, 404)

	for _, path := range []string{"..", "../x", "/etc/passwd", "a/../../b", "a//b", "a/", ".", "a\\b", "a\x00b", "./a"} {
		for _, what := range []string{"artifacts", "download", "image"} {
			p := path
			if what == "image" {
				p += ".png"
			}
			resp, body = l.get(run + "/" + what + "?" + url.Values{"path": {p}}.Encode())
			if what == "image" && (path == "." || path == ".." || path == "a/") {
				continue // "..png" and "a/.png" are names like others
			}
			l.expect(resp, body, 400, "is not valid")
		}
	}

	w.Down["registry"] = errors.New("the disk broke")
	resp, body = l.get(run + "/download?path=evil.html")
	l.expect(resp, body, 500)
}
