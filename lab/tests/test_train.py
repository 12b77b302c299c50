"""The trainer as a process against a real MLflow server and a real S3 store."""

import contextlib
import hashlib
import json
import signal
import threading
import xml.etree.ElementTree as ET

import pytest

import model_store
import publish
from support import services, versions


def test_train_store_serve(trainer, volume, start_server, monkeypatch):
    """The whole way: dataset in S3, run, artifacts, model version, volume, prediction."""
    server = start_server().wait_up()
    code, output = trainer.run(
        fresh=True,
        BENCHTOP_JOB="iris-train-1",
        BENCHTOP_POD="iris-train-1-x",
        BENCHTOP_NODE="node",
        BENCHTOP_TRIGGER="manual",
        BENCHTOP_IMAGE="benchtop.local/lab-python:1",
        BENCHTOP_CODE_SHA256="c0de",
        BENCHTOP_PARAMS='{"C": 2}',
    )
    assert code == 0, output
    assert "Traceback" not in output
    assert "Warning" not in output

    (run,) = trainer.runs()
    run_id = run.info.run_id
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "iris-train-1"
    assert run.data.params == {
        "model": "logistic_regression",
        "test_size": "0.2",
        "random_state": "0",
        "C": "2.0",
        "max_iter": "200",
        "standardize": "True",
    }
    info, _ = services.dataset("iris")
    for key, value in {
        "benchtop.project": "iris",
        "benchtop.job": "iris-train-1",
        "benchtop.pod": "iris-train-1-x",
        "benchtop.node": "node",
        "benchtop.trigger": "manual",
        "benchtop.image": "benchtop.local/lab-python:1",
        "benchtop.code.sha256": "c0de",
        "benchtop.dataset.sha256": info["sha256"],
        "benchtop.published": "version 1",
        "mlflow.source.type": "JOB",
        "mlflow.source.name": "/opt/benchtop/train.py",
    }.items():
        assert run.data.tags[key] == value
    check_metrics(trainer, run)
    check_input(run, info)
    check_artifacts(trainer, run_id, output)

    # The registered version leads back to the run and to a model that loads.
    (version,) = trainer.client().search_model_versions(f"name='{trainer.name}'")
    assert (version.version, version.run_id, version.status) in (("1", run_id, "READY"), (1, run_id, "READY"))
    assert version.tags["benchtop.run_id"] == run_id
    assert version.tags["benchtop.dataset.sha256"] == info["sha256"]
    assert version.tags["benchtop.published"]
    estimator = load_model(trainer, monkeypatch, f"models:/{trainer.name}/1")

    # What is on the volume is what was logged, and is served.
    description = json.loads((volume / "model.json").read_bytes())
    assert publish.published(volume) == 1
    assert description["run_id"] == run_id
    assert description["dataset"]["sha256"] == info["sha256"]
    assert description["feature_names"] == info["features"]
    assert description["classes"] == info["classes"]
    assert description["metrics"]["accuracy"] == run.data.metrics["accuracy"]
    assert description["signature"]["inputs"][0] == {"type": "double", "name": "sepal length (cm)", "required": True}
    for path, digest in description["artifacts"].items():
        assert hashlib.sha256(trainer.artifact(run_id, path)).hexdigest() == digest
    assert description["predictor"]["sha256"] == description["artifacts"]["serving/predictor.json"]
    assert trainer.artifact(run_id, "serving/model.json") == (volume / "model.json").read_bytes()
    assert server.client.get("/readyz").status_code == 503
    versions.serve(volume, 1, run_id)
    server.wait_ready("1")
    rows = versions.rows("iris", 100)
    answer = server.client.post("/predict", json={"instances": rows.tolist()}).json()
    assert answer["model"] == trainer.name
    assert [p["class_index"] for p in answer["predictions"]] == estimator.predict(rows).tolist()
    assert server.client.get("/predict?x=5.1,3.5,1.4,0.2").json()["predictions"][0]["class"] == "setosa"

    # Again: a new run, a new version, which is served once it is named.
    code, output = trainer.run(BENCHTOP_PARAMS='{"model": "random_forest", "n_estimators": 10}')
    assert code == 0, output
    assert publish.published(volume) == 2
    assert server.client.get("/readyz").json()["version"] == "1"
    versions.serve(volume, 2, trainer.runs()[0].info.run_id)
    server.wait_ready("2")
    assert len(trainer.runs()) == 2
    assert json.loads((volume / "versions/1/model.json").read_bytes()) == description


def check_metrics(trainer, run):
    metrics = run.data.metrics
    assert 0.9 <= metrics["accuracy"] <= 1
    assert 0.9 <= metrics["f1_macro"] <= 1
    assert 0 < metrics["log_loss"] < 0.5
    assert 0 < metrics["train_seconds"] < 60
    assert (metrics["train_rows"], metrics["test_rows"]) == (120, 30)
    history = trainer.client().get_metric_history(run.info.run_id, "curve_test_log_loss")
    assert [m.step for m in history] == list(range(1, len(history) + 1))
    assert len(history) >= 10
    assert history[0].value > history[-1].value
    assert history[-1].value == pytest.approx(metrics["log_loss"])


def check_input(run, info):
    (entry,) = run.inputs.dataset_inputs
    assert entry.dataset.name == "iris"
    assert entry.dataset.digest == info["sha256"][:36]
    assert json.loads(entry.dataset.source) == {"uri": f"s3://datasets/iris/{info['sha256']}.csv"}
    assert json.loads(entry.dataset.profile)["num_rows"] == 150
    assert {t.key: t.value for t in entry.tags} == {"mlflow.data.context": "training", "sha256": info["sha256"]}


