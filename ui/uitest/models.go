package uitest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// model returns a registered model with its versions counted. The caller has
// locked the world.
func (r registry) model(name string) (mlops.RegisteredModel, error) {
	for _, m := range r.w.Models {
		if m.Name != name {
			continue
		}
		for _, v := range r.w.Versions {
			if v.Model == name {
				m.Versions++
				if m.Latest == nil || v.Version > m.Latest.Version {
					m.Latest = &v
				}
			}
		}
		if m.Latest != nil {
			latest := r.withAliases(*m.Latest)
			m.Latest = &latest
		}
		return m, nil
	}
	return mlops.RegisteredModel{}, mlops.Errorf(mlops.NotFound, "there is no registered model %q", name)
}

// withAliases fills in a version's aliases, which are kept with its model.
func (r registry) withAliases(v mlops.ModelVersion) mlops.ModelVersion {
	v.Aliases = nil
	for _, m := range r.w.Models {
		for _, a := range m.Aliases {
			if m.Name == v.Model && a.Version == v.Version {
				v.Aliases = append(v.Aliases, a.Alias)
			}
		}
	}
	return v
}

// cut returns a page of all: n from where the token says.
func cut[T any](all []T, n int, token string) (page []T, next string, err error) {
	start := 0
	if token != "" {
		if _, err := fmt.Sscanf(token, "from-%d", &start); err != nil || start > len(all) {
			return nil, "", mlops.Errorf(mlops.Invalid, "page token %q is not valid", token)
		}
	}
	end := min(len(all), start+max(1, n))
	if end < len(all) {
		next = fmt.Sprintf("from-%d", end)
	}
	return all[start:end], next, nil
}

