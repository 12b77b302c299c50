package packages

import (
	"bytes"
	"context"
	"encoding/json"
	"html/template"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Handler serves the simple repository API below /simple/, and files below /files/.
func (x *Index) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /simple/{$}", x.serveNames)
	mux.HandleFunc("GET /simple/{name}/{$}", x.serveProject)
	mux.HandleFunc("GET /simple/{name}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/simple/"+Normalize(r.PathValue("name"))+"/", http.StatusMovedPermanently)
	})
	mux.HandleFunc("GET /files/{name}/{sha256}/{file}", x.serveFile)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(askerHeader) == x.upstream.id {
			x.fail(w, r, mlops.Errorf(mlops.Unavailable, "this lab's package index is its own upstream: set packages.index_url to another"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (x *Index) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody listens
	}
	code := mlops.CodeOf(err)
	status := code.HTTPStatus()
	switch {
	case code == mlops.Internal:
		x.cfg.Log.Error("package index", "path", r.URL.Path, "err", err)
	case code == mlops.Unavailable:
		status = http.StatusBadGateway
	}
	http.Error(w, mlops.MessageOf(err), status)
}

func (x *Index) serveNames(w http.ResponseWriter, r *http.Request) {
	names, err := x.names(r.Context())
	if err != nil {
		x.fail(w, r, err)
		return
	}
	type project struct {
		Name string `json:"name"`
	}
	projects := make([]project, 0, len(names))
	for _, n := range names {
		projects = append(projects, project{n})
	}
	x.answer(w, r, map[string]any{"meta": map[string]string{"api-version": "1.1"}, "projects": projects}, namesPage, names)
}

func (x *Index) serveProject(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if n := Normalize(name); n != name {
		http.Redirect(w, r, "/simple/"+n+"/", http.StatusMovedPermanently)
		return
	}
	l, err := x.listing(r.Context(), name)
	if err != nil {
		x.fail(w, r, err)
		return
	}
	api := "1.1" // which promises the size of each file
	for i := range l.Files {
		f := &l.Files[i]
		f.URL = ourURL(name, *f)
		f.OldMetadata = f.Metadata
		if f.Hashes == nil {
			f.Hashes = map[string]string{}
		}
		if f.Size == 0 {
			api = "1.0"
		}
	}
	x.answer(w, r, map[string]any{"meta": map[string]string{"api-version": api}, "name": name, "versions": l.Versions, "files": l.Files}, projectPage, l)
}

// noDigest stands for the digest of a file that upstream names none of.
const noDigest = "-"

// ourURL is where a file is served, as seen from its project's page.
func ourURL(name string, l link) string {
	sha := l.sha256()
	if sha == "" {
		sha = noDigest
	}
	return "../../files/" + name + "/" + sha + "/" + l.Name
}

const (
	typeJSON = "application/vnd.pypi.simple.v1+json"
	typeHTML = "application/vnd.pypi.simple.v1+html"
)

// typeFor chooses how a page is written, "" if the client takes nothing that is
// offered. HTML it is for who does not say.
func typeFor(accept string) string {
	if strings.TrimSpace(accept) == "" {
		return "text/html"
	}
	offers := map[string]string{
		typeJSON: typeJSON, "application/vnd.pypi.simple.latest+json": typeJSON,
		typeHTML: typeHTML, "application/vnd.pypi.simple.latest+html": typeHTML,
		"text/html": "text/html", "text/*": "text/html", "*/*": "text/html", "application/*": typeJSON,
	}
	best, quality := "", 0.0
	for part := range strings.SplitSeq(accept, ",") {
		kind, params, _ := strings.Cut(part, ";")
		q := 1.0
		for p := range strings.SplitSeq(params, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				q, _ = strconv.ParseFloat(v, 64)
			}
		}
		if offer := offers[strings.ToLower(strings.TrimSpace(kind))]; offer != "" && q > quality {
			best, quality = offer, q
		}
	}
	return best
}

// answer writes a page as the client wants it.
func (x *Index) answer(w http.ResponseWriter, r *http.Request, asJSON any, t *template.Template, asHTML any) {
	kind := typeFor(strings.Join(r.Header.Values("Accept"), ","))
	w.Header().Set("Vary", "Accept")
	var out bytes.Buffer
	var err error
	switch kind {
	case "":
		http.Error(w, "expected one of "+typeJSON+", "+typeHTML+" and text/html to be accepted", http.StatusNotAcceptable)
		return
	case typeJSON:
		err = json.NewEncoder(&out).Encode(asJSON)
	default:
		err = t.Execute(&out, asHTML)
	}
	if err != nil {
		x.fail(w, r, err)
		return
	}
	if kind == "text/html" {
		kind += "; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache") // ask each time: what is kept changes
	w.Header().Set("ETag", `"`+digestOf(out.Bytes())[:32]+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(out.Bytes()))
}

