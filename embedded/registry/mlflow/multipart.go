package mlflow

import (
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/embedded/registry/store/artifacts"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// multipartRequest is the body of all three calls.
type multipartRequest struct {
	Path     string     `json:"path" req:"true"`
	NumParts wire.Int64 `json:"num_parts"`
	UploadID string     `json:"upload_id"`
	Parts    []struct {
		Number wire.Int64 `json:"part_number"`
		ETag   string     `json:"etag"`
	} `json:"parts"`
}

func (s *server) multipart(w http.ResponseWriter, r *http.Request, rest string) error {
	if err := s.mayWrite(r); err != nil {
		return err
	}
	action, dir, _ := strings.Cut(rest, "/")
	if strings.HasSuffix(dir, "/") || r.URL.RawQuery != "" || r.URL.ForceQuery {
		return invalid("the folder %q of the artifact is not whole: %s", dir, artifacts.EncodeHint)
	}
	var q multipartRequest
	if err := decode(r, &q); err != nil {
		return err
	}
	// The path that comes in the body is the client's local one: its last
	// element is the file's name.
	key, err := s.store.Artifacts.FileKey(r.Context(), strings.TrimPrefix(dir+"/"+path.Base(strings.ReplaceAll(q.Path, "\\", "/")), "/"))
	if err != nil {
		return err
	}
	if err := s.reachPath(r.Context(), key, true); err != nil {
		return err
	}
	switch action {
	case "create":
		return s.beginUpload(w, r, key, int64(q.NumParts))
	case "complete":
		etags := make([]string, len(q.Parts))
		for _, p := range q.Parts {
			if p.Number < 1 || int(p.Number) > len(etags) || etags[p.Number-1] != "" || p.ETag == "" {
				return invalid("parts must be numbered 1 to %d, each once and with its etag", len(etags))
			}
			etags[p.Number-1] = p.ETag
		}
		if len(etags) == 0 {
			return invalid("missing value for required parameter 'parts'")
		}
		err = s.store.Artifacts.CompleteUpload(r.Context(), q.UploadID, key, etags)
	case "abort":
		err = s.store.Artifacts.AbortUpload(r.Context(), q.UploadID, key)
	default:
		return noEndpoint(r)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, nil)
	return nil
}

func (s *server) beginUpload(w http.ResponseWriter, r *http.Request, key string, n int64) error {
	if n < 1 || n > 10000 {
		return invalid("invalid value %d for parameter 'num_parts': expected 1 to 10000", n)
	}
	up, err := s.store.Artifacts.BeginUpload(r.Context(), key, int(n))
	if err != nil {
		return err
	}
	type credential struct {
		URL     string            `json:"url"`
		Number  int               `json:"part_number"`
		Headers map[string]string `json:"headers"`
	}
	creds := make([]credential, n)
	for i := range creds {
		creds[i] = credential{"", i + 1, map[string]string{}}
		if up.URLs != nil {
			creds[i].URL = up.URLs[i]
		} else {
			creds[i].URL = fmt.Sprintf("%s/api/2.0/mlflow-artifacts%s%s/%d", origin(r), partsPath, up.ID, i+1)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"upload_id": up.ID, "credentials": creds})
	return nil
}

// origin is the address at which the client has reached this server, and will
// again. A caller that knows of a proxy in between has put that into the
// request's URL and Host.
func origin(r *http.Request) string {
	if r.TLS != nil || r.URL.Scheme == "https" {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// partsPath is where parts are put, below mlflow-artifacts. Clients put them
// without credentials, as to S3: the upload's id opens the door.
const partsPath = "/parts/"

func (s *server) part(w http.ResponseWriter, r *http.Request, rest string) error {
	if r.Method != http.MethodPut {
		return &methodError{allow: "PUT", path: r.URL.Path}
	}
	id, number, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		return noEndpoint(r)
	}
	// A large part may take longer than the server allows a request.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	etag, err := s.store.Artifacts.PutPart(r.Context(), id, n, r.Body, r.ContentLength)
	if err != nil {
		return uploadError(r, err)
	}
	w.Header().Set("ETag", `"`+strings.Trim(etag, `"`)+`"`) // clients name it when they complete the upload
	writeJSON(w, http.StatusOK, nil)
	return nil
}
