package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// tokenPrefix lets people and scanners of leaked secrets recognise a token.
const tokenPrefix = "bt_"

// token derives the token of a key from its salt: 160 bits.
func (k *Keys) token(salt []byte) string {
	mac := hmac.New(sha256.New, []byte(k.cfg.Secret))
	mac.Write([]byte("benchtop access key "))
	mac.Write(salt)
	return tokenPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)[:20]))
}

// ring is all keys at one moment. It never changes; another takes its place.
type ring struct {
	byName   map[string]*entry
	byDigest map[[sha256.Size]byte]*entry
}

type entry struct {
	key    mlops.Key
	digest [sha256.Size]byte // of the token
	used   *atomic.Int64     // when it was last used, Unix milliseconds; kept from ring to ring
}

func newEntry(key mlops.Key, token string) *entry {
	e := &entry{key: key, digest: sha256.Sum256([]byte(token)), used: new(atomic.Int64)}
	if !key.LastUsedAt.IsZero() {
		e.used.Store(key.LastUsedAt.UnixMilli())
	}
	return e
}

func newRing() *ring {
	return &ring{byName: map[string]*entry{}, byDigest: map[[sha256.Size]byte]*entry{}}
}

func (r *ring) add(e *entry) {
	r.byName[e.key.Name], r.byDigest[e.digest] = e, e
}

// with returns a ring that also has e.
func (r *ring) with(e *entry) *ring {
	next := &ring{byName: maps.Clone(r.byName), byDigest: maps.Clone(r.byDigest)}
	next.add(e)
	return next
}

// without returns a ring without the key of that name.
func (r *ring) without(name string) *ring {
	next := &ring{byName: maps.Clone(r.byName), byDigest: maps.Clone(r.byDigest)}
	if e := next.byName[name]; e != nil {
		delete(next.byName, name)
		delete(next.byDigest, e.digest)
	}
	return next
}

// isRoom reports whether a guided lab's room has that name.
func (r *ring) isRoom(name string) bool {
	e := r.byName[name]
	return e != nil && e.key.Room == name
}
