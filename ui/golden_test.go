package ui_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

var update = flag.Bool("update", false, "write the golden pages anew")

var (
	anyToken = regexp.MustCompile(`name="csrf" value="[^"]*"`)
	anyPort  = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// TestPages compares rendered pages with those in testdata. Run it with
// -update after a change and look at the difference.
func TestPages(t *testing.T) {
	full, empty := uitest.Full(visit.AtNoon), uitest.Empty(visit.AtNoon)
	booting := uitest.Booting(visit.AtNoon, 3)
	failed := uitest.Booting(visit.AtNoon, 3)
	failed.Units[3].State, failed.Units[3].Error = supervise.Failed, "address already in use"
	starting := uitest.Full(visit.AtNoon)
	starting.Down = map[string]error{"registry": uitest.Starting("The registry"), "loop": uitest.Starting("The loop"),
		"cluster": uitest.Starting("The cluster"), "metrics": uitest.Starting("Prometheus")}
	broken := uitest.Full(visit.AtNoon)
	broken.Machine.DiskUsed = broken.Machine.DiskTotal / 100 * 93
	broken.Down = map[string]error{"metrics": errors.New("dial tcp: secret detail"), "cluster": mlops.Errorf(mlops.Denied, "The cluster refuses this.")}
	broken.Units[5].State, broken.Units[5].Error = supervise.Failed, "no space left on device"
	ailing := uitest.Ailing(visit.AtNoon)
	refused, waiting := uitest.Full(visit.AtNoon), uitest.Full(visit.AtNoon)
	refused.Put(visit.RefusedByGate())
	waiting.Put(mlops.Revision{Deployment: "iris", Model: "iris", Version: 11, RunID: waiting.Runs[2].ID, State: mlops.RevisionWaiting, Cause: mlops.CauseVersion, By: "benchtop", CreatedAt: visit.Noon,
		Message: "it waits for an approval: `benchtop approve iris`, or the deployment's page"})
	waiting.Projects[0].Gates = mlops.Gates{Approval: mlops.ApprovalRequired}
	waiting.Deployments[0].Pinned, waiting.Deployments[0].Paused = true, true
	own := uitest.Full(visit.AtNoon)
	own.AddOwn()
	sweep := uitest.Full(visit.AtNoon)
	swept := sweep.AddSweep()
	running, finished, failedRun := full.Runs[0].ID, full.Runs[1].ID, full.Runs[9].ID
	child, parent := full.Runs[len(full.Runs)-3].ID, full.Runs[len(full.Runs)-2].ID

	for _, c := range []struct {
		world  *uitest.World
		scene  string
		path   string
		golden string
		status int
	}{
		{full, "full", "/", "overview", 200},
		{full, "full", "/runs", "runs", 200},
		{full, "full", "/runs?filter=metrics.accuracy+%3E+0.96", "runs-filtered", 200},
		{full, "full", "/runs?filter=nonsense", "runs-filter-error", 400},
		{full, "full", "/runs?experiment=5&order=metrics.%60val%2Ff1%60+DESC", "runs-sorted", 200},
		{full, "full", "/runs?experiment=5&order=nonsense&column=attributes.user_id&column=metrics.val%2Ff1", "runs-order-error", 400},
		{full, "full", "/runs?experiment=6", "runs-deleted-experiment", 404},
		{full, "full", "/experiments?deleted=1", "experiments", 200},
		{full, "full", "/runs/" + parent, "run-parent", 200},
		{full, "full", "/runs/" + child, "run-child", 200},
		{full, "full", "/runs/" + running, "run-running", 200},
		{full, "full", "/runs/" + finished, "run-finished", 200},
		{full, "full", "/runs/" + failedRun, "run-failed", 200},
		{full, "full", "/runs/" + finished + "/artifacts", "artifacts", 200},
		{full, "full", "/runs/" + finished + "/artifacts?path=model/model.json", "artifact-json", 200},
		{full, "full", "/runs/" + finished + "/artifacts?path=predictions.csv", "artifact-csv", 200},
		{full, "full", "/runs/" + finished + "/artifacts?path=plots/confusion.svg", "artifact-picture", 200},
		{full, "full", "/runs/" + finished + "/artifacts?path=model/weights.bin", "artifact-binary", 200},
		{full, "full", "/models", "models", 200},
		{full, "full", "/models?name=FOREST", "models-search", 200},
		{full, "full", "/models?name=nothing", "models-no-match", 200},
		{full, "full", "/models/iris", "model", 200},
		{full, "full", "/models/energy-demand?metric=rmse&page=from-50", "model-paged", 200},
		{full, "full", "/models/not-trained-yet", "model-without-version", 200},
		{full, "full", "/models/iris/versions/12", "version-served", 200},
		{full, "full", "/models/digits-forest/versions/1", "version-of-a-script", 200},
		{full, "full", "/models/energy-demand/versions/118", "version-of-a-deleted-run", 200},
		{full, "full", "/models/" + uitest.LongName + "/versions/7", "version-without-run", 200},
		{full, "full", "/datasets", "datasets", 200},
		{full, "full", "/datasets/" + full.Datasets[0].SHA256, "dataset", 200},
		{full, "full", "/datasets/0bad", "dataset-unknown", 404},
		{full, "full", "/deployments", "deployments", 200},
		{full, "full", "/deployments/iris", "deployment", 200},
		{own, "own", "/", "overview", 200},
		{own, "own", "/deployments", "deployments", 200},
		{own, "own", "/deployments/forest", "deployment", 200},
		{own, "own", "/models/digits-forest/versions/1", "version", 200},
		{full, "full", "/deployments/iris?range=24h&pod=q2x7k", "deployment-day", 200},
		{full, "full", "/deployments/iris?range=2h", "deployment-range-error", 400},
		{full, "full", "/system?range=7d", "system-week", 200},
		{ailing, "ailing", "/deployments/iris", "deployment", 200},
		{refused, "refused", "/deployments/iris", "deployment", 200},
		{refused, "refused", "/models/iris/versions/11", "version", 200},
		{waiting, "waiting", "/deployments/iris", "deployment", 200},
		{waiting, "waiting", "/models/iris/versions/11", "version", 200},
		{full, "full", "/deployments/iris/predict?x0=6&x1=2,9&x2=4.5&x3=1.5", "prediction", 200},
		{full, "full", "/system", "system", 200},
		{full, "full", "/system/pods?namespace=iris", "pods", 200},
		{full, "full", "/system/pods/iris/iris-train-14-8fzqm", "pod", 200},
		{full, "full", "/system/images", "images", 200},
		{full, "full", "/system/objects?kind=Deployment", "objects", 200},
		{full, "full", "/system/events", "events", 200},
		{full, "full", "/projects", "projects", 200},
		{full, "full", "/projects?deleted=wine", "projects-deleted", 200},
		{full, "full", "/projects/iris", "project", 200},
		{full, "full", "/access", "access", 200},
		{full, "full", "/no/such/page", "not-found", 404},
		{sweep, "sweep", visit.CompareURL(swept, "tag=stage"), "compare", 200},
		{sweep, "sweep", visit.CompareURL(swept[3:6], "only=differences", "metric=val_loss", "over=relative", "scale=log", "color=metrics.val_auc", "x=params.dropout", "axis=params.optimizer", "axis=metrics.val_loss"), "compare-choices", 200},
		{sweep, "sweep", visit.CompareURL(swept[:1]), "compare-error", 400},
		{empty, "empty", "/", "overview", 200},
		{empty, "empty", "/runs", "runs", 200},
		{empty, "empty", "/experiments", "experiments", 200},
		{empty, "empty", "/models", "models", 200},
		{empty, "empty", "/datasets", "datasets", 200},
		{empty, "empty", "/deployments", "deployments", 200},
		{empty, "empty", "/system/events", "events", 200},
		{empty, "empty", "/access", "access", 200},
		{empty, "empty", "/projects", "projects", 200},
		{starting, "starting", "/access", "access", 200},
		{booting, "booting", "/", "overview", 200},
		{failed, "boot-failed", "/", "overview", 200},
		{starting, "starting", "/", "overview", 200},
		{starting, "starting", "/runs", "runs", 200},
		{starting, "starting", "/experiments", "experiments", 200},
		{starting, "starting", visit.CompareURL(swept), "compare", 503},
		{starting, "starting", "/projects", "projects", 200},
		{starting, "starting", "/projects/iris", "project", 503},
		{starting, "starting", "/models", "models", 200},
		{starting, "starting", "/models/iris/versions/12", "version", 503},
		{starting, "starting", "/datasets", "datasets", 200},
		{starting, "starting", "/deployments", "deployments", 200},
		{starting, "starting", "/deployments/iris", "deployment", 503},
		{starting, "starting", "/system/pods", "pods", 200},
		{starting, "starting", "/system/images", "images", 200},
		{starting, "starting", "/system/objects", "objects", 200},
		{broken, "broken", "/", "overview", 200},
		{broken, "broken", "/deployments/iris", "deployment", 200},
		{broken, "broken", "/system/events", "events", 200},
	} {
		t.Run(c.scene+"/"+c.golden, func(t *testing.T) {
			l := visit.Start(t, c.world).AsAdmin()
			resp, body := l.Get(c.path)
			l.Expect(resp, body, c.status)
			if strings.Contains(body, "secret detail") {
				t.Error("the page shows the cause of an internal error")
			}
			compare(t, filepath.Join("testdata", c.scene+"-"+c.golden+".html"), body)
		})
	}
	t.Run("login", func(t *testing.T) {
		l := visit.Start(t, empty)
		_, body := l.Get("/login")
		compare(t, filepath.Join("testdata", "login.html"), body)
	})
	t.Run("front", func(t *testing.T) {
		l := visit.Start(t, full)
		_, body := l.Get("/front/", "Accept", "text/html")
		compare(t, filepath.Join("testdata", "front.html"), body)
		_, body = l.Get("/front/models/wine", "Accept", "text/html")
		compare(t, filepath.Join("testdata", "front-not-found.html"), body)
	})
	t.Run("another site", func(t *testing.T) {
		l := visit.Start(t, empty)
		_, body := l.SignInFrom("http://lab.example:8088", "X-Forwarded-Host", "lab.example:8088")
		compare(t, filepath.Join("testdata", "another-site.html"), body)
	})
}

// compare puts each element on a line of its own, so that a difference can
// be read.
func compare(t *testing.T, path, body string) {
	t.Helper()
	got := anyToken.ReplaceAllString(body, `name="csrf" value="TOKEN"`)
	got = anyPort.ReplaceAllString(got, "127.0.0.1:PORT")
	got = strings.ReplaceAll(got, "><", ">\n<") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == got {
		return
	}
	w, g := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range g {
		if i >= len(w) || w[i] != g[i] {
			line := ""
			if i < len(w) {
				line = w[i]
			}
			t.Fatalf("%s:%d differs (run with -update if that is right)\nwant %s\ngot  %s", path, i+1, line, g[i])
		}
	}
	t.Fatalf("%s: the page is shorter than it was", path)
}
