package ui_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

// addresses returns all routes of a method, with what belongs to iris in the
// place of their parameters.
func addresses(l *visit.Lab, methods ...string) map[string]string {
	l.World.Lock()
	run, training := l.World.Runs[0], l.World.Trainings[0]
	l.World.Unlock()
	out := map[string]string{}
	for _, r := range l.Server.Handler().(*echo.Echo).Routes() {
		if !slices.Contains(methods, r.Method) || strings.HasSuffix(r.Path, "*") && r.Path != "/prometheus/*" {
			continue
		}
		id := run.ID
		if strings.Contains(r.Path, "training") {
			id = strconv.FormatInt(training.ID, 10)
		}
		out[r.Method+" "+strings.NewReplacer(":id", id, ":version", "1", ":namespace", "iris", ":name", "iris", ":project", "iris", ":training", id, "*", "api/v1/query").Replace(r.Path)] = r.Path
	}
	return out
}

// own are answers that have nothing to do with projects.
var own = []string{"/login", "/healthz", "/assets/:name", "/front/assets/:name", "/front", "/favicon.ico", "/session", "/logout"}

// TestKeysOfOtherProjects goes through every address: there is nothing of iris
// for the key of another project, nor of what is no project's, live or not.
func TestKeysOfOtherProjects(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.AddOwn() // forest, of no project
	w.Passwords["ada:ada"] = mlops.Principal{Name: "ada", Role: mlops.RoleEditor, Projects: []string{"wine"}}
	w.Tokens["ada"] = w.Passwords["ada:ada"]
	reached := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics of iris") })
	l := visit.Start(t, w, func(c *ui.Config) {
		c.Mounts = map[string]ui.Mount{"/prometheus/": {Handler: reached, Needs: mlops.Read, Metrics: true}}
	})
	l.SignIn("ada", "ada")
	seen := 0
	for address, route := range addresses(l, http.MethodGet) {
		if slices.Contains(own, route) {
			continue
		}
		path := strings.TrimPrefix(address, "GET ")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if strings.HasPrefix(path, "/live/") {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 400*time.Millisecond)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := l.Client.Do(req)
		if err != nil {
			cancel()
			t.Errorf("%s: %v", path, err)
			continue
		}
		raw, _ := io.ReadAll(resp.Body) // a stream ends in the middle
		_ = resp.Body.Close()
		cancel()
		body := visit.CSRFField.ReplaceAllString(string(raw), "") // chance may spell iris
		if path == "/" || path == "/live/" {
			path = "/live/" // there is more that the root would take out
		}
		for _, said := range []string{path, strings.TrimPrefix(path, "/live"), url.QueryEscape(path), "&#34;iris&#34;", `\"iris\"`, "“iris”", // what the address says itself
			"benchtop train iris", "benchtop project add iris"} { // hints
			body = strings.ReplaceAll(body, said, "")
		}
		for _, theirs := range []string{"iris", "digits-forest", "forest.lab", "deployments/forest"} {
			if at := strings.Index(strings.ToLower(body), theirs); at >= 0 {
				t.Errorf("%s: %d, and it names %s: …%s…", path, resp.StatusCode, theirs, body[max(0, at-150):min(len(body), at+100)])
			}
		}
		if resp.StatusCode == http.StatusOK {
			seen++
		}
	}
	if seen < 12 {
		t.Errorf("only %d addresses answered", seen)
	}
	for _, path := range []string{"/system", "/system/pods", "/system/pods/iris/x", "/system/images", "/system/objects", "/system/events", "/gpus", "/api/gpus", "/live/gpus", "/labs", "/labs/first-loop", "/labs/first-loop/terminal", "/live/labs", "/api/labs", "/api/labs/export", "/api/labs/first-loop", "/prometheus/api/v1/query", "/access", "/live/system", "/live/access", "/logs/pods/iris/x"} {
		resp, body := l.Get(path)
		l.Expect(resp, body, http.StatusForbidden)
		if path != "/access" && path != "/live/access" && !strings.Contains(body, "The key ada is limited to project wine, and ") {
			t.Errorf("%s does not say why: %s", path, body)
		}
	}
	// Changes: nothing happens to iris.
	before := snapshot(w)
	for address, route := range addresses(l, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete) {
		if slices.Contains(own, route) || !strings.HasPrefix(route, "/api/") && !strings.HasPrefix(route, "/prometheus/") {
			continue
		}
		method, path, _ := strings.Cut(address, " ")
		body := `{}`
		switch {
		case strings.HasSuffix(route, "/promote"):
			body = `{"version": 1}`
		case route == "/api/projects":
			body = `{"sample": "iris"}`
		case route == "/api/projects/:project":
			body = `{"schedule": ""}`
		case route == "/api/deployments":
			body = `{"model": "iris", "version": 1, "name": "mine"}`
		case route == "/api/deployments/:name" && method == http.MethodPatch:
			body = `{"replicas": 0}`
		}
		req, err := http.NewRequest(method, l.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer ada")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", address, resp.StatusCode)
		}
	}
	for _, c := range []struct {
		path string
		form url.Values
	}{
		{"/projects/iris/train", nil}, {"/projects/iris/edit", url.Values{"schedule": {""}, "time_zone": {"UTC"}}}, {"/models/iris/aliases", url.Values{"alias": {"x"}, "version": {"1"}}},
		{"/models/iris/aliases/remove", url.Values{"alias": {"champion"}}}, {"/deployments/iris/rollback", nil}, {"/deployments/iris/promote", url.Values{"version": {"1"}}},
		{"/deployments/iris/approve", url.Values{"revision": {"1"}}}, {"/deployments/iris/gates", url.Values{"gates": {""}}}, {"/projects/add", url.Values{"sample": {"iris"}}},
		{"/models/iris/versions/1/deploy", url.Values{"name": {"mine"}, "replicas": {"1"}}}, {"/deployments/iris/replicas", url.Values{"replicas": {"0"}}}, {"/deployments/iris/delete", url.Values{"confirm": {"iris"}}},
	} {
		resp, body := l.Post("/", c.path, c.form)
		if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d %s", c.path, resp.StatusCode, body)
		}
	}
	if after := snapshot(w); after != before {
		t.Errorf("something of iris has changed:\n%s\n%s", before, after)
	}
}

