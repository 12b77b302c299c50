package artifacts

import (
	"context"
	"database/sql"
	"fmt"
	"path"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// removeTree removes what lies below a URI of this server, except what model
// versions point at. Files elsewhere are their owner's business.
func (s *Store) removeTree(ctx context.Context, objects mlops.ObjectStore, uri string, rep *GCReport) error {
	root, err := KeyOf(uri)
	if err != nil || root == "" {
		return nil
	}
	kept, err := s.keptFiles(ctx)
	if err != nil {
		return err
	}
	// A file in the place of the folder hides what lies in the folder.
	info, err := objects.Stat(ctx, root)
	if err == nil && !isBelow(root, kept) {
		if err := objects.Delete(ctx, root); err != nil {
			return err
		}
		rep.Files, rep.Bytes = rep.Files+1, rep.Bytes+info.Bytes
	} else if err != nil && mlops.CodeOf(err) != mlops.NotFound {
		return err
	}
	for pass := 0; ; pass++ {
		n, err := s.removeFound(ctx, objects, root, kept, rep)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		// MinIO once took files below a file, and listings leave them out. They
		// show when the upper file is gone.
		if pass == maxDepth {
			return fmt.Errorf("remove artifacts below %s: new ones come all the time", root)
		}
	}
	return s.dropUploads(ctx, objects, root, rep)
}

// maxDepth is more than the levels that a path can have.
const maxDepth = 1024

// removeFound removes what one listing shows, and returns how much that is.
func (s *Store) removeFound(ctx context.Context, objects mlops.ObjectStore, root string, kept []string, rep *GCReport) (n int, err error) {
	infos, err := objects.List(ctx, root, true)
	if mlops.CodeOf(err) == mlops.NotFound {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	spared := isBelow(root, kept)
	for _, k := range kept {
		spared = spared || isBelow(k, []string{root})
	}
	for _, i := range infos {
		if isBelow(i.Key, kept) {
			continue
		}
		key := i.Key
		if i.IsDir { // a marker that some client has left for a folder
			if key += "/"; holdsAny(key, kept) {
				continue
			}
		} else {
			rep.Files, rep.Bytes = rep.Files+1, rep.Bytes+i.Bytes
		}
		n++
		if spared {
			if err := objects.Delete(ctx, key); err != nil {
				return n, err
			}
		}
	}
	if !spared {
		return n, objects.Delete(ctx, root+"/")
	}
	return n, nil
}

// keptFiles returns the keys that model versions point at.
func (s *Store) keptFiles(ctx context.Context) (kept []string, err error) {
	err = s.db.Rows(ctx, "SELECT DISTINCT storage_location FROM model_versions WHERE storage_location LIKE 'mlflow-artifacts:%'", func(r *sql.Rows) error {
		var location string
		if err := r.Scan(&location); err != nil {
			return err
		}
		if key, err := KeyOf(location); err == nil && key != "" {
			kept = append(kept, key)
		}
		return nil
	})
	return kept, err
}

func isBelow(key string, roots []string) bool {
	for p := key; p != "." && p != "/"; p = path.Dir(p) {
		for _, r := range roots {
			if p == r {
				return true
			}
		}
	}
	return false
}

// holdsAny reports whether one of keys lies in folder, which ends in a slash.
func holdsAny(folder string, keys []string) bool {
	for _, k := range keys {
		if strings.HasPrefix(k, folder) {
			return true
		}
	}
	return false
}
