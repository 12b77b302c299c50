package front

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Prefix is what the ingress puts before every address that nobody else
// answers at, so that a stranger can reach nothing of ours but what is below.
const Prefix = "/front"

// frontEvery bounds how often strangers make the lab look what it serves.
const frontEvery = 3 * time.Second

// offered remembers the deployments for a moment.
type offered struct {
	mu   sync.Mutex
	at   time.Time
	list []mlops.Deployment
}

func (v *offered) get(ctx context.Context, now time.Time, ask func(context.Context) ([]mlops.Deployment, error)) ([]mlops.Deployment, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if age := now.Sub(v.at); !v.at.IsZero() && age >= 0 && age < frontEvery {
		return v.list, nil
	}
	list, err := ask(ctx)
	if err != nil {
		return nil, err
	}
	v.list, v.at = list, now
	return list, nil
}

// Below reports whether a path is that of the front page or of its assets.
func Below(path string) bool {
	return path == Prefix || strings.HasPrefix(path, Prefix+"/")
}

// front is what the ingress shows where nothing is: the way to the pages and
// to the models. It says nothing that the ingress does not answer anybody.
func (s *section) front(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	v := view.Front{UI: s.pagesAt(c)}
	if path := strings.TrimPrefix(c.Request().URL.Path, Prefix); strings.Trim(path, "/") != "" {
		v.Missing = path
	}
	ds, err := s.offered.get(ctx, s.Now(), s.Loop.Deployments)
	v.Problem = s.Problem("what is served", err)
	for _, d := range ds {
		at := s.predictURL(c, d)
		v.Deployments = append(v.Deployments, view.FrontDeployment{Name: d.Name, Ready: d.Answers(), URL: at, Curl: "curl '" + at + "'"})
	}
	accept := c.Request().Header.Get("Accept")
	switch {
	case c.Request().Method == http.MethodGet && strings.Contains(accept, "text/html"):
		status := http.StatusOK
		if v.Missing != "" {
			status = http.StatusNotFound
		}
		return s.Render(c, &page.Page{Status: status, Title: "Front page", Bare: true, Body: view.FrontPage(v)})
	case strings.Contains(accept, "json"):
		return c.JSON(http.StatusNotFound, map[string]any{"error_code": mlops.EndpointError, "message": v.Text()})
	}
	return c.String(http.StatusNotFound, v.Text()+"\n")
}

// predictURL is a prediction that a browser or curl can ask for.
func (s *section) predictURL(c echo.Context, d mlops.Deployment) string {
	numbers := make([]string, 0, len(d.FeatureNames))
	for _, x := range s.desk.Example(d) {
		numbers = append(numbers, strconv.FormatFloat(x, 'f', -1, 64))
	}
	return fmt.Sprintf("%s%s/predict?x=%s", s.desk.IngressURL(c), strings.TrimSuffix(d.Path, "/"), strings.Join(numbers, ","))
}