func snapshot(w *uitest.World) string {
	w.Lock()
	defer w.Unlock()
	var b strings.Builder
	for _, p := range w.Projects {
		b.WriteString(p.Name + p.Schedule + " ")
	}
	for _, d := range w.Deployments {
		fmt.Fprint(&b, d.Name, d.Replicas, d.Deleting)
	}
	for _, m := range w.Models {
		b.WriteString(m.Name)
		for _, a := range m.Aliases {
			b.WriteString(a.Alias)
		}
	}
	b.WriteString(strings.Repeat("t", len(w.Trainings)))
	return b.String()
}

// TestKeyOfAProject: for its own project a key sees what everybody sees.
func TestKeyOfAProject(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Experiments = append(w.Experiments, mlops.Experiment{ID: "77", Name: "secret", ArtifactURI: "mlflow-artifacts:/77"})
	w.Passwords["ada:ada"] = mlops.Principal{Name: "ada", Role: mlops.RoleEditor, Projects: []string{"iris"}}
	w.Passwords["eddy:eddy"] = mlops.Principal{Name: "eddy", Role: mlops.RoleEditor}
	ada, eddy := visit.Start(t, w).SignIn("ada", "ada"), visit.Start(t, w).SignIn("eddy", "eddy")
	for address, route := range addresses(ada, http.MethodGet) {
		path := strings.TrimPrefix(address, "GET ")
		if slices.Contains(own, route) || strings.HasPrefix(path, "/system") || strings.HasSuffix(path, "/gpus") || strings.HasPrefix(strings.TrimPrefix(path, "/api"), "/labs") || strings.HasPrefix(path, "/datasets") || strings.HasPrefix(path, "/live/") || strings.HasPrefix(path, "/logs/") {
			continue
		}
		mine, body := ada.Get(path)
		theirs, _ := eddy.Get(path)
		if mine.StatusCode != theirs.StatusCode {
			t.Errorf("%s: %d, for who reaches all %d: %.200s", path, mine.StatusCode, theirs.StatusCode, body)
		}
		if strings.Contains(body, "secret") {
			t.Errorf("%s names another experiment", path)
		}
		if strings.Contains(body, `href="/system"`) {
			t.Errorf("%s leads to the system's pages", path)
		}
	}
	// What the server remembers for all is not what one key sees, nor the other
	// way round.
	if _, body := eddy.Get("/experiments"); !strings.Contains(body, "secret") {
		t.Error("who reaches all does not see an experiment")
	}
	eddy.Client = visit.NewBrowser(t)
	eddy.SignIn("ada", "ada")
	if _, body := eddy.Get("/experiments"); strings.Contains(body, "secret") || !strings.Contains(body, "iris") {
		t.Error("what was remembered shows an experiment of others")
	}
	resp, body := ada.Post("/", "/projects/iris/train", nil)
	ada.Expect(resp, body, http.StatusSeeOther)
}

