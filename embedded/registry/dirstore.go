package registry

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// dirStore keeps objects as files below a directory, for the registry alone and
// for tests. os.Root keeps keys and symbolic links inside.
type dirStore struct {
	root *os.Root
	dir  string
}

// uploads holds files until they get their name. Keys cannot begin with a dot,
// so none collides with it.
const uploads = ".uploads"

// NewDirStore returns an object store in a directory, which is created if it
// is missing.
func NewDirStore(dir string) (mlops.ObjectStore, error) {
	if err := os.MkdirAll(filepath.Join(dir, uploads), 0o700); err != nil {
		return nil, fmt.Errorf("open artifact directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open artifact directory: %w", err)
	}
	d := &dirStore{root: root, dir: dir}
	// These files were being uploaded when the process ended.
	left, err := fs.ReadDir(root.FS(), uploads)
	if err != nil {
		return nil, fmt.Errorf("open artifact directory: %w", err)
	}
	for _, f := range left {
		if err := root.RemoveAll(path.Join(uploads, f.Name())); err != nil {
			return nil, fmt.Errorf("clean artifact directory: %w", err)
		}
	}
	return d, nil
}

// checkKey refuses keys that are no plain paths.
func checkKey(key string) error {
	if key == "" || !fs.ValidPath(key) || strings.ContainsAny(key, "\x00\\") || strings.HasPrefix(key, uploads) {
		return mlops.Errorf(mlops.Invalid, "the artifact path %q is not usable: expected names with '/' between them", key)
	}
	return nil
}

func dirError(key string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return &mlops.Error{Code: mlops.NotFound, Message: fmt.Sprintf("there is no artifact %q", key), Err: err}
	case errors.Is(err, syscall.ENOSPC):
		return &mlops.Error{Code: mlops.Unavailable, Message: "the disk that holds the artifacts is full: free some space and try again", Err: err}
	case errors.Is(err, syscall.ENAMETOOLONG):
		return &mlops.Error{Code: mlops.Invalid, Message: "a name in the artifact's path is longer than 255 bytes", Err: err}
	}
	if strings.Contains(err.Error(), "escapes from parent") {
		return &mlops.Error{Code: mlops.Invalid, Message: fmt.Sprintf("the artifact path %q leads outside of the artifact directory", key), Err: err}
	}
	return fmt.Errorf("artifact %s: %w", key, err)
}

func (d *dirStore) Put(ctx context.Context, key string, r io.Reader, size int64, contentType string) (mlops.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return mlops.ObjectInfo{}, err
	}
	var b [12]byte
	if _, err := rand.Read(b[:]); err != nil {
		return mlops.ObjectInfo{}, err
	}
	tmp := path.Join(uploads, hex.EncodeToString(b[:]))
	if err := d.free(key); err != nil {
		return mlops.ObjectInfo{}, err
	}
	info, err := d.put(ctx, tmp, key, r, size)
	if err != nil {
		_ = d.root.Remove(tmp) // may not be there
		return mlops.ObjectInfo{}, err
	}
	info.ContentType = contentType
	return info, nil
}

// free refuses a key that cannot be a file beside the files that are there,
// before its content is sent. Empty directories do not count.
func (d *dirStore) free(key string) error {
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if fi, err := d.root.Stat(dir); err == nil && !fi.IsDir() {
			return mlops.Errorf(mlops.Invalid, "%q cannot be stored: %q is a file, not a folder; choose another name, or delete that file first", key, dir)
		}
	}
	if fi, err := d.root.Stat(key); err == nil && fi.IsDir() && d.root.Remove(key) != nil {
		return mlops.Errorf(mlops.Invalid, "%q cannot be stored: it is a folder with files in it; choose another name, or delete the folder first", key)
	}
	return nil
}

