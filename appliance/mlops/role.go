package mlops

import (
	"slices"
	"strings"
)

// Role is what a principal may do.
type Role string

// The roles, from the least to the most.
const (
	RoleReader  Role = "reader"
	RoleTrainer Role = "trainer"
	RoleEditor  Role = "editor"
	RoleAdmin   Role = "admin"
)

// Permission is one thing that a role may do.
type Permission string

// The permissions.
const (
	// Read is to see everything in the registry, in the metrics and in the API.
	Read Permission = "read"
	// Browse is to sign in to the web UI.
	Browse Permission = "browse"
	// Record is to write to the registry: runs, models, artifacts, aliases.
	Record Permission = "record"
	// Store is to write objects to the buckets that a key names.
	Store Permission = "store"
	// Operate is to train and to change what is served, in the UI and its API.
	Operate Permission = "operate"
	// Administer is everything else: keys, all buckets, removing for good.
	Administer Permission = "administer"
)

// rights says who may do what. Nothing else decides it.
var rights = map[Role][]Permission{
	RoleReader:  {Read, Browse},
	RoleTrainer: {Read, Record, Store}, // for programs: it does not sign in
	RoleEditor:  {Read, Browse, Record, Store, Operate},
	RoleAdmin:   {Read, Browse, Record, Store, Operate, Administer},
}

// May reports whether the role includes p.
func (r Role) May(p Permission) bool { return slices.Contains(rights[r], p) }

// Roles returns all roles, from the most to the least.
func Roles() []Role { return []Role{RoleAdmin, RoleEditor, RoleTrainer, RoleReader} }

// ParseRole returns the role of that name.
func ParseRole(s string) (Role, error) {
	if r := Role(s); rights[r] != nil {
		return r, nil
	}
	names := make([]string, 0, len(rights))
	for _, r := range Roles() {
		names = append(names, string(r))
	}
	return "", Errorf(Invalid, "role %q is not known: expected one of %s", s, strings.Join(names, ", "))
}

// Principal is who a request comes from.
type Principal struct {
	Name string
	Role Role
	Key  int64 `json:",omitempty"` // the access key that was shown, 0 for an account of the appliance
	// Projects are all that it reaches; every project if it is empty.
	Projects []string `json:",omitempty"`
	// Metrics is to read the metrics of the whole lab although it reaches some
	// projects only.
	Metrics bool `json:",omitempty"`
}

// Authenticator checks credentials. Its methods take the same time whether
// or not the name exists. The error is ErrCredentials, or another one that
// says what else is wrong: a key has expired, or keys are not known yet.
type Authenticator interface {
	Password(name, password string) (Principal, error)
	Token(token string) (Principal, error)
}

// ErrCredentials is for credentials that nobody has.
var ErrCredentials error = &Error{Code: Unauthorized, Message: "these credentials are not right"}
