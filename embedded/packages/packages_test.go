package packages

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/packages/packagestest"
)

// lab is an index with an upstream, a store and a clock of its own.
type lab struct {
	*Index
	up      *packagestest.Upstream
	store   *packagestest.Store
	scratch string
	url     string

	mu  sync.Mutex
	now time.Time
}

func (l *lab) time() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *lab) pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
}

// newLab returns an index of what upstream has; change alters its configuration.
func newLab(t *testing.T, change ...func(*Config)) *lab {
	t.Helper()
	l := &lab{up: packagestest.New(), store: packagestest.NewStore(), scratch: t.TempDir(), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	cfg := Config{Store: l.store, Source: Source{URL: l.up.Index()}, Scratch: l.scratch, now: l.time}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if l.Index, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(l.Handler())
	l.url = server.URL
	t.Cleanup(func() {
		l.Index.Close()
		server.Close()
		l.up.Close()
		if left, err := os.ReadDir(l.scratch); err != nil || len(left) > 0 {
			t.Errorf("in the scratch folder is left %v (%v)", left, err)
		}
	})
	return l
}

// fetched asks and returns status, header and body; err says that the body broke off.
func (l *lab) fetched(t *testing.T, path string, accept ...string) (int, http.Header, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accept {
		req.Header.Set("Accept", a)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, b, err
}

type jsonPage struct {
	Meta struct {
		Version string `json:"api-version"`
	} `json:"meta"`
	Name     string   `json:"name"`
	Versions []string `json:"versions"`
	Files    []link   `json:"files"`
}

func (l *lab) page(t *testing.T, name string) jsonPage {
	t.Helper()
	status, _, b, err := l.fetched(t, "/simple/"+name+"/", typeJSON)
	if status != http.StatusOK || err != nil {
		t.Fatalf("page of %s: %d %s %v", name, status, b, err)
	}
	var p jsonPage
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func (l *lab) expect(t *testing.T, path string, status int, body string) {
	t.Helper()
	got, _, b, err := l.fetched(t, path, typeJSON)
	if got != status || strings.TrimSpace(string(b)) != body || err != nil {
		t.Errorf("GET %s is\n%d %s (%v), expected\n%d %s", path, got, b, err, status, body)
	}
}

// take fetches a file by the address that its page has.
func (l *lab) take(t *testing.T, name, file string) (int, []byte, error) {
	t.Helper()
	for _, f := range l.page(t, name).Files {
		if f.Name == file {
			status, _, b, err := l.fetched(t, strings.TrimPrefix(f.URL, "../.."))
			l.flying.Wait() // who asked has it before it is kept
			return status, b, err
		}
	}
	t.Fatalf("%s does not list %s", name, file)
	return 0, nil, nil
}

func (l *lab) has(t *testing.T, name, file string, want []byte) {
	t.Helper()
	if status, b, err := l.take(t, name, file); status != http.StatusOK || err != nil || !bytes.Equal(b, want) {
		t.Errorf("%s is %d, %d bytes (%v), expected %d bytes", file, status, len(b), err, len(want))
	}
}

var _ Store = mlops.ObjectStore(nil)

func expectKeys(t *testing.T, s *packagestest.Store, prefix string, want ...string) {
	t.Helper()
	if got := s.Below(prefix); !slices.Equal(got, want) {
		t.Errorf("below %q is kept %q, expected %q", prefix, got, want)
	}
}

func names(files []link) string {
	var out []string
	for _, f := range files {
		out = append(out, f.Name)
	}
	return strings.Join(out, " ")
}

const wheel1 = "demo-1.0-py3-none-any.whl"

func TestPullThrough(t *testing.T) {
	for _, html := range []bool{false, true} {
		l := newLab(t)
		l.up.HTML = html
		demo := packagestest.Wheel("demo", "1.0", "Requires-Python: >=3.8")
		metadata := packagestest.Metadata("demo", "1.0", "Requires-Python: >=3.8")
		l.up.Put("demo", wheel1, packagestest.File{Bytes: demo, Metadata: metadata, Requires: ">=3.8"})
		l.up.Put("demo", "demo-0.9.tar.gz", packagestest.File{Bytes: packagestest.Sdist("demo", "0.9"), Yanked: "it <hurts>"})
		l.up.Put("demo", "demo-0.8.exe", packagestest.File{Bytes: []byte("x")})
		p := l.page(t, "demo")
		if names(p.Files) != "demo-0.9.tar.gz "+wheel1 || strings.Join(p.Versions, " ") != "0.9 1.0" || p.Name != "demo" {
			t.Fatalf("it lists %+v", p)
		}
		old, f := p.Files[0], p.Files[1]
		if !old.Yanked.Is || old.Yanked.Why != "it <hurts>" && !html || f.Yanked.Is {
			t.Errorf("yanked: %+v, %+v", old.Yanked, f.Yanked)
		}
		if f.URL != "../../files/demo/"+packagestest.SHA256(demo)+"/"+wheel1 || f.sha256() != packagestest.SHA256(demo) || f.RequiresPython != ">=3.8" {
			t.Errorf("the wheel is %+v", f)
		}
		if !f.Metadata.Is || f.Metadata.Hashes["sha256"] != packagestest.SHA256([]byte(metadata)) || !f.OldMetadata.Is || old.Metadata.Is {
			t.Errorf("metadata: %+v, %+v", f.Metadata, old.Metadata)
		}
		if want := map[bool]string{false: "1.1", true: "1.0"}[html]; p.Meta.Version != want {
			t.Errorf("it is of version %s, expected %s: without sizes it is not 1.1", p.Meta.Version, want)
		}
		// Metadata alone is kept, but makes no file of the index.
		path := strings.TrimPrefix(f.URL, "../..")
		if status, _, b, err := l.fetched(t, path+".metadata"); status != http.StatusOK || string(b) != metadata || err != nil {
			t.Errorf("metadata is %d %q (%v)", status, b, err)
		}
		expectKeys(t, l.store, "kept/")
		l.up.Asked()
		for range 2 {
			l.has(t, "demo", wheel1, demo)
		}
		if asked := strings.Join(l.up.Asked(), " "); strings.Count(asked, "/files/demo/"+wheel1) != 1 {
			t.Errorf("upstream was asked for %s", asked)
		}
		expectKeys(t, l.store, "kept/", "kept/demo/"+wheel1+".json")
		expectKeys(t, l.store, "files/", "files"+strings.TrimPrefix(path, "/files"), "files"+strings.TrimPrefix(path, "/files")+".metadata")
		k, err := l.Kept(t.Context())
		if err != nil || len(k) != 1 || k[0].Name != "demo" || k[0].Version != "1.0" || k[0].File != wheel1 || k[0].Bytes != int64(len(demo)) || "http://"+k[0].From != l.up.URL || !k[0].AddedAt.Equal(l.time()) {
			t.Errorf("kept is %+v (%v)", k, err)
		}
		if status, _, b, _ := l.fetched(t, "/simple/", typeJSON); status != 200 || !strings.Contains(string(b), `"projects":[{"name":"demo"}]`) {
			t.Errorf("projects: %d %s", status, b)
		}
		// Parts of a kept file can be asked for, as uv does.
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url+path, nil)
		req.Header.Set("Range", "bytes=-4")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(b, demo[len(demo)-4:]) || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("a part is %d %q %v", resp.StatusCode, b, resp.Header)
		}
	}
}

func TestHTML(t *testing.T) {
	l := newLab(t)
	demo := packagestest.Wheel("demo", "1.0")
	l.up.Put("demo", wheel1, packagestest.File{Bytes: demo, Requires: ">=3.8", Yanked: "a & b", Metadata: "x"})
	status, h, b, err := l.fetched(t, "/simple/demo/", "text/html")
	sha := packagestest.SHA256(demo)
	want := `<a href="../../files/demo/` + sha + `/` + wheel1 + `#sha256=` + sha + `" data-requires-python="&gt;=3.8" data-yanked="a &amp; b" data-core-metadata="sha256=` + packagestest.SHA256([]byte("x")) + `" data-dist-info-metadata="sha256=` + packagestest.SHA256([]byte("x")) + `">` + wheel1 + `</a>`
	if status != 200 || err != nil || !strings.Contains(string(b), want) || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Vary") != "Accept" {
		t.Errorf("the page is %d %v\n%s\nexpected\n%s", status, h, b, want)
	}
	p, err := readHTML(bytes.NewReader(b), mustURL(t, l.url+"/simple/demo/"))
	if err != nil || len(p.Files) != 1 || p.Files[0].URL != l.url+"/files/demo/"+sha+"/"+wheel1 || p.Files[0].Yanked.Why != "a & b" {
		t.Errorf("it reads back as %+v (%v)", p, err)
	}
	l.has(t, "demo", wheel1, demo)
	if _, _, b, _ := l.fetched(t, "/simple/", ""); !strings.Contains(string(b), `<a href="demo/">demo</a>`) {
		t.Errorf("projects are\n%s", b)
	}
	for accept, want := range map[string]string{
		"": "text/html", "*/*": "text/html", "text/html": "text/html", typeHTML: typeHTML, typeJSON: typeJSON, "application/vnd.pypi.simple.latest+json": typeJSON,
		"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01": typeJSON,
		"text/html;q=0.1, " + typeHTML + "; q=0.9":                                                         typeHTML, "text/html, " + typeJSON + ";q=0": "text/html", "application/json": "", "image/png": "",
	} {
		if got := typeFor(accept); got != want {
			t.Errorf("for %q it is %q, expected %q", accept, got, want)
		}
	}
	if status, _, b, _ := l.fetched(t, "/simple/demo/", "image/png"); status != http.StatusNotAcceptable || !strings.Contains(string(b), "expected one of "+typeJSON) {
		t.Errorf("an image is %d %s", status, b)
	}
	_, h, _, _ = l.fetched(t, "/simple/demo/", typeJSON)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url+"/simple/demo/", nil)
	req.Header.Set("Accept", typeJSON)
	req.Header.Set("If-None-Match", h.Get("ETag"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusNotModified {
		t.Errorf("asked again with its tag it is %v (%v)", resp.StatusCode, err)
	}
	_ = resp.Body.Close()
}

func TestNamesAreNormalized(t *testing.T) {
	l := newLab(t)
	l.up.Put("my-demo", "My.Demo-1.0.tar.gz", packagestest.File{Bytes: packagestest.Sdist("My.Demo", "1.0")})
	for path, want := range map[string]string{"/simple/My_.Demo/": "/simple/my-demo/", "/simple/my-demo": "/simple/my-demo/", "/simple/MY.demo": "/simple/my-demo/"} {
		status, h, _, _ := l.fetched(t, path)
		if status != http.StatusMovedPermanently || h.Get("Location") != want {
			t.Errorf("%s is %d %s", path, status, h.Get("Location"))
		}
	}
	if p := l.page(t, "my-demo"); names(p.Files) != "My.Demo-1.0.tar.gz" || p.Versions[0] != "1.0" {
		t.Errorf("it lists %+v", p)
	}
	l.expect(t, "/simple/%21/", 404, `"!" is no name of a package`)
	for file, want := range map[string]string{
		"a_b-1.0-py3-none-any.whl": "1.0", "a_b-1.0+x_y-1-cp311-cp311-linux_x86_64.whl": "1.0+x-y", "a-b-1.0.zip": "1.0", "A.B-2-1.tar.gz": "2-1", "a.b-1.0.tar.bz2": "1.0",
		"a-1.0.tar.gz": "", "a-b-1.0.egg": "", "a_b.whl": "", "a_c-1.0-py3-none-any.whl": "", "../a-b-1.0.zip": "", "a-b-.tar.gz": "",
	} {
		if v, _, ok := fileOf("a-b", file); v != want && ok || ok != (want != "") {
			t.Errorf("%s is version %q (%t), expected %q", file, v, ok, want)
		}
	}
	for _, same := range [][2]string{{"1.0", "1"}, {"v1.0.0", "1.0"}, {"1.0+CPU", "1.0+cpu"}, {"2.0-RC1", "2.0_rc1"}} {
		if !sameVersion(same[0], same[1]) {
			t.Errorf("%v are not the same", same)
		}
	}
	if sameVersion("1.0", "1.0.1") || sameVersion("1.0+a", "1.0") || sameVersion("10", "1") {
		t.Error("versions that differ are the same")
	}
}

func TestOffline(t *testing.T) {
	l := newLab(t)
	l.up.CacheControl = "max-age=600"
	demo := packagestest.Wheel("demo", "1.0")
	l.up.Put("demo", wheel1, packagestest.File{Bytes: demo})
	l.up.Put("demo", "demo-2.0-py3-none-any.whl", packagestest.File{Bytes: packagestest.Wheel("demo", "2.0")})
	l.up.Put("demo", "demo-0.1.tar.gz", packagestest.File{Bytes: packagestest.Sdist("demo", "0.1"), Yanked: "old"})
	l.has(t, "demo", wheel1, demo)
	if status, _, err := l.take(t, "demo", "demo-0.1.tar.gz"); status != 200 || err != nil {
		t.Errorf("the sdist is %d (%v)", status, err)
	}
	host := strings.TrimPrefix(l.up.URL, "http://")
	two := strings.TrimPrefix(l.page(t, "demo").Files[2].URL, "../..")
	l.up.Close()
	// The page is still believed, but a file of it can't be had.
	l.expect(t, two, 404, "demo is not in this lab's package index, and the index upstream ("+host+") can't be reached: add it with `benchtop packages add`")
	p := l.page(t, "demo")
	if names(p.Files) != "demo-0.1.tar.gz "+wheel1 || strings.Join(p.Versions, " ") != "0.1 1.0" || p.Files[0].Yanked.Why != "old" {
		t.Errorf("offline it lists %+v", p)
	}
	if !p.Files[1].Metadata.Is {
		t.Error("a kept wheel has no metadata")
	}
	l.has(t, "demo", wheel1, demo)
	l.expect(t, "/simple/xgboost/", 404, "xgboost is not in this lab's package index, and the index upstream ("+host+") can't be reached: add it with `benchtop packages add`")

	none := newLab(t, func(c *Config) { c.Source = Source{} })
	none.expect(t, "/simple/xgboost/", 404, "xgboost is not in this lab's package index, and there is no index upstream: add it with `benchtop packages add`, or name one in packages.index_url")
	none.expect(t, "/files/demo/-/demo-1.0.tar.gz", 404, "demo is not in this lab's package index, and there is no index upstream: add it with `benchtop packages add`, or name one in packages.index_url")
}

// A host that does not take connections costs a wait once, not once for each package.
func TestDeadUpstreamIsRemembered(t *testing.T) {
	l := newLab(t)
	l.up.Close()
	var tries atomic.Int32
	transport := l.upstream.http.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		tries.Add(1)
		return dial(ctx, network, addr)
	}
	count := func() int { return int(tries.Load()) }
	for _, name := range []string{"a", "b", "c"} {
		if status, _, b, _ := l.fetched(t, "/simple/"+name+"/"); status != 404 || !strings.Contains(string(b), "can't be reached") {
			t.Errorf("%s is %d %s", name, status, b)
		}
	}
	l.pass(29 * time.Second)
	l.fetched(t, "/simple/d/")
	if n := count(); n != 1 {
		t.Errorf("it was tried %d times within 30 s", n)
	}
	l.pass(2 * time.Second)
	l.fetched(t, "/simple/d/")
	if n := count(); n != 2 {
		t.Errorf("after 30 s it was tried %d times", n)
	}
}

