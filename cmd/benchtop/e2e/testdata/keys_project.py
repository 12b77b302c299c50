"""The MLflow client with a key of the project iris: all of it, and nothing else. Arguments: the id of a run elsewhere, a folder."""

import os
import sys

import mlflow
from mlflow.exceptions import MlflowException

foreign, folder = sys.argv[1:3]
client = mlflow.MlflowClient()
mlflow.set_experiment("iris/doors")
big = os.path.join(folder, "big.bin")
with open(big, "wb") as f:
    f.write(os.urandom(12 << 20))  # in parts
with mlflow.start_run() as run:
    mlflow.log_param("depth", 3)
    mlflow.log_metric("acc", 0.9)
    mlflow.log_text("hello", "a.txt")
    mlflow.log_artifact(big)
run_id = run.info.run_id
down = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="big.bin", dst_path=os.path.join(folder, "down"))
assert open(down, "rb").read() == open(big, "rb").read()
client.create_registered_model("iris.doors")
client.create_model_version("iris.doors", f"{run.info.artifact_uri}/model", run_id)
client.set_registered_model_alias("iris.doors", "live", "1")
assert client.get_model_version_by_alias("iris.doors", "live").run_id == run_id
assert [r.info.run_id for r in mlflow.search_runs(experiment_names=["iris/doors"], output_format="list")] == [run_id]
assert {e.name for e in client.search_experiments()} == {"iris", "iris/doors"}
assert {m.name for m in client.search_registered_models()} == {"iris", "iris.doors"}
client.delete_registered_model("iris.doors")
for call in (
    lambda: client.get_experiment("0"),
    lambda: client.create_experiment("other"),
    lambda: client.create_run("0"),
    lambda: client.get_run(foreign),
    lambda: client.get_run("0" * 32),
    lambda: client.log_metric(foreign, "forged", 1.0),
    lambda: client.list_artifacts(foreign),
    lambda: client.create_registered_model("other"),
    lambda: client.create_model_version("iris", f"runs:/{foreign}/model", foreign),
    lambda: client.create_webhook("w", "http://example.org", ["registered_model.created"]),
):
    try:
        call()
    except MlflowException as err:
        assert err.error_code == "PERMISSION_DENIED" and "is limited to project iris" in str(err), err
    else:
        raise AssertionError("was allowed")
client.delete_experiment(run.info.experiment_id)
print("all good")
