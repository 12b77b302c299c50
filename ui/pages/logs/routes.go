// Package logs has the streams of logs that pages of several families show.
package logs

import (
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/serving"
)

type section struct {
	*page.Site
	desk serving.Desk
}

// Routes brings the streams.
func Routes(r page.Routes, site *page.Site, desk serving.Desk) {
	s := &section{site, desk}
	r.Raw("/logs/pods/:namespace/:name", s.podLogs, page.Anybody)
	r.Raw("/logs/deployments/:name", s.deploymentLogs, page.Anybody)
}
