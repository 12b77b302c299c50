package deployments

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// shownRevisions bounds the history on a page.
const shownRevisions = 50

// change is one change of what a deployment serves.
type change func(ctx context.Context, c echo.Context, d mlops.Deployment, act mlops.Act) (mlops.Revision, error)

// release makes a change and leads back to the deployment. What is refused is
// shown beside the reason, as it was typed.
func (s *section) release(done string, do change) echo.HandlerFunc {
	return func(c echo.Context) error {
		d, act, err := s.desk.ChangeOf(c, c.Param("name"))
		if err != nil {
			return err
		}
		r, err := do(c.Request().Context(), c, d, act)
		if err != nil {
			return s.refuseRelease(c, act.Reason, err)
		}
		return s.desk.Released(c, d, r, done)
	}
}

func (s *section) promote(override bool) change {
	return func(ctx context.Context, c echo.Context, d mlops.Deployment, act mlops.Act) (mlops.Revision, error) {
		version, err := formNumber(c, "version", "model version")
		if err == nil && version == 0 {
			err = mlops.Errorf(mlops.Invalid, "The version is 0: expected the number of a model version, from 1.")
		}
		if err != nil {
			return mlops.Revision{}, err
		}
		return s.desk.PutIntoService(ctx, d, version, override, act)
	}
}

// decideOn approves or rejects the revision that the button names.
func decideOn(how func(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error)) change {
	return func(ctx context.Context, c echo.Context, d mlops.Deployment, act mlops.Act) (mlops.Revision, error) {
		number, err := formNumber(c, "revision", "revision")
		if err != nil {
			return mlops.Revision{}, err
		}
		return how(ctx, d.Name, number, act)
	}
}

// formNumber reads a number that a button sends, 0 if it sends none.
func formNumber(c echo.Context, name, what string) (int, error) {
	text := strings.TrimSpace(c.FormValue(name))
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, mlops.Errorf(mlops.Invalid, "The field %s is %q: expected the number of a %s.", name, view.Clip(text), what)
	}
	return n, nil
}

func (s *section) hold(done string, pinned, paused *bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		d, act, err := s.desk.ChangeOf(c, c.Param("name"))
		if err != nil {
			return err
		}
		after, err := s.Steps.Hold(c.Request().Context(), d.Name, pinned, paused)
		if err != nil {
			return s.refuseRelease(c, act.Reason, err)
		}
		s.Log().Info("deployment changed", "deployment", d.Name, "pinned", after.Pinned, "paused", after.Paused, "by", page.VisitorOf(c).Principal.Name)
		return c.Redirect(http.StatusSeeOther, paths.WithQuery(paths.Deployment(d.Name), "done", done)+"#history")
	}
}

func (s *section) refuseRelease(c echo.Context, reason string, err error) error {
	return s.refuseDeployment(c, deploymentForms{release: view.ReleaseForm{Reason: reason, Error: s.desk.Refusal(err)}}, page.StatusOf(err))
}

// refuseDeployment shows the page of a deployment again with what was typed.
func (s *section) refuseDeployment(c echo.Context, forms deploymentForms, status int) error {
	p, err := s.deploymentPage(c, forms)
	if err != nil {
		return err
	}
	return s.Render(c, p.Refused(status))
}

// history shows the revisions of a deployment, the newest first.
func (s *section) history(c echo.Context, d mlops.Deployment, rs []mlops.Revision, gates *mlops.Gates, form view.ReleaseForm) view.History {
	h := view.History{Operator: page.May(c, mlops.Operate), Cut: len(rs) > shownRevisions, Form: form}
	h.Form.ID, h.Form.Action = "release", paths.Deployment(d.Name)+"/promote"
	h.Notice = releaseNotice(d, rs, c.QueryParam("done"), c.QueryParam("revision"))
	if h.Operator {
		h.Form.CSRF = page.VisitorOf(c).CSRF
		h.Buttons = deploymentButtons(d, rs)
	}
	for i, r := range rs[:min(len(rs), shownRevisions)] {
		row := view.RevisionRow{ID: fmt.Sprintf("revision-%d", r.Number), Number: fmt.Sprintf("Revision %d", r.Number), Version: view.Ref(paths.VersionText(r.Version), paths.Version(r.Model, r.Version)),
			Pill: pills.Revision(r.State), Approved: r.Approved, Cause: causeText(r.Cause), By: r.By, At: view.At(r.CreatedAt), Reason: r.Reason, Findings: serving.Findings(r), Changed: changedLink(r, rs[i+1:])}
		if h.Operator {
			newer := slices.ContainsFunc(rs[:i], func(o mlops.Revision) bool { return o.Version == r.Version })
			row.Buttons = revisionButtons(d, r, newer, gates == nil || gates.Approval == mlops.ApprovalRequired)
		}
		h.Rows = append(h.Rows, row)
	}
	return h
}

