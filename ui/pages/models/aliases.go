package models

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Aliases are changed on the page of a model, where the form has a field for
// the version, and on the page of a version, whose address has it.

// aliasPanel shows the aliases of a model, or those of one of its versions.
func (s *section) aliasPanel(c echo.Context, m mlops.RegisteredModel, version *int, form *view.AliasForm) view.AliasPanel {
	at := paths.Model(m.Name)
	p := view.AliasPanel{Admin: page.May(c, mlops.Operate)}
	if version != nil {
		at, p.Version = paths.Version(m.Name, *version), strconv.Itoa(*version)
	}
	p.Set, p.Remove = at+"/aliases", at+"/aliases/remove"
	if p.Admin {
		p.CSRF = page.VisitorOf(c).CSRF
	}
	if form != nil {
		p.Form = *form
	}
	for _, a := range m.Aliases {
		p.Names = append(p.Names, a.Alias)
		if version == nil || *version == a.Version {
			p.Rows = append(p.Rows, aliasRow(m.Name, a))
		}
	}
	p.Notice = aliasNotice(m, version, c.QueryParam("alias"), c.QueryParam("removed"), c.QueryParam("was"))
	return p
}

func aliasRow(model string, a mlops.Alias) view.Alias {
	return view.Alias{Name: a.Alias, Version: paths.VersionText(a.Version), URL: paths.Version(model, a.Version)}
}

// aliasNotice says what the change that led here has done, for as long as
// that is still how things are.
func aliasNotice(m mlops.RegisteredModel, version *int, set, removed, was string) *view.Notice {
	old, err := strconv.Atoi(was)
	known := err == nil && old > 0
	now := aliasVersion(m, set+removed)
	switch {
	case set != "" && now > 0 && (version == nil || *version == now):
		text := fmt.Sprintf("Alias “%s” now points at v%d.", set, now)
		if known && old != now {
			text = fmt.Sprintf("Alias “%s” was moved: it now points at v%d, and pointed at v%d before.", set, now, old)
		}
		return &view.Notice{Kind: view.Good, Text: text}
	case removed != "" && now == 0 && known:
		return &view.Notice{Kind: view.Good, Text: fmt.Sprintf("Alias “%s” was removed; it pointed at v%d.", removed, old)}
	}
	return nil
}

// aliasVersion returns the version that an alias points at, 0 if there is no
// such alias.
func aliasVersion(m mlops.RegisteredModel, alias string) int {
	for _, a := range m.Aliases {
		if a.Alias == alias {
			return a.Version
		}
	}
	return 0
}

// setAlias points an alias at a version and leads back to where that was
// asked for. What the registry refuses is shown beside the field.
func (s *section) setAlias(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	m, err := s.findModel(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	form := view.AliasForm{Alias: strings.TrimSpace(c.FormValue("alias")), Version: strings.TrimSpace(c.FormValue("version"))}
	at := paths.Model(m.Name)
	if fixed := c.Param("version"); fixed != "" {
		form.Version = fixed
	}
	version, err := strconv.Atoi(strings.TrimPrefix(form.Version, "v"))
	if err != nil {
		form.VersionError = fmt.Sprintf("The version is %q: expected a number such as 12.", form.Version)
		return s.refuseAlias(c, form, http.StatusBadRequest)
	}
	if c.Param("version") != "" {
		at = paths.Version(m.Name, version)
	}
	was := aliasVersion(m, form.Alias)
	switch err := s.Registry.SetAlias(ctx, m.Name, form.Alias, version); mlops.CodeOf(err) {
	case "":
	case mlops.Invalid:
		form.AliasError = mlops.MessageOf(err)
		return s.refuseAlias(c, form, http.StatusBadRequest)
	case mlops.NotFound:
		form.VersionError = mlops.MessageOf(err)
		return s.refuseAlias(c, form, http.StatusNotFound)
	default:
		return err
	}
	s.Log().Info("alias set", "model", m.Name, "alias", form.Alias, "version", version, "was", was, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, paths.WithQuery(at, "alias", form.Alias, "was", oldVersion(was))+"#aliases")
}

// refuseAlias shows the page again with what was typed.
func (s *section) refuseAlias(c echo.Context, form view.AliasForm, status int) error {
	show := func() (*page.Page, error) { return s.modelPage(c, &form) }
	if c.Param("version") != "" {
		show = func() (*page.Page, error) { return s.versionPage(c, versionForms{alias: &form}) }
	}
	p, err := show()
	if err != nil {
		return err
	}
	return s.Render(c, p.Refused(status))
}

// removeAlias removes an alias and leads back.
func (s *section) removeAlias(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	m, err := s.findModel(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	at, alias := paths.Model(m.Name), c.FormValue("alias")
	if fixed := c.Param("version"); fixed != "" {
		version, err := versionNumber(fixed)
		if err != nil {
			return err
		}
		at = paths.Version(m.Name, version)
	}
	if err := s.Registry.DeleteAlias(ctx, m.Name, alias); err != nil {
		return err
	}
	was := aliasVersion(m, alias)
	s.Log().Info("alias removed", "model", m.Name, "alias", alias, "was", was, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, paths.WithQuery(at, "removed", alias, "was", oldVersion(was))+"#aliases")
}

// oldVersion writes the version that an alias pointed at, "" for none.
func oldVersion(v int) string {
	if v == 0 {
		return ""
	}
	return strconv.Itoa(v)
}