func (d *dirStore) put(ctx context.Context, tmp, key string, r io.Reader, size int64) (mlops.ObjectInfo, error) {
	f, err := d.root.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return mlops.ObjectInfo{}, dirError(key, err)
	}
	defer f.Close() // a second Close is harmless
	n, err := io.Copy(f, readerWith{ctx, r})
	if err != nil {
		return mlops.ObjectInfo{}, dirError(key, err)
	}
	if size >= 0 && n != size {
		return mlops.ObjectInfo{}, mlops.Errorf(mlops.BadRequest, "the upload of %q broke off: %d of %d bytes came", key, n, size)
	}
	if err := f.Sync(); err != nil {
		return mlops.ObjectInfo{}, dirError(key, err)
	}
	if err := f.Close(); err != nil {
		return mlops.ObjectInfo{}, dirError(key, err)
	}
	if dir := path.Dir(key); dir != "." {
		err = d.root.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = d.root.Rename(tmp, key)
	}
	if err != nil {
		// Another upload may have taken the place meanwhile.
		return mlops.ObjectInfo{}, cmp.Or(d.free(key), dirError(key, err))
	}
	return d.Stat(ctx, key)
}

// readerWith stops reading when its context ends.
type readerWith struct {
	ctx context.Context
	r   io.Reader
}

func (r readerWith) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func (d *dirStore) Get(ctx context.Context, key string) (io.ReadCloser, mlops.ObjectInfo, error) {
	info, err := d.Stat(ctx, key)
	if err != nil {
		return nil, mlops.ObjectInfo{}, err
	}
	f, err := d.root.Open(key)
	if err != nil {
		return nil, mlops.ObjectInfo{}, dirError(key, err)
	}
	return f, info, nil
}

func (d *dirStore) Stat(_ context.Context, key string) (mlops.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return mlops.ObjectInfo{}, err
	}
	fi, err := d.root.Stat(key)
	if err != nil {
		return mlops.ObjectInfo{}, dirError(key, err)
	}
	if fi.IsDir() {
		return mlops.ObjectInfo{}, mlops.Errorf(mlops.NotFound, "%q is a directory, expected a file", key)
	}
	return infoOf(key, fi), nil
}

func infoOf(key string, fi fs.FileInfo) mlops.ObjectInfo {
	return mlops.ObjectInfo{Key: key, IsDir: fi.IsDir(), Bytes: fi.Size(), ModifiedAt: fi.ModTime(), ETag: fmt.Sprintf("%x-%x", fi.ModTime().UnixNano(), fi.Size())}
}

func (d *dirStore) List(ctx context.Context, prefix string, recursive bool) ([]mlops.ObjectInfo, error) {
	if prefix = strings.Trim(prefix, "/"); prefix == "" {
		prefix = "."
	} else if err := checkKey(prefix); err != nil {
		return nil, err
	}
	var out []mlops.ObjectInfo
	err := fs.WalkDir(d.root.FS(), prefix, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case p == uploads:
			return fs.SkipDir
		case p == prefix:
			if !e.IsDir() {
				return fs.SkipAll
			}
			return nil
		}
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		if !e.IsDir() || !recursive {
			o := infoOf(p, fi)
			if o.IsDir {
				o.Bytes, o.ETag = 0, ""
			}
			out = append(out, o)
		}
		if e.IsDir() && !recursive {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, dirError(prefix, err)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out, nil
}

func (d *dirStore) Delete(_ context.Context, key string) error {
	tree := strings.HasSuffix(key, "/")
	if key = strings.TrimSuffix(key, "/"); checkKey(key) != nil {
		return checkKey(key)
	}
	fi, err := d.root.Lstat(key)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil
	case err != nil:
		return dirError(key, err)
	case fi.IsDir() != tree:
		return nil // "key" is the object only, "key/" what is below it only
	case tree:
		err = d.root.RemoveAll(key)
	default:
		err = d.root.Remove(key)
	}
	if err != nil {
		return dirError(key, err)
	}
	// Directories exist for their files only.
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if d.root.Remove(dir) != nil {
			break // not empty
		}
	}
	return nil
}
