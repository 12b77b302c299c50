package runs_test

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

var (
	rowName    = regexp.MustCompile(`<tr id="(?:run|training)-[^"]*">.*?<div><a href="[^"]*">([^<]*)</a>`)
	sortLink   = regexp.MustCompile(`<th scope="col"[^>]*><a href="([^"]*)">([^<]*)</a>`)
	headTitle  = regexp.MustCompile(`<th scope="col"[^>]*>(?:<a [^>]*>)?([^<]*)`)
	sortedHead = regexp.MustCompile(`aria-sort="([a-z]*)"><a [^>]*>([^<]*)<`)
	nextPage   = regexp.MustCompile(`href="([^"]*)">Next page<`)
)

func found(re *regexp.Regexp, body string) (out []string) {
	for _, m := range re.FindAllStringSubmatch(body, -1) {
		out = append(out, html.UnescapeString(strings.TrimSpace(m[1])))
	}
	return out
}

// sortLinks maps the titles of columns to the addresses that sort by them.
func sortLinks(body string) map[string]string {
	out := map[string]string{}
	for _, m := range sortLink.FindAllStringSubmatch(body, -1) {
		out[html.UnescapeString(m[2])] = html.UnescapeString(m[1])
	}
	return out
}

func runsOf(query ...string) string {
	v := url.Values{}
	for i := 0; i < len(query); i += 2 {
		v.Add(query[i], query[i+1])
	}
	return "/runs?" + v.Encode()
}

func TestRunsOfAnExperiment(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	_, body := l.Get(runsOf("experiment", "5"))
	if names := found(rowName, body); len(names) != 13 || names[0] != "sweep-12" || names[12] != "sweep" {
		t.Errorf("rows: %q", names)
	}
	// What the runs log is shown when nothing is chosen.
	if heads := found(headTitle, body); strings.Join(heads, "|") != "Run|Status|Started|Duration|accuracy|fit \"seconds\"|val/f1|weird`key`|criterion|draws|max_depth" {
		t.Errorf("columns: %q", heads)
	}
	_, body = l.Get(runsOf("experiment", "1"))
	if heads := found(headTitle, body); strings.Join(heads, "|") != "Run|Status|Trigger|Started|Duration|accuracy|Version" {
		t.Errorf("columns of the built-in trainer: %q", heads)
	}
	resp, body := l.Get(runsOf("experiment", "6"))
	l.Expect(resp, body, 404, "Experiment &#34;first tries&#34; is deleted: choose another.", "mlflow experiments restore --experiment-id 6", `aria-errormessage="experiment-error"`)
	for _, id := range []string{"4711", "x", "1 OR 1"} {
		resp, body = l.Get(runsOf("experiment", id))
		l.Expect(resp, body, 404, "There is no experiment with the id &#34;"+id+"&#34;: choose one from the list.")
	}
}

