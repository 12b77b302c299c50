package ui

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
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
	zipped []byte
	mime   string
}

func newStatic(a *web.Assets) (*static, error) {
	st := &static{files: map[string]staticFile{}}
	for _, name := range []string{a.Script, a.Style, a.Icon, a.Licenses, a.Terminal, a.TerminalStyle} {
		zipped, err := fs.ReadFile(a.Files, name+".gz")
		if err != nil {
			return nil, fmt.Errorf("read web asset: %w", err)
		}
		if _, err := unzip(zipped); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", name, err)
		}
		st.files[name] = staticFile{zipped: zipped, mime: mime.TypeByExtension(path.Ext(name))}
	}
	return st, nil
}

func unzip(zipped []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
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
	// Few clients can't unpack by themselves.
	plain, err := unzip(f.zipped)
	if err != nil {
		return fmt.Errorf("unpack a web asset: %w", err)
	}
	return c.Blob(http.StatusOK, f.mime, plain)
}
