package runs_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// TestSearchAgreesWithPlainCode compares searches, page by page, with the
// same search written as loops over all runs.
func TestSearchAgreesWithPlainCode(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	rnd := rand.New(rand.NewPCG(1, 2))
	exp := dbtest.Must(s.Experiments.CreateExperiment(ctx, "search", "", nil))(t)
	type row struct {
		id    string
		start int64
		acc   *float64
		lr    string
	}
	var rows []row
	for range 60 {
		r := row{start: 1000 + rnd.Int64N(30)} // with ties
		run := dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: exp, StartTime: r.start}))(t)
		r.id = run.Info.RunID
		b := runs.Batch{}
		if rnd.IntN(4) > 0 {
			v := float64(rnd.IntN(10)) / 10
			r.acc = &v
			b.Metrics = []wire.Metric{{Key: "acc", Value: wire.Float64(v), Timestamp: 1}}
		}
		if rnd.IntN(3) > 0 {
			r.lr = fmt.Sprint(rnd.IntN(4))
			b.Params = []wire.KV{{Key: "lr", Value: r.lr}}
		}
		if err := s.Runs.LogBatch(ctx, r.id, b); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	natural := func(a, b row) int {
		if a.start != b.start {
			return int(b.start - a.start)
		}
		return strings.Compare(a.id, b.id)
	}
	byAcc := func(desc bool) func(a, b row) int {
		return func(a, b row) int {
			switch {
			case a.acc == nil && b.acc == nil:
				return natural(a, b)
			case a.acc == nil:
				return 1
			case b.acc == nil:
				return -1
			case *a.acc != *b.acc:
				if (*a.acc < *b.acc) != desc {
					return -1
				}
				return 1
			}
			return natural(a, b)
		}
	}
	for _, c := range []struct {
		filter string
		order  []string
		keep   func(row) bool
		less   func(a, b row) int
	}{
		{"", nil, func(row) bool { return true }, natural},
		{"metrics.acc > 0.4", nil, func(r row) bool { return r.acc != nil && *r.acc > 0.4 }, natural},
		{"metrics.acc != 0.4", nil, func(r row) bool { return r.acc != nil && *r.acc != 0.4 }, natural},
		{"params.lr = '2'", nil, func(r row) bool { return r.lr == "2" }, natural},
		{"params.lr IS NULL", nil, func(r row) bool { return r.lr == "" }, natural},
		{"params.lr != '2' AND metrics.acc <= 0.5", []string{"metrics.acc DESC"}, func(r row) bool { return r.lr != "" && r.lr != "2" && r.acc != nil && *r.acc <= 0.5 }, byAcc(true)},
		{"", []string{"metrics.acc"}, func(row) bool { return true }, byAcc(false)},
		{"", []string{"metrics.acc DESC"}, func(row) bool { return true }, byAcc(true)},
		{"attributes.start_time >= 1015", []string{"metrics.acc"}, func(r row) bool { return r.start >= 1015 }, byAcc(false)},
		{"", []string{"start_time ASC"}, func(row) bool { return true }, func(a, b row) int {
			if a.start != b.start {
				return int(a.start - b.start)
			}
			return strings.Compare(a.id, b.id)
		}},
	} {
		var want []string
		matching := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !c.keep(r) })
		slices.SortFunc(matching, c.less)
		for _, r := range matching {
			want = append(want, r.id)
		}
		for _, size := range []int{3, 50000} {
			for _, exps := range [][]string{{exp}, {exp, "0"}} { // one experiment is searched by another way than two
				var got []string
				token := ""
				for {
					page, next, err := s.Runs.SearchRunDocs(ctx, search.RunQuery{ExperimentIDs: exps, Filter: c.filter, OrderBy: c.order, Max: size, Token: token})
					if err != nil {
						t.Fatalf("%q %v: %v", c.filter, c.order, err)
					}
					for _, r := range page {
						got = append(got, r.Info.RunID)
					}
					if token = next; token == "" {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%q %v, pages of %d, %d experiments: %d runs, want %d, or another order", c.filter, c.order, size, len(exps), len(got), len(want))
				}
			}
		}
	}
}

func TestPagesStayRightWhileRunsAreInserted(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	want := map[string]bool{}
	for i := range 30 {
		want[dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{StartTime: int64(1000 + i)}))(t).Info.RunID] = true
	}
	seen, token := map[string]bool{}, ""
	for {
		page := dbtest.Must(s.Runs.SearchRuns(ctx, mlops.RunQuery{Max: 4, PageToken: token}))(t)
		for _, r := range page.Runs {
			if seen[r.ID] {
				t.Errorf("run %s came twice", r.ID)
			}
			seen[r.ID] = true
		}
		if token = page.NextPageToken; token == "" {
			break
		}
		dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{StartTime: 5000}))(t) // newer than all
	}
	for id := range want {
		if !seen[id] {
			t.Errorf("run %s was left out", id)
		}
	}
}

func TestPageTokensOfOtherQueriesAreRefused(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	for range 3 {
		storetest.NewRun(t, s, "0")
	}
	page := dbtest.Must(s.Runs.SearchRuns(ctx, mlops.RunQuery{ExperimentIDs: []string{"0"}, Max: 1}))(t)
	_, err := s.Runs.SearchRuns(ctx, mlops.RunQuery{ExperimentIDs: []string{"0"}, Max: 1, Filter: "metrics.a > 1", PageToken: page.NextPageToken})
	dbtest.WantCode(t, err, mlops.Invalid, "another query")
	_, err = s.Runs.SearchRuns(ctx, mlops.RunQuery{Max: 1, PageToken: "nonsense!"})
	dbtest.WantCode(t, err, mlops.Invalid, "start again without page_token")
}

// TestPagesOfAllRunsOutliveChanges pages through all experiments while one of
// them is renamed.
func TestPagesOfAllRunsOutliveChanges(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := dbtest.Must(s.Experiments.CreateExperiment(ctx, "a", "", nil))(t)
	dbtest.Must(s.Experiments.CreateExperiment(ctx, "b", "", nil))(t)
	first, second := storetest.NewRun(t, s, a), storetest.NewRun(t, s, a)
	page := dbtest.Must(s.Runs.SearchRuns(ctx, mlops.RunQuery{Max: 1}))(t)
	time.Sleep(2 * time.Millisecond) // so that the change is later than what was before
	if err := s.Experiments.RenameExperiment(ctx, a, "c"); err != nil {
		t.Fatal(err)
	}
	rest := dbtest.Must(s.Runs.SearchRuns(ctx, mlops.RunQuery{Max: 1, PageToken: page.NextPageToken}))(t)
	if len(page.Runs) != 1 || len(rest.Runs) != 1 || rest.NextPageToken != "" || !slices.Contains([]string{first + second, second + first}, page.Runs[0].ID+rest.Runs[0].ID) {
		t.Errorf("pages: %+v, then %+v", page, rest)
	}
}
