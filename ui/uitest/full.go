package uitest

import (
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func digest(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

// Full returns a lab that has been at work for some hours: a dozen runs, one
// of them failed and one going on, a model that is served, traffic, and a
// search for hyper-parameters that somebody else's script has made.
func Full(now func() time.Time) *World {
	w := Empty(now)
	t := now()
	w.Projects = []mlops.Project{{ID: 1, Name: "iris", Dataset: "iris", Schedule: "*/15 * * * *", TimeZone: "Europe/Berlin", Node: "bench",
		Resources:   mlops.TrainerResources{Requests: mlops.ResourceAmounts{CPU: "100m", Memory: "256Mi"}, Limits: mlops.ResourceAmounts{Memory: "1Gi"}},
		Environment: mlops.Variables{"OMP_NUM_THREADS": "2"}, CreatedAt: t.Add(-3 * time.Hour)}}
	data := digest("iris")
	w.Datasets = []mlops.Dataset{{ID: 1, Name: "iris", Version: 1, SHA256: data, Bucket: "datasets", Key: "iris/" + data + ".csv", Bytes: 3975, Rows: 150, Features: 4,
		Classes: []string{"setosa", "versicolor", "virginica"}, Source: "Fisher, 1936", CreatedAt: t.Add(-3 * time.Hour)}}
	w.Experiments = []mlops.Experiment{{ID: "1", Name: "iris", ArtifactURI: "s3://mlflow/1", CreatedAt: t.Add(-3 * time.Hour)}}
	const runs = 14
	for i := runs; i >= 1; i-- {
		w.addRun(i, runs, data)
	}
	w.Models = []mlops.RegisteredModel{{Name: "iris", Description: "Which of three species a flower is, from the size of its petals and sepals.", CreatedAt: t.Add(-3 * time.Hour),
		LastUpdateAt: t.Add(-15 * time.Minute), Aliases: []mlops.Alias{{Alias: "champion", Version: 12}}}}
	pod := mlops.Pod{Namespace: "iris", Name: "iris-7c9d8b6f54-q2x7k", Phase: "Running", Ready: true, Node: "bench", IP: "10.42.0.17", CreatedAt: t.Add(-171 * time.Minute), StartedAt: t.Add(-170 * time.Minute),
		Image: "benchtop.local/lab-python:3.11-4be1c09a77d2", Requests: mlops.Resources{CPU: 0.05, Memory: 128 << 20}, Limits: mlops.Resources{Memory: 512 << 20}}
	w.Deployments = []mlops.Deployment{{Name: "iris", Project: "iris", Namespace: "iris", Model: "iris", Version: "12", RunID: w.Runs[1].ID,
		Follows: mlops.LiveAlias, Automatic: true,
		Image: "benchtop.local/lab-python:3.11-4be1c09a77d2", Replicas: 1, Ready: 1, Host: "iris.lab.internal", Path: "/models/iris", Pods: []mlops.Pod{pod},
		FeatureNames: []string{"sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"}, Classes: []string{"setosa", "versicolor", "virginica"},
		LoadedAt: t.Add(-14 * time.Minute)}}
	w.Pods = []mlops.Pod{pod,
		{Namespace: "iris", Name: "iris-train-14-8fzqm", Phase: "Running", Ready: true, Node: "bench", IP: "10.42.0.31", StartedAt: t.Add(-21 * time.Second)},
		{Namespace: "iris", Name: "iris-train-13-v5kkd", Phase: "Succeeded", Node: "bench", IP: "10.42.0.30", StartedAt: t.Add(-15 * time.Minute)},
		{Namespace: "kube-system", Name: "coredns-6f5cf9c8d-vr5cs", Phase: "Running", Ready: true, Node: "bench", IP: "10.42.0.3", StartedAt: t.Add(-3 * time.Hour)},
		{Namespace: "kube-system", Name: "traefik-77b8f6c9f8-l8m2p", Phase: "Running", Ready: true, Node: "bench", IP: "10.42.0.5", StartedAt: t.Add(-3 * time.Hour)},
		{Namespace: "kube-system", Name: "local-path-provisioner-5b5f758bcf-zr9sw", Phase: "Running", Ready: true, Restarts: 1, Node: "bench", IP: "10.42.0.4", StartedAt: t.Add(-2 * time.Hour)},
		{Namespace: "kube-system", Name: "metrics-server-7bfffcd44-9dcsf", Phase: "Pending", Node: "", Message: "ContainerCreating"}}
	for _, p := range w.Pods {
		w.Logs[p.Namespace+"/"+p.Name] = serverLog(p.Name)
	}
	w.Logs["iris/iris-train-14-8fzqm"] = trainLog()
	for i, kind := range []string{"Deployment", "Service", "Ingress", "ConfigMap", "PersistentVolumeClaim", "CronJob", "Job", "Secret", "ServiceAccount"} {
		w.Objects = append(w.Objects, mlops.Object{Kind: kind, Namespace: "iris", Name: strings.ToLower("iris-" + kind), Status: []string{"1/1 ready", "ClusterIP 10.43.12.8", "", "", "Bound", "*/15 * * * *", "Complete", "", ""}[i], CreatedAt: t.Add(-3 * time.Hour)})
	}
	for _, name := range []string{"coredns", "traefik", "local-path-provisioner", "metrics-server"} {
		w.Objects = append(w.Objects, mlops.Object{Kind: "Deployment", Namespace: "kube-system", Name: name, Status: "1/1 ready", CreatedAt: t.Add(-3 * time.Hour)})
	}
	w.Objects = append(w.Objects, mlops.Object{Kind: "Node", Name: "bench", Status: "Ready", CreatedAt: t.Add(-3 * time.Hour)}, mlops.Object{Kind: "Namespace", Name: "iris", Status: "Active", CreatedAt: t.Add(-3 * time.Hour)})
	w.Images = []mlops.Image{
		{Reference: "benchtop.local/lab-python:3.11-4be1c09a77d2", Digest: "sha256:d482d0e5de131b0909dc5cbc6422ff32caa16ddab7c3d999594779a65d48b923", Bytes: 502300000, Source: mlops.ImageBundled, Pods: []string{pod.Namespace + "/" + pod.Name}},
		{Reference: "docker.io/library/churn-trainer:2026-01", Digest: "sha256:48f5dd9e57f528053037cdc49a5927d25bc0a608d8947fe362012b07a50014d5", Bytes: 1812000000, Source: mlops.ImageLoaded},
		{Reference: "docker.io/library/python:3.12-slim", Digest: "sha256:85686c3e4d9f21d50de4568b927d54f5c5be58932c2fda9b08acec7bf767b648", Bytes: 171000000, Source: mlops.ImagePulled},
	}
	w.Events = []mlops.Event{
		{Time: t.Add(-20 * time.Second), Type: "Normal", Reason: "Started", Object: "Pod/iris-train-14-8fzqm", Namespace: "iris", Message: "Started container trainer", Count: 1},
		{Time: t.Add(-22 * time.Second), Type: "Normal", Reason: "SuccessfulCreate", Object: "Job/iris-train-14", Namespace: "iris", Message: "Created pod: iris-train-14-8fzqm", Count: 1},
		{Time: t.Add(-9 * time.Minute), Type: "Warning", Reason: "Unhealthy", Object: "Pod/iris-7c9d8b6f54-q2x7k", Namespace: "iris", Message: "Readiness probe failed: HTTP probe failed with statuscode: 503", Count: 3},
		{Time: t.Add(-14 * time.Minute), Type: "Normal", Reason: "Completed", Object: "Job/iris-train-13", Namespace: "iris", Message: "Job completed", Count: 1},
		{Time: t.Add(-30 * time.Minute), Type: "Warning", Reason: "PossibleMemoryBackedVolumesOnDisk", Object: "Node/bench", Message: "The tmpfs noswap option is not supported by this kernel", Count: 1}}
	w.Rate = 4.2
	w.KubeconfigUsers = []mlops.KubeconfigUser{{Name: "laptop", Role: "cluster-admin", CreatedAt: t.Add(-26 * time.Hour)}}
	w.Keys = []mlops.Key{
		{ID: 1, Name: "ada", Role: mlops.RoleEditor, Buckets: []mlops.KeyBucket{{Name: "data", Write: true}, {Name: "mlflow"}}, CreatedAt: t.Add(-150 * time.Hour), ExpiresAt: t.Add(84 * 24 * time.Hour), LastUsedAt: t.Add(-2 * time.Minute)},
		{ID: 2, Name: "ci", Role: mlops.RoleTrainer, CreatedAt: t.Add(-140 * time.Hour)},
		{ID: 3, Name: "dashboard", Role: mlops.RoleReader, CreatedAt: t.Add(-99 * time.Hour), ExpiresAt: t.Add(-3 * time.Hour), LastUsedAt: t.Add(-4 * time.Hour)},
		{ID: 4, Name: "deputy", Role: mlops.RoleAdmin, CreatedAt: t.Add(-98 * time.Hour)}}
	w.addForest()
	w.addModels()
	w.addRevisions()
	return w
}

// addRun adds run i of n; the last is still going on, the fifth failed.
func (w *World) addRun(i, n int, data string) {
	started := w.Clock().Add(-time.Duration(n-i)*15*time.Minute - 20*time.Second)
	id := digest(fmt.Sprint("run", i))[:32]
	trigger := mlops.TriggerSchedule
	if i == 1 {
		trigger = mlops.TriggerFirstBoot
	}
	training := mlops.Training{ID: int64(i), Project: "iris", Trigger: trigger, State: mlops.TrainingSucceeded, Job: fmt.Sprintf("iris-train-%d", i), RunID: id, CreatedAt: started.Add(-3 * time.Second), EndedAt: started.Add(9 * time.Second)}
	run := mlops.Run{ID: id, Name: fmt.Sprintf("iris-train-%d", i), ExperimentID: "1", Experiment: "iris", Status: mlops.RunFinished, StartedAt: started,
		EndedAt: started.Add(8400*time.Millisecond + time.Duration(i)*37*time.Millisecond), User: "trainer", ArtifactURI: "s3://mlflow/1/" + id + "/artifacts",
		Params: []mlops.KV{{Key: "C", Value: "1.0"}, {Key: "epochs", Value: "60"}, {Key: "model", Value: "logistic-regression"}, {Key: "random_state", Value: "42"}, {Key: "test_share", Value: "0.3"}},
		Tags: []mlops.KV{{Key: mlops.TagCodeSHA256, Value: digest("code")}, {Key: mlops.TagImage, Value: "benchtop.local/lab-python:3.11-4be1c09a77d2"}, {Key: mlops.TagJob, Value: training.Job},
			{Key: mlops.TagNode, Value: "bench"}, {Key: mlops.TagPod, Value: training.Job + "-" + map[bool]string{true: "8fzqm", false: "v5kkd"}[i == n]}, {Key: mlops.TagProject, Value: "iris"}, {Key: mlops.TagTrigger, Value: string(trigger)},
			{Key: "mlflow.source.name", Value: "/opt/benchtop/train.py"}},
		Inputs: []mlops.DatasetInput{{Name: "iris", Digest: data, SourceType: "s3", Source: `{"uri": "s3://datasets/iris/` + data + `.csv"}`, Context: "training"}}}
	accuracy := math.Round((0.925+0.0035*float64(i)+0.008*math.Sin(float64(i)*2.1))*1e4) / 1e4
	steps := 60
	if i == n {
		steps = 23
	}
	for _, m := range []struct {
		key string
		at  func(x float64) float64
	}{
		{"curve_train_accuracy", func(x float64) float64 { return 0.99 - 0.6*math.Exp(-x/7) }},
		{"curve_test_accuracy", func(x float64) float64 { return accuracy - 0.58*math.Exp(-x/9) + 0.006*math.Sin(x) }},
		{"train_loss", func(x float64) float64 { return 0.08 + 1.1*math.Exp(-x/8) }},
		{"test_loss", func(x float64) float64 { return 0.14 + 1.0*math.Exp(-x/9) + 0.01*math.Cos(x) }},
	} {
		for s := range steps {
			w.History[id+"/"+m.key] = append(w.History[id+"/"+m.key], mlops.Metric{Key: m.key, Value: m.at(float64(s)), Step: int64(s), Time: started.Add(time.Duration(s) * 100 * time.Millisecond)})
		}
		run.Metrics = append(run.Metrics, w.History[id+"/"+m.key][steps-1])
	}
	switch i {
	case n:
		run.Status, run.EndedAt = mlops.RunRunning, time.Time{}
		training.State, training.EndedAt = mlops.TrainingRunning, time.Time{}
	case 5:
		run.Status = mlops.RunFailed
		training.State, training.Message = mlops.TrainingFailed, "The trainer ended with exit code 1: cannot reach s3.benchtop.svc:9000 (connection refused). Its log has the details."
	default:
		version := i
		if i > 5 {
			version = i - 1
		}
		run.Metrics = append([]mlops.Metric{{Key: "accuracy", Value: accuracy, Time: started}, {Key: "f1_macro", Value: accuracy - 0.004, Time: started}, {Key: "log_loss", Value: 0.21 - accuracy/10, Time: started}}, run.Metrics...)
		v := mlops.ModelVersion{Model: "iris", Version: version, RunID: id, Source: run.ArtifactURI + "/model", Status: "READY", Stage: "None", CreatedAt: run.EndedAt}
		w.Versions = append(w.Versions, v)
	}
	w.Files[id] = map[string]string{"logs/train.log": strings.Join(trainLog(), "\n") + "\n", "model/MLmodel": "artifact_path: model\nflavors:\n  benchtop:\n    predictor: linear\n",
		"model/model.json": `{"name":"iris","kind":"logistic","classes":["setosa","versicolor","virginica"],"intercept":[9.85,2.24,-12.09]}`,
		"predictions.csv":  "row,expected,predicted\n1,setosa,setosa\n2,versicolor,versicolor\n3,virginica,versicolor\n", "plots/confusion.svg": confusion, "model/weights.bin": "\x00\x01\x02\x03"}
	w.Runs = append(w.Runs, run)
	w.Trainings = append(w.Trainings, training)
}

const confusion = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 240" width="240" height="240"><style>text{font:14px sans-serif}</style><rect width="240" height="240" fill="#fff"/>` +
	`<rect x="40" y="20" width="60" height="60" fill="#0b6a5e"/><rect x="100" y="80" width="60" height="60" fill="#0f8374"/><rect x="160" y="140" width="60" height="60" fill="#0f8374"/>` +
	`<rect x="160" y="80" width="60" height="60" fill="#e0f1ed"/><text x="63" y="55" fill="#fff">16</text><text x="123" y="115" fill="#fff">17</text><text x="183" y="175" fill="#fff">11</text><text x="186" y="115">1</text></svg>`

func trainLog() []string {
	out := []string{"reading s3://datasets/iris: 150 rows, 4 features", "digest is right: " + digest("iris")[:16] + "…", "split: 105 rows to train on, 45 to test with", "training logistic-regression"}
	for i := 0; i < 60; i += 5 {
		out = append(out, fmt.Sprintf("epoch %2d  train_loss %.4f  test_loss %.4f", i, 0.08+1.1*math.Exp(-float64(i)/8), 0.14+math.Exp(-float64(i)/9)))
	}
	return append(out, "accuracy 0.9733", "model registered")
}

func serverLog(pod string) []string {
	out := []string{"INFO:     " + pod + " starting", "INFO:     model iris version 12 loaded in 0.08 s", "INFO:     serving on port 8080"}
	for i := range 40 {
		out = append(out, fmt.Sprintf("INFO:     10.42.0.5:%d - \"POST /predict HTTP/1.1\" 200 OK", 41000+i*7))
	}
	return append(out, "ERROR:    10.42.0.5:41400 - \"POST /predict HTTP/1.1\" 400: instances[0] has 3 values, expected 4")
}
