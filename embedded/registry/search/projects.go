package search

import "github.com/benchtop-lab/benchtop/embedded/registry/db"

// OfProjects is the condition that a name belongs to one of the projects. No
// projects are no condition. It says in SQL what mlops.Belongs says: a name that
// follows "wine." or "wine/" lies between "wine." and "wine0", as '.', '/' and
// '0' are neighbours.
func OfProjects(col string, projects []string) db.Clause {
	if len(projects) == 0 {
		return db.Clause{}
	}
	var c db.Clause
	for i, p := range projects {
		if i > 0 {
			c.Add(" OR ")
		}
		c.Add("("+col+" = ? OR "+col+" >= ? AND "+col+" < ?)", p, p+".", p+"0")
	}
	c.SQL = "(" + c.SQL + ")"
	return c
}
