"""Measuring a version before it is served: with the real server, a real registry, and what can't be measured."""

import http.client
import json
import os
import socketserver
import threading
import time

import botocore.exceptions
import mlflow
import pytest

import config
import dataset
import job
import measure
import private
import registry
from failure import Failure, Invalid, Refused
from retry import NotReady
from support import pyfuncs, services, versions, workloads

FOREST = '{"model": "random_forest", "n_estimators": 5}'


def train(trainer, **env):
    """Train a version; its number."""
    code, output = trainer.run(**env)
    assert code == 0, output
    return max(int(v.version) for v in trainer.client().search_model_versions(f"name='{trainer.name}'"))


@pytest.fixture(scope="module")
def lab(code, s3, mlflow_server, programs, tmp_path_factory):
    """A trainer whose model has three versions: 1 and 2 the same, 3 a forest."""
    volume = tmp_path_factory.mktemp("lab") / "models"
    volume.mkdir()
    trainer = workloads.Trainer(code["trainer"], code["server"], volume, s3, mlflow_server, programs)
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
    assert len(message.encode()) <= job.MAX_MESSAGE
    return json.loads(message), output


def reasons(errors):
    return {name: entry["reason"] for entry in errors for name in entry["metrics"]}


def test_the_first_version(lab):
    """Nothing is served yet: there is nothing to compare with, and the rest is measured."""
    document, output = found(lab, 1, fresh=True)
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
        settings = config.read_bring(lab.environment(BENCHTOP_MODEL_VERSION=version))
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
    document, output = found(lab, 1, fresh=True, BENCHTOP_SERVER=str(spy))
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


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_a_key_that_was_changed_meanwhile(lab, name):
    """When a project's dataset is edited its key is made again: that says nothing about a version."""
    code, output, message = lab.measure(1, BENCHTOP_MEASURE="accuracy", **{name: "of-yesterday"})
    assert code == 1, output
    assert message.startswith("reading s3://datasets/iris/")
    assert "Traceback" not in output
    assert message.endswith(
        "; the key of this Job is not accepted: it may have been changed while the Job ran, and the next try gets the "
        "new one"
    )


@pytest.mark.parametrize("letter", ["a", "ü", "🌷", "\x00", '"', "\ud800"])
def test_long_reasons_fit(letter, tmp_path):
    """In a termination message, and whole: a reason may be of any length and letters, a dataset have any name."""
    ours, theirs = measure.Findings(config.MEASURED), measure.Findings(config.MEASURED)
    for findings in (ours, theirs):
        for name in config.MEASURED:
            findings.fail([name], name + letter * 1000)
    path = tmp_path / "termination-log"
    path.touch()
    assert (
        job.run({"BENCHTOP_TERMINATION_LOG": str(path)}, lambda _: measure.report(ours, theirs, letter * 900, None), "")
        == 0
    )
    assert 2000 < len(path.read_bytes()) <= job.MAX_MESSAGE
    document = json.loads(path.read_text())
    for errors in (document["errors"], document["served_errors"]):
        assert sorted(reasons(errors)) == sorted(config.MEASURED)
        for name, reason in reasons(errors).items():
            assert reason.startswith(name[:20])
            assert reason.endswith("…")


def test_only_what_is_asked_for_is_measured(lab):
    """Neither a server is started nor a dataset read for a size; the served version has the same metrics."""
    document, output = found(lab, 2, 1, BENCHTOP_MEASURE="model_size_mb", BENCHTOP_SERVER="/nowhere")
    assert (list(document["candidate"]), list(document["served"])) == (["model_size_mb"], ["model_size_mb"])
    assert (document["errors"], document["served_errors"]) == ([], [])
    assert "listens" not in output
    document, _ = found(lab, 2, 1, BENCHTOP_MEASURE="latency_p95_ms,accuracy")
    for side in ("candidate", "served"):
        assert sorted(document[side]) == ["accuracy", "latency_p95_ms"]
    assert document["holdout"].startswith("30 held-out rows")


SLOW = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({"version": "1", "wanted": "1", "load_error": None})

    def do_POST(self):
        time.sleep(0.01)
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["instances"]
        if len(asked) > 1:
            open(os.environ["BENCHTOP_MODEL_DIR"] + "/../stuck", "w").close()
            time.sleep(600)
        self.answer({"predictions": [{"class": "setosa"}] * len(asked)})

    def answer(self, document):
        raw = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args):
        pass

print("pid", os.getpid(), flush=True)
Handler.protocol_version = "HTTP/1.1"
HTTPServer(("127.0.0.1", int(os.environ["BENCHTOP_PORT"])), Handler).serve_forever()
"""


# The time is over once the server is stuck, however busy the machine is.
STUCK = """
import os, sys, threading, time
sys.path.insert(0, {code!r})
import measure

class Thread(threading.Thread):
    def join(self, timeout):
        assert timeout == 20
        while not os.path.exists(os.environ["BENCHTOP_MODEL_DIR"] + "/stuck"):
            assert self.is_alive()
            time.sleep(0.05)

