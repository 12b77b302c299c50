package minio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/minio/madmin-go/v3"
	miniogo "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// loopbackTransport is for our own clients of MinIO.
var loopbackTransport = &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 10 * time.Second, DisableCompression: true}

// region is where every bucket is, as far as signatures are concerned.
const region = "us-east-1"

// rootCredentials are only for changing users and buckets.
func (u *Unit) rootCredentials() *credentials.Credentials {
	return credentials.NewStaticV4(u.cfg.RootUser, u.cfg.RootPassword, "")
}

// provision makes buckets, policies and users match the configuration. It can
// be repeated.
func (u *Unit) provision(ctx context.Context, p *process, log *slog.Logger) error {
	creds := u.rootCredentials()
	s3, err := miniogo.New(p.loopback, &miniogo.Options{Creds: creds, Transport: loopbackTransport, Region: region, MaxRetries: 1})
	if err != nil {
		return fmt.Errorf("make the root S3 client: %w", err)
	}
	adm, err := madmin.NewWithOptions(p.loopback, &madmin.Options{Creds: creds, Transport: loopbackTransport})
	if err != nil {
		return fmt.Errorf("make the root admin client: %w", err)
	}
	// MinIO answers "live" long before it can work. A list of buckets is the
	// only proof that it can, and a list of users the only proof that its users
	// are loaded.
	if err := p.retry(ctx, "list buckets", func() error { _, err := s3.ListBuckets(ctx); return err }); err != nil {
		return err
	}
	var users map[string]madmin.UserInfo
	if err := p.retry(ctx, "list users", func() (err error) { users, err = adm.ListUsers(ctx); return err }); err != nil {
		return err
	}
	for _, b := range u.cfg.Buckets {
		if err := p.retry(ctx, "set up bucket "+b.Name, func() error { return makeBucket(ctx, s3, b) }); err != nil {
			return err
		}
	}
	return u.provisionUsers(ctx, p, adm, log, users)
}

