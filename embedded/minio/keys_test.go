package minio

import (
	"context"
	"strings"
	"testing"
	"time"

	miniogo "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/tags"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// TestRightsOfKeys gives keys of every kind to MinIO and tries them.
func TestRightsOfKeys(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	ctx := t.Context()
	if err := u.NeedBucket(ctx, "absent", false); mlops.CodeOf(err) != mlops.NotFound || !strings.Contains(err.Error(), "absent:rw") {
		t.Errorf("a bucket that is missing: %v", err)
	}
	if err := u.NeedBucket(ctx, "10.0.0.1", true); mlops.CodeOf(err) != mlops.Invalid {
		t.Errorf("a bucket named like an address: %v", err)
	}
	for range 2 {
		if err := u.NeedBucket(ctx, "keys-data", true); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.NeedBucket(ctx, "keys-data", false); err != nil {
		t.Error(err)
	}
	all := []mlops.ObjectUser{
		{Name: "writer", Secret: "secret-of-writer", Buckets: []mlops.KeyBucket{{Name: "keys-data", Write: true}, {Name: "mlflow"}}},
		{Name: "watcher", Secret: "secret-of-watcher", Buckets: []mlops.KeyBucket{{Name: "keys-data"}}},
		{Name: "nothing", Secret: "secret-of-nothing"},
		{Name: "part", Secret: "secret-of-part", Buckets: []mlops.KeyBucket{{Name: "keys-data", Prefix: "part/", Write: true}}},
		{Name: "chief", Secret: "secret-of-chief", All: true},
	}
	sync := func(keys ...mlops.ObjectUser) {
		t.Helper()
		if err := u.SyncKeys(ctx, keys); err != nil {
			t.Fatal(err)
		}
	}
	sync(all...)
	client := func(name string) *miniogo.Client { return s3Client(t, u.Addr(), name, "secret-of-"+name) }
	put := func(name, bucket, key string) error {
		_, err := client(name).PutObject(ctx, bucket, key, strings.NewReader("x"), 1, miniogo.PutObjectOptions{})
		return err
	}
	get := func(name, bucket, key string) error {
		_, err := client(name).StatObject(ctx, bucket, key, miniogo.StatObjectOptions{})
		return err
	}
	listBelow := func(name, bucket, prefix string) error {
		for o := range client(name).ListObjects(ctx, bucket, miniogo.ListObjectsOptions{Prefix: prefix}) {
			if o.Err != nil {
				return o.Err
			}
		}
		return nil
	}
	list := func(name, bucket string) error { return listBelow(name, bucket, "") }
	remove := func(name, bucket, key string) error {
		return client(name).RemoveObject(ctx, bucket, key, miniogo.RemoveObjectOptions{})
	}
	tag := func(name, bucket, key string) error {
		set, err := tags.MapToObjectTags(map[string]string{"a": "b"})
		if err != nil {
			t.Fatal(err)
		}
		return client(name).PutObjectTagging(ctx, bucket, key, set, miniogo.PutObjectTaggingOptions{})
	}
	for what, err := range map[string]error{
		"writer puts": put("writer", "keys-data", "a"), "writer puts another": put("writer", "keys-data", "gone"), "writer gets": get("writer", "keys-data", "a"),
		"writer lists": list("writer", "keys-data"), "writer tags": tag("writer", "keys-data", "a"), "writer removes": remove("writer", "keys-data", "gone"), "writer lists mlflow": list("writer", "mlflow"),
		"part puts": put("part", "keys-data", "part/a"), "part gets": get("part", "keys-data", "part/a"), "part lists": listBelow("part", "keys-data", "part/"),
		"watcher gets": get("watcher", "keys-data", "a"), "watcher lists": list("watcher", "keys-data"),
		"chief puts": put("chief", "mlflow", "keys/by-chief"), "chief makes a bucket": client("chief").MakeBucket(ctx, "keys-by-chief", miniogo.MakeBucketOptions{}), "chief lists": list("chief", "datasets"),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"writer puts to mlflow": put("writer", "mlflow", "keys/forged"), "writer lists datasets": list("writer", "datasets"), "writer makes a bucket": client("writer").MakeBucket(ctx, "keys-mine", miniogo.MakeBucketOptions{}),
		"writer removes the bucket": client("writer").RemoveBucket(ctx, "keys-data"), "writer opens the bucket": client("writer").SetBucketPolicy(ctx, "keys-data", `{"Version":"2012-10-17","Statement":[]}`),
		"watcher puts": put("watcher", "keys-data", "b"), "watcher removes": remove("watcher", "keys-data", "a"), "watcher tags": tag("watcher", "keys-data", "a"),
		"part gets another": get("part", "keys-data", "a"), "part puts another": put("part", "keys-data", "b"), "part lists all": list("part", "keys-data"),
		"nothing gets": get("nothing", "keys-data", "a"), "nothing lists": list("nothing", "keys-data"),
	} {
		if code := miniogo.ToErrorResponse(err).Code; code != "AccessDenied" {
			t.Errorf("%s: %v, want AccessDenied", what, err)
		}
	}
	if names, err := client("writer").ListBuckets(ctx); err != nil || len(names) != 2 {
		t.Errorf("the writer sees buckets %v %v, want its two", names, err)
	}
	// Fewer rights, a new secret, and nothing else that is configured goes away.
	all[0].Buckets, all[1].Secret = []mlops.KeyBucket{{Name: "keys-data"}}, "another secret"
	sync(all...)
	if code := miniogo.ToErrorResponse(put("writer", "keys-data", "c")).Code; code != "AccessDenied" {
		t.Errorf("the writer may read only, and its put says %q", code)
	}
	if code := miniogo.ToErrorResponse(get("watcher", "keys-data", "a")).Code; code == "" {
		t.Error("the old secret is good")
	}
	if _, err := s3Client(t, u.Addr(), "registry-key", "registry-secret").ListBuckets(ctx); err != nil {
		t.Errorf("the configured user: %v", err)
	}
	begin := time.Now()
	sync()
	took := time.Since(begin)
	for _, name := range []string{"writer", "nothing", "part", "chief"} {
		_, err := client(name).ListBuckets(ctx)
		if code := miniogo.ToErrorResponse(err).Code; code != "InvalidAccessKeyId" {
			t.Errorf("%s was revoked, and is told %v", name, err)
		}
	}
	t.Logf("five keys were removed in %s", took)
}

// TestKeysOverRestarts: the start leaves the users of keys alone until it is
// known which stay. Without a door there can be none.
func TestKeysOverRestarts(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	try := func(c *child, name string) string {
		t.Helper()
		_, err := s3Client(t, c.Addr, name, "secret-of-"+name).ListBuckets(context.Background())
		return miniogo.ToErrorResponse(err).Code
	}
	keys := func(c *child, names string) {
		t.Helper()
		c.order("keys %s", names)
		if got := c.expect("KEYS"); got != "<nil>" {
			t.Fatal(got)
		}
	}
	kill := func(c *child) {
		t.Helper()
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.cmd.Wait() // it was killed
	}
	c := start(t, cfg, doorEnv+"=1")
	keys(c, "ada eve")
	kill(c)
	c = start(t, cfg, doorEnv+"=1")
	if a, e := try(c, "ada"), try(c, "eve"); a != "" || e != "" {
		t.Errorf("after a restart ada is told %q and eve %q", a, e)
	}
	keys(c, "eve")
	if a, e := try(c, "ada"), try(c, "eve"); a != "InvalidAccessKeyId" || e != "" {
		t.Errorf("after ada was revoked she is told %q and eve %q", a, e)
	}
	kill(c)
	c = start(t, cfg)
	if e := try(c, "eve"); e != "InvalidAccessKeyId" {
		t.Errorf("without a door eve is told %q", e)
	}
}

// TestDropBucket: versions and unfinished uploads go with the bucket, and nothing
// of other buckets does.
func TestDropBucket(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	ctx := t.Context()
	root, err := u.rootClient()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"drop-me", "drop-me-not"} {
		if err := u.NeedBucket(ctx, name, true); err != nil {
			t.Fatal(err)
		}
		if err := root.EnableVersioning(ctx, name); err != nil {
			t.Fatal(err)
		}
		for _, content := range []string{"one", "two"} {
			if _, err := root.PutObject(ctx, name, "a/b.txt", strings.NewReader(content), 3, miniogo.PutObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := root.RemoveObject(ctx, name, "a/b.txt", miniogo.RemoveObjectOptions{}); err != nil {
			t.Fatal(err) // it leaves a marker
		}
		if _, err := (&miniogo.Core{Client: root}).NewMultipartUpload(ctx, name, "big", miniogo.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	versions := func(name string) (n int) {
		for o := range root.ListObjects(ctx, name, miniogo.ListObjectsOptions{Recursive: true, WithVersions: true}) {
			if o.Err != nil {
				t.Error(o.Err)
			}
			n++
		}
		return n
	}
	if err := u.ClearBucket(ctx, "drop-me"); err != nil {
		t.Fatal(err)
	}
	if exists, err := root.BucketExists(ctx, "drop-me"); err != nil || !exists || versions("drop-me") != 0 {
		t.Errorf("after it was emptied: there is %v, %v, with %d versions", exists, err, versions("drop-me"))
	}
	for range 2 {
		if err := u.DropBucket(ctx, "drop-me"); err != nil {
			t.Error(err)
		}
	}
	if exists, err := root.BucketExists(ctx, "drop-me"); err != nil || exists {
		t.Errorf("it is still there: %v, %v", exists, err)
	}
	if _, there, err := u.ListBucket(ctx, "drop-me", ""); err != nil || there {
		t.Errorf("listed, it is there: %v, %v", there, err)
	}
	if _, err := root.PutObject(ctx, "drop-me-not", "c/d.txt", strings.NewReader("x"), 1, miniogo.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if list, there, err := u.ListBucket(ctx, "drop-me-not", "c/"); err != nil || !there || len(list) != 1 || list[0].Key != "c/d.txt" || list[0].Bytes != 1 {
		t.Errorf("the other bucket has %+v, %v, %v, want c/d.txt", list, there, err)
	}
	if n := versions("drop-me-not"); n != 4 {
		t.Errorf("the other bucket has %d versions, want 4", n)
	}
}
