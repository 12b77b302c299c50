package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// NewLoggedModel is what CreateLoggedModel needs.
type NewLoggedModel struct {
	ExperimentID, Name, ModelType, SourceRunID string
	Params, Tags                               []wire.KV
}

// CreateLoggedModel makes a logged model, pending until it is finalized. One
// without a name gets one.
func (s *Store) CreateLoggedModel(ctx context.Context, n NewLoggedModel) (wire.LoggedModel, error) {
	if n.Name == "" {
		n.Name = randomName()
	}
	if strings.ContainsAny(n.Name, "/:.%\"'") {
		return wire.LoggedModel{}, invalid("the logged model's name %q must not contain any of / : . %% \" '", head(n.Name))
	}
	if err := validateLength("logged model name", n.Name, wire.MaxExperimentName); err != nil {
		return wire.LoggedModel{}, err
	}
	if err := validateModelKVs(n.Params, n.Tags); err != nil {
		return wire.LoggedModel{}, err
	}
	modelID := "m-" + newID()
	err := s.write(ctx, func(t *tx) error {
		exp, err := t.lookUpExperiment(n.ExperimentID, true)
		if err != nil {
			return err
		}
		var location string
		if _, err := t.row("SELECT artifact_location FROM experiments WHERE id = ?", []any{exp}, &location); err != nil {
			return err
		}
		id, err := t.insert("INSERT INTO logged_models (model_id, exp, name, artifact_uri, created, updated, status, model_type, source_run_id) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)",
			modelID, exp, n.Name, appendURI(location, "models", modelID, "artifacts"), t.now, t.now, n.ModelType, n.SourceRunID)
		if err != nil {
			return err
		}
		if err := t.putModelParams(id, n.Params); err != nil {
			return err
		}
		return t.putModelTags(id, n.Tags)
	})
	if err != nil {
		return wire.LoggedModel{}, err
	}
	return s.LoggedModel(ctx, modelID, false)
}

func validateModelKVs(params, tags []wire.KV) error {
	if err := validateParams(params); err != nil {
		return err
	}
	return validateTags(tags)
}

func (t *tx) putModelParams(id int64, kvs []wire.KV) error {
	for _, kv := range kvs {
		if err := t.exec("INSERT INTO logged_model_params (model, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", id, kv.Key, kv.Value); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) putModelTags(id int64, kvs []wire.KV) error {
	for _, kv := range kvs {
		if err := t.exec("INSERT INTO logged_model_tags (model, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", id, kv.Key, kv.Value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) changeLoggedModel(ctx context.Context, modelID string, fn func(t *tx, id int64) error) error {
	return s.write(ctx, func(t *tx) error {
		var id int64
		found, err := t.row("SELECT id FROM logged_models WHERE model_id = ? AND lifecycle = 'active'", []any{modelID}, &id)
		if err != nil {
			return err
		}
		if !found {
			return notFound("there is no logged model with id %q", head(modelID))
		}
		if err := t.exec("UPDATE logged_models SET updated = ? WHERE id = ?", t.now, id); err != nil {
			return err
		}
		return fn(t, id)
	})
}

// FinalizeLoggedModel says that a model's files are there, or will not be.
func (s *Store) FinalizeLoggedModel(ctx context.Context, modelID, status string) (wire.LoggedModel, error) {
	n, ok := wire.LoggedModelStatusNumber(status)
	if !ok || n < 2 {
		return wire.LoggedModel{}, invalid("status %q cannot end a logged model: expected LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED", head(status))
	}
	if err := s.changeLoggedModel(ctx, modelID, func(t *tx, id int64) error {
		return t.exec("UPDATE logged_models SET status = ? WHERE id = ?", n, id)
	}); err != nil {
		return wire.LoggedModel{}, err
	}
	return s.LoggedModel(ctx, modelID, false)
}

// DeleteLoggedModel marks a model as deleted; once more is no error.
func (s *Store) DeleteLoggedModel(ctx context.Context, modelID string) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.changes("UPDATE logged_models SET lifecycle = 'deleted', updated = ? WHERE model_id = ?", t.now, modelID)
		if err == nil && n == 0 {
			return notFound("there is no logged model with id %q", head(modelID))
		}
		return err
	})
}

// SetLoggedModelTags sets tags of a model.
func (s *Store) SetLoggedModelTags(ctx context.Context, modelID string, tags []wire.KV) error {
	if err := validateModelKVs(nil, tags); err != nil {
		return err
	}
	return s.changeLoggedModel(ctx, modelID, func(t *tx, id int64) error { return t.putModelTags(id, tags) })
}

// DeleteLoggedModelTag removes a tag of a model.
func (s *Store) DeleteLoggedModelTag(ctx context.Context, modelID, key string) error {
	return s.changeLoggedModel(ctx, modelID, func(t *tx, id int64) error {
		n, err := t.changes("DELETE FROM logged_model_tags WHERE model = ? AND key = ?", id, key)
		if err == nil && n == 0 {
			return notFound("logged model %s has no tag %q", modelID, head(key))
		}
		return err
	})
}

