package appliance

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/access"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// loginTokens are the one-time tokens of login links. They live in memory: a
// link from before a restart is of no use.
type loginTokens struct {
	mu   sync.Mutex
	live map[[sha256.Size]byte]time.Time // digest → end of validity
}

const tokenValid = 24 * time.Hour

func newLoginTokens() *loginTokens {
	return &loginTokens{live: map[[sha256.Size]byte]time.Time{}}
}

// New returns a token that can be used once within a day.
func (t *loginTokens) New() string {
	token := randomText(20)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[sha256.Sum256([]byte(token))] = time.Now().Add(tokenValid)
	return token
}

// TakeLoginToken uses a token up.
func (t *loginTokens) TakeLoginToken(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := sha256.Sum256([]byte(token))
	end, ok := t.live[key]
	delete(t.live, key)
	return ok && time.Now().Before(end)
}

// uiAuth is all that the UI asks about who is there.
type uiAuth struct {
	mlops.Authenticator
	*loginTokens
	keys *access.Keys
}

// Valid implements ui.Auth: sessions end with the key that began them.
func (a uiAuth) Valid(p mlops.Principal) error { return a.keys.Valid(p) }
