package minio

import (
	"context"
	"encoding/xml"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// proxy is the public side of the object store. It passes on what belongs to
// S3 and refuses the rest of MinIO: its admin API can restart the process,
// which is ours, and everything in it trusts the root key.
type proxy struct {
	log     *slog.Logger
	room    func(n int64) error    // whether n more bytes may be written
	door    Door                   // decides about keys outside of own, nil if there are none
	own     map[string]bool        // access keys of the configuration
	backend atomic.Pointer[string] // host:port, nil until MinIO is ready
	rp      *httputil.ReverseProxy
}

func newProxy(log *slog.Logger, room func(int64) error, cfg Config) *proxy {
	p := &proxy{log: log, room: room, door: cfg.Door, own: cfg.ownKeys()}
	p.rp = &httputil.ReverseProxy{
		Rewrite: p.rewrite,
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost:   64,
			IdleConnTimeout:       10 * time.Second, // MinIO closes after 30 s; a PUT cannot be repeated
			ExpectContinueTimeout: 5 * time.Second,  // a denied upload is refused before its body is sent
			DisableCompression:    true,             // objects pass as they are
		},
		ModifyResponse: p.served,
		ErrorHandler:   p.failed,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken off transfers
	}
	return p
}

// open lets requests through to MinIO.
func (p *proxy) open(loopback string) { p.backend.Store(&loopback) }

func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host = "http", *p.backend.Load()
	// The signature covers host and query: they must arrive as they came.
	r.Out.Host = r.In.Host
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	if host, _, err := net.SplitHostPort(r.In.RemoteAddr); err == nil {
		r.Out.Header.Set("X-Forwarded-For", host)
	}
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !allowed(r) {
		refuse(w, r, http.StatusForbidden, "AccessDenied", "This address serves S3 only.")
		return
	}
	if p.backend.Load() == nil {
		w.Header().Set("Retry-After", "1")
		refuse(w, r, http.StatusServiceUnavailable, "ServiceUnavailable", "The object store is starting. Please try again.")
		return
	}
	r, ok := p.admit(w, r)
	if !ok {
		return
	}
	if writes(r) {
		if err := p.room(max(r.ContentLength, 0)); err != nil {
			refuse(w, r, http.StatusInsufficientStorage, codeFull, mlops.MessageOf(err))
			return
		}
	}
	p.rp.ServeHTTP(w, r)
}

// writes reports whether the request makes the store grow. Two kinds of POST
// must work on a full disk: deleting many objects and completing an upload.
func writes(r *http.Request) bool {
	if r.Method == http.MethodPut {
		return true
	}
	q := r.URL.Query()
	return r.Method == http.MethodPost && !q.Has("delete") && !q.Has("uploadId")
}

// failed answers when MinIO did not.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, context.Canceled) { // the client went away
		p.log.Warn("object store did not answer", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	refuse(w, r, http.StatusServiceUnavailable, "ServiceUnavailable", "The object store did not answer. Please try again.")
}

// healthPaths are the only paths of MinIO's own that are public.
var healthPaths = map[string]bool{"/minio/health/live": true, "/minio/health/ready": true, "/minio/health/cluster": true}

// allowed reports whether the request belongs to S3 or asks for health.
func allowed(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if healthPaths[r.URL.Path] {
			return true
		}
	case http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions:
	default:
		return false
	}
	// MinIO keeps the bucket names "minio" and ".minio.sys" for itself, so
	// no object is lost. Dots and doubled slashes are resolved here although
	// MinIO does not, in case it does one day.
	clean := path.Clean("/" + r.URL.Path)
	first, _, _ := strings.Cut(strings.TrimPrefix(clean, "/"), "/")
	if first == "minio" || strings.HasPrefix(first, ".minio") {
		return false
	}
	if first == "" { // the service itself: list buckets, but no STS, which is POST
		return r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodDelete
	}
	return true
}

// refuse answers with an error in S3's form.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	doc, err := xml.Marshal(struct {
		XMLName  xml.Name `xml:"Error"`
		Code     string
		Message  string
		Resource string
	}{Code: code, Message: message, Resource: r.URL.Path})
	if err != nil {
		http.Error(w, code, status)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append([]byte(xml.Header), doc...)) // the client may be gone
	}
}
