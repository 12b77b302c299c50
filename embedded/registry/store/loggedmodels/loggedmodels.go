// Package loggedmodels keeps the models that runs log.
package loggedmodels

import (
	"context"
	"database/sql"
	"math"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps logged models.
type Store struct{ db *db.DB }

// New returns the logged models of a database.
func New(d *db.DB) *Store { return &Store{d} }

// NewLoggedModel is what CreateLoggedModel needs.
type NewLoggedModel struct {
	ExperimentID, Name, ModelType, SourceRunID string
	Params, Tags                               []wire.KV
}

// CreateLoggedModel makes a logged model, pending until it is finalized. One
// without a name gets one.
func (s *Store) CreateLoggedModel(ctx context.Context, n NewLoggedModel) (wire.LoggedModel, error) {
	if n.Name == "" {
		n.Name = db.RandomName()
	}
	if strings.ContainsAny(n.Name, "/:.%\"'") {
		return wire.LoggedModel{}, mlops.Errorf(mlops.Invalid, "the logged model's name %q must not contain any of / : . %% \" '", wire.Head(n.Name))
	}
	if err := wire.ValidateLength("logged model name", n.Name, wire.MaxExperimentName); err != nil {
		return wire.LoggedModel{}, err
	}
	if err := validateKVs(n.Params, n.Tags); err != nil {
		return wire.LoggedModel{}, err
	}
	modelID := "m-" + db.NewID()
	err := s.db.Write(ctx, func(t *db.Tx) error {
		exp, err := experiments.LookUp(t, n.ExperimentID, true)
		if err != nil {
			return err
		}
		var location string
		if _, err := t.Row("SELECT artifact_location FROM experiments WHERE id = ?", []any{exp}, &location); err != nil {
			return err
		}
		id, err := t.Insert("INSERT INTO logged_models (model_id, exp, name, artifact_uri, created, updated, status, model_type, source_run_id) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)",
			modelID, exp, n.Name, experiments.AppendURI(location, "models", modelID, "artifacts"), t.Now, t.Now, n.ModelType, n.SourceRunID)
		if err != nil {
			return err
		}
		if err := putParams(t, id, n.Params); err != nil {
			return err
		}
		return PutTags(t, id, n.Tags)
	})
	if err != nil {
		return wire.LoggedModel{}, err
	}
	return s.LoggedModel(ctx, modelID, false)
}

func validateKVs(params, tags []wire.KV) error {
	if err := wire.ValidateParams(params); err != nil {
		return err
	}
	return wire.ValidateTags(tags)
}

func putParams(t *db.Tx, id int64, kvs []wire.KV) error {
	for _, kv := range kvs {
		if err := t.Exec("INSERT INTO logged_model_params (model, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", id, kv.Key, kv.Value); err != nil {
			return err
		}
	}
	return nil
}

// PutTags sets tags of a model.
func PutTags(t *db.Tx, id int64, kvs []wire.KV) error {
	for _, kv := range kvs {
		if err := t.Exec("INSERT INTO logged_model_tags (model, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", id, kv.Key, kv.Value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) change(ctx context.Context, modelID string, fn func(t *db.Tx, id int64) error) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		var id int64
		found, err := t.Row("SELECT id FROM logged_models WHERE model_id = ? AND lifecycle = 'active'", []any{modelID}, &id)
		if err != nil {
			return err
		}
		if !found {
			return mlops.Errorf(mlops.NotFound, "there is no logged model with id %q", wire.Head(modelID))
		}
		if err := t.Exec("UPDATE logged_models SET updated = ? WHERE id = ?", t.Now, id); err != nil {
			return err
		}
		return fn(t, id)
	})
}

// FinalizeLoggedModel says that a model's files are there, or will not be.
func (s *Store) FinalizeLoggedModel(ctx context.Context, modelID, status string) (wire.LoggedModel, error) {
	n, ok := wire.LoggedModelStatusNumber(status)
	if !ok || n < 2 {
		return wire.LoggedModel{}, mlops.Errorf(mlops.Invalid, "status %q cannot end a logged model: expected LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED", wire.Head(status))
	}
	if err := s.change(ctx, modelID, func(t *db.Tx, id int64) error {
		return t.Exec("UPDATE logged_models SET status = ? WHERE id = ?", n, id)
	}); err != nil {
		return wire.LoggedModel{}, err
	}
	return s.LoggedModel(ctx, modelID, false)
}

// DeleteLoggedModel marks a model as deleted. It may be repeated.
func (s *Store) DeleteLoggedModel(ctx context.Context, modelID string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := t.Changes("UPDATE logged_models SET lifecycle = 'deleted', updated = ? WHERE model_id = ?", t.Now, modelID)
		if err == nil && n == 0 {
			return mlops.Errorf(mlops.NotFound, "there is no logged model with id %q", wire.Head(modelID))
		}
		return err
	})
}

