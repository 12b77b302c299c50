package mlflow

import (
	"context"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/artifacts"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// listing is one level of an artifact tree.
type listing struct {
	RootURI string          `json:"root_uri"`
	Files   []wire.FileInfo `json:"files,omitempty"`
}

func (s *server) runArtifacts() {
	read(s, "GET artifacts/list", func(ctx context.Context, q *struct {
		RunID   string `json:"run_id"`
		RunUUID string `json:"run_uuid"`
		Path    string `json:"path"`
	}) (any, error) {
		id, err := runRef{q.RunID, q.RunUUID}.id()
		if err != nil {
			return nil, err
		}
		run, err := s.store.Runs.RunByID(ctx, id)
		if err != nil {
			return nil, err
		}
		files, err := s.store.Artifacts.ListArtifacts(ctx, run.Info.ArtifactURI, q.Path)
		return listing{run.Info.ArtifactURI, files}, err
	})
	s.handle("GET /get-artifact", s.runArtifact)
	for _, v := range []string{"2.0", "3.0"} {
		s.handle("GET /ajax-api/"+v+"/mlflow/get-artifact", s.runArtifact)
		s.handle("GET /ajax-api/"+v+"/mlflow/logged-models/{model_id}/artifacts/files", s.modelArtifact)
	}
}

// runArtifact sends a file of a run, as MLflow's pages fetch it.
func (s *server) runArtifact(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	id, err := runRef{q.Get("run_id"), q.Get("run_uuid")}.id()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	run, err := s.store.Runs.RunByID(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.sendFile(w, r, run.Info.ArtifactURI, q.Get("path"))
}

func (s *server) modelArtifact(w http.ResponseWriter, r *http.Request) {
	m, err := s.store.LoggedModels.LoggedModel(r.Context(), r.PathValue("model_id"), false)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.sendFile(w, r, m.Info.ArtifactURI, r.URL.Query().Get("artifact_file_path"))
}

func (s *server) sendFile(w http.ResponseWriter, r *http.Request, root, p string) {
	rc, info, err := s.store.Artifacts.OpenFile(r.Context(), root, p)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.send(w, r, rc, info)
}

// send streams a file. Anybody may have uploaded it, so a browser must neither
// guess its type nor run it in this server's name.
func (s *server) send(w http.ResponseWriter, r *http.Request, rc io.ReadCloser, info mlops.ObjectInfo) {
	defer rc.Close()
	h := w.Header()
	h.Set("Content-Type", contentType(info.Key))
	h.Set("Content-Disposition", disposition(path.Base(info.Key)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox")
	if info.ETag != "" {
		h.Set("ETag", `"`+strings.Trim(info.ETag, `"`)+`"`)
	}
	if seeker, ok := rc.(io.ReadSeeker); ok {
		http.ServeContent(w, r, "", info.ModifiedAt, seeker) // with ranges
		return
	}
	if !info.ModifiedAt.IsZero() {
		h.Set("Last-Modified", info.ModifiedAt.UTC().Format(http.TimeFormat))
	}
	h.Set("Content-Length", strconv.FormatInt(info.Bytes, 10))
	w.WriteHeader(http.StatusOK)
	if n, err := io.Copy(w, rc); err != nil || n != info.Bytes {
		// The status is out. Only a broken connection tells the client that
		// the file is not whole.
		if r.Context().Err() == nil {
			s.log.Error("artifact download broke off", "key", info.Key, "sent", n, "of", info.Bytes, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

// textTypes are names that the system's type table does not know, or takes
// for something that a browser cannot show.
var textTypes = map[string]bool{".txt": true, ".log": true, ".err": true, ".cfg": true, ".conf": true, ".py": true, ".js": true, ".yml": true, ".yaml": true,
	".md": true, ".mdx": true, ".ini": true, ".toml": true, ".env": true, ".r": true, ".sql": true, ".sh": true, ".properties": true, ".jsonnet": true, ".mlmodel": true, ".mlproject": true}

var fixedTypes = map[string]string{".json": "application/json", ".csv": "text/csv", ".html": "text/html; charset=utf-8", ".png": "image/png", ".jpg": "image/jpeg",
	".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml", ".pdf": "application/pdf"}

// contentType guesses from the name only, first by tables that are the same on
// every machine.
func contentType(key string) string {
	ext := strings.ToLower(path.Ext(key))
	if b := path.Base(key); b == "MLmodel" || b == "MLproject" || textTypes[ext] {
		return "text/plain; charset=utf-8"
	}
	if t, ok := fixedTypes[ext]; ok {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

func disposition(name string) string {
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": name}); d != "" {
		return d
	}
	return "attachment"
}

// proxy serves /mlflow-artifacts: uploads and downloads through this server.
// Paths are taken as they came, while ServeMux would clean them.
func (s *server) proxy(w http.ResponseWriter, r *http.Request, rest string) {
	var err error
	switch {
	case rest == "/artifacts" && r.Method == http.MethodGet:
		err = s.proxyList(w, r)
	case strings.HasPrefix(rest, "/artifacts/"):
		err = s.proxyFile(w, r, strings.TrimPrefix(rest, "/artifacts/"))
	case strings.HasPrefix(rest, partsPath):
		err = s.part(w, r, strings.TrimPrefix(rest, partsPath))
	case strings.HasPrefix(rest, "/mpu/") && r.Method == http.MethodPost:
		err = s.multipart(w, r, strings.TrimPrefix(rest, "/mpu/"))
	default:
		err = noEndpoint(r)
	}
	if err != nil {
		s.fail(w, r, err)
	}
}

func (s *server) proxyList(w http.ResponseWriter, r *http.Request) error {
	p, err := artifacts.CleanPath(r.URL.Query().Get("path"))
	if err != nil {
		return err
	}
	if err := s.reachPath(r.Context(), p, false); err != nil {
		return err
	}
	files, err := s.store.Artifacts.ListFiles(r.Context(), p, "")
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		F []wire.FileInfo `json:"files,omitempty"`
	}{files})
	return nil
}

func (s *server) proxyFile(w http.ResponseWriter, r *http.Request, p string) error {
	key, err := s.fileKey(r, p)
	if err != nil {
		return s.refuse(r, err)
	}
	if err := s.reachPath(r.Context(), key, r.Method != http.MethodGet && r.Method != http.MethodHead); err != nil {
		return s.refuse(r, err)
	}
	objects, err := s.store.Artifacts.ArtifactStore()
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		rc, info, err := objects.Get(r.Context(), key)
		if err != nil {
			return err
		}
		s.send(w, r, rc, info)
		return nil
	case http.MethodPut:
		if err := s.mayWrite(r); err != nil {
			return err
		}
		// A large upload may take longer than the server allows a request.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		if _, err := objects.Put(r.Context(), key, r.Body, r.ContentLength, contentType(key)); err != nil {
			return s.refuse(r, uploadError(r, err))
		}
	case http.MethodDelete:
		if err := s.mayWrite(r); err != nil {
			return err
		}
		// The path may be a file or a directory.
		if err := objects.Delete(r.Context(), key); err != nil {
			return err
		}
		if err := objects.Delete(r.Context(), key+"/"); err != nil {
			return err
		}
	default:
		return &methodError{allow: "GET, PUT, DELETE", path: r.URL.Path}
	}
	writeJSON(w, http.StatusOK, nil)
	return nil
}

// fileKey returns the key of the file, or for DELETE the folder, at path p.
func (s *server) fileKey(r *http.Request, p string) (string, error) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return "", invalid("the path %q of the artifact ends at a '?': %s", p, artifacts.EncodeHint)
	}
	if r.Method == http.MethodPut {
		return s.store.Artifacts.FileKey(r.Context(), p)
	}
	key, err := artifacts.CleanPath(p)
	if err == nil && key == "" {
		err = invalid("the path of the artifact must not be empty")
	}
	return key, err
}

// refuse reads a refused upload to its end. If the connection ended while the
// client sends, the answer would get lost, and clients repeat for minutes a
// request without an answer. Only clients that may write get here.
func (s *server) refuse(r *http.Request, err error) error {
	if code := mlops.CodeOf(err); (code == mlops.Invalid || code == mlops.Denied) && s.mayWrite(r) == nil {
		_, _ = io.Copy(io.Discard, r.Body) // whether it comes to its end or not
	}
	return err
}

// uploadError tells a body that broke off, which is the client's trouble,
// from a store that failed.
func uploadError(r *http.Request, err error) error {
	if r.Context().Err() != nil || strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error()) {
		return &mlops.Error{Code: mlops.BadRequest, Message: "the upload broke off before its end; nothing was stored", Err: err}
	}
	return err
}

// serverInfo tells clients which optional features this server has.
func (s *server) serverInfo() {
	h := func(w http.ResponseWriter, _ *http.Request) {
		objects, err := s.store.Artifacts.ArtifactStore()
		_, parts := objects.(mlops.MultipartStore)
		writeJSON(w, http.StatusOK, map[string]any{
			"store_type": "SqlStore", "workspaces_enabled": false, "trace_archival_enabled": false,
			"multipart_uploads_enabled": err == nil && parts, "multipart_downloads_enabled": false,
			"presigned_upload_run_id_supported": false, "presigned_upload_model_id_supported": false,
			"features_enabled": map[string]bool{"gateway": false},
		})
	}
	s.mux.HandleFunc("GET /api/3.0/mlflow/server-info", h)
	s.mux.HandleFunc("GET /ajax-api/3.0/mlflow/server-info", h)
}
