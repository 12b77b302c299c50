package models_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestModelList(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	for i := range 120 {
		w.Models = append(w.Models, mlops.RegisteredModel{Name: fmt.Sprintf("bulk-%03d", i)})
	}
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/models?name=bulk")
	l.Expect(resp, body, 200, "bulk-000", "bulk-049", "/models?name=bulk&amp;page=from-50", `value="bulk"`)
	l.Refuse(resp, body, "bulk-050", "First page", "iris")
	resp, body = l.Get("/models?name=bulk&page=from-100")
	l.Expect(resp, body, 200, "bulk-119", `href="/models?name=bulk"`)
	l.Refuse(resp, body, "Next page")
	resp, body = l.Get("/models?name=%20IRIS%20")
	l.Expect(resp, body, 200, "iris (v12)", "0.9771", "champion → v12", `href="/models/iris/versions/12"`)
	resp, body = l.Get("/models?name=%3Cb%3E")
	l.Expect(resp, body, 200, "No registered model has “&lt;b&gt;” in its name.")
	resp, body = l.Get("/models?page=nonsense")
	l.Expect(resp, body, 400, "page token &#34;nonsense&#34; is not valid")

	// Nobody knows what is served: the table says so, and is not wrong.
	w.Down["loop"] = uitest.Starting("The loop")
	resp, body = l.Get("/models?name=iris")
	l.Expect(resp, body, 200, "unknown")
	l.Refuse(resp, body, "iris (v12)")
}

func TestModelPage(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/models/energy-demand")
	l.Expect(resp, body, 200, "Versions 130 to 81, of 130.", "mae by version", `<option value="mae" selected>`, `<option value="rmse">`, "/models/energy-demand?page=from-50", `href="/models/energy-demand/versions/118"`)
	l.Refuse(resp, body, "accuracy", `id="v80"`)
	resp, body = l.Get("/models/energy-demand?metric=rmse&page=from-50")
	l.Expect(resp, body, 200, "rmse by version", "Versions 80 to 31, of 130.", `name="page" value="from-50"`, `href="/models/energy-demand?metric=rmse"`, "/models/energy-demand?metric=rmse&amp;page=from-100")
	resp, body = l.Get("/models/energy-demand?metric=accuracy")
	l.Expect(resp, body, 200, "No run of these versions has logged a metric “accuracy”.", `<option value="accuracy" selected>`)
	resp, body = l.Get("/models/energy-demand?page=nonsense")
	l.Expect(resp, body, 400, "is not valid")
	resp, body = l.Get("/models/unknown")
	l.Expect(resp, body, 404, "There is no registered model &#34;unknown&#34;.")

	w.Change(func() {
		w.Models = append(w.Models, mlops.RegisteredModel{Name: "odd name & 100%?"})
		w.Versions = append(w.Versions, mlops.ModelVersion{Model: "odd name & 100%?", Version: 3, RunID: "collected", Status: "PENDING_REGISTRATION", Stage: "Staging"})
	})
	resp, body = l.Get("/models?name=odd")
	l.Expect(resp, body, 200, `href="/models/odd%20name%20&amp;%20100%25%3F"`)
	resp, body = l.Get("/models/odd%20name%20&%20100%25%3F")
	l.Expect(resp, body, 200, "<h1>odd name &amp; 100%?</h1>", "pending", "Staging", "is not in the registry any more", `href="/models/odd%20name%20&amp;%20100%25%3F/versions/3"`)
	resp, body = l.Get("/models/odd%20name%20&%20100%25%3F/versions/3")
	l.Expect(resp, body, 200, "The run is not in the registry any more.", "They are known through the run")
}

