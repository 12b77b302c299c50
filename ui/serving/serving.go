// Package serving is what pages of several families say of what is served, and how
// they change it.
package serving

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/traffic"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Desk is where pages ask what is served, and change it.
type Desk struct {
	*page.Site
	Examples    map[string][]float64 // one instance per deployment or model
	IngressPort int                  // where deployments answer
}

// Served says which deployments serve what, or that nobody knows.
type Served struct {
	Deployments []mlops.Deployment
	Problem     *view.Problem
}

// By asks for the deployments.
func (s Desk) By(ctx context.Context) Served {
	ds, err := s.Loop.Deployments(ctx)
	return Served{ds, s.Problem("the deployments", err)}
}

// Model returns the deployments of a model, with the version that each serves.
func (d Served) Model(name string) []view.Value {
	return d.Links(func(m mlops.Deployment) bool { return m.Model == name && m.Version != "" }, true)
}

// Version returns the deployments that serve a version.
func (d Served) Version(model string, version int) []view.Value {
	return d.Links(func(m mlops.Deployment) bool { return m.Model == model && m.Version == strconv.Itoa(version) }, false)
}

// Links links the deployments that match.
func (d Served) Links(match func(mlops.Deployment) bool, withVersion bool) []view.Value {
	if d.Problem != nil {
		return []view.Value{{Text: "unknown", Title: d.Problem.Message}}
	}
	var out []view.Value
	for _, m := range d.Deployments {
		if !match(m) {
			continue
		}
		text := m.Name
		if withVersion {
			text += " (v" + m.Version + ")"
		}
		out = append(out, view.Ref(text, paths.Deployment(m.Name)))
	}
	return out
}

// Row is a deployment in a table.
func Row(d mlops.Deployment, t mlops.Traffic) view.DeploymentRow {
	return view.DeploymentRow{Name: d.Name, URL: paths.Deployment(d.Name), Pill: pills.Deployment(d), Holds: pills.Holds(d), Model: Model(d),
		Replicas: fmt.Sprintf("%d/%d", d.Ready, d.Replicas), Address: d.Host, Rate: view.Rate(t.RequestsPerSecond), Errors: traffic.ErrorShare(t), P50: view.Seconds(t.P50Seconds), P99: view.Seconds(t.P99Seconds)}
}

// Model links what a deployment serves.
func Model(d mlops.Deployment) view.Value {
	if d.Version == "" {
		return view.Text("no model yet")
	}
	text := d.Model + " v" + d.Version
	if n, err := strconv.Atoi(d.Version); err == nil {
		return view.Ref(text, paths.Version(d.Model, n))
	}
	return view.Text(text)
}

// Find returns a deployment.
func (s Desk) Find(ctx context.Context, name string) (mlops.Deployment, error) {
	ds, err := s.Loop.Deployments(ctx)
	if err != nil {
		return mlops.Deployment{}, err
	}
	for _, d := range ds {
		if d.Name == name {
			return d, nil
		}
	}
	return mlops.Deployment{}, mlops.Errorf(mlops.NotFound, "There is no deployment %q.", name)
}

// What a change leads back with, so that the page says what it has done.
const (
	DonePromoted   = "promoted"
	DoneRolledBack = "rolled-back"
	DoneApproved   = "approved"
	DoneRejected   = "rejected"
	DonePinned     = "pinned"
	DoneUnpinned   = "unpinned"
	DonePaused     = "paused"
	DoneResumed    = "resumed"
	DoneDeployed   = "deployed"
	DoneScaled     = "scaled"
)

// ChangeOf finds the deployment that is to be changed, and who does so why.
func (s Desk) ChangeOf(c echo.Context, deployment string) (mlops.Deployment, mlops.Act, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	d, err := s.Find(ctx, deployment)
	return d, page.ActOf(c, strings.TrimSpace(c.FormValue("reason"))), err
}

// Released leads back to the deployment that was changed, and says so in the log.
func (s Desk) Released(c echo.Context, d mlops.Deployment, r mlops.Revision, done string) error {
	s.Log().Info("what is served was changed", "deployment", d.Name, "revision", r.Number, "version", r.Version, "state", r.State, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, paths.WithQuery(paths.Deployment(d.Name), "done", done, "revision", strconv.Itoa(r.Number))+"#history")
}

