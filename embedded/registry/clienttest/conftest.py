"""Starts our server as a process of its own and points the client at it."""

import os
import subprocess

os.environ.update(MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet",
                  MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")

import mlflow  # noqa: E402
import pytest  # noqa: E402

PASSWORD = "correct horse"


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    serve = os.environ["BENCHTOP_REGISTRY_SERVE"]
    data = tmp_path_factory.mktemp("registry")
    log = open(data / "log", "wb")
    p = subprocess.Popen([serve, "--data-dir", str(data), "--password", PASSWORD], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        url = p.stdout.readline().strip()
        assert url, (data / "log").read_text()
        yield url
        errors = [line for line in (data / "log").read_text().splitlines() if "level=ERROR" in line]
        assert not errors, errors
    finally:
        p.terminate()
        p.wait(20)


@pytest.fixture
def server(address, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    mlflow.set_tracking_uri(address)
    yield address
    while mlflow.active_run():
        mlflow.end_run()
