python3 train.py --depth 6 --leaf 10
python3 - <<'END'
import os, mlflow
name, client = os.environ["LAB"], mlflow.MlflowClient()
runs = mlflow.search_runs(experiment_names=[name], order_by=["metrics.val_accuracy DESC"])
v = mlflow.register_model(f"runs:/{runs.run_id[0]}/model", name)
client.set_registered_model_alias(name, "champion", v.version)
END