var (
	namesPage = template.Must(template.New("names").Parse(`<!DOCTYPE html>
<html><head><meta name="pypi:repository-version" content="1.1"><title>Packages</title></head><body>
{{range .}}<a href="{{.}}/">{{.}}</a><br>
{{end}}</body></html>
`))
	projectPage = template.Must(template.New("project").Funcs(template.FuncMap{"hash": attribute, "href": href}).Parse(`<!DOCTYPE html>
<html><head><meta name="pypi:repository-version" content="1.1"><title>{{.Name}}</title></head><body>
{{range .Files}}<a href="{{href .}}"
{{- with .RequiresPython}} data-requires-python="{{.}}"{{end}}
{{- if .Yanked.Is}} data-yanked="{{.Yanked.Why}}"{{end}}
{{- if .Metadata.Is}} data-core-metadata="{{or (hash .Metadata.Hashes) "true"}}" data-dist-info-metadata="{{or (hash .Metadata.Hashes) "true"}}"{{end -}}
>{{.Name}}</a><br>
{{end}}</body></html>
`))
)

// href is where a file is, with its best hash.
func href(l link) string { return strings.TrimSuffix(l.URL+"#"+attribute(l.Hashes), "#") }

// attribute is NAME=HEX of the best hash, "" if there is none.
func attribute(hashes map[string]string) string {
	if h := hashes["sha256"]; h != "" {
		return "sha256=" + h
	}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(hashes))) {
		return name + "=" + hashes[name]
	}
	return ""
}

func (x *Index) serveFile(w http.ResponseWriter, r *http.Request) {
	name, sha, file := r.PathValue("name"), r.PathValue("sha256"), r.PathValue("file")
	none := mlops.Errorf(mlops.NotFound, "there is no file %s of %s in this lab's package index", file, name)
	base, wantsMetadata := strings.CutSuffix(file, metadataEnding)
	if _, _, ok := fileOf(name, base); !ok || !projectName.MatchString(name) || sha != noDigest && !hexSHA256.MatchString(sha) {
		x.fail(w, r, none)
		return
	}
	if wantsMetadata {
		b, err := x.metadata(r.Context(), name, sha, base)
		if err != nil {
			x.fail(w, r, err)
			return
		}
		unchanging(w, sha)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
		return
	}
	k, err := x.keptFile(r.Context(), name, file)
	if err != nil {
		x.fail(w, r, err)
		return
	}
	if k != nil && (sha == noDigest || sha == k.SHA256) && x.serveKept(w, r, *k) {
		return
	}
	l, err := x.wanted(r.Context(), name, sha, file, none)
	if err != nil {
		x.fail(w, r, err)
		return
	}
	if r.Method == http.MethodHead {
		if l.Size > 0 {
			w.Header().Set("Content-Length", strconv.FormatInt(l.Size, 10))
		}
		unchanging(w, sha)
		return
	}
	x.serveFlight(w, r, name, l)
}

// wanted is the link of a file that upstream has.
func (x *Index) wanted(ctx context.Context, name, sha, file string, none error) (link, error) {
	p, err := x.seen(ctx, name)
	if err == nil && p == nil {
		p, err = x.page(ctx, name)
	}
	if err != nil {
		return link{}, x.explain(name, err)
	}
	l, ok := p.file(file)
	if !ok || sha != noDigest && l.sha256() != sha || sha == noDigest && l.sha256() != "" {
		return link{}, none
	}
	return l, nil
}

// unchanging says that a file never changes, if its address has its digest.
func unchanging(w http.ResponseWriter, sha string) {
	w.Header().Set("Content-Type", octets)
	if sha != noDigest {
		w.Header().Set("Cache-Control", "max-age=31536000, immutable")
	}
}

// serveKept serves a file from the store; it reports false if it is not there.
func (x *Index) serveKept(w http.ResponseWriter, r *http.Request, k Kept) bool {
	body, info, err := x.cfg.Store.Get(r.Context(), fileKey(k.Name, k.SHA256, k.File))
	if mlops.CodeOf(err) == mlops.NotFound {
		return false
	}
	if err != nil {
		x.fail(w, r, err)
		return true
	}
	defer func() { _ = body.Close() }() // it is only read from
	unchanging(w, r.PathValue("sha256"))
	w.Header().Set("ETag", `"`+k.SHA256+`"`)
	if s, ok := body.(io.ReadSeeker); ok {
		http.ServeContent(w, r, "", time.Time{}, s)
		return true
	}
	w.Header().Set("Content-Length", strconv.FormatInt(info.Bytes, 10))
	if _, err := io.Copy(w, body); err != nil {
		panic(http.ErrAbortHandler) // what is short must not look whole
	}
	return true
}

// serveFlight sends a file while it comes from upstream.
func (x *Index) serveFlight(w http.ResponseWriter, r *http.Request, name string, l link) {
	f, release, err := x.fly(name, l)
	if err != nil {
		x.fail(w, r, err)
		return
	}
	defer release()
	select {
	case <-f.begun:
	case <-f.ended:
		if err := f.lost(); err != nil {
			x.fail(w, r, err)
			return
		}
	case <-r.Context().Done():
		return
	}
	unchanging(w, r.PathValue("sha256"))
	if f.size >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(f.size, 10))
	}
	if err := f.writeTo(r.Context(), w); err != nil {
		x.cfg.Log.Info("a client's transfer was broken off", "file", l.Name, "err", err)
		panic(http.ErrAbortHandler) // what is short or wrong must not look whole
	}
}
