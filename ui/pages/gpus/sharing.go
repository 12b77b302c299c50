package gpus

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// wish is how somebody wants the GPUs shared, as it was typed.
type wish struct {
	asked         bool // there is something to plan
	replicas, mig string
	share         mlops.GPUShare
	err           error
}

// wishOf reads the fields of the form, from an address or from a body.
func wishOf(q url.Values) wish {
	w := wish{asked: q.Get("plan") != "", replicas: strings.TrimSpace(q.Get("replicas")), mig: strings.TrimSpace(q.Get("mig"))}
	if w.replicas != "" {
		w.share.Replicas, w.err = mlops.ParseReplicas(w.replicas)
	}
	if w.err == nil {
		w.share.MIG, w.err = mlops.ParseMIG(strings.FieldsFunc(w.mig, func(r rune) bool { return r == ' ' || r == ',' }))
	}
	w.share.DeletePods = q.Get("delete_pods") != ""
	return w
}

// inWords says a wish.
func (w wish) inWords() string {
	var out []string
	if w.share.Replicas > 1 {
		out = append(out, fmt.Sprintf("%d pods take turns", w.share.Replicas))
	}
	if len(w.share.MIG) > 0 {
		out = append(out, "each GPU is cut into "+strings.ReplaceAll(strings.Join(mlops.MIGWords(w.share.MIG), ", "), "x", " × "))
	}
	if len(out) == 0 {
		return "each GPU is one pod's"
	}
	return strings.Join(out, ", and ")
}

// parts are the parts of the first GPU that has any.
func parts(g mlops.GPUs) []string {
	var out []string
	for _, one := range g.GPUs {
		for _, p := range one.Partitions {
			out = append(out, p.Profile)
		}
		if out != nil {
			break
		}
	}
	return out
}

func shared(g mlops.GPUs) bool { return g.Sharing.Replicas > 1 || len(parts(g)) > 0 }

// sharing says how the GPUs are shared.
func sharing(c echo.Context, g mlops.GPUs, f forms, may bool) view.GPUSharing {
	now := g.Sharing
	v := view.GPUSharing{May: may, Form: view.GPUForm{Replicas: f.wish.replicas, MIG: f.wish.mig, Profiles: profiles(g), Shared: shared(g)}}
	turns, cut := "no: each is one pod's", "no"
	if now.Replicas > 1 {
		turns = fmt.Sprintf("%d pods on each GPU", now.Replicas)
	}
	if now.MIGStrategy != "" && now.MIGStrategy != "none" {
		cut = "yes, strategy " + now.MIGStrategy
	}
	v.Facts = []view.Fact{{Name: "Pods take turns", Value: view.Text(turns)}, {Name: "Cut into parts (MIG)", Value: view.Text(cut)}}
	if now.MIGConfig != "" {
		v.Facts = append(v.Facts, view.Fact{Name: "Layout that was asked for", Value: view.Code(now.MIGConfig)}, view.Fact{Name: "What came of it", Value: migState(now.MIGState)})
	}
	if now.Source != "" {
		v.Facts = append(v.Facts, view.Fact{Name: "Decided by the ConfigMap", Value: view.Code(now.Source)}, view.Fact{Name: "Its key", Value: view.Code(now.Config)})
	}
	if f.wish.err != nil {
		v.Form.Error = mlops.MessageOf(page.Sentence(f.wish.err))
	} else if !f.wish.asked {
		v.Form.MIG = strings.Join(mlops.MIGWords(parts(g)), " ")
		if now.Replicas > 1 {
			v.Form.Replicas = strconv.Itoa(now.Replicas)
		}
	}
	v.Notice = notice(c, g)
	return v
}

func migState(state string) view.Value {
	kind := map[string]string{"success": view.Good, "failed": view.Bad, "pending": view.Busy}[state]
	if kind == "" {
		return view.Text(state)
	}
	return view.Value{Pill: &view.Pill{Kind: kind, Text: state}}
}

