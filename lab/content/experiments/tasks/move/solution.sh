python3 train.py --depth 4 6 --leaf 10
python3 - <<'END'
import os, mlflow
name, client = os.environ["LAB"], mlflow.MlflowClient()
runs = mlflow.search_runs(experiment_names=[name], order_by=["metrics.val_accuracy DESC"])
first = mlflow.search_runs(experiment_names=[name], filter_string="tags.best = 'yes'").run_id[0]
before = client.search_model_versions(f"run_id = '{first}'")[0]
v = mlflow.register_model(f"runs:/{runs.run_id[0]}/model", name)
client.set_registered_model_alias(name, "previous", before.version)
client.set_registered_model_alias(name, "champion", v.version)
END
