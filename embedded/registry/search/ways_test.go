package search

import (
	"slices"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/search/searchtest"
)

// TestWaysOfSearchAgree searches in each of the ways that a search can take:
// all pages must be the same, in the same order.
func TestWaysOfSearchAgree(t *testing.T) {
	d := dbtest.Open(t, db.Options{})
	exps := searchtest.Fill(t, d, 450, 1)
	other := searchtest.Experiment(t, d, "other")
	var between []int // in time
	for i := range 20 {
		between = append(between, i*20)
	}
	searchtest.Runs(t, d, other, between)
	p := NewRuns(d)
	const most = 120
	sorted := func(q RunQuery) (ids []int64) { // everything, checked and sorted
		rs, _, err := p.plan(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range dbtest.Must(rs.sorted(t.Context(), db.SQL("runs r"), rs.all(db.Clause{}), rs.orders, nil, nil, most))(t) {
			ids = append(ids, h.id)
		}
		return ids
	}
	for _, sh := range searchtest.Shapes {
		for _, in := range [][]string{exps[:1], {exps[0], other}, {exps[0], exps[1], other}} {
			q := RunQuery{ExperimentIDs: in, Filter: sh.Filter, OrderBy: sh.Order, View: ViewAll}
			want := sorted(q)
			for _, l := range []limits{usualLimits, {lead: 10, walk: 20, gather: 60}, {lead: -1, walk: 10_000, gather: -1}, {lead: -1, walk: 5, gather: 10_000}} {
				p.limits = l
				sizes := []int{41, most}
				if l.lead < 0 {
					sizes = sizes[:1]
				}
				for _, size := range sizes {
					var got []int64
					for q.Max, q.Token = size, ""; len(got) < most; {
						page, next, err := p.Page(t.Context(), q)
						if err != nil {
							t.Fatalf("%s: %v", sh.Name, err)
						}
						got = append(got, page...)
						if q.Token = next; next == "" {
							break
						}
					}
					if got = got[:min(len(got), most)]; !slices.Equal(got, want) {
						t.Errorf("%s, %d experiments, limits %v, pages of %d: %d runs, want %d, or another order", sh.Name, len(in), l, size, len(got), len(want))
					}
				}
			}
		}
	}
}
