package datasets

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// limitDataset refuses what is larger than a dataset may be before it is read.
func limitDataset(next echo.HandlerFunc) echo.HandlerFunc {
	const most = mlops.MaxDatasetBytes + 1<<20 // with the form's other fields
	return func(c echo.Context) error {
		r := c.Request()
		if r.ContentLength > most {
			return mlops.Errorf(mlops.Invalid, "This is larger than the %d MiB that a dataset may have: put it into a bucket and let a script of your own read it from there.", mlops.MaxDatasetBytes>>20)
		}
		r.Body = http.MaxBytesReader(c.Response(), r.Body, most)
		return next(c)
	}
}

func (s *section) storeDataset(c echo.Context) error {
	form := view.DatasetForm{Name: strings.TrimSpace(c.FormValue("name")), Source: strings.TrimSpace(c.FormValue("source"))}
	d, err := s.storeFile(c, &form)
	switch mlops.CodeOf(err) {
	case "":
		s.storedDataset(c, d)
		return c.Redirect(http.StatusSeeOther, paths.Dataset(d.SHA256))
	case mlops.Invalid, mlops.Exists:
		form.Error = mlops.MessageOf(page.Sentence(err))
		p, perr := s.datasetsPage(c, form)
		if perr != nil {
			return perr
		}
		p.Status = page.StatusOf(err)
		return s.Render(c, p)
	}
	return page.Sentence(err)
}

func (s *section) storeFile(c echo.Context, form *view.DatasetForm) (mlops.Dataset, error) {
	header, err := c.FormFile("file")
	if err != nil {
		return mlops.Dataset{}, mlops.Errorf(mlops.Invalid, "no file was sent: choose a CSV file")
	}
	f, err := header.Open()
	if err != nil {
		return mlops.Dataset{}, fmt.Errorf("open what was sent: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	if form.Source == "" {
		form.Source = header.Filename
	}
	return s.Steps.AddDataset(c.Request().Context(), form.Name, form.Source, f)
}

func (s *section) apiStoreDataset(c echo.Context) error {
	d, err := s.Steps.AddDataset(c.Request().Context(), c.Param("name"), c.QueryParam("source"), c.Request().Body)
	if err != nil {
		return err
	}
	s.storedDataset(c, d)
	return c.JSONPretty(http.StatusCreated, d, "  ")
}

func (s *section) storedDataset(c echo.Context, d mlops.Dataset) {
	s.Log().Info("dataset stored", "dataset", d.Name, "version", d.Version, "by", page.VisitorOf(c).Principal.Name)
}

// datasets is the list of datasets, the stored ones and those that only runs
// know.
func (s *section) datasets(c echo.Context) (*page.Page, error) {
	return s.datasetsPage(c, view.DatasetForm{})
}

func (s *section) datasetsPage(c echo.Context, form view.DatasetForm) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	v := view.Datasets{CSRF: page.VisitorOf(c).CSRF, MayOperate: page.May(c, mlops.Operate), Form: form}
	all, err := s.Registry.DatasetSummaries(ctx)
	v.Problem = s.Problem("the datasets", err)
	for _, d := range all {
		row := view.DatasetRow{Name: d.Name, URL: paths.Dataset(d.Digest), Digest: view.Digest(d.Digest), Size: view.Value{Text: "not stored here", Title: "only its runs know it"},
			Runs: d.Runs, Versions: d.Versions, LastRun: view.Text("never")}
		if d.Stored != nil {
			row.Version, row.Size = paths.VersionText(d.Stored.Version), view.Text(datasetSize(*d.Stored))
		}
		if d.LastRunAt > 0 {
			row.LastRun = view.At(time.UnixMilli(d.LastRunAt))
		}
		v.Rows = append(v.Rows, row)
	}
	return &page.Page{Title: "Datasets", Nav: "datasets", Body: view.DatasetsPage(v), Parts: []page.Part{{Name: "rows", Body: view.DatasetRows(v)}}}, nil
}

func datasetSize(d mlops.Dataset) string {
	return fmt.Sprintf("%s × %s", view.Plural(d.Rows, "row", "rows"), view.Plural(d.Features, "feature", "features"))
}

// dataset is what came of one dataset.
func (s *section) dataset(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	served := s.desk.By(ctx)
	use, err := s.Registry.DatasetUse(ctx, c.Param("digest"), served.Deployments)
	if err != nil {
		return nil, page.Sentence(err)
	}
	v := view.Dataset{Name: use.Name, Serving: served.Links(func(m mlops.Deployment) bool {
		return slices.ContainsFunc(use.Deployments, func(d mlops.Deployment) bool { return d.Name == m.Name })
	}, true), More: use.More,
		Runs: view.Link{Text: view.Plural(use.Runs, "run", "runs"), URL: paths.WithQuery("/runs", "filter", fmt.Sprintf("dataset.digest LIKE '%s%%'", quotable(use.Digest)))}}
	if use.Stored != nil {
		d := *use.Stored
		v.Name = fmt.Sprintf("%s %s", d.Name, paths.VersionText(d.Version))
		v.Facts = append(v.Facts, view.Fact{Name: "Data", Value: view.Text(datasetSize(d))}, view.Fact{Name: "Size", Value: view.Text(view.Bytes(float64(d.Bytes)))},
			view.Fact{Name: "Stored", Value: view.At(d.CreatedAt)}, view.Fact{Name: "Source", Value: view.Text(d.Source)},
			view.Fact{Name: "Digest", Value: view.Code(d.SHA256)}, view.Fact{Name: "Stored at", Value: view.Code(d.URI())})
	} else {
		v.Facts = append(v.Facts, view.Fact{Name: "Digest", Value: view.Code(use.Digest)}, view.Fact{Name: "Stored", Value: view.Text("not here: only its runs know it")})
	}
	for _, source := range use.Sources {
		if uri := paths.Source(source); uri != "" && (use.Stored == nil || uri != use.Stored.URI()) {
			v.Facts = append(v.Facts, view.Fact{Name: "Read from", Value: view.Code(uri)})
		}
	}
	for _, m := range use.Versions {
		row := view.DatasetVersion{Version: view.Link{Text: m.Model + " " + paths.VersionText(m.Version), URL: paths.Version(m.Model, m.Version)}, Run: view.Link{Text: view.Short(m.RunID), URL: paths.Run(m.RunID)},
			Context: m.Context, Made: view.At(time.UnixMilli(m.CreatedAt))}
		for _, name := range m.Served {
			row.Served = append(row.Served, view.Ref(name, paths.Deployment(name)))
		}
		v.Versions = append(v.Versions, row)
	}
	return &page.Page{Title: v.Name, Nav: "datasets", Body: view.DatasetPage(v), Parts: []page.Part{{Name: "head", Body: view.DatasetHead(v)}, {Name: "versions", Body: view.DatasetVersions(v)}}}, nil
}

// quotable is a digest as a word of the search: letters that could end the
// word are left out, and no digest has them.
func quotable(digest string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`'\%_`, r) {
			return -1
		}
		return r
	}, digest)
}
