// Package access keeps users' access keys. It makes and revokes them, tells
// whose key a request carries, and keeps the object store's users in step.
package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Rows are where keys are kept.
type Rows interface {
	CreateKey(ctx context.Context, k mlops.Key) (mlops.Key, error)
	Keys(ctx context.Context) ([]mlops.Key, error)
	DeleteKey(ctx context.Context, name string) error
	KeyUsed(ctx context.Context, id int64, at time.Time) error
	// LimitKey limits a key to these projects.
	LimitKey(ctx context.Context, id int64, projects []string) error
	Projects(ctx context.Context) ([]mlops.Project, error)
}

// Objects is the object store that follows the rows.
type Objects interface {
	// NeedBucket makes the bucket if it is missing and make is true. If make is
	// false, a missing bucket is an error.
	NeedBucket(ctx context.Context, name string, make bool) error
	// SyncKeys makes the users of keys exactly these.
	SyncKeys(ctx context.Context, users []mlops.ObjectUser) error
}

// Config of New.
type Config struct {
	Secret  string      // what tokens are derived with
	Rows    func() Rows // nil until they can be read
	Objects func() Objects
	Own     []string // the appliance's own buckets: only administrators write there
	// Artifacts is the bucket of the registry's artifacts. Only the registry
	// knows which project an object belongs to, so a key limited to projects
	// reaches objects there only through the registry.
	Artifacts string
	Log       *slog.Logger
	Now       func() time.Time // time.Now if nil
}

// Keys holds the access keys of one appliance. Before Load it knows none.
type Keys struct {
	cfg    Config
	change sync.Mutex // one change at a time: rows, ring and users of the object store
	ring   atomic.Pointer[ring]
	expiry *time.Timer // fires when the next key ends
}

// New returns keys that are not loaded yet.
func New(cfg Config) *Keys {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Keys{cfg: cfg}
}

var errStarting = mlops.Errorf(mlops.Unavailable, "access keys are known once the registry has started: try again in a few seconds")

// changeTimeout bounds a change. A change goes on when its caller has gone,
// because half a change would need a restart to be repaired.
const changeTimeout = 20 * time.Second

// Load reads the rows and makes the object store follow. It can be repeated.
func (k *Keys) Load(ctx context.Context) error {
	k.change.Lock()
	defer k.change.Unlock()
	rows := k.cfg.Rows()
	if rows == nil {
		return errStarting
	}
	all, err := rows.Keys(ctx)
	if err != nil {
		return fmt.Errorf("read access keys: %w", err)
	}
	next := newRing()
	for _, key := range all {
		next.add(newEntry(key, k.token(key.Salt)))
	}
	k.ring.Store(next)
	return k.follow(ctx)
}

