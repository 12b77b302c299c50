package appliance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestCheckProject(t *testing.T) {
	machine := mlops.Resources{CPU: 2, Memory: 8 << 30}
	good := mlops.Project{Name: "wine", Schedule: "0 3 * * *", TimeZone: "Europe/Berlin", Params: `{"C":1}`}
	for _, c := range []struct {
		change func(*mlops.Project)
		want   string
	}{
		{func(*mlops.Project) {}, ""},
		{func(p *mlops.Project) { p.Schedule, p.Params = "", "" }, ""},
		{func(p *mlops.Project) { p.Schedule = "hourly" }, `schedule of project wine: expected five cron fields (minute hour day month weekday) such as "*/30 * * * *", found "hourly"`},
		{func(p *mlops.Project) { p.TimeZone = "Mars" }, `time zone of project wine: expected the IANA name of a time zone such as UTC or Europe/Berlin, found "Mars"`},
		{func(p *mlops.Project) { p.Params = "C=1" }, `params of project wine: expected a JSON object such as {"C": 0.5}, found "C=1"`},
		{func(p *mlops.Project) { p.Resources.Limits.Memory, p.Environment = "2Gi", mlops.Variables{"A": "1"} }, ""},
		{func(p *mlops.Project) { p.Resources.Limits.Memory = "lots" }, `resources of project wine: memory limit: expected memory such as 512Mi or 2Gi, at least 16Mi, found "lots"`},
		{func(p *mlops.Project) { p.Resources.Requests.CPU = "3" }, "resources of project wine: CPU request 3 is more than this machine has, 2 cores: expected a request that it can meet"},
		{func(p *mlops.Project) { p.Environment = mlops.Variables{"AWS_REGION": "x"} }, "environment of project wine: AWS_REGION is Benchtop's to set: expected a name other than HOME, PATH, NO_PROXY, no_proxy that begins with none of BENCHTOP_, MLFLOW_, AWS_, KUBERNETES_, PYTHON, LD_"},
	} {
		p := good
		c.change(&p)
		if err := checkProject(p, machine); c.want == "" && err != nil || c.want != "" && (mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != c.want) {
			t.Errorf("%+v: %v, want %q", p, err, c.want)
		}
	}
}

// A lab follows the configuration for what nobody has edited.
func TestProjectDefaults(t *testing.T) {
	c := DefaultConfig()
	d := c.projectDefaults()
	if d.Resources != (mlops.TrainerResources{Requests: mlops.ResourceAmounts{CPU: "100m", Memory: "256Mi"}, Limits: mlops.ResourceAmounts{Memory: "1Gi"}}) || d.Environment != nil {
		t.Errorf("without a setting they are %+v", d)
	}
	c.CPULimit, c.Environment = "2", `{"A": "1"}`
	if d = c.projectDefaults(); d.Resources.Limits.CPU != "2" || d.Environment["A"] != "1" {
		t.Errorf("they are %+v", d)
	}
	if room := machineRoom(); room.CPU < 1 || room.Memory < 128<<20 {
		t.Errorf("this machine is said to have %+v", room)
	}
}

func TestSamples(t *testing.T) {
	x := examples()
	if len(samples()) != 3 || len(uiSamples()) != 3 || len(x["iris"]) != 4 || len(x["wine"]) != 13 || len(x["breast-cancer"]) != 30 {
		t.Errorf("samples %v, examples %v", uiSamples(), x)
	}
	if c := DefaultConfig(); c.firstSample() != "iris" || c.WithoutSample().firstSample() != "" {
		t.Errorf("a lab begins with %q, and without with %q", c.firstSample(), c.WithoutSample().firstSample())
	}
}

// What is asked of a project before the lab is up says what is awaited; what
// is asked of one that is not there, what there is.
func TestProjectCalls(t *testing.T) {
	a, c := serveControl(t, http.NotFoundHandler())
	_, err := c.AddProject(t.Context(), mlops.ProjectRequest{Sample: "wine"})
	expectCode(t, err, mlops.Unavailable, "the loop is still starting: try again in a few seconds")
	_, err = c.Projects(t.Context())
	expectCode(t, err, mlops.Unavailable, "the registry is still starting: try again in a few seconds")
	addProject(t, a)
	all, err := c.Projects(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "iris" || all[0].Dataset != "iris" {
		t.Errorf("projects are %+v, %v", all, err)
	}
	if p, err := c.Project(t.Context(), "iris"); err != nil || p.Name != "iris" {
		t.Errorf("it is %+v, %v", p, err)
	}
	_, err = c.Project(t.Context(), "wine")
	expectCode(t, err, mlops.NotFound, `there is no project "wine": expected one of iris`)
	p, err := a.registry.Store().Projects.Project(t.Context(), "iris")
	if err != nil {
		t.Fatal(err)
	}
	p.Deleting = true
	if _, err := a.registry.Store().Projects.PutProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := a.registry.Store().Projects.DeleteProject(t.Context(), "iris"); err != nil {
		t.Fatal(err)
	}
	_, err = c.Project(t.Context(), "iris")
	expectCode(t, err, mlops.NotFound, "there is no project \"iris\", the lab has none yet: add one with `benchtop project add iris`")
	_, _, err = c.Predict(t.Context(), "iris", []byte("{}"))
	expectCode(t, err, mlops.NotFound, "deployment iris does not exist, the lab has no project yet: add one with `benchtop project add iris`")
	if s, err := c.Status(t.Context()); err != nil || s.State != StateReady || strings.Contains(strings.Join(s.Warnings, " "), "served") {
		t.Errorf("without a project the lab is %s: %v, %v", s.State, s.Warnings, err)
	}
}
