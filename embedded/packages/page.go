package packages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// page is what the index upstream lists of a project, as it was last seen.
type page struct {
	Name         string    `json:"name"`
	Source       string    `json:"source"` // the page's address, without credentials
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last-modified,omitempty"`
	AskedAt      time.Time `json:"asked-at"`
	MaxAge       int       `json:"max-age"` // seconds
	Versions     []string  `json:"versions,omitempty"`
	Files        []link    `json:"files"`
}

// freshest is how long a page is believed at most, whatever upstream says.
const freshest = 10 * time.Minute

func (p *page) fresh(now time.Time) bool {
	return now.Before(p.AskedAt.Add(min(time.Duration(p.MaxAge)*time.Second, freshest)))
}

// file returns the link of a file.
func (p *page) file(name string) (link, bool) {
	for _, l := range p.Files {
		if l.Name == name {
			return l, true
		}
	}
	return link{}, false
}

func pageKey(name string) string { return "pages/" + name + ".json" }

// Most bytes of a page and of one file's metadata.
const (
	maxPage     = 128 << 20
	maxMetadata = 16 << 20
)

// askPage is how long upstream may take for a page.
const askPage = time.Minute

// seen returns the page as it was last seen, nil if it never was.
func (x *Index) seen(ctx context.Context, name string) (*page, error) {
	var p page
	err := x.read(ctx, pageKey(name), &p)
	if mlops.CodeOf(err) == mlops.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// page returns what upstream lists of a project now. Errors are NotFound, if it
// has none of that name, *unreachable, or Unavailable.
func (x *Index) page(ctx context.Context, name string) (*page, error) {
	at := x.upstream.project(name)
	if at == nil {
		return nil, &unreachable{}
	}
	last, err := x.seen(ctx, name)
	if err != nil {
		return nil, err
	}
	if last != nil && last.Source != shown(at) {
		last = nil // of another index
	}
	if err := x.upstream.down(at.Host); err != nil {
		return nil, err
	}
	if last != nil && last.fresh(x.cfg.now()) {
		return last, nil
	}
	// Who asks first may leave; the others still want it.
	answer := x.asked.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(x.ctx, askPage)
		defer cancel()
		return x.ask(ctx, name, at, last)
	})
	select {
	case a := <-answer:
		p, _ := a.Val.(*page)
		return p, a.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// ask asks upstream for a page, and keeps it.
func (x *Index) ask(ctx context.Context, name string, at *url.URL, last *page) (*page, error) {
	header := http.Header{"Accept": {"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"}}
	if last != nil && last.ETag != "" {
		header.Set("If-None-Match", last.ETag)
	}
	if last != nil && last.LastModified != "" {
		header.Set("If-Modified-Since", last.LastModified)
	}
	resp, err := x.upstream.get(ctx, at, header)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read from
	var p *page
	switch {
	case resp.StatusCode == http.StatusNotModified && last != nil:
		p = last
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusGone:
		return nil, mlops.Errorf(mlops.NotFound, "%s does not exist on %s, the index upstream", name, at.Host)
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return nil, mlops.Errorf(mlops.Unavailable, "the index upstream, %s, refuses to list %s (%s): put a user and a password that it knows into packages.index_url", at.Host, name, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return nil, mlops.Errorf(mlops.Unavailable, "the index upstream, %s, answered %s when it was asked for %s: try again", at.Host, resp.Status, name)
	default:
		if p, err = readPage(resp); err != nil {
			x.cfg.Log.Warn("page of the index upstream", "project", name, "host", at.Host, "err", err)
			return nil, mlops.Errorf(mlops.Unavailable, "the page of %s on the index upstream, %s, can't be read: %s", name, at.Host, mlops.MessageOf(err))
		}
		p.only(name)
		p.Name, p.Source = name, shown(at)
		p.ETag, p.LastModified = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	}
	p.AskedAt, p.MaxAge = x.cfg.now().UTC(), maxAge(resp.Header)
	return p, x.write(ctx, pageKey(name), p)
}

// only leaves out what is neither a wheel nor a source archive of the project.
func (p *page) only(project string) {
	kept := p.Files[:0]
	for _, l := range p.Files {
		if _, _, ok := fileOf(project, l.Name); ok {
			kept = append(kept, l)
		}
	}
	p.Files = kept
}

func readPage(resp *http.Response) (*page, error) {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	if err != nil {
		return nil, mlops.Errorf(mlops.Unavailable, "it broke off")
	}
	if len(b) > maxPage {
		return nil, mlops.Errorf(mlops.Unavailable, "it has more than %d MiB", maxPage>>20)
	}
	base := *resp.Request.URL // after redirects
	base.User = nil
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case strings.HasSuffix(kind, "+json"), kind == "application/json":
		return readJSON(b, &base)
	case kind == "text/html", strings.HasSuffix(kind, "+html"):
		return readHTML(bytes.NewReader(b), &base)
	}
	return nil, mlops.Errorf(mlops.Unavailable, "expected a page of a simple index in JSON or HTML, found %q", kind)
}

// maxAge returns for how many seconds an answer may be believed, 0 if it does not
// say.
func maxAge(h http.Header) int {
	age := 0
	for part := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		part = strings.TrimSpace(part)
		if part == "no-cache" || part == "no-store" {
			return 0
		}
		if n, ok := strings.CutPrefix(part, "max-age="); ok {
			age, _ = strconv.Atoi(n)
		}
	}
	return max(age, 0)
}

// read decodes a kept JSON document.
func (x *Index) read(ctx context.Context, key string, to any) error {
	r, _, err := x.cfg.Store.Get(ctx, key)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	_ = r.Close() // it was only read from
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("decode %s: %w", key, err)
	}
	return nil
}

// write keeps a JSON document.
func (x *Index) write(ctx context.Context, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	if _, err := x.cfg.Store.Put(ctx, key, bytes.NewReader(b), int64(len(b)), "application/json"); err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	return nil
}
