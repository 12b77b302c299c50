package runs

import (
	"context"
	"database/sql"
	"encoding/json"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// TagContext is the input tag that says why a dataset was read.
const TagContext = "mlflow.data.context"

// LogInputs says which datasets and logged models a run has read.
func (s *Store) LogInputs(ctx context.Context, runID string, datasets []wire.DatasetInput, models []wire.ModelInput) error {
	if len(datasets) > wire.MaxBatchDatasets {
		return mlops.Errorf(mlops.Invalid, "at most %d datasets can be logged at once, found %d", wire.MaxBatchDatasets, len(datasets))
	}
	for _, in := range datasets {
		if err := validateInput(in); err != nil {
			return err
		}
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		r, err := s.active(t, runID)
		if err != nil {
			return err
		}
		for _, in := range datasets {
			if err := putInput(t, r, in); err != nil {
				return err
			}
		}
		for _, m := range models {
			if err := putRunModel(t, r, false, m.ModelID, 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// LogOutputs says which logged models a run has made.
func (s *Store) LogOutputs(ctx context.Context, runID string, models []wire.ModelOutput) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		r, err := s.active(t, runID)
		if err != nil {
			return err
		}
		for _, m := range models {
			if err := putRunModel(t, r, true, m.ModelID, m.Step); err != nil {
				return err
			}
		}
		return nil
	})
}

func validateInput(in wire.DatasetInput) error {
	d := in.Dataset
	switch {
	case d.Name == "":
		return mlops.Errorf(mlops.Invalid, "dataset: the name must not be empty")
	case d.Digest == "":
		return mlops.Errorf(mlops.Invalid, "dataset %q: the digest must not be empty", wire.Head(d.Name))
	case d.SourceType == "":
		return mlops.Errorf(mlops.Invalid, "dataset %q: the source type must not be empty", wire.Head(d.Name))
	case d.Source == "":
		return mlops.Errorf(mlops.Invalid, "dataset %q: the source must not be empty", wire.Head(d.Name))
	}
	for _, f := range []struct {
		what, value string
		max         int
	}{
		{"dataset name", d.Name, wire.MaxDatasetName}, {"dataset digest", d.Digest, wire.MaxDatasetDigest},
		{"dataset source", d.Source, wire.MaxDatasetSource}, {"dataset schema", d.Schema, wire.MaxDatasetSchema},
		{"dataset profile", d.Profile, wire.MaxDatasetProfile},
	} {
		if err := wire.ValidateLength(f.what, f.value, f.max); err != nil {
			return err
		}
	}
	for _, kv := range in.Tags {
		if kv.Key == "" {
			return mlops.Errorf(mlops.Invalid, "dataset %q: the key of an input tag must not be empty", wire.Head(d.Name))
		}
		if err := wire.ValidateLength("input tag key", kv.Key, wire.MaxInputTagKey); err != nil {
			return err
		}
		if err := wire.ValidateLength("input tag "+strconv.Quote(kv.Key), kv.Value, wire.MaxInputTagValue); err != nil {
			return err
		}
	}
	return nil
}

// putInput finds or makes the dataset; the tags of the first use by a run stay.
func putInput(t *db.Tx, r *runRow, in wire.DatasetInput) error {
	d := in.Dataset
	var id int64
	found, err := t.Row("SELECT id FROM input_datasets WHERE exp = ? AND name = ? AND digest = ?", []any{r.exp, d.Name, d.Digest}, &id)
	if err != nil {
		return err
	}
	if !found {
		if id, err = t.Insert("INSERT INTO input_datasets (exp, name, digest, source_type, source, schema, profile) VALUES (?, ?, ?, ?, ?, ?, ?)",
			r.exp, d.Name, d.Digest, d.SourceType, d.Source, d.Schema, d.Profile); err != nil {
			return err
		}
	}
	tags := make(map[string]string, len(in.Tags))
	for _, kv := range in.Tags {
		tags[kv.Key] = kv.Value
	}
	b, err := json.Marshal(tags)
	if err != nil {
		return err
	}
	var context any
	if c, ok := tags[TagContext]; ok {
		context = c
	}
	return t.Exec("INSERT INTO run_inputs (run, dataset, context, tags) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", r.id, id, context, string(b))
}

func putRunModel(t *db.Tx, r *runRow, output bool, modelID string, step int64) error {
	if modelID == "" {
		return mlops.Errorf(mlops.Invalid, "the model's id must not be empty")
	}
	return t.Exec(`INSERT INTO run_models (run, output, model_id, step, rank)
		VALUES (?1, ?2, ?3, ?4, (SELECT count(*) FROM run_models WHERE run = ?1 AND output = ?2)) ON CONFLICT DO NOTHING`, r.id, output, modelID, step)
}

// SearchDatasets lists the datasets that runs of experiments have read.
func (s *Store) SearchDatasets(ctx context.Context, experimentIDs []string) ([]wire.DatasetSummary, error) {
	var out []wire.DatasetSummary
	for _, id := range experimentIDs {
		n, err := wire.ExperimentNumber(id)
		if err != nil {
			return nil, err
		}
		err = s.db.Rows(ctx, `SELECT DISTINCT d.name, d.digest, coalesce(i.context, '') FROM input_datasets d
			JOIN run_inputs i ON i.dataset = d.id JOIN runs r ON r.id = i.run AND r.lifecycle = 'active'
			WHERE d.exp = ? ORDER BY d.name, d.digest, 3 LIMIT 1000`, func(r *sql.Rows) error {
			d := wire.DatasetSummary{ExperimentID: id}
			if err := r.Scan(&d.Name, &d.Digest, &d.Context); err != nil {
				return err
			}
			out = append(out, d)
			return nil
		}, n)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
