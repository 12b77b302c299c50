package deployments_test

import (
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

const predict = "/deployments/iris/predict?x0=6.3&x1=2.9&x2=4.9&x3=1.8"

func TestPredict(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/deployments/iris")
	l.Expect(resp, body, 200, `<label for="x0">sepal length (cm)</label>`, `value="5.1"`)
	l.Expect(resp, body, 200, "curl -s http://127.0.0.1/models/iris/predict -H &#39;Content-Type: application/json&#39; -d &#39;{&#34;instances&#34;: [[5.1, 3.5, 1.4, 0.2]]}&#39;")

	resp, body = l.Get(predict, "HX-Request", "true")
	l.Expect(resp, body, 200, "<strong>versicolor</strong>", "87 %", "2.3 ms", "model version 12")
	if strings.Contains(body, "<html") {
		t.Error("the script gets a whole page")
	}
	// Without a script the same address is a page, with the numbers kept.
	resp, body = l.Get(predict)
	l.Expect(resp, body, 200, "<html", "<strong>versicolor</strong>", `value="6.3"`)

	resp, body = l.Get(strings.Replace(predict, "4.9", "4%2C9", 1), "HX-Request", "true")
	l.Expect(resp, body, 200, "<strong>versicolor</strong>")
	for _, bad := range []string{"long", "", "NaN", "Inf", "1e999", "0x", "1,5,2"} {
		resp, body = l.Get(strings.Replace(predict, "4.9", bad, 1), "HX-Request", "true")
		l.Expect(resp, body, 200, "petal length (cm) is", "expected a number such as 1.5.")
	}
	resp, body = l.Get("/deployments/unknown/predict?x0=1")
	l.Expect(resp, body, 404)
}

func TestPredictShowsTheServersErrors(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	for _, c := range []struct {
		status int
		answer string
		texts  []string
	}{
		{400, `{"error":{"code":"shape","message":"expected 4 numbers & found 3"}}`, []string{"HTTP 400.", "expected 4 numbers &amp; found 3"}},
		{503, `no <model>`, []string{"HTTP 503.", "The server refused; its answer is below.", "no &lt;model&gt;"}},
		{200, `<html>`, []string{"something unexpected", "&lt;html&gt;"}},
		{200, `{"predictions":[]}`, []string{"something unexpected"}},
		{200, `{"predictions":[{"class":3}],"version":7}`, []string{"<strong>3</strong>", "model version 7"}},
	} {
		w.Change(func() { w.Answer = func([]byte) (int, []byte) { return c.status, []byte(c.answer) } })
		resp, body := l.Get(predict, "HX-Request", "true")
		l.Expect(resp, body, 200, c.texts...)
	}
	var sent string
	w.Change(func() {
		w.Answer = func(body []byte) (int, []byte) { sent = string(body); return 200, []byte(`{}`) }
	})
	l.Get(predict, "HX-Request", "true")
	if sent != `{"instances": [[6.3, 2.9, 4.9, 1.8]]}` {
		t.Errorf("sent %s", sent)
	}
}

func TestPredictBeforeTheFirstModel(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Deployments[0].FeatureNames, w.Deployments[0].Version, w.Deployments[0].Ready = nil, "", 0
	w.Deployments[0].Message = "waiting for the first model version"
	l := visit.Start(t, w, func(c *ui.Config) { c.Examples, c.IngressPort = nil, 30080 }).AsAdmin()
	resp, body := l.Get("/deployments/iris")
	l.Expect(resp, body, 200, "The form appears when the first model has been loaded.", "waiting for the first model version", "no model yet", "http://127.0.0.1:30080/models/iris/predict")
	resp, body = l.Get(predict, "HX-Request", "true")
	l.Expect(resp, body, 200, "The form appears when")
}
