package appliance

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/benchtop-lab/benchtop/appliance/access"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// auth checks credentials against the appliance's secrets, then against the
// access keys. Comparisons are of digests, so that neither length nor content
// shows in the time they take.
type auth struct {
	users  map[string]account
	tokens []account
	keys   *access.Keys // nil for a registry alone
}

type account struct {
	mlops.Principal
	digest [sha256.Size]byte
}

// NewAuth returns the authenticator for the UI and the APIs: admin with
// everything, trainer with the registry, and whoever comes with one of keys.
func NewAuth(s Secrets, keys *access.Keys) mlops.Authenticator {
	admin := mlops.Principal{Name: "admin", Role: mlops.RoleAdmin}
	return &auth{
		users: map[string]account{
			"admin":   {admin, sha256.Sum256([]byte(s.AdminPassword))},
			"trainer": {mlops.Principal{Name: "trainer", Role: mlops.RoleTrainer}, sha256.Sum256([]byte(s.Trainer))},
		},
		tokens: []account{{admin, sha256.Sum256([]byte(s.AdminToken))}},
		keys:   keys,
	}
}

func (a *auth) Password(name, password string) (mlops.Principal, error) {
	given := sha256.Sum256([]byte(password))
	acc, known := a.users[name] // an unknown name compares with zeros
	same := subtle.ConstantTimeCompare(given[:], acc.digest[:]) == 1
	switch {
	case known && same && password != "":
		return acc.Principal, nil
	case known || a.keys == nil:
		return mlops.Principal{}, mlops.ErrCredentials
	}
	return a.keys.Password(name, password)
}

func (a *auth) Token(token string) (mlops.Principal, error) {
	given := sha256.Sum256([]byte(token))
	var found mlops.Principal
	ok := false
	for _, t := range a.tokens {
		if subtle.ConstantTimeCompare(given[:], t.digest[:]) == 1 {
			found, ok = t.Principal, true
		}
	}
	switch {
	case ok && token != "":
		return found, nil
	case a.keys == nil:
		return mlops.Principal{}, mlops.ErrCredentials
	}
	return a.keys.Token(token)
}
