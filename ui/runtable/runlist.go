package runtable

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// List is what the address of the list of runs says.
type List struct {
	Experiment string // id, "" for all active ones
	Filter     string
	Order      string   // one order_by clause, "" for the newest first
	Columns    []string // as chosen, maybe wrong; none for those that suit the runs
	Token      string
}

// Parse reads the address of a list.
func Parse(c echo.Context) List {
	q := List{Experiment: c.QueryParam("experiment"), Filter: strings.TrimSpace(c.QueryParam("filter")),
		Order: strings.TrimSpace(c.QueryParam("order")), Token: c.QueryParam("page")}
	for _, column := range c.QueryParams()["column"] {
		// Only at the left: a key may end with a space.
		if column = strings.TrimLeft(column, " "); column != "" && !slices.Contains(q.Columns, column) {
			q.Columns = append(q.Columns, column)
		}
	}
	if key, desc := cutOrder(q.Order); desc && key == Started.orderKey() {
		q.Order = "" // the same list has the same address
	}
	return q
}

// URL is the address of the list.
func (q List) URL() string {
	v := url.Values{}
	for _, field := range [][2]string{{"experiment", q.Experiment}, {"filter", q.Filter}, {"order", q.Order}, {"page", q.Token}} {
		if field[1] != "" {
			v.Set(field[0], field[1])
		}
	}
	if len(q.Columns) > 0 {
		v["column"] = q.Columns
	}
	if len(v) == 0 {
		return "/runs"
	}
	return "/runs?" + v.Encode()
}

// The pages of a list belong to its experiment, filter and order: an address
// with another of them starts at the first page.

// Ordered is the list in another order.
func (q List) Ordered(order string) List {
	q.Order, q.Token = order, ""
	return q
}

// Filtered is the list with another filter.
func (q List) Filtered(filter string) List {
	q.Filter, q.Token = filter, ""
	return q
}

// Page is another page of the list.
func (q List) Page(token string) List {
	q.Token = token
	return q
}

// WithColumns is the list with other columns.
func (q List) WithColumns(columns []string) List {
	q.Columns = columns
	return q
}

// Hidden are the fields of a form that leaves everything as it is but what
// the form asks for.
func (q List) Hidden(asked ...string) []view.Hidden {
	var out []view.Hidden
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" && !slices.Contains(asked, name) {
				out = append(out, view.Hidden{Name: name, Value: v})
			}
		}
	}
	add("experiment", q.Experiment)
	add("filter", q.Filter)
	add("order", q.Order)
	add("column", q.Columns...)
	return out
}

// Query asks the registry for a page of the list.
func (q List) Query(max int) mlops.RunQuery {
	out := mlops.RunQuery{Filter: q.Filter, OrderBy: NewestFirst, Max: max, PageToken: q.Token}
	if q.Experiment != "" {
		out.ExperimentIDs = []string{q.Experiment}
	}
	if q.Order != "" {
		out.OrderBy = []string{q.Order}
	}
	return out
}

// Started and Version are columns that every table of runs can have.
var (
	Started = Column{"attributes", "start_time"}
	Version = Column{"attributes", "version"}
)

// Metric is the column of a metric.
func Metric(key string) Column { return Column{"metrics", key} }

var direction = regexp.MustCompile(`(?i)\s+(asc|desc)$`)

// cutOrder cuts an order_by clause into its key, as it is written, and its
// direction.
func cutOrder(order string) (key string, desc bool) {
	d := direction.FindString(order)
	return strings.TrimSuffix(order, d), strings.EqualFold(strings.TrimSpace(d), "desc")
}

// sortedBy returns how the list is sorted by a column: "ascending",
// "descending" or "" if it is by another.
func (q List) sortedBy(c Column) string {
	order := q.Order
	if order == "" {
		order = NewestFirst[0]
	}
	key, desc := cutOrder(order)
	switch {
	case c.orderKey() == "" || key != c.orderKey() && key != c.String() && key != c.Entity+".`"+c.Key+"`" && key != c.Entity+`."`+c.Key+`"`:
		return ""
	case desc:
		return "descending"
	}
	return "ascending"
}

// sortURL is where the header of a column leads: to the list sorted by it, or
// the other way round if it is already. "" if it cannot be.
func (q List) sortURL(c Column) string {
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
	return q.Ordered(orderBy(c, desc)).URL()
}

// orderBy is the clause that sorts by a column, "" for the newest first.
func orderBy(c Column, desc bool) string {
	switch {
	case !desc:
		return c.orderKey() + " ASC"
	case c == Started:
		return ""
	}
	return c.orderKey() + " DESC"
}

var (
	nameColumn   = Column{"attributes", "run_name"}
	statusColumn = Column{"attributes", "status"}
)

// head is the header of a column. Without a list there is nothing to sort.
func (q *List) head(c Column, title string) view.RunColumn {
	h := view.RunColumn{Title: title, Numeric: c.numeric()}
	if q != nil {
		h.URL, h.Sorted = q.sortURL(c), q.sortedBy(c)
	}
	return h
}

// Orders are the choices of the select that sorts, which phones have instead
// of headers: every column both ways, and what the address says if that is
// none of them.
func (q List) Orders(columns []Column) []view.Option {
	out := []view.Option{{Text: "Started, newest first", Selected: q.Order == ""}}
	known := q.Order == ""
	seen := map[string]bool{"": true}
	for _, c := range append([]Column{Started, nameColumn, statusColumn}, columns...) {
		if c.orderKey() == "" {
			continue
		}
		first, second := "A to Z", "Z to A"
		switch {
		case c.Entity == "metrics":
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
			selected := q.Order != "" && q.sortedBy(c) == map[bool]string{true: "descending", false: "ascending"}[desc]
			known = known || selected
			out = append(out, view.Option{Value: order, Text: c.longTitle() + ", " + way, Selected: selected})
		}
	}
	if !known {
		out = append(out, view.Option{Value: q.Order, Text: q.Order, Selected: true})
	}
	return out
}

// NewestFirst is the order of a list that says none.
var NewestFirst = []string{"attributes.start_time DESC"}
