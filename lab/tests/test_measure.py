"""Measuring a version before it is served: with the real server, a real registry, and what can't be measured."""

import json
import os

import mlflow
import pytest

import config
import measure
from failure import Invalid
from support import pyfuncs, services, versions, workloads

FOREST = '{"model": "random_forest", "n_estimators": 5}'


def train(trainer, **env):
    """Train a version; its number."""
    code, output = trainer.run(**env)
    assert code == 0, output
    return max(int(v.version) for v in trainer.client().search_model_versions(f"name='{trainer.name}'"))


@pytest.fixture(scope="module")
def lab(code, s3, mlflow_server, tmp_path_factory):
    """A trainer whose model has three versions: 1 and 2 the same, 3 a forest."""
    volume = tmp_path_factory.mktemp("lab") / "models"
    volume.mkdir()
    trainer = workloads.Trainer(code["trainer"], code["server"], volume, s3, mlflow_server)
    train(trainer)
    train(trainer)
    train(trainer, BENCHTOP_PARAMS=FOREST)
    return trainer


def run_of(trainer, version):
    client = trainer.client()
    return client.get_run(client.get_model_version(trainer.name, str(version)).run_id)


def found(trainer, version, against="", **env):
    code, output, message = trainer.measure(version, against, **env)
    assert code == 0, output
    assert "Traceback" not in output
    assert "Warning" not in output
    assert len(message.encode()) < 4096
    return json.loads(message), output


def reasons(errors):
    return {name: entry["reason"] for entry in errors for name in entry["metrics"]}


def test_the_first_version(lab):
    """Nothing is served yet: there is nothing to compare with, and the rest is measured."""
    document, output = found(lab, 1)
    run = run_of(lab, 1)
    own = document["candidate"]
    assert sorted(own) == ["accuracy", "f1_macro", "latency_p95_ms", "log_loss", "model_size_mb"]
    # The server's answers to the trainer's hold-out are as good as what the trainer has logged.
    for name in ("accuracy", "f1_macro", "log_loss"):
        assert own[name] == pytest.approx(run.data.metrics[name], rel=1e-5)
    assert 0 < own["latency_p95_ms"] < 1000
    assert 0.0005 < own["model_size_mb"] < 1
    info, _ = services.dataset("iris")
    assert document["holdout"] == f"30 held-out rows of dataset iris {info['sha256'][:12]}"
    assert (document["against"], document["served"], document["errors"]) == (0, {}, [])
    # Its server has run, without a key, and is gone.
    assert "deployment shadow listens" in output
    # The size is that of the files.
    folder = lab.volume.parent / "model"
    mlflow.set_tracking_uri(lab.mlflow_uri)
    source = lab.client().get_model_version(lab.name, "1").source
    mlflow.artifacts.download_artifacts(source, dst_path=str(folder))
    total = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and f.name != "registered_model_meta")
    assert own["model_size_mb"] == pytest.approx(total / 1e6, rel=0.02)


def test_against_the_served_version(lab):
    """Same kind: the models' own importances. Another kind: by permutation. The same model twice agrees with itself."""
    same, output = found(lab, 2, 1)
    assert same["candidate"]["feature_importance_stability"] == 1
    assert "feature importances: standardized coefficients" in output
    assert same["against"] == 1
    assert same["served"]["accuracy"] == same["candidate"]["accuracy"]
    assert sorted(same["served"]) == ["accuracy", "f1_macro", "latency_p95_ms", "log_loss", "model_size_mb"]
    other, output = found(lab, 3, 1)
    assert "feature importances: by permutation" in output
    assert -1 <= other["candidate"]["feature_importance_stability"] <= 1
    # By shuffling the petals' columns both models lose most.
    assert other["candidate"]["feature_importance_stability"] > 0.3


def test_another_dataset(lab, s3):
    """Both versions are judged on the hold-out of the candidate's dataset."""
    _, raw = services.dataset("iris")
    lines = raw.decode().splitlines()
    # Every third row of the classes in the middle is named wrongly.
    wrong = [
        line[:-1] + str(3 - int(line[-1])) if i % 3 == 0 and line[-1] in "12" else line
        for i, line in enumerate(lines[1:])
    ]
    uri, digest = services.put_dataset(s3, lab.name, "\n".join([lines[0], *wrong]).encode())
    env = {"BENCHTOP_DATASET_URI": uri, "BENCHTOP_DATASET_SHA256": digest, "BENCHTOP_DATASET_VERSION": "2"}
    newest = train(lab, **env)
    document, _ = found(lab, newest, 1)
    assert document["holdout"].endswith(digest[:12])
    assert document["candidate"]["accuracy"] == pytest.approx(run_of(lab, newest).data.metrics["accuracy"], rel=1e-5)
    assert document["served"]["accuracy"] < 0.9 < run_of(lab, 1).data.metrics["accuracy"]