func TestUpstreamAnswers(t *testing.T) {
	l := newLab(t)
	host := strings.TrimPrefix(l.up.URL, "http://")
	demo := packagestest.Wheel("demo", "1.0")
	l.up.Put("demo", wheel1, packagestest.File{Bytes: demo})
	l.expect(t, "/simple/nothing/", 404, "nothing does not exist on "+host+", the index upstream")
	status := func(n int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(n)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	l.up.Fail(status(500, ""))
	l.expect(t, "/simple/demo/", 502, "the index upstream, "+host+", answered 500 Internal Server Error when it was asked for demo: try again")
	l.up.Fail(status(403, ""))
	l.expect(t, "/simple/demo/", 502, "the index upstream, "+host+", refuses to list demo (403 Forbidden): put a user and a password that it knows into packages.index_url")
	kind := "text/plain"
	l.up.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", kind)
		return status(200, `{"meta": {"api-version": "2.0"}}`)(w, r)
	})
	const unread = "the page of demo on the index upstream, "
	l.expect(t, "/simple/demo/", 502, unread+host+`, can't be read: expected a page of a simple index in JSON or HTML, found "text/plain"`)
	kind = "application/json"
	l.expect(t, "/simple/demo/", 502, unread+host+`, can't be read: expected version 1 of the simple API, found "2.0"`)
	expectKeys(t, l.store, "pages/")

	l.up.Fail(nil)
	l.has(t, "demo", wheel1, demo)
	l.up.Fail(status(500, ""))
	if p := l.page(t, "demo"); names(p.Files) != wheel1 {
		t.Errorf("with what is kept it lists %+v", p)
	}
	if _, err := l.Remove(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	l.up.Fail(nil)
	url := strings.TrimPrefix(l.page(t, "demo").Files[0].URL, "../..")
	l.up.Fail(status(503, ""))
	l.expect(t, url, 502, host+" answered 503 Service Unavailable when it was asked for "+wheel1+": try again")
	l.up.Fail(status(404, ""))
	l.expect(t, url, 404, host+" lists "+wheel1+" but does not have it")
	l.expect(t, strings.Replace(url, packagestest.SHA256(demo), strings.Repeat("0", 64), 1), 404, "there is no file "+wheel1+" of demo in this lab's package index")
	l.expect(t, "/files/demo/x/"+wheel1, 404, "there is no file "+wheel1+" of demo in this lab's package index")
	l.expect(t, url+".metadata", 404, "there is no metadata of "+wheel1)
	expectKeys(t, l.store, "files/")
}

