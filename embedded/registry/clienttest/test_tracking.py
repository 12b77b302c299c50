"""The real MLflow client against our server: what training scripts do."""

import json
import math
import os

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


def test_a_training_script(server, tmp_path):
    experiment = mlflow.set_experiment("iris")
    assert experiment.artifact_location == f"mlflow-artifacts:/{experiment.experiment_id}"
    with mlflow.start_run(run_name="first", tags={"team": "lab"}) as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"depth": 3, "criterion": "gini"})
        mlflow.log_metric("acc", 0.9, step=0)
        for step in range(1, 5):
            mlflow.log_metrics({"acc": 0.9 + step / 100, "loss": 1 / step}, step=step)
        mlflow.set_tag("note", "ünï ✓")
        mlflow.set_tags({"a": "1", "b": "2"})
        mlflow.log_text("hello", "texts/hello.txt")
        mlflow.log_dict({"x": [1, 2]}, "d.json")
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "f.bin").write_bytes(os.urandom(300_000))
        mlflow.log_artifacts(str(tmp_path), "tree")
    got = mlflow.get_run(run.info.run_id)
    assert got.info.status == "FINISHED"
    assert got.info.run_name == "first"
    assert got.data.params == {"lr": "0.1", "depth": "3", "criterion": "gini"}
    assert got.data.metrics["acc"] == pytest.approx(0.94)
    assert got.data.tags["note"] == "ünï ✓" and got.data.tags["team"] == "lab"
    history = MlflowClient().get_metric_history(run.info.run_id, "acc")
    assert [(m.step, m.value) for m in history] == [(s, pytest.approx(0.9 + s / 100)) for s in range(5)]
    files = {f.path: (f.is_dir, f.file_size) for f in MlflowClient().list_artifacts(run.info.run_id)}
    assert files["d.json"][0] is False and files["tree"] == (True, None) and files["texts"][0]
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/texts/hello.txt") == "hello"
    down = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="tree/sub/f.bin")
    assert open(down, "rb").read() == (tmp_path / "sub" / "f.bin").read_bytes()


def test_special_metric_values(server):
    mlflow.set_experiment("special")
    with mlflow.start_run() as run:
        mlflow.log_metric("nan", math.nan)
        mlflow.log_metric("inf", math.inf)
        mlflow.log_metric("ninf", -math.inf)
        mlflow.log_metric("latest", 5, step=7)
        mlflow.log_metric("latest", 6, step=3)  # an older step is not the latest
    m = mlflow.get_run(run.info.run_id).data.metrics
    assert math.isnan(m["nan"])
    assert m["inf"] == 1.7976931348623157e308 and m["ninf"] == -1.7976931348623157e308
    assert m["latest"] == 5


def test_params_do_not_change(server):
    mlflow.set_experiment("params")
    with mlflow.start_run():
        mlflow.log_param("p", "x")
        mlflow.log_param("p", "x")
        with pytest.raises(MlflowException, match="cannot be changed"):
            mlflow.log_param("p", "y")


def test_long_values_are_kept_whole(server):
    long = "ü" * 500_000
    with mlflow.start_run() as run:
        mlflow.log_param("p", long)
        mlflow.log_params({"batch": long})
        mlflow.set_tag("t", long)
        mlflow.set_tags({"mlflow.note.content": long})
        for call in (mlflow.log_param, mlflow.set_tag):
            with pytest.raises(MlflowException, match='"huge".*at most 1000000'):
                call("huge", "v" * 1_000_001)
    data = mlflow.get_run(run.info.run_id).data
    assert data.params == {"p": long, "batch": long} and data.tags["t"] == long and data.tags["mlflow.note.content"] == long


def test_a_tag_that_grows_with_each_table(server):
    with mlflow.start_run() as run:
        for i in range(160):
            mlflow.log_table({"n": [i], "text": ["x"]}, f"tables/number {i}.json")
    listed = json.loads(mlflow.get_run(run.info.run_id).data.tags["mlflow.loggedArtifacts"])
    assert [t["path"] for t in listed] == [f"tables/number {i}.json" for i in range(160)]
    assert len(mlflow.load_table("tables/number 159.json", run_ids=[run.info.run_id])) == 1


def names(run, path=None):
    return sorted(f.path for f in MlflowClient().list_artifacts(run.info.run_id, path))


def test_uploads_that_lost_their_name_are_refused(server):
    # The client sends an address that ends at the '#' or '?'.
    with mlflow.start_run() as run:
        mlflow.log_text("x", "x.txt")
        mlflow.log_text("x", "d/x.txt")
        for name in ("#1 plot.txt", "d/#1 plot.txt", "?", "?.txt", "why?.txt", "d/#1/x.txt"):
            with pytest.raises(Exception, match="(?s)(has no file name|ends at a '\\?').*%23 and %3F"):
                mlflow.log_text("i", name)
        assert names(run) == ["d", "x.txt"] and names(run, "d") == ["d/x.txt"]
        odd = ["100%.txt", "50% + 1 & 2 = ü;x,y!.txt", "dot.", "~", "'q'", "(1) [2] {3}.txt", "-"]
        for name in odd:
            mlflow.log_text(name, "odd/" + name)
        assert names(run, "odd") == sorted("odd/" + n for n in odd)
        for name in odd:
            assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/odd/{name}") == name


