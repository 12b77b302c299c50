package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var _ mlops.Authenticator = (*Keys)(nil)

// Password implements mlops.Authenticator: a key's name and token.
func (k *Keys) Password(name, password string) (mlops.Principal, error) {
	r := k.ring.Load()
	if r == nil {
		return mlops.Principal{}, errStarting
	}
	given := sha256.Sum256([]byte(password))
	var digest [sha256.Size]byte // an unknown name compares with zeros
	e := r.byName[name]
	if e != nil {
		digest = e.digest
	}
	if subtle.ConstantTimeCompare(given[:], digest[:]) != 1 || e == nil {
		return mlops.Principal{}, mlops.ErrCredentials
	}
	return k.pass(e)
}

// Token implements mlops.Authenticator. A look-up by digest gives nothing away:
// to find a token by it, one must invert SHA-256.
func (k *Keys) Token(token string) (mlops.Principal, error) {
	r := k.ring.Load()
	if r == nil {
		return mlops.Principal{}, errStarting
	}
	e := r.byDigest[sha256.Sum256([]byte(token))]
	if e == nil {
		return mlops.Principal{}, mlops.ErrCredentials
	}
	return k.pass(e)
}

func (k *Keys) pass(e *entry) (mlops.Principal, error) {
	if err := k.ended(e); err != nil {
		return mlops.Principal{}, err
	}
	k.note(e)
	return e.key.Principal(), nil
}

func (k *Keys) ended(e *entry) error {
	if !e.key.Expired(k.cfg.Now()) {
		return nil
	}
	return mlops.Errorf(mlops.Unauthorized, "the access key %s has expired on %s: ask an administrator for a new one", e.key.Name, e.key.ExpiresAt.UTC().Format("2006-01-02 15:04 MST"))
}

// Valid checks the key that a session was opened with. It returns why the
// session must end, nil while the key is good.
func (k *Keys) Valid(p mlops.Principal) error {
	if p.Key == 0 {
		return nil
	}
	r := k.ring.Load()
	if r == nil {
		return errStarting
	}
	e := r.byName[p.Name]
	if e == nil || e.key.ID != p.Key {
		return mlops.Errorf(mlops.Unauthorized, "the access key %s was revoked", p.Name)
	}
	if err := k.ended(e); err != nil {
		return err
	}
	k.note(e)
	return nil
}

// Admit reports why the object store must refuse a request that is signed with
// accessKey. accessKey is "" if the signature cannot be read.
func (k *Keys) Admit(accessKey string) error {
	r := k.ring.Load()
	if r == nil {
		return errStarting
	}
	if accessKey == "" {
		return nil // the object store itself decides
	}
	e := r.byName[accessKey]
	if e == nil {
		return mlops.ErrCredentials
	}
	return k.ended(e)
}

// Used notes that the object store has served a request with an access key.
func (k *Keys) Used(accessKey string) {
	if r := k.ring.Load(); r != nil && r.byName[accessKey] != nil {
		k.note(r.byName[accessKey])
	}
}

// noteEvery is how often a key's last use is written.
const noteEvery = time.Minute

// note remembers that a key is used now. The request does not wait until that
// is written.
func (k *Keys) note(e *entry) {
	now, last := k.cfg.Now(), e.used.Load()
	if now.UnixMilli()-last < noteEvery.Milliseconds() || !e.used.CompareAndSwap(last, now.UnixMilli()) {
		return
	}
	go func() {
		rows := k.cfg.Rows()
		if rows == nil {
			return // the registry is restarting; the next use is noted again
		}
		ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
		defer cancel()
		if err := rows.KeyUsed(ctx, e.key.ID, now); err != nil {
			k.cfg.Log.Debug("the last use of an access key was not written", "name", e.key.Name, "err", err)
		}
	}()
}
