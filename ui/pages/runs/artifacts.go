package runs

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	previewBytes = 128 << 10
	previewRows  = 100
	imageBytes   = 8 << 20
)

// pictures are the types that a page shows as they are. Scripts in an SVG do
// not run in an <img>, and filePolicy stops them if it is opened by itself.
var pictures = map[string]string{".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".svg": "image/svg+xml"}

// artifactPath returns the path that a request names, relative to the run's
// artifact root.
func artifactPath(c echo.Context) (string, error) {
	p := c.QueryParam("path")
	if p == "" {
		return "", nil
	}
	if strings.HasPrefix(p, "/") || strings.ContainsAny(p, "\\\x00") || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") || p == "." {
		return "", mlops.Errorf(mlops.Invalid, "The artifact path %q is not valid: expected a path like plots/curve.svg, relative to the run.", p)
	}
	return p, nil
}

func (s *section) preview(ctx context.Context, runID, file string) *view.Preview {
	p := &view.Preview{Path: file, Download: paths.File(runID, "download", file)}
	if _, ok := pictures[strings.ToLower(path.Ext(file))]; ok {
		p.Image = paths.File(runID, "image", file)
		return p
	}
	f, info, err := s.Registry.OpenArtifact(ctx, runID, file)
	if err == nil {
		defer func() { _ = f.Close() }()
		p.Size = view.Bytes(float64(info.Bytes))
		var head []byte
		if head, err = io.ReadAll(io.LimitReader(f, previewBytes+1)); err == nil {
			fillPreview(p, head)
			return p
		}
	}
	p.Problem = s.Problem(file, err)
	return p
}

// fillPreview shows the first bytes of a file by what they are.
func fillPreview(p *view.Preview, head []byte) {
	cut := len(head) > previewBytes
	if cut {
		head = head[:previewBytes]
		for len(head) > 0 && !utf8.RuneStart(head[len(head)-1]) {
			head = head[:len(head)-1]
		}
		p.Note = "Only the beginning is shown; download the file for all of it."
	}
	if len(head) == 0 {
		p.Note = "The file is empty."
		return
	}
	if bytes.IndexByte(head, 0) >= 0 || !utf8.Valid(bytes.TrimRight(head, "\xc0\xc1\xc2\xc3\xe2\xf0")) {
		p.Note = "This file is not text; download it to look inside."
		return
	}
	switch ext := strings.ToLower(path.Ext(p.Path)); {
	case ext == ".json" && !cut:
		var pretty bytes.Buffer
		if json.Indent(&pretty, head, "", "  ") == nil {
			head = pretty.Bytes()
		}
	case ext == ".csv":
		if fillTable(p, head, cut) {
			return
		}
	}
	p.Text = string(head)
}

func fillTable(p *view.Preview, head []byte, cut bool) bool {
	r := csv.NewReader(bytes.NewReader(head))
	r.FieldsPerRecord = -1
	var rows [][]string
	for len(rows) <= previewRows {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return false
	}
	if len(rows) > previewRows || cut {
		rows = rows[:min(len(rows), previewRows)]
		p.Note = fmt.Sprintf("Only the first %d rows are shown; download the file for all of it.", len(rows)-1)
	}
	p.Head, p.Rows = rows[0], rows[1:]
	return true
}

// download sends a file as an attachment, whatever it is.
func (s *section) download(c echo.Context) error {
	file, info, err := s.openFile(c)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	h := c.Response().Header()
	h.Set("Content-Security-Policy", filePolicy)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(info.Path)}))
	h.Set("Content-Length", strconv.FormatInt(info.Bytes, 10))
	return c.Stream(http.StatusOK, "application/octet-stream", file)
}

// image sends a picture for a preview.
func (s *section) image(c echo.Context) error {
	kind, ok := pictures[strings.ToLower(path.Ext(c.QueryParam("path")))]
	if !ok {
		return mlops.Errorf(mlops.Invalid, "This is not a picture that can be shown: expected png, jpeg, gif, webp or svg.")
	}
	file, info, err := s.openFile(c)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if info.Bytes > imageBytes {
		return mlops.Errorf(mlops.Invalid, "This picture is too large to show (%s): download it.", view.Bytes(float64(info.Bytes)))
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", filePolicy+"; style-src 'unsafe-inline'; img-src data:")
	h.Set("Content-Length", strconv.FormatInt(info.Bytes, 10))
	return c.Stream(http.StatusOK, kind, file)
}

func (s *section) openFile(c echo.Context) (io.ReadCloser, mlops.Artifact, error) {
	at, err := artifactPath(c)
	if err != nil {
		return nil, mlops.Artifact{}, err
	}
	if at == "" {
		return nil, mlops.Artifact{}, mlops.Errorf(mlops.Invalid, "The query must name a file: expected ?path=….")
	}
	return s.Registry.OpenArtifact(c.Request().Context(), c.Param("id"), at)
}

// filePolicy is for bytes that a run made: whatever they are, they may do
// nothing in the browser.
const filePolicy = "default-src 'none'; sandbox; frame-ancestors 'none'"
