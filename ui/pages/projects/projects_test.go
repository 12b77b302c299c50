package projects_test

import (
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
	"github.com/benchtop-lab/benchtop/ui/view"
)

func TestProjectPages(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	resp, body := l.Post("/projects", "/projects", url.Values{"sample": {"wine"}})
	l.Expect(resp, body, http.StatusSeeOther)
	if at := resp.Header.Get("Location"); at != "/projects/wine" {
		t.Errorf("adding leads to %s", at)
	}
	resp, body = l.Post("/projects", "/projects", url.Values{"sample": {"wine"}})
	l.Expect(resp, body, http.StatusBadRequest, "Project wine exists already")
	resp, body = l.Post("/projects", "/projects", url.Values{"sample": {"titanic"}})
	l.Expect(resp, body, http.StatusBadRequest, "expected one of iris, wine, breast-cancer")

	change := func(fields url.Values) (*http.Response, string) { return submit(l, filledIn(t, l, "wine"), fields) }
	resp, body = change(url.Values{"schedule": {"nonsense"}, "params": {`{"C": 2}`}})
	l.Expect(resp, body, http.StatusBadRequest, "expected five cron fields", `value="nonsense"`, `aria-invalid="true"`, "{&#34;C&#34;: 2}")
	resp, body = change(url.Values{"schedule": {""}, "params": {`{"C": 2}`}})
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = l.Get("/projects/wine")
	l.Expect(resp, body, http.StatusOK, "by hand only", "Taken from Benchtop’s configuration file until changed here: time zone, CPU and memory, environment.")

	resp, body = change(url.Values{"memory_limit": {"much"}})
	l.Expect(resp, body, http.StatusBadRequest, "memory limit: expected memory such as 512Mi or 2Gi", `value="much"`)
	resp, body = change(url.Values{"memory_limit": {"2Gi"}, "environment": {"A=1"}})
	l.Expect(resp, body, http.StatusBadRequest, "Environment: expected a JSON object of strings such as", ">A=1</textarea>")
	resp, body = change(url.Values{"memory_limit": {"2Gi"}, "environment": {`{"A": "1", "B": "2"}`}, "cpu_request": {"500m"}})
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = change(url.Values{"environment": {`{"B": "<3"}`}})
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = l.Get("/projects/wine")
	l.Expect(resp, body, http.StatusOK, "500m set aside, no limit", "nothing set aside, at most 2Gi", "{&#34;B&#34;:&#34;&lt;3&#34;}</textarea>", "until changed here: time zone.")

	// Another page has changed other fields since this one was shown.
	shown := filledIn(t, l, "wine")
	resp, body = change(url.Values{"memory_limit": {"3Gi"}, "environment": {`{"B": "<3", "C": "4"}`}})
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = submit(l, shown, url.Values{"params": {`{"C": 5}`}})
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = l.Get("/projects/wine")
	l.Expect(resp, body, http.StatusOK, "at most 3Gi", "&#34;C&#34;:&#34;4&#34;", "{&#34;C&#34;:5}")
	resp, body = l.Post("/projects/wine", "/projects/wine/edit", url.Values{"schedule": {""}})
	l.Expect(resp, body, http.StatusBadRequest, "load the page again, then change it")

	resp, body = l.Post("/projects/wine", "/projects/wine/delete", url.Values{"confirm": {"yes"}})
	l.Expect(resp, body, http.StatusBadRequest, "Nothing was deleted: type wine to delete it.")
	resp, body = l.Post("/projects/wine", "/projects/wine/delete", url.Values{"confirm": {"wine"}})
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = l.Get(resp.Header.Get("Location"))
	l.Expect(resp, body, http.StatusOK, "Project “wine” is being deleted.")
	resp, body = l.Get("/projects/nobody")
	l.Expect(resp, body, http.StatusNotFound, "There is no project &#34;nobody&#34;.")
}

