python3 - <<'END'
import os, mlflow
client = mlflow.MlflowClient()
runs = mlflow.search_runs(experiment_names=[os.environ["LAB"]], order_by=["metrics.val_accuracy DESC"])
for run, tag in zip(runs.run_id, runs.get("tags.best", [None] * len(runs))):
    if tag == "yes" and run != runs.run_id[0]:
        client.delete_tag(run, "best")
client.set_tag(runs.run_id[0], "best", "yes")
END
