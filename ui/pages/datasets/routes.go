// Package datasets has the pages of datasets, and takes their bytes.
package datasets

import (
	"net/http"

	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/serving"
)

type section struct {
	*page.Site
	desk serving.Desk
}

// Routes brings the pages, and what stores a dataset, for which forms and calls
// are too small otherwise.
func Routes(r page.Routes, site *page.Site, desk serving.Desk) {
	s := &section{site, desk}
	r.Page("/datasets", s.datasets, page.WholeLab)
	r.Page("/datasets/:digest", s.dataset, page.WholeLab)
	r.Upload("/datasets", s.storeDataset, limitDataset, page.Operate)
	r.Call(http.MethodPost, "/datasets/:name", limitDataset(s.apiStoreDataset), page.Operate)
}
