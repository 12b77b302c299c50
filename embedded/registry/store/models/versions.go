package models

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/loggedmodels"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// The stages of model versions, as MLflow spells them.
var stages = []string{"None", "Staging", "Production", "Archived"}

// canonicalStage finds a stage whatever its case.
func canonicalStage(s string) (string, error) {
	for _, stage := range stages {
		if strings.EqualFold(stage, s) {
			return stage, nil
		}
	}
	return "", mlops.Errorf(mlops.Invalid, "stage %q is not known: expected one of %s", wire.Head(s), strings.Join(stages, ", "))
}

// NewVersion is what CreateModelVersion needs.
type NewVersion struct {
	Name, Source, RunID, RunLink, Description, ModelID, UserID string
	Tags                                                       []wire.KV
}

// CreateModelVersion makes the next version of a model. A source of the form
// models:/<id> stands for a logged model and is resolved to where its files lie.
func (s *Store) CreateModelVersion(ctx context.Context, n NewVersion) (wire.ModelVersion, error) {
	for _, kv := range n.Tags {
		if err := validateRegistryTag(kv); err != nil {
			return wire.ModelVersion{}, err
		}
	}
	if err := s.checkSource(ctx, &n); err != nil {
		return wire.ModelVersion{}, err
	}
	location, err := s.resolveSource(ctx, n.Source)
	if err != nil {
		return wire.ModelVersion{}, err
	}
	var version int
	err = s.changeModel(ctx, n.Name, func(t *db.Tx, model int64) error {
		if n.RunID == "" && n.ModelID != "" {
			if _, err := t.Row("SELECT source_run_id FROM logged_models WHERE model_id = ?", []any{n.ModelID}, &n.RunID); err != nil {
				return err
			}
		}
		if _, err := t.Row("SELECT next_version FROM registered_models WHERE id = ?", []any{model}, &version); err != nil {
			return err
		}
		id, err := t.Insert(`INSERT INTO model_versions (model, version, created, updated, user_id, stage, description, source, storage_location, run_id, run_link, status, model_id)
			VALUES (?, ?, ?, ?, ?, 'None', ?, ?, ?, ?, ?, 'READY', ?)`, model, version, t.Now, t.Now, n.UserID, n.Description, n.Source, location, n.RunID, n.RunLink, n.ModelID)
		if err != nil {
			return err
		}
		for _, kv := range n.Tags {
			if err := t.Exec("INSERT OR REPLACE INTO model_version_tags (version, key, value) VALUES (?, ?, ?)", id, kv.Key, kv.Value); err != nil {
				return err
			}
		}
		if err := noteVersion(t, n.ModelID, n.Name, version); err != nil {
			return err
		}
		// A number is never given twice, also after its version was deleted:
		// deployments and people refer to versions by it.
		if err := t.Exec("UPDATE registered_models SET next_version = ? WHERE id = ?", version+1, model); err != nil {
			return err
		}
		return emit(t, n.Name, "MODEL_VERSION", "CREATED", map[string]any{"version": strconv.Itoa(version), "source": n.Source, "run_id": n.RunID, "tags": tagMap(n.Tags), "description": n.Description})
	})
	if err != nil {
		return wire.ModelVersion{}, err
	}
	return s.Version(ctx, n.Name, strconv.Itoa(version))
}

// noteVersion adds a version to the tag in which clients look for the
// versions made of a logged model.
func noteVersion(t *db.Tx, modelID, name string, version int) error {
	const tag = "mlflow.modelVersions"
	var id int64
	if found, err := t.Row("SELECT id FROM logged_models WHERE model_id = ?", []any{modelID}, &id); err != nil || !found {
		return err
	}
	var old string
	if _, err := t.Row("SELECT value FROM logged_model_tags WHERE model = ? AND key = ?", []any{id, tag}, &old); err != nil {
		return err
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		return err
	}
	entry := fmt.Sprintf(`{"name": %s, "version": %d}`, quoted, version)
	if rest, ok := strings.CutSuffix(old, "]"); ok && len(rest) > 1 {
		entry = rest + ", " + entry + "]"
	} else {
		entry = "[" + entry + "]"
	}
	return loggedmodels.PutTags(t, id, []wire.KV{{Key: tag, Value: entry}})
}

// resolveSource finds where the files of a source lie, if it is a models: URI.
func (s *Store) resolveSource(ctx context.Context, source string) (string, error) {
	rest, ok := strings.CutPrefix(source, "models:/")
	if !ok {
		return source, nil
	}
	if name, version, ok := strings.Cut(strings.Trim(rest, "/"), "/"); ok {
		return s.DownloadURI(ctx, name, version)
	}
	var uri string
	found, err := s.db.Row(ctx, "SELECT artifact_uri FROM logged_models WHERE model_id = ?", []any{strings.Trim(rest, "/")}, &uri)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "the source %q names a logged model that does not exist", wire.Head(source))
	}
	return uri, err
}

// findVersion finds a version and returns its number and row id.
func findVersion(t *db.Tx, name, version string) (n int, id int64, err error) {
	n, err = parseVersion(version)
	if err != nil {
		return 0, 0, err
	}
	found, err := t.Row("SELECT v.id FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE m.name = ? AND v.version = ?", []any{name, n}, &id)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "registered model %q has no version %d", wire.Head(name), n)
	}
	return n, id, err
}

