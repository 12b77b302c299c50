"""The trainer and the server as processes, with their code laid out as in a pod."""

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from support import services, versions

WORKLOADS = Path(__file__).resolve().parents[2] / "workloads"


# The runner uses the trainer's modules, and the builder of environments those of both (workloads.go).
PARTS = {
    "trainer": ("shared", "trainer"),
    "server": ("shared", "server"),
    "runner": ("shared", "trainer", "runner"),
    "environment": ("shared", "trainer", "runner", "environment"),
}


def mount(root, program):
    """Lay out a program's files as the kubelet does: links to ..data, which is a link to a dated folder."""
    dated = root / "..2026_01_01_00_00_00.1"
    dated.mkdir()
    (root / "..data").symlink_to(dated.name)
    for folder in PARTS[program]:
        for file in (WORKLOADS / folder).glob("*.py"):
            (dated / file.name).write_bytes(file.read_bytes())
            (root / file.name).symlink_to(f"..data/{file.name}")
    dated.chmod(0o555)
    return root


def base_env(home):
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        # Warnings of our own code would be errors in the tests; the programs run as in a pod.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Server:
    """A running inference server."""

    def __init__(self, code, volume, env):
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = volume.parent / f"server-{self.port}.log"
        settings = {
            "BENCHTOP_DEPLOYMENT": "iris",
            "BENCHTOP_MODEL_DIR": str(volume),
            "BENCHTOP_SERVED": str(versions.served_path(volume)),
            "BENCHTOP_HOST": "127.0.0.1",
            "BENCHTOP_PORT": str(self.port),
            "BENCHTOP_DRAIN_SECONDS": "0.3",
        }
        self.process = services.Spawned(
            [sys.executable, str(code / "serve.py")], self.log, base_env(volume.parent) | settings | env, cwd="/"
        )
        self.client = httpx.Client(base_url=self.url, timeout=10)

    def wait_up(self):
        services.wait_for("the server", lambda: self._alive() and self._get("/healthz") is not None)
        return self

    def wait_ready(self, version=None):
        def ready():
            answer = self._get("/readyz")
            return self._alive() and answer.status_code == 200 and version in (None, answer.json()["version"])

        # A model of MLflow takes seconds to load, and many on a busy machine.
        services.wait_for(f"version {version or 'of any number'}", ready, seconds=180, interval=0.01)
        return self

    def _get(self, path):
        try:
            return self.client.get(path)
        except httpx.TransportError as err:
            raise OSError(err) from err

    def _alive(self):
        assert self.process.poll() is None, self.logged()
        return True

    def logged(self):
        return self.log.read_text()

    def metrics(self):
        """{(name, frozenset of labels): value}, from the text that Prometheus would read."""
        answer = self.client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        return {
            (s.name, frozenset(s.labels.items())): s.value
            for family in text_string_to_metric_families(answer.text)
            for s in family.samples
        }

    def metric(self, name, **labels):
        """The sum of a metric's samples that carry these labels."""
        wanted = set(labels.items())
        return sum(v for (n, found), v in self.metrics().items() if n == name and wanted <= found)

    def memory_kb(self):
        """{"Rss": kB, "Pss": kB, …} of the process."""
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()[1:]
        return {line.split(":")[0]: int(line.split()[1]) for line in lines}

    def stop(self, seconds=30):
        self.process.terminate()
        return self.process.wait(seconds)

    def close(self):
        self.client.close()
        self.process.close()


class Trainer:
    """Runs the trainer with a pod's environment."""

    def __init__(self, code, server, volume, s3, mlflow_uri, zygote):
        self.code = code
        self.server = server
        self.volume = volume
        self.s3 = s3
        self.mlflow_uri = mlflow_uri
        self._zygote = zygote
        # The registry is shared by all tests.
        self.name = f"iris-{secrets.token_hex(4)}"

    def environment(self, dataset="iris", **env):
        return (
            base_env(self.volume.parent)
            | versions.environment(dataset)
            | {k: os.environ[k] for k in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD") if k in os.environ}
            | {
                "BENCHTOP_DATASET_VERSION": "1",
                "BENCHTOP_MODEL_DIR": str(self.volume),
                "BENCHTOP_SERVED": str(versions.served_path(self.volume)),
                "BENCHTOP_EXPERIMENT": self.name,
                "BENCHTOP_MODEL_NAME": self.name,
                "BENCHTOP_WAIT_SECONDS": "20",
                "AWS_ENDPOINT_URL_S3": self.s3.url,
                "AWS_ACCESS_KEY_ID": self.s3.access_key,
                "AWS_SECRET_ACCESS_KEY": self.s3.secret_key,
                "AWS_REGION": "us-east-1",
                "MLFLOW_TRACKING_URI": self.mlflow_uri,
            }
            | env
        )

    def start(self, program="train.py", fresh=False, **env):
        """A program that runs; a fresh one in an interpreter of its own, others with libraries that are there."""
        env = self.environment(**env)
        if not fresh:
            return self._zygote.start(self.code / program, env)
        return subprocess.Popen(
            [sys.executable, str(self.code / program)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
        )

    def bring(self, version, program="bring.py", **env):
        """(exit code, output, termination message) of bring.py, or of another program that takes the same."""
        message = self.volume.parent / "termination-log"
        message.write_text("an old message, longer than any that comes. " * 50)
        env = {"BENCHTOP_DATASET_URI": "", "BENCHTOP_TERMINATION_LOG": str(message)} | env
        code, output = self.run(program=program, BENCHTOP_MODEL_VERSION=str(version), **env)
        return code, output, message.read_text()

    def measure(self, version, against="", **env):
        """(exit code, output, termination message) of measure.py; against is the version that is served."""
        shadow = tempfile.mkdtemp(prefix="shadow-", dir=self.volume.parent)
        return self.bring(
            version,
            **{
                "program": "measure.py",
                "BENCHTOP_MODEL_DIR": shadow,
                "BENCHTOP_SERVED_MODEL": self.name if against else "",
                "BENCHTOP_SERVED_MODEL_VERSION": str(against),
                "BENCHTOP_SERVER": str(self.server / "serve.py"),
            }
            | env,
        )

    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(self.mlflow_uri)

    def runs(self):
        """This trainer's runs, the newest first."""
        client = self.client()
        experiment = client.get_experiment_by_name(self.name)
        return client.search_runs([experiment.experiment_id]) if experiment else []

    def artifact(self, run_id, path):
        """The bytes of a run's artifact."""
        with tempfile.TemporaryDirectory() as folder:
            return Path(self.client().download_artifacts(run_id, path, folder)).read_bytes()

    def run(self, **env):
        """(exit code, output)."""
        process = self.start(**env)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output
