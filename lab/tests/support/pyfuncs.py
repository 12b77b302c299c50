"""Versions of MLflow models on a model volume, as bring.py leaves them, without registry and object store."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import publish
import pyfunc_folder
import pyfunc_process
from support import services, versions

SAVER = Path(__file__).with_name("save_models.py")


def save(root):
    """Save one model of each kind below root."""
    subprocess.run([sys.executable, str(SAVER), str(root)], check=True, capture_output=True, timeout=300)
    return root


def put(volume, version, model, serve=True):
    """Put a saved model's folder on the volume as a version."""
    folder = volume / "versions" / str(version)
    shutil.copytree(model, folder / "pyfunc")
    process = pyfunc_process.Process(folder / "pyfunc")
    process.close()
    kept = ("signature", "type_hint", "flavors", "example", "mlflow_version")
    description = {
        "format": "benchtop.model/1",
        "kind": "pyfunc",
        "name": "iris",
        "version": str(version),
        "run_id": f"run-{version}",
        "created_at": "2026-01-01T00:00:00+00:00",
        "warnings": ["it requires numpy==1.0, the lab runtime has 2.0"],
        "pyfunc": pyfunc_folder.digest(folder / "pyfunc"),
    } | {key: process.described[key] for key in kept}
    (folder / "model.json").write_bytes(publish.dumps(description))
    if serve:
        versions.serve(volume, version, f"run-{version}")
    return description


class ScoringServer:
    """MLflow's own scoring server on a saved model."""

    def __init__(self, model, folder):
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = (folder / f"scoring-{self.port}.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--port", str(self.port), "mlflow.pyfunc.scoring_server.app:app"],
            env=os.environ | {"__pyfunc_model_path__": str(model), "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def close(self):
        self._process.kill()
        self._process.wait()
        self._log.close()
