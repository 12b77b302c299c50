package store

import (
	"fmt"
	"math"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// labRuns fills a registry as a lab does over years: one experiment of n runs
// and some of a thousand each. It returns their ids, the large one first.
func labRuns(tb testing.TB, s *Store, n, small int) []string {
	tb.Helper()
	ctx := tb.Context()
	exps := []string{must(s.CreateExperiment(ctx, "large", "", nil))(tb)}
	for i := range small {
		exps = append(exps, must(s.CreateExperiment(ctx, fmt.Sprintf("small-%d", i), "", nil))(tb))
	}
	const group = 1000 // runs of one commit
	for first := 0; first < n+small*1000; first += group {
		exp := exps[0]
		if first >= n {
			exp = exps[1+(first-n)/1000]
		}
		err := s.write(ctx, func(t *tx) error {
			for i := first; i < first+group && (i < n || first >= n); i++ {
				if err := labRun(t, exp, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return exps
}

// labRun makes one run; what it logs is spread by its number.
func labRun(t *tx, experiment string, i int) error {
	h := uint32(i) * 2654435761
	start := 1_700_000_000_000 + int64(i)*1000
	exp, err := experimentID(experiment)
	if err != nil {
		return err
	}
	status, end := []string{"FINISHED", "FINISHED", "FINISHED", "FAILED"}[h>>21%4], any(start+int64(h%3_600_000))
	if i%10 == 3 {
		status, end = "RUNNING", nil
	}
	runID := newID()
	user := fmt.Sprintf("user-%d", h>>9%7)
	id, err := t.insert("INSERT INTO runs (run_id, exp, name, user_id, status, start_time, end_time, artifact_uri) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		runID, exp, fmt.Sprintf("run-%d", i), user, status, start, end, "mlflow-artifacts:/"+experiment+"/"+runID+"/artifacts")
	if err != nil {
		return err
	}
	r := &runRow{id: id, exp: exp, runID: runID, lifecycle: wire.Active, latest: map[string]*latestRow{}}
	for _, kv := range []wire.KV{{Key: tagRunName, Value: fmt.Sprintf("run-%d", i)}, {Key: "mlflow.user", Value: user}, {Key: "mlflow.source.name", Value: "train.py"}, {Key: "mlflow.source.type", Value: "LOCAL"},
		{Key: "mlflow.source.git.commit", Value: fmt.Sprintf("%08x9f1c2a7be5d3", h>>11%900)}, {Key: "team", Value: fmt.Sprintf("team-%d", h>>5%200)}} {
		if err := t.putTag(r, kv); err != nil {
			return err
		}
	}
	for _, kv := range []wire.KV{{Key: "lr", Value: []string{"0.1", "0.05", "0.01", "0.001"}[h>>3%4]}, {Key: "batch_size", Value: []string{"32", "64", "128"}[h>>13%3]},
		{Key: "model", Value: []string{"resnet50", "ResNet18", "vit", "mlp"}[h>>15%4]}, {Key: "seed", Value: fmt.Sprint(h % 100_000)}, {Key: "optimizer", Value: "adam"}, {Key: "epochs", Value: "100"}} {
		if err := t.putParam(r, kv); err != nil {
			return err
		}
	}
	at := func(k string, v float64) wire.Metric {
		return wire.Metric{Key: k, Value: wire.Float64(v), Timestamp: start, Step: 100}
	}
	ms := []wire.Metric{at("acc", float64(h%100_000)/100_000), at("loss", float64(h>>7%100_000)/1000), at("val_acc", float64(h>>3%100_000)/100_000), at("epoch_seconds", float64(h>>4%977)), at("lr", 0.1)}
	if i%50 == 0 {
		ms = append(ms, at("test_acc", float64(h%1000)/1000)) // seldom logged
	}
	if i%70 == 0 {
		ms = append(ms, at("diverged", math.NaN()))
	} else if i%7 == 0 {
		ms = append(ms, at("diverged", float64(h%5)))
	}
	if err := t.putMetrics(r, ms); err != nil {
		return err
	}
	d := h >> 17 % 20
	return t.putInput(r, wire.DatasetInput{Dataset: wire.Dataset{Name: fmt.Sprintf("data-%d", d), Digest: fmt.Sprintf("%08x", d), SourceType: "s3", Source: "{}"},
		Tags: []wire.KV{{Key: tagContext, Value: []string{"train", "eval"}[h>>19%2]}}})
}

// shape is a search as users send them.
type shape struct {
	name, filter string
	order        []string
}

var shapes = []shape{
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