func (r registry) Models(_ context.Context, q mlops.ModelQuery) (mlops.ModelPage, error) {
	r.w.Lock()
	defer r.w.Unlock()
	var names []string
	for _, m := range r.w.Models {
		if strings.Contains(strings.ToLower(m.Name), strings.ToLower(q.Name)) && (mlops.Principal{Projects: q.Projects}).Holds(m.Name) {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	names, next, err := cut(names, q.Max, q.PageToken)
	page := mlops.ModelPage{NextPageToken: next}
	for _, name := range names {
		m, err := r.model(name)
		if err != nil {
			return page, err
		}
		page.Models = append(page.Models, m)
	}
	return page, err
}

func (r registry) Model(_ context.Context, name string) (mlops.RegisteredModel, error) {
	r.w.Lock()
	defer r.w.Unlock()
	return r.model(name)
}

func (r registry) Versions(_ context.Context, q mlops.VersionQuery) (mlops.VersionPage, error) {
	r.w.Lock()
	defer r.w.Unlock()
	var all []mlops.ModelVersion
	for _, v := range r.w.Versions {
		if v.Model == q.Model {
			all = append(all, r.withAliases(v))
		}
	}
	slices.SortFunc(all, func(a, b mlops.ModelVersion) int { return b.Version - a.Version })
	vs, next, err := cut(all, q.Max, q.PageToken)
	return mlops.VersionPage{Versions: vs, NextPageToken: next}, err
}

func (r registry) VersionsOfRuns(_ context.Context, ids []string) ([]mlops.ModelVersion, error) {
	r.w.Lock()
	defer r.w.Unlock()
	var out []mlops.ModelVersion
	for _, v := range r.w.Versions {
		if v.RunID != "" && slices.Contains(ids, v.RunID) {
			out = append(out, r.withAliases(v))
		}
	}
	slices.SortFunc(out, func(a, b mlops.ModelVersion) int {
		return strings.Compare(fmt.Sprintf("%s %09d", a.Model, a.Version), fmt.Sprintf("%s %09d", b.Model, b.Version))
	})
	return out, nil
}

func (r registry) Lineage(_ context.Context, model string, version int, deployed []mlops.Deployment) (mlops.ModelVersion, mlops.Lineage, error) {
	r.w.Lock()
	defer r.w.Unlock()
	i := slices.IndexFunc(r.w.Versions, func(v mlops.ModelVersion) bool { return v.Model == model && v.Version == version })
	if i < 0 {
		return mlops.ModelVersion{}, mlops.Lineage{}, mlops.Errorf(mlops.NotFound, "registered model %q has no version %d", model, version)
	}
	v := r.withAliases(r.w.Versions[i])
	l := mlops.Lineage{ArtifactURI: v.Source}
	for _, run := range r.all() {
		if run.ID == v.RunID {
			r.lineageOfRun(&l, run)
		}
	}
	for _, o := range r.w.Versions {
		if v.RunID != "" && o.RunID == v.RunID && (o.Model != model || o.Version != version) {
			l.Others = append(l.Others, mlops.LineageVersion{Name: o.Model, Version: strconv.Itoa(o.Version)})
		}
	}
	for _, d := range deployed {
		if d.Model == model && d.Version == strconv.Itoa(version) {
			l.Deployments = append(l.Deployments, d)
		}
	}
	return v, l, nil
}

func (r registry) lineageOfRun(l *mlops.Lineage, run mlops.Run) {
	l.Run = &mlops.LineageRun{RunID: run.ID, Name: run.Name, ExperimentID: run.ExperimentID, Experiment: run.Experiment, Status: string(run.Status),
		Deleted: run.Deleted, User: run.User, StartTime: run.StartedAt.UnixMilli(), ArtifactURI: run.ArtifactURI}
	if !run.EndedAt.IsZero() {
		end := run.EndedAt.UnixMilli()
		l.Run.EndTime = &end
	}
	l.Code = mlops.LineageCode{Source: run.Tag("mlflow.source.name"), Type: run.Tag("mlflow.source.type"), Commit: run.Tag("mlflow.source.git.commit"),
		Branch: run.Tag("mlflow.source.git.branch"), Repo: run.Tag("mlflow.source.git.repoURL"), SHA256: run.Tag(mlops.TagCodeSHA256)}
	l.Image = run.Tag(mlops.TagImage)
	if job := run.Tag(mlops.TagJob); job != "" {
		l.Job = &mlops.LineageJob{Project: run.Tag(mlops.TagProject), Job: job, Pod: run.Tag(mlops.TagPod), Node: run.Tag(mlops.TagNode), Trigger: run.Tag(mlops.TagTrigger)}
	}
	for _, in := range run.Inputs {
		d := mlops.LineageDataset{Name: in.Name, Digest: in.Digest, Context: in.Context, Source: in.Source}
		if mlops.IsSHA256(in.Digest) {
			d.SHA256 = in.Digest
		}
		for _, stored := range r.w.Datasets {
			if stored.SHA256 == d.SHA256 {
				d.Stored = &stored
			}
		}
		l.Datasets = append(l.Datasets, d)
	}
}

func (r registry) SetAlias(_ context.Context, model, alias string, version int) error {
	return r.changeAliases(model, alias, func(m *mlops.RegisteredModel) error {
		if !slices.ContainsFunc(r.w.Versions, func(v mlops.ModelVersion) bool { return v.Model == model && v.Version == version }) {
			return mlops.Errorf(mlops.NotFound, "registered model %q has no version %d", model, version)
		}
		m.Aliases = append(without(m.Aliases, alias), mlops.Alias{Alias: alias, Version: version})
		slices.SortFunc(m.Aliases, func(a, b mlops.Alias) int { return strings.Compare(a.Alias, b.Alias) })
		return nil
	})
}

func (r registry) DeleteAlias(_ context.Context, model, alias string) error {
	return r.changeAliases(model, alias, func(m *mlops.RegisteredModel) error {
		m.Aliases = without(m.Aliases, alias)
		return nil
	})
}

func without(aliases []mlops.Alias, alias string) []mlops.Alias {
	return slices.DeleteFunc(slices.Clone(aliases), func(a mlops.Alias) bool { return a.Alias == alias })
}

func (r registry) changeAliases(model, alias string, change func(*mlops.RegisteredModel) error) error {
	if err := mlops.ValidateAlias(alias); err != nil {
		return err
	}
	err := error(mlops.Errorf(mlops.NotFound, "there is no registered model %q", model))
	r.w.Change(func() {
		for i := range r.w.Models {
			if r.w.Models[i].Name == model {
				err = change(&r.w.Models[i])
			}
		}
	})
	return err
}
