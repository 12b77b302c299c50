package visit

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
)

var update = flag.Bool("update", false, "write the golden pages anew")

var (
	anyToken = regexp.MustCompile(`name="csrf" value="[^"]*"`)
	anyPort  = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// Golden is a page in a scene, which must be as testdata/<scene>-<name>.html of
// the package has it.
type Golden struct {
	Scene, Path, Name string
	Status            int
}

// Pages compares pages with their golden files. Run a test with -update after a
// change and look at the difference.
func Pages(t *testing.T, pages []Golden) {
	t.Helper()
	worlds := map[string]*uitest.World{}
	for _, c := range pages {
		if worlds[c.Scene] == nil {
			worlds[c.Scene] = Scene(t, c.Scene)
		}
		t.Run(c.Scene+"/"+c.Name, func(t *testing.T) {
			l := Start(t, worlds[c.Scene]).AsAdmin()
			resp, body := l.Get(c.Path)
			l.Expect(resp, body, c.Status)
			if strings.Contains(body, secretDetail) {
				t.Error("the page shows the cause of an internal error")
			}
			Compare(t, c.Scene+"-"+c.Name, body)
		})
	}
}

// secretDetail is in the cause of an error of the scene broken.
const secretDetail = "secret detail"

// Scene is a lab in which it is noon.
func Scene(t *testing.T, name string) *uitest.World {
	t.Helper()
	w := uitest.Full(AtNoon)
	switch name {
	case "full":
	case "empty":
		return uitest.Empty(AtNoon)
	case "booting":
		return uitest.Booting(AtNoon, 3)
	case "boot-failed":
		w = uitest.Booting(AtNoon, 3)
		w.Units[3].State, w.Units[3].Error = supervise.Failed, "address already in use"
	case "starting":
		w.Down = map[string]error{"registry": uitest.Starting("The registry"), "loop": uitest.Starting("The loop"),
			"cluster": uitest.Starting("The cluster"), "gpus": uitest.Starting("The GPUs"), "labs": uitest.Starting("The engine of the labs"), "metrics": uitest.Starting("Prometheus")}
	case "broken":
		w.Machine.DiskUsed = w.Machine.DiskTotal / 100 * 93
		w.Down = map[string]error{"metrics": errors.New("dial tcp: " + secretDetail), "cluster": mlops.Errorf(mlops.Denied, "The cluster refuses this."), "gpus": errors.New("dial unix: " + secretDetail), "labs": errors.New("sql: " + secretDetail)}
		w.Units[5].State, w.Units[5].Error = supervise.Failed, "no space left on device"
	case "labs", "lab-mid-way", "lab-passed", "lab-broken", "lab-mended", "lab-opening", "lab-closing":
		w.AddLabScene(strings.TrimPrefix(name, "lab-"))
	case "code":
		w.AddCode()
	case "gpus":
		return uitest.WithGPUs(AtNoon)
	case "ailing":
		return uitest.Ailing(AtNoon)
	case "refused":
		w.Put(RefusedByGate())
	case "waiting":
		w.Put(mlops.Revision{Deployment: "iris", Model: "iris", Version: 11, RunID: w.Runs[2].ID, State: mlops.RevisionWaiting, Cause: mlops.CauseVersion, By: "benchtop", CreatedAt: Noon,
			Message: "it waits for an approval: `benchtop approve iris`, or the deployment's page"})
		w.Projects[0].Gates = mlops.Gates{Approval: mlops.ApprovalRequired}
		w.Deployments[0].Pinned, w.Deployments[0].Paused = true, true
	case "many":
		w.AddMany(50)
	case "own":
		w.AddOwn()
	case "sweep":
		w.AddSweep()
	default:
		t.Fatalf("there is no scene %q", name)
	}
	return w
}

// Compare compares a page with testdata/<name>.html. It puts each element on a
// line of its own, so that a difference can be read.
func Compare(t *testing.T, name, body string) {
	t.Helper()
	path := filepath.Join("testdata", name+".html")
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
