package ui

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// runList is what the address of the list of runs says.
type runList struct {
	experiment string // id, "" for all active ones
	filter     string
	order      string   // one order_by clause, "" for the newest first
	columns    []string // as chosen, maybe wrong; none for those that suit the runs
	token      string
}

func parseRunList(c echo.Context) runList {
	q := runList{experiment: c.QueryParam("experiment"), filter: strings.TrimSpace(c.QueryParam("filter")),
		order: strings.TrimSpace(c.QueryParam("order")), token: c.QueryParam("page")}
	for _, column := range c.QueryParams()["column"] {
		// Only at the left: a key may end with a space.
		if column = strings.TrimLeft(column, " "); column != "" && !slices.Contains(q.columns, column) {
			q.columns = append(q.columns, column)
		}
	}
	if key, desc := cutOrder(q.order); desc && key == startedColumn.orderKey() {
		q.order = "" // the same list has the same address
	}
	return q
}

func (q runList) url() string {
	v := url.Values{}
	for _, field := range [][2]string{{"experiment", q.experiment}, {"filter", q.filter}, {"order", q.order}, {"page", q.token}} {
		if field[1] != "" {
			v.Set(field[0], field[1])
		}
	}
	if len(q.columns) > 0 {
		v["column"] = q.columns
	}
	if len(v) == 0 {
		return "/runs"
	}
	return "/runs?" + v.Encode()
}

// The pages of a list belong to its experiment, filter and order: an address
// with another of them starts at the first page.

func (q runList) ordered(order string) runList {
	q.order, q.token = order, ""
	return q
}

func (q runList) filtered(filter string) runList {
	q.filter, q.token = filter, ""
	return q
}

func (q runList) page(token string) runList {
	q.token = token
	return q
}

func (q runList) withColumns(columns []string) runList {
	q.columns = columns
	return q
}

// hidden are the fields of a form that leaves everything as it is but what
// the form asks for.
func (q runList) hidden(asked ...string) []view.Hidden {
	var out []view.Hidden
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" && !slices.Contains(asked, name) {
				out = append(out, view.Hidden{Name: name, Value: v})
			}
		}
	}
	add("experiment", q.experiment)
	add("filter", q.filter)
	add("order", q.order)
	add("column", q.columns...)
	return out
}

func (q runList) query(max int) mlops.RunQuery {
	out := mlops.RunQuery{Filter: q.filter, OrderBy: newestFirst, Max: max, PageToken: q.token}
	if q.experiment != "" {
		out.ExperimentIDs = []string{q.experiment}
	}
	if q.order != "" {
		out.OrderBy = []string{q.order}
	}
	return out
}

var startedColumn = column{"attributes", "start_time"}

var direction = regexp.MustCompile(`(?i)\s+(asc|desc)$`)

// cutOrder cuts an order_by clause into its key, as it is written, and its
// direction.
func cutOrder(order string) (key string, desc bool) {
	d := direction.FindString(order)
	return strings.TrimSuffix(order, d), strings.EqualFold(strings.TrimSpace(d), "desc")
}

// sortedBy returns how the list is sorted by a column: "ascending",
// "descending" or "" if it is by another.
func (q runList) sortedBy(c column) string {
	order := q.order
	if order == "" {
		order = newestFirst[0]
	}
	key, desc := cutOrder(order)
	switch {
	case c.orderKey() == "" || key != c.orderKey() && key != c.String() && key != c.entity+".`"+c.key+"`" && key != c.entity+`."`+c.key+`"`:
		return ""
	case desc:
		return "descending"
	}
	return "ascending"
}

// sortURL is where the header of a column leads: to the list sorted by it, or
// the other way round if it is already. "" if it cannot be.
func (q runList) sortURL(c column) string {
	if c.orderKey() == "" {
		return ""
	}
	desc := c.descendsFirst()
	switch q.sortedBy(c) {
	case "descending":
		desc = false
	case "ascending":
		desc = true
	}
	return q.ordered(orderBy(c, desc)).url()
}

// orderBy is the clause that sorts by a column, "" for the newest first.
func orderBy(c column, desc bool) string {
	switch {
	case !desc:
		return c.orderKey() + " ASC"
	case c == startedColumn:
		return ""
	}
	return c.orderKey() + " DESC"
}

var (
	nameColumn   = column{"attributes", "run_name"}
	statusColumn = column{"attributes", "status"}
)

// head is the header of a column. Without a list there is nothing to sort.
func (q *runList) head(c column, title string) view.RunColumn {
	h := view.RunColumn{Title: title, Numeric: c.numeric()}
	if q != nil {
		h.URL, h.Sorted = q.sortURL(c), q.sortedBy(c)
	}
	return h
}

// orders are the choices of the select that sorts, which phones have instead
// of headers: every column both ways, and what the address says if that is
// none of them.
func (q runList) orders(columns []column) []view.Option {
	out := []view.Option{{Text: "Started, newest first", Selected: q.order == ""}}
	known := q.order == ""
	seen := map[string]bool{"": true}
	for _, c := range append([]column{startedColumn, nameColumn, statusColumn}, columns...) {
		if c.orderKey() == "" {
			continue
		}
		first, second := "A to Z", "Z to A"
		switch {
		case c.entity == "metrics":
			first, second = "highest first", "lowest first"
		case c.descendsFirst():
			first, second = "newest first", "oldest first"
		}
		for i, way := range []string{first, second} {
			desc := c.descendsFirst() == (i == 0)
			order := orderBy(c, desc)
			if seen[order] {
				continue
			}
			seen[order] = true
			selected := q.order != "" && q.sortedBy(c) == map[bool]string{true: "descending", false: "ascending"}[desc]
			known = known || selected
			out = append(out, view.Option{Value: order, Text: c.longTitle() + ", " + way, Selected: selected})
		}
	}
	if !known {
		out = append(out, view.Option{Value: q.order, Text: q.order, Selected: true})
	}
	return out
}
