package runs

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// filesPerPage bounds a page of a folder: a run may have thousands of files.
const filesPerPage = 100

// folder is a directory of a run's artifacts, as a page shows it.
type folder struct {
	runID, path string
	current     string // the file that is being looked at
	page        int    // counts from 1; 0 is the one with the current file
}

// artifactList shows one page of a folder.
func (s *section) artifactList(f folder, found []mlops.Artifact, err error) view.ArtifactList {
	l := view.ArtifactList{Path: f.path}
	if f.path != "" {
		l.Crumbs = []view.Link{{Text: "artifacts", URL: paths.Run(f.runID) + "/artifacts"}}
		parts := strings.Split(f.path, "/")
		for i, name := range parts {
			l.Crumbs = append(l.Crumbs, view.Link{Text: name, URL: paths.File(f.runID, "artifacts", strings.Join(parts[:i+1], "/"))})
		}
	}
	if err == nil {
		var from, to int
		if from, to, err = f.bounds(found); err == nil {
			for _, a := range found[from:to] {
				l.Rows = append(l.Rows, f.row(a))
			}
			if to-from < len(found) {
				l.Shown = fmt.Sprintf("%d to %d, of %d.", from+1, to, len(found))
				if from > 0 {
					l.Pager.First = f.url(1)
				}
				if to < len(found) {
					l.Pager.Next = f.url(to/filesPerPage + 1)
				}
			}
		}
	}
	l.Problem = s.Problem("the artifacts", err)
	return l
}

// bounds returns which of the files are on the page.
func (f folder) bounds(found []mlops.Artifact) (from, to int, err error) {
	if f.page == 0 {
		for i, a := range found {
			if a.Path == f.current {
				from = i / filesPerPage * filesPerPage
			}
		}
	} else if from = (f.page - 1) * filesPerPage; from > 0 && from >= len(found) {
		return 0, 0, mlops.Errorf(mlops.NotFound, "There is no page %d: this folder has %d.", f.page, max(1, (len(found)+filesPerPage-1)/filesPerPage))
	}
	return from, min(from+filesPerPage, len(found)), nil
}

func (f folder) row(a mlops.Artifact) view.ArtifactRow {
	row := view.ArtifactRow{Name: path.Base(a.Path), Dir: a.IsDir, URL: paths.File(f.runID, "artifacts", a.Path), Current: a.Path == f.current}
	if !a.IsDir {
		row.Size, row.Download = view.Bytes(float64(a.Bytes)), paths.File(f.runID, "download", a.Path)
	}
	return row
}

func (f folder) url(page int) string {
	return paths.WithQuery(paths.Run(f.runID)+"/artifacts", "path", f.path, "page", strconv.Itoa(page))
}

// artifacts shows a directory of a run's artifacts, and a file if one is
// named.
func (s *section) artifacts(c echo.Context) (*page.Page, error) {
	at, err := artifactPath(c)
	if err != nil {
		return nil, err
	}
	f := folder{runID: c.Param("id")}
	if p := c.QueryParam("page"); p != "" {
		if f.page, err = strconv.Atoi(p); err != nil || f.page < 1 || f.page > 1<<20 {
			return nil, mlops.Errorf(mlops.Invalid, "The page %q is not valid: expected a number from 1.", p)
		}
	}
	ctx, cancel := page.Gather(c)
	defer cancel()
	r, err := s.Registry.Run(ctx, f.runID)
	if err != nil {
		return nil, err
	}
	found, err := s.lookAt(ctx, &f, at)
	if err != nil {
		if mlops.CodeOf(err) == mlops.NotFound {
			err = mlops.Errorf(mlops.NotFound, "Run %s has no artifact %s.", runtable.Name(r), at)
		}
		return nil, err
	}
	if _, _, err := f.bounds(found); err != nil {
		return nil, err
	}
	v := view.Artifacts{Run: view.Link{Text: runtable.Name(r), URL: paths.Run(r.ID)}, List: s.artifactList(f, found, nil)}
	if f.current != "" {
		v.Preview = s.preview(ctx, r.ID, f.current)
	}
	return &page.Page{Title: "Artifacts of " + runtable.Name(r), Nav: "runs", Body: view.ArtifactsPage(v)}, nil
}

// lookAt finds out whether at is a folder or a file, and returns what is in
// the folder, or beside the file.
func (s *section) lookAt(ctx context.Context, f *folder, at string) ([]mlops.Artifact, error) {
	if at == "" {
		return s.Registry.Artifacts(ctx, f.runID, "")
	}
	parent := strings.TrimPrefix(path.Dir(at), ".")
	siblings, err := s.Registry.Artifacts(ctx, f.runID, parent)
	if err != nil {
		return nil, err
	}
	for _, a := range siblings {
		switch {
		case a.Path != at:
		case a.IsDir:
			f.path = at
			return s.Registry.Artifacts(ctx, f.runID, at)
		default:
			f.path, f.current = parent, at
			return siblings, nil
		}
	}
	return nil, mlops.Errorf(mlops.NotFound, "not found")
}