// SetLoggedModelTags sets tags of a model.
func (s *Store) SetLoggedModelTags(ctx context.Context, modelID string, tags []wire.KV) error {
	if err := validateKVs(nil, tags); err != nil {
		return err
	}
	return s.change(ctx, modelID, func(t *db.Tx, id int64) error { return PutTags(t, id, tags) })
}

// DeleteLoggedModelTag removes a tag of a model.
func (s *Store) DeleteLoggedModelTag(ctx context.Context, modelID, key string) error {
	return s.change(ctx, modelID, func(t *db.Tx, id int64) error {
		n, err := t.Changes("DELETE FROM logged_model_tags WHERE model = ? AND key = ?", id, key)
		if err == nil && n == 0 {
			return mlops.Errorf(mlops.NotFound, "logged model %s has no tag %q", modelID, wire.Head(key))
		}
		return err
	})
}

// LogLoggedModelParams adds params to a model.
func (s *Store) LogLoggedModelParams(ctx context.Context, modelID string, params []wire.KV) error {
	if err := validateKVs(params, nil); err != nil {
		return err
	}
	return s.change(ctx, modelID, func(t *db.Tx, id int64) error { return putParams(t, id, params) })
}

// LoggedModel returns one model; a deleted one only if that is asked for.
func (s *Store) LoggedModel(ctx context.Context, modelID string, deleted bool) (wire.LoggedModel, error) {
	ms, err := s.list(ctx, "WHERE l.model_id = ? AND (l.lifecycle = 'active' OR ?)", modelID, deleted)
	if err != nil {
		return wire.LoggedModel{}, err
	}
	if len(ms) == 0 {
		return wire.LoggedModel{}, mlops.Errorf(mlops.NotFound, "there is no logged model with id %q", wire.Head(modelID))
	}
	return ms[0], nil
}

const columns = `SELECT l.id, l.model_id, l.exp, l.name, l.created, l.updated, l.artifact_uri, l.status, l.status_message, l.model_type, l.source_run_id,
	(SELECT json_group_object(key, value) FROM logged_model_params p WHERE p.model = l.id),
	(SELECT json_group_object(key, value) FROM logged_model_tags t WHERE t.model = l.id)
	FROM logged_models l `

type row struct {
	id int64
	m  wire.LoggedModel
}

func scan(r *sql.Rows, extra ...any) (row, error) {
	var row row
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
	if row.m.Data.Params, err = db.KVsOf(params); err != nil {
		return row, err
	}
	i.Tags, err = db.KVsOf(tags)
	return row, err
}

func (s *Store) list(ctx context.Context, where string, args ...any) ([]wire.LoggedModel, error) {
	var rows []row
	if err := s.db.Rows(ctx, columns+where, func(r *sql.Rows) error {
		row, err := scan(r)
		rows = append(rows, row)
		return err
	}, args...); err != nil {
		return nil, err
	}
	return s.withMetrics(ctx, rows)
}

// withMetrics adds the metrics to models.
func (s *Store) withMetrics(ctx context.Context, rows []row) ([]wire.LoggedModel, error) {
	out := make([]wire.LoggedModel, 0, len(rows))
	for _, row := range rows {
		err := s.db.Rows(ctx, `SELECT x.key, x.value, x.is_nan, x.timestamp, x.step, x.dataset_name, x.dataset_digest, r.run_id
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

// nanOr returns NaN for the flag, else the value.
func nanOr(isNaN bool, v float64) wire.Float64 {
	if isNaN {
		return wire.Float64(math.NaN())
	}
	return wire.Float64(v)
}

// RunModels returns the models that a run has logged, in the order it did.
// Deleted ones are left out.
func (s *Store) RunModels(ctx context.Context, runID string) ([]mlops.LoggedModel, error) {
	var out []mlops.LoggedModel
	err := s.db.Rows(ctx, `SELECT l.model_id, l.name, l.model_type, l.status, m.step FROM runs r JOIN run_models m ON m.run = r.id AND m.output = 1
		JOIN logged_models l ON l.model_id = m.model_id AND l.lifecycle = 'active' WHERE r.run_id = ? ORDER BY m.rank`, func(r *sql.Rows) error {
		var m mlops.LoggedModel
		var status int
		if err := r.Scan(&m.ID, &m.Name, &m.Type, &status, &m.Step); err != nil {
			return err
		}
		m.Status = strings.TrimPrefix(wire.LoggedModelStatusName(status), "LOGGED_MODEL_")
		out = append(out, m)
		return nil
	}, runID)
	return out, err
}