def test_different_features(lab):
    document, _ = found(lab, train(lab, dataset="wine"), 1)
    theirs = reasons(document["served_errors"])
    assert "answers POST /predict with 400" in theirs["accuracy"]
    assert theirs["accuracy"] == theirs["log_loss"]
    ours = reasons(document["errors"])
    assert "have different features, so that nothing can be compared" in ours["feature_importance_stability"]
    assert "accuracy" in document["candidate"]
    assert "latency_p95_ms" in document["served"]


def foreign(trainer, params, inputs):
    """Register a version of a run that somebody else's script has made: the artifacts of a run, other rows."""
    client = trainer.client()
    run = run_of(trainer, 1)
    new = client.create_run(run.info.experiment_id).info.run_id
    for name in ("model.json", "predictor.json"):
        file = trainer.volume.parent / name
        raw = trainer.artifact(run.info.run_id, f"serving/{name}")
        file.write_bytes(raw.replace(run.info.run_id.encode(), new.encode()))
        client.log_artifact(new, str(file), "serving")
    for key, value in params.items():
        client.log_param(new, key, value)
    if inputs:
        client.log_inputs(new, run.inputs.dataset_inputs)
    source = client.get_run(new).info.artifact_uri + "/model"
    return client.create_model_version(trainer.name, source, new).version


def test_a_run_that_says_too_little(lab):
    document, _ = found(lab, foreign(lab, {}, inputs=False), 1)
    ours = reasons(document["errors"])
    assert "names 0 datasets of the lab's store, expected one" in ours["accuracy"]
    assert "has no files at" in ours["model_size_mb"]
    assert "log the model, then register it" in ours["model_size_mb"]
    # The importances are the models' own, and a request needs no dataset.
    assert document["candidate"]["feature_importance_stability"] == 1
    assert "latency_p95_ms" in document["candidate"]
    for params in ({}, {"test_size": "0.2"}, {"test_size": "2", "random_state": "0"}):
        version = str(foreign(lab, params, inputs=True))
        settings, _ = config.read_measure(lab.environment(BENCHTOP_MODEL_VERSION=version))
        with pytest.raises(Invalid, match=r"has no parameters test_size \(a share of the rows\)"):
            measure.holdout(lab.client(), settings)


def test_a_version_that_can_not_be_served(lab):
    """That is a finding: the gates fail with it."""
    client = lab.client()
    run = client.create_run(run_of(lab, 1).info.experiment_id).info
    broken = client.create_model_version(lab.name, run.artifact_uri + "/nothing", run.run_id).version
    document, _ = found(lab, broken, 1)
    ours = reasons(document["errors"])
    assert sorted(ours) == [
        "accuracy",
        "f1_macro",
        "feature_importance_stability",
        "latency_p95_ms",
        "log_loss",
        "model_size_mb",
    ]
    assert "has no file MLmodel at " in ours["latency_p95_ms"]
    # The other way round too.
    document, _ = found(lab, 1, broken)
    assert "has no file MLmodel at " in reasons(document["served_errors"])["accuracy"]
    assert "has no file MLmodel at " in reasons(document["errors"])["feature_importance_stability"]
    assert "accuracy" in document["candidate"]


def test_models_of_mlflow(lab, pyfunc_models):
    """Two versions that the lab's trainer did not make, judged on the hold-out that their runs name."""
    run = run_of(lab, 1)
    served, candidate = (pyfuncs.register(lab, pyfunc_models / kind, run)[0] for kind in ("classifier", "forest"))
    document, output = found(lab, candidate, served)
    assert "feature importances: by permutation" in output
    measured = ["accuracy", "f1_macro", "latency_p95_ms", "model_size_mb"]
    assert sorted(document["candidate"]) == sorted([*measured, "feature_importance_stability"])
    assert sorted(document["served"]) == measured
    for side, errors in (("candidate", "errors"), ("served", "served_errors")):
        assert document[side]["accuracy"] > 0.9
        assert reasons(document[errors])["log_loss"].endswith("answers without probabilities")
    assert document["candidate"]["feature_importance_stability"] > 0.3


