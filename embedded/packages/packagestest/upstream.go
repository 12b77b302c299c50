package packagestest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// File is a file of an index.
type File struct {
	Bytes    []byte
	Hash     string // NAME=HEX; "" for its sha256, "none" for none
	Yanked   string // why
	Metadata string // served beside it if it is not ""
	Requires string // of Python
}

// Upstream is an index. Its fields may be changed between requests.
type Upstream struct {
	*httptest.Server
	HTML         bool   // answers in HTML, as folders are served
	CacheControl string // of pages
	Password     string // of user "u"; "" for none

	mu       sync.Mutex
	projects map[string]map[string]File
	fail     func(w http.ResponseWriter, r *http.Request) bool
	asked    []string
}

// New starts an index, which has no packages. Close ends it.
func New() *Upstream {
	u := &Upstream{projects: map[string]map[string]File{}}
	u.Server = httptest.NewServer(u)
	return u
}

// Index is the address of the index.
func (u *Upstream) Index() string { return u.URL + "/simple/" }

// Put has the index list a file.
func (u *Upstream) Put(project, file string, f File) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.projects[project] == nil {
		u.projects[project] = map[string]File{}
	}
	u.projects[project][file] = f
}

// Fail has f answer what it likes to; it reports whether it did. nil ends that.
func (u *Upstream) Fail(f func(w http.ResponseWriter, r *http.Request) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fail = f
}

// Asked returns what was asked for since the last call.
func (u *Upstream) Asked() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := u.asked
	u.asked = nil
	return out
}

func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.asked = append(u.asked, r.URL.Path)
	fail := u.fail
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var files map[string]File
	if len(parts) > 1 {
		files = maps.Clone(u.projects[parts[1]])
	}
	u.mu.Unlock()
	if _, password, _ := r.BasicAuth(); password != u.Password {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if fail != nil && fail(w, r) {
		return
	}
	switch {
	case files == nil:
		http.NotFound(w, r)
	case len(parts) == 2:
		u.page(w, r, parts[1], files)
	default:
		name, metadata := strings.CutSuffix(parts[2], ".metadata")
		f, ok := files[name]
		switch {
		case metadata && f.Metadata != "":
			fmt.Fprint(w, f.Metadata)
		case ok && !metadata:
			w.Header().Set("Content-Length", fmt.Sprint(len(f.Bytes)))
			_, _ = w.Write(f.Bytes)
		default:
			http.NotFound(w, r)
		}
	}
}

func (f File) hash() (name, hex string) {
	if f.Hash == "" {
		return "sha256", SHA256(f.Bytes)
	}
	name, hex, _ = strings.Cut(f.Hash, "=")
	return name, hex
}

func (u *Upstream) page(w http.ResponseWriter, r *http.Request, project string, files map[string]File) {
	var html strings.Builder
	list := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		entry := map[string]any{"filename": name, "url": "../../files/" + project + "/" + name, "size": len(f.Bytes), "upload-time": "2024-02-03T04:05:06Z", "hashes": map[string]string{}}
		fragment := ""
		if kind, hex := f.hash(); hex != "" {
			fragment, entry["hashes"] = "#"+kind+"="+hex, map[string]string{kind: hex}
		}
		attrs := ""
		if f.Requires != "" {
			attrs, entry["requires-python"] = ` data-requires-python="`+strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(f.Requires)+`"`, f.Requires
		}
		if f.Yanked != "" {
			attrs, entry["yanked"] = attrs+` data-yanked="`+f.Yanked+`"`, f.Yanked
		}
		if f.Metadata != "" {
			attrs += ` data-core-metadata="sha256=` + SHA256([]byte(f.Metadata)) + `"`
			entry["core-metadata"] = map[string]string{"sha256": SHA256([]byte(f.Metadata))}
		}
		fmt.Fprintf(&html, "<a href=\"../../files/%s/%s%s\"%s>%s</a><br>\n", project, name, fragment, attrs, name)
		list = append(list, entry)
	}
	kind, body := "text/html", "<!DOCTYPE html><html><body>\n"+html.String()+"</body></html>"
	if !u.HTML {
		b, err := json.Marshal(map[string]any{"meta": map[string]string{"api-version": "1.1"}, "name": project, "versions": []string{}, "files": list})
		if err != nil {
			panic(err)
		}
		kind, body = "application/vnd.pypi.simple.v1+json", string(b)
	}
	etag := `"` + SHA256([]byte(body))[:16] + `"`
	w.Header().Set("ETag", etag)
	if u.CacheControl != "" {
		w.Header().Set("Cache-Control", u.CacheControl)
	}
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", kind)
	fmt.Fprint(w, body)
}