func TestRunsAreSortedByTheirHeaders(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	_, body := l.Get(runsOf("experiment", "5", "filter", "params.criterion = 'gini'", "column", "metrics.val/f1", "column", "metrics.weird`key`",
		"column", `metrics.fit "seconds"`, "column", "params.min samples", "column", "attributes.duration"))
	links := sortLinks(body)
	if _, ok := links["Duration"]; ok {
		t.Error("runs cannot be sorted by their duration, but its header is a link")
	}
	for title, order := range map[string]string{"val/f1": "metrics.`val/f1` DESC", "weird`key`": "metrics.\"weird`key`\" DESC", `fit "seconds"`: "metrics.`fit \"seconds\"` DESC",
		"min samples": "params.`min samples` ASC", "Run": "attributes.run_name ASC", "Status": "attributes.status ASC"} {
		u, err := url.Parse(links[title])
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Query(); got.Get("order") != order || got.Get("filter") != "params.criterion = 'gini'" || got.Get("experiment") != "5" || len(got["column"]) != 5 {
			t.Errorf("%s: %v", title, got)
		}
	}
	_, body = l.Get(links["weird`key`"])
	if names := found(rowName, body); strings.Join(names, " ") != "sweep-12 sweep-09 sweep-06 sweep-03" {
		t.Errorf("highest first: %q", names)
	}
	if m := sortedHead.FindStringSubmatch(body); m == nil || m[1] != "descending" || m[2] != "weird`key`" {
		t.Errorf("the sorted header: %q", m)
	}
	_, body = l.Get(sortLinks(body)["weird`key`"])
	if names := found(rowName, body); strings.Join(names, " ") != "sweep-03 sweep-06 sweep-09 sweep-12" {
		t.Errorf("lowest first: %q", names)
	}
	if m := sortedHead.FindStringSubmatch(body); m == nil || m[1] != "ascending" {
		t.Errorf("the sorted header: %q", m)
	}
	// Without an order the newest come first, and the first click turns that round.
	_, body = l.Get("/runs?experiment=5")
	if m := sortedHead.FindStringSubmatch(body); m == nil || m[1] != "descending" || m[2] != "Started" {
		t.Errorf("the sorted header: %q", m)
	}
	oldest := sortLinks(body)["Started"]
	_, body = l.Get(oldest)
	if names := found(rowName, body); names[0] != "sweep" {
		t.Errorf("oldest first: %q", names)
	}
	if back := sortLinks(body)["Started"]; back != "/runs?experiment=5" {
		t.Errorf("back to the newest: %s", back)
	}
	// An order that a person wrote, in other words than ours, is known too.
	_, body = l.Get(runsOf("experiment", "5", "order", "metrics.`accuracy` desc"))
	if m := sortedHead.FindStringSubmatch(body); m == nil || m[1] != "descending" || m[2] != "accuracy" {
		t.Errorf("the sorted header: %q", m)
	}
	_, body = l.Get(runsOf("experiment", "5", "order", "tags.team DESC"))
	l.ExpectText(body, `<option value="tags.team DESC" selected>tags.team DESC</option>`)
}

// TestOrderByAnyKey writes the clauses that the registry's filter package is
// tested to read.
func TestOrderByAnyKey(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	clauses := map[string]string{"loss": "metrics.loss DESC", "a.b": "metrics.a.b DESC", "val/f1": "metrics.`val/f1` DESC", "1st": "metrics.`1st` DESC", "a.": "metrics.`a.` DESC",
		`fit "seconds"`: "metrics.`fit \"seconds\"` DESC", "weird`key`": "metrics.\"weird`key`\" DESC", "both`\"": "metrics.`both``\"` DESC", "шаг": "metrics.`шаг` DESC",
		"it's": "metrics.`it's` DESC", "DESC ": "metrics.`DESC ` DESC"}
	var query []string
	for key := range clauses {
		query = append(query, "column", "metrics."+key)
	}
	_, body := l.Get(runsOf(query...))
	links := sortLinks(body)
	for key, clause := range clauses {
		u, err := url.Parse(links[key])
		if err != nil || u.Query().Get("order") != clause {
			t.Errorf("%s: %q (%v), want %q", key, links[key], err, clause)
			continue
		}
		if _, body := l.Get(links[key]); len(sortedHead.FindStringSubmatch(body)) == 0 || html.UnescapeString(sortedHead.FindStringSubmatch(body)[2]) != key {
			t.Errorf("%s: its header does not say that the list is sorted by it", key)
		}
	}
}

func TestWrongOrdersAndColumns(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	for _, c := range []struct{ name, value, want, where string }{
		{"order", "accuracy", "order_by clause &#34;accuracy&#34; is not usable", "order-error"},
		{"order", "attributes.colour DESC", "there is no attribute &#34;colour&#34; to order by", "order-error"},
		{"order", "metrics.accuracy SIDEWAYS", "is not usable", "order-error"},
		{"column", "accuracy", "&#34;accuracy&#34; is no column: expected metrics.&lt;key&gt;", "column-error"},
		{"column", "metrics.", "&#34;metrics.&#34; is no column", "column-error"},
		{"column", "attributes.colour", "There is no attribute &#34;colour&#34; to show: expected one of experiment, start_time", "column-error"},
		{"column", "metrics.\xff", "is no column", "column-error"},
		{"filter", "nonsense", "invalid filter", "filter-error"},
	} {
		resp, body := l.Get(runsOf(c.name, c.value))
		l.Expect(resp, body, 400, c.want, `id="`+c.where+`"`, `aria-errormessage="`+c.where+`"`)
		if c.where != "filter-error" && !strings.Contains(body, `choose-columns" open`) {
			t.Errorf("%s=%q: the panel with the error is closed", c.name, c.value)
		}
	}
	resp, body := l.Get(runsOf("filter", "nonsense", "order", "nonsense"))
	l.Expect(resp, body, 400, `id="filter-error"`, `id="order-error"`)
	many := url.Values{}
	for i := range 41 {
		many.Add("column", fmt.Sprintf("metrics.m%d", i))
	}
	resp, body = l.Get("/runs?" + many.Encode())
	l.Expect(resp, body, 400, "The table shows at most 40 columns; 41 are chosen.")
	// What is only superfluous is no mistake.
	resp, body = l.Get("/runs?column=&column=metrics.accuracy&column=metrics.accuracy")
	l.Expect(resp, body, 200, "1 column chosen")
}

