package appliance

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// packageCalls are the calls of `benchtop packages`.
func (c *control) packageCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/packages", func(w http.ResponseWriter, r *http.Request) {
		kept, err := c.a.packages.Index().Kept(r.Context())
		c.answer(w, http.StatusOK, kept, err)
	})
	mux.HandleFunc("POST /v1/packages", func(w http.ResponseWriter, r *http.Request) {
		kept, err := c.a.packages.Index().Add(r.Context(), r.URL.Query().Get("name"), r.Body)
		// Who still sends when the connection is closed could miss the answer.
		_, _ = io.Copy(io.Discard, r.Body)
		c.answer(w, http.StatusCreated, kept, err)
	})
	mux.HandleFunc("POST /v1/packages/pins", func(w http.ResponseWriter, r *http.Request) {
		var pin PackagePin
		if err := decodeCall(r, &pin); err != nil {
			c.fail(w, err)
			return
		}
		fetched, err := c.a.packages.Index().Fetch(r.Context(), pin)
		c.answer(w, http.StatusOK, fetched, err)
	})
	mux.HandleFunc("DELETE /v1/packages", func(w http.ResponseWriter, r *http.Request) {
		gone, err := c.a.packages.Index().Remove(r.Context(), r.URL.Query().Get("what"))
		c.answer(w, http.StatusOK, gone, err)
	})
}

// Packages lists the files that the index of packages has.
func (c *Control) Packages(ctx context.Context) ([]Package, error) {
	var out []Package
	return out, c.call(ctx, http.MethodGet, "/v1/packages", nil, &out)
}

// AddPackage sends a wheel or a source archive. name is the file's, without folders.
func (c *Control) AddPackage(ctx context.Context, name string, file io.Reader) (Package, error) {
	var out Package
	return out, c.call(ctx, http.MethodPost, "/v1/packages?name="+url.QueryEscape(name), file, &out)
}

// FetchPackage has the index keep the file of a pin that the lab's Python takes.
func (c *Control) FetchPackage(ctx context.Context, pin PackagePin) (PackageFetched, error) {
	var out PackageFetched
	return out, c.send(ctx, http.MethodPost, "/v1/packages/pins", pin, &out)
}

// RemovePackage removes NAME or NAME==VERSION, and returns the files that it was.
func (c *Control) RemovePackage(ctx context.Context, what string) ([]Package, error) {
	var out []Package
	return out, c.call(ctx, http.MethodDelete, "/v1/packages?what="+url.QueryEscape(what), nil, &out)
}
