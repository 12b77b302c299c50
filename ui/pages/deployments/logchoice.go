package deployments

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// deploymentLog is the log of a deployment's pods, or of the one that the address
// names.
func (s *section) deploymentLog(c echo.Context, d mlops.Deployment) view.DeploymentLog {
	pod := c.QueryParam("pod")
	at := func(pod string) string {
		return paths.WithQuery(paths.Deployment(d.Name), "range", c.QueryParam("range"), "pod", pod) + "#logs"
	}
	v := view.DeploymentLog{Title: "All pods, by time", URL: "/logs/deployments/" + url.PathEscape(d.Name),
		Pods: []view.RangeLink{{Text: "All pods", URL: at(""), Current: pod == ""}}}
	there := pod == ""
	for _, p := range d.Pods {
		short := mlops.ShortPod(p.Name)
		current := pod == p.Name || pod == short
		there = there || current
		v.Pods = append(v.Pods, view.RangeLink{Text: short, Title: p.Name, URL: at(short), Current: current})
	}
	if pod != "" {
		v.Title, v.URL = "Pod "+view.Clip(mlops.ShortPod(pod)), paths.WithQuery(v.URL, "pod", pod)
	}
	if !there {
		v.Note = "There is no pod " + view.Clip(pod) + " any more; another has taken its place."
	}
	return v
}
