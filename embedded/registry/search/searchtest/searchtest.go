// Package searchtest fills a database with runs, by SQL, and has the searches
// that the tests and benchmarks of the planner make.
package searchtest

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
)

// Fill fills a registry as a lab does over years: one experiment of n runs and
// some of a thousand each. It returns their ids, the large one first.
func Fill(tb testing.TB, d *db.DB, n, small int) []string {
	tb.Helper()
	exps := []string{Experiment(tb, d, "large")}
	for i := range small {
		exps = append(exps, Experiment(tb, d, fmt.Sprintf("small-%d", i)))
	}
	const group = 1000 // runs of one commit
	for first := 0; first < n+small*1000; first += group {
		exp := exps[0]
		if first >= n {
			exp = exps[1+(first-n)/1000]
		}
		var numbers []int
		for i := first; i < first+group && (i < n || first >= n); i++ {
			numbers = append(numbers, i)
		}
		Runs(tb, d, exp, numbers)
	}
	return exps
}

// Experiment makes an experiment and returns its id.
func Experiment(tb testing.TB, d *db.DB, name string) string {
	tb.Helper()
	var id int64
	if err := d.Write(tb.Context(), func(t *db.Tx) (err error) {
		id, err = t.Insert("INSERT INTO experiments (name, artifact_location, created, updated) VALUES (?, '', ?, ?)", name, t.Now, t.Now)
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return strconv.FormatInt(id, 10)
}

// Runs makes runs; what they log is spread by their numbers.
func Runs(tb testing.TB, d *db.DB, experiment string, numbers []int) {
	tb.Helper()
	exp, err := strconv.ParseInt(experiment, 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	if err := d.Write(tb.Context(), func(t *db.Tx) error {
		for _, i := range numbers {
			if err := run(t, exp, i); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
}

type kv struct{ key, value string }

func run(t *db.Tx, exp int64, i int) error {
	h := uint32(i) * 2654435761
	start := 1_700_000_000_000 + int64(i)*1000
	status, end := []string{"FINISHED", "FINISHED", "FINISHED", "FAILED"}[h>>21%4], any(start+int64(h%3_600_000))
	if i%10 == 3 {
		status, end = "RUNNING", nil
	}
	runID, name, user := db.NewID(), fmt.Sprintf("run-%d", i), fmt.Sprintf("user-%d", h>>9%7)
	id, err := t.Insert("INSERT INTO runs (run_id, exp, name, user_id, status, start_time, end_time, artifact_uri) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		runID, exp, name, user, status, start, end, fmt.Sprintf("mlflow-artifacts:/%d/%s/artifacts", exp, runID))
	if err != nil {
		return err
	}
	for _, tag := range []kv{{"mlflow.runName", name}, {"mlflow.user", user}, {"mlflow.source.name", "train.py"}, {"mlflow.source.type", "LOCAL"},
		{"mlflow.source.git.commit", fmt.Sprintf("%08x9f1c2a7be5d3", h>>11%900)}, {"team", fmt.Sprintf("team-%d", h>>5%200)}} {
		if err := t.Exec("INSERT INTO tags (run, key, exp, value) VALUES (?, ?, ?, ?)", id, tag.key, exp, tag.value); err != nil {
			return err
		}
	}
	for _, param := range []kv{{"lr", []string{"0.1", "0.05", "0.01", "0.001"}[h>>3%4]}, {"batch_size", []string{"32", "64", "128"}[h>>13%3]},
		{"model", []string{"resnet50", "ResNet18", "vit", "mlp"}[h>>15%4]}, {"seed", fmt.Sprint(h % 100_000)}, {"optimizer", "adam"}, {"epochs", "100"}} {
		if err := t.Exec("INSERT INTO params (run, key, exp, value) VALUES (?, ?, ?, ?)", id, param.key, exp, param.value); err != nil {
			return err
		}
	}
	metric := func(key string, v float64) error {
		isNaN := math.IsNaN(v)
		if isNaN {
			v = 0
		}
		series, err := t.Insert("INSERT INTO latest_metrics (run, key, exp, value, is_nan, timestamp, step) VALUES (?, ?, ?, ?, ?, ?, 100)", id, key, exp, v, isNaN, start)
		if err != nil {
			return err
		}
		return t.Exec("INSERT INTO metrics (series, step, timestamp, is_nan, value) VALUES (?, 100, ?, ?, ?)", series, start, isNaN, v)
	}
	metrics := map[string]float64{"acc": float64(h%100_000) / 100_000, "loss": float64(h>>7%100_000) / 1000, "val_acc": float64(h>>3%100_000) / 100_000, "epoch_seconds": float64(h >> 4 % 977), "lr": 0.1}
	if i%50 == 0 {
		metrics["test_acc"] = float64(h%1000) / 1000 // seldom logged
	}
	if i%70 == 0 {
		metrics["diverged"] = math.NaN()
	} else if i%7 == 0 {
		metrics["diverged"] = float64(h % 5)
	}
	for key, v := range metrics {
		if err := metric(key, v); err != nil {
			return err
		}
	}
	n := h >> 17 % 20
	dataset, digest, use := fmt.Sprintf("data-%d", n), fmt.Sprintf("%08x", n), []string{"train", "eval"}[h>>19%2]
	if err := t.Exec("INSERT INTO input_datasets (exp, name, digest, source_type, source, schema, profile) VALUES (?, ?, ?, 's3', '{}', '', '') ON CONFLICT DO NOTHING", exp, dataset, digest); err != nil {
		return err
	}
	return t.Exec(`INSERT INTO run_inputs (run, dataset, context, tags) SELECT ?1, id, ?2, json_object('mlflow.data.context', ?2) FROM input_datasets WHERE exp = ?3 AND name = ?4 AND digest = ?5`, id, use, exp, dataset, digest)
}

// Shape is a search as users send them.
type Shape struct {
	Name, Filter string
	Order        []string
}

// Shapes are the searches that the planner has to answer well.
var Shapes = []Shape{
	{"newest", "", nil},
	{"oldest", "", []string{"start_time ASC"}},
	{"status", "attributes.status = 'FINISHED'", nil},
	{"status seldom", "attributes.status = 'KILLED'", nil},
	{"status not", "attributes.status != 'FINISHED'", nil},
	{"user", "attributes.user_id = 'user-3'", nil},
	{"user none", "attributes.user_id = 'nobody'", nil},
	{"run name", "attributes.run_name = 'run-5000'", nil},
	{"run name like", "attributes.run_name LIKE 'run-500%'", nil},
	{"run name like inside", "attributes.run_name LIKE '%4999%'", nil},
	{"run name ilike", "attributes.run_name ILIKE '%RUN-4999%'", nil},
	{"run name ilike none", "attributes.run_name ILIKE '%nothing%'", nil},
	{"run id", "attributes.run_id = 'x'", nil},
	{"start range", "attributes.start_time > 1700000050000000 AND attributes.start_time < 1700000060000000", nil},
	{"start after", "attributes.start_time > 1700000000000", nil},
	{"start before", "attributes.start_time < 1700000005000", nil},
	{"start range old", "attributes.start_time > 1700000001000 AND attributes.start_time < 1700000005000", nil},
	{"end time null range", "attributes.end_time > 1900000000000", nil},
	{"metric often", "metrics.acc > 0.5", nil},
	{"metric seldom", "metrics.acc > 0.999", nil},
	{"metric one in fifty", "metrics.test_acc > 0.1", nil},
	{"metric none", "metrics.acc > 2", nil},
	{"metric unknown", "metrics.nothing > 0", nil},
	{"metric !=", "metrics.acc != 0.5", nil},
	{"metric = same", "metrics.lr = 0.1", nil},
	{"metric twice", "metrics.acc > 0.9 AND metrics.loss < 10", nil},
	{"metrics that exclude", "metrics.acc > 0.5 AND metrics.acc < 0.4", nil},
	{"metric range", "metrics.acc > 0.5 AND metrics.acc < 0.51", nil},
	{"param often", "params.lr = '0.05'", nil},
	{"param seldom", "params.seed = '17'", nil},
	{"param none", "params.lr = '7'", nil},
	{"param !=", "params.lr != '0.05'", nil},
	{"param != all", "params.optimizer != 'adam'", nil},
	{"param like", "params.model LIKE 'resnet%'", nil},
	{"param ilike", "params.model ILIKE 'resnet%'", nil},
	{"param like none", "params.model LIKE 'nothing%'", nil},
	{"param ilike none", "params.model ILIKE '%nothing%'", nil},
	{"param null", "params.lr IS NULL", nil},
	{"param not null", "params.lr IS NOT NULL", nil},
	{"param + metric", "params.lr = '0.05' AND metrics.acc > 0.5", nil},
	{"param + metric seldom", "params.lr = '0.05' AND metrics.acc > 0.97", nil},
	{"param + 2 metrics", "params.lr = '0.05' AND params.batch_size = '64' AND metrics.acc > 0.9 AND metrics.loss < 20", nil},
	{"tag", "tags.team = 'team-7'", nil},
	{"tag often", "tags.`mlflow.source.type` = 'LOCAL'", nil},
	{"tag like", "tags.team LIKE 'team-1%'", nil},
	{"tag ilike", "tags.team ILIKE '%AM-19%'", nil},
	{"tag like none", "tags.team LIKE '%nothing%'", nil},
	{"tag null", "tags.team IS NULL", nil},
	{"status + metric", "attributes.status = 'FINISHED' AND metrics.acc > 0.95", nil},
	{"dataset", "dataset.name = 'data-7'", nil},
	{"dataset none", "dataset.name = 'nothing'", nil},
	{"dataset digest", "dataset.digest = '00000003'", nil},
	{"dataset context", "dataset.context = 'eval'", nil},
	{"dataset both", "dataset.name = 'data-7' AND dataset.context = 'eval'", nil},
	{"dataset like", "dataset.name LIKE 'data-1%'", nil},
	{"order metric desc", "", []string{"metrics.acc DESC"}},
	{"order metric asc", "", []string{"metrics.loss ASC"}},
	{"order metric seldom", "", []string{"metrics.test_acc DESC"}},
	{"order metric with NaN", "", []string{"metrics.diverged DESC"}},
	{"metric with NaN", "metrics.diverged != 3", []string{"metrics.diverged ASC"}},
	{"order metric unknown", "", []string{"metrics.nothing DESC"}},
	{"order param", "", []string{"params.lr DESC"}},
	{"order param same", "", []string{"params.optimizer ASC"}},
	{"order tag", "", []string{"tags.team ASC"}},
	{"order run name", "", []string{"attributes.run_name ASC"}},
	{"order status", "", []string{"attributes.status ASC"}},
	{"order end time", "", []string{"attributes.end_time DESC"}},
	{"order user", "", []string{"attributes.user_id ASC"}},
	{"order start, metric", "", []string{"start_time DESC", "metrics.acc DESC"}},
	{"order metric, metric", "", []string{"metrics.lr DESC", "metrics.acc DESC"}},
	{"order param, metric", "", []string{"params.lr ASC", "metrics.acc DESC"}},
	{"status order metric", "attributes.status = 'FINISHED'", []string{"metrics.acc DESC"}},
	{"metric order same", "metrics.acc > 0.5", []string{"metrics.acc ASC"}},
	{"metric order other", "metrics.acc > 0.5", []string{"metrics.loss ASC"}},
	{"metric none order other", "metrics.acc > 2", []string{"metrics.loss ASC"}},
	{"param order metric", "params.lr = '0.05'", []string{"metrics.acc DESC"}},
	{"param + metric order metric", "params.lr = '0.05' AND metrics.acc > 0.5", []string{"metrics.loss ASC"}},
	{"tag order metric", "tags.team = 'team-7'", []string{"metrics.loss ASC"}},
	{"dataset order metric", "dataset.name = 'data-7'", []string{"metrics.acc DESC"}},
}