func (s *Store) changeVersion(ctx context.Context, name, version string, fn func(t *db.Tx, id int64) error) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		t.TouchModels()
		_, id, err := findVersion(t, name, version)
		if err != nil {
			return err
		}
		if err := t.Exec("UPDATE model_versions SET updated = ? WHERE id = ?", t.Now, id); err != nil {
			return err
		}
		if err := t.Exec("UPDATE registered_models SET updated = ? WHERE name = ?", t.Now, name); err != nil {
			return err
		}
		return fn(t, id)
	})
}

// UpdateModelVersion changes a version's description.
func (s *Store) UpdateModelVersion(ctx context.Context, name, version, description string) (wire.ModelVersion, error) {
	if err := s.changeVersion(ctx, name, version, func(t *db.Tx, id int64) error {
		return t.Exec("UPDATE model_versions SET description = ? WHERE id = ?", description, id)
	}); err != nil {
		return wire.ModelVersion{}, err
	}
	return s.Version(ctx, name, version)
}

// TransitionStage moves a version to a stage. With archive, the others in
// that stage are archived, which only Staging and Production allow.
func (s *Store) TransitionStage(ctx context.Context, name, version, stage string, archive bool) (wire.ModelVersion, error) {
	stage, err := canonicalStage(stage)
	if err != nil {
		return wire.ModelVersion{}, err
	}
	if archive && stage != "Staging" && stage != "Production" {
		return wire.ModelVersion{}, mlops.Errorf(mlops.Invalid, "archive_existing_versions is only for the stages Staging and Production, not for %s", stage)
	}
	if err := s.changeVersion(ctx, name, version, func(t *db.Tx, id int64) error {
		if archive {
			if err := t.Exec(`UPDATE model_versions SET stage = 'Archived', updated = ?
				WHERE stage = ? AND id <> ? AND model = (SELECT model FROM model_versions WHERE id = ?)`, t.Now, stage, id, id); err != nil {
				return err
			}
		}
		return t.Exec("UPDATE model_versions SET stage = ? WHERE id = ?", stage, id)
	}); err != nil {
		return wire.ModelVersion{}, err
	}
	return s.Version(ctx, name, version)
}

// DeleteModelVersion removes a version and the aliases that point at it.
func (s *Store) DeleteModelVersion(ctx context.Context, name, version string) error {
	return s.changeVersion(ctx, name, version, func(t *db.Tx, id int64) error {
		return t.Exec("DELETE FROM model_versions WHERE id = ?", id)
	})
}

const versionColumns = `SELECT v.id, m.name, v.version, v.created, v.updated, v.user_id, v.stage, v.description, v.source, v.run_id, v.run_link, v.status, v.status_message, v.model_id,
	(SELECT json_group_object(key, value) FROM model_version_tags t WHERE t.version = v.id),
	(SELECT json_group_object(alias, '') FROM model_aliases a WHERE a.model = v.model AND a.version = v.version)
	FROM model_versions v JOIN registered_models m ON m.id = v.model `

func scanVersion(r *sql.Rows, extra ...any) (wire.ModelVersion, error) {
	var v wire.ModelVersion
	var id int64
	var version int
	var tags, aliases string
	if err := r.Scan(append([]any{&id, &v.Name, &version, &v.CreationTime, &v.LastUpdated, &v.UserID, &v.CurrentStage, &v.Description, &v.Source, &v.RunID,
		&v.RunLink, &v.Status, &v.StatusMessage, &v.ModelID, &tags, &aliases}, extra...)...); err != nil {
		return v, err
	}
	v.Version = strconv.Itoa(version)
	var err error
	if v.Tags, err = db.KVsOf(tags); err != nil {
		return v, err
	}
	kvs, err := db.KVsOf(aliases)
	for _, kv := range kvs {
		v.Aliases = append(v.Aliases, kv.Key)
	}
	return v, err
}

// Version returns one version.
func (s *Store) Version(ctx context.Context, name, version string) (v wire.ModelVersion, err error) {
	if err := validateModelName(name); err != nil {
		return v, err
	}
	n, err := parseVersion(version)
	if err != nil {
		return v, err
	}
	vs, err := s.versions(ctx, "WHERE m.name = ? AND v.version = ?", name, n)
	if err != nil {
		return v, err
	}
	if len(vs) == 0 {
		return v, mlops.Errorf(mlops.NotFound, "registered model %q has no version %d", wire.Head(name), n)
	}
	return vs[0], s.addModelData(ctx, &vs[0])
}

// addModelData adds the params and metrics of the logged model behind a version.
func (s *Store) addModelData(ctx context.Context, v *wire.ModelVersion) error {
	if v.ModelID == "" {
		return nil
	}
	m, err := s.logged.LoggedModel(ctx, v.ModelID, false)
	if mlops.CodeOf(err) == mlops.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range m.Data.Params {
		v.ModelParams = append(v.ModelParams, wire.Param{Name: p.Key, Value: p.Value})
	}
	v.ModelMetrics = m.Data.Metrics
	return nil
}

// versions runs a constant query for versions.
func (s *Store) versions(ctx context.Context, where string, args ...any) (out []wire.ModelVersion, err error) {
	err = s.db.Rows(ctx, versionColumns+where, func(r *sql.Rows) error {
		v, err := scanVersion(r)
		out = append(out, v)
		return err
	}, args...)
	return out, err
}

// parseVersion reads a model version's number.
func parseVersion(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, mlops.Errorf(mlops.Invalid, "the model version must be a number, found %q", wire.Head(s))
	}
	return n, nil
}
