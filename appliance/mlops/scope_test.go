package mlops

import (
	"strings"
	"testing"
)

func TestBelongs(t *testing.T) {
	for _, c := range []struct {
		name, project string
		want          bool
	}{
		{"wine", "wine", true}, {"wine/tuning", "wine", true}, {"wine.small", "wine", true}, {"wine/", "wine", true}, {"wine/a/b", "wine", true},
		{"wine-2", "wine", false}, {"wine2", "wine", false}, {"Wine", "wine", false}, {"win", "wine", false}, {"", "wine", false},
		{" wine", "wine", false}, {"other/wine", "wine", false}, {"wine\x00", "wine", false}, {"wine", "", false}, {".x", "", false},
	} {
		if got := Belongs(c.name, c.project); got != c.want {
			t.Errorf("Belongs(%q, %q) = %v", c.name, c.project, got)
		}
	}
}

func TestPrincipalsOfProjects(t *testing.T) {
	all, some := Principal{Name: "ada"}, Principal{Name: "eve", Projects: []string{"wine", "iris"}}
	if all.Limited() || !all.Reaches("x") || !all.Reaches("") || !all.Holds("anything") {
		t.Error("a principal without projects is limited")
	}
	if !some.Limited() || !some.Reaches("iris") || some.Reaches("x") || some.Reaches("") || !some.Holds("iris.b") || some.Holds("Default") {
		t.Error("a principal with projects is not limited to them")
	}
	if err := some.Outside("that is it"); CodeOf(err) != Denied || err.Error() == "" || !strings.Contains(MessageOf(err), "eve is limited to projects wine, iris") {
		t.Errorf("%v", err)
	}
	l := Lineage{Image: "i", Others: []LineageVersion{{Name: "wine"}, {Name: "x"}}, Deployments: []Deployment{{Project: "wine"}, {Project: "x"}, {}}}
	if in := l.Within(some); in.Image != "i" || len(in.Others) != 1 || len(in.Deployments) != 1 || len(l.Others) != 2 {
		t.Errorf("%+v", in)
	}
	if in := l.Within(all); len(in.Others) != 2 || len(in.Deployments) != 3 {
		t.Errorf("%+v", in)
	}
}