// LogLoggedModelParams adds params to a model.
func (s *Store) LogLoggedModelParams(ctx context.Context, modelID string, params []wire.KV) error {
	if err := validateModelKVs(params, nil); err != nil {
		return err
	}
	return s.changeLoggedModel(ctx, modelID, func(t *tx, id int64) error { return t.putModelParams(id, params) })
}

// LoggedModel returns one model; a deleted one only if that is asked for.
func (s *Store) LoggedModel(ctx context.Context, modelID string, deleted bool) (wire.LoggedModel, error) {
	ms, err := s.loggedModels(ctx, "WHERE l.model_id = ? AND (l.lifecycle = 'active' OR ?)", modelID, deleted)
	if err != nil {
		return wire.LoggedModel{}, err
	}
	if len(ms) == 0 {
		return wire.LoggedModel{}, notFound("there is no logged model with id %q", head(modelID))
	}
	return ms[0], nil
}

const loggedModelColumns = `SELECT l.id, l.model_id, l.exp, l.name, l.created, l.updated, l.artifact_uri, l.status, l.status_message, l.model_type, l.source_run_id,
	(SELECT json_group_object(key, value) FROM logged_model_params p WHERE p.model = l.id),
	(SELECT json_group_object(key, value) FROM logged_model_tags t WHERE t.model = l.id)
	FROM logged_models l `

type loggedModelRow struct {
	id int64
	m  wire.LoggedModel
}

func scanLoggedModel(r *sql.Rows, extra ...any) (loggedModelRow, error) {
	var row loggedModelRow
	var exp int64
	var status int
	var params, tags string
	i := &row.m.Info
	if err := r.Scan(append([]any{&row.id, &i.ModelID, &exp, &i.Name, &i.CreationTime, &i.LastUpdated, &i.ArtifactURI, &status, &i.StatusMessage, &i.ModelType,
		&i.SourceRunID, &params, &tags}, extra...)...); err != nil {
		return row, err
	}
	i.ExperimentID, i.Status = strconv.FormatInt(exp, 10), wire.LoggedModelStatusName(status)
	var err error
	if row.m.Data.Params, err = kvsOf(params); err != nil {
		return row, err
	}
	i.Tags, err = kvsOf(tags)
	return row, err
}

func (s *Store) loggedModels(ctx context.Context, where string, args ...any) ([]wire.LoggedModel, error) {
	var rows []loggedModelRow
	if err := s.rows(ctx, loggedModelColumns+where, func(r *sql.Rows) error {
		row, err := scanLoggedModel(r)
		rows = append(rows, row)
		return err
	}, args...); err != nil {
		return nil, err
	}
	return s.withMetrics(ctx, rows)
}

// withMetrics adds the metrics to models.
func (s *Store) withMetrics(ctx context.Context, rows []loggedModelRow) ([]wire.LoggedModel, error) {
	out := make([]wire.LoggedModel, 0, len(rows))
	for _, row := range rows {
		err := s.rows(ctx, `SELECT x.key, x.value, x.is_nan, x.timestamp, x.step, x.dataset_name, x.dataset_digest, r.run_id
			FROM logged_model_metrics x JOIN runs r ON r.id = x.run WHERE x.model = ? ORDER BY x.key, x.run, x.dataset_name, x.step, x.timestamp`, func(r *sql.Rows) error {
			m := wire.Metric{ModelID: row.m.Info.ModelID}
			var isNaN bool
			if err := r.Scan(&m.Key, &m.Value, &isNaN, &m.Timestamp, &m.Step, &m.DatasetName, &m.DatasetDigest, &m.RunID); err != nil {
				return err
			}
			m.Value = nanOr(isNaN, float64(m.Value))
			row.m.Data.Metrics = append(row.m.Data.Metrics, m)
			return nil
		}, row.id)
		if err != nil {
			return nil, err
		}
		out = append(out, row.m)
	}
	return out, nil
}

// tagLoggedModels is the tag in which clients before MLflow 3 keep the models
// that a run has made, as a JSON list.
const tagLoggedModels = "mlflow.log-model.history"

// RecordModel appends a model to a run's list of models.
func (s *Store) RecordModel(ctx context.Context, runID string, model json.RawMessage) error {
	return s.write(ctx, func(t *tx) error {
		r, err := t.activeRun(runID)
		if err != nil {
			return err
		}
		var old string
		if _, err := t.row("SELECT value FROM tags WHERE run = ? AND key = ?", []any{r.id, tagLoggedModels}, &old); err != nil {
			return err
		}
		var list []json.RawMessage
		if old != "" && json.Unmarshal([]byte(old), &list) != nil {
			list = nil // somebody has set the tag by hand; the new model counts
		}
		b, err := json.Marshal(append(list, model))
		if err != nil {
			return invalid("model_json is not JSON")
		}
		return t.putTag(r, wire.KV{Key: tagLoggedModels, Value: string(b)})
	})
}