// retry repeats do while MinIO says that it is not ready yet.
func (p *process) retry(ctx context.Context, what string, do func() error) error {
	for {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && !notYet(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		if werr := p.wait(ctx, 20*time.Millisecond); werr != nil {
			if ctx.Err() != nil {
				werr = fmt.Errorf("%w (last answer: %w)", werr, err)
			}
			return fmt.Errorf("%s: %w", what, werr)
		}
	}
}

// errorCode is the code in an answer of S3 or of the admin API.
func errorCode(err error) string {
	var s3Err miniogo.ErrorResponse
	var adminErr madmin.ErrorResponse
	switch {
	case errors.As(err, &s3Err):
		return s3Err.Code
	case errors.As(err, &adminErr):
		return adminErr.Code
	}
	return ""
}

func storageFull(err error) bool { return errorCode(err) == codeFull }

// codeFull is what MinIO calls a full disk.
const codeFull = "XMinioStorageFull"

// notYet reports whether err means that MinIO is still starting.
func notYet(err error) bool {
	switch errorCode(err) {
	case "XMinioServerNotInitialized", "XMinioIAMNotInitialized", "ServiceUnavailable", "SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError":
		return true
	}
	return false
}

func makeBucket(ctx context.Context, s3 *miniogo.Client, b Bucket) error {
	exists, err := s3.BucketExists(ctx, b.Name)
	if err != nil {
		return fmt.Errorf("look for it: %w", err)
	}
	if !exists {
		if err := s3.MakeBucket(ctx, b.Name, miniogo.MakeBucketOptions{Region: region}); err != nil {
			return fmt.Errorf("make it: %w", err)
		}
	}
	if !b.Versioned {
		return nil
	}
	v, err := s3.GetBucketVersioning(ctx, b.Name)
	if err != nil {
		return fmt.Errorf("ask for versioning: %w", err)
	}
	if v.Enabled() {
		return nil
	}
	if err := s3.EnableVersioning(ctx, b.Name); err != nil {
		return fmt.Errorf("enable versioning: %w", err)
	}
	return nil
}

// provisionUsers makes the users in MinIO exactly those configured, plus
// those that this process works with. Nobody else can make users: the root key stays here. The
// users of access keys, if there may be any, stay until SyncKeys.
func (u *Unit) provisionUsers(ctx context.Context, p *process, adm *madmin.AdminClient, log *slog.Logger, have map[string]madmin.UserInfo) error {
	policies, err := adm.ListCannedPolicies(ctx)
	if err != nil {
		return fmt.Errorf("list policies: %w", err)
	}
	want := append([]User(nil), u.cfg.Users...)
	for _, b := range u.cfg.Buckets {
		want = append(want, b.ownUsers(u.cfg.RootPassword)...)
	}
	if u.cfg.Door != nil {
		for name, info := range have {
			if ofKey(info.PolicyName) {
				delete(have, name)
			}
		}
		for name := range policies {
			if ofKey(name) {
				delete(policies, name)
			}
		}
	}
	return p.makeUsers(ctx, adm, log, want, have, policies)
}

// makeUsers makes users and policies match want; have and policies are those
// that it may change. It does not rewrite what is right already, so a start
// needs no room on the disk.
func (p *process) makeUsers(ctx context.Context, adm *madmin.AdminClient, log *slog.Logger, want []User, have map[string]madmin.UserInfo, policies map[string]json.RawMessage) error {
	keep, keepPolicy := map[string]bool{}, map[string]bool{}
	for _, usr := range want {
		keep[usr.AccessKey], keepPolicy[usr.policyName()] = true, true
	}
	for key := range have {
		if !keep[key] {
			if err := adm.RemoveUser(ctx, key); err != nil {
				return fmt.Errorf("remove user with access key %s: %w", key, err)
			}
		}
	}
	for _, usr := range want {
		info, exists := have[usr.AccessKey]
		err := p.retry(ctx, "set up user "+usr.Name, func() error { return usr.provision(ctx, p, adm, policies, info) })
		if storageFull(err) && exists {
			log.Error("the disk is full: an object store user keeps the rights and the key it had", "user", usr.Name, "err", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	for name := range policies {
		if strings.HasPrefix(name, policyPrefix) && !keepPolicy[name] {
			if err := adm.RemoveCannedPolicy(ctx, name); err != nil {
				return fmt.Errorf("remove policy %s: %w", name, err)
			}
		}
	}
	return nil
}

// provision brings one user up to date; info is what MinIO knows of it.
func (usr User) provision(ctx context.Context, p *process, adm *madmin.AdminClient, policies map[string]json.RawMessage, info madmin.UserInfo) error {
	doc, err := usr.document()
	if err != nil {
		return err
	}
	policy := ""
	if doc != nil {
		policy = usr.policyName()
		if !sameJSON(policies[policy], doc) {
			if err := adm.AddCannedPolicy(ctx, policy, doc); err != nil {
				return fmt.Errorf("add policy %s: %w", policy, err)
			}
		}
	}
	known, err := usr.known(ctx, p)
	if err != nil {
		return err
	}
	if !known {
		if err := adm.AddUser(ctx, usr.AccessKey, usr.SecretKey); err != nil {
			return fmt.Errorf("set key: %w", err)
		}
	}
	if info.PolicyName == policy {
		return nil
	}
	return setPolicy(ctx, adm, usr.AccessKey, info.PolicyName, policy)
}

// known reports whether the user's key works already. A secret cannot be read
// back, but it can be tried.
func (usr User) known(ctx context.Context, p *process) (bool, error) {
	s3, err := miniogo.New(p.loopback, &miniogo.Options{Creds: credentials.NewStaticV4(usr.AccessKey, usr.SecretKey, ""),
		Transport: loopbackTransport, Region: region, MaxRetries: 1})
	if err != nil {
		return false, fmt.Errorf("make an S3 client: %w", err)
	}
	_, err = s3.ListBuckets(ctx)
	switch code := miniogo.ToErrorResponse(err).Code; {
	case err == nil, code == "AccessDenied":
		return true, nil
	case code == "InvalidAccessKeyId", code == "SignatureDoesNotMatch":
		return false, nil
	}
	return false, fmt.Errorf("try key: %w", err)
}

// setPolicy replaces the policies had of a user by the one it should have.
func setPolicy(ctx context.Context, adm *madmin.AdminClient, key, had, policy string) error {
	if policy != "" {
		if _, err := adm.AttachPolicy(ctx, madmin.PolicyAssociationReq{Policies: []string{policy}, User: key}); err != nil {
			return fmt.Errorf("attach policy %s: %w", policy, err)
		}
	}
	for _, old := range strings.Split(had, ",") {
		if old == "" || old == policy {
			continue
		}
		if _, err := adm.DetachPolicy(ctx, madmin.PolicyAssociationReq{Policies: []string{old}, User: key}); err != nil {
			return fmt.Errorf("detach policy %s: %w", old, err)
		}
	}
	return nil
}

// sameJSON compares policies. MinIO keeps actions and resources as sets, so
// their order carries no meaning.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(sorted(x), sorted(y))
}

// sorted returns v with every list of strings in it sorted.
func sorted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = sorted(v[k])
		}
	case []any:
		for i := range v {
			v[i] = sorted(v[i])
		}
		sort.SliceStable(v, func(i, j int) bool {
			a, ok := v[i].(string)
			b, ok2 := v[j].(string)
			return ok && ok2 && a < b
		})
	}
	return v
}