// deploymentButtons are those that concern no revision in particular.
func deploymentButtons(d mlops.Deployment, rs []mlops.Revision) []view.Release {
	at := paths.Deployment(d.Name)
	var out []view.Release
	if d.Revision != nil {
		i := slices.IndexFunc(rs, func(r mlops.Revision) bool { return r.Number < d.Revision.Number && goesBack(d, r) })
		switch {
		case i >= 0:
			out = append(out, view.Release{Text: fmt.Sprintf("Roll back to v%d", rs[i].Version), URL: at + "/rollback", Name: "to", Value: strconv.Itoa(rs[i].Number)})
		case len(rs) > shownRevisions: // what was live before lies behind what was read
			out = append(out, view.Release{Text: "Roll back", URL: at + "/rollback"})
		}
	}
	switch {
	case d.Pinned:
		out = append(out, view.Release{Text: "Unpin", URL: at + "/unpin"})
	case d.Revision != nil:
		out = append(out, view.Release{Text: "Pin", Label: fmt.Sprintf("Pin to v%d", d.Revision.Version), URL: at + "/pin"})
	}
	if d.Paused {
		return append(out, view.Release{Text: "Resume", URL: at + "/resume"})
	}
	return append(out, view.Release{Text: "Pause", URL: at + "/pause"})
}

// goesBack reports whether a revision can be rolled back to.
func goesBack(d mlops.Deployment, r mlops.Revision) bool {
	return !r.LiveAt.IsZero() && (d.Revision == nil || r.Version != d.Revision.Version)
}

// revisionButtons are those of one revision; newer is whether its version was
// put forward again later, approval whether one may be what it waits for.
func revisionButtons(d mlops.Deployment, r mlops.Revision, newer, approval bool) []view.Release {
	at, number := paths.Deployment(d.Name), strconv.Itoa(r.Number)
	var out []view.Release
	if r.State == mlops.RevisionWaiting {
		if approval && r.Approved == "" {
			out = append(out, view.Release{Text: "Approve", Label: "Approve revision " + number, URL: at + "/approve", Name: "revision", Value: number, Primary: true})
		}
		out = append(out, view.Release{Text: "Reject", Label: "Reject revision " + number, URL: at + "/reject", Name: "revision", Value: number})
	}
	if goesBack(d, r) {
		out = append(out, view.Release{Text: "Roll back to this", Label: "Roll back to this, revision " + number, URL: at + "/rollback", Name: "to", Value: number})
	}
	if !newer && serving.GateRefused(r) && !d.Paused && (d.Revision == nil || d.Revision.Version != r.Version) {
		version := strconv.Itoa(r.Version)
		out = append(out, view.Release{Text: "Serve it anyway", Label: "Serve it anyway, version " + version, URL: at + "/override", Name: "version", Value: version})
	}
	return out
}

func causeText(c mlops.Cause) string {
	switch c {
	case mlops.CauseAlias:
		return "alias moved"
	case mlops.CausePromote:
		return "promoted"
	case mlops.CauseRollback:
		return "rolled back"
	case mlops.CauseDeploy:
		return "deployed"
	}
	return string(c)
}

// changedLink compares a revision's run with that of what was live before it.
func changedLink(r mlops.Revision, older []mlops.Revision) *view.Value {
	i := slices.IndexFunc(older, func(o mlops.Revision) bool { return !o.LiveAt.IsZero() })
	if i < 0 || r.RunID == "" || older[i].RunID == "" || r.RunID == older[i].RunID {
		return nil
	}
	return &view.Value{Text: "What changed", Title: fmt.Sprintf("Compares its run with that of v%d, which was live before.", older[i].Version), URL: paths.Compare(older[i].RunID, r.RunID)}
}