func TestPagesAreAskedForAgain(t *testing.T) {
	l := newLab(t)
	l.up.CacheControl = "public, max-age=3600"
	l.up.Put("demo", wheel1, packagestest.File{Bytes: packagestest.Wheel("demo", "1.0")})
	asks := func() int { return len(l.up.Asked()) }
	var statuses []int
	l.up.Fail(func(_ http.ResponseWriter, r *http.Request) bool {
		statuses = append(statuses, len(r.Header.Get("If-None-Match")))
		return false
	})
	for range 3 {
		l.page(t, "demo")
	}
	l.pass(10*time.Minute - time.Second)
	l.page(t, "demo")
	if n := asks(); n != 1 {
		t.Errorf("within ten minutes it was asked for %d times", n)
	}
	l.pass(time.Second)
	for range 2 {
		if p := l.page(t, "demo"); names(p.Files) != wheel1 {
			t.Errorf("what had not changed is %+v", p)
		}
	}
	if n := asks(); n != 1 || len(statuses) != 2 || statuses[0] != 0 || statuses[1] == 0 {
		t.Errorf("after ten minutes it was asked for %d times, with tags of %v", n, statuses)
	}
	l.up.Put("demo", "demo-1.1-py3-none-any.whl", packagestest.File{Bytes: packagestest.Wheel("demo", "1.1")})
	l.up.CacheControl = ""
	l.pass(10 * time.Minute)
	if p := l.page(t, "demo"); len(p.Files) != 2 {
		t.Errorf("what had changed is %+v", p)
	}
	asks()
	l.page(t, "demo")
	if n := asks(); n != 1 {
		t.Errorf("a page without max-age was asked for %d times", n)
	}
	for cc, want := range map[string]int{"": 0, "max-age=5": 5, "no-cache, max-age=5": 0, "Max-Age=x": 0, "max-age=-1": 0} {
		if n := maxAge(http.Header{"Cache-Control": {cc}}); n != want {
			t.Errorf("%q is %d s", cc, n)
		}
	}
}