// PutIntoService promotes a version. What the loop would refuse with the
// command to type is refused here with the button to press.
func (s Desk) PutIntoService(ctx context.Context, d mlops.Deployment, version int, override bool, act mlops.Act) (mlops.Revision, error) {
	switch {
	case override && act.Reason == "":
		return mlops.Revision{}, mlops.Errorf(mlops.Invalid, "To overrule a gate needs a reason: type why version %d is served anyway, and press the button again.", version)
	case d.Paused:
		return mlops.Revision{}, mlops.Errorf(mlops.InvalidState, "Deployment %s is paused: press Resume on its page first.", d.Name)
	}
	return s.Steps.Promote(ctx, d.Name, version, override, act)
}

// Refusal says what was wrong with a change; its cause is for the log.
func (s Desk) Refusal(err error) string {
	if mlops.CodeOf(err) == mlops.Internal {
		s.Log().Error("cannot change what is served", "err", err)
	}
	return mlops.MessageOf(page.Sentence(err))
}

// GateRefused reports whether a gate has ended a revision.
func GateRefused(r mlops.Revision) bool {
	return r.State == mlops.RevisionRejected && slices.ContainsFunc(r.Gates, func(g mlops.GateResult) bool { return !g.Passed })
}

// Findings are what the gates found and how a revision ended, each in a line.
// The message of a gate's refusal says the same as the gate.
func Findings(r mlops.Revision) []string {
	var out []string
	said := false
	for _, g := range r.Gates {
		out = append(out, view.Capital(g.String()))
		said = said || !g.Passed && strings.Contains(r.Message, g.String())
	}
	if r.Message != "" && !said {
		message := r.Message
		if r.State == mlops.RevisionWaiting {
			message = WithoutCommand(message)
		}
		out = append(out, view.Capital(message))
	}
	return out
}

// WithoutCommand leaves out the command that a message ends with: where people
// read it here, there is a button.
func WithoutCommand(message string) string {
	if what, _, ok := strings.Cut(message, ": `"); ok {
		return what
	}
	return message
}

// Deployed says in the log that a deployment was made or changed.
func (s Desk) Deployed(c echo.Context, out mlops.Deployed) {
	if out.Created || out.Changed {
		s.Log().Info("deployment set", "deployment", out.Deployment.Name, "model", out.Deployment.Model, "replicas", out.Deployment.Replicas, "new", out.Created, "by", page.VisitorOf(c).Principal.Name)
	}
}

// ReplicasOf reads a number of servers.
func ReplicasOf(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, mlops.Errorf(mlops.Invalid, "The number of servers is %q: expected 0 to %d.", view.Clip(text), mlops.MaxReplicas)
	}
	return n, mlops.ValidateReplicas(n)
}

// Example returns an instance to start with: the configured one, or zeros.
func (s Desk) Example(d mlops.Deployment) []float64 {
	for _, name := range []string{d.Name, d.Model} {
		// Those of a model that no project trains are known from what it says.
		if e, ok := s.Examples[name]; ok && (len(d.FeatureNames) == 0 && !d.Own || len(e) == len(d.FeatureNames)) {
			return e
		}
	}
	return make([]float64, len(d.FeatureNames))
}

// ExampleBody is something to send to a deployment. Of a model that does not
// say what it takes, nothing better is known than a number.
func (s Desk) ExampleBody(d mlops.Deployment) string {
	e := s.Example(d)
	if len(e) == 0 && d.Own {
		e = []float64{0}
	}
	return InstanceBody(e)
}

// InstanceBody is the body of a prediction for one instance.
func InstanceBody(instance []float64) string {
	numbers := make([]string, len(instance))
	for i, x := range instance {
		numbers[i] = strconv.FormatFloat(x, 'f', -1, 64)
	}
	return `{"instances": [[` + strings.Join(numbers, ", ") + `]]}`
}

// IngressURL is where deployments answer, by the name by which this machine
// was reached.
func (s Desk) IngressURL(c echo.Context) string {
	host := NameOf(c)
	if s.IngressPort != 80 {
		host = net.JoinHostPort(host, strconv.Itoa(s.IngressPort))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "http://" + host
}

// NameOf is the name or address by which this machine was reached.
func NameOf(c echo.Context) string {
	host := c.Request().Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}
