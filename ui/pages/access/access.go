package access

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// access is the page of access keys.
func (s *section) access(c echo.Context) (*page.Page, error) {
	return s.accessPage(c, view.KeyForm{Role: string(mlops.RoleReader), Expires: "90d"}, nil)
}

func (s *section) accessPage(c echo.Context, form view.KeyForm, made *view.NewKey) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	v := view.Access{CSRF: page.VisitorOf(c).CSRF, Form: form, New: made}
	keys, err := s.Keys.Keys(ctx)
	v.Problem = s.Problem("the access keys", err)
	for _, k := range keys {
		v.Rows = append(v.Rows, s.keyRow(k))
	}
	users, uerr := s.Cluster.KubeconfigUsers(ctx)
	v.UserProblem = s.Problem("the users of Kubernetes", uerr)
	for _, u := range users {
		v.Users = append(v.Users, view.UserRow{Name: u.Name, Role: u.Role, Created: view.At(u.CreatedAt)})
	}
	gone := c.QueryParam("revoked")
	if gone != "" && err == nil && !slices.ContainsFunc(keys, func(k mlops.Key) bool { return k.Name == gone }) {
		v.Notice = &view.Notice{Kind: view.Good, Text: "Key “" + view.Clip(gone) + "” is revoked: no door takes it any more."}
	}
	for _, r := range mlops.Roles() {
		row := view.RoleRow{Name: string(r)}
		for _, p := range []mlops.Permission{mlops.Read, mlops.Browse, mlops.Record, mlops.Store, mlops.Operate, mlops.Administer} {
			row.Marks = append(row.Marks, r.May(p))
		}
		v.Roles = append(v.Roles, row)
	}
	return &page.Page{Title: "Access", Nav: "access", Body: view.AccessPage(v), Parts: []page.Part{{Name: "keys", Body: view.KeyRows(v)}, {Name: "kubeconfigs", Body: view.UserRows(v)}}}, nil
}

func (s *section) keyRow(k mlops.Key) view.KeyRow {
	row := view.KeyRow{Name: k.Name, Role: string(k.Role), Projects: "all", Buckets: "none", Created: view.At(k.CreatedAt), Expires: view.Text("never"), LastUse: view.Text("never")}
	switch {
	case k.Role.May(mlops.Administer):
		row.Buckets = "all"
	case len(k.Buckets) > 0:
		names := make([]string, 0, len(k.Buckets))
		for _, b := range k.Buckets {
			names = append(names, b.String())
		}
		row.Buckets = strings.Join(names, " ")
	}
	if len(k.Projects) > 0 {
		row.Projects = strings.Join(k.ProjectNames(), " ")
	}
	if project, ok := k.ProjectOf(); ok {
		row.Of = &view.Part{Who: "The trainer of project", Link: view.Link{Text: project, URL: paths.Project(project)}}
	} else if deployment, ok := k.DeploymentOf(); ok {
		row.Of = &view.Part{Who: "The deployment", Link: view.Link{Text: deployment, URL: paths.Deployment(deployment)}}
	}
	if k.Room != "" {
		row.Of = &view.Part{Who: "The guided lab in", Link: view.Link{Text: k.Room, URL: "/labs"}}
	}
	if k.Expired(s.Now()) {
		row.Expires = view.Value{Pill: &view.Pill{Kind: view.Idle, Text: "expired"}}
	} else if !k.ExpiresAt.IsZero() {
		row.Expires = view.Text(k.ExpiresAt.UTC().Format("2006-01-02 15:04 MST"))
	}
	if !k.LastUsedAt.IsZero() {
		row.LastUse = view.At(k.LastUsedAt)
	}
	return row
}

// words are what stands between blanks and commas.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
}

// createKey answers with the page that shows the token. Unlike other changes
// it does not lead back: the token would have to be kept until then.
func (s *section) createKey(c echo.Context) error {
	form := view.KeyForm{Name: strings.TrimSpace(c.FormValue("name")), Role: c.FormValue("role"), Projects: strings.TrimSpace(c.FormValue("projects")), Buckets: strings.TrimSpace(c.FormValue("buckets")), Expires: strings.TrimSpace(c.FormValue("expires"))}
	k, err := s.Keys.CreateKey(c.Request().Context(), mlops.KeyRequest{Name: form.Name, Role: form.Role, Expires: form.Expires,
		Projects: words(form.Projects), Buckets: words(form.Buckets)})
	status := http.StatusOK
	switch mlops.CodeOf(err) {
	case "":
		s.Log().Info("access key created", "name", k.Name, "by", page.VisitorOf(c).Principal.Name)
	case mlops.Invalid, mlops.Exists, mlops.NotFound, mlops.Unavailable:
		form.Error, status = mlops.MessageOf(page.Sentence(err)), page.StatusOf(err)
	default:
		return err
	}
	var p *page.Page
	if form.Error != "" {
		p, err = s.accessPage(c, form, nil)
	} else {
		made := newKey(k, origin(c), s.s3URL(c))
		p, err = s.accessPage(c, view.KeyForm{Role: form.Role, Projects: form.Projects, Expires: form.Expires}, &made)
	}
	if err != nil {
		return err
	}
	p.Status = status
	return s.Render(c, p)
}

func (s *section) revokeKey(c echo.Context) error {
	name := c.FormValue("name")
	if err := s.Keys.RevokeKey(context.WithoutCancel(c.Request().Context()), name); err != nil {
		return page.Sentence(err)
	}
	s.Log().Info("access key revoked", "name", name, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, paths.WithQuery("/access", "revoked", name))
}

// apiRevoke revokes a key. Whoever holds a key may end it: then a leaked one can
// be made harmless by whoever finds it.
func (s *section) apiRevoke(c echo.Context) error {
	name, by := c.Param("name"), page.VisitorOf(c).Principal
	if !by.Role.May(mlops.Administer) && (by.Key == 0 || by.Name != name) {
		return mlops.Errorf(mlops.Denied, "%s may not revoke the key %s: expected an administrator, or the key itself.", by.Name, view.Clip(name))
	}
	if err := s.Keys.RevokeKey(context.WithoutCancel(c.Request().Context()), name); err != nil {
		return page.Sentence(err)
	}
	s.Log().Info("access key revoked", "name", name, "by", by.Name)
	return c.NoContent(http.StatusNoContent)
}

func (s *section) revokeKubeconfig(c echo.Context) error {
	name := c.FormValue("name")
	if err := s.Cluster.RevokeKubeconfig(context.WithoutCancel(c.Request().Context()), name); err != nil {
		return page.Sentence(err)
	}
	s.Log().Info("kubeconfig revoked", "user", name, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, "/access#kubernetes")
}
