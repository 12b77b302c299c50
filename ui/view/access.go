package view

// Access is the page of access keys.
type Access struct {
	CSRF    string
	Notice  *Notice
	Rows    []KeyRow
	Problem *Problem
	Form    KeyForm
	New     *NewKey // just made
	Roles   []RoleRow

	Users       []UserRow // of Kubernetes
	UserProblem *Problem
}

// UserRow is somebody who was given a kubeconfig.
type UserRow struct {
	Name, Role string
	Created    Value
}

// KeyRow is one key.
type KeyRow struct {
	Name, Role, Buckets string
	Projects            string
	Created             Value
	Expires             Value
	LastUse             Value
	Of                  *Part // whose key it is, nil for one that people made and may revoke
}

// Part is a part of the lab that comes with a key of its own.
type Part struct {
	Link
	Who string // who comes with it
}

// KeyForm is what was typed in, and what is wrong with it.
type KeyForm struct{ Name, Role, Projects, Buckets, Expires, Error string }

// NewKey shows a token, once.
type NewKey struct {
	Name, Token string
	Uses        []Use
	NoBucket    bool
}

// Use is how a client takes a key.
type Use struct{ Client, Text string }

// RoleRow says what a role may do.
type RoleRow struct {
	Name  string
	Marks []bool // in the order of RoleHeads
}

// RoleHeads are the columns of the table of roles.
var RoleHeads = []string{"Read the registry, metrics and pages", "Sign in here", "Write to the registry", "Write to its buckets", "Train, change what is served", "Keys, all buckets"}
