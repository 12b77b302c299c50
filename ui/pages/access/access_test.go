package access_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestKeysAreCreatedAndRevoked(t *testing.T) {
	l := visit.Start(t, uitest.Empty(visit.AtNoon)).AsAdmin()
	form := url.Values{"name": {"ada"}, "role": {"editor"}, "buckets": {"models, data:rw"}, "expires": {"90d"}}
	resp, body := l.Post("/access", "/access", form)
	host := strings.TrimPrefix(l.URL, "http://")
	l.Expect(resp, body, http.StatusOK, "Key ada", uitest.Token, "MLFLOW_TRACKING_URI=http://"+host, "AWS_ENDPOINT_URL=http://127.0.0.1:9000",
		"aws s3 ls s3://data/", "mc alias set lab", "rclone config create lab", "dvc remote add -d lab s3://data/dvc", "boto3.client(", "Bearer "+uitest.Token,
		"models:ro data:rw", "2027-02-19 12:07 UTC", `action="/access/revoke"`)
	if resp.Header.Get("Cache-Control") != "no-store" {
		t.Error("a page with a token may be kept:", resp.Header.Get("Cache-Control"))
	}
	if strings.Contains(l.Log.String(), uitest.Token) {
		t.Error("the token is in the log")
	}
	_, body = l.Get("/access")
	if strings.Contains(body, uitest.Token) {
		t.Error("the token is shown twice")
	}
	resp, body = l.Post("/access", "/access", form)
	l.Expect(resp, body, http.StatusBadRequest, "exists already: revoke it first", `value="models, data:rw"`)

	resp, body = l.Post("/access", "/access/revoke", url.Values{"name": {"ada"}})
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = l.Get(resp.Header.Get("Location"))
	l.Expect(resp, body, http.StatusOK, "Key “ada” is revoked", "No access keys yet")
	resp, body = l.Post("/access", "/access/revoke", url.Values{"name": {"ada"}})
	l.Expect(resp, body, http.StatusNotFound, "There is no key")
}

func TestKeyFormSaysWhatIsWrong(t *testing.T) {
	l := visit.Start(t, uitest.Empty(visit.AtNoon)).AsAdmin()
	for _, c := range []struct{ name, role, buckets, expires, text string }{
		{"A", "reader", "", "", "Key name &#34;A&#34; is not usable"},
		{"admin", "reader", "", "", "belongs to the appliance"},
		{"ada", "owner", "", "", "Role &#34;owner&#34; is not known: expected one of admin, editor, trainer, reader"},
		{"ada", "reader", "data:rw", "", "may only read"},
		{"ada", "editor", "data:rwx", "", "expected NAME, NAME:ro or NAME:rw"},
		{"ada", "editor", "", "soon", "expected for example 90d"},
	} {
		resp, body := l.Post("/access", "/access", url.Values{"name": {c.name}, "role": {c.role}, "buckets": {c.buckets}, "expires": {c.expires}})
		l.Expect(resp, body, http.StatusBadRequest, c.text)
	}
	resp, body := l.Post("/access", "/access", url.Values{"name": {"ada"}, "role": {"reader"}})
	l.Expect(resp, body, http.StatusOK, "reaches no bucket")
	if strings.Contains(body, "AWS_ENDPOINT_URL") {
		t.Error("S3 is shown to a key without a bucket")
	}
	l.World.Down["registry"] = uitest.Starting("The registry")
	resp, body = l.Post("/access", "/access", url.Values{"name": {"eve"}, "role": {"reader"}})
	l.Expect(resp, body, http.StatusServiceUnavailable, "is not ready yet")
}

func TestAccessIsForAdministrators(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).SignIn("guest", "guest")
	_, body := l.Get("/")
	_, runs := l.Get("/runs")
	for _, not := range []string{`href="/access"`, `action="/projects/iris/train"`} {
		if strings.Contains(body, not) || strings.Contains(runs, not) {
			t.Errorf("a reader is shown %s", not)
		}
	}
	for _, path := range []string{"/access", "/live/access"} {
		resp, body := l.Get(path)
		l.Expect(resp, body, http.StatusForbidden, "guest may not do this: its role is reader. It takes role admin.")
	}
	for _, path := range []string{"/access", "/access/revoke", "/access/kubeconfigs/revoke"} {
		resp, body := l.Post("/", path, url.Values{"name": {"ada"}})
		l.Expect(resp, body, http.StatusForbidden, "It takes role admin.")
	}
	if len(l.World.Keys) != 4 {
		t.Error("a reader changed the keys")
	}
	admin := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	resp, body := admin.Do(admin.Client, http.MethodPost, "/access/revoke", url.Values{"name": {"ada"}})
	admin.Expect(resp, body, http.StatusForbidden, "The form has expired")
}

