package minio

import (
	"net"
	"net/url"
	"path/filepath"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Config says what the object store is made of. Everything but Dir, Addr and
// the root credentials may change from one start to the next: users and keys
// that are no longer listed lose their access.
type Config struct {
	// Dir is the absolute path of the folder that holds the objects. Nothing
	// else may lie in it.
	Dir string
	// Addr is where S3 is served, for example "0.0.0.0:9000".
	Addr string
	// PublicURL is how clients reach Addr, for example
	// "http://192.168.1.5:9000". Presigned URLs start with it; without it there
	// are none.
	PublicURL string
	// PodURL is how pods reach Addr. Addresses that pods are handed out start with
	// it; without it there are none.
	PodURL string
	// RootUser and RootPassword are MinIO's own keys. They never leave the
	// process and may change between starts.
	RootUser, RootPassword string
	Buckets                []Bucket
	Users                  []User
	// Door decides about users who are not listed, see SyncKeys. nil means that
	// there are none.
	Door Door `json:"-"`
	// MemoryLimit is the Go memory limit in bytes to return to after MinIO
	// has set its own; 0 means the one in force before.
	MemoryLimit int64
}

// Bucket is a bucket that exists from the start. Removing one from the
// configuration leaves its objects alone.
type Bucket struct {
	Name      string
	Versioned bool // keep every version of an object
	// Gives and Takes say that addresses may be handed out that get its objects,
	// or put some.
	Gives, Takes bool
}

// Validate reports the first thing in c that MinIO would not accept.
func (c Config) Validate() error {
	if !filepath.IsAbs(c.Dir) {
		return mlops.Errorf(mlops.Invalid, "object store: folder %q is not an absolute path", c.Dir)
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return mlops.Errorf(mlops.Invalid, "object store: address %q is not host:port, for example 0.0.0.0:9000", c.Addr)
	}
	for what, s := range map[string]string{"public URL": c.PublicURL, "URL for pods": c.PodURL} {
		if err := validateURL(what, s); s != "" && err != nil {
			return err
		}
	}
	if len(c.RootUser) < minKey || len(c.RootPassword) < minSecret {
		return mlops.Errorf(mlops.Invalid, "object store: the root user needs at least %d characters and its password at least %d", minKey, minSecret)
	}
	for _, b := range c.Buckets {
		if err := s3utils.CheckValidBucketNameStrict(b.Name); err != nil {
			return mlops.Errorf(mlops.Invalid, "object store: bucket name %q is not usable: %v", b.Name, err)
		}
	}
	seen := map[string]string{c.RootUser: "root"}
	for _, u := range c.Users {
		if err := u.Validate(); err != nil {
			return err
		}
		if other, ok := seen[u.AccessKey]; ok {
			return mlops.Errorf(mlops.Invalid, "object store: users %s and %s share the access key %s: each needs its own", other, u.Name, u.AccessKey)
		}
		seen[u.AccessKey] = u.Name
	}
	return nil
}

// Lengths that MinIO demands of keys.
const (
	minKey    = 3
	minSecret = 8
)

func validateURL(what, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return mlops.Errorf(mlops.Invalid, "object store: %s %q is not usable: expected http://host:port", what, s)
	}
	return nil
}
