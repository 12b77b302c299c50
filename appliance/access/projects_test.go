package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestDeploymentKeys(t *testing.T) {
	w := newWorld()
	k := w.loaded(t)
	made, err := k.DeploymentKey(t.Context(), "wine-2", "")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := k.Password("deployment-wine-2", made.Token); err != nil || p.Role != mlops.RoleReader {
		t.Errorf("it signs in as %+v, %v", p, err)
	}
	if u := w.users[len(w.users)-1]; u.Name != "deployment-wine-2" || u.All || len(u.Buckets) != 0 {
		t.Errorf("the object store's user is %+v", u)
	}
	for _, again := range []*Keys{k, w.loaded(t)} { // and after a restart
		if same, err := again.DeploymentKey(t.Context(), "wine-2", ""); err != nil || same.Token != made.Token {
			t.Errorf("asked again it is another: %v", err)
		}
	}
	if err := k.Revoke(t.Context(), "deployment-wine-2"); mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "`benchtop undeploy wine-2`") {
		t.Errorf("revoked by hand: %v", err)
	}
	if _, err := k.Create(t.Context(), mlops.KeyRequest{Name: "deployment-x", Role: "reader"}); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), "does not begin with deployment-") {
		t.Errorf("made by hand: %v", err)
	}
	for range 2 {
		if err := k.DropDeploymentKey(t.Context(), "wine-2"); err != nil {
			t.Error(err)
		}
	}
	if _, err := k.Token(made.Token); err != mlops.ErrCredentials || len(w.rows) != 0 {
		t.Errorf("dropped, it still works: %v, rows %v", err, w.rows)
	}
}

// TestDeploymentKeysOfProjects: the key of a deployment whose model a project
// trains is limited to it, also one from before, which keeps its token.
func TestDeploymentKeysOfProjects(t *testing.T) {
	w := newWorld()
	k := w.loaded(t)
	old, err := k.DeploymentKey(t.Context(), "wine-2", "")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := k.Token(old.Token); err != nil || p.Limited() {
		t.Errorf("without a project it is %+v, %v", p, err)
	}
	for _, again := range []*Keys{k, w.loaded(t)} {
		if same, err := again.DeploymentKey(t.Context(), "wine-2", "wine"); err != nil || same.Token != old.Token || !slices.Equal(same.Projects, []string{"wine"}) {
			t.Errorf("with a project: %+v, %v", same, err)
		}
		if p, err := again.Token(old.Token); err != nil || !p.Reaches("wine") || p.Reaches("iris") || p.Reaches("") {
			t.Errorf("it signs in as %+v, %v", p, err)
		}
	}
	// A key that was given away never gets more rights.
	free, err := k.DeploymentKey(t.Context(), "wine-2", "")
	if err != nil || free.Token == old.Token || len(free.Projects) != 0 {
		t.Errorf("without a project again: %+v, %v", free, err)
	}
	if _, err := k.Token(old.Token); err != mlops.ErrCredentials {
		t.Errorf("the limited one still works: %v", err)
	}
}

func TestProjectKeys(t *testing.T) {
	w := newWorld()
	k := w.loaded(t)
	bucket := mlops.KeyBucket{Name: "datasets", Prefix: "wine/"}
	w.buckets["datasets"] = true
	made, err := k.ProjectKey(t.Context(), "wine", bucket)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := k.Password("project-wine", made.Token); err != nil || p.Role != mlops.RoleTrainer || !slices.Equal(p.Projects, []string{"wine"}) {
		t.Errorf("it signs in as %+v, %v", p, err)
	}
	if u := w.users[len(w.users)-1]; u.Name != "project-wine" || u.All || len(u.Buckets) != 1 || u.Buckets[0] != bucket {
		t.Errorf("the object store's user is %+v", u)
	}
	for _, again := range []*Keys{k, w.loaded(t)} { // and after a restart
		if same, err := again.ProjectKey(t.Context(), "wine", bucket); err != nil || same.Token != made.Token {
			t.Errorf("asked again it is another: %v", err)
		}
	}
	if err := k.Revoke(t.Context(), "project-wine"); mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "`benchtop project delete wine`") {
		t.Errorf("revoked by hand: %v", err)
	}
	other, err := k.ProjectKey(t.Context(), "wine", mlops.KeyBucket{Name: "datasets", Prefix: "new/"})
	if err != nil || other.Token == made.Token {
		t.Errorf("one that may something else must be another: %v", err)
	}
	if _, err := k.Token(made.Token); err != mlops.ErrCredentials {
		t.Errorf("the old one still works: %v", err)
	}
	for range 2 {
		if err := k.DropProjectKey(t.Context(), "wine"); err != nil {
			t.Error(err)
		}
	}
	if _, err := k.Token(other.Token); err != mlops.ErrCredentials || len(w.rows) != 0 {
		t.Errorf("dropped, it still works: %v, rows %v", err, w.rows)
	}
}

