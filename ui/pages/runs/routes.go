// Package runs has the pages of runs: the lists of runs and experiments, one run
// or training with its logs and charts, and the files that it has kept.
package runs

import (
	"net/http"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/runtable"
)

type section struct {
	*page.Site
	tables runtable.Tables
	// summaries are remembered because they count all runs.
	summaries remembered[[]mlops.ExperimentSummary]
}

// Routes brings the pages, and what starts a training.
func Routes(r page.Routes, site *page.Site) {
	s := &section{Site: site, tables: runtable.Tables{Site: site}}
	r.Page("/runs", s.runs, page.Anybody)
	r.Page("/experiments", s.experiments, page.Anybody)
	r.Page("/runs/:id", s.run, page.Anybody)
	r.Page("/trainings/:id", s.training, page.Anybody)
	r.Still("/runs/:id/artifacts", s.artifacts, page.Anybody)
	r.Raw("/runs/:id/download", s.download, page.Anybody)
	r.Raw("/runs/:id/image", s.image, page.Anybody)
	r.Change("/projects/:project/train", s.train, page.Operate)
	r.Call(http.MethodPost, "/projects/:project/train", s.apiTrain, page.Operate)
}