def test_a_model_that_is_no_classifier(lab, pyfunc_models):
    """Its latency and size are measured; what only a classifier of the dataset has is not."""
    version, _ = pyfuncs.register(lab, pyfunc_models / "regressor", run_of(lab, 1))
    document, _ = found(lab, version)
    assert sorted(document["candidate"]) == ["latency_p95_ms", "model_size_mb"]
    assert "answers POST /predict with 400" in reasons(document["errors"])["accuracy"]


def test_a_server_that_does_not_start(lab, tmp_path):
    """It sees no key either, neither in its own environment nor in that of the program that started it."""
    spy = tmp_path / "spy.py"
    spy.write_text(
        "import os, sys\n"
        "print('mine:', 'AWS_SECRET_ACCESS_KEY' in os.environ, flush=True)\n"
        "try:\n"
        "    print('theirs:', b'AWS_SECRET' in open(f'/proc/{os.getppid()}/environ', 'rb').read(), flush=True)\n"
        "except OSError as err:\n"
        "    print('theirs:', err.strerror, flush=True)\n"
        "sys.exit(3)\n"
    )
    document, output = found(lab, 1, BENCHTOP_SERVER=str(spy))
    assert "the server ended with code 3 while it loaded version 1" in reasons(document["errors"])["latency_p95_ms"]
    assert "mine: False" in output
    # Root may read everything; pods never run as root.
    if os.geteuid():
        assert "theirs: Permission denied" in output


def test_a_registry_that_is_not_there(trainer):
    gate = services.Gate(trainer.mlflow_uri)
    code, output, message = trainer.measure(1, MLFLOW_TRACKING_URI=gate.url, BENCHTOP_WAIT_SECONDS="1")
    assert code == 1
    assert f"the registry ({gate.url}) was not ready within 1 s" in message
    assert "Traceback" not in output


def test_long_reasons_fit():
    ours, theirs = measure.Findings(), measure.Findings()
    for findings in (ours, theirs):
        for name in (measure.LATENCY, measure.SIZE, measure.STABILITY, *measure.EVALUATED):
            findings.errors[name] = name + "ü" * 1000
    text = json.dumps(measure.report(ours, theirs, "30 rows", None), ensure_ascii=False)
    assert len(text) < 4096


def test_what_a_server_may_predict():
    shadow = measure.Shadow.__new__(measure.Shadow)
    shadow.what = "version 1 of model m"
    classes = ["a", "b"]
    assert shadow._class({"class": "b", "probabilities": {"a": 0.25, "b": 0.75}}, classes) == (1, [0.25, 0.75])
    assert shadow._class("b", classes) == (1, None)
    assert shadow._class(1.0, classes) == (1, None)
    assert shadow._class({"species": "b"}, classes) == (1, None)
    for wrong in (0.5, 2, "c", None, [1], {"class": "c"}):
        with pytest.raises(Invalid, match="expected one of the dataset's classes"):
            shadow._class(wrong, classes)


def test_an_example():
    """What the server says that it takes, where the version has no example of its own."""
    shadow = measure.Shadow.__new__(measure.Shadow)
    shadow.what, shadow.description = "version 1 of model m", {}
    body = {"dataframe_split": {"columns": ["a"], "data": [[1]]}}
    content = {"application/json": {"example": body}}
    shadow.ask = lambda *_: {"paths": {"/predict": {"post": {"requestBody": {"content": content}}}}}
    assert json.loads(shadow._example()) == body
    shadow.ask = lambda *_: {"paths": {}}
    with pytest.raises(Invalid, match="has no example to ask the server for; log the model with input_example"):
        shadow._example()
    shadow.description = {"examples": [{"x": [1, 2]}]}
    assert json.loads(shadow._example()) == {"instances": [[1, 2]]}


def test_wrong_environment():
    env = versions.ENV | {"BENCHTOP_MODEL_NAME": "iris", "BENCHTOP_MODEL_VERSION": "7"}
    candidate, served = config.read_measure(env)
    assert (candidate.version, served) == ("7", None)
    _, served = config.read_measure(env | {"BENCHTOP_SERVED_MODEL": "iris", "BENCHTOP_SERVED_MODEL_VERSION": "6"})
    assert (served.name, served.version) == ("iris", "6")
    for changes in ({"BENCHTOP_SERVED_MODEL": "iris"}, {"BENCHTOP_SERVED_MODEL_VERSION": "6"}):
        with pytest.raises(Invalid, match="expected a model and a version number, or nothing in both"):
            config.read_measure(env | changes)