func TestVersionPage(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/models/iris/versions/12")
	l.Expect(resp, body, 200, "<h1>iris v12</h1>", "This is the latest version.", "1 of 1 replicas ready", `href="/deployments/iris"`, w.Datasets[0].SHA256, "150 rows × 4 features",
		`title="`+w.Datasets[0].SHA256+`"`, "lab-python:3.11-4be1c09a77d2", "train.py", "models:/iris/12", "models:/iris@champion", "export MLFLOW_TRACKING_URI="+l.URL+" MLFLOW_TRACKING_USERNAME=admin", "logistic-regression", "0.9771")
	resp, body = l.Get("/models/iris/versions/3")
	l.Expect(resp, body, 200, "No deployment serves this version now.", "No alias points at this version.", `The latest is <a href="/models/iris/versions/12">v12</a>`)
	l.Refuse(resp, body, "models:/iris@")
	resp, body = l.Get("/models/digits-forest/versions/1")
	l.Expect(resp, body, 200, "commit ", "branch main", "https://git.example.org/vision/digits-random-forest.git", "Dataset · training", "Dataset · evaluation", "https://data.example.org/digits/optdigits.tra",
		"Also made by this run", `href="/models/digits-forest-distilled/versions/1"`, "The run names no container image.", "reviewed_by")
	resp, body = l.Get("/models/energy-demand/versions/118")
	l.Expect(resp, body, 200, "deleted", "The run has logged no dataset.", "The run names neither a git commit nor a source.", "The run has logged no param.")
	resp, body = l.Get("/models/" + uitest.LongName + "/versions/7")
	l.Expect(resp, body, 200, "This version was registered without a run.", "They are known through the run that makes a version.", "Production", "and 6 more")

	for path, text := range map[string]string{
		"/models/unknown/versions/1":                 "There is no registered model &#34;unknown&#34;.",
		"/models/iris/versions/99":                   "The registered model &#34;iris&#34; has no version 99.",
		"/models/iris/versions/-1":                   "The registered model &#34;iris&#34; has no version -1.",
		"/models/iris/versions/twelve":               "There is no version &#34;twelve&#34;: expected a number such as 12.",
		"/models/iris/versions/99999999999999999999": "expected a number such as 12",
		"/live/models/iris/versions/99":              "has no version 99",
		"/models/iris/versions/12/nothing":           "There is no page at this address.",
	} {
		resp, body = l.Get(path)
		l.Expect(resp, body, 404, text)
	}

	// While nobody knows what is deployed, the page does not say "none".
	w.Down["loop"] = uitest.Starting("The loop")
	resp, body = l.Get("/models/iris/versions/12")
	l.Expect(resp, body, 200, "The loop is not ready yet", "iris-train-13")
	l.Refuse(resp, body, "No deployment serves", "no deployment")
	w.Down["loop"] = errors.New("the secret cause")
	resp, body = l.Get("/models/iris/versions/12")
	l.Expect(resp, body, 200, "internal error: see the log")
	l.Refuse(resp, body, "the secret cause")
}

// Many of everything: the picture stays a picture, the list has it all.
func TestLineagePictureIsBounded(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	for i := range 20 {
		w.Runs[1].Inputs = append(w.Runs[1].Inputs, mlops.DatasetInput{Name: fmt.Sprintf("part-%02d", i), Digest: fmt.Sprintf("d%02d", i), Source: "not json"})
		w.Deployments = append(w.Deployments, mlops.Deployment{Name: fmt.Sprintf("copy-%02d", i), Model: "iris", Version: "12", Replicas: 1})
		w.Versions = append(w.Versions, mlops.ModelVersion{Model: fmt.Sprintf("part-model-%02d", i), Version: 1, RunID: w.Runs[1].ID})
	}
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/models/iris/versions/12")
	l.Expect(resp, body, 200, "and 16 more", "part-19, digest", "and 15 more", "part-model-04 v1", `href="/deployments/copy-19"`)
	l.Refuse(resp, body, "part-model-05 v1")
	if n := strings.Count(body, "node-card"); n != 5+1+2+1+2+5+1 {
		t.Errorf("%d cards", n)
	}
}

func TestAliases(t *testing.T) {
	w := uitest.Full(time.Now)
	l := visit.Start(t, w).AsAdmin()
	watched := l.Stream("/live/models/iris/versions/12")
	l.Await(watched, "aliases", "@champion")
	list := l.Stream("/live/models")
	l.Await(list, "rows", "champion → v12")

	const at = "/models/iris/versions/11"
	resp, body := l.Follow(at, at+"/aliases", url.Values{"alias": {" challenger "}})
	l.Expect(resp, body, 200, "Alias “challenger” now points at v11.", "@challenger", "models:/iris@challenger")
	l.Await(list, "rows", "challenger → v11")
	resp, body = l.Follow(at, at+"/aliases", url.Values{"alias": {"champion"}})
	l.Expect(resp, body, 200, "Alias “champion” was moved: it now points at v11, and pointed at v12 before.")
	// Another window that shows the version which the alias has left.
	e := l.Await(watched, "aliases", "No alias points at this version.")
	if strings.Contains(e.Data, "was moved") {
		t.Error("another window tells of a change that it did not make")
	}
	l.Await(list, "rows", "champion → v11")
	resp, body = l.Follow(at, at+"/aliases/remove", url.Values{"alias": {"champion"}})
	l.Expect(resp, body, 200, "Alias “champion” was removed; it pointed at v11.", "@challenger")
	l.Refuse(resp, body, "@champion")
	// Removing what is gone is no error, as in MLflow.
	resp, body = l.Follow(at, at+"/aliases/remove", url.Values{"alias": {"champion"}})
	l.Expect(resp, body, 200)
	l.Refuse(resp, body, "was removed")

	// On the model's page the version is typed.
	resp, body = l.Follow("/models/iris", "/models/iris/aliases", url.Values{"alias": {"challenger"}, "version": {"v4"}})
	l.Expect(resp, body, 200, "Alias “challenger” was moved: it now points at v4, and pointed at v11 before.")
	resp, body = l.Follow("/models/iris", "/models/iris/aliases/remove", url.Values{"alias": {"challenger"}})
	l.Expect(resp, body, 200, "Alias “challenger” was removed; it pointed at v4.", "This model has no alias yet.")
	for _, want := range []string{`msg="alias set" model=iris alias=champion version=11 was=12 by=admin`, `msg="alias removed" model=iris alias=challenger was=4 by=admin`} {
		if !strings.Contains(l.Log.String(), want) {
			t.Errorf("%s is not in the log: %s", want, l.Log)
		}
	}
	// A message whose change was undone, or that somebody made up, is not shown.
	for _, query := range []string{"?alias=champion&was=3", "?removed=nothing&was=x", "?removed=nothing", "?alias=%3Cb%3E"} {
		resp, body = l.Get(at + query)
		l.Expect(resp, body, 200)
		l.Refuse(resp, body, "Alias “")
	}
}

