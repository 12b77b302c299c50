// Package deployments has the pages of deployments: what is served, since when,
// how it fares, what is wrong, and everything that changes it.
package deployments

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/charts"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/serving"
)

type section struct {
	*page.Site
	desk   serving.Desk
	charts *charts.Reader
}

// Routes brings the pages, what people do on them, and the same for programs.
func Routes(r page.Routes, site *page.Site, desk serving.Desk, curves *charts.Reader) {
	s := &section{site, desk, curves}
	r.Page("/deployments", s.deployments, page.Anybody)
	r.Page("/deployments/:name", s.deployment, page.Anybody)
	r.Get("/deployments/:name/predict", s.predict, page.Anybody)
	s.changes(r)
	s.calls(r)
}

// changes are what people change of what is served.
func (s *section) changes(r page.Routes) {
	change := func(what string, h echo.HandlerFunc) { r.Change("/deployments/:name/"+what, h, page.Operate) }
	change("promote", s.release(serving.DonePromoted, s.promote(false)))
	change("override", s.release(serving.DonePromoted, s.promote(true)))
	change("rollback", s.release(serving.DoneRolledBack, func(ctx context.Context, c echo.Context, d mlops.Deployment, act mlops.Act) (mlops.Revision, error) {
		to, err := formNumber(c, "to", "revision")
		if err != nil {
			return mlops.Revision{}, err
		}
		return s.Steps.Rollback(ctx, d.Name, to, act)
	}))
	change("approve", s.release(serving.DoneApproved, decideOn(s.Steps.Approve)))
	change("reject", s.release(serving.DoneRejected, decideOn(s.Steps.Reject)))
	yes, no := true, false
	change("pin", s.hold(serving.DonePinned, &yes, nil))
	change("unpin", s.hold(serving.DoneUnpinned, &no, nil))
	change("pause", s.hold(serving.DonePaused, nil, &yes))
	change("resume", s.hold(serving.DoneResumed, nil, &no))
	change("gates", s.setGates)
	change("replicas", s.setReplicas)
	change("delete", s.undeploy)
}

// calls are what programs read and change of what is served.
func (s *section) calls(r page.Routes) {
	r.Call(http.MethodGet, "/deployments", s.apiDeployments, page.Anybody)
	r.Call(http.MethodPost, "/deployments", s.apiDeploy, page.Operate)
	r.Methods("/deployments", "GET, HEAD, POST", http.MethodPut, http.MethodPatch, http.MethodDelete)
	r.Call(http.MethodGet, "/deployments/:name", s.apiDeployment, page.Anybody)
	r.Call(http.MethodPatch, "/deployments/:name", s.apiScale, page.Operate)
	r.Call(http.MethodDelete, "/deployments/:name", s.apiUndeploy, page.Operate)
	r.Methods("/deployments/:name", "GET, HEAD, PATCH, DELETE", http.MethodPost, http.MethodPut)

	r.ReadCall("/deployments/:name/revisions", s.apiRevisions)
	change := func(what string, h echo.HandlerFunc) {
		r.Call(http.MethodPost, "/deployments/:name/"+what, h, page.Operate)
	}
	change("promote", s.apiPromote)
	change("rollback", s.apiRollback)
	change("approve", s.apiDecide(ports.Steps.Approve))
	change("reject", s.apiDecide(ports.Steps.Reject))
	yes, no := true, false
	change("pin", s.apiHold(&yes, nil))
	change("unpin", s.apiHold(&no, nil))
	change("pause", s.apiHold(nil, &yes))
	change("resume", s.apiHold(nil, &no))
	r.Call(http.MethodGet, "/projects/:project/gates", s.apiGates, page.Anybody)
	r.Call(http.MethodPut, "/projects/:project/gates", s.apiSetGates, page.Operate)
}
