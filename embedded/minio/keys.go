package minio

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/minio/madmin-go/v3"
	miniogo "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Door knows the users that come and go while the object store runs: access
// keys. They are not in the configuration.
type Door interface {
	// Admit reports why a request that accessKey signed must be refused. The
	// key is "" if neither header nor address carries a signature. Admit is not
	// asked about users of the configuration.
	Admit(accessKey string) error
	// Used is told of each request of such a user that was served.
	Used(accessKey string)
}

// keyPrefix begins the names of the users and policies of access keys. A start
// leaves these alone until SyncKeys says which of them stay.
const keyPrefix = "key-"

// admin is what this process needs to change users while MinIO runs.
type admin struct {
	mu   sync.Mutex // one change of users at a time
	p    *process
	log  *slog.Logger
	root *credentials.Credentials
}

func (u *Unit) setAdmin(a *admin) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.admin = a
}

func (u *Unit) admins() (*admin, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.admin == nil {
		return nil, errNotReady
	}
	return u.admin, nil
}

// SyncKeys makes the users of access keys exactly those given. It removes
// before it adds.
func (u *Unit) SyncKeys(ctx context.Context, keys []mlops.ObjectUser) error {
	a, err := u.admins()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	adm, err := madmin.NewWithOptions(a.p.loopback, &madmin.Options{Creds: a.root, Transport: loopbackTransport})
	if err != nil {
		return fmt.Errorf("make the root admin client: %w", err)
	}
	have, err := adm.ListUsers(ctx)
	if err != nil {
		return fmt.Errorf("list users: %w", err)
	}
	policies, err := adm.ListCannedPolicies(ctx)
	if err != nil {
		return fmt.Errorf("list policies: %w", err)
	}
	for name, info := range have {
		if !ofKey(info.PolicyName) {
			delete(have, name)
		}
	}
	for name := range policies {
		if !ofKey(name) {
			delete(policies, name)
		}
	}
	want := make([]User, 0, len(keys))
	for _, k := range keys {
		want = append(want, keyUser(k))
	}
	err = a.p.makeUsers(ctx, adm, a.log, want, have, policies)
	if storageFull(err) {
		err = &mlops.Error{Code: mlops.Unavailable, Err: err, Message: "the disk is full, so the object store cannot take another key: free some space and try again"}
	}
	return err
}

// ofKey reports whether a policy is that of an access key.
func ofKey(policy string) bool { return strings.HasPrefix(policy, policyPrefix+keyPrefix) }

// keyUser is the user of an access key. It always has a policy, because that
// is what tells it from others.
func keyUser(k mlops.ObjectUser) User {
	usr := User{Name: keyPrefix + k.Name, AccessKey: k.Name, SecretKey: k.Secret}
	switch {
	case k.All:
		usr.Policy = json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}`)
	case len(k.Buckets) == 0:
		usr.Policy = json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}`)
	}
	for _, b := range k.Buckets {
		usr.Grants = append(usr.Grants, Grant{Bucket: b.Name, Prefix: b.Prefix, Read: true, List: true, Write: b.Write, Delete: b.Write})
	}
	return usr
}

// DropBucket removes a bucket with all that it holds, older versions and unfinished
// uploads too. One that is not there is no error.
func (u *Unit) DropBucket(ctx context.Context, name string) error {
	return u.clearBucket(ctx, name, true)
}

// ClearBucket is DropBucket, but the empty bucket stays.
func (u *Unit) ClearBucket(ctx context.Context, name string) error {
	return u.clearBucket(ctx, name, false)
}

func (u *Unit) clearBucket(ctx context.Context, name string, drop bool) error {
	s3, err := u.rootClient()
	if err != nil {
		return err
	}
	exists, err := s3.BucketExists(ctx, name)
	if err != nil || !exists {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed, listErr := removeFound(ctx, s3, name, s3.ListObjects(ctx, name, miniogo.ListObjectsOptions{Recursive: true, WithVersions: true}))
	errs := []error{listErr}
	for _, res := range failed {
		errs = append(errs, res.Err)
	}
	for upload := range s3.ListIncompleteUploads(ctx, name, "", true) {
		if err := cmp.Or(upload.Err, s3.RemoveIncompleteUpload(ctx, name, upload.Key)); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("empty bucket %s: %w", name, err)
	}
	if !drop {
		return nil
	}
	if err := s3.RemoveBucket(ctx, name); err != nil && errorCode(err) != "NoSuchBucket" {
		return fmt.Errorf("remove bucket %s: %w", name, err)
	}
	return nil
}

// ListBucket lists what lies in any bucket below a prefix, by key. There is false
// if the bucket does not exist.
func (u *Unit) ListBucket(ctx context.Context, name, prefix string) (out []mlops.ObjectInfo, there bool, err error) {
	s3, err := u.rootClient()
	if err != nil {
		return nil, false, err
	}
	ctx, cancel := context.WithCancel(ctx) // ends the listing if we return early
	defer cancel()
	for info := range s3.ListObjects(ctx, name, miniogo.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if errorCode(info.Err) == "NoSuchBucket" {
			return nil, false, nil
		}
		if info.Err != nil {
			return nil, false, fmt.Errorf("list bucket %s: %w", name, info.Err)
		}
		out = append(out, objectInfo(info))
	}
	return out, true, nil
}

// rootClient is a client that may do everything.
func (u *Unit) rootClient() (*miniogo.Client, error) {
	a, err := u.admins()
	if err != nil {
		return nil, err
	}
	s3, err := miniogo.New(a.p.loopback, &miniogo.Options{Creds: a.root, Transport: loopbackTransport, Region: region, MaxRetries: 1})
	if err != nil {
		return nil, fmt.Errorf("make the root S3 client: %w", err)
	}
	return s3, nil
}

// NeedBucket makes the bucket if it is missing and make is true. If make is
// false, a missing bucket is an error.
func (u *Unit) NeedBucket(ctx context.Context, name string, make bool) error {
	if err := s3utils.CheckValidBucketNameStrict(name); err != nil {
		return mlops.Errorf(mlops.Invalid, "bucket name %q is not usable: %v", name, err)
	}
	s3, err := u.rootClient()
	if err != nil {
		return err
	}
	if !make {
		exists, err := s3.BucketExists(ctx, name)
		if err == nil && !exists {
			err = mlops.Errorf(mlops.NotFound, "bucket %s does not exist: give the key %s:rw to have it made", name, name)
		}
		return err
	}
	if err := u.room(0); err != nil {
		return err
	}
	if err := makeBucket(ctx, s3, Bucket{Name: name}); err != nil {
		return fmt.Errorf("set up bucket %s: %w", name, err)
	}
	return nil
}
