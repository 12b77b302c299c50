"""The real MLflow client against our server: models and their registry."""

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

# Else MLflow loads the model in another process to see what it imports, for seconds. Autologging does that below.
NEEDS = ["scikit-learn"]


def test_log_register_alias_load(server):
    mlflow.set_experiment("models")
    x, y = load_iris(return_X_y=True)
    with mlflow.start_run() as run:
        model = LogisticRegression(max_iter=300).fit(x, y)
        info = mlflow.sklearn.log_model(model, name="model", input_example=x[:2], pip_requirements=NEEDS)
        mlflow.log_metric("acc", model.score(x, y), model_id=info.model_id)
    version = mlflow.register_model(info.model_uri, "iris")
    assert int(version.version) == 1
    client = MlflowClient()
    client.set_registered_model_alias("iris", "champion", 1)
    loaded = mlflow.pyfunc.load_model("models:/iris@champion")
    assert (loaded.predict(x) == model.predict(x)).all()
    assert (mlflow.sklearn.load_model("models:/iris/1").predict(x) == model.predict(x)).all()
    assert (mlflow.sklearn.load_model(info.model_uri).predict(x) == model.predict(x)).all()
    got = client.get_model_version("iris", "1")
    assert got.run_id == run.info.run_id and got.aliases == ["champion"] and got.status == "READY"
    logged = mlflow.get_logged_model(info.model_id)
    assert logged.status == "READY" and logged.source_run_id == run.info.run_id
    assert [(m.key, m.value) for m in logged.metrics] == [("acc", model.score(x, y))]
    found = mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], filter_string="metrics.acc > 0.5", output_format="list")
    assert [m.model_id for m in found] == [info.model_id]
    assert mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], filter_string="metrics.acc > 1.5", output_format="list") == []
    assert [o.model_id for o in mlflow.get_run(run.info.run_id).outputs.model_outputs] == [info.model_id]


def test_autolog(server):
    mlflow.set_experiment("autolog")
    mlflow.sklearn.autolog(registered_model_name="auto")
    try:
        x, y = load_iris(return_X_y=True)
        with mlflow.start_run() as run:
            LogisticRegression(max_iter=200, C=0.5).fit(x, y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    got = mlflow.get_run(run.info.run_id)
    assert got.data.params["C"] == "0.5"
    assert got.data.metrics["training_score"] > 0.9
    assert [d.dataset.source_type for d in got.inputs.dataset_inputs]
    assert MlflowClient().get_registered_model("auto").latest_versions


def test_registry(server):
    client = MlflowClient()
    client.create_registered_model("reg", tags={"a": "b"}, description="d")
    with pytest.raises(MlflowException) as e:
        client.create_registered_model("reg")
    assert e.value.error_code == "RESOURCE_ALREADY_EXISTS"
    for i in range(3):
        client.create_model_version("reg", "s3://bucket/model", tags={"n": str(i)})
    client.update_registered_model("reg", "new")
    client.set_registered_model_tag("reg", "x", "y")
    client.delete_registered_model_tag("reg", "a")
    got = client.get_registered_model("reg")
    assert got.description == "new" and got.tags == {"x": "y"}
    client.transition_model_version_stage("reg", 1, "Production")
    client.transition_model_version_stage("reg", 2, "production", archive_existing_versions=True)
    stages = {int(v.version): v.current_stage for v in client.search_model_versions("name='reg'")}
    assert stages == {1: "Archived", 2: "Production", 3: "None"}
    assert [int(v.version) for v in client.get_latest_versions("reg", ["Production"])] == [2]
    assert client.get_model_version_download_uri("reg", 2) == "s3://bucket/model"
    client.set_model_version_tag("reg", "2", "k", "v")
    assert [int(v.version) for v in client.search_model_versions("name = 'reg' and tags.k = 'v'")] == [2]
    client.update_model_version("reg", 2, "words")
    assert client.get_model_version("reg", 2).description == "words"
    client.set_registered_model_alias("reg", "best", "2")
    assert client.get_registered_model("reg").aliases in ({"best": "2"}, {"best": 2})
    client.rename_registered_model("reg", "reg2")
    assert int(client.get_model_version_by_alias("reg2", "best").version) == 2
    client.delete_model_version("reg2", 2)
    with pytest.raises(MlflowException):
        client.get_model_version_by_alias("reg2", "best")
    assert [m.name for m in client.search_registered_models("name LIKE 'reg%'")] == ["reg2"]
    client.delete_registered_model("reg2")
    with pytest.raises(MlflowException):
        client.get_registered_model("reg2")


@pytest.mark.parametrize("alias", ["latest", "v1", "bad alias", ""])
def test_alias_rules(server, alias):
    client = MlflowClient()
    name = "aliases-" + str(abs(hash(alias)))
    client.create_registered_model(name)
    client.create_model_version(name, "s3://x/y")
    with pytest.raises(MlflowException):
        client.set_registered_model_alias(name, alias, "1")