func TestAliasesThatAreRefused(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	const version, model = "/models/iris/versions/11", "/models/iris"
	for alias, text := range map[string]string{
		"":                       "the alias must not be empty",
		"two words":              "the alias &#34;two words&#34; is not usable: expected letters, digits, &#39;_&#39; and &#39;-&#39; only",
		"<b>":                    "the alias &#34;&lt;b&gt;&#34; is not usable",
		"LATEST":                 "the alias &#39;latest&#39; is reserved",
		"v7":                     "the alias &#34;v7&#34; is reserved",
		strings.Repeat("x", 256): "is longer than 255 characters",
	} {
		resp, body := l.Post(version, version+"/aliases", url.Values{"alias": {alias}})
		l.Expect(resp, body, 400, "<h1>iris v11</h1>", text, `id="alias-error" role="alert"`, `aria-describedby="alias-error"`)
		if alias != "" && alias != "<b>" {
			l.Expect(resp, body, 400, `name="alias" value="`+alias+`"`)
		}
		resp, body = l.Post(model, model+"/aliases", url.Values{"alias": {alias}, "version": {"11"}})
		l.Expect(resp, body, 400, "<h1>iris</h1>", text, `name="version" value="11"`)
	}
	for number, text := range map[string]string{"": "The version is &#34;&#34;: expected a number such as 12.", "twelve": "The version is &#34;twelve&#34;: expected a number such as 12."} {
		resp, body := l.Post(model, model+"/aliases", url.Values{"alias": {"good"}, "version": {number}})
		l.Expect(resp, body, 400, text, `name="alias" value="good"`, `aria-describedby="version-error"`)
	}
	resp, body := l.Post(model, model+"/aliases", url.Values{"alias": {"good"}, "version": {"99"}})
	l.Expect(resp, body, 404, "registered model &#34;iris&#34; has no version 99", `name="version" value="99"`)
	resp, body = l.Post(version, "/models/iris/versions/99/aliases", url.Values{"alias": {"good"}})
	l.Expect(resp, body, 404, "The registered model &#34;iris&#34; has no version 99.")
	resp, body = l.Post(version, "/models/unknown/aliases", url.Values{"alias": {"good"}, "version": {"1"}})
	l.Expect(resp, body, 404, "There is no registered model")
	resp, body = l.Post(version, "/models/unknown/aliases/remove", url.Values{"alias": {"good"}})
	l.Expect(resp, body, 404, "There is no registered model")
	resp, body = l.Post(version, "/models/iris/versions/x/aliases/remove", url.Values{"alias": {"champion"}})
	l.Expect(resp, body, 404, "expected a number")
	resp, body = l.Post(version, version+"/aliases/remove", url.Values{"alias": {"two words"}})
	l.Expect(resp, body, 400, "is not usable")
	w.Down["registry"] = uitest.Starting("The registry")
	resp, body = l.Post("/system", version+"/aliases", url.Values{"alias": {"good"}})
	l.Expect(resp, body, 503, "The registry is not ready yet")
	delete(w.Down, "registry")

	// Without the token of a form nothing happens.
	for _, path := range []string{version + "/aliases", version + "/aliases/remove", model + "/aliases", model + "/aliases/remove"} {
		for _, token := range []string{"", "made-up"} {
			resp, body = l.Do(l.Client, http.MethodPost, path, url.Values{"alias": {"champion"}, "version": {"11"}, "csrf": {token}})
			l.Expect(resp, body, 403, "The form has expired")
		}
	}
	if got := fmt.Sprint(w.Models[0].Aliases); got != "[{champion 12}]" {
		t.Errorf("aliases: %s", got)
	}
}

func TestReadersCannotChangeAliases(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).SignIn("guest", "guest")
	for _, at := range []string{"/models/iris", "/models/iris/versions/12"} {
		resp, body := l.Get(at)
		l.Expect(resp, body, 200, "@champion")
		l.Refuse(resp, body, at+"/aliases", "Remove the alias", `name="alias"`)
		for _, change := range []string{"/aliases", "/aliases/remove"} {
			resp, body = l.Post(at, at+change, url.Values{"alias": {"champion"}, "version": {"3"}})
			l.Expect(resp, body, 403, "guest may not do this: its role is reader. It takes role editor or admin.")
		}
	}
	if got := fmt.Sprint(w.Models[0].Aliases); got != "[{champion 12}]" {
		t.Errorf("aliases: %s", got)
	}
}
