package search

import (
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// View says which lifecycle stages a search returns.
type View string

// The views, by the protocol's names.
const (
	ViewActive  View = "ACTIVE_ONLY"
	ViewDeleted View = "DELETED_ONLY"
	ViewAll     View = "ALL"
)

// Clause is the view as a condition on a column.
func (v View) Clause(col string) (db.Clause, error) {
	switch v {
	case ViewActive, "":
		return db.SQL(col + " = 'active'"), nil
	case ViewDeleted:
		return db.SQL(col + " = 'deleted'"), nil
	case ViewAll:
		return db.SQL(col + " IN ('active', 'deleted')"), nil
	}
	return db.Clause{}, mlops.Errorf(mlops.Invalid, "view type %q is not known: expected ACTIVE_ONLY, DELETED_ONLY or ALL", wire.Head(string(v)))
}
