package store

import (
	"context"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Lineage is where a model version comes from. What is not known is empty.
type Lineage struct {
	Version    wire.ModelVersion  `json:"model_version"`
	Run        *LineageRun        `json:"run,omitempty"`
	Model      *LineageModel      `json:"logged_model,omitempty"`
	Code       LineageCode        `json:"code"`
	Image      string             `json:"image,omitempty"` // that the trainer ran in
	Job        *LineageJob        `json:"job,omitempty"`
	Datasets   []LineageDataset   `json:"datasets,omitempty"`
	Deployment []mlops.Deployment `json:"deployments,omitempty"` // that serve this version now
}

// LineageRun is the run that made the version.
type LineageRun struct {
	RunID        string `json:"run_id"`
	Name         string `json:"name"`
	ExperimentID string `json:"experiment_id"`
	Experiment   string `json:"experiment"`
	Status       string `json:"status"`
	User         string `json:"user,omitempty"`
	StartTime    int64  `json:"start_time"`
	EndTime      *int64 `json:"end_time,omitempty"`
	ArtifactURI  string `json:"artifact_uri"`
}

// LineageModel is the logged model behind the version.
type LineageModel struct {
	ModelID     string `json:"model_id"`
	Name        string `json:"name"`
	ArtifactURI string `json:"artifact_uri"`
}

// LineageCode is the code that ran.
type LineageCode struct {
	Source string `json:"source,omitempty"`
	Type   string `json:"type,omitempty"`
	Commit string `json:"git_commit,omitempty"`
	Branch string `json:"git_branch,omitempty"`
	Repo   string `json:"git_repo,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// LineageJob is where the code ran.
type LineageJob struct {
	Project string `json:"project,omitempty"`
	Job     string `json:"job,omitempty"`
	Pod     string `json:"pod,omitempty"`
	Node    string `json:"node,omitempty"`
	Trigger string `json:"trigger,omitempty"`
}

// LineageDataset is a dataset that the run has read; Stored is its version in
// the object store, if its digest is known there.
type LineageDataset struct {
	Name    string         `json:"name"`
	Digest  string         `json:"digest"`
	Context string         `json:"context,omitempty"`
	Source  string         `json:"source"`
	Stored  *mlops.Dataset `json:"stored,omitempty"`
}

// Deployments says what is deployed; the loop knows, the registry asks.
type Deployments interface {
	Deployments(ctx context.Context) ([]mlops.Deployment, error)
}

// Lineage follows a model version back to the digests of its data and code
// and, if deployed is not nil, forward to what serves it.
func (s *Store) Lineage(ctx context.Context, name, version string, deployed Deployments) (Lineage, error) {
	v, err := s.Version(ctx, name, version)
	if err != nil {
		return Lineage{}, err
	}
	l := Lineage{Version: v}
	if v.ModelID != "" {
		m, err := s.LoggedModel(ctx, v.ModelID, true)
		if err == nil {
			l.Model = &LineageModel{m.Info.ModelID, m.Info.Name, m.Info.ArtifactURI}
		} else if mlops.CodeOf(err) != mlops.NotFound {
			return l, err
		}
	}
	if v.RunID != "" {
		run, err := s.RunByID(ctx, v.RunID)
		if err == nil {
			err = s.lineageOfRun(ctx, &l, run)
		}
		if err != nil && mlops.CodeOf(err) != mlops.NotFound {
			return l, err
		}
	}
	if deployed == nil {
		return l, nil
	}
	all, err := deployed.Deployments(ctx)
	if err != nil {
		return l, err
	}
	for _, d := range all {
		if d.Model == name && d.Version == v.Version {
			l.Deployment = append(l.Deployment, d)
		}
	}
	return l, nil
}

func (s *Store) lineageOfRun(ctx context.Context, l *Lineage, run *wire.Run) error {
	i := run.Info
	e, err := s.Experiment(ctx, i.ExperimentID)
	if err != nil {
		return err
	}
	l.Run = &LineageRun{i.RunID, i.RunName, i.ExperimentID, e.Name, i.Status, i.UserID, i.StartTime, i.EndTime, i.ArtifactURI}
	tag := map[string]string{}
	for _, t := range run.Data.Tags {
		tag[t.Key] = t.Value
	}
	l.Code = LineageCode{tag["mlflow.source.name"], tag["mlflow.source.type"], tag["mlflow.source.git.commit"], tag["mlflow.source.git.branch"], tag["mlflow.source.git.repoURL"], tag[mlops.TagCodeSHA256]}
	l.Image = tag[mlops.TagImage]
	if j := (LineageJob{tag[mlops.TagProject], tag[mlops.TagJob], tag[mlops.TagPod], tag[mlops.TagNode], tag[mlops.TagTrigger]}); j != (LineageJob{}) {
		l.Job = &j
	}
	for _, in := range run.Inputs.DatasetInputs {
		d := LineageDataset{Name: in.Dataset.Name, Digest: in.Dataset.Digest, Source: in.Dataset.Source}
		for _, t := range in.Tags {
			if t.Key == tagContext {
				d.Context = t.Value
			}
		}
		stored, ok, err := s.DatasetByDigest(ctx, strings.ToLower(d.Digest))
		if err != nil {
			return err
		}
		if ok {
			d.Stored = &stored
		}
		l.Datasets = append(l.Datasets, d)
	}
	return nil
}

// LineageOf is Lineage for a version's number.
func (s *Store) LineageOf(ctx context.Context, model string, version int, deployed Deployments) (Lineage, error) {
	return s.Lineage(ctx, model, strconv.Itoa(version), deployed)
}
