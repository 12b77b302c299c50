python3 - <<'END'
import os, mlflow
runs = mlflow.search_runs(experiment_names=[os.environ["LAB"]], order_by=["metrics.train_accuracy DESC"])
mlflow.MlflowClient().set_tag(runs.run_id[0], "best", "yes")
END
