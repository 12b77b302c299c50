python3 - <<'END'
import os, mlflow
name = os.environ["LAB"]
run = mlflow.search_runs(experiment_names=[name], filter_string="tags.best = 'yes'").run_id[0]
if not mlflow.MlflowClient().search_model_versions(f"run_id = '{run}'"):
    mlflow.register_model(f"runs:/{run}/model", name)
END
