package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// DatasetSummaries lists the datasets of the object store and those that runs
// have logged, the ones that were read last first.
func (s *Store) DatasetSummaries(ctx context.Context) ([]mlops.DatasetSummary, error) {
	stored, err := s.Datasets(ctx)
	if err != nil {
		return nil, err
	}
	at := map[[2]string]int{}
	out := make([]mlops.DatasetSummary, 0, len(stored))
	for _, d := range stored {
		at[[2]string{d.Name, mlops.LoggedDigest(d.SHA256)}] = len(out)
		out = append(out, mlops.DatasetSummary{Name: d.Name, Digest: d.SHA256, Stored: &d})
	}
	err = s.rows(ctx, `SELECT d.name, substr(lower(d.digest), 1, 36), count(DISTINCT r.id), max(r.start_time),
		(SELECT count(*) FROM model_versions v JOIN registered_models m ON m.id = v.model AND m.prompt = 0
			WHERE v.run_id IN (SELECT r2.run_id FROM input_datasets d2 JOIN run_inputs i2 ON i2.dataset = d2.id JOIN runs r2 ON r2.id = i2.run WHERE d2.name = d.name AND substr(lower(d2.digest), 1, 36) = substr(lower(d.digest), 1, 36)))
		FROM input_datasets d JOIN run_inputs i ON i.dataset = d.id JOIN runs r ON r.id = i.run AND r.lifecycle = 'active'
		GROUP BY 1, 2 ORDER BY 4 DESC LIMIT ?`, func(r *sql.Rows) error {
		var d mlops.DatasetSummary
		if err := r.Scan(&d.Name, &d.Digest, &d.Runs, &d.LastRunAt, &d.Versions); err != nil {
			return err
		}
		if i, ok := at[[2]string{d.Name, mlops.LoggedDigest(d.Digest)}]; ok {
			out[i].Runs, out[i].LastRunAt, out[i].Versions = d.Runs, d.LastRunAt, d.Versions
			return nil
		}
		out = append(out, d)
		return nil
	}, mlops.MaxDatasets)
	slices.SortStableFunc(out, func(a, b mlops.DatasetSummary) int { return int(min(1, max(-1, b.LastRunAt-a.LastRunAt))) })
	return out, err
}

// fromDataset joins the runs that have read a dataset to the model versions
// that they made. ?1 is what was logged of its digest.
const fromDataset = ` FROM input_datasets d JOIN run_inputs i ON i.dataset = d.id JOIN runs r ON r.id = i.run
	JOIN model_versions v ON v.run_id = r.run_id JOIN registered_models m ON m.id = v.model AND m.prompt = 0
	WHERE substr(lower(d.digest), 1, 36) = ?1`

// DatasetUse follows a dataset forward: to the runs that have read it, the
// model versions that these made, and what is served from it. digest is a
// whole SHA-256 or what a run has logged; deployed may be nil.
func (s *Store) DatasetUse(ctx context.Context, digest string, deployed Deployments) (mlops.DatasetUse, error) {
	digest = strings.ToLower(digest)
	use := mlops.DatasetUse{Digest: mlops.LoggedDigest(digest), Versions: []mlops.VersionUse{}, Deployments: []mlops.Deployment{}}
	if stored, ok, err := s.datasetLike(ctx, digest); err != nil {
		return use, err
	} else if ok {
		use.Stored, use.Name = &stored, stored.Name
	}
	read := 0 // by deleted runs too: what they made may still be served
	err := s.rows(ctx, `SELECT min(d.name), count(DISTINCT CASE WHEN r.lifecycle = 'active' THEN r.id END), coalesce(max(r.start_time), 0), count(*)
		FROM input_datasets d JOIN run_inputs i ON i.dataset = d.id JOIN runs r ON r.id = i.run WHERE substr(lower(d.digest), 1, 36) = ?`, func(r *sql.Rows) error {
		var name sql.NullString
		err := r.Scan(&name, &use.Runs, &use.LastRunAt, &read)
		if use.Name == "" {
			use.Name = name.String
		}
		return err
	}, use.Digest)
	if err != nil {
		return use, err
	}
	if use.Stored == nil && read == 0 {
		return use, notFound("no dataset with the digest %q is stored or was logged by a run", head(digest))
	}
	err = s.rows(ctx, "SELECT DISTINCT source FROM input_datasets WHERE substr(lower(digest), 1, 36) = ? ORDER BY source LIMIT 10", func(r *sql.Rows) error {
		var source string
		err := r.Scan(&source)
		use.Sources = append(use.Sources, source)
		return err
	}, use.Digest)
	if err != nil {
		return use, err
	}
	total := 0
	if err = s.rows(ctx, "SELECT count(DISTINCT v.model || '/' || v.version)"+fromDataset, func(r *sql.Rows) error { return r.Scan(&total) }, use.Digest); err != nil {
		return use, err
	}
	err = s.rows(ctx, "SELECT m.name, v.version, v.run_id, max(coalesce(i.context, '')), v.created"+fromDataset+
		" GROUP BY v.model, v.version ORDER BY v.created DESC, m.name, v.version DESC LIMIT ?2", func(r *sql.Rows) error {
		v := mlops.VersionUse{}
		err := r.Scan(&v.Model, &v.Version, &v.RunID, &v.Context, &v.CreatedAt)
		use.Versions = append(use.Versions, v)
		return err
	}, use.Digest, mlops.MaxDatasetVersions)
	use.More = total - len(use.Versions)
	if err != nil || deployed == nil {
		return use, err
	}
	return use, s.servedFrom(ctx, &use, deployed)
}

// servedFrom finds the deployments that serve a version made from a dataset,
// among them versions that are too old for the list.
func (s *Store) servedFrom(ctx context.Context, use *mlops.DatasetUse, deployed Deployments) error {
	all, err := deployed.Deployments(ctx)
	if err != nil {
		return fmt.Errorf("ask what is deployed: %w", err)
	}
	for _, d := range all {
		made := false
		err := s.rows(ctx, "SELECT 1"+fromDataset+" AND m.name = ?2 AND v.version = cast(?3 AS INTEGER) LIMIT 1", func(*sql.Rows) error { made = true; return nil }, use.Digest, d.Model, d.Version)
		if err != nil {
			return err
		}
		if !made {
			continue
		}
		use.Deployments = append(use.Deployments, d)
		for i, v := range use.Versions {
			if v.Model == d.Model && fmt.Sprint(v.Version) == d.Version {
				use.Versions[i].Served = append(use.Versions[i].Served, d.Name)
			}
		}
	}
	return nil
}

// datasetLike returns the newest stored dataset whose digest begins with what
// a run has logged of it.
func (s *Store) datasetLike(ctx context.Context, digest string) (mlops.Dataset, bool, error) {
	if len(digest) < len(mlops.LoggedDigest(strings.Repeat("0", 64))) {
		return mlops.Dataset{}, false, nil // too little to say that it is the same
	}
	out, err := s.datasets(ctx, "WHERE substr(sha256, 1, ?) = ? ORDER BY id DESC LIMIT 1", len(digest), digest)
	if err != nil || len(out) == 0 {
		return mlops.Dataset{}, false, err
	}
	return out[0], true, nil
}