func TestWrongFiles(t *testing.T) {
	demo := packagestest.Wheel("demo", "1.0")
	damaged := bytes.Replace(demo, []byte("VERSION"), []byte("VERSI0N"), 1)
	for what, f := range map[string]packagestest.File{
		"another sha256":           {Bytes: demo, Hash: "sha256=" + strings.Repeat("0", 64)},
		"another md5":              {Bytes: demo, Hash: "md5=" + strings.Repeat("0", 32)},
		"no digest, bits flipped":  {Bytes: damaged, Hash: "none"},
		"no digest, and no wheel":  {Bytes: []byte("<html>sign in</html>"), Hash: "none"},
		"no digest, other content": {Bytes: packagestest.Wheel("other", "1.0"), Hash: "none"},
	} {
		l := newLab(t)
		l.up.Put("demo", wheel1, f)
		status, b, err := l.take(t, "demo", wheel1)
		if err == nil && status == 200 || len(b) >= len(f.Bytes) && err == nil {
			t.Errorf("%s: status %d, %d of %d bytes, no error", what, status, len(b), len(f.Bytes))
		}
		l.Index.Close()
		expectKeys(t, l.store, "files/")
		expectKeys(t, l.store, "kept/")
	}
	// A connection that ends early, with and without a length.
	for _, length := range []string{"", "100000"} {
		l := newLab(t)
		l.up.Put("demo", wheel1, packagestest.File{Bytes: demo})
		l.up.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, ".whl") {
				return false
			}
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			_, _ = w.Write(demo[:100])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		if status, _, err := l.take(t, "demo", wheel1); err == nil && status == 200 {
			t.Errorf("what broke off upstream (length %q) is whole here", length)
		}
		expectKeys(t, l.store, "files/")
		l.up.Fail(nil)
		l.has(t, "demo", wheel1, demo)
	}
}