def test_a_name_is_a_file_or_a_folder(server, tmp_path):
    (tmp_path / "out").write_bytes(os.urandom(40_000_000))
    with mlflow.start_run() as run:
        mlflow.log_text("x", "out")
        mlflow.log_text("x", "d/e/report.txt")
        for name, says in {"out/report.txt": '/out.. is a file', "out/a/b.txt": '/out.. is a file', "d": "is a folder", "d/e": "is a folder"}.items():
            with pytest.raises(Exception, match="400(?s:.)*" + says):
                mlflow.log_text("i", name)
        mlflow.log_text("y", "out")
        (tmp_path / "d").mkdir()
        (tmp_path / "out").rename(tmp_path / "d" / "e")
        with pytest.raises(Exception, match="400(?s:.)*is a folder"):  # its answer arrives although there is much to send
            mlflow.log_artifact(str(tmp_path / "d" / "e"), "d")
        assert names(run) == ["d", "out"] and names(run, "d/e") == ["d/e/report.txt"]
        assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/out") == "y"


def test_nested_runs_and_search(server):
    mlflow.set_experiment("nested")
    with mlflow.start_run() as parent:
        for i in range(5):
            with mlflow.start_run(nested=True, run_name=f"child-{i}"):
                mlflow.log_metric("m", i)
                mlflow.log_param("even", i % 2 == 0)
    df = mlflow.search_runs(experiment_names=["nested"], filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}' and metrics.m > 1", order_by=["metrics.m DESC"])
    assert list(df["metrics.m"]) == [4, 3, 2]
    names = lambda f, **kw: [r.info.run_name for r in mlflow.search_runs(experiment_names=["nested"], filter_string=f, order_by=["metrics.m ASC"], output_format="list", **kw)]
    assert names("params.even = 'True'") == ["child-0", "child-2", "child-4"]
    assert names("params.even != 'True'") == ["child-1", "child-3"]
    assert names("attributes.run_name LIKE 'child-%' AND metrics.`m` <= 1") == ["child-0", "child-1"]
    assert names("run_name ILIKE 'CHILD-3'") == ["child-3"]
    assert names("run_name LIKE 'CHILD-3'") == []
    assert names("attributes.status = 'FINISHED' and tags.\"mlflow.runName\" = 'child-2'") == ["child-2"]
    ids = [r.info.run_id for r in mlflow.search_runs(experiment_names=["nested"], output_format="list")][:2]
    assert len(names(f"attributes.run_id IN ('{ids[0]}', '{ids[1]}')")) == 2
    assert names("params.nothing IS NULL and params.even IS NOT NULL", max_results=2) == ["child-0", "child-1"]


def test_delete_and_restore(server):
    client = MlflowClient()
    exp = client.create_experiment("gone")
    run = client.create_run(exp)
    client.delete_run(run.info.run_id)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
    assert client.search_runs([exp]) == []
    with pytest.raises(MlflowException, match="restore"):
        client.log_metric(run.info.run_id, "m", 1)
    client.restore_run(run.info.run_id)
    assert len(client.search_runs([exp])) == 1
    client.delete_experiment(exp)
    assert client.get_experiment(exp).lifecycle_stage == "deleted"
    with pytest.raises(MlflowException):
        client.create_run(exp)
    client.restore_experiment(exp)
    client.rename_experiment(exp, "back")
    assert client.get_experiment_by_name("back").experiment_id == exp
    assert client.get_experiment_by_name("gone") is None


def test_datasets(server):
    mlflow.set_experiment("data")
    x = np.arange(20.0).reshape(10, 2)
    ds = mlflow.data.from_numpy(x, name="grid", digest="a" * 64)
    with mlflow.start_run() as run:
        mlflow.log_input(ds, context="training")
    got = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    assert [(d.dataset.name, d.dataset.digest, d.tags[0].value) for d in got] == [("grid", "a" * 64, "training")]
    assert len(mlflow.search_runs(experiment_names=["data"], filter_string="dataset.name = 'grid' and dataset.context = 'training'")) == 1
    assert len(mlflow.search_runs(experiment_names=["data"], filter_string="dataset.digest LIKE 'b%'")) == 0


def test_pages(server):
    client = MlflowClient()
    exp = client.create_experiment("pages")
    for i in range(25):
        r = client.create_run(exp, start_time=1000 + i)
        client.log_metric(r.info.run_id, "v", i % 7)
    seen, token = [], None
    while True:
        page = client.search_runs([exp], order_by=["metrics.v DESC"], max_results=4, page_token=token)
        seen += [(r.data.metrics["v"], r.info.start_time) for r in page]
        # Runs that come in between must not shift the pages.
        client.log_metric(client.create_run(exp, start_time=9).info.run_id, "v", 100)
        token = page.token
        if not token:
            break
    assert seen == sorted(seen, key=lambda x: (-x[0], -x[1])) and len(set(seen)) == 25


def test_big_files_are_uploaded_whole_where_parts_are_not_taken(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000000")
    (tmp_path / "big.bin").write_bytes(b"x" * 2_000_000)
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(tmp_path / "big.bin"))
    assert [(f.path, f.file_size) for f in MlflowClient().list_artifacts(run.info.run_id)] == [("big.bin", 2_000_000)]
