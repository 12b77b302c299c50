python3 - <<'END'
import os, mlflow
name, client = os.environ["LAB"], mlflow.MlflowClient()
client.transition_model_version_stage(name, client.search_model_versions(f"name = '{name}'")[0].version, "Production")
END