func TestWithoutSHA256(t *testing.T) {
	for _, hash := range []string{"none", "md5=" /* of the file, below */} {
		l := newLab(t)
		l.up.HTML = true
		demo := packagestest.Wheel("demo", "1.0", "Requires-Python: >=3.9")
		if hash != "none" {
			hash += md5Of(demo)
		}
		l.up.Put("demo", wheel1, packagestest.File{Bytes: demo, Hash: hash})
		if f := l.page(t, "demo").Files[0]; f.URL != "../../files/demo/-/"+wheel1 || f.sha256() != "" {
			t.Errorf("before it was fetched it is %+v", f)
		}
		l.has(t, "demo", wheel1, demo)
		f := l.page(t, "demo").Files[0]
		if f.sha256() != packagestest.SHA256(demo) || f.RequiresPython != ">=3.9" || !f.Metadata.Is {
			t.Errorf("fetched it is %+v", f)
		}
		l.up.Asked()
		for _, path := range []string{"/files/demo/-/" + wheel1, strings.TrimPrefix(f.URL, "../..")} {
			if status, _, b, _ := l.fetched(t, path); status != 200 || !bytes.Equal(b, demo) {
				t.Errorf("%s is %d", path, status)
			}
		}
		if status, _, b, _ := l.fetched(t, strings.TrimPrefix(f.URL, "../..")+".metadata"); status != 200 || !strings.Contains(string(b), "Requires-Python: >=3.9") {
			t.Errorf("its metadata is %d %s", status, b)
		}
		if asked := l.up.Asked(); len(asked) != 0 {
			t.Errorf("upstream was asked for %v", asked)
		}
	}
}

