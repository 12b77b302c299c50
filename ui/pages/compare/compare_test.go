package compare_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// sweep is a lab with runs to compare, and their ids.
func sweep(t *testing.T) (*uitest.World, []string) {
	t.Helper()
	w := uitest.Full(visit.AtNoon)
	return w, w.AddSweep()
}

// text is what a reader sees: without tags, entities or runs of spaces.
func text(body string) string {
	return strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, " "))), " ")
}

var curvesAttribute = regexp.MustCompile(`data-curves="([^"]*)"`)

func curvesOf(t *testing.T, body string) view.CurveData {
	t.Helper()
	m := curvesAttribute.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("the page has no curves: %s", text(body))
	}
	var d view.CurveData
	if err := json.Unmarshal([]byte(html.UnescapeString(m[1])), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCompareRefusesWhatCannotBeCompared(t *testing.T) {
	w, ids := sweep(t)
	w.Runs[0].Deleted = true
	deleted := w.Runs[0]
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("%032x", i)
	}
	l := visit.Start(t, w).AsAdmin()
	for _, c := range []struct {
		what   string
		ids    []string
		status int
		want   string
	}{
		{"no run", nil, 400, "A comparison needs at least two different runs; this address names 0 runs. Choose the runs in the table of runs, and compare again."},
		{"one run", ids[:1], 400, "this address names 1 run."},
		{"the same run twice", []string{ids[0], ids[0], " "}, 400, "this address names 1 run."},
		{"too many", many, 400, "At most 100 runs can be compared at once; this address names 101. Filter the table of runs, and choose fewer."},
		{"only one that is there", []string{ids[0], "gone"}, 404, "There is no run “gone”. That leaves 1 run, and a comparison needs at least two."},
		{"none that is there", []string{deleted.ID, "<b>"}, 404, "There is no run “<b>”. Deleted: “" + deleted.Name + "”. That leaves 0 runs"},
	} {
		resp, body := l.Get(visit.CompareURL(c.ids))
		if resp.StatusCode != c.status || !strings.Contains(text(body), c.want) {
			t.Errorf("%s: got %s, %s\nwant %d with %q", c.what, resp.Status, text(body), c.status, c.want)
		}
	}
	resp, body := l.Get(visit.CompareURL(ids[:3], "without="+ids[1]))
	l.Expect(resp, body, 200, "Compare 2 runs")
	if strings.Contains(body, "/runs/"+ids[1]) || strings.Contains(body, `value="`+ids[1]) {
		t.Error("the run that was left out is still in the page")
	}
	resp, body = l.Get(visit.CompareURL(many[:100]))
	if resp.StatusCode != 404 || !strings.Contains(text(body), "and 95 more") {
		t.Errorf("100 unknown runs: %s %s", resp.Status, text(body))
	}
}

func TestCompareGoesOnWithoutWhatIsGone(t *testing.T) {
	w, ids := sweep(t)
	w.Runs[0].Deleted = true
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(visit.CompareURL([]string{ids[0], w.Runs[0].ID, "0123", ids[1], ids[2]}))
	l.Expect(resp, body, 200, "Compare 3 runs")
	if want := "There is no run “0123”. Deleted: “" + w.Runs[0].Name + "”. The other 3 are compared."; !strings.Contains(text(body), want) {
		t.Errorf("%q is not in %s", want, text(body))
	}
}

func TestCompareSaysWhichChoicesItDoesNotKnow(t *testing.T) {
	w, ids := sweep(t)
	l := visit.Start(t, w).AsAdmin()
	var axes []string
	for i := range 13 {
		axes = append(axes, fmt.Sprintf("axis=params.%d", i))
	}
	for choice, c := range map[string]struct {
		status int
		want   string
	}{
		"over=days":              {400, "The address asks for over=days, which is not known: expected step, time or relative. Showing step."},
		"scale=root":             {400, "The address asks for scale=root, which is not known: expected linear or log. Showing linear."},
		strings.Join(axes, "&"):  {400, "The address names 13 axes; the first 12 are drawn, more cannot be told apart. Choose fewer."},
		"axis=params.nope":       {200, `None of these runs has the param or metric "params.nope" that the address names as axis: it is left out. Choose another in the list.`},
		"axis=learning_rate":     {200, `"learning_rate" that the address names as axis`},
		"metric=nope":            {200, `None of these runs has the metric "nope" that the address names as metric`},
		"color=params.layers":    {200, `None of these runs has the metric "params.layers" that the address names as color`},
		"x=metrics.nope":         {200, `the param or metric "metrics.nope" that the address names as x`},
		"y=params.optimizer":     {200, "The address asks for y=params.optimizer, which is text in some run: expected a param of numbers or a metric. Choose another in the list."},
		"tag=nope":               {200, `None of these runs has the tag "nope" that the address names: it is left out.`},
		"x=params.learning_rate": {200, "Compare 14 runs"},
	} {
		resp, body := l.Get(visit.CompareURL(ids, choice))
		if resp.StatusCode != c.status || !strings.Contains(text(body), c.want) {
			t.Errorf("%s: got %s\nwant %d with %q", choice, resp.Status, c.status, c.want)
		}
		if notices := strings.Count(body, `class="notice `); (strings.Contains(c.want, "address") || c.status != 200) != (notices > 0) {
			t.Errorf("%s: %d notices", choice, notices)
		}
	}
}