// TestDeploymentsOfProjects: a key makes, scales and ends deployments of its
// projects' models, and neither sees nor learns of any other.
func TestDeploymentsOfProjects(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.AddOwn() // forest, of no project
	w.Projects = append(w.Projects, mlops.Project{ID: 90, Name: "wine"})
	of := func(id int64, name, project, model string) mlops.Deployment {
		return mlops.Deployment{ID: id, Name: name, Project: project, Namespace: mlops.NamespaceOf(project), Model: model, Own: true, Replicas: 1}
	}
	w.Deployments = append(w.Deployments, of(91, "wine-1", "wine", "wine"), of(92, "iris-2", "iris", "iris"))
	w.Tokens["ada"] = mlops.Principal{Name: "ada", Role: mlops.RoleEditor, Projects: []string{"wine", "gone"}}
	w.Tokens["eve"] = mlops.Principal{Name: "eve", Role: mlops.RoleReader, Projects: []string{"wine"}}
	l := visit.Start(t, w)
	do := func(who, method, path, body string, status int, texts ...string) {
		t.Helper()
		req, err := http.NewRequest(method, l.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+who)
		resp, err := l.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		l.Expect(resp, string(answer), status, texts...)
		l.Refuse(resp, string(answer), `"model": "digits-forest"`, `"model": "iris"`, `"namespace": "models"`, " serves ")
	}
	for _, who := range []string{"ada", "eve"} {
		do(who, "GET", "/api/deployments", "", 200, `"wine-1"`)
		do(who, "GET", "/api/deployments/wine-1", "", 200, `"wine-1"`)
		for _, other := range []string{"forest", "iris-2", "iris", "none"} {
			do(who, "GET", "/api/deployments/"+other, "", 404)
		}
	}
	for _, other := range []string{"forest", "iris-2", "none"} {
		do("ada", "PATCH", "/api/deployments/"+other, `{"replicas": 0}`, 403, "limited to projects wine, gone")
		do("ada", "DELETE", "/api/deployments/"+other, "", 403, "limited to projects wine, gone")
	}
	const onlyThese = "it may deploy wine or gone, while the project is there"
	for _, model := range []string{"digits-forest", "wine.small", "gone", "wine@live"} {
		do("ada", "POST", "/api/deployments", `{"model": "`+model+`", "name": "mine"}`, 403, onlyThese)
	}
	do("eve", "POST", "/api/deployments", `{"model": "wine"}`, 403)
	do("eve", "PATCH", "/api/deployments/wine-1", `{"replicas": 0}`, 403)
	// A name that others have is taken, and more is not said.
	const taken = "the name that this deployment would have is taken: give it another name"
	do("ada", "POST", "/api/deployments", `{"model": "wine", "name": "forest"}`, 400, taken)
	w.Change(func() { w.Deployments = append(w.Deployments, of(93, "wine-2", "iris", "iris")) })
	do("ada", "POST", "/api/deployments", `{"model": "wine"}`, 400, taken)
	w.Change(func() { w.Deployments[len(w.Deployments)-1] = of(93, "cellar", "", "wine") }) // from before the project
	do("ada", "POST", "/api/deployments", `{"model": "wine"}`, 400, taken)

	do("ada", "POST", "/api/deployments", `{"model": "wine", "name": "mine", "replicas": 2}`, 201, `"project": "wine"`)
	do("ada", "POST", "/api/deployments", `{"model": "wine", "name": "mine", "replicas": 1}`, 200, `"changed": true`)
	do("ada", "PATCH", "/api/deployments/mine", `{"replicas": 3}`, 200, `"replicas": 3`)
	do("ada", "DELETE", "/api/deployments/mine", "", 202, `"deleting": true`)
}