func TestPagesOfRuns(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	for i := range 120 {
		w.Runs = append(w.Runs, mlops.Run{ID: fmt.Sprintf("%032d", i), Name: fmt.Sprintf("r%03d", i), ExperimentID: "5", Status: mlops.RunFinished, StartedAt: visit.Noon.Add(-time.Duration(i) * time.Hour),
			EndedAt: visit.Noon, Metrics: []mlops.Metric{{Key: "score", Value: float64(i)}}})
	}
	l := visit.Start(t, w).AsAdmin()
	_, body := l.Get(runsOf("experiment", "5", "filter", "metrics.score > 9", "order", "metrics.score ASC", "column", "metrics.score"))
	names := found(rowName, body)
	var second string
	for range 2 {
		next := found(nextPage, body)
		if len(next) != 1 {
			t.Fatalf("no next page after %d rows", len(names))
		}
		second = next[0]
		_, body = l.Get(second)
		if m := sortedHead.FindStringSubmatch(body); m == nil || m[1] != "ascending" || !strings.Contains(body, "1 column chosen") {
			t.Error("the next page has another order or other columns")
		}
		names = append(names, found(rowName, body)...)
	}
	if len(names) != 110 || names[0] != "r010" || names[109] != "r119" || !slices.IsSorted(names) || len(found(nextPage, body)) != 0 {
		t.Errorf("%d rows over three pages: %q", len(names), names)
	}
	// Every other choice starts at the first page.
	for title, link := range sortLinks(body) {
		if strings.Contains(link, "page=") {
			t.Errorf("sorting by %s keeps the page: %s", title, link)
		}
	}
	if strings.Contains(body, `name="page"`) {
		t.Error("a form keeps the page")
	}
	u, err := url.Parse(second)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"order": "metrics.score DESC", "filter": "metrics.score > 5", "experiment": "", "page": "rubbish"} {
		q := u.Query()
		q.Set(name, value)
		resp, body := l.Get("/runs?" + q.Encode())
		l.Expect(resp, body, 400, "This page of the list is gone", "First page")
		if strings.Contains(body, `role="alert"`) {
			t.Errorf("%s: a control is blamed for the page token", name)
		}
	}
}

func TestColumnsThatAreOffered(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	run := &w.Runs[len(w.Runs)-3]
	for i := range 150 {
		run.Metrics = append(run.Metrics, mlops.Metric{Key: fmt.Sprintf("layer/%03d", i)})
	}
	run.Tags = append(run.Tags, mlops.KV{Key: "long", Value: strings.Repeat("ab", 2000)}, mlops.KV{Key: "mlflow.log-model.history", Value: "[]"})
	run.Params = append(run.Params, mlops.KV{Key: "accuracy", Value: "wanted"})
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(runsOf("experiment", "5", "column", "tags.long", "column", "metrics.elsewhere", "column", "metrics.accuracy", "column", "params.accuracy"))
	l.Expect(resp, body, 200, `value="tags.long" checked`, `value="metrics.elsewhere" checked`, `value="params.n_estimators"`, "53 more keys are not listed", strings.Repeat("ab", 30)+"…",
		`<span class="sub">metric</span>`, `<span class="sub">param</span>`)
	if strings.Contains(body, "log-model.history") {
		t.Error("a tag that clients keep for themselves is offered")
	}
	if strings.Contains(body, strings.Repeat("ab", 1000)) {
		t.Error("a cell shows a value of thousands of characters")
	}
	if choices := strings.Count(body, `type="checkbox" name="column" value="metrics.`); choices != 102 {
		t.Errorf("%d metrics are offered", choices)
	}
}

