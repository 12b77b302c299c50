package ui

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/assets/web"
)

// static serves the browser's bundle. The names carry hashes of the contents,
// so a browser may keep them for ever.
type static struct{ files map[string]staticFile }

type staticFile struct {
	plain, zipped []byte
	mime          string
}

func newStatic(a *web.Assets) (*static, error) {
	st := &static{files: map[string]staticFile{}}
	for _, name := range []string{a.Script, a.Style, a.Icon, a.Licenses} {
		plain, err := fs.ReadFile(a.Files, name)
		if err != nil {
			return nil, fmt.Errorf("read web asset: %w", err)
		}
		var zipped bytes.Buffer
		w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
		if err != nil {
			return nil, fmt.Errorf("compress %s: %w", name, err)
		}
		if _, err := w.Write(plain); err != nil {
			return nil, fmt.Errorf("compress %s: %w", name, err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("compress %s: %w", name, err)
		}
		st.files[name] = staticFile{plain: plain, zipped: zipped.Bytes(), mime: mime.TypeByExtension(path.Ext(name))}
	}
	return st, nil
}

func (st *static) url(name string) string { return "/assets/" + name }

func (st *static) serve(c echo.Context) error {
	f, ok := st.files[c.Param("name")]
	if !ok {
		return mlops.Errorf(mlops.NotFound, "There is no such file; reload the page.")
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		return c.Blob(http.StatusOK, f.mime, f.zipped)
	}
	return c.Blob(http.StatusOK, f.mime, f.plain)
}
