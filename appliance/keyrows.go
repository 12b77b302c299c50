package appliance

import (
	"github.com/benchtop-lab/benchtop/appliance/access"
	"github.com/benchtop-lab/benchtop/embedded/registry"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/keys"
)

type accessRows = keys.Store

// keyRows is the registry as access keys need it: their rows, and the projects
// that they name.
type keyRows struct {
	*accessRows
	*projectRows
}

var _ access.Rows = keyRows{}

func keyRowsOf(s *registry.Store) access.Rows { return keyRows{s.Keys, s.Projects} }
