"""Compares our server with the real one; see differential.py."""

import fnmatch
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import pytest
import requests
import scenario
from differential import Pair

DESIGN = pathlib.Path(__file__).parent.parent / "DESIGN.md"


def explained():
    """The patterns of the first column of the table in DESIGN.md."""
    table = DESIGN.read_text().split("## Differences from MLflow's server")[1]
    rows = [re.split(r" \| ", line.strip("| "))[0] for line in table.splitlines() if line.startswith("| `")]
    return [p for row in rows for p in re.findall(r"`([^`]+)`", row)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(command, url, log, env=None):
    p = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
    deadline = time.time() + 120
    while time.time() < deadline and p.poll() is None:
        try:
            if requests.get(url + "/health", timeout=1).ok:
                return p
        except requests.RequestException:
            time.sleep(0.2)
    os.killpg(p.pid, 15)
    pytest.fail(f"{command} did not start: {pathlib.Path(log.name).read_text()}")


@pytest.fixture
def pair(tmp_path):
    real, ours = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"]}
    processes = []
    try:
        with open(tmp_path / "real.log", "wb") as log:
            processes.append(start([sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", real.rsplit(":", 1)[1], "--workers", "1",
                                    "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", str(tmp_path / "artifacts")], real, log, env))
        with open(tmp_path / "ours.log", "wb") as log:
            processes.append(start([os.environ["BENCHTOP_REGISTRY_SERVE"], "--data-dir", str(tmp_path / "ours"), "--addr", ours[len("http://"):]], ours, log))
        yield Pair(real, ours)
    finally:
        for p in processes:
            os.killpg(p.pid, 15)
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, 9)


def test_answers_are_the_same(pair):
    scenario.play(pair)
    patterns = explained()
    assert patterns, "the table in DESIGN.md was not found"
    # Labels contain brackets, which fnmatch would take for character sets.
    match = lambda label, p: fnmatch.fnmatchcase(label.strip(), p.replace("[", "[[]"))
    surprises = {label: d for label, d in pair.differences.items() if not any(match(label, p) for p in patterns)}
    assert not surprises, "\n".join(f"## {label}\n   {d}" for label, d in surprises.items())
    stale = [p for p in patterns if not any(match(label, p) for label in pair.differences)]
    assert not stale, f"rows of the table in DESIGN.md that nothing needs any more: {stale}"
    print(f"{pair.steps} requests, {len(pair.differences)} of them answered differently, all explained in DESIGN.md")