func TestFetchedOnceForAll(t *testing.T) {
	l := newLab(t)
	demo := packagestest.Wheel("demo", "1.0", strings.Repeat("X-Long: word\n", 20000)+"X: y")
	l.up.Put("demo", wheel1, packagestest.File{Bytes: demo})
	going, half := make(chan struct{}), make(chan struct{}, 8)
	l.up.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".whl") {
			return false
		}
		w.Header().Set("Content-Length", itoa(len(demo)))
		_, _ = w.Write(demo[:len(demo)/2])
		_ = http.NewResponseController(w).Flush()
		<-going
		_, _ = w.Write(demo[len(demo)/2:])
		return true
	})
	url := l.url + strings.TrimPrefix(l.page(t, "demo").Files[0].URL, "../..")
	var all sync.WaitGroup
	for range cap(half) {
		all.Go(func() {
			resp, err := http.Get(url)
			if err != nil {
				t.Error(err)
				half <- struct{}{}
				return
			}
			defer resp.Body.Close()
			b := make([]byte, len(demo)/2-1)
			_, err = io.ReadFull(resp.Body, b)
			half <- struct{}{} // it comes while the rest is still upstream
			rest, rerr := io.ReadAll(resp.Body)
			if err != nil || rerr != nil || !bytes.Equal(append(b, rest...), demo) {
				t.Errorf("found %d and %d bytes (%v, %v)", len(b), len(rest), err, rerr)
			}
		})
	}
	for range cap(half) {
		<-half
	}
	expectKeys(t, l.store, "kept/")
	close(going)
	all.Wait()
	if asked := strings.Join(l.up.Asked(), " "); strings.Count(asked, ".whl") != 1 {
		t.Errorf("upstream was asked for %s", asked)
	}
}

func TestStopInTheMiddle(t *testing.T) {
	l := newLab(t)
	demo := packagestest.Wheel("demo", "1.0")
	l.up.Put("demo", wheel1, packagestest.File{Bytes: demo})
	l.up.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".whl") {
			return false
		}
		w.Header().Set("Content-Length", itoa(len(demo)))
		_, _ = w.Write(demo[:len(demo)-1])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	})
	resp, err := http.Get(l.url + strings.TrimPrefix(l.page(t, "demo").Files[0].URL, "../.."))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, len(demo)-2)); err != nil {
		t.Fatal(err)
	}
	l.Index.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d more bytes without an error", len(b))
	}
	expectKeys(t, l.store, "files/")
	expectKeys(t, l.store, "kept/")
	l.expect(t, "/files/demo/"+packagestest.SHA256(demo)+"/"+wheel1, 502, "the lab's package index stops: try again")
}

// Bytes without a record, as a kill between the two leaves them, are no file.
func TestBytesAloneAreNoFile(t *testing.T) {
	l := newLab(t)
	demo := packagestest.Wheel("demo", "1.0")
	key := "files/demo/" + packagestest.SHA256(demo) + "/" + wheel1
	if _, err := l.store.Put(t.Context(), key, bytes.NewReader(demo), -1, ""); err != nil {
		t.Fatal(err)
	}
	if k, err := l.Kept(t.Context()); len(k) != 0 || err != nil {
		t.Errorf("kept is %v (%v)", k, err)
	}
	l.up.Put("demo", wheel1, packagestest.File{Bytes: demo})
	l.has(t, "demo", wheel1, demo)
	expectKeys(t, l.store, "kept/", "kept/demo/"+wheel1+".json")
	// And a record without bytes is mended.
	if err := l.store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	l.has(t, "demo", wheel1, demo)
	if _, err := l.store.Stat(t.Context(), key); err != nil {
		t.Error(err)
	}
	// The record comes last.
	puts := l.store.Puts()
	if last := puts[len(puts)-1]; !strings.HasPrefix(last, "kept/") {
		t.Errorf("last was written %s", last)
	}
}

// A file goes through while the store takes nothing.
func TestFullStore(t *testing.T) {
	l := newLab(t)
	demo := packagestest.Wheel("demo", "1.0")
	l.up.Put("demo", wheel1, packagestest.File{Bytes: demo})
	l.store.Full = true
	l.has(t, "demo", wheel1, demo)
	expectKeys(t, l.store, "kept/")
}

func TestCredentials(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Source.URL = strings.Replace(c.Source.URL, "http://", "http://u:s3cret@", 1) })
	l.up.Password = "s3cret"
	demo := packagestest.Wheel("demo", "1.0")
	l.up.Put("demo", wheel1, packagestest.File{Bytes: demo})
	l.has(t, "demo", wheel1, demo)
	l.up.Put("demo", "demo-2.0-py3-none-any.whl", packagestest.File{Bytes: demo})
	url := strings.TrimPrefix(l.page(t, "demo").Files[1].URL, "../..")
	l.up.Close()
	said := l.Upstream()
	for _, path := range []string{url, "/simple/other/", "/simple/demo/", "/simple/"} {
		_, h, b, _ := l.fetched(t, path)
		said += string(b) + h.Get("Location")
	}
	said += l.store.Text("pages/") + l.store.Text("kept/")
	if strings.Contains(said, "s3cret") || strings.Contains(said, "u:") || strings.Contains(said, "u@") {
		t.Errorf("it shows its credentials: %s", said)
	}
	_, err := New(Config{Source: Source{URL: "ftp://u:s3cret@example.org"}})
	if mlops.MessageOf(err) != "expected the address of a package index such as https://packages.example.org/simple/" {
		t.Error(err)
	}
}

