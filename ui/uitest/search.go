package uitest

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// The fake knows enough of MLflow's grammar for pages: comparisons joined by
// and, one order_by clause, keys with or without quotes.
var (
	identifier = "(metrics|params|tags|attributes)\\.(`(?:[^`]|``)*`|\"[^\"]*\"|[A-Za-z_][\\w.]*)"
	comparison = regexp.MustCompile(`^(?i:and\s+)?` + identifier + `\s*(>|<|=|!=)\s*('(?:[^']|'')*'|-?[\d.]+)\s*`)
	clause     = regexp.MustCompile(`^` + identifier + `(?:\s+(?i:(ASC)|(DESC)))?$`)
	attributes = []string{"start_time", "end_time", "run_name", "status", "user_id", "run_id", "artifact_uri"}
)

// SearchRuns implements ports.Registry.
func (r registry) SearchRuns(_ context.Context, q mlops.RunQuery) (mlops.RunPage, error) {
	r.w.Lock()
	defer r.w.Unlock()
	matches, err := r.matcher(q)
	if err != nil {
		return mlops.RunPage{}, err
	}
	var found []mlops.Run
	for _, run := range r.w.Runs {
		if matches(run) {
			found = append(found, run)
		}
	}
	if err := sortRuns(found, q.OrderBy); err != nil {
		return mlops.RunPage{}, err
	}
	return pageOf(found, q)
}

func pageOf(found []mlops.Run, q mlops.RunQuery) (mlops.RunPage, error) {
	h := fnv.New32a()
	fmt.Fprint(h, q.ExperimentIDs, q.Filter, q.OrderBy)
	start, query := 0, h.Sum32()
	if q.PageToken != "" {
		var of uint32
		if _, err := fmt.Sscanf(q.PageToken, "from-%d-%d", &start, &of); err != nil || start > len(found) {
			return mlops.RunPage{}, mlops.Errorf(mlops.Invalid, "the page token is not one that this server gave: start again without page_token")
		}
		if of != query {
			return mlops.RunPage{}, mlops.Errorf(mlops.Invalid, "the page token belongs to another query: filter, order and experiments must stay the same from page to page")
		}
	}
	end := min(len(found), start+max(1, q.Max))
	page := mlops.RunPage{Runs: found[start:end]}
	if end < len(found) {
		page.NextPageToken = fmt.Sprintf("from-%d-%d", end, query)
	}
	return page, nil
}

func (r registry) matcher(q mlops.RunQuery) (func(mlops.Run) bool, error) {
	var tests []func(mlops.Run) bool
	for rest := strings.TrimSpace(q.Filter); rest != ""; {
		m := comparison.FindStringSubmatch(rest)
		if m == nil || m[1] == "attributes" && !slices.Contains(attributes, m[2]) {
			return nil, mlops.Errorf(mlops.Invalid, "invalid filter %q at position 1: expected metrics.<key>, params.<key>, tags.<key> or attributes.<name>", q.Filter)
		}
		rest = rest[len(m[0]):]
		entity, key, operator, wanted := m[1], unquote(m[2]), m[3], m[4]
		tests = append(tests, func(run mlops.Run) bool {
			number, text, ok := valueOf(run, entity, key)
			order := cmp.Compare(text, unquote(wanted))
			if entity == "metrics" {
				limit, _ := strconv.ParseFloat(wanted, 64)
				order = cmp.Compare(number, limit)
				ok = ok && !math.IsNaN(number)
			}
			return ok && (operator == "=" && order == 0 || operator == "!=" && order != 0 || operator == ">" && order > 0 || operator == "<" && order < 0)
		})
	}
	active := map[string]bool{}
	for _, e := range r.w.Experiments {
		active[e.ID] = !e.Deleted
	}
	return func(run mlops.Run) bool {
		if run.Deleted || len(q.ExperimentIDs) == 0 && !active[run.ExperimentID] || len(q.ExperimentIDs) > 0 && !slices.Contains(q.ExperimentIDs, run.ExperimentID) {
			return false
		}
		return !slices.ContainsFunc(tests, func(test func(mlops.Run) bool) bool { return !test(run) })
	}, nil
}

// sortRuns puts runs without the value last, as MLflow does, and then the
// newest first.
func sortRuns(runs []mlops.Run, orderBy []string) error {
	slices.SortStableFunc(runs, func(a, b mlops.Run) int { return b.StartedAt.Compare(a.StartedAt) })
	if len(orderBy) == 0 {
		return nil
	}
	m := clause.FindStringSubmatch(strings.TrimSpace(orderBy[0]))
	if m == nil {
		return mlops.Errorf(mlops.Invalid, "order_by clause %q is not usable: expected a key, then ASC, DESC or nothing, for example \"metrics.accuracy DESC\"", orderBy[0])
	}
	entity, key, desc := m[1], unquote(m[2]), m[4] != ""
	if entity == "attributes" && !slices.Contains(attributes, key) {
		return mlops.Errorf(mlops.Invalid, "there is no attribute %q to order by: expected one of %s", key, strings.Join(attributes, ", "))
	}
	slices.SortStableFunc(runs, func(a, b mlops.Run) int {
		x, s, hasA := valueOf(a, entity, key)
		y, t, hasB := valueOf(b, entity, key)
		if hasA != hasB {
			return map[bool]int{true: -1, false: 1}[hasA]
		}
		if math.IsNaN(x) != math.IsNaN(y) {
			return map[bool]int{true: 1, false: -1}[math.IsNaN(x)]
		}
		order := cmp.Or(cmp.Compare(x, y), cmp.Compare(s, t))
		if desc {
			order = -order
		}
		return order
	})
	return nil
}

// valueOf returns a metric as a number and anything else as text.
func valueOf(r mlops.Run, entity, key string) (number float64, text string, ok bool) {
	kvs := r.Params
	switch entity {
	case "metrics":
		number, ok = r.Metric(key)
		return number, "", ok
	case "attributes":
		text = map[string]string{"start_time": r.StartedAt.UTC().Format("20060102150405.000"), "end_time": r.EndedAt.UTC().Format("20060102150405.000"),
			"run_name": r.Name, "status": string(r.Status), "user_id": r.User, "run_id": r.ID, "artifact_uri": r.ArtifactURI}[key]
		return 0, text, true
	case "tags":
		kvs = r.Tags
	}
	for _, kv := range kvs {
		if kv.Key == key {
			return 0, kv.Value, true
		}
	}
	return 0, "", false
}

func unquote(s string) string {
	if q := s[:1]; len(s) > 1 && strings.Contains("`\"'", q) && strings.HasSuffix(s, q) {
		return strings.ReplaceAll(s[1:len(s)-1], q+q, q)
	}
	return s
}