// List returns all keys by name.
func (k *Keys) List(ctx context.Context) ([]mlops.Key, error) {
	r, rows := k.ring.Load(), k.cfg.Rows()
	if r == nil || rows == nil {
		return nil, errStarting
	}
	projects, err := rows.Projects(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the projects of access keys: %w", err)
	}
	out := make([]mlops.Key, 0, len(r.byName))
	for _, e := range r.byName {
		key := e.key
		if ms := e.used.Load(); ms > 0 {
			key.LastUsedAt = time.UnixMilli(ms)
		}
		for _, name := range key.Projects {
			if !exists(projects, name) && !r.isRoom(name) {
				key.Gone = append(key.Gone, name)
			}
		}
		out = append(out, key)
	}
	slices.SortFunc(out, func(a, b mlops.Key) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func exists(projects []mlops.Project, name string) bool {
	return slices.ContainsFunc(projects, func(p mlops.Project) bool { return p.Name == name && !p.Deleting })
}

// Loaded reports whether the keys are known.
func (k *Keys) Loaded() bool { return k.ring.Load() != nil }

// Create makes a key. Its result alone shows the token.
func (k *Keys) Create(ctx context.Context, req mlops.KeyRequest) (mlops.NewKey, error) {
	key, err := req.Key(k.cfg.Now())
	if err != nil {
		return mlops.NewKey{}, err
	}
	for _, b := range key.Buckets {
		if b.Write && slices.Contains(k.cfg.Own, b.Name) {
			return mlops.NewKey{}, mlops.Errorf(mlops.Invalid, "bucket %s is the appliance's own: give the key %s:ro, or a bucket of another name", b.Name, b.Name)
		}
		if len(key.Projects) > 0 && b.Name == k.cfg.Artifacts {
			return mlops.NewKey{}, mlops.Errorf(mlops.Invalid, "bucket %s holds the artifacts of all projects: leave it out, a key of single projects reaches its artifacts through MLflow", b.Name)
		}
	}
	if err := k.checkProjects(ctx, key.Projects); err != nil {
		return mlops.NewKey{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	k.change.Lock()
	defer k.change.Unlock()
	return k.create(ctx, key)
}

// checkProjects refuses a project that does not exist. It may be a typing
// error, and nobody would notice that the key reaches nothing.
func (k *Keys) checkProjects(ctx context.Context, names []string) error {
	rows := k.cfg.Rows()
	if len(names) == 0 || rows == nil {
		return nil
	}
	projects, err := rows.Projects(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !exists(projects, name) {
			there := make([]string, 0, len(projects))
			for _, p := range projects {
				there = append(there, p.Name)
			}
			return mlops.Errorf(mlops.NotFound, "there is no project %q: expected one of %s", name, strings.Join(there, ", "))
		}
	}
	return nil
}

// create makes a key; the caller holds the lock.
func (k *Keys) create(ctx context.Context, key mlops.Key) (_ mlops.NewKey, err error) {
	old, rows := k.ring.Load(), k.cfg.Rows()
	if old == nil || rows == nil {
		return mlops.NewKey{}, errStarting
	}
	if old.byName[key.Name] != nil {
		return mlops.NewKey{}, mlops.Errorf(mlops.Exists, "a key named %q exists already: revoke it first, or choose another name", key.Name)
	}
	key.Salt = make([]byte, 16)
	_, _ = rand.Read(key.Salt) // never fails, see crypto/rand
	token := k.token(key.Salt)
	// Bytes first, row second.
	for _, b := range key.Buckets {
		if err := k.cfg.Objects().NeedBucket(ctx, b.Name, b.Write); err != nil {
			return mlops.NewKey{}, err
		}
	}
	if err := k.cfg.Objects().SyncKeys(ctx, k.users(old.with(newEntry(key, token)))); err != nil {
		return mlops.NewKey{}, errors.Join(err, k.follow(ctx))
	}
	if key, err = rows.CreateKey(ctx, key); err != nil {
		return mlops.NewKey{}, errors.Join(err, k.follow(ctx))
	}
	k.ring.Store(old.with(newEntry(key, token)))
	k.schedule()
	k.cfg.Log.Info("access key created", "name", key.Name, "role", key.Role, "buckets", key.Buckets, "projects", key.Projects, "expires", key.ExpiresAt)
	return mlops.NewKey{Key: key, Token: token}, nil
}

// Revoke ends a key. When it returns without an error, no door accepts the key.
func (k *Keys) Revoke(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	k.change.Lock()
	defer k.change.Unlock()
	if r := k.ring.Load(); r != nil && r.byName[name] != nil {
		if deployment, ok := r.byName[name].key.DeploymentOf(); ok {
			return mlops.Errorf(mlops.InvalidState, "key %s belongs to deployment %s, which brings its versions with it: it goes with the deployment, `benchtop undeploy %s`", name, deployment, deployment)
		}
		if project, ok := r.byName[name].key.ProjectOf(); ok {
			return mlops.Errorf(mlops.InvalidState, "key %s belongs to project %s, whose trainer comes with it: it goes with the project, `benchtop project delete %s`", name, project, project)
		}
		if room := r.byName[name].key.Room; room != "" {
			return mlops.Errorf(mlops.InvalidState, "key %s belongs to the guided lab in %s: it goes when the lab is left", name, room)
		}
	}
	return k.revoke(ctx, name)
}

// revoke ends a key; the caller holds the lock.
func (k *Keys) revoke(ctx context.Context, name string) error {
	old, rows := k.ring.Load(), k.cfg.Rows()
	if old == nil || rows == nil {
		return errStarting
	}
	if err := rows.DeleteKey(ctx, name); err != nil {
		return err
	}
	k.ring.Store(old.without(name))
	k.cfg.Log.Info("access key revoked", "name", name)
	if err := k.follow(ctx); err != nil {
		return fmt.Errorf("key %s is revoked and every door refuses it, but its user stays in the object store until the next start: %w", name, err)
	}
	return nil
}

// follow makes the object store's users those of the ring.
func (k *Keys) follow(ctx context.Context) error {
	k.schedule()
	return k.cfg.Objects().SyncKeys(ctx, k.users(k.ring.Load()))
}

// users are the keys that the object store should know now.
func (k *Keys) users(r *ring) []mlops.ObjectUser {
	now := k.cfg.Now()
	var out []mlops.ObjectUser
	for _, e := range r.byName {
		if !e.key.Expired(now) {
			out = append(out, mlops.ObjectUser{Name: e.key.Name, Secret: k.token(e.key.Salt), All: e.key.Role.May(mlops.Administer), Buckets: e.key.Buckets})
		}
	}
	slices.SortFunc(out, func(a, b mlops.ObjectUser) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// schedule sets the timer for the next key that ends.
func (k *Keys) schedule() {
	if k.expiry != nil {
		k.expiry.Stop()
	}
	now := k.cfg.Now()
	var next time.Time
	for _, e := range k.ring.Load().byName {
		if end := e.key.ExpiresAt; end.After(now) && (next.IsZero() || end.Before(next)) {
			next = end
		}
	}
	if next.IsZero() {
		return
	}
	k.expiry = time.AfterFunc(next.Sub(now), func() {
		ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
		defer cancel()
		k.change.Lock()
		defer k.change.Unlock()
		if err := k.follow(ctx); err != nil {
			k.cfg.Log.Warn("the users of expired keys stay in the object store until the next start", "err", err)
		}
	})
}

// Close stops the timer.
func (k *Keys) Close() {
	k.change.Lock()
	defer k.change.Unlock()
	if k.expiry != nil {
		k.expiry.Stop()
	}
}
