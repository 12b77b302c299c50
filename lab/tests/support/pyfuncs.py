"""Versions of MLflow models on a model volume, as bring.py leaves them, without registry and object store."""

import functools
import shutil
import subprocess
import sys
from pathlib import Path

import publish
import pyfunc_folder
import pyfunc_process
from support import versions

SAVER = Path(__file__).with_name("save_models.py")


def save(root):
    """Save one model of each kind below root."""
    # mlflow makes a folder where it begins.
    subprocess.run([sys.executable, str(SAVER), str(root)], cwd=root, check=True, capture_output=True, timeout=300)
    return root


def put(volume, version, model, serve=True):
    """Put a saved model's folder on the volume as a version."""
    folder = volume / "versions" / str(version)
    shutil.copytree(model, folder / "pyfunc")
    description = {
        "format": "benchtop.model/1",
        "kind": "pyfunc",
        "name": "iris",
        "version": str(version),
        "run_id": f"run-{version}",
        "created_at": "2026-01-01T00:00:00+00:00",
        "warnings": ["it requires numpy==1.0, the lab runtime has 2.0"],
        "pyfunc": pyfunc_folder.digest(folder / "pyfunc"),
    } | _described(model)
    (folder / "model.json").write_bytes(publish.dumps(description))
    if serve:
        versions.serve(volume, version, f"run-{version}")
    return description


@functools.cache
def _described(model):
    """What a saved model says about itself, as bring.py notes it."""
    process = pyfunc_process.Process(model)
    process.close()
    return {key: process.described[key] for key in ("signature", "type_hint", "flavors", "example", "mlflow_version")}


def register(trainer, model, like=None):
    """Register a saved model's folder as a version of the trainer's model; (version, run_id).

    `like` is a run whose parameters and datasets the model's run gets, as if a script of the user's had logged them.
    """
    client, name, experiment = _places(trainer)
    run_id = client.create_run(experiment).info.run_id
    if like:
        client.log_inputs(run_id, like.inputs.dataset_inputs)
        for key, value in like.data.params.items():
            client.log_param(run_id, key, value)
    client.log_artifacts(run_id, str(model), "model")
    source = client.get_run(run_id).info.artifact_uri + "/model"
    return str(client.create_model_version(name, source, run_id).version), run_id


def register_without_run(trainer, model=None):
    """Register a logged model of no run; without a folder it has no files. The version and the logged model's id."""
    client, name, experiment = _places(trainer)
    model_id = client.create_logged_model(experiment).model_id
    if model:
        client.log_model_artifacts(model_id, str(model))
        client.finalize_logged_model(model_id, "READY")
    version = client.create_model_version(name, f"models:/{model_id}", model_id=model_id)
    return str(version.version), model_id


def _places(trainer):
    client, name = trainer.client(), trainer.name
    found = client.get_experiment_by_name(name)
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    return client, name, found.experiment_id if found else client.create_experiment(name)
