// Package lineage follows model versions through the other stores: back to
// data and code, forward to what serves them.
package lineage

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"sync"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/datasets"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/loggedmodels"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store follows model versions. SetDeployments says what serves them.
type Store struct {
	db          *db.DB
	experiments *experiments.Store
	runs        *runs.Store
	logged      *loggedmodels.Store
	models      *models.Store
	datasets    *datasets.Store

	mu       sync.Mutex
	deployed Deployments
}

// New returns the lineage over the stores of a database.
func New(d *db.DB, e *experiments.Store, r *runs.Store, l *loggedmodels.Store, m *models.Store, ds *datasets.Store) *Store {
	return &Store{db: d, experiments: e, runs: r, logged: l, models: m, datasets: ds}
}

// SetDeployments sets who is asked for the deployments.
func (s *Store) SetDeployments(d Deployments) {
	s.mu.Lock()
	s.deployed = d
	s.mu.Unlock()
}

// Deployed returns what SetDeployments gave, or nil.
func (s *Store) Deployed() Deployments {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deployed
}

// Lineage is a model version with where it comes from and what serves it.
type Lineage struct {
	Version wire.ModelVersion `json:"model_version"`
	mlops.Lineage
}

// Deployments lists the deployments; the loop knows them, the registry asks.
type Deployments interface {
	Deployments(ctx context.Context) ([]mlops.Deployment, error)
}

// Lineage follows a model version back to the digests of its data and code
// and, if deployed is not nil, forward to what serves it.
func (s *Store) Lineage(ctx context.Context, name, version string, deployed Deployments) (Lineage, error) {
	v, err := s.models.Version(ctx, name, version)
	if err != nil {
		return Lineage{}, err
	}
	l := Lineage{Version: v}
	if l.ArtifactURI, err = s.models.DownloadURI(ctx, name, v.Version); err != nil {
		return l, err
	}
	if v.ModelID != "" {
		m, err := s.logged.LoggedModel(ctx, v.ModelID, true)
		if err == nil {
			l.Model = &mlops.LineageModel{ModelID: m.Info.ModelID, Name: m.Info.Name, ArtifactURI: m.Info.ArtifactURI}
		} else if mlops.CodeOf(err) != mlops.NotFound {
			return l, err
		}
	}
	if v.RunID != "" {
		run, err := s.runs.RunByID(ctx, v.RunID)
		if err == nil {
			err = s.lineageOfRun(ctx, &l.Lineage, run)
		}
		if err != nil && mlops.CodeOf(err) != mlops.NotFound {
			return l, err
		}
		if l.Others, err = s.otherVersions(ctx, v); err != nil {
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
			l.Deployments = append(l.Deployments, d)
		}
	}
	return l, nil
}

func (s *Store) lineageOfRun(ctx context.Context, l *mlops.Lineage, run *wire.Run) error {
	i := run.Info
	e, err := s.experiments.Experiment(ctx, i.ExperimentID)
	if err != nil {
		return err
	}
	l.Run = &mlops.LineageRun{RunID: i.RunID, Name: i.RunName, ExperimentID: i.ExperimentID, Experiment: e.Name, Status: i.Status,
		Deleted: i.LifecycleStage == wire.Deleted, User: i.UserID, StartTime: i.StartTime, EndTime: i.EndTime, ArtifactURI: i.ArtifactURI}
	tag := map[string]string{}
	for _, t := range run.Data.Tags {
		tag[t.Key] = t.Value
	}
	l.Code = mlops.LineageCode{Source: tag["mlflow.source.name"], Type: tag["mlflow.source.type"], Commit: tag["mlflow.source.git.commit"],
		Branch: tag["mlflow.source.git.branch"], Repo: tag["mlflow.source.git.repoURL"], SHA256: tag[mlops.TagCodeSHA256]}
	l.Image = tag[mlops.TagImage]
	if j := (mlops.LineageJob{Project: tag[mlops.TagProject], Job: tag[mlops.TagJob], Pod: tag[mlops.TagPod], Node: tag[mlops.TagNode], Trigger: tag[mlops.TagTrigger]}); j != (mlops.LineageJob{}) {
		l.Job = &j
	}
	for _, in := range run.Inputs.DatasetInputs {
		d := mlops.LineageDataset{Name: in.Dataset.Name, Digest: in.Dataset.Digest, Source: in.Dataset.Source}
		whole := []string{d.Digest, tag[mlops.TagDatasetSHA256]}
		for _, t := range in.Tags {
			switch t.Key {
			case runs.TagContext:
				d.Context = t.Value
			case tagSHA256:
				whole = append(whole, t.Value)
			}
		}
		d.SHA256 = wholeDigest(d.Digest, whole)
		if d.SHA256 != "" {
			stored, ok, err := s.datasets.DatasetByDigest(ctx, d.SHA256)
			if err != nil {
				return err
			}
			if ok {
				d.Stored = &stored
			}
		}
		l.Datasets = append(l.Datasets, d)
	}
	return nil
}

// tagSHA256 is the tag of a run's input in which the trainer keeps the whole
// digest of the bytes: MLflow's clients send no more than 36 characters.
const tagSHA256 = "sha256"

// wholeDigest returns the SHA-256 among candidates that begins with digest,
// "" if none does.
func wholeDigest(digest string, candidates []string) string {
	digest = strings.ToLower(digest)
	for _, c := range candidates {
		if c = strings.ToLower(c); digest != "" && mlops.IsSHA256(c) && strings.HasPrefix(c, digest) {
			return c
		}
	}
	return ""
}

// otherVersions returns the other versions that a version's run has made.
func (s *Store) otherVersions(ctx context.Context, v wire.ModelVersion) (out []mlops.LineageVersion, err error) {
	err = s.db.Rows(ctx, `SELECT m.name, cast(v.version AS TEXT) FROM model_versions v JOIN registered_models m ON m.id = v.model
		WHERE v.run_id = ?1 AND m.prompt = 0 AND NOT (m.name = ?2 AND v.version = cast(?3 AS INTEGER)) ORDER BY m.name, v.version DESC LIMIT ?4`, func(r *sql.Rows) error {
		var o mlops.LineageVersion
		err := r.Scan(&o.Name, &o.Version)
		out = append(out, o)
		return err
	}, v.RunID, v.Name, v.Version, mlops.MaxLineageOthers)
	return out, err
}

// LineageOf is Lineage for a version's number, as nouns.
func (s *Store) LineageOf(ctx context.Context, model string, version int, deployed Deployments) (mlops.ModelVersion, mlops.Lineage, error) {
	l, err := s.Lineage(ctx, model, strconv.Itoa(version), deployed)
	if err != nil {
		return mlops.ModelVersion{}, mlops.Lineage{}, err
	}
	return models.VersionNoun(l.Version), l.Lineage, nil
}