func TestAddAndRemove(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	demo := packagestest.Wheel("My.Demo", "1.0", "Requires-Python: >=3.8")
	add := func(name string, b []byte) (Kept, error) { return l.Add(ctx, name, bytes.NewReader(b)) }
	k, err := add("my_demo-1.0-py3-none-any.whl", demo)
	if err != nil || k.Name != "my-demo" || k.Version != "1.0" || k.From != "added" || k.RequiresPython != ">=3.8" || k.Bytes != int64(len(demo)) {
		t.Errorf("added is %+v (%v)", k, err)
	}
	if k, err = add("my.demo-0.9.tar.gz", packagestest.Sdist("my.demo", "0.9")); err != nil || k.Version != "0.9" {
		t.Errorf("added is %+v (%v)", k, err)
	}
	if k, err = add("zipped-1.zip", zipped(t, "zipped-1/PKG-INFO", packagestest.Metadata("zipped", "1"))); err != nil || k.Name != "zipped" {
		t.Errorf("added is %+v (%v)", k, err)
	}
	p := l.page(t, "my-demo")
	if names(p.Files) != "my.demo-0.9.tar.gz my_demo-1.0-py3-none-any.whl" || p.Files[1].RequiresPython != ">=3.8" || p.Meta.Version != "1.1" {
		t.Errorf("it lists %+v", p)
	}
	l.has(t, "my-demo", "my_demo-1.0-py3-none-any.whl", demo)
	if status, _, b, _ := l.fetched(t, strings.TrimPrefix(p.Files[1].URL, "../..")+".metadata"); status != 200 || string(b) != packagestest.Metadata("My.Demo", "1.0", "Requires-Python: >=3.8") {
		t.Errorf("metadata is %d %s", status, b)
	}
	// What was added comes before what upstream has of that name, and beside it.
	l.up.Put("my-demo", "my_demo-1.0-py3-none-any.whl", packagestest.File{Bytes: packagestest.Wheel("My.Demo", "1.0")})
	l.up.Put("my-demo", "my_demo-2.0-py3-none-any.whl", packagestest.File{Bytes: packagestest.Wheel("My.Demo", "2.0")})
	if p = l.page(t, "my-demo"); len(p.Files) != 3 || p.Files[1].sha256() != packagestest.SHA256(demo) {
		t.Errorf("with upstream's it lists %+v", p)
	}
	l.has(t, "my-demo", "my_demo-1.0-py3-none-any.whl", demo)
	// Another of that name takes its place.
	again := packagestest.Wheel("My.Demo", "1.0")
	if _, err := add("my_demo-1.0-py3-none-any.whl", again); err != nil {
		t.Error(err)
	}
	l.has(t, "my-demo", "my_demo-1.0-py3-none-any.whl", again)
	if n := len(l.store.Below("files/my-demo/")); n != 3 {
		t.Errorf("%d objects of two files are kept, expected 3", n)
	}

	before := len(l.store.Below(""))
	sdist := packagestest.Sdist("demo", "1.0")
	flipped := bytes.Clone(sdist)
	flipped[len(flipped)-6] ^= 1 // of its checksum
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"notes.txt":                      {demo, "notes.txt is neither a wheel (.whl) nor a source archive (.tar.gz, .zip, .tgz, .tar.bz2)"},
		"demo-1.0-py3-none-any.egg":      {demo, "demo-1.0-py3-none-any.egg is neither a wheel (.whl) nor a source archive (.tar.gz, .zip, .tgz, .tar.bz2)"},
		"demo.whl":                       {demo, "demo.whl is no wheel's name: expected NAME-VERSION-PYTHON-ABI-PLATFORM.whl"},
		wheel1:                           {demo[:len(demo)-30], wheel1 + " is damaged, or no wheel: it can't be opened as a zip file"},
		"demo-1.1-py3-none-any.whl":      {bytes.Replace(packagestest.Wheel("demo", "1.1"), []byte("VERSION"), []byte("VERSI0N"), 1), "demo-1.1-py3-none-any.whl is damaged, or no wheel: it can't be read at demo.py"},
		"demo-1.2-py3-none-any.whl":      {zipped(t, "demo.py", ""), "demo-1.2-py3-none-any.whl is damaged, or no wheel: it has no METADATA in its .dist-info folder"},
		"demo-2.0-py3-none-any.whl":      {packagestest.Wheel("demo", "1.0"), "demo-2.0-py3-none-any.whl holds demo 1.0: a wheel's name says what it holds, so give it back its own"},
		"demo-1.0.tar.gz":                {flipped, "demo-1.0.tar.gz is damaged, or no source archive: it can't be unpacked"},
		"demo-1.0.zip":                   {zipped(t, "README", "x"), "demo-1.0.zip is damaged, or no source archive: expected a folder with PKG-INFO in it"},
		"demo-2.0.tar.gz":                {sdist, "demo-2.0.tar.gz holds demo 1.0: a source archive's name says what it holds, so give it back its own"},
		"x/../demo-1.0-py3-none-any.whl": {demo, "x/../demo-1.0-py3-none-any.whl is neither a wheel (.whl) nor a source archive (.tar.gz, .zip, .tgz, .tar.bz2)"},
	} {
		if _, err := add(name, c.b); mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != c.want {
			t.Errorf("%s: %v, expected\n%s", name, err, c.want)
		}
	}
	if _, err := l.Add(ctx, wheel1, io.MultiReader(bytes.NewReader(demo), failing{})); mlops.MessageOf(err) != wheel1+" broke off on its way: it broke" {
		t.Error(err)
	}
	if after := len(l.store.Below("")); after != before {
		t.Errorf("what was refused left %d objects", after-before)
	}

	if _, err := l.Remove(ctx, "My_Demo==3"); mlops.CodeOf(err) != mlops.NotFound || mlops.MessageOf(err) != "My_Demo==3 is not in the lab's package index: `benchtop packages list` shows what is" {
		t.Error(err)
	}
	for _, no := range []string{"", "==1", "a==", "a/b", "pages/"} {
		if _, err := l.Remove(ctx, no); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(err.Error(), "expected NAME or NAME==VERSION") {
			t.Errorf("%q: %v", no, err)
		}
	}
	gone, err := l.Remove(ctx, "My_Demo==1")
	if err != nil || len(gone) != 1 || gone[0].File != "my_demo-1.0-py3-none-any.whl" {
		t.Errorf("removed is %+v (%v)", gone, err)
	}
	expectKeys(t, l.store, "kept/my-demo/", "kept/my-demo/my.demo-0.9.tar.gz.json")
	if gone, err = l.Remove(ctx, "my-demo"); err != nil || len(gone) != 1 {
		t.Errorf("removed is %+v (%v)", gone, err)
	}
	for _, prefix := range []string{"kept/my-demo/", "files/my-demo/", "pages/my-demo"} {
		expectKeys(t, l.store, prefix)
	}
	expectKeys(t, l.store, "kept/", "kept/zipped/zipped-1.zip.json")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("it broke") }

