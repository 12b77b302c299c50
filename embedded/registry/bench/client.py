"""Times MLflow's own client against a server; see pythonclient.go."""

import json
import os
import statistics
import sys
import tempfile
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
took = []


def timed(name, times, call):
    call(0)  # connections and lazy imports
    seconds = []
    for i in range(1, times + 1):
        start = time.perf_counter()
        call(i)
        seconds.append(time.perf_counter() - start)
    took.append((name, statistics.median(seconds) * 1000))


exp = mlflow.create_experiment(f"python-client-{time.time_ns()}")


def whole_run(_):
    with mlflow.start_run(experiment_id=exp):
        pass


timed("start_run and end_run", 10, whole_run)
run = client.create_run(exp).info.run_id
timed("log_metric", 50, lambda i: client.log_metric(run, "loss", 1 / (i + 1), step=i))
timed("log_param", 20, lambda i: client.log_param(run, f"p{i}", i))
timed("log_batch of 1,000 metrics", 5, lambda i: client.log_batch(run, [Metric(f"m{j % 10}", j, 1_700_000_000_000 + i, i * 100 + j // 10) for j in range(1000)]))
with tempfile.TemporaryDirectory() as d:
    path = os.path.join(d, "model.bin")
    with open(path, "wb") as f:
        f.write(os.urandom(1 << 20))
    timed("log_artifact of 1 MiB", 10, lambda _: client.log_artifact(run, path))
small = mlflow.get_experiment_by_name("n10000").experiment_id
timed("search_runs of 10000, 50 runs", 5, lambda _: client.search_runs([small], "metrics.acc > 0.9", max_results=50))
with open(sys.argv[2], "w") as f:
    json.dump(took, f)
