package minio

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// User is somebody with a key of its own. A user without grants and policy
// may do nothing.
type User struct {
	Name      string // for messages and for the name of its policy
	AccessKey string
	SecretKey string
	Grants    []Grant
	// Policy is an S3 policy document that takes the place of Grants.
	Policy json.RawMessage
}

// Grant allows some actions on the objects of a bucket whose keys start with
// Prefix ("" for all of them).
type Grant struct {
	Bucket, Prefix      string
	Read, Write, Delete bool
	// List allows listing below Prefix and asking where the bucket is.
	List bool
}

// ReadObjects allows reading objects by name, and nothing else.
func ReadObjects(bucket, prefix string) Grant {
	return Grant{Bucket: bucket, Prefix: prefix, Read: true}
}

// FullBucket allows everything on the objects of a bucket.
func FullBucket(bucket string) Grant {
	return Grant{Bucket: bucket, Read: true, Write: true, Delete: true, List: true}
}

// Validate reports what MinIO would not accept.
func (u User) Validate() error {
	if err := mlops.ValidateName("object store user", u.Name); err != nil {
		return err
	}
	if strings.HasPrefix(u.Name, keeperPrefix) || strings.HasPrefix(u.AccessKey, keeperPrefix) || strings.HasPrefix(u.Name, keyPrefix) {
		return mlops.Errorf(mlops.Invalid, "object store user %s: names starting with %q or %q and access keys starting with %q are reserved", u.Name, keeperPrefix, keyPrefix, keeperPrefix)
	}
	if len(u.AccessKey) < minKey || strings.ContainsAny(u.AccessKey, "=,") {
		return mlops.Errorf(mlops.Invalid, "object store user %s: the access key needs at least %d characters and no '=' or ','", u.Name, minKey)
	}
	if len(u.SecretKey) < minSecret {
		return mlops.Errorf(mlops.Invalid, "object store user %s: the secret key needs at least %d characters", u.Name, minSecret)
	}
	if u.hasPolicy() && !json.Valid(u.Policy) {
		return mlops.Errorf(mlops.Invalid, "object store user %s: the policy is not valid JSON", u.Name)
	}
	for _, g := range u.Grants {
		if g.Bucket == "" || strings.ContainsAny(g.Bucket+g.Prefix, "*?") {
			return mlops.Errorf(mlops.Invalid, "object store user %s: a grant needs a bucket, and no '*' or '?' in bucket or prefix", u.Name)
		}
	}
	return nil
}

// policyName is the name of the user's policy. The prefix tells our policies
// from MinIO's built-in ones.
func (u User) policyName() string { return policyPrefix + u.Name }

const policyPrefix = "benchtop-"

type statement struct {
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string `json:",omitempty"`
}

// document returns the user's policy, nil if it may do nothing.
func (u User) document() ([]byte, error) {
	if u.hasPolicy() {
		return u.Policy, nil
	}
	var sts []statement
	for _, g := range u.Grants {
		sts = append(sts, g.statements()...)
	}
	if len(sts) == 0 {
		return nil, nil
	}
	doc, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": sts})
	if err != nil {
		return nil, fmt.Errorf("encode policy of user %s: %w", u.Name, err)
	}
	return doc, nil
}

// hasPolicy is false for null, which an empty policy is encoded as.
func (u User) hasPolicy() bool { return len(u.Policy) > 0 && string(u.Policy) != "null" }

func (g Grant) statements() []statement {
	var object []string
	if g.Read {
		object = append(object, "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes", "s3:GetObjectTagging")
	}
	if g.Write {
		object = append(object, "s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
	}
	if g.Delete {
		object = append(object, "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:DeleteObjectTagging")
	}
	var sts []statement
	if len(object) > 0 {
		sts = append(sts, statement{Effect: "Allow", Action: object, Resource: []string{"arn:aws:s3:::" + g.Bucket + "/" + g.Prefix + "*"}})
	}
	if g.List {
		bucket := []string{"arn:aws:s3:::" + g.Bucket}
		list, about := []string{"s3:ListBucket", "s3:ListBucketVersions"}, []string{"s3:GetBucketLocation", "s3:GetBucketVersioning"}
		if g.Prefix == "" {
			sts = append(sts, statement{Effect: "Allow", Action: append(append(list, about...), "s3:ListBucketMultipartUploads"), Resource: bucket})
		} else {
			// MinIO knows the condition for listing only.
			sts = append(sts, statement{Effect: "Allow", Action: list, Resource: bucket, Condition: map[string]map[string][]string{"StringLike": {"s3:prefix": {g.Prefix + "*"}}}},
				statement{Effect: "Allow", Action: about, Resource: bucket})
		}
	}
	return sts
}

// keeper is the user with which this process works on a bucket, so that the
// root key signs nothing, least of all a presigned URL. Its secret is derived
// from the root password: it need not be stored, and URLs outlive a restart.
func keeper(bucket, rootPassword string) User {
	return User{
		Name:      keeperPrefix + bucket,
		AccessKey: keeperPrefix + bucket,
		SecretKey: derived(rootPassword, "benchtop bucket keeper "+bucket),
		Grants:    []Grant{FullBucket(bucket)},
	}
}

// derived is a secret that follows from the root password.
func derived(rootPassword, purpose string) string {
	mac := hmac.New(sha256.New, []byte(rootPassword))
	mac.Write([]byte(purpose)) // a hash never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))[:40]
}

// signer is the user whose key signs the addresses of a bucket for pods, those to
// get an object or those to put one. It may do nothing else: a signature does not
// cover all headers, and with one more a put would copy what its signer may read.
// No bucket's name has a '_', so it is no other bucket's keeper.
func signer(bucket, rootPassword string, get bool) User {
	does := "put"
	if get {
		does = "get"
	}
	name := keeperPrefix + bucket + "_" + does
	return User{
		Name:      name,
		AccessKey: name,
		SecretKey: derived(rootPassword, "benchtop bucket signer "+bucket+" "+does),
		Grants:    []Grant{{Bucket: bucket, Read: get, Write: !get}},
	}
}

// ownUsers are the users of a bucket that this process works with.
func (b Bucket) ownUsers(rootPassword string) []User {
	users := []User{keeper(b.Name, rootPassword)}
	if b.Gives {
		users = append(users, signer(b.Name, rootPassword, true))
	}
	if b.Takes {
		users = append(users, signer(b.Name, rootPassword, false))
	}
	return users
}

const keeperPrefix = "keeper-"