// TestSessionOfAKey: who signed in with a key is out when it is revoked.
func TestSessionOfAKey(t *testing.T) {
	admin := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	resp, body := admin.Post("/access", "/access", url.Values{"name": {"eve"}, "role": {"editor"}})
	admin.Expect(resp, body, http.StatusOK)
	eve := *admin
	eve.Client = visit.NewBrowser(t)
	eve.SignIn("eve", uitest.Token)
	resp, body = eve.Get("/")
	eve.Expect(resp, body, http.StatusOK)
	resp, body = eve.Post("/runs", "/projects/iris/train", nil)
	eve.Expect(resp, body, http.StatusSeeOther)
	resp, body = eve.Get("/access")
	eve.Expect(resp, body, http.StatusForbidden)

	resp, body = admin.Post("/access", "/access/revoke", url.Values{"name": {"eve"}})
	admin.Expect(resp, body, http.StatusSeeOther)
	resp, body = eve.Get("/runs")
	eve.Expect(resp, body, http.StatusSeeOther)
	resp, body = eve.Get("/session")
	eve.Expect(resp, body, http.StatusUnauthorized, "The access key eve was revoked.")
}

// TestTrainingByPrograms: POST /api/projects/NAME/train is for editors and up.
func TestTrainingByPrograms(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon))
	plain := &http.Client{}
	train := func(authorization string) (*http.Response, string) {
		return l.Do(plain, http.MethodPost, "/api/projects/iris/train", nil, "Authorization", authorization)
	}
	resp, body := train("Basic Z3Vlc3Q6Z3Vlc3Q=")
	l.Expect(resp, body, http.StatusForbidden, `"error_code":"PERMISSION_DENIED"`, "role is reader")
	resp, body = train("Basic dHJhaW5lcjp0cmFpbmVy")
	l.Expect(resp, body, http.StatusForbidden, "role is trainer")
	w := l.World
	w.Tokens["bt"] = w.Keys[0].Principal()
	resp, body = train("Bearer bt")
	l.Expect(resp, body, http.StatusCreated, `"job": "iris-train-`)
	resp, body = l.Do(plain, http.MethodPost, "/api/projects/none/train", nil, "Authorization", "Bearer bt")
	l.Expect(resp, body, http.StatusNotFound, "There is no project")
}

func TestKubeconfigsAreListedAndRevoked(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	_, body := l.Get("/access")
	for _, want := range []string{"sudo benchtop kubeconfig --user ada", `id="user-laptop"`, "cluster-admin"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	resp, body := l.Post("/access", "/access/kubeconfigs/revoke", url.Values{"name": {"laptop"}})
	l.Expect(resp, body, http.StatusSeeOther)
	if _, body = l.Get("/access"); strings.Contains(body, `id="user-laptop"`) {
		t.Error("a user who was revoked is still listed")
	}
	resp, body = l.Post("/access", "/access/kubeconfigs/revoke", url.Values{"name": {"laptop"}})
	l.Expect(resp, body, http.StatusNotFound, "has no kubeconfig")
}

// The key of a project's trainer goes with the project, that of a deployment
// with the deployment: the page offers no button that would be refused.
func TestKeysOfTheLabItself(t *testing.T) {
	w := uitest.Empty(visit.AtNoon)
	w.Keys = []mlops.Key{
		{ID: 1, Name: "ada", Role: mlops.RoleReader},
		{ID: 2, Name: mlops.DeploymentKeyName("second"), Role: mlops.RoleReader},
		{ID: 3, Name: mlops.ProjectKeyName("wine"), Role: mlops.RoleTrainer, Buckets: []mlops.KeyBucket{{Name: "datasets", Prefix: "wine/"}}},
	}
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/access")
	l.Expect(resp, body, http.StatusOK, "Revoke the key ada", `The trainer of project <a href="/projects/wine">wine</a> comes with it; it goes with that.`,
		`The deployment <a href="/deployments/second">second</a> comes with it; it goes with that.`)
	if n := strings.Count(body, `action="/access/revoke"`); n != 1 {
		t.Errorf("%d keys can be revoked, want 1", n)
	}
}

// TestKeysRevokeThemselves: whoever holds a key may end it by the API, and nobody
// but an administrator ends another.
func TestKeysRevokeThemselves(t *testing.T) {
	w := uitest.Empty(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	for _, name := range []string{"ada", "eve"} {
		resp, body := l.Post("/access", "/access", url.Values{"name": {name}, "role": {"trainer"}})
		l.Expect(resp, body, http.StatusOK)
	}
	w.Passwords["ada:token"] = mlops.Principal{Name: "ada", Role: mlops.RoleTrainer, Key: 1}
	w.Passwords["eve:password"] = mlops.Principal{Name: "eve", Role: mlops.RoleEditor} // an account, and no key
	as := func(nameAndPassword, key string) (*http.Response, string) {
		return l.Do(&http.Client{}, http.MethodDelete, "/api/keys/"+key, nil, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(nameAndPassword)))
	}
	for _, who := range []string{"ada:token", "eve:password"} {
		resp, body := as(who, "eve")
		l.ExpectJSON(resp, body, http.StatusForbidden, "PERMISSION_DENIED", "expected an administrator, or the key itself")
	}
	resp, body := as("ada:token", "ada")
	l.Expect(resp, body, http.StatusNoContent)
	if len(w.Keys) != 1 || w.Keys[0].Name != "eve" {
		t.Errorf("left are %+v, want eve's", w.Keys)
	}
	resp, body = l.Do(&http.Client{}, http.MethodDelete, "/api/keys/eve", nil, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("admin:"+uitest.Password)))
	l.Expect(resp, body, http.StatusNoContent)
	resp, body = l.Do(&http.Client{}, http.MethodDelete, "/api/keys/eve", nil, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("admin:"+uitest.Password)))
	l.ExpectJSON(resp, body, http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "There is no key")
}
