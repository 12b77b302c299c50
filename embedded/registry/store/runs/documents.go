package runs

import (
	"context"
	"database/sql"
	"math"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// documents returns runs with everything they logged, in the order of ids.
// Runs that have gone in the meantime are left out. The documents are shared:
// callers must not change them.
func (s *Store) documents(ctx context.Context, ids []int64) ([]*wire.Run, error) {
	byID := make(map[int64]*wire.Run, len(ids))
	var missing []int64
	for _, id := range ids {
		if r := s.docs.get(id); r != nil {
			byID[id] = r
		} else {
			missing = append(missing, id)
		}
	}
	// SQLite takes 32766 parameters; smaller pieces also bound the memory.
	for len(missing) > 0 {
		n := min(len(missing), 1000)
		if err := s.gather(ctx, missing[:n], byID); err != nil {
			return nil, err
		}
		missing = missing[n:]
	}
	out := make([]*wire.Run, 0, len(ids))
	for _, id := range ids {
		if r := byID[id]; r != nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// gather reads runs from their tables, all in one read transaction, so that a
// run's metrics, params and tags are of the same moment.
func (s *Store) gather(ctx context.Context, ids []int64, byID map[int64]*wire.Run) error {
	epoch := s.docs.now()
	list := db.IDList(ids)
	var found []int64
	var docs []*wire.Run
	if err := s.db.View(ctx, func(rows func(string, func(*sql.Rows) error) error) (err error) {
		found, docs, err = readRuns(byID, func(query string, scan func(*sql.Rows) error) error {
			return rows(strings.Replace(query, "$ids", list, 1), scan)
		})
		return err
	}); err != nil {
		return err
	}
	s.docs.put(epoch, found, docs)
	return nil
}

// readRuns reads runs with queries in which $ids stands for their numbers.
func readRuns(byID map[int64]*wire.Run, each func(query string, scan func(*sql.Rows) error) error) (found []int64, docs []*wire.Run, err error) {
	if err := each("SELECT id, run_id, exp, name, user_id, status, start_time, end_time, lifecycle, artifact_uri FROM runs WHERE id IN ($ids)", func(r *sql.Rows) error {
		var id, exp int64
		run := &wire.Run{}
		i := &run.Info
		if err := r.Scan(&id, &i.RunID, &exp, &i.RunName, &i.UserID, &i.Status, &i.StartTime, &i.EndTime, &i.LifecycleStage, &i.ArtifactURI); err != nil {
			return err
		}
		i.RunUUID, i.ExperimentID = i.RunID, strconv.FormatInt(exp, 10)
		byID[id] = run
		found, docs = append(found, id), append(docs, run)
		return nil
	}); err != nil {
		return nil, nil, err
	}
	kv := func(query string, field func(*wire.Run) *[]wire.KV) error {
		return each(query, func(r *sql.Rows) error {
			var id int64
			var kv wire.KV
			if err := r.Scan(&id, &kv.Key, &kv.Value); err != nil {
				return err
			}
			if run := byID[id]; run != nil {
				f := field(run)
				*f = append(*f, kv)
			}
			return nil
		})
	}
	if err := kv("SELECT run, key, value FROM params WHERE run IN ($ids) ORDER BY run, key", func(r *wire.Run) *[]wire.KV { return &r.Data.Params }); err != nil {
		return nil, nil, err
	}
	if err := kv("SELECT run, key, value FROM tags WHERE run IN ($ids) ORDER BY run, key", func(r *wire.Run) *[]wire.KV { return &r.Data.Tags }); err != nil {
		return nil, nil, err
	}
	if err := each("SELECT run, key, value, is_nan, timestamp, step FROM latest_metrics WHERE run IN ($ids) ORDER BY run, key", func(r *sql.Rows) error {
		var id int64
		var m wire.Metric
		var isNaN bool
		if err := r.Scan(&id, &m.Key, &m.Value, &isNaN, &m.Timestamp, &m.Step); err != nil {
			return err
		}
		if isNaN {
			m.Value = wire.Float64(math.NaN())
		}
		if run := byID[id]; run != nil {
			run.Data.Metrics = append(run.Data.Metrics, m)
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	if err := each(`SELECT i.run, d.name, d.digest, d.source_type, d.source, d.schema, d.profile, i.tags
		FROM run_inputs i JOIN input_datasets d ON d.id = i.dataset WHERE i.run IN ($ids) ORDER BY i.run, i.dataset`, func(r *sql.Rows) error {
		var id int64
		var in wire.DatasetInput
		var tags string
		if err := r.Scan(&id, &in.Dataset.Name, &in.Dataset.Digest, &in.Dataset.SourceType, &in.Dataset.Source, &in.Dataset.Schema, &in.Dataset.Profile, &tags); err != nil {
			return err
		}
		var err error
		if in.Tags, err = db.KVsOf(tags); err != nil {
			return err
		}
		if run := byID[id]; run != nil {
			run.Inputs.DatasetInputs = append(run.Inputs.DatasetInputs, in)
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	if err := each("SELECT run, output, model_id, step FROM run_models WHERE run IN ($ids) ORDER BY run, output, rank", func(r *sql.Rows) error {
		var id, step int64
		var output bool
		var model string
		if err := r.Scan(&id, &output, &model, &step); err != nil {
			return err
		}
		run := byID[id]
		switch {
		case run == nil:
		case output:
			run.Outputs.ModelOutputs = append(run.Outputs.ModelOutputs, wire.ModelOutput{ModelID: model, Step: step})
		default:
			run.Inputs.ModelInputs = append(run.Inputs.ModelInputs, wire.ModelInput{ModelID: model})
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	return found, docs, nil
}
