package mlflow

import (
	"net/http"
	"path"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// noMultipart is how clients tell that they must upload a file whole: they
// compare the beginning of the message, and give up at any other.
const noMultipart = "Multipart upload is not supported for the current artifact repository"

func (s *server) multipart(w http.ResponseWriter, r *http.Request, rest string) error {
	if err := s.mayWrite(r); err != nil {
		return err
	}
	action, dir, _ := strings.Cut(rest, "/")
	var q struct {
		Path     string     `json:"path" req:"true"`
		NumParts wire.Int64 `json:"num_parts"`
		UploadID string     `json:"upload_id"`
		Parts    []struct {
			Number wire.Int64 `json:"part_number"`
			ETag   string     `json:"etag"`
		} `json:"parts"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	// The path that comes in the body is the client's local one: its last
	// element is the file's name.
	key, err := store.CleanPath(path.Join(dir, path.Base(strings.ReplaceAll(q.Path, "\\", "/"))))
	if err != nil {
		return err
	}
	objects, err := s.store.ArtifactStore()
	if err != nil {
		return err
	}
	parts, ok := objects.(mlops.MultipartStore)
	if !ok {
		return mlops.Errorf(mlops.NotSupported, noMultipart+": it is a directory, upload files whole")
	}
	switch action {
	case "create":
		if q.NumParts < 1 || q.NumParts > 10000 {
			return invalid("invalid value %d for parameter 'num_parts': expected 1 to 10000", q.NumParts)
		}
		id, urls, err := parts.CreateMultipart(r.Context(), key, int(q.NumParts))
		if err != nil {
			return err
		}
		type credential struct {
			URL     string            `json:"url"`
			Number  int               `json:"part_number"`
			Headers map[string]string `json:"headers"`
		}
		creds := make([]credential, len(urls))
		for i, u := range urls {
			creds[i] = credential{u, i + 1, map[string]string{}}
		}
		writeJSON(w, http.StatusOK, map[string]any{"upload_id": id, "credentials": creds})
		return nil
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
		err = parts.CompleteMultipart(r.Context(), key, q.UploadID, etags)
	case "abort":
		err = parts.AbortMultipart(r.Context(), key, q.UploadID)
	default:
		return noEndpoint(r)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, nil)
	return nil
}
