python3 - <<'END'
import os, mlflow
name, client = os.environ["LAB"], mlflow.MlflowClient()
runs = mlflow.search_runs(experiment_names=[name], filter_string="metrics.train_rows = 298", order_by=["metrics.val_accuracy DESC"])
best = {run: place for place, run in enumerate(runs.run_id)}
versions = [v for v in client.search_model_versions(f"name = '{name}'") if v.run_id in best]
client.set_registered_model_alias(name, "champion", min(versions, key=lambda v: best[v.run_id]).version)
END