func TestCreateKeyOfAProject(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).SignIn("admin", uitest.Password)
	resp, body := l.Post("/access", "/access", url.Values{"name": {"robot"}, "role": {"admin"}, "projects": {"iris"}})
	l.Expect(resp, body, http.StatusBadRequest, "Role admin is for the whole lab", `value="iris"`)
	resp, body = l.Post("/access", "/access", url.Values{"name": {"robot"}, "role": {"trainer"}, "projects": {"iris, wine"}})
	l.Expect(resp, body, http.StatusOK, "Key robot", `data-label="Projects" class="wrap">iris wine<`)
	if strings.Contains(body, "/prometheus/") {
		t.Error("the lines to copy have what the key does not reach")
	}
	l.World.Keys[slices.IndexFunc(l.World.Keys, func(k mlops.Key) bool { return k.Name == "robot" })].Gone = []string{"wine"}
	resp, body = l.Get("/access")
	l.Expect(resp, body, http.StatusOK, "iris wine(gone)")
}

// TestDatasetsOfProjects: a project's trainer may read all of its dataset, so a
// key must not point its project at the data of others, nor change those.
func TestDatasetsOfProjects(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Projects = append(w.Projects, mlops.Project{ID: 90, Name: "wine", Dataset: "wine"}, mlops.Project{ID: 91, Name: "also-iris", Dataset: "iris"})
	w.Tokens["ada"] = mlops.Principal{Name: "ada", Role: mlops.RoleEditor, Projects: []string{"wine", "churn"}}
	w.Tokens["ivy"] = mlops.Principal{Name: "ivy", Role: mlops.RoleEditor, Projects: []string{"iris"}}
	l := visit.Start(t, w)
	for _, c := range []struct {
		who, method, path, body string
		status                  int
		text                    string
	}{
		{"ada", "PATCH", "/api/projects/wine", `{"dataset": "iris"}`, 403, "reads no dataset"},
		{"ada", "PATCH", "/api/projects/wine", `{"dataset": "wine"}`, 200, ""},
		{"ada", "POST", "/api/projects", `{"name": "churn", "dataset": "iris"}`, 403, "reads no dataset"},
		{"ada", "POST", "/api/projects", `{"name": "other", "dataset": "wine"}`, 403, "does not reach"},
		{"ada", "POST", "/api/datasets/iris", "a,b,species\n1,2,x\n", 403, "reads no dataset"},
		{"ivy", "POST", "/api/datasets/iris", "a,b,species\n1,2,x\n", 403, "is read elsewhere too"},
		{"ada", "POST", "/api/datasets/wine", "a,b,species\n1,2,x\n", 201, ""},
		{"ada", "GET", "/datasets", "", 303, ""}, // it has no session
	} {
		req, err := http.NewRequest(c.method, l.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.who)
		resp, err := l.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(answer), c.text) {
			t.Errorf("%s %s %s: %d %.200s, want %d %q", c.who, c.method, c.path, resp.StatusCode, answer, c.status, c.text)
		}
	}
}