func TestRunsThatCanBeSelected(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Trainings = append([]mlops.Training{{ID: 99, Project: "iris", Job: "iris-train-99", State: mlops.TrainingRequested, CreatedAt: visit.Noon}}, w.Trainings...)
	l := visit.Start(t, w).AsAdmin()
	_, body := l.Get("/runs")
	if rows, boxes := strings.Count(body, `<tr id="`), strings.Count(body, `name="run" value="`); rows != 28 || boxes != 27 {
		t.Errorf("%d rows with %d boxes: the training without a run must have none", rows, boxes)
	}
	l.ExpectText(body, `<form class="compare-bar" id="compare" method="get" action="/compare"`, `form="compare" id="select-`+w.Runs[0].ID+`"`)
	// A training belongs to the first page of everything and of its own experiment.
	for path, want := range map[string]bool{"/runs?experiment=1": true, "/runs?experiment=5": false, runsOf("order", "metrics.accuracy DESC"): false} {
		if _, body := l.Get(path); strings.Contains(body, "iris-train-99") != want {
			t.Errorf("%s: the training is listed: %t", path, !want)
		}
	}
	_, body = l.Get("/")
	if strings.Contains(body, `name="run"`) || len(sortLinks(body)) > 0 {
		t.Error("the overview has boxes or headers that sort")
	}
	_, body = l.Get(runsOf("filter", "metrics.accuracy > 5"))
	l.ExpectText(body, "No run matches", `aria-label="Compare runs" hidden`)
}

func TestFamilies(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	parent, child := w.Runs[len(w.Runs)-2], w.Runs[len(w.Runs)-3]
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/runs/" + parent.ID)
	l.Expect(resp, body, 200, "Child runs", "sweep-12", "Random search over 12 draws.\nThe forest", "see &lt;notebook&gt;.",
		html.EscapeString(runsOf("experiment", "5", "filter", "tags.`mlflow.parentRunId` = '"+parent.ID+"'")))
	resp, body = l.Get("/runs/" + child.ID)
	l.Expect(resp, body, 200, "Parent run", `<a href="/runs/`+parent.ID+`" class="" title="">sweep</a>`, "Logged models", "m-"+child.ID)
	if strings.Contains(body, "Child runs") {
		t.Error("a run without children has a list of them")
	}
	for i := range 30 {
		c := child
		c.ID = fmt.Sprintf("%032d", i)
		w.Runs = append(w.Runs, c)
	}
	resp, body = l.Get("/runs/" + parent.ID)
	l.Expect(resp, body, 200, "The newest 20 are shown")
	if rows := strings.Count(body, `<tr id="run-`); rows != 20 {
		t.Errorf("%d children are listed", rows)
	}
	w.Runs[len(w.Runs)-1].Tags = []mlops.KV{{Key: mlops.TagParentRun, Value: "gone"}}
	resp, body = l.Get("/runs/" + w.Runs[len(w.Runs)-1].ID)
	l.Expect(resp, body, 200, "There is no run gone any more.")
}

func TestExperiments(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/experiments")
	l.Expect(resp, body, 200, `<a href="/runs?experiment=5">digits/random forest sweep</a>`, `data-label="Runs" class="num">13<`, "mlflow-artifacts:/5", "Show 1 deleted experiment")
	if strings.Contains(body, "first tries") {
		t.Error("a deleted experiment is listed without being asked for")
	}
	resp, body = l.Get("/experiments?deleted=1&name=TRIES")
	l.Expect(resp, body, 200, "first tries", "mlflow experiments restore", `value="TRIES"`)
	if strings.Contains(body, "digits") {
		t.Error("the name does not choose")
	}
	resp, body = l.Get("/experiments?name=%22%3Cx")
	l.Expect(resp, body, 200, "No experiment matches", "&lt;x")
	// What is remembered is asked for anew once something has changed.
	w.Change(func() {
		for i := range 400 {
			w.Experiments = append(w.Experiments, mlops.Experiment{ID: fmt.Sprint(100 + i), Name: fmt.Sprint("many-", i)})
		}
	})
	resp, body = l.Get("/experiments")
	l.Expect(resp, body, 200, "The first 300 of 402 experiments: type a part of the name to find the others.")
	if rows := strings.Count(body, `<tr id="experiment-`); rows != 300 {
		t.Errorf("%d rows", rows)
	}
}
