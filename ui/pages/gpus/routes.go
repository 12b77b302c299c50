// Package gpus has the page of GPUs: who holds them, how they fare, and how pods
// share them.
package gpus

import (
	"net/http"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/charts"
	"github.com/benchtop-lab/benchtop/ui/page"
)

type section struct {
	*page.Site
	charts *charts.Reader
}

// Routes brings the page, what administrators change on it, and the same for
// programs.
func Routes(r page.Routes, site *page.Site, curves *charts.Reader) {
	s := &section{site, curves}
	administer := page.Access{Needs: mlops.Administer, Whole: true}
	r.Page("/gpus", s.gpus, page.WholeLab)
	r.Change("/gpus/share", s.share, administer)
	r.Change("/gpus/:index/recover", s.recover, administer)
	r.Change("/gpus/faults", s.inject, administer)

	r.ReadCall("/gpus", s.apiGPUs)
	call := func(path string, h func(*page.Call) (any, error), a page.Access) {
		r.Call(http.MethodPost, path, page.AnswerCall(h), a)
		r.Methods(path, "POST", http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete)
	}
	call("/gpus/plan", s.apiPlan, page.WholeLab)
	call("/gpus/share", s.apiShare, administer)
	call("/gpus/:index/recover", s.apiRecover, administer)
	call("/gpus/faults", s.apiInject, administer)
}
