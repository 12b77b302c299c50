package appliance

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// auth checks credentials against the appliance's secrets. Comparisons are of
// digests, so that neither length nor content shows in the time they take.
type auth struct {
	users  map[string]account
	tokens []account
}

type account struct {
	mlops.Principal
	digest [sha256.Size]byte
}

// NewAuth returns the authenticator for the UI and the APIs: admin with
// everything, trainer with the registry.
func NewAuth(s Secrets) mlops.Authenticator {
	admin := mlops.Principal{Name: "admin", Role: mlops.RoleAdmin}
	return &auth{
		users: map[string]account{
			"admin":   {admin, sha256.Sum256([]byte(s.AdminPassword))},
			"trainer": {mlops.Principal{Name: "trainer", Role: mlops.RoleTrainer}, sha256.Sum256([]byte(s.Trainer))},
		},
		tokens: []account{{admin, sha256.Sum256([]byte(s.AdminToken))}},
	}
}

func (a *auth) Password(name, password string) (mlops.Principal, bool) {
	given := sha256.Sum256([]byte(password))
	acc, known := a.users[name] // an unknown name compares with zeros
	same := subtle.ConstantTimeCompare(given[:], acc.digest[:]) == 1
	if known && same && password != "" {
		return acc.Principal, true
	}
	return mlops.Principal{}, false
}

func (a *auth) Token(token string) (mlops.Principal, bool) {
	given := sha256.Sum256([]byte(token))
	var found mlops.Principal
	ok := false
	for _, t := range a.tokens {
		if subtle.ConstantTimeCompare(given[:], t.digest[:]) == 1 {
			found, ok = t.Principal, true
		}
	}
	return found, ok && token != ""
}
