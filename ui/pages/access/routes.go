// Package access is the page of access keys and kubeconfigs.
package access

import (
	"net/http"

	"github.com/benchtop-lab/benchtop/ui/page"
)

type section struct {
	*page.Site
	s3Port int
}

// Routes brings the page, which is for administrators only; s3Port is where S3
// answers.
func Routes(r page.Routes, site *page.Site, s3Port int) {
	s := &section{site, s3Port}
	r.Page("/access", s.access, page.Administer)
	r.Change("/access", s.createKey, page.Administer)
	r.Change("/access/revoke", s.revokeKey, page.Administer)
	r.Call(http.MethodDelete, "/keys/:name", s.apiRevoke, page.Anybody)
	r.Change("/access/kubeconfigs/revoke", s.revokeKubeconfig, page.Administer)
}