// A project's GPUs are shown, and only what was changed of them is sent.
func TestProjectGPUs(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Post("/projects", "/projects", url.Values{"sample": {"wine"}})
	l.Expect(resp, body, http.StatusSeeOther)
	gpus := func() (r mlops.GPURequests) {
		w.Lock()
		defer w.Unlock()
		for _, p := range w.Projects {
			if p.Name == "wine" {
				r = p.GPU
			}
		}
		return r
	}
	change := func(fields url.Values) (*http.Response, string) { return submit(l, filledIn(t, l, "wine"), fields) }
	for _, c := range []struct {
		fields url.Values
		want   []string
	}{
		{url.Values{"gpu": {"two"}}, []string{"GPUs for training: expected a whole number from 0 to 16, found &#34;two&#34;", `value="two"`}},
		{url.Values{"gpu": {"1"}, "serve_gpu": {"0.5"}}, []string{"GPUs for each server: expected a whole number from 0 to 16, found &#34;0.5&#34;"}},
		{url.Values{"gpu": {"17"}}, []string{"17 GPUs: expected from 0 to 16"}},
		{url.Values{"gpu_memory": {"40Gi"}}, []string{"but no number: expected one for training, serving or both", `<details class="field-wide" open>`, `value="40Gi"`}},
		{url.Values{"gpu": {"1"}, "gpu_kind": {"an A100"}}, []string{"expected the value of the node&#39;s label nvidia.com/gpu.product"}},
		{url.Values{"gpu": {"1"}, "gpu_resource": {"amd.com/gpu"}}, []string{"expected nvidia.com/gpu, or a MIG partition such as nvidia.com/mig-1g.10gb"}},
	} {
		resp, body := change(c.fields)
		l.Expect(resp, body, http.StatusBadRequest, c.want...)
	}
	if got := gpus(); got != (mlops.GPURequests{}) {
		t.Errorf("a mistake has changed the GPUs to %+v", got)
	}
	resp, body = change(url.Values{"gpu": {"2"}, "gpu_memory": {"40Gi"}, "gpu_kind": {"NVIDIA-A100-SXM4-80GB"}})
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = l.Get("/projects/wine")
	l.Expect(resp, body, http.StatusOK, "2 for training, NVIDIA-A100-SXM4-80GB, with 40Gi or more", `<details class="field-wide" open>`)

	// Two pages that were shown at the same time change different fields.
	shown := filledIn(t, l, "wine")
	resp, body = change(url.Values{"serve_gpu": {"1"}})
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = submit(l, shown, url.Values{"gpu_kind": {""}, "gpu_resource": {"nvidia.com/mig-1g.10gb"}})
	l.Expect(resp, body, http.StatusSeeOther)
	if got, want := gpus(), (mlops.GPURequests{Training: 2, Serving: 1, Memory: "40Gi", Resource: "nvidia.com/mig-1g.10gb"}); got != want {
		t.Errorf("the project asks for %+v, want %+v", got, want)
	}
	resp, body = change(url.Values{"gpu": {""}, "serve_gpu": {"0"}})
	l.Expect(resp, body, http.StatusSeeOther)
	if got := gpus(); got != (mlops.GPURequests{}) {
		t.Errorf("without numbers the project asks for %+v", got)
	}
}

// Why a training waits is said wherever its state is shown.
func TestTrainingsThatWait(t *testing.T) {
	l := visit.Start(t, uitest.WithGPUs(visit.AtNoon)).AsAdmin()
	const why = "asks for 2 GPUs, the node has 4; 0 free: held by pod vision/embed-6d5c8f7b9-x2m4k"
	for path, want := range map[string]string{"/": "waits: ", "/projects": "waits: ", "/projects/speech": "waits: ", "/runs": "waits: ", "/trainings/100": "The training waits: "} {
		resp, body := l.Get(path)
		l.Expect(resp, body, http.StatusOK, want+why)
	}
	for _, path := range []string{"/projects/iris", "/"} { // whose trainings run, or have ended with a message
		_, body := l.Get(path)
		if n, want := strings.Count(body, "waits: "), map[string]int{"/": strings.Count(body, "waits: "+why)}[path]; n != want {
			t.Errorf("%s says %d times that something waits, want %d", path, n, want)
		}
	}
}

var shownFields = regexp.MustCompile(`name="was" value="([^"]*)"`)

