package store

import (
	"slices"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// TestWaysOfSearchAgree searches in each of the ways that a search can take:
// all pages must be the same, in the same order.
func TestWaysOfSearchAgree(t *testing.T) {
	s := open(t)
	exps := labRuns(t, s, 450, 1)
	other := must(s.CreateExperiment(t.Context(), "other", "", nil))(t)
	if err := s.write(t.Context(), func(t *tx) error { // in between in time
		for i := range 20 {
			if err := labRun(t, other, i*20); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	const most = 120
	ids := func(runs []*wire.Run) (ids []string) {
		for _, r := range runs {
			ids = append(ids, r.Info.RunID)
		}
		return ids
	}
	sorted := func(q RunSearch) []string { // everything, checked and sorted
		rs, _, err := s.planRuns(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		hits := must(rs.sorted(t.Context(), clause{"runs r", nil}, rs.all(clause{}), rs.orders, nil, nil, most))(t)
		var numbers []int64
		for _, h := range hits {
			numbers = append(numbers, h.id)
		}
		return ids(must(s.documents(t.Context(), numbers))(t))
	}
	for _, sh := range shapes {
		for _, in := range [][]string{exps[:1], {exps[0], other}, {exps[0], exps[1], other}} {
			q := RunSearch{ExperimentIDs: in, Filter: sh.filter, OrderBy: sh.order, View: ViewAll}
			want := sorted(q)
			for _, limits := range []searchLimits{usualLimits, {lead: 10, walk: 20, gather: 60}, {lead: -1, walk: 10_000, gather: -1}, {lead: -1, walk: 5, gather: 10_000}} {
				s.limits = limits
				sizes := []int{41, most}
				if limits.lead < 0 {
					sizes = sizes[:1]
				}
				for _, size := range sizes {
					var got []string
					for q.Max, q.Token = size, ""; len(got) < most; {
						page, next, err := s.SearchRunDocs(t.Context(), q)
						if err != nil {
							t.Fatalf("%s: %v", sh.name, err)
						}
						got = append(got, ids(page)...)
						if q.Token = next; next == "" {
							break
						}
					}
					if got = got[:min(len(got), most)]; !slices.Equal(got, want) {
						t.Errorf("%s, %d experiments, limits %v, pages of %d: %d runs, want %d, or another order", sh.name, len(in), limits, size, len(got), len(want))
					}
				}
			}
		}
	}
}
