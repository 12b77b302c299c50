package minio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	_ "unsafe" // for go:linkname

	miniogo "github.com/minio/minio-go/v7"
	"github.com/minio/minio/cmd"
)

// guard is MinIO's object layer, but refuses an object in the place of a
// folder, and an object below another object. MinIO takes both and then hides
// the lower one from every listing: an object is a folder of its drive, and a
// listing does not look inside. The guard stands behind the check of
// credentials, so that strangers learn nothing about names.
type guard struct {
	cmd.ObjectLayer
	drive string

	mu      sync.Mutex
	writing map[string]int // bucket/key of what is being written now
}

//go:linkname minioObjectLayer github.com/minio/minio/cmd.newObjectLayerFn
func minioObjectLayer() cmd.ObjectLayer

//go:linkname minioSetObjectLayer github.com/minio/minio/cmd.setObjectLayer
func minioSetObjectLayer(cmd.ObjectLayer)

// installGuard puts the guard in front of MinIO's object layer. MinIO must
// have made it, and S3 must not be served yet.
func installGuard(drive string) {
	minioSetObjectLayer(&guard{ObjectLayer: minioObjectLayer(), drive: drive, writing: map[string]int{}})
}

// PutObject implements cmd.ObjectLayer.
func (g *guard) PutObject(ctx context.Context, bucket, object string, data *cmd.PutObjReader, opts cmd.ObjectOptions) (cmd.ObjectInfo, error) {
	release, err := g.claim(bucket, object)
	if err != nil {
		return cmd.ObjectInfo{}, err
	}
	defer release()
	return g.ObjectLayer.PutObject(ctx, bucket, object, data, opts)
}

// CopyObject implements cmd.ObjectLayer.
func (g *guard) CopyObject(ctx context.Context, srcBucket, srcObject, bucket, object string, info cmd.ObjectInfo, srcOpts, opts cmd.ObjectOptions) (cmd.ObjectInfo, error) {
	release, err := g.claim(bucket, object)
	if err != nil {
		return cmd.ObjectInfo{}, err
	}
	defer release()
	return g.ObjectLayer.CopyObject(ctx, srcBucket, srcObject, bucket, object, info, srcOpts, opts)
}

// NewMultipartUpload implements cmd.ObjectLayer.
func (g *guard) NewMultipartUpload(ctx context.Context, bucket, object string, opts cmd.ObjectOptions) (*cmd.NewMultipartUploadResult, error) {
	if err := checkPlace(g.drive, bucket, object); err != nil {
		return nil, err
	}
	return g.ObjectLayer.NewMultipartUpload(ctx, bucket, object, opts)
}

// CompleteMultipartUpload implements cmd.ObjectLayer.
func (g *guard) CompleteMultipartUpload(ctx context.Context, bucket, object, uploadID string, parts []cmd.CompletePart, opts cmd.ObjectOptions) (cmd.ObjectInfo, error) {
	release, err := g.claim(bucket, object)
	if err != nil {
		return cmd.ObjectInfo{}, err
	}
	defer release()
	return g.ObjectLayer.CompleteMultipartUpload(ctx, bucket, object, uploadID, parts, opts)
}

// claim is checkPlace for an object that is being written from now until
// release. Of two that exclude each other it lets only the first through.
func (g *guard) claim(bucket, key string) (release func(), err error) {
	at := bucket + "/" + strings.TrimSuffix(key, "/")
	g.mu.Lock()
	defer g.mu.Unlock()
	for other := range g.writing {
		if strings.HasPrefix(at, other+"/") {
			return nil, belowObject(key, strings.TrimPrefix(other, bucket+"/"))
		}
		if strings.HasPrefix(other, at+"/") {
			return nil, isFolder(key)
		}
	}
	if err := checkPlace(g.drive, bucket, key); err != nil {
		return nil, err
	}
	g.writing[at]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.writing[at]--; g.writing[at] == 0 {
			delete(g.writing, at)
		}
	}, nil
}

// How MinIO keeps objects on its drive.
const (
	objectFile   = "xl.meta"    // in the folder of the object's name
	markerSuffix = "__XLDIR__"  // of the folder of an object whose name ends in a slash
	ownBuckets   = ".minio.sys" // MinIO's own
)

// checkPlace looks at the drive itself, which takes microseconds; a listing
// would take longer. Old and deleted versions count, because they hide others
// too.
func checkPlace(drive, bucket, key string) error {
	name := strings.TrimSuffix(key, "/")
	if strings.HasPrefix(bucket, ownBuckets) || !fs.ValidPath(bucket+"/"+name) {
		return nil // MinIO refuses other names
	}
	at := func(name string) string { return filepath.Join(drive, bucket, filepath.FromSlash(name)) }
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if exists(filepath.Join(at(dir), objectFile)) {
			return belowObject(key, dir)
		}
	}
	switch object := exists(filepath.Join(at(name), objectFile)); {
	case name != key && object:
		return belowObject(key, name)
	case name == key && !object && (exists(at(name)+markerSuffix) || holdsObject(at(name))):
		return isFolder(key)
	}
	return nil
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// holdsObject reports whether there is an object anywhere below dir.
func holdsObject(dir string) bool {
	found := errors.New("found")
	return errors.Is(filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == objectFile {
			return found
		}
		return nil // what vanishes meanwhile, or cannot be read, holds nothing
	}), found)
}

func belowObject(key, object string) error {
	return miniogo.ErrorResponse{StatusCode: http.StatusConflict, Code: "XMinioParentIsObject",
		Message: fmt.Sprintf("%q cannot be stored: %q is an object, perhaps an old version, and would hide it from listings; choose another name, or delete that object first", key, object)}
}

func isFolder(key string) error {
	return miniogo.ErrorResponse{StatusCode: http.StatusConflict, Code: "XMinioObjectExistsAsDirectory",
		Message: fmt.Sprintf("%q cannot be stored: there are objects below %q, which it would hide from listings; choose another name, or delete them first", key, key+"/")}
}