// TestOldProjectKeysAreLimited: a key from before keys had projects keeps its
// token, which pods have, and reaches its project only.
func TestOldProjectKeysAreLimited(t *testing.T) {
	w := newWorld()
	bucket := mlops.KeyBucket{Name: "datasets", Prefix: "wine/"}
	w.rows = []mlops.Key{{ID: 7, Name: "project-wine", Role: mlops.RoleTrainer, Buckets: []mlops.KeyBucket{bucket}, Salt: []byte("salt")}}
	k := w.loaded(t)
	token := k.token([]byte("salt"))
	if p, err := k.Token(token); err != nil || p.Limited() {
		t.Fatalf("%+v, %v", p, err)
	}
	same, err := k.ProjectKey(t.Context(), "wine", bucket)
	if err != nil || same.Token != token || !slices.Equal(same.Projects, []string{"wine"}) {
		t.Errorf("%+v, %v", same, err)
	}
	if p, err := k.Token(token); err != nil || !p.Reaches("wine") || p.Reaches("iris") || !slices.Equal(w.rows[0].Projects, []string{"wine"}) {
		t.Errorf("%+v, %v; row %+v", p, err, w.rows[0])
	}
	if p, err := k.Password("project-wine", token); err != nil || !p.Limited() {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestLabKeys(t *testing.T) {
	w := newWorld()
	k := w.loaded(t)
	room := "lab-volumes"
	made, err := k.LabKey(t.Context(), room, []string{"lab-volumes-model"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.Password(room, made.Token)
	if err != nil || p.Role != mlops.RoleEditor || !p.Metrics || !p.Holds("lab-volumes/sweep") || !p.Holds("lab-volumes-model") || p.Holds("lab-volumes-2") || p.Holds("iris") {
		t.Errorf("it signs in as %+v, %v", p, err)
	}
	if u := w.users[len(w.users)-1]; u.Name != room || u.All || len(u.Buckets) != 1 || u.Buckets[0].String() != "lab-volumes:rw" {
		t.Errorf("the object store's user is %+v", u)
	}
	for _, again := range []*Keys{k, w.loaded(t)} { // and after a restart
		if same, err := again.LabKey(t.Context(), room, []string{"lab-volumes-model"}); err != nil || same.Token != made.Token {
			t.Errorf("asked again it is another: %v", err)
		}
	}
	if err := k.Revoke(t.Context(), room); mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "it goes when the lab is left") {
		t.Errorf("revoked by hand: %v", err)
	}
	for name, bucket := range map[string]string{"leaked": "lab-volumes:ro", "mine": "lab-volumes-2:rw"} {
		if _, err := k.Create(t.Context(), mlops.KeyRequest{Name: name, Role: "trainer", Buckets: []string{bucket}}); err != nil {
			t.Fatal(err)
		}
	}
	leaked, err := k.LeakKey(t.Context(), room)
	if p, perr := k.Password("lab-volumes-ci", leaked.Token); err != nil || perr != nil || p.Role != mlops.RoleTrainer || p.Metrics || !p.Holds("lab-volumes") || p.Holds("iris") {
		t.Errorf("the key to leak signs in as %+v, %v, %v", p, err, perr)
	}
	if list, err := k.List(t.Context()); err != nil || slices.ContainsFunc(list, func(k mlops.Key) bool { return slices.Contains(k.Gone, room) }) {
		t.Errorf("a room is no project that is gone: %+v, %v", list, err)
	}
	if _, err := k.LabKey(t.Context(), "mine", nil); mlops.CodeOf(err) != mlops.Exists || !strings.Contains(mlops.MessageOf(err), "`benchtop keys revoke mine`") {
		t.Errorf("a room of the name of somebody's key: %v", err)
	}
	if _, err := k.LabKey(t.Context(), "No room", nil); mlops.CodeOf(err) != mlops.Invalid {
		t.Errorf("a room that can't be named so: %v", err)
	}
	for range 2 {
		if err := k.DropLabKey(t.Context(), room); err != nil {
			t.Error(err)
		}
	}
	if _, err := k.Token(made.Token); err != mlops.ErrCredentials || len(w.rows) != 1 {
		t.Errorf("dropped, it still works: %v, rows %v", err, w.rows)
	}
	if err := k.DropLabKey(t.Context(), "mine"); err != nil || len(w.rows) != 1 || k.HasRoom("mine") {
		t.Errorf("somebody's own key went with a room of its name: %v, rows %v", err, w.rows)
	}
}
