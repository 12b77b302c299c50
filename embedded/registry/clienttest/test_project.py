"""The real MLflow client with the key of one project: it reaches what belongs to the project, and nothing else."""

import mlflow
import numpy as np
import pytest
from conftest import PASSWORD
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository


class Mean(PythonModel):
    def predict(self, context, model_input, params=None):
        return np.asarray(model_input).mean(axis=1)


@pytest.fixture
def foreign(server):
    """A run, a model and a logged model of another project, made by the administrator."""
    experiment = mlflow.set_experiment("iris")
    with mlflow.start_run() as run:
        mlflow.log_text("secret", "a.txt")
        info = mlflow.pyfunc.log_model(name="model", python_model=Mean(), pip_requirements=["numpy"], registered_model_name="iris")
    return {"experiment": experiment.experiment_id, "run": run.info.run_id, "model": info.model_id, "version": info.registered_model_version}


@pytest.fixture
def project(foreign, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "wine")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    return foreign


def test_the_project_has_all_it_needs(project, tmp_path, monkeypatch):
    client = MlflowClient()
    for name in ("wine", "wine/tuning", "wine.small"):
        assert mlflow.set_experiment(name).name == name  # get by name, 404, create
    mlflow.set_experiment("wine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "f.bin").write_bytes(bytes(range(256)) * 1000)
    with mlflow.start_run() as run:
        mlflow.log_params({"depth": 3})
        mlflow.log_metric("acc", 0.9)
        for step in range(3):
            mlflow.log_metrics({"loss": 1 / (step + 1)}, step=step)
        mlflow.set_tag("note", "x")
        mlflow.log_input(mlflow.data.from_numpy(np.ones((3, 2)), name="d"), context="training")
        mlflow.log_artifacts(str(tmp_path / "folder"), "tree")
        info = mlflow.pyfunc.log_model(name="model", python_model=Mean(), pip_requirements=["numpy"], registered_model_name="wine")
        with mlflow.start_run(nested=True):
            mlflow.log_metric("acc", 0.8)
    client.set_registered_model_alias("wine", "champion", 1)
    version = client.get_model_version_by_alias("wine", "champion")
    assert version.run_id == run.info.run_id and int(version.version) == 1
    assert mlflow.pyfunc.load_model("models:/wine@champion").predict(np.array([[1.0, 3.0]])).tolist() == [2.0]
    assert mlflow.pyfunc.load_model(info.model_uri).predict(np.array([[1.0, 3.0]])).tolist() == [2.0]
    found = mlflow.search_runs(experiment_names=["wine"], filter_string="metrics.acc > 0.85", output_format="list")
    assert [r.info.run_id for r in found] == [run.info.run_id]
    down = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="tree/f.bin")
    assert open(down, "rb").read() == (tmp_path / "folder" / "f.bin").read_bytes()
    assert client.get_metric_history(run.info.run_id, "loss")[2].value == pytest.approx(1 / 3)
    assert [m.model_id for m in mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], output_format="list")] == [info.model_id]
    copy = client.copy_model_version("models:/wine/1", "wine.copy")
    assert copy.run_id == run.info.run_id
    client.set_model_version_tag("wine", "1", "validated", "yes")
    client.transition_model_version_stage("wine", "1", "Staging")
    client.rename_registered_model("wine.copy", "wine.renamed")
    client.delete_registered_model("wine.renamed")

    # Searches without a place see the project and nothing else.
    assert {e.name for e in client.search_experiments()} == {"wine", "wine/tuning", "wine.small"}
    assert {m.name for m in client.search_registered_models()} == {"wine"}
    assert {v.name for v in client.search_model_versions()} == {"wine"}


