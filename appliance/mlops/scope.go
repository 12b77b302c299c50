package mlops

import (
	"slices"
	"strings"
)

// Belongs reports whether an experiment or a registered model of that name is
// part of a project: it has the project's name, or that and more behind a '.'
// or a '/'. Runs, traces, artifacts, versions and aliases belong where their
// experiment or model does.
func Belongs(name, project string) bool {
	rest, ok := strings.CutPrefix(name, project)
	return ok && project != "" && (rest == "" || rest[0] == '.' || rest[0] == '/')
}

// Limited reports whether the principal reaches some projects only.
func (p Principal) Limited() bool { return len(p.Projects) > 0 }

// Reaches reports whether the principal may see a project.
func (p Principal) Reaches(project string) bool {
	return !p.Limited() || slices.Contains(p.Projects, project)
}

// Holds reports whether the principal may see an experiment or a registered
// model of that name.
func (p Principal) Holds(name string) bool {
	return !p.Limited() || slices.ContainsFunc(p.Projects, func(project string) bool { return Belongs(name, project) })
}

// Outside is the error for what a limited principal does not reach, said as
// what: that the thing exists must not follow from it.
func (p Principal) Outside(what string) error {
	return Errorf(Denied, "the key %s is limited to %s, and %s", p.Name, p.limits(), what)
}

// limits names the projects.
func (p Principal) limits() string {
	if len(p.Projects) == 1 {
		return "project " + p.Projects[0]
	}
	return "projects " + strings.Join(p.Projects, ", ")
}

// Within returns what a principal may see of the lineage of a version that it
// reaches: nothing of versions and deployments of other projects.
func (l Lineage) Within(p Principal) Lineage {
	l.Others = slices.DeleteFunc(slices.Clone(l.Others), func(v LineageVersion) bool { return !p.Holds(v.Name) })
	l.Deployments = slices.DeleteFunc(slices.Clone(l.Deployments), func(d Deployment) bool { return !p.Reaches(d.Project) })
	return l
}
