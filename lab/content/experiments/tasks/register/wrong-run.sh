python3 - <<'END'
import os, mlflow
name = os.environ["LAB"]
runs = mlflow.search_runs(experiment_names=[name], order_by=["metrics.val_accuracy ASC"])
mlflow.register_model(f"runs:/{runs.run_id[0]}/model", name)
END
