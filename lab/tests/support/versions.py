"""Model versions as the trainer makes them, without its registry and object store."""

import functools
import json
import shutil
import time

import numpy as np

import config
import dataset
import export
import model
import params
import publish
from support import services

ENV = {
    "BENCHTOP_PROJECT": "iris",
    "AWS_ENDPOINT_URL_S3": "http://s3",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "MLFLOW_TRACKING_URI": "http://mlflow",
    "BENCHTOP_MODEL_DIR": "/",
}


def environment(name="iris"):
    """A complete environment of the trainer, for addresses that nothing answers at."""
    info, _ = services.dataset(name)
    return ENV | {
        "BENCHTOP_DATASET_NAME": name,
        "BENCHTOP_DATASET_URI": f"s3://datasets/{name}/{info['sha256']}.csv",
        "BENCHTOP_DATASET_SHA256": info["sha256"],
    }


@functools.cache
def fitted(name, hyper):
    """(dataset, split, fit) for an embedded dataset and hyper-parameters as JSON."""
    info, raw = services.dataset(name)
    data = dataset.parse(raw, info["features"])
    values = params.parse(hyper)
    split = model.split(data, values)
    return data, split, model.fit(split, values)


def make(version, hyper="", name="iris", registered_at=1000):
    """(description, files, estimator) of a version; other hyper-parameters make a model that answers differently."""
    data, _, fit = fitted(name, hyper)
    predictor = publish.dumps(export.predictor_spec(fit.estimator, data.classes))
    description = export.description(
        config.read(environment(name)),
        data,
        fit.estimator,
        predictor,
        version=str(version),
        registered_at=registered_at,
        created_at="2026-01-01T00:00:00+00:00",
        run_id=f"run-{version}",
        metrics={"accuracy": 1.0},
    )
    return json.loads(json.dumps(description)), {"predictor.json": predictor}, fit.estimator


def served_path(volume):
    """Where the tests' servers and trainers look for the version to serve: beside the volume, not on it."""
    return volume.parent / "served" / "version.json"


def serve_text(volume, text):
    """Write the file that names the version, as the kubelet updates a ConfigMap's mount: a swapped link."""
    file = served_path(volume)
    dated = file.parent / f"..2026_{time.time_ns()}"
    dated.mkdir(parents=True)
    (dated / file.name).write_bytes(text if isinstance(text, bytes) else text.encode())
    link = file.parent / "..data_tmp"
    link.symlink_to(dated.name)
    link.replace(file.parent / "..data")
    if not file.is_symlink():
        file.symlink_to(f"..data/{file.name}")
    for old in file.parent.glob("..2026_*"):
        if old != dated:
            shutil.rmtree(old)


def serve(volume, version, run_id="", **extra):
    """Name the version to serve."""
    serve_text(volume, json.dumps({"version": str(version), "run_id": run_id, **extra}))


def rows(name, count=2000, seed=1):
    """Random rows around a dataset's range, well beyond it too."""
    data, _, _ = fitted(name, "")
    low, high = np.min(data.features, axis=0), np.max(data.features, axis=0)
    rng = np.random.default_rng(seed)
    return low + (high - low) * rng.uniform(-0.5, 1.5, size=(count, len(low)))