// filledIn is the form of a project as its page shows it.
func filledIn(t *testing.T, l *visit.Lab, project string) url.Values {
	t.Helper()
	_, body := l.Get("/projects/" + project)
	found := shownFields.FindStringSubmatch(body)
	if found == nil {
		t.Fatal("the page has no form")
	}
	was := html.UnescapeString(found[1])
	var f view.ProjectForm
	if err := json.Unmarshal([]byte(was), &f); err != nil {
		t.Fatal(err)
	}
	return url.Values{"was": {was}, "dataset": {f.Dataset}, "schedule": {f.Schedule}, "time_zone": {f.TimeZone}, "params": {f.Params}, "environment": {f.Environment},
		"cpu_request": {f.CPU}, "cpu_limit": {f.CPULimit}, "memory_request": {f.Memory}, "memory_limit": {f.MemoryLimit},
		"gpu": {f.GPU}, "serve_gpu": {f.ServeGPU}, "gpu_kind": {f.GPUKind}, "gpu_memory": {f.GPUMemory}, "gpu_resource": {f.GPUResource}}
}

// submit sends a form of wine with some fields changed.
func submit(l *visit.Lab, form, fields url.Values) (*http.Response, string) {
	maps.Copy(form, fields)
	return l.Post("/projects/wine", "/projects/wine/edit", form)
}

// Who may only read sees no form, and may not use the addresses behind it.
func TestProjectsByRole(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Passwords["eddy:eddy"] = mlops.Principal{Name: "eddy", Role: mlops.RoleEditor}
	l := visit.Start(t, w).SignIn("guest", "guest")
	for _, path := range []string{"/projects", "/projects/iris"} {
		resp, body := l.Get(path)
		l.Expect(resp, body, http.StatusOK)
		if strings.Contains(body, `action="/projects`) {
			t.Errorf("%s shows a reader a form", path)
		}
	}
	l = visit.Start(t, w).SignIn("eddy", "eddy")
	resp, body := l.Get("/projects/iris")
	l.Expect(resp, body, http.StatusOK, "/projects/iris/edit")
	if strings.Contains(body, "/projects/iris/delete") {
		t.Error("an editor sees the form that deletes")
	}
	resp, body = l.Post("/projects/iris", "/projects/iris/delete", url.Values{"confirm": {"iris"}})
	l.Expect(resp, body, http.StatusForbidden)
}