func TestCompareMarksDifferences(t *testing.T) {
	w, ids := sweep(t)
	l := visit.Start(t, w).AsAdmin()
	_, body := l.Get(visit.CompareURL(ids[:3], "tag=owner", "tag=mlflow.source.name"))
	rows := regexp.MustCompile(`(?s)<tr class="(differs|)"><th scope="row">(.*?)</th>`).FindAllStringSubmatch(body, -1)
	differs := map[string]bool{}
	for _, row := range rows {
		differs[strings.TrimPrefix(text(row[2]), "≠ differs: ")] = row[1] == "differs"
	}
	for name, want := range map[string]bool{"learning_rate": true, "epochs": false, "val_loss": true, "Experiment": false, "Status": false, "momentum": true, "owner": false, "mlflow.source.name": false, "Started": true} {
		if got, ok := differs[name]; !ok || got != want {
			t.Errorf("row %s: got differs %v, there %v; want %v", name, got, ok, want)
		}
	}
	_, body = l.Get(visit.CompareURL(ids[:3], "only=differences", "tag=owner"))
	if strings.Contains(body, `<tr class="">`) || !strings.Contains(text(body), "Params 2 rows are the same in all runs") || !strings.Contains(text(body), "Tags 1 row is the same in all runs") {
		t.Errorf("only differences: %s", text(body))
	}
}

func TestCompareCurves(t *testing.T) {
	w, ids := sweep(t)
	l := visit.Start(t, w).AsAdmin()
	_, body := l.Get(visit.CompareURL(ids, "metric=val_loss"))
	d := curvesOf(t, body)
	if len(d.Lines) != 13 || d.Over != "step" || d.Log {
		t.Fatalf("got %d lines over %s, log %v; want 13 over step", len(d.Lines), d.Over, d.Log)
	}
	for _, want := range []string{"Without val_loss: adam-lr0.1-b64.", "NaN or infinite values leave gaps in: sgd-lr0.2-b32."} {
		if !strings.Contains(text(body), want) {
			t.Errorf("%q is not in %s", want, text(body))
		}
	}
	diverged := d.Lines[4]
	if diverged.Name != "sgd-lr0.2-b32" || diverged.Y[33] == nil || diverged.Y[34] != nil {
		t.Errorf("the run that became NaN: %s, step 33 %v, step 34 %v", diverged.Name, diverged.Y[33], diverged.Y[34])
	}
	if first := d.Lines[0]; first.X[7] != 7 || math.Abs(*first.Y[0]-w.History[ids[0]+"/val_loss"][0].Value) > 1e-6 {
		t.Errorf("got %v, %v", first.X[:8], *first.Y[0])
	}

	_, body = l.Get(visit.CompareURL(ids[:2], "metric=val_loss", "over=relative"))
	if x := curvesOf(t, body).Lines[0].X; math.Abs(x[10]-10*1.792) > 1e-9 {
		t.Errorf("relative time: got %v", x[:11])
	}
	_, body = l.Get(visit.CompareURL(ids[:2], "metric=val_loss", "over=time"))
	if x := curvesOf(t, body).Lines[1].X; x[0] != float64(visit.Noon.Add(-6*time.Hour+11*time.Minute).Unix()) {
		t.Errorf("wall time: got %v", x[:2])
	}

	w, ids = sweep(t) // another lab, because this one has kept its curves
	w.History[ids[0]+"/val_loss"][3].Value, w.History[ids[1]+"/val_loss"][0].Value = -1, 0
	l = visit.Start(t, w).AsAdmin()
	_, body = l.Get(visit.CompareURL(ids[:2], "metric=val_loss", "scale=log"))
	d = curvesOf(t, body)
	if !d.Log || d.Lines[0].Y[3] != nil || d.Lines[1].Y[0] != nil || !strings.Contains(text(body), "2 points are zero or below, which a log scale cannot show; the linear scale can.") {
		t.Errorf("log scale: %v %s", d.Lines[0].Y[:4], text(body))
	}
}