func zipped(t *testing.T, name, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create(name)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What upstream puts in the place of a file comes when it is asked for, and until
// then, and offline, the one that is kept stays.
func TestReplacedUpstream(t *testing.T) {
	l := newLab(t)
	old, now := packagestest.Wheel("demo", "1.0"), packagestest.Wheel("demo", "1.0", "X: y")
	l.up.Put("demo", wheel1, packagestest.File{Bytes: old})
	l.has(t, "demo", wheel1, old)
	l.up.Put("demo", wheel1, packagestest.File{Bytes: now})
	if p := l.page(t, "demo"); p.Files[0].sha256() != packagestest.SHA256(now) {
		t.Errorf("it lists %+v", p)
	}
	l.up.Fail(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true })
	l.has(t, "demo", wheel1, old)
	l.up.Fail(nil)
	l.has(t, "demo", wheel1, now)
	expectKeys(t, l.store, "kept/", "kept/demo/"+wheel1+".json")
	key := "files/demo/" + packagestest.SHA256(now) + "/" + wheel1
	expectKeys(t, l.store, "files/", key, key+".metadata")
}

func TestNobodyListens(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	l.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/simple/demo/", nil))
	if w.Body.Len() > 0 {
		t.Errorf("it answers %s", w.Body)
	}
}

// A machine whose pip asks the lab must not have the lab ask itself for ever.
func TestOwnUpstream(t *testing.T) {
	l := newLab(t)
	l.upstream.index = mustURL(t, l.url+"/simple/")
	host := strings.TrimPrefix(l.url, "http://")
	l.expect(t, "/simple/demo/", 502, "the index upstream, "+host+", answered 502 Bad Gateway when it was asked for demo: try again")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url+"/simple/demo/", nil)
	req.Header.Set(askerHeader, l.upstream.id)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != "this lab's package index is its own upstream: set packages.index_url to another\n" {
		t.Errorf("it says %s", b)
	}
}

// A right digest is enough: what upstream vouches for is kept as it is.
func TestOddButRight(t *testing.T) {
	l := newLab(t)
	odd := []byte("no zip file at all")
	l.up.Put("demo", wheel1, packagestest.File{Bytes: odd})
	l.up.Put("demo", "demo-0.1.tar.gz", packagestest.File{Bytes: odd, Hash: "md5=" + md5Of(odd)})
	l.has(t, "demo", wheel1, odd)
	l.has(t, "demo", "demo-0.1.tar.gz", odd)
	if k, err := l.Kept(t.Context()); err != nil || len(k) != 2 || k[0].MetadataSHA256 != "" {
		t.Errorf("kept is %+v (%v)", k, err)
	}
}
