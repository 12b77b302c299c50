package appliance

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func (c *control) images(w http.ResponseWriter, r *http.Request) {
	var images []mlops.Image
	client, err := connected(c.a.cluster)
	if err == nil {
		images, err = client.Images(r.Context())
	}
	if err != nil {
		c.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, images)
}

// loadImages takes an archive as it comes; the query's name is what its image
// is called.
func (c *control) loadImages(w http.ResponseWriter, r *http.Request) {
	// An answer may come before all of the archive has been read.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		c.fail(w, err)
		return
	}
	cluster, err := connected(c.a.cluster)
	var images []mlops.Image
	if err == nil {
		images, err = cluster.LoadImages(r.Context(), r.Body, r.URL.Query().Get("name"))
	}
	if err != nil {
		c.fail(w, err)
		_ = http.NewResponseController(w).Flush()
		// Were the connection closed while the client still sends, it could
		// miss the answer; it stops sending when it has it.
		_, _ = io.Copy(io.Discard, r.Body)
		return
	}
	for _, img := range images {
		c.a.log.Info("image loaded", "image", img.Reference)
	}
	writeJSON(w, http.StatusCreated, images)
}

func (c *control) removeImage(w http.ResponseWriter, r *http.Request) {
	cluster, err := connected(c.a.cluster)
	var ref string
	if err == nil {
		ref, err = cluster.RemoveImage(r.Context(), r.URL.Query().Get("ref"), r.URL.Query().Get("force") == "true")
	}
	if err != nil {
		c.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, ref)
}

// Images lists the images that pods can start from.
func (c *Control) Images(ctx context.Context) ([]mlops.Image, error) {
	var out []mlops.Image
	return out, c.call(ctx, http.MethodGet, "/v1/images", nil, &out)
}

// LoadImages sends an image archive. name, if it is not "", is what the
// archive's one image is called.
func (c *Control) LoadImages(ctx context.Context, archive io.Reader, name string) ([]mlops.Image, error) {
	var out []mlops.Image
	return out, c.call(ctx, http.MethodPost, "/v1/images?name="+url.QueryEscape(name), archive, &out)
}

// RemoveImage removes a reference and returns it in full. An image that pods
// use is refused without force.
func (c *Control) RemoveImage(ctx context.Context, ref string, force bool) (string, error) {
	var out string
	return out, c.call(ctx, http.MethodDelete, "/v1/images?ref="+url.QueryEscape(ref)+"&force="+strconv.FormatBool(force), nil, &out)
}