// profiles are what fits into the GPUs that can be cut, in words.
func profiles(g mlops.GPUs) string {
	var out []string
	for _, one := range g.GPUs {
		for _, p := range one.Profiles {
			if text := fmt.Sprintf("%d × %s", p.Count, p.Name); !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return strings.Join(out, ", ")
}

// notice says what the change that led here has done, for as long as that is how
// things are.
func notice(c echo.Context, g mlops.GPUs) *view.Notice {
	w := wishOf(c.QueryParams())
	if c.QueryParam("done") != "shared" || w.err != nil || max(w.share.Replicas, 1) != max(g.Sharing.Replicas, 1) || !sameParts(w.share.MIG, parts(g)) {
		return nil
	}
	return &view.Notice{Kind: view.Good, Text: "Done: " + w.inWords() + "."}
}

// plan says what the wish in the address would do.
func (s *section) plan(ctx context.Context, c echo.Context, g mlops.GPUs, f forms) *plan {
	if !f.wish.asked || f.wish.err != nil || !page.May(c, mlops.Administer) {
		return nil
	}
	w := f.wish
	v := &plan{GPUPlan: view.GPUPlan{Title: "What would change if " + w.inWords(), Error: f.shareError, Replicas: w.replicas, MIG: w.mig, CSRF: page.VisitorOf(c).CSRF}}
	w.share.DeletePods = false
	found, err := s.GPUs.PlanShare(ctx, w.share)
	if err == nil && found.Blocked != "" && len(found.Pods) > 0 {
		// Perhaps only the pods are in the way.
		gentle := found.Blocked
		w.share.DeletePods = true
		var forced mlops.GPUPlan
		if forced, err = s.GPUs.PlanShare(ctx, w.share); err == nil && forced.Blocked == "" {
			found = forced
			v.Blocked = gentle
			v.Delete = "Delete the pods that are in the way. What made them makes new ones; a pod that nothing has made is gone."
		}
	}
	if err != nil {
		v.Error = s.refusal(err)
		return v
	}
	for _, name := range names(found.Before, found.After) {
		v.Rows = append(v.Rows, view.GPUPlanRow{Name: name, Before: total(found.Before, name), After: total(found.After, name)})
	}
	v.Steps, v.holders, v.PodsTitle = found.Steps, found.Pods, view.Plural(len(found.Pods), "pod holds a GPU", "pods hold a GPU")
	switch {
	case v.Delete != "":
		v.Confirm = "Delete them and share so"
	case found.Blocked != "":
		v.Blocked = found.Blocked
	default:
		v.Confirm = "Share so"
	}
	return v
}

// plan is a plan whose pods are not linked to yet.
type plan struct {
	view.GPUPlan
	holders []mlops.GPUHolder
}

// names are the resources of both, those of now first.
func names(before, after []mlops.GPUOffer) []string {
	var out []string
	for _, o := range slices.Concat(before, after) {
		if !slices.Contains(out, o.Name) {
			out = append(out, o.Name)
		}
	}
	return out
}

func total(offers []mlops.GPUOffer, name string) string {
	if o := page.Find(offers, func(o mlops.GPUOffer) bool { return o.Name == name }); o != nil {
		return strconv.Itoa(o.Total)
	}
	return "0"
}

// refusal is what a form that was refused says.
func (s *section) refusal(err error) string {
	if mlops.CodeOf(err) == mlops.Internal {
		s.Log().Error("cannot change the GPUs", "err", err)
	}
	return mlops.MessageOf(page.Sentence(err))
}

// refuse shows the page again with what was sent.
func (s *section) refuse(c echo.Context, f forms, status int) error {
	p, err := s.gpusPage(c, f)
	if err != nil {
		return err
	}
	return s.Render(c, p.Refused(status))
}

func (s *section) share(c echo.Context) error {
	values, err := c.FormParams()
	if err != nil {
		return mlops.Errorf(mlops.Invalid, "The form cannot be read: %v.", err)
	}
	f := forms{wish: wishOf(values)}
	f.wish.asked = true
	if f.wish.err != nil {
		return s.refuse(c, f, page.StatusOf(f.wish.err))
	}
	if _, err := s.GPUs.Share(context.WithoutCancel(c.Request().Context()), f.wish.share); err != nil {
		f.shareError = s.refusal(err)
		return s.refuse(c, f, page.StatusOf(err))
	}
	s.shared(c, f.wish.share)
	return c.Redirect(http.StatusSeeOther, paths.WithQuery("/gpus", "done", "shared", "replicas", f.wish.replicas, "mig", f.wish.mig)+"#sharing")
}

func (s *section) recover(c echo.Context) error {
	n, err := indexOf(c)
	if err != nil {
		return err
	}
	if _, err := s.GPUs.Recover(context.WithoutCancel(c.Request().Context()), n); err != nil {
		return page.Sentence(err)
	}
	s.Log().Info("a GPU works again", "gpu", n, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/gpus#gpu-%d", n))
}
