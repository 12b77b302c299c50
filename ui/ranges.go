package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// chartRange is how far charts over time go back, and how far their points are
// apart.
type chartRange struct {
	name, text   string
	window, step time.Duration
}

// chartRanges are what can be chosen, the first if nothing is. The steps make
// some hundred points of each.
var chartRanges = []chartRange{
	{"15m", "15 minutes", 15 * time.Minute, 5 * time.Second},
	{"1h", "1 hour", time.Hour, 15 * time.Second},
	{"6h", "6 hours", 6 * time.Hour, 90 * time.Second},
	{"24h", "24 hours", 24 * time.Hour, 5 * time.Minute},
	{"7d", "7 days", 7 * 24 * time.Hour, 30 * time.Minute},
}

// rawStep is up to where a point of a chart is a sample. Points that are further
// apart stand for all that lies between them.
const rawStep = 15 * time.Second

// summed reports whether a point stands for more than a sample.
func (r chartRange) summed() bool { return r.step > rawStep }

// over returns an expression for the points of a recorded series: how stands for
// all samples since the point before.
func (r chartRange) over(how, series string) string {
	if !r.summed() {
		return series
	}
	return fmt.Sprintf("%s(%s[%ds])", how, series, int(r.step.Seconds()))
}

// ranges returns those that metrics are kept for.
func (s *Server) ranges() []chartRange {
	var out []chartRange
	for _, r := range chartRanges {
		if s.cfg.Retention == 0 || r.window <= s.cfg.Retention || len(out) == 0 {
			out = append(out, r)
		}
	}
	return out
}

// rangeOf reads the range that an address asks for.
func (s *Server) rangeOf(c echo.Context) (chartRange, error) {
	offered := s.ranges()
	name := c.QueryParam("range")
	var names []string
	for i, r := range offered {
		if name == r.name || name == "" && i == 0 {
			return r, nil
		}
		names = append(names, r.name)
	}
	for _, r := range chartRanges {
		if r.name == name {
			return r, mlops.Errorf(mlops.Invalid, "The range %s is longer than metrics are kept: expected one of %s.", name, strings.Join(names, ", "))
		}
	}
	return chartRange{}, mlops.Errorf(mlops.Invalid, "There is no range %q: expected one of %s.", name, strings.Join(names, ", "))
}

// rangeView offers the ranges, each at the address of the page, of which the
// parameters in keep stay. The page may be shown at another address: that of a
// form that was refused.
func (s *Server) rangeView(c echo.Context, now chartRange, page, section string, keep ...string) view.Ranges {
	v := view.Ranges{Now: now.text}
	for _, r := range s.ranges() {
		q := []string{"range", r.name}
		for _, k := range keep {
			q = append(q, k, c.QueryParam(k))
		}
		v.Links = append(v.Links, view.RangeLink{Text: r.name, Title: "The last " + r.text, URL: withQuery(page, q...) + "#" + section, Current: r.name == now.name})
	}
	return v
}