measure.threading.Thread = Thread
measure.main()
"""


def test_when_the_time_is_over(lab, tmp_path):
    """What was measured counts, and what was not says why; the server that is left is ended."""
    server, program = tmp_path / "slow.py", tmp_path / "program.py"
    server.write_text(SLOW)
    program.write_text(STUCK.format(code=str(lab.code)))
    document, output = found(
        lab,
        1,
        program=str(program),
        BENCHTOP_SERVER=str(server),
        BENCHTOP_MEASURE="latency_p95_ms,accuracy,log_loss,model_size_mb",
        BENCHTOP_MEASURE_SECONDS="20",
    )
    assert sorted(document["candidate"]) == ["latency_p95_ms", "model_size_mb"]
    assert document["errors"] == [
        {
            "metrics": ["accuracy", "log_loss"],
            "reason": "the 20 s that measuring may take were over while the hold-out was evaluated with version 1 of "
            f"model {lab.name}; a model that is smaller, or that answers sooner, takes less",
        }
    ]
    pid = int(output.split("pid ")[1].split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


class Registry:
    """A client of a registry that has no time: each call ends as it is told."""

    def __init__(self, ends):
        self._ends = ends

    def __getattr__(self, name):
        def call(*_args, **_kwargs):
            raise self._ends

        return call


def test_a_registry_that_goes_while_it_is_measured(lab, tmp_path, monkeypatch):
    """No finding: with code 1 the Job tries again. The same when the time is over because the registry is away."""
    settings = config.read_bring(lab.environment(BENCHTOP_MODEL_VERSION="1", BENCHTOP_MODEL_DIR=str(tmp_path)))
    away = mlflow.MlflowException("API request failed with exception Connection refused")
    measuring = measure.Measuring(settings, None, Registry(away), "/nowhere", [config.SIZE])
    with pytest.raises(mlflow.MlflowException, match="Connection refused"):
        measuring.run()
    for err in (NotReady("it answers 503"), Failure("the disk is full")):
        findings = measure.Findings(config.MEASURED)
        with pytest.raises(type(err)):
            findings.attempt(config.SIZE, Registry(err).size)
        assert findings.errors == {}
    # The object store went after the version was brought: its evaluation is no finding either.
    monkeypatch.setattr(measure, "evaluate", lambda *_: pytest.fail("there is no hold-out"))
    measuring = measure.Measuring(settings, None, Registry(away), "/nowhere", ["accuracy"])
    with pytest.raises(mlflow.MlflowException, match="Connection refused"):
        measuring._evaluate(measuring.ours, type("Shadow", (), {"config": settings, "what": "it"}))


@pytest.fixture
def message(tmp_path, monkeypatch):
    """The file for the last words of measure.run in this process, which must not hide itself."""
    monkeypatch.setattr(private, "hide", lambda: None)
    path = tmp_path / "termination-log"
    path.touch()
    return path


def test_time_that_a_registry_took(lab, message, monkeypatch):
    """When the time is over and the registry is away, nothing is said about the version."""
    gate = services.Gate(lab.mlflow_uri).open()
    monkeypatch.setattr(measure.Measuring, "run", lambda _: (gate.close(), time.sleep(5)))
    env = lab.environment(
        MLFLOW_TRACKING_URI=gate.url,
        BENCHTOP_MODEL_VERSION="1",
        BENCHTOP_MEASURE_SECONDS="1",
        BENCHTOP_TERMINATION_LOG=str(message),
    )
    try:
        assert measure.run(env) == 1
    finally:
        registry.connect(lab.mlflow_uri)
    assert "Connection refused" in message.read_text()


@pytest.mark.parametrize(
    ("stall", "key", "said"),
    [
        (True, None, "the object store ({url}) does not answer: Read timeout on endpoint URL"),
        (False, None, "the object store ({url}) does not answer: Could not connect to the endpoint URL"),
        (False, "of-yesterday", "the object store ({url}) refused: An error occurred (InvalidAccessKeyId)"),
    ],
)
def test_time_that_an_object_store_took(lab, s3, message, monkeypatch, stall, key, said):
    """The same when it is away, takes connections and does not answer, or has got another key meanwhile."""
    gate = services.Gate(s3.url)
    if stall or key:
        gate.open(stall)
    monkeypatch.setattr(measure.Measuring, "run", lambda _: time.sleep(5))
    env = lab.environment(
        AWS_ENDPOINT_URL_S3=gate.url,
        BENCHTOP_MODEL_VERSION="1",
        BENCHTOP_MEASURE_SECONDS="0.1",
        BENCHTOP_TERMINATION_LOG=str(message),
    )
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, env[name])
    if key:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    try:
        assert measure.run(env) == 1
    finally:
        gate.close()
    assert message.read_text().startswith(said.format(url=gate.url))


def test_an_object_store_that_answers(s3, monkeypatch):
    """Whatever it answers: a key need not list buckets. But one that is down behind its door answers 503."""
    for name, value in (("ENDPOINT_URL_S3", s3.url), ("ACCESS_KEY_ID", s3.access_key), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    dataset.probe()

    class S3:
        meta = type("Meta", (), {"endpoint_url": "http://s3"})
        answer = None

        def list_buckets(self):
            raise botocore.exceptions.ClientError(self.answer, "ListBuckets")

    monkeypatch.setattr(dataset, "_client", lambda **_: S3())
    S3.answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    dataset.probe()
    S3.answer = {"Error": {"Code": "ServiceUnavailable"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
    with pytest.raises(NotReady, match=r"the object store \(http://s3\) answers 503"):
        dataset.probe()


def test_a_refusal_is_a_finding():
    """The registry has answered; what else is asked for is still measured."""
    findings = measure.Findings(config.MEASURED)
    findings.attempt(config.EVALUATED, Registry(Refused("s3://datasets/x does not exist")).hold_out)
    findings.attempt(config.SIZE, lambda: 2.0)
    assert findings.errors == dict.fromkeys(config.EVALUATED, "s3://datasets/x does not exist")
    assert findings.metrics == {config.SIZE: 2.0}
    # Nor does an answer that nobody has thought of cost the others.
    findings = measure.Findings(config.MEASURED)
    findings.attempt(config.LATENCY, Registry(KeyError("predictions")).ask)
    assert findings.errors == {config.LATENCY: "measuring it failed: KeyError: 'predictions'"}


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


@pytest.fixture
def flaky():
    """A server that answers its requests as it is told, one connection at a time, and a Shadow that asks it."""
    answers = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline().strip():
                length = 0
                while line := self.rfile.readline().strip():
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.rfile.read(length)
                if (answer := answers.pop(0)) is None:
                    return
                wait, body = answer
                time.sleep(wait)
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_):
            pass  # we hang up on it

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shadow = measure.Shadow.__new__(measure.Shadow)
        shadow.what, shadow.description = "version 1 of model m", {"examples": [{"x": [1]}]}
        shadow._process = type("Process", (), {"poll": lambda _: None})()
        shadow._connection = http.client.HTTPConnection(*server.server_address, timeout=0.3)
        yield shadow, answers
        shadow._connection.close()
        server.shutdown()


def test_a_request_that_fails(flaky):
    """It is that measurement's error. The next one finds a connection that works, and not the late answer."""
    shadow, answers = flaky
    findings = measure.Findings(config.MEASURED)
    answers += [(1, b'"late"')]
    findings.attempt(config.LATENCY, shadow.latency)
    assert findings.errors[config.LATENCY] == (
        "version 1 of model m did not answer POST /predict within 0.3 s; a smaller model answers sooner"
    )
    answers += [(0, b'{"n": 1}')]
    assert shadow.ask("GET", "/a") == {"n": 1}
    answers += [None]
    with pytest.raises(
        Invalid, match="version 1 of model m broke off while it was to answer GET /a: RemoteDisconnected"
    ):
        shadow.ask("GET", "/a")
    answers += [(0, b'{"n": 2}')]
    assert shadow.ask("GET", "/a") == {"n": 2}
    answers += [(0, b"no json")]
    findings.attempt("accuracy", lambda: shadow.ask("GET", "/a"))
    assert "JSONDecodeError" in findings.errors["accuracy"]
    for predictions in (b"[1]", b"7"):
        answers += [(0, b'{"predictions": %s}' % predictions)]
        with pytest.raises(Invalid, match=r"answers 2 rows with (1|no list of) predictions, expected one for each"):
            shadow.answers([[1], [2]], ["a", "b"])
    shadow._process.poll, shadow._process.returncode = lambda: -9, -9
    answers += [None]
    with pytest.raises(Invalid, match="to answer GET /a: the server ended with code -9"):
        shadow.ask("GET", "/a")


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
    candidate, served, asked, seconds = config.read_measure(env)
    assert (candidate.version, served, asked, seconds) == ("7", None, list(config.MEASURED), 420)
    _, served, asked, seconds = config.read_measure(
        env
        | {"BENCHTOP_SERVED_MODEL": "iris", "BENCHTOP_SERVED_MODEL_VERSION": "6", "BENCHTOP_MODEL_RUN_ID": "abc"}
        | {"BENCHTOP_MEASURE": "accuracy, latency_p95_ms", "BENCHTOP_MEASURE_SECONDS": "30"}
    )
    assert (asked, seconds, served.run_id) == (["accuracy", "latency_p95_ms"], 30, "")
    assert (served.name, served.version) == ("iris", "6")
    for changes in ({"BENCHTOP_SERVED_MODEL": "iris"}, {"BENCHTOP_SERVED_MODEL_VERSION": "6"}):
        with pytest.raises(Invalid, match="expected a model and a version number, or nothing in both"):
            config.read_measure(env | changes)
    with pytest.raises(Invalid, match="BENCHTOP_MEASURE is 'accuracy,speed', expected some of model_size_mb, latency"):
        config.read_measure(env | {"BENCHTOP_MEASURE": "accuracy,speed"})
    # The registry lets a version name what it likes: what can't be a run is none, and nobody's wrong setting.
    for text, run_id in (("a-B_9", "a-B_9"), ("job#12", ""), ("a'b", ""), ("x" * 257, ""), ("", "")):
        assert config.read_measure(env | {"BENCHTOP_MODEL_RUN_ID": text})[0].run_id == run_id
