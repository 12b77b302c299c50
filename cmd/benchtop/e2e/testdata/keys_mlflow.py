"""The MLflow client with an access key. Argument: writes or reads."""

import sys

import mlflow
from mlflow.exceptions import RestException

if sys.argv[1] == "writes":
    mlflow.set_experiment("doors keys")
    with mlflow.start_run():
        mlflow.log_metric("m", 1.0)
        mlflow.log_text("hello", "a.txt")
runs = mlflow.search_runs(experiment_names=["doors keys"], output_format="list")
assert runs and runs[0].data.metrics == {"m": 1.0}, runs
assert mlflow.artifacts.load_text(runs[0].info.artifact_uri + "/a.txt") == "hello"
if sys.argv[1] == "reads":
    client = mlflow.MlflowClient()
    for call in (
        lambda: client.log_metric(runs[0].info.run_id, "forged", 1.0),
        lambda: client.create_experiment("forged"),
        lambda: client.create_registered_model("forged"),
        lambda: client.delete_run(runs[0].info.run_id),
    ):
        try:
            call()
        except RestException as err:
            assert err.error_code == "PERMISSION_DENIED" and "its role is reader" in str(err), err
        else:
            raise AssertionError("was allowed")
print("all good")
