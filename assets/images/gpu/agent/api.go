package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody is larger than any configuration: a ConfigMap holds 1 MiB at most.
const maxBody = 1 << 20

// maxWait is the longest time that a GET with ?since= waits.
const maxWait = 5 * time.Minute

// answer is the JSON of GET /v1/gpus.
type answer struct {
	Generation int64        `json:"generation"`
	GPUs       gpus         `json:"gpus"`
	Plugin     pluginStatus `json:"plugin"`
}

// api is the HTTP interface for the appliance, on a unix socket.
func (a *agent) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/gpus", a.getGPUs)
	mux.HandleFunc("PUT /v1/config", a.putConfig)
	mux.HandleFunc("PUT /v1/mig", a.putMIG)
	mux.HandleFunc("POST /v1/gpus/{uuid}/recover", a.postRecover)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Errorf("%s %s: expected GET /v1/gpus, PUT /v1/config, PUT /v1/mig or POST /v1/gpus/{uuid}/recover", r.Method, r.URL.Path))
	})
	return mux
}

func fail(w http.ResponseWriter, code int, err error) {
	reply(w, code, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.Encode(v) //nolint:errcheck // the caller is gone
}

func (a *agent) replyGPUs(w http.ResponseWriter, r *http.Request) {
	generation, _ := a.generation()
	reply(w, http.StatusOK, answer{Generation: generation, GPUs: a.inventory(r.Context()), Plugin: a.plugin.status()})
}

func (a *agent) getGPUs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if since := q.Get("since"); since != "" {
		last, err := strconv.ParseInt(since, 10, 64)
		if err != nil {
			fail(w, http.StatusBadRequest, fmt.Errorf("since=%s: expected the generation of an answer before", since))
			return
		}
		wait := 60 * time.Second
		if s := q.Get("wait"); s != "" {
			if wait, err = time.ParseDuration(s); err != nil || wait < 0 || wait > maxWait {
				fail(w, http.StatusBadRequest, fmt.Errorf("wait=%s: expected a time such as 60s, %s at most", s, maxWait))
				return
			}
		}
		timeout := time.NewTimer(wait)
		defer timeout.Stop()
		for {
			now, changed := a.generation()
			if now != last {
				break
			}
			select {
			case <-changed:
				continue
			case <-timeout.C:
			case <-r.Context().Done():
				return
			case <-a.stopping:
			}
			break
		}
	}
	a.replyGPUs(w, r)
}

func body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("expected at most %d bytes: %w", maxBody, err))
		return nil, false
	}
	return text, true
}

func (a *agent) putConfig(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r)
	if !ok {
		return
	}
	c, err := parseConfig(text)
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, err)
		return
	}
	a.opMu.Lock()
	defer a.opMu.Unlock()
	if err := a.applyConfig(c); err != nil {
		failWith(w, err)
		return
	}
	a.replyGPUs(w, r)
}

func (a *agent) putMIG(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r)
	if !ok {
		return
	}
	entries, err := parseMIG(text)
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, err)
		return
	}
	a.opMu.Lock()
	defer a.opMu.Unlock()
	if err := a.applyMIG(a.ctx, entries); err != nil {
		failWith(w, err)
		return
	}
	a.awaitKubelet()
	a.discoverOrSay()
	a.replyGPUs(w, r)
}

func (a *agent) postRecover(w http.ResponseWriter, r *http.Request) {
	err := a.recover(r.PathValue("uuid"))
	switch {
	case errors.Is(err, errUnknownGPU):
		fail(w, http.StatusNotFound, fmt.Errorf("%s: %w", r.PathValue("uuid"), err))
	case err != nil:
		fail(w, http.StatusConflict, err)
	default:
		a.replyGPUs(w, r)
	}
}

// failWith chooses the status for what went wrong.
func failWith(w http.ResponseWriter, err error) {
	code := http.StatusUnprocessableEntity
	if _, ok := errors.AsType[errHeld](err); ok {
		code = http.StatusConflict
	}
	if _, ok := errors.AsType[errPassing](err); ok {
		code = http.StatusConflict
	}
	if _, ok := errors.AsType[errNoDriver](err); ok {
		code = http.StatusServiceUnavailable
	}
	fail(w, code, errors.New(strings.TrimSpace(err.Error())))
}
