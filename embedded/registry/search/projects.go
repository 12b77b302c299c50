package search

import "github.com/benchtop-lab/benchtop/embedded/registry/db"

// OfProjects is the condition that a name belongs to one of the projects;
// without projects there is no condition. It says in SQL what mlops.Belongs
// says: a name that follows "wine." or "wine/" lies between "wine." and
// "wine0", as '.', '/' and '0' are neighbours.
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

// MadeVersions is the condition that a version v, of a model of one of the
// projects, fits which. Registering a run or a logged model shows the project
// where the version comes from.
func MadeVersions(which db.Clause, projects []string) db.Clause {
	c := db.SQL("EXISTS (SELECT 1 FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE (")
	c.Add(which.SQL+")", which.Args...)
	c.And(OfProjects("m.name", projects))
	c.Add(")")
	return c
}

// MadeOfLogged says in SQL that version v was made of logged model l: of l
// itself, or of the run that logged l, because l's files are part of the run's.
const MadeOfLogged = "v.model_id = l.model_id OR l.source_run_id <> '' AND v.run_id = l.source_run_id"