def check_artifacts(trainer, run_id, output):
    confusion = json.loads(trainer.artifact(run_id, "evaluation/confusion_matrix.json"))
    assert sum(map(sum, confusion["matrix"])) == 30
    assert confusion["classes"] == ["setosa", "versicolor", "virginica"]
    report = json.loads(trainer.artifact(run_id, "evaluation/classification_report.json"))
    assert report["setosa"]["support"] == 10
    for picture in ("confusion_matrix", "learning_curve"):
        root = ET.fromstring(trainer.artifact(run_id, f"evaluation/{picture}.svg"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
    # The log that was kept is the log that was shown, up to the line that says so.
    kept = trainer.artifact(run_id, "logs/train.log").decode()
    assert output.startswith(kept)
    assert "published version 1" in kept


def load_model(trainer, monkeypatch, uri):
    import mlflow
    import mlflow.sklearn

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    mlflow.set_tracking_uri(trainer.mlflow_uri)
    return mlflow.sklearn.load_model(uri)


@pytest.mark.parametrize("dataset", ["wine", "breast-cancer"])
def test_other_datasets(trainer, volume, dataset):
    code, output = trainer.run(dataset=dataset)
    assert code == 0, output
    assert trainer.runs()[0].data.metrics["accuracy"] > 0.9
    loaded = model_store.load(volume, "1")
    assert loaded.expected.names == services.dataset(dataset)[0]["features"]


def test_servers_that_come_up_late(trainer, volume, s3):
    """Store and registry may come up after the trainer, as after a power cut: it waits and says for what."""
    store, registry = services.Gate(s3.url), services.Gate(trainer.mlflow_uri)
    process = trainer.start(AWS_ENDPOINT_URL_S3=store.url, MLFLOW_TRACKING_URI=registry.url)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    reader.start()
    with contextlib.closing(store), contextlib.closing(registry):
        services.wait_for("waiting", lambda: any("waiting for the registry" in line for line in lines))
        registry.open()
        services.wait_for("waiting", lambda: any("waiting for the object store" in line for line in lines))
        store.open()
        assert process.wait(120) == 0, "".join(lines)
    reader.join()
    process.stdout.close()
    assert f"waiting for the registry ({registry.url}): [Errno 111] Connection refused" in "".join(lines)
    assert publish.published(volume) == 1


def test_sigterm(trainer, volume, s3):
    """Stopped while the store keeps it waiting: the run ends as KILLED, with its log."""
    with contextlib.closing(services.Gate(s3.url).open(stall=True)) as gate:
        process = trainer.start(AWS_ENDPOINT_URL_S3=gate.url)
        services.wait_for("the read", lambda: gate.connections > 0)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in output
    (run,) = trainer.runs()
    assert run.info.status == "KILLED"
    assert run.data.tags["benchtop.failure"] == "stopped by SIGTERM"
    assert "stopped by SIGTERM" in trainer.artifact(run.info.run_id, "logs/train.log").decode()
    assert list(volume.iterdir()) == []


def test_killed_while_publishing(trainer, volume, start_server):
    """kill -9 as soon as anything changes on the volume: what was served is served on, and the next training works."""
    code, output = trainer.run()
    assert code == 0, output
    versions.serve(volume, 1)
    server = start_server().wait_ready("1")

    def state():
        return sorted((p.name, p.stat().st_mtime_ns) for p in [volume, *volume.iterdir(), volume / "versions"])

    before = state()
    process = trainer.start(BENCHTOP_PARAMS='{"C": 0.1}')
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            if state() != before:
                process.kill()
                break
    process.communicate()
    version = publish.published(volume)
    assert version in (1, 2)
    model_store.load(volume, str(version))
    versions.serve(volume, version)
    services.wait_for("the version", lambda: server.client.get("/readyz").json()["version"] == str(version), 5)
    assert server.metric("benchtop_model_load_failures_total") == 0

    code, output = trainer.run()
    assert code == 0, output
    versions.serve(volume, 3)
    server.wait_ready("3")
    assert all(not p.name.startswith(".") for p in (volume / "versions").iterdir())


def test_two_trainers_at_once(trainer, volume):
    """Both finish, both register a version, and the volume holds the newer one."""
    processes = [trainer.start(BENCHTOP_JOB=f"job-{i}") for i in range(2)]
    outputs = [p.communicate(timeout=300)[0] for p in processes]
    assert [p.returncode for p in processes] == [0, 0], outputs
    assert publish.published(volume) == 2
    model_store.load(volume, "2")
    runs = trainer.runs()
    assert [r.info.status for r in runs] == ["FINISHED"] * 2
    tags = {r.data.tags["benchtop.published"] for r in runs}
    assert "version 2" in tags
    assert tags - {"version 2"} <= {"version 1", "no: version 2 is newer"}
    assert len(tags) == 2


def test_volume_that_can_not_be_written(trainer, volume):
    """Registered but not published: the run fails, and the version is not marked as published."""
    (volume / "versions").write_text("not a folder")
    code, output = trainer.run()
    assert code == 1
    assert "publishing version 1 to" in output
    assert "the version served before stays in service" in output
    (run,) = trainer.runs()
    assert run.info.status == "FAILED"
    assert "publishing version 1" in run.data.tags["benchtop.failure"]
    (version,) = trainer.client().search_model_versions(f"name='{trainer.name}'")
    assert "benchtop.published" not in version.tags
