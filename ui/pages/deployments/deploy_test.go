package deployments_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

const forestVersion = "/models/digits-forest/versions/1"

func TestDeployFromTheVersionsPage(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(forestVersion)
	l.Expect(resp, body, 200, "Deploy it beside", `placeholder="digits-forest"`, "Deploy v1")
	// The name of the model is taken by its project's deployment.
	resp, body = l.Get("/models/iris/versions/11")
	l.Expect(resp, body, 200, `placeholder="iris-11"`)

	for replicas, want := range map[string]string{"two": "The number of servers is &#34;two&#34;: expected 0 to 20.", "21": "Replicas is 21: expected 0 to 20"} {
		resp, body = l.Post(forestVersion, forestVersion+"/deploy", url.Values{"name": {"shop"}, "replicas": {replicas}})
		l.Expect(resp, body, http.StatusBadRequest, want, `value="shop"`, `value="`+replicas+`"`, `aria-invalid="true"`)
	}
	resp, body = l.Post(forestVersion, forestVersion+"/deploy", url.Values{"name": {"iris"}, "replicas": {"1"}})
	l.Expect(resp, body, http.StatusBadRequest, "Deployment iris is there already")
	resp, body = l.Follow(forestVersion, forestVersion+"/deploy", url.Values{"name": {"shop"}, "replicas": {"2"}})
	l.Expect(resp, body, 200, "<h1>shop</h1>", "Version 1 is being put into service, as revision 1.", "deployed", "by admin", "0 of 2", "belongs to no project, so it has no gates", "The form appears when")
	if d := w.Deployments[1]; d.Model != "digits-forest" || d.Replicas != 2 {
		t.Errorf("made %+v", d)
	}
	resp, body = l.Follow(forestVersion, forestVersion+"/deploy", url.Values{"name": {"shop"}, "replicas": {"3"}})
	l.Expect(resp, body, 200, "It ought to have 3 servers, and 0 are ready.")
}

func TestServersOfADeployment(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.AddOwn()
	l := visit.Start(t, w).AsAdmin()
	const page = "/deployments/forest"
	resp, body := l.Follow(page, page+"/replicas", url.Values{"replicas": {"0"}})
	l.Expect(resp, body, 200, "It ought to have 0 servers, and 2 are ready.", "none wanted", `name="replicas" value="0"`)
	resp, body = l.Post(page, page+"/replicas", url.Values{"replicas": {"99"}})
	l.Expect(resp, body, http.StatusBadRequest, "Replicas is 99: expected 0 to 20", `name="replicas" value="99"`)

	resp, body = l.Post(page, page+"/delete", url.Values{"confirm": {"no"}})
	l.Expect(resp, body, http.StatusBadRequest, "Nothing was deleted: type forest to delete it.")
	resp, body = l.Follow(page, page+"/delete", url.Values{"confirm": {"forest"}})
	l.Expect(resp, body, 200, "being deleted")
	resp, body = l.Get(page)
	l.Expect(resp, body, 200, "being deleted")
	l.Refuse(resp, body, "Delete the deployment", "/replicas")
	// A project's goes with the project.
	resp, body = l.Get(irisPage)
	l.Expect(resp, body, 200, "Servers, 0 to 20")
	l.Refuse(resp, body, "Delete the deployment")
	resp, body = l.Post(irisPage, irisPage+"/delete", url.Values{"confirm": {"iris"}})
	l.Expect(resp, body, http.StatusBadRequest)
}

// The project's page tells which deployments go with it, and shows none of
// them as its own.
func TestDeploymentsOfAProject(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.AddOwn()
	w.Deployments[1].Project, w.Deployments[1].Model, w.Deployments[1].Version = "iris", "iris", "3"
	w.Deployments[0], w.Deployments[1] = w.Deployments[1], w.Deployments[0]
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/projects/iris")
	l.Expect(resp, body, 200, "These further deployments of its model are deleted with it:", `<a href="/deployments/forest">forest</a>`, "iris v12")
	l.Refuse(resp, body, "iris v3")
	resp, body = l.Get("/projects")
	l.Expect(resp, body, 200, "v12")
	l.Refuse(resp, body, "iris v3")
	resp, body = l.Get("/")
	l.Expect(resp, body, 200, "serves v12", "Other deployments", `<a href="/deployments/forest">forest</a>`, "iris v3")
	l.Refuse(resp, body, "serves v3")
}