// newestNotice says why the newest revision is not served.
func newestNotice(d mlops.Deployment, rs []mlops.Revision, gates *mlops.Gates) *view.Notice {
	if len(rs) == 0 {
		return nil
	}
	r := rs[0]
	why := strings.TrimSuffix(r.Message, ".")
	n := &view.Notice{Kind: view.Bad, Link: &view.Link{Text: "See the history.", URL: "#history"}}
	switch r.State {
	case mlops.RevisionWaiting:
		n.Kind = view.Warn
		switch {
		case gates != nil && gates.Approval == mlops.ApprovalRequired && r.Approved == "":
			n.Text, n.Link.Text = fmt.Sprintf("Version %d waits for an approval.", r.Version), "Approve or reject it in the history."
		case d.Paused:
			n.Text = fmt.Sprintf("Version %d waits until the deployment is resumed.", r.Version)
		default:
			n.Text = fmt.Sprintf("Version %d waits: %s.", r.Version, serving.WithoutCommand(why))
		}
	case mlops.RevisionRejected:
		n.Text = fmt.Sprintf("Version %d was not put into service: %s.", r.Version, why)
	case mlops.RevisionFailed:
		n.Text = fmt.Sprintf("Version %d could not be served: %s.", r.Version, why)
	default:
		return nil
	}
	return n
}

// releaseNotice says what the change that led here has done, for as long as
// that is still how things are.
func releaseNotice(d mlops.Deployment, rs []mlops.Revision, done, number string) *view.Notice {
	good := func(format string, args ...any) *view.Notice {
		return &view.Notice{Kind: view.Good, Text: fmt.Sprintf(format, args...)}
	}
	switch {
	case done == serving.DonePinned && d.Pinned && d.Revision != nil:
		return good("Pinned: version %d stays in service until Unpin, whatever is trained and wherever an alias is moved.", d.Revision.Version)
	case done == serving.DoneUnpinned && !d.Pinned:
		return good("Unpinned: new versions are taken up again as before.")
	case done == serving.DonePaused && d.Paused:
		return good("Paused: new versions wait until Resume. Rolling back still works at once.")
	case done == serving.DoneResumed && !d.Paused:
		return good("Resumed: what has waited goes on.")
	}
	i := slices.IndexFunc(rs, func(r mlops.Revision) bool { return strconv.Itoa(r.Number) == number })
	if i < 0 {
		return nil
	}
	r := rs[i]
	switch {
	case done == serving.DoneRejected && r.State == mlops.RevisionRejected:
		return good("Revision %d was rejected: version %d is not put into service.", r.Number, r.Version)
	case done == serving.DoneApproved && r.Approved != "", done == serving.DonePromoted && r.Cause == mlops.CausePromote, done == serving.DoneRolledBack && r.Cause == mlops.CauseRollback, done == serving.DoneDeployed && r.Cause == mlops.CauseDeploy:
		switch r.State {
		case mlops.RevisionLive:
			return good("Version %d is in service, as revision %d.", r.Version, r.Number)
		case mlops.RevisionStarting:
			return &view.Notice{Kind: view.Busy, Text: fmt.Sprintf("Version %d is being put into service, as revision %d.", r.Version, r.Number)}
		case mlops.RevisionJudging, mlops.RevisionWaiting:
			return &view.Notice{Kind: view.Warn, Text: fmt.Sprintf("Version %d is not in service yet: revision %d is %s.", r.Version, r.Number, r.State)}
		}
	}
	return nil
}

// revisionFacts say what is served and what decides on it.
func revisionFacts(d mlops.Deployment) []view.Fact {
	var out []view.Fact
	if r := d.Revision; r != nil {
		out = append(out, view.Fact{Name: "Revision", Value: view.Ref(fmt.Sprintf("revision %d, %s", r.Number, r.State), fmt.Sprintf("#revision-%d", r.Number))})
		if !r.LiveAt.IsZero() {
			out = append(out, view.Fact{Name: "Live since", Value: view.At(r.LiveAt)})
		}
	}
	if d.Follows != "" {
		out = append(out, view.Fact{Name: "Follows", Value: view.Ref("alias "+d.Follows, paths.Model(d.Model)+"#aliases")})
	}
	text := "are served automatically"
	if !d.Automatic {
		text = "are served when somebody says so"
	}
	return append(out, view.Fact{Name: "New versions", Value: view.Text(text)})
}
