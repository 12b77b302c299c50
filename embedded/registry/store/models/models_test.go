package models_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func TestModelsArePagedAndSearched(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	for i := range 7 {
		dbtest.Must(s.Models.CreateRegisteredModel(ctx, fmt.Sprintf("Model_%d", i), "", nil))(t)
	}
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "100%", "", nil))(t)
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "model-prompt", "", []wire.KV{{Key: "mlflow.prompt.is_prompt", Value: "true"}}))(t)
	names := func(q mlops.ModelQuery) (out []string) {
		for {
			p := dbtest.Must(s.Models.Models(ctx, q))(t)
			for _, m := range p.Models {
				out = append(out, m.Name)
			}
			if q.PageToken = p.NextPageToken; q.PageToken == "" {
				return out
			}
		}
	}
	for _, c := range []struct {
		query string
		want  string
	}{
		{"", "100% Model_0 Model_1 Model_2 Model_3 Model_4 Model_5 Model_6"},
		{"MODEL", "Model_0 Model_1 Model_2 Model_3 Model_4 Model_5 Model_6"},
		{"l_4", "Model_4"}, {"%", "100%"}, {"'", ""}, {"prompt", ""},
	} {
		if got := strings.Join(names(mlops.ModelQuery{Name: c.query, Max: 3}), " "); got != c.want {
			t.Errorf("%q finds %q, want %q", c.query, got, c.want)
		}
	}
	token := dbtest.Must(s.Models.Models(ctx, mlops.ModelQuery{Max: 3}))(t).NextPageToken
	_, err := s.Models.Models(ctx, mlops.ModelQuery{Name: "other", Max: 3, PageToken: token})
	dbtest.WantCode(t, err, mlops.Invalid, "page")
	for _, n := range []int{0, -1, 1001} {
		_, err = s.Models.Models(ctx, mlops.ModelQuery{Max: n})
		dbtest.WantCode(t, err, mlops.Invalid, "a page has 1 to 1000 entries")
		_, err = s.Models.Versions(ctx, mlops.VersionQuery{Model: "Model_0", Max: n})
		dbtest.WantCode(t, err, mlops.Invalid, "a page has 1 to 1000 entries")
	}
}

func TestModelNoun(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "m", "what it is", []wire.KV{{Key: "team", Value: "a"}}))(t)
	if m := dbtest.Must(s.Models.Model(ctx, "m"))(t); m.Latest != nil || m.Versions != 0 || m.Description != "what it is" || len(m.Tags) != 1 {
		t.Errorf("without versions: %+v", m)
	}
	run := storetest.NewRun(t, s, "0")
	for range 12 {
		dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "m", Source: "s3://b/m", RunID: run}))(t)
	}
	if err := s.Models.SetAlias(ctx, "m", "champion", "11"); err != nil {
		t.Fatal(err)
	}
	if m := dbtest.Must(s.Models.Model(ctx, "m"))(t); m.Latest == nil || m.Latest.Version != 12 || m.Versions != 12 || len(m.Aliases) != 1 || m.Aliases[0] != (mlops.Alias{Alias: "champion", Version: 11}) {
		t.Errorf("with versions: %+v", m)
	}
	var got []string
	q := mlops.VersionQuery{Model: "m", Max: 5}
	for {
		p := dbtest.Must(s.Models.Versions(ctx, q))(t)
		for _, v := range p.Versions {
			got = append(got, fmt.Sprintf("%d%v", v.Version, v.Aliases))
		}
		if q.PageToken = p.NextPageToken; q.PageToken == "" {
			break
		}
	}
	if strings.Join(got, " ") != "12[] 11[champion] 10[] 9[] 8[] 7[] 6[] 5[] 4[] 3[] 2[] 1[]" {
		t.Errorf("versions: %v", got)
	}
	for _, name := range []string{"none", "", "a/b"} {
		_, err := s.Models.Model(ctx, name)
		dbtest.WantCode(t, err, mlops.NotFound, "there is no registered model")
	}
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "p", "", []wire.KV{{Key: "mlflow.prompt.is_prompt", Value: "true"}}))(t)
	_, err := s.Models.Model(ctx, "p")
	dbtest.WantCode(t, err, mlops.NotFound, "there is no registered model")

	runs := dbtest.Must(s.Runs.RunsByID(ctx, []string{run, "gone", storetest.NewRun(t, s, "0")}))(t)
	if len(runs) != 2 || runs[0].ID != run && runs[1].ID != run || runs[0].Experiment != "Default" {
		t.Errorf("runs: %+v", runs)
	}
	if runs := dbtest.Must(s.Runs.RunsByID(ctx, nil))(t); len(runs) != 0 {
		t.Errorf("no ids, but runs: %+v", runs)
	}
}

func TestVersionNumbersAreNotGivenAgain(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "m", "", nil))(t)
	for _, want := range []string{"1", "2", "3"} {
		v := dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "m", Source: "s3://b/m"}))(t)
		if v.Version != want {
			t.Errorf("version %s, want %s", v.Version, want)
		}
		if want == "2" {
			if err := s.Models.DeleteModelVersion(ctx, "m", "2"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestVersionsOfRuns(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	first, second, none := storetest.NewRun(t, s, "0"), storetest.NewRun(t, s, "0"), storetest.NewRun(t, s, "0")
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "m", "", nil))(t)
	for _, run := range []string{first, second, first, ""} {
		dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "m", Source: "s3://mlflow/x", RunID: run}))(t)
	}
	var got []string
	for _, v := range dbtest.Must(s.Models.VersionsOfRuns(ctx, []string{none, first, second, ""}))(t) {
		got = append(got, fmt.Sprint(v.Version, v.RunID))
	}
	if want := []string{"1" + first, "2" + second, "3" + first}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if vs := dbtest.Must(s.Models.VersionsOfRuns(ctx, nil))(t); len(vs) != 0 {
		t.Errorf("no runs have %v", vs)
	}
}
