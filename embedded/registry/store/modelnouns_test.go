package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func TestModelsArePagedAndSearched(t *testing.T) {
	s, ctx := open(t), t.Context()
	for i := range 7 {
		must(s.CreateRegisteredModel(ctx, fmt.Sprintf("Model_%d", i), "", nil))(t)
	}
	must(s.CreateRegisteredModel(ctx, "100%", "", nil))(t)
	must(s.CreateRegisteredModel(ctx, "model-prompt", "", []wire.KV{{Key: tagIsPrompt, Value: "true"}}))(t)
	names := func(q mlops.ModelQuery) (out []string) {
		for {
			p := must(s.Models(ctx, q))(t)
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
	token := must(s.Models(ctx, mlops.ModelQuery{Max: 3}))(t).NextPageToken
	_, err := s.Models(ctx, mlops.ModelQuery{Name: "other", Max: 3, PageToken: token})
	wantCode(t, err, mlops.Invalid, "page")
	for _, n := range []int{0, -1, 1001} {
		_, err = s.Models(ctx, mlops.ModelQuery{Max: n})
		wantCode(t, err, mlops.Invalid, "a page has 1 to 1000 entries")
		_, err = s.Versions(ctx, mlops.VersionQuery{Model: "Model_0", Max: n})
		wantCode(t, err, mlops.Invalid, "a page has 1 to 1000 entries")
	}
}

func TestModelNoun(t *testing.T) {
	s, ctx := open(t), t.Context()
	must(s.CreateRegisteredModel(ctx, "m", "what it is", []wire.KV{{Key: "team", Value: "a"}}))(t)
	if m := must(s.Model(ctx, "m"))(t); m.Latest != nil || m.Versions != 0 || m.Description != "what it is" || len(m.Tags) != 1 {
		t.Errorf("without versions: %+v", m)
	}
	run := newRun(t, s, "0")
	for range 12 {
		must(s.CreateModelVersion(ctx, NewVersion{Name: "m", Source: "s3://b/m", RunID: run}))(t)
	}
	if err := s.SetAlias(ctx, "m", "champion", "11"); err != nil {
		t.Fatal(err)
	}
	if m := must(s.Model(ctx, "m"))(t); m.Latest == nil || m.Latest.Version != 12 || m.Versions != 12 || len(m.Aliases) != 1 || m.Aliases[0] != (mlops.Alias{Alias: "champion", Version: 11}) {
		t.Errorf("with versions: %+v", m)
	}
	var got []string
	q := mlops.VersionQuery{Model: "m", Max: 5}
	for {
		p := must(s.Versions(ctx, q))(t)
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
		_, err := s.Model(ctx, name)
		wantCode(t, err, mlops.NotFound, "there is no registered model")
	}
	must(s.CreateRegisteredModel(ctx, "p", "", []wire.KV{{Key: tagIsPrompt, Value: "true"}}))(t)
	_, err := s.Model(ctx, "p")
	wantCode(t, err, mlops.NotFound, "there is no registered model")

	runs := must(s.RunsByID(ctx, []string{run, "gone", newRun(t, s, "0")}))(t)
	if len(runs) != 2 || runs[0].ID != run && runs[1].ID != run || runs[0].Experiment != "Default" {
		t.Errorf("runs: %+v", runs)
	}
	if runs := must(s.RunsByID(ctx, nil))(t); len(runs) != 0 {
		t.Errorf("no ids, but runs: %+v", runs)
	}
}