func TestCompareParallelShowsMissingValues(t *testing.T) {
	w, ids := sweep(t)
	l := visit.Start(t, w).AsAdmin()
	_, body := l.Get(visit.CompareURL(ids, "axis=params.optimizer", "axis=params.momentum", "axis=metrics.val_loss", "color=metrics.val_loss"))
	if got := strings.Count(body, `<polyline class="line `); got != 14 {
		t.Errorf("got %d lines, want one a run", got)
	}
	for _, want := range []string{"9 without", "2 without", "2 runs without a number", "A line below an axis: the run has no value there, or none that is a number.", "adamw"} {
		if !strings.Contains(text(body), want) {
			t.Errorf("%q is not in %s", want, text(body))
		}
	}
	// The failed run has an optimizer and nothing else, so it ends below the axes.
	failed := regexp.MustCompile(`data-run="9" data-tip="[^"]*" aria-label="[^"]*"><polyline class="grip" points="([^"]*)"`).FindStringSubmatch(body)
	if failed == nil || failed[1] != "166.67,43.33 500,280 833.33,280" {
		t.Errorf("the failed run goes through %q", failed)
	}
	_, body = l.Get(visit.CompareURL(ids, "axis=params.optimizer"))
	if !strings.Contains(text(body), "Lines need at least two axes: choose params and metrics that the runs have.") {
		t.Errorf("one axis: %s", text(body))
	}
}

func TestCompareRunsThatHaveNothing(t *testing.T) {
	w := uitest.Empty(visit.AtNoon)
	for _, id := range []string{"a", "b"} {
		w.Runs = append(w.Runs, mlops.Run{ID: id, Name: "run " + id, Experiment: "Default", Status: mlops.RunRunning, StartedAt: visit.Noon})
	}
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(visit.CompareURL([]string{"a", "b"}))
	l.Expect(resp, body, 200, "None of these runs has logged a metric yet.", "Lines need at least two axes", "A scatter plot needs two params of numbers or metrics")
}

func TestCompareKeepsPagesSmall(t *testing.T) {
	w := uitest.Empty(visit.AtNoon)
	for i := range 100 {
		r := mlops.Run{ID: fmt.Sprintf("%032x", i), Name: fmt.Sprint("run ", i), Status: mlops.RunFinished, StartedAt: visit.Noon, EndedAt: visit.Noon.Add(time.Minute), Params: []mlops.KV{{Key: "prompt", Value: strings.Repeat("é", 6000)}}}
		for m := range 400 {
			key := fmt.Sprintf("m%03d", m)
			for s := range 1000 {
				if m == 0 {
					w.History[r.ID+"/"+key] = append(w.History[r.ID+"/"+key], mlops.Metric{Key: key, Value: 1 / float64(s+i+3), Step: int64(s), Time: visit.Noon})
				}
			}
			r.Metrics = append(r.Metrics, mlops.Metric{Key: key, Value: float64(i), Step: 999, Time: visit.Noon})
		}
		w.Runs = append(w.Runs, r)
	}
	var ids []string
	for _, r := range w.Runs {
		ids = append(ids, r.ID)
	}
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(visit.CompareURL(ids))
	l.Expect(resp, body, 200, "100 more rows are not shown; the runs&#39; own pages have them")
	points := 0
	for _, line := range curvesOf(t, body).Lines {
		points += len(line.X)
	}
	if points != 100*200 {
		t.Errorf("got %d points in all curves, want 20000", points)
	}
	if strings.Contains(body, strings.Repeat("é", 1001)) || len(body) > 4<<20 {
		t.Errorf("the page has %d bytes", len(body))
	}
}

func TestCompareIsLive(t *testing.T) {
	w, ids := sweep(t)
	running := ids[13]
	l := visit.Start(t, w).AsAdmin()
	next := l.Stream("/live" + visit.CompareURL([]string{ids[0], running}, "metric=val_loss"))
	first := curvesOf(t, l.Await(next, "curves", "data-curves").Data)
	w.GrowSweep()
	h := w.History[running+"/val_loss"]
	logged := h[len(h)-1].Value
	l.Await(next, "table", strconv.FormatFloat(logged, 'f', 4, 64))
	second := curvesOf(t, l.Await(next, "curves", "data-curves").Data)
	before, after := len(first.Lines[1].X), len(second.Lines[1].X)
	if after != before+1 || math.Abs(*second.Lines[1].Y[after-1]-logged) > 1e-6 {
		t.Errorf("the curve had %d points and has %d, the last %v, want %v", before, after, *second.Lines[1].Y[after-1], logged)
	}
}

func TestCompareWhileTheRegistryIsAway(t *testing.T) {
	w, ids := sweep(t)
	l := visit.Start(t, w).AsAdmin()
	w.Change(func() { w.Down["registry"] = errors.New("secret detail") })
	resp, body := l.Get(visit.CompareURL(ids))
	if resp.StatusCode != 500 || strings.Contains(body, "secret detail") {
		t.Errorf("got %s %s", resp.Status, text(body))
	}
}