// Of a model that tells no features, JSON is what can be sent.
func TestPredictFromJSON(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.AddOwn()
	var sent string
	w.Answer = func(body []byte) (int, []byte) {
		sent = string(body)
		return 200, []byte(`{"predictions": [3.5,
			"a"], "version": "1"}`)
	}
	l := visit.Start(t, w).AsAdmin()
	const page = "/deployments/forest"
	resp, body := l.Get(page)
	l.Expect(resp, body, 200, "JSON for /models/forest/predict", "{&#34;instances&#34;: [[0]]}", "Predict from JSON")
	const typed = `{"dataframe_records": [{"a": "b"}]}`
	resp, body = l.Get(page+"/predict?json="+url.QueryEscape(typed), "HX-Request", "true")
	l.Expect(resp, body, 200, "<strong>[3.5,&#34;a&#34;]</strong>", "Prediction", "model version 1")
	l.Refuse(resp, body, "Predicted class")
	if sent != typed {
		t.Errorf("sent %s", sent)
	}
	resp, body = l.Get(page + "/predict?json=" + url.QueryEscape(typed))
	l.Expect(resp, body, 200, "<html", "<strong>[3.5,", "{&#34;dataframe_records&#34;: [{&#34;a&#34;: &#34;b&#34;}]}")
	for text, want := range map[string]string{"x": "This is no JSON: expected for example", `"` + strings.Repeat("a", 16<<10) + `"`: "The JSON has 16386 bytes, and this form takes up to 16384: send it with curl."} {
		resp, body = l.Get(page+"/predict?json="+url.QueryEscape(text), "HX-Request", "true")
		l.Expect(resp, body, 200, want)
	}
	// One with features takes either.
	resp, body = l.Get("/deployments/iris/predict?json="+url.QueryEscape(typed), "HX-Request", "true")
	l.Expect(resp, body, 200, "[3.5,")
}

func TestDeployAPI(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	for _, role := range []mlops.Role{mlops.RoleEditor, mlops.RoleReader} {
		w.Tokens[string(role)] = mlops.Principal{Name: string(role), Role: role}
	}
	l := visit.Start(t, w)
	ask := func(role mlops.Role, method, path, body string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequest(method, l.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+string(role))
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b), resp.Header
	}
	for _, c := range []struct {
		role               mlops.Role
		method, path, body string
		status             int
		want               string
	}{
		{mlops.RoleReader, "POST", "", `{"model": "digits-forest"}`, 403, ""},
		{mlops.RoleEditor, "POST", "", `{"model": "digits-forest", "alias": "candidate", "name": "shop", "replicas": 2, "reason": "sale"}`, 201, `"created": true`},
		{mlops.RoleEditor, "POST", "", `{"model": "digits-forest", "name": "shop", "replicas": 2}`, 200, `"created": false`},
		{mlops.RoleEditor, "POST", "", `{"model": "iris", "name": "shop"}`, 400, "deployment shop is there already"},
		{mlops.RoleEditor, "POST", "", `{"model": "iris", "version": 3, "alias": "live"}`, 400, "both an alias and a version are given"},
		{mlops.RoleEditor, "POST", "", `{"name": "shop"}`, 400, "model is empty"},
		{mlops.RoleEditor, "POST", "", `{"ref": "iris"}`, 400, "for example"},
		{mlops.RoleEditor, "GET", "/shop", "", 200, `"own": true`},
		{mlops.RoleReader, "PATCH", "/shop", `{"replicas": 0}`, 403, ""},
		{mlops.RoleEditor, "PATCH", "/shop", `{"replicas": 0}`, 200, `"replicas": 0`},
		{mlops.RoleEditor, "PATCH", "/shop", `{}`, 400, "what should change? Expected replicas"},
		{mlops.RoleEditor, "PATCH", "/shop", `{"replicas": 21}`, 400, "replicas is 21: expected 0 to 20"},
		{mlops.RoleEditor, "PATCH", "/none", `{"replicas": 1}`, 404, "there is no deployment"},
		{mlops.RoleReader, "DELETE", "/shop", "", 403, ""},
		{mlops.RoleEditor, "DELETE", "/shop", "", 202, `"deleting": true`},
		{mlops.RoleEditor, "DELETE", "/iris", "", 400, "is its project"},
		{mlops.RoleEditor, "PUT", "/shop", "", 405, ""},
		{mlops.RoleEditor, "DELETE", "", "", 405, ""},
	} {
		status, body, header := ask(c.role, c.method, "/api/deployments"+c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s %s by %s: %d %s, expected %d %s", c.method, c.path, c.body, c.role, status, body, c.status, c.want)
		}
		if allow := header.Get("Allow"); status == 405 && !strings.HasPrefix(allow, "GET, HEAD, ") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, allow)
		}
	}
	if acts := strings.Join(w.Acts, "\n"); !strings.Contains(acts, "deploy digits-forest shop by editor: sale") {
		t.Errorf("done was\n%s", acts)
	}
}
