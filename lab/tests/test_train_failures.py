"""The trainer against wrong input, refused access and servers that aren't there: each run says why it failed."""

import contextlib
import http.server
import json
import threading

import pytest

from support import services


def check_failed(trainer, output, *messages):
    """The run ended FAILED, and log, tag and artifact say why."""
    (run,) = trainer.runs()
    assert run.info.status == "FAILED"
    assert run.info.end_time
    kept = trainer.artifact(run.info.run_id, "logs/train.log").decode()
    for message in messages:
        assert message in output
        assert message in run.data.tags["benchtop.failure"]
        assert message in kept
    assert "Traceback" not in output
    assert trainer.client().search_model_versions(f"name='{trainer.name}'") == []


def test_wrong_digest(trainer, volume, s3):
    uri, digest = services.put_dataset(s3, "iris", services.dataset("iris")[1] + b"\n")
    expected = services.dataset("iris")[0]["sha256"]
    code, output = trainer.run(BENCHTOP_DATASET_URI=uri)
    assert code == 2
    check_failed(trainer, output, f"has sha256 {digest}, expected {expected}", "upload the dataset again")
    assert list(volume.iterdir()) == []


def test_wrong_rows(trainer, volume, s3):
    raw = services.dataset("iris")[1].replace(b"5.1,3.5,1.4,0.2,0", b"5.1,high,1.4,0.2,0", 1)
    uri, digest = services.put_dataset(s3, "iris", raw)
    code, output = trainer.run(BENCHTOP_DATASET_URI=uri, BENCHTOP_DATASET_SHA256=digest)
    assert code == 2
    check_failed(trainer, output, "line 2, column 2 of the dataset is 'high', expected a finite number")
    assert list(volume.iterdir()) == []


def test_wrong_hyper_parameter(trainer, volume):
    code, output = trainer.run(BENCHTOP_PARAMS='{"learning_rate": 0.1}')
    assert code == 2
    check_failed(trainer, output, "unknown hyper-parameter 'learning_rate'", "allowed: model", "C (number from 0.0001")
    assert list(volume.iterdir()) == []


def test_missing_dataset(trainer):
    code, output = trainer.run(BENCHTOP_DATASET_URI="s3://datasets/iris/none.csv")
    assert code == 3
    check_failed(trainer, output, "s3://datasets/iris/none.csv does not exist (NoSuchKey); upload dataset iris first")


@pytest.mark.parametrize(
    ("key", "error"), [("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch"), ("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId")]
)
def test_wrong_s3_key(trainer, key, error):
    code, output = trainer.run(**{key: "wrong-wrong"})
    assert code == 1
    check_failed(trainer, output, f"({error})", "the key of this Job is not accepted: it may have been changed")


def test_s3_key_that_may_not_read(trainer, s3):
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"}],
    }
    answer = s3.client("sts").assume_role(
        RoleArn="arn:x:ignored:by:minio", RoleSessionName="trainer", Policy=json.dumps(policy)
    )
    keys = answer["Credentials"]
    code, output = trainer.run(
        AWS_ACCESS_KEY_ID=keys["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=keys["SecretAccessKey"],
        AWS_SESSION_TOKEN=keys["SessionToken"],
    )
    assert code == 3
    check_failed(trainer, output, "was denied (AccessDenied); the trainer's access key needs s3:GetObject on it")


def test_wrong_environment(trainer):
    code, output = trainer.run(BENCHTOP_DATASET_SHA256="")
    assert code == 2
    assert "training failed: BENCHTOP_DATASET_SHA256 is not set; the trainer needs it" in output
    assert "Traceback" not in output
    assert trainer.runs() == []


def test_registry_that_never_comes_up(trainer):
    gate = services.Gate(trainer.mlflow_uri)
    code, output = trainer.run(MLFLOW_TRACKING_URI=gate.url, BENCHTOP_WAIT_SECONDS="1")
    assert code == 1
    assert f"training failed: the registry ({gate.url}) was not ready within 1 s" in output
    assert "Traceback" not in output


def test_store_that_never_comes_up(trainer, s3):
    gate = services.Gate(s3.url)
    code, output = trainer.run(AWS_ENDPOINT_URL_S3=gate.url, BENCHTOP_WAIT_SECONDS="1")
    assert code == 1
    check_failed(trainer, output, "the object store (s3://datasets/iris/", "was not ready within 1 s", gate.url)


@contextlib.contextmanager
def answering(status, body):
    """A web server with one answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b"{}", "refused the trainer's credentials (401); check MLFLOW_TRACKING_USERNAME"),
        (403, b"{}", "refused the trainer's credentials (403)"),
        (404, b"{}", "answers 404, which no MLflow registry does; check MLFLOW_TRACKING_URI"),
        (200, b"<html>", "does not answer in JSON; check MLFLOW_TRACKING_URI"),
        (503, b"{}", "was not ready within 1 s: it answers 503"),
    ],
)
def test_something_else_than_a_registry(trainer, status, body, message):
    with answering(status, body) as uri:
        code, output = trainer.run(MLFLOW_TRACKING_URI=uri, BENCHTOP_WAIT_SECONDS="1")
    assert code == 1
    assert message in output
    assert "Traceback" not in output
