package appliance

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/access"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// loadKeys reads the access keys when the registry has opened. An object store
// that cannot follow, on a full disk for example, keeps nobody from starting.
func (a *Appliance) loadKeys() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := a.keys.Load(ctx); err != nil {
		if !a.keys.Loaded() {
			return err
		}
		a.log.Error("the object store does not know all access keys; the next start tries again", "err", err)
	}
	return nil
}

// keysPort makes and revokes keys for the pages.
type keysPort struct{ keys *access.Keys }

func (p keysPort) Keys(ctx context.Context) ([]mlops.Key, error) { return p.keys.List(ctx) }

func (p keysPort) CreateKey(ctx context.Context, req mlops.KeyRequest) (mlops.NewKey, error) {
	return p.keys.Create(ctx, req)
}

func (p keysPort) RevokeKey(ctx context.Context, name string) error { return p.keys.Revoke(ctx, name) }

func (c *control) keyCalls(mux *http.ServeMux) {
	keys := c.a.keys
	mux.HandleFunc("GET /v1/keys", func(w http.ResponseWriter, r *http.Request) {
		all, err := keys.List(r.Context())
		c.answer(w, http.StatusOK, all, err)
	})
	mux.HandleFunc("POST /v1/keys", func(w http.ResponseWriter, r *http.Request) {
		var req mlops.KeyRequest
		dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&req); err != nil {
			c.fail(w, mlops.Errorf(mlops.Invalid, "the request is not that of a key: %v", err))
			return
		}
		k, err := keys.Create(r.Context(), req)
		c.answer(w, http.StatusCreated, k, err)
	})
	mux.HandleFunc("DELETE /v1/keys/{name}", func(w http.ResponseWriter, r *http.Request) {
		c.answer(w, http.StatusOK, struct{}{}, keys.Revoke(r.Context(), r.PathValue("name")))
	})
}

// Keys returns all access keys.
func (c *Control) Keys(ctx context.Context) ([]mlops.Key, error) {
	var all []mlops.Key
	return all, c.call(ctx, http.MethodGet, "/v1/keys", nil, &all)
}

// CreateKey makes an access key; its token shows only in what is returned.
func (c *Control) CreateKey(ctx context.Context, req mlops.KeyRequest) (mlops.NewKey, error) {
	var k mlops.NewKey
	return k, c.send(ctx, http.MethodPost, "/v1/keys", req, &k)
}

// RevokeKey ends an access key at every door.
func (c *Control) RevokeKey(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/v1/keys/"+url.PathEscape(name), nil, new(struct{}))
}