def test_a_version_from_elsewhere_can_be_served(foreign, monkeypatch, tmp_path):
    """The lab brings a version that was made of another project's run: registering it lets the project read that run."""
    admin = MlflowClient()
    with mlflow.start_run(experiment_id=foreign["experiment"]) as hidden:
        mlflow.log_text("secret", "a.txt")
        unregistered = mlflow.pyfunc.log_model(name="model", python_model=Mean(), pip_requirements=["numpy"])
    mlflow.register_model(f"models:/{foreign['model']}", "wine.elsewhere")
    mlflow.register_model(f"runs:/{foreign['run']}/model", "wine.elsewhere")
    admin.copy_model_version(f"models:/iris/{foreign['version']}", "wine.elsewhere")
    admin.create_model_version("wine.elsewhere", f"runs:/{foreign['run']}/model", foreign["run"])
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "wine")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    client = MlflowClient()
    versions = client.search_model_versions("name = 'wine.elsewhere'")
    assert len(versions) == 4
    for version in versions:
        uri = f"models:/wine.elsewhere/{version.version}"
        assert version.run_id == foreign["run"]
        assert client.list_artifacts(version.run_id, "serving") == []
        for found in (ModelsArtifactRepository(uri).list_artifacts(None), mlflow.artifacts.list_artifacts(artifact_uri=uri)):
            assert "MLmodel" in {f.path.rpartition("/")[2] for f in found}, version.source
        to = tmp_path / version.version
        to.mkdir()
        ModelsArtifactRepository(uri).download_artifacts("", str(to))
        folder = next(to.rglob("MLmodel")).parent  # of a runs:/ source the client makes a folder
        assert mlflow.pyfunc.load_model(str(folder)).predict(np.array([[1.0, 3.0]])).tolist() == [2.0]
    assert client.get_run(foreign["run"]).info.experiment_id == foreign["experiment"]
    for call in (lambda: client.get_run(hidden.info.run_id), lambda: client.get_logged_model(unregistered.model_id), lambda: client.set_tag(foreign["run"], "forged", "x")):
        with pytest.raises(MlflowException, match="limited to project wine"):
            call()
    client.delete_registered_model("wine.elsewhere")
    for call in (lambda: client.get_run(foreign["run"]), lambda: client.search_logged_models([foreign["experiment"]])):
        with pytest.raises(MlflowException, match="limited to project wine"):
            call()


def test_traces(project):
    @mlflow.trace
    def double(x):
        return 2 * x

    experiment = mlflow.set_experiment("wine/traces")
    assert double(3) == 6
    mlflow.flush_trace_async_logging()
    traces = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
    assert len(traces) == 1 and len(mlflow.get_trace(traces[0].info.trace_id).data.spans) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda c, f: c.get_experiment(f["experiment"]),
        lambda c, f: c.get_experiment("0"),
        lambda c, f: c.get_experiment_by_name("iris"),
        lambda c, f: c.create_experiment("other"),
        lambda c, f: c.create_experiment("wine2"),
        lambda c, f: mlflow.set_experiment("never"),
        lambda c, f: c.create_run(f["experiment"]),
        lambda c, f: c.get_run(f["run"]),
        lambda c, f: c.get_run("0" * 32),
        lambda c, f: c.log_metric(f["run"], "forged", 1.0),
        lambda c, f: c.set_tag(f["run"], "forged", "x"),
        lambda c, f: c.delete_run(f["run"]),
        lambda c, f: c.search_runs([f["experiment"]]),
        lambda c, f: c.list_artifacts(f["run"]),
        lambda c, f: c.download_artifacts(f["run"], "a.txt"),
        lambda c, f: mlflow.artifacts.download_artifacts(f"mlflow-artifacts:/{f['experiment']}/{f['run']}/artifacts/a.txt"),
        lambda c, f: c.log_text(f["run"], "forged", "a.txt"),
        lambda c, f: c.get_logged_model(f["model"]),
        lambda c, f: c.search_logged_models([f["experiment"]]),
        lambda c, f: c.get_registered_model("iris"),
        lambda c, f: c.create_registered_model("other"),
        lambda c, f: c.get_model_version("iris", "1"),
        lambda c, f: c.set_registered_model_alias("iris", "champion", "1"),
        lambda c, f: c.delete_registered_model("iris"),
        lambda c, f: mlflow.pyfunc.load_model("models:/iris/1"),
        lambda c, f: c.copy_model_version("models:/iris/1", "wine.stolen"),
        lambda c, f: c.create_webhook("w", "http://example.org", ["registered_model.created"]),
    ],
)
def test_what_is_elsewhere_is_refused(project, call):
    with pytest.raises(Exception) as caught:
        call(MlflowClient(), project)
    seen, err = [], caught.value
    while err:  # the client wraps what it got
        seen.append(str(err))
        err = err.__cause__ or err.__context__
    said = " | ".join(seen)
    assert "PERMISSION_DENIED" in said or "403" in said, said
    assert not isinstance(caught.value, AssertionError)


def test_the_message_says_what_to_do(project):
    with pytest.raises(MlflowException, match="wine is limited to project wine, and .* expected wine, or a name that begins with wine"):
        mlflow.set_experiment("other")
