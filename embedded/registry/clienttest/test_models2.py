"""The last client before MLflow 3: with it models belong to runs."""

import json

import mlflow
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

# Else MLflow loads the model in another process to see what it imports, for seconds. Autologging does that below.
NEEDS = ["scikit-learn"]


def test_log_register_alias_load(server):
    mlflow.set_experiment("models2")
    x, y = load_iris(return_X_y=True)
    with mlflow.start_run() as run:
        model = LogisticRegression(max_iter=300).fit(x, y)
        info = mlflow.sklearn.log_model(model, artifact_path="model", registered_model_name="iris2", input_example=x[:2], pip_requirements=NEEDS)
    history = json.loads(mlflow.get_run(run.info.run_id).data.tags["mlflow.log-model.history"])
    assert [h["artifact_path"] for h in history] == ["model"]
    client = MlflowClient()
    client.set_registered_model_alias("iris2", "champion", "1")
    assert (mlflow.pyfunc.load_model("models:/iris2@champion").predict(x) == model.predict(x)).all()
    assert (mlflow.sklearn.load_model(info.model_uri).predict(x) == model.predict(x)).all()
    version = client.get_model_version("iris2", "1")
    assert version.run_id == run.info.run_id and version.source.startswith("mlflow-artifacts:/")
    assert client.get_model_version_download_uri("iris2", "1") == version.source


def test_autolog(server):
    mlflow.set_experiment("autolog2")
    mlflow.sklearn.autolog()
    try:
        x, y = load_iris(return_X_y=True)
        with mlflow.start_run() as run:
            LogisticRegression(max_iter=200, C=0.5).fit(x, y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    got = mlflow.get_run(run.info.run_id)
    assert got.data.params["C"] == "0.5" and got.data.metrics["training_score"] > 0.9
    assert "model" in [f.path for f in MlflowClient().list_artifacts(run.info.run_id)]
