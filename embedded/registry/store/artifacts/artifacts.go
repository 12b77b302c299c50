// Package artifacts keeps the files of runs and models in an object store:
// paths, uploads in parts, and the removal of deleted files.
package artifacts

import (
	"context"
	"io"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps files.
type Store struct {
	db   *db.DB
	runs *runs.Store

	mu      sync.Mutex
	objects mlops.ObjectStore
}

// New returns the files of a database's rows. objects may be nil, and may also
// be a mlops.MultipartStore.
func New(d *db.DB, r *runs.Store, objects mlops.ObjectStore) *Store {
	return &Store{db: d, runs: r, objects: objects}
}

// SetArtifacts sets where artifacts lie, once that is known.
func (s *Store) SetArtifacts(a mlops.ObjectStore) {
	s.mu.Lock()
	s.objects = a
	s.mu.Unlock()
}

// ArtifactStore returns what SetArtifacts or New gave, or Unavailable.
func (s *Store) ArtifactStore() (mlops.ObjectStore, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		return nil, mlops.Errorf(mlops.Unavailable, "the artifact store is not ready yet: try again in a few seconds")
	}
	return s.objects, nil
}

// CleanPath checks a client's path below an artifact root and returns it in its
// plain form; "" is the root. It refuses anything that could lead outside, also
// if percent-encoded a second time.
func CleanPath(p string) (string, error) {
	for i, q := 0, p; i < 4; i++ {
		if strings.ContainsAny(q, "\\\x00") || strings.HasPrefix(q, "/") || len(q) > 1 && q[1] == ':' && isLetter(q[0]) && (len(q) == 2 || q[2] == '/') || hasScheme(q) {
			return "", mlops.Errorf(mlops.Invalid, "the path %q is not allowed: expected a relative path with '/' between its parts", wire.Head(p))
		}
		for _, part := range strings.Split(q, "/") {
			if part == ".." {
				return "", mlops.Errorf(mlops.Invalid, "the path %q is not allowed: it must not contain '..'", wire.Head(p))
			}
		}
		d, err := url.PathUnescape(q)
		if err != nil || d == q {
			break
		}
		q = d
	}
	c := path.Clean(p)
	if c == "." {
		c = ""
	}
	if len(c) > 1024 {
		return "", mlops.Errorf(mlops.Invalid, "the path is %d bytes long, at most 1024 are allowed", len(c))
	}
	return c, nil
}

// FileKey is CleanPath for a file that is about to be written. A path that ends
// like a folder has lost the file's name on its way.
func (s *Store) FileKey(ctx context.Context, p string) (string, error) {
	key, err := CleanPath(p)
	if err != nil {
		return "", err
	}
	folder := key == "" || strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.")
	if !folder && path.Base(key) == "artifacts" {
		// The folder of a run's or a model's artifacts: a file in its place
		// would hide whatever lies in it.
		var one int
		if folder, err = s.db.Row(ctx, "SELECT 1 FROM runs WHERE run_id = ?1 UNION ALL SELECT 1 FROM logged_models WHERE model_id = ?1", []any{path.Base(path.Dir(key))}, &one); err != nil {
			return "", err
		}
	}
	if folder {
		return "", mlops.Errorf(mlops.Invalid, "the upload to %q has no file name: %s", wire.Head(p), EncodeHint)
	}
	return key, nil
}

// EncodeHint says why the rest of a file's name may not have arrived.
const EncodeHint = "what follows a '#' or '?' in an address is not part of its path, so MLflow's client loses it; use names without them, or send %23 and %3F"

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func hasScheme(p string) bool {
	i := strings.Index(p, ":/")
	return i > 0 && !strings.ContainsAny(p[:i], "/ .")
}

// KeyOf returns the key in the artifact store of a URI that this server has
// given to clients: mlflow-artifacts:/key or mlflow-artifacts://host/key.
func KeyOf(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "mlflow-artifacts" {
		return "", mlops.Errorf(mlops.Invalid, "the artifacts at %q are not kept by this server: use the storage's own client", wire.Head(uri))
	}
	return CleanPath(strings.TrimLeft(u.Path, "/"))
}

// ListArtifacts lists one level below path, which is relative to root, a URI
// that this server has given. Paths in the answer are relative to root, too.
func (s *Store) ListArtifacts(ctx context.Context, root, p string) ([]wire.FileInfo, error) {
	p, err := CleanPath(p)
	if err != nil {
		return nil, err
	}
	base, err := KeyOf(root)
	if err != nil {
		return nil, err
	}
	return s.ListFiles(ctx, base, p)
}

// ListFiles is ListArtifacts for a key in the store instead of a URI.
func (s *Store) ListFiles(ctx context.Context, base, p string) ([]wire.FileInfo, error) {
	store, err := s.ArtifactStore()
	if err != nil {
		return nil, err
	}
	infos, err := store.List(ctx, path.Join(base, p), false)
	if err != nil {
		if mlops.CodeOf(err) == mlops.NotFound {
			return nil, nil
		}
		return nil, err
	}
	out := make([]wire.FileInfo, 0, len(infos))
	for _, i := range infos {
		f := wire.FileInfo{Path: path.Join(p, path.Base(strings.TrimRight(i.Key, "/"))), IsDir: i.IsDir}
		if !i.IsDir {
			f.FileSize = &i.Bytes
		}
		out = append(out, f)
	}
	return out, nil
}

// OpenFile opens a file below root for reading.
func (s *Store) OpenFile(ctx context.Context, root, p string) (io.ReadCloser, mlops.ObjectInfo, error) {
	p, err := CleanPath(p)
	if err != nil {
		return nil, mlops.ObjectInfo{}, err
	}
	if p == "" {
		return nil, mlops.ObjectInfo{}, mlops.Errorf(mlops.Invalid, "the path of the artifact must not be empty")
	}
	base, err := KeyOf(root)
	if err != nil {
		return nil, mlops.ObjectInfo{}, err
	}
	store, err := s.ArtifactStore()
	if err != nil {
		return nil, mlops.ObjectInfo{}, err
	}
	return store.Get(ctx, path.Join(base, p))
}

// Artifacts lists one level of a run's artifacts, below path.
func (s *Store) Artifacts(ctx context.Context, runID, path string) ([]mlops.Artifact, error) {
	r, err := s.runs.RunByID(ctx, runID)
	if err != nil {
		return nil, err
	}
	files, err := s.ListArtifacts(ctx, r.Info.ArtifactURI, path)
	out := make([]mlops.Artifact, 0, len(files))
	for _, f := range files {
		a := mlops.Artifact{Path: f.Path, IsDir: f.IsDir}
		if f.FileSize != nil {
			a.Bytes = *f.FileSize
		}
		out = append(out, a)
	}
	return out, err
}

// OpenArtifact opens a file among a run's artifacts. The caller closes it.
func (s *Store) OpenArtifact(ctx context.Context, runID, path string) (io.ReadCloser, mlops.Artifact, error) {
	r, err := s.runs.RunByID(ctx, runID)
	if err != nil {
		return nil, mlops.Artifact{}, err
	}
	rc, info, err := s.OpenFile(ctx, r.Info.ArtifactURI, path)
	if err != nil {
		return nil, mlops.Artifact{}, err
	}
	return rc, mlops.Artifact{Path: path, Bytes: info.Bytes}, nil
}