func TestProjectsAPI(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	for _, role := range []mlops.Role{mlops.RoleAdmin, mlops.RoleEditor, mlops.RoleReader} {
		w.Tokens[string(role)] = mlops.Principal{Name: string(role), Role: role}
	}
	l := visit.Start(t, w)
	ask := func(role mlops.Role, method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, l.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+string(role))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(answer)
	}
	for _, c := range []struct {
		role               mlops.Role
		method, path, body string
		status             int
		want               string
	}{
		{mlops.RoleReader, "GET", "/api/projects", "", 200, `"name": "iris"`},
		{mlops.RoleReader, "GET", "/api/projects/iris", "", 200, `"last_training"`},
		{mlops.RoleReader, "GET", "/api/projects/wine", "", 404, "There is no project"},
		{mlops.RoleReader, "POST", "/api/projects", `{"sample": "wine"}`, 403, ""},
		{mlops.RoleEditor, "POST", "/api/projects", `{"kind": "wine"}`, 400, `unknown field`},
		{mlops.RoleEditor, "POST", "/api/projects", `{"name": "wine"}`, 400, "expected a sample such as wine, or the name"},
		{mlops.RoleEditor, "POST", "/api/projects", `{"name": "leaving", "dataset": "iris"}`, 201, `"dataset": "iris"`},
		{mlops.RoleReader, "POST", "/api/datasets/churn", "age,left\n1,no\n", 403, ""},
		{mlops.RoleEditor, "POST", "/api/datasets/churn?source=CRM", "age,left\n1,no\n", 201, `"source": "CRM"`},
		{mlops.RoleEditor, "POST", "/api/datasets/churn", "nothing", 400, "expected a first line"},
		{mlops.RoleEditor, "POST", "/api/datasets/No", "age,left\n1,no\n", 400, "not usable"},
		{mlops.RoleEditor, "PATCH", "/api/projects/leaving", `{"dataset": "wine"}`, 200, `"dataset": "wine"`},
		{mlops.RoleEditor, "POST", "/api/projects", `{"sample": "titanic"}`, 400, "expected one of iris, wine, breast-cancer"},
		{mlops.RoleEditor, "POST", "/api/projects", `{"sample": "wine"}`, 201, `"dataset": "wine"`},
		{mlops.RoleEditor, "POST", "/api/projects", `{"sample": "wine"}`, 400, "exists already"},
		{mlops.RoleReader, "POST", "/api/projects/prices/code", "code", 403, ""},
		{mlops.RoleEditor, "POST", "/api/projects/prices/code", "", 400, "the code is empty"},
		{mlops.RoleEditor, "POST", "/api/projects/prices/code?entry=a.py&branch=main", "code", 400, "parameter branch is not known"},
		{mlops.RoleEditor, "POST", "/api/projects/prices/code?dirty=much", "code", 400, "expected true or false"},
		{mlops.RoleEditor, "POST", "/api/projects/prices/code?entry=a.py&entry=b.py", "code", 400, "parameter entry is there 2 times"},
		{mlops.RoleEditor, "POST", "/api/projects/prices/code?explain=true", "code", 200, `"manifests": "---`},
		{mlops.RoleReader, "GET", "/api/projects/prices", "", 404, "There is no project"},
		{mlops.RoleEditor, "POST", "/api/projects/prices/code?commit=c0ffee&dirty=true", "code", 201, `"trigger": "push"`},
		{mlops.RoleReader, "GET", "/api/projects/prices", "", 200, `"commit": "c0ffee"`},
		{mlops.RoleReader, "GET", "/api/projects/prices/pushes/9000", "", 404, "has no training 9000"},
		{mlops.RoleReader, "GET", "/api/projects/prices/pushes/x", "", 404, "expected its number"},
		{mlops.RoleReader, "GET", "/api/projects/prices/pushes/9000/log", "", 404, "has no training 9000"},
		{mlops.RoleReader, "PATCH", "/api/projects/wine", `{"schedule": ""}`, 403, ""},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{}`, 400, "what should change?"},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"params": 5}`, 400, "expected a JSON object such as"},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"schedule": "nonsense"}`, 400, "expected five cron fields"},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"params": {"C": 2}, "schedule": ""}`, 200, `"schedule": ""`},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"environment": {"A": 1}}`, 400, "expected a JSON object of strings such as"},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"resources": {"gpu": "1"}}`, 400, "unknown field"},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"resources": {"limits": {"memory": "much"}}}`, 400, "expected memory such as 512Mi or 2Gi"},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"resources": {"limits": {"memory": "2Gi"}}, "environment": {"A": "1", "B": null}}`, 200, `"A": "1"`},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"gpu": {"training": 2, "memory": "40Gi"}}`, 200, `"training": 2`},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"gpu": {"serving": 1}}`, 200, `"memory": "40Gi"`},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"gpu": {"training": "two"}}`, 400, "training"},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"gpu": {"training": 17}}`, 400, "17 GPUs: expected from 0 to 16"},
		{mlops.RoleEditor, "PATCH", "/api/projects/wine", `{"gpu": {"count": 1}}`, 400, "unknown field"},
		{mlops.RoleReader, "PATCH", "/api/projects/wine", `{"gpu": {"training": 1}}`, 403, ""},
		{mlops.RoleReader, "GET", "/api/projects/wine", "", 200, `"serving": 1`},
		{mlops.RoleEditor, "DELETE", "/api/projects/wine", "", 403, ""},
		{mlops.RoleAdmin, "DELETE", "/api/projects/wine", "", 202, `"deleting": true`},
		{mlops.RoleAdmin, "DELETE", "/api/projects/nobody", "", 404, "there is no project"},
	} {
		if status, body := ask(c.role, c.method, c.path, c.body); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s %s by %s: %d %s; want %d with %q", c.method, c.path, c.body, c.role, status, body, c.status, c.want)
		} else if !json.Valid([]byte(body)) {
			t.Errorf("%s %s: %s is not JSON", c.method, c.path, body)
		}
	}
}

// The overview asks once what the servers serve, however many projects there are.
func TestOverviewAsksServersOnce(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	for _, name := range []string{"wine", "breast-cancer"} {
		w.Projects = append(w.Projects, mlops.Project{Name: name, Dataset: name})
	}
	l := visit.Start(t, w).AsAdmin()
	w.Lock()
	w.DeploymentCalls = 0
	w.Unlock()
	resp, body := l.Get("/")
	l.Expect(resp, body, http.StatusOK, "Train wine now")
	w.Lock()
	defer w.Unlock()
	if w.DeploymentCalls != 1 {
		t.Errorf("the servers were asked %d times", w.DeploymentCalls)
	}
}
