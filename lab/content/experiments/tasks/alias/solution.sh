python3 - <<'END'
import os, mlflow
name, client = os.environ["LAB"], mlflow.MlflowClient()
run = mlflow.search_runs(experiment_names=[name], filter_string="tags.best = 'yes'").run_id[0]
client.set_registered_model_alias(name, "champion", client.search_model_versions(f"run_id = '{run}'")[0].version)
END
