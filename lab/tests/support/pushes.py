"""Folders of other people's code, pushed and run as the appliance has them run."""

import contextlib
import hashlib
import io
import json
import os
import secrets
import subprocess
import sys
import tarfile
import textwrap

from support import workloads


def pack(files):
    """The tar.gz of {name: content}; a TarInfo with its content may stand for both."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, content in files.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = textwrap.dedent(content).encode() if isinstance(content, str) else content
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def plan(files, command=None, kind=None, entry=None, requirements=None):
    """What the appliance would find out about a simple folder."""
    names = [name for name in files if isinstance(name, str)]
    entry = entry if entry is not None else next((n for n in names if n.endswith(("train.py", ".ipynb"))), "")
    if requirements is None:
        requirements = [
            n
            for n in ("uv.lock", "requirements.txt", "environment.yml", "python_env.yaml", "pyproject.toml")
            if n in names
        ]
    kind = kind or ("notebook" if entry.endswith(".ipynb") else "command" if command else "script")
    command = [] if kind == "notebook" else command or ["python", entry]
    return {"command": command, "entry": entry, "kind": kind, "why": "", "requirements": requirements, "options": {}}


class Ended:
    """How a Job has ended."""

    def __init__(self, code, output, message):
        self.code = code
        self.output = output
        self.message = message


class Runner:
    """Runs pushed code with a pod's environment."""

    def __init__(self, code, place, s3, mlflow_uri):
        self.code = code
        self.place = place
        self.s3 = s3
        self.mlflow_uri = mlflow_uri
        # The registry is shared by all tests.
        self.name = f"houses-{secrets.token_hex(4)}"
        self.work = place / "work"

    def push(self, files):
        """Upload a folder; (uri, sha256)."""
        raw = files if isinstance(files, bytes) else pack(files)
        digest = hashlib.sha256(raw).hexdigest()
        client = self.s3.client()
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket="code")
        client.put_object(Bucket="code", Key=f"{self.name}/{digest}.tar.gz", Body=raw)
        return f"s3://code/{self.name}/{digest}.tar.gz", digest

    def environment(self, files, planned=None, **env):
        uri, digest = self.push(files)
        return (
            workloads.base_env(self.place)
            | {k: os.environ[k] for k in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD") if k in os.environ}
            | {
                "BENCHTOP_PROJECT": self.name,
                "BENCHTOP_JOB": f"{self.name}-1",
                "BENCHTOP_TRIGGER": "push",
                "BENCHTOP_WAIT_SECONDS": "20",
                "BENCHTOP_CODE_URI": uri,
                "BENCHTOP_CODE_SHA256": digest,
                "BENCHTOP_CODE_COMMIT": "0123456789abcdef0123456789abcdef01234567",
                "BENCHTOP_CODE_DIRTY": "false",
                "BENCHTOP_CODE_PLAN": json.dumps(planned or plan(files)),
                "BENCHTOP_WORK": str(self.work),
                "BENCHTOP_DATA": str(self.place / "data"),
                "BENCHTOP_TERMINATION_LOG": str(self.place / "termination-log"),
                "AWS_ENDPOINT_URL_S3": self.s3.url,
                "AWS_ACCESS_KEY_ID": self.s3.access_key,
                "AWS_SECRET_ACCESS_KEY": self.s3.secret_key,
                "AWS_REGION": "us-east-1",
                "MLFLOW_TRACKING_URI": self.mlflow_uri,
                "OMP_NUM_THREADS": "1",
            }
            | env
        )

    def start(self, files, planned=None, **env):
        """The runner as a process. Its first folder is empty, as a pod's is."""
        self.work = self.place / f"work-{secrets.token_hex(2)}"
        self.work.mkdir()
        (self.place / "termination-log").write_text("an old message, longer than any that comes. " * 50)
        return subprocess.Popen(
            [sys.executable, str(self.code / "run_code.py")],
            env=self.environment(files, planned, **env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
        )

    def run(self, files, planned=None, **env):
        process = self.start(files, planned, **env)
        output, _ = process.communicate(timeout=300)
        return Ended(process.returncode, output, (self.place / "termination-log").read_text())

    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(self.mlflow_uri)

    def runs(self):
        """This project's runs, the newest first."""
        client = self.client()
        experiment = client.get_experiment_by_name(self.name)
        return client.search_runs([experiment.experiment_id]) if experiment else []

    def job_run(self):
        (run,) = [run for run in self.runs() if run.data.tags.get("benchtop.job") == f"{self.name}-1"]
        return run

    def versions(self):
        """This project's model versions, the newest first."""
        found = self.client().search_model_versions(f"name='{self.name}'")
        return sorted(found, key=lambda version: -int(version.version))

    def downloaded(self, version=1):
        """The folder of a version's model, on this machine."""
        place = self.place / f"downloaded-{version}"
        program = "import mlflow, sys; mlflow.artifacts.download_artifacts(sys.argv[1], dst_path=sys.argv[2])"
        env = workloads.base_env(self.place) | {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_TRACKING_")}
        env |= {"MLFLOW_TRACKING_URI": self.mlflow_uri, "GIT_PYTHON_REFRESH": "quiet"}
        words = [sys.executable, "-c", program, f"models:/{self.name}/{version}", str(place)]
        subprocess.run(words, env=env, cwd=self.place, check=True, timeout=300)
        return next(file.parent for file in place.rglob("MLmodel"))

    def predicted(self, version=1, rows=None):
        """What a version answers to rows, or to its input example, in a fresh process that knows nothing else."""
        program = textwrap.dedent("""
            import json, sys, mlflow.pyfunc
            model = mlflow.pyfunc.load_model(sys.argv[1], suppress_warnings=True)
            rows, place = json.loads(sys.argv[2]), sys.argv[1] + "/requirements.txt"
            import pandas
            rows = model.input_example if rows is None else pandas.DataFrame(rows)
            assert rows is not None, "it has no input example"
            found = model.predict(rows)
            print("ANSWER", json.dumps({"answer": [each.item() if hasattr(each, "item") else each for each in found],
                "signature": model.metadata.signature.to_dict() if model.metadata.signature else None,
                "requirements": open(mlflow.artifacts.download_artifacts(place)).read().split()}))
        """)
        env = workloads.base_env(self.place) | {"MLFLOW_TRACKING_URI": self.mlflow_uri, "OMP_NUM_THREADS": "1"}
        env |= {"GIT_PYTHON_REFRESH": "quiet", "MLFLOW_DISABLE_TELEMETRY": "true"}
        env |= {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_TRACKING_")} | {
            "MLFLOW_TRACKING_URI": self.mlflow_uri
        }
        done = subprocess.run(
            [sys.executable, "-c", program, f"models:/{self.name}/{version}", json.dumps(rows)],
            env=env,
            cwd=self.place,
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
        return json.loads(line.removeprefix("ANSWER "))


def csv(rows=60):
    """Houses: two numbers, a text, and a price that follows from them."""
    lines = ["area,rooms,town,price"]
    for i in range(rows):
        area, rooms, town = 40 + (i * 37) % 120, 1 + i % 5, ("Bern", "Genf", "Basel")[i % 3]
        lines.append(f"{area}.5,{rooms},{town},{area * 5 + rooms * 100 + len(town) * 10}")
    return "\n".join(lines) + "\n"
