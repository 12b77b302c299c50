package minio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// provision makes buckets, policies and users be what the configuration says.
// It can be repeated.
func (u *Unit) provision(ctx context.Context, p *process) error {
	creds := credentials.NewStaticV4(u.cfg.RootUser, u.cfg.RootPassword, "")
	s3, err := miniogo.New(p.loopback, &miniogo.Options{Creds: creds, Transport: loopbackTransport, Region: region, MaxRetries: 1})
	if err != nil {
		return fmt.Errorf("make the root S3 client: %w", err)
	}
	adm, err := madmin.NewWithOptions(p.loopback, &madmin.Options{Creds: creds, Transport: loopbackTransport})
	if err != nil {
		return fmt.Errorf("make the root admin client: %w", err)
	}
	// MinIO answers "live" long before it can work. Asking for the list of
	// buckets is the only honest question, and listing users the one that
	// tells that its users are loaded.
	if err := p.retry(ctx, "list buckets", func() error { _, err := s3.ListBuckets(ctx); return err }); err != nil {
		return err
	}
	var users map[string]madmin.UserInfo
	if err := p.retry(ctx, "list users", func() (err error) { users, err = adm.ListUsers(ctx); return err }); err != nil {
		return err
	}
	for _, b := range u.cfg.Buckets {
		if err := p.retry(ctx, "make bucket "+b.Name, func() error { return makeBucket(ctx, s3, b) }); err != nil {
			return err
		}
	}
	return u.provisionUsers(ctx, p, adm, users)
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

// notYet reports whether err means that MinIO is still starting.
func notYet(err error) bool {
	code := miniogo.ToErrorResponse(err).Code
	var adminErr madmin.ErrorResponse
	if errors.As(err, &adminErr) {
		code = adminErr.Code
	}
	switch code {
	case "XMinioServerNotInitialized", "XMinioIAMNotInitialized", "ServiceUnavailable", "SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError":
		return true
	}
	return false
}

func makeBucket(ctx context.Context, s3 *miniogo.Client, b Bucket) error {
	exists, err := s3.BucketExists(ctx, b.Name)
	if err != nil {
		return err //nolint:wrapcheck // retry wraps it
	}
	if !exists {
		if err := s3.MakeBucket(ctx, b.Name, miniogo.MakeBucketOptions{Region: region}); err != nil {
			return err //nolint:wrapcheck // retry wraps it
		}
	}
	if !b.Versioned {
		return nil
	}
	v, err := s3.GetBucketVersioning(ctx, b.Name)
	if err != nil || v.Enabled() {
		return err //nolint:wrapcheck // retry wraps it
	}
	return s3.EnableVersioning(ctx, b.Name) //nolint:wrapcheck // retry wraps it
}

// provisionUsers makes the users in MinIO be exactly those configured, plus a
// keeper per bucket. Nobody else can make users: the root key stays here.
func (u *Unit) provisionUsers(ctx context.Context, p *process, adm *madmin.AdminClient, have map[string]madmin.UserInfo) error {
	want := append([]User(nil), u.cfg.Users...)
	for _, b := range u.cfg.Buckets {
		want = append(want, keeper(b.Name, u.cfg.RootPassword))
	}
	policies, err := adm.ListCannedPolicies(ctx)
	if err != nil {
		return fmt.Errorf("list policies: %w", err)
	}
	keep, keepPolicy := map[string]bool{}, map[string]bool{}
	for _, usr := range want {
		keep[usr.AccessKey] = true
		doc, err := usr.document()
		if err != nil {
			return err
		}
		policy := ""
		if doc != nil {
			policy = usr.policyName()
			keepPolicy[policy] = true
			if err := p.retry(ctx, "set policy "+policy, func() error { return adm.AddCannedPolicy(ctx, policy, doc) }); err != nil {
				return err
			}
		}
		// A secret cannot be read back and compared, so it is set each time.
		if err := p.retry(ctx, "set user "+usr.Name, func() error { return adm.AddUser(ctx, usr.AccessKey, usr.SecretKey) }); err != nil {
			return err
		}
		if have[usr.AccessKey].PolicyName != policy {
			if err := setPolicy(ctx, adm, usr.AccessKey, have[usr.AccessKey].PolicyName, policy); err != nil {
				return fmt.Errorf("give user %s its policy: %w", usr.Name, err)
			}
		}
	}
	for key := range have {
		if !keep[key] {
			if err := adm.RemoveUser(ctx, key); err != nil {
				return fmt.Errorf("remove user with access key %s: %w", key, err)
			}
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

// setPolicy replaces the policies had of a user by the one it should have.
func setPolicy(ctx context.Context, adm *madmin.AdminClient, key, had, policy string) error {
	if policy != "" {
		if _, err := adm.AttachPolicy(ctx, madmin.PolicyAssociationReq{Policies: []string{policy}, User: key}); err != nil {
			return fmt.Errorf("attach %s: %w", policy, err)
		}
	}
	for _, old := range strings.Split(had, ",") {
		if old == "" || old == policy {
			continue
		}
		if _, err := adm.DetachPolicy(ctx, madmin.PolicyAssociationReq{Policies: []string{old}, User: key}); err != nil {
			return fmt.Errorf("detach %s: %w", old, err)
		}
	}
	return nil
}
