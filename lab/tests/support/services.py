"""Servers that the trainer talks to, started on free ports and stopped by process group."""

import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DATASETS = Path(__file__).resolve().parents[3] / "assets" / "datasets"


@dataclass(frozen=True)
class Endpoint:
    """An S3 endpoint with credentials that may do everything."""

    url: str
    access_key: str
    secret_key: str

    def client(self, service="s3"):
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
        )


def dataset(name):
    """(description, bytes) of an embedded dataset."""
    info = next(d for d in json.loads((DATASETS / "datasets.json").read_text()) if d["name"] == name)
    return info, (DATASETS / f"{name}.csv").read_bytes()


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(what, check, seconds=60.0, interval=0.05):
    """Return check()'s first true result; fail after a while, with the last exception if there was one."""
    end = time.monotonic() + seconds
    error = None
    while time.monotonic() < end:
        try:
            result = check()
            if result:
                return result
        except (OSError, AssertionError) as err:
            error = err
        time.sleep(interval)
    raise AssertionError(f"{what}: not within {seconds:g} s (last: {error!r})")


class Spawned:
    """A process that ends with all its children: by close(), or when the tests are killed."""

    def __init__(self, arguments, log, env, cwd=None):
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                arguments,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # The guard reads to the end of its input when nobody is left to write to it.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", f"read -r _ || kill -KILL -- -{self._process.pid}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self):
        return self._process.pid

    def poll(self):
        return self._process.poll()

    def wait(self, seconds):
        return self._process.wait(seconds)

    def terminate(self):
        self._process.terminate()

    def close(self, seconds=0):
        """End it, politely if it may take a while; what is left of its group is killed."""
        if seconds:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._guard.communicate(b"\n")


@contextlib.contextmanager
def _process(arguments, log, env):
    process = Spawned(arguments, log, env)
    try:
        yield process
    finally:
        process.close(20)


@contextlib.contextmanager
def s3(folder):
    given = os.environ.get("BENCHTOP_TEST_S3")
    if given:
        address = urlsplit(given)
        endpoint = Endpoint(f"{address.scheme}://{address.hostname}:{address.port}", address.username, address.password)
        _fill(endpoint)
        yield endpoint
        return
    port = free_port()
    endpoint = Endpoint(f"http://127.0.0.1:{port}", "tester", secrets.token_hex(16))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MINIO_ROOT_USER": endpoint.access_key,
        "MINIO_ROOT_PASSWORD": endpoint.secret_key,
        "MINIO_BROWSER": "off",
    }
    minio = os.environ["BENCHTOP_TEST_MINIO"]  # lab/test.sh builds it
    arguments = [minio, "server", "--address", f"127.0.0.1:{port}", str(folder / "data")]
    with _process(arguments, folder / "minio.log", env) as process:

        def ready():
            assert process.poll() is None, (folder / "minio.log").read_text()
            with urllib.request.urlopen(f"{endpoint.url}/minio/health/cluster", timeout=5) as answer:
                return answer.status == 200

        wait_for("MinIO", ready)
        _fill(endpoint)
        yield endpoint


def _fill(endpoint):
    client = endpoint.client()
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket="datasets")
    for name in ("iris", "wine", "breast-cancer"):
        info, raw = dataset(name)
        client.put_object(Bucket="datasets", Key=f"{name}/{info['sha256']}.csv", Body=raw)


def put_dataset(endpoint, name, raw):
    """Upload bytes as a dataset; return (uri, sha256)."""
    digest = hashlib.sha256(raw).hexdigest()
    key = f"{name}/{digest}.csv"
    endpoint.client().put_object(Bucket="datasets", Key=key, Body=raw)
    return f"s3://datasets/{key}", digest


@contextlib.contextmanager
def mlflow(folder):
    given = os.environ.get("BENCHTOP_TEST_MLFLOW")
    if given:
        address = urlsplit(given)
        if address.username:
            # Clients take credentials from their environment: the tests' own, and the trainer's, which inherits these.
            os.environ["MLFLOW_TRACKING_USERNAME"] = address.username
            os.environ["MLFLOW_TRACKING_PASSWORD"] = address.password
        yield f"{address.scheme}://{address.hostname}:{address.port}"
        return
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    arguments = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    arguments += ["--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")]
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with _process(arguments, folder / "mlflow.log", env) as process:

        def ready():
            assert process.poll() is None, (folder / "mlflow.log").read_text()
            with urllib.request.urlopen(f"{uri}/health", timeout=5) as answer:
                return answer.read() == b"OK"

        wait_for("MLflow", ready, seconds=180)
        # Another server may have taken the port first; ours is new, so it holds one experiment.
        with urllib.request.urlopen(f"{uri}/api/2.0/mlflow/experiments/search?max_results=10") as answer:
            names = [e["name"] for e in json.load(answer)["experiments"]]
        assert names == ["Default"], f"{uri} is not the server that was started here"
        yield uri


class Gate:
    """A TCP port in front of a server: closed at first, then open, or taking connections and never answering."""

    def __init__(self, url):
        target = urlsplit(url)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._target = (target.hostname, target.port)
        self._server = None
        self.connections = 0

    def open(self, stall=False):
        gate = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                gate.connections += 1
                if stall:
                    while self.request.recv(65536):
                        pass
                    return
                with socket.create_connection(gate._target) as upstream:
                    back = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
                    back.start()
                    _pump(self.request, upstream)
                    back.join()

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Listener(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def close(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()


def _pump(source, sink):
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
