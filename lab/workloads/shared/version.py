"""Read a version's folder and prove that it can be served: in the server, and in bring.py beforehand.

model.json       what the version is, with digests and worked examples
predictor.json   the exported parameters (predictor.py) of a model of the lab's own trainer
pyfunc/          any other model, as MLflow logged it (pyfunc_folder.py)
"""

import hashlib
import json
import math
from pathlib import Path

import pyfunc_folder
from predictor import Predictor, PredictorError

MAX_FILE_BYTES = 64 << 20
TOLERANCE = 1e-9


class LoadError(Exception):
    """The version can't be served. `reason` is a short label for metrics."""

    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason


def verify(folder, version, run_id="", check=lambda: None):
    """(description, predictor) of the version in a folder; raise LoadError when anything is off.

    The predictor of a pyfunc model (description["kind"] == "pyfunc") is None: its files are as they were when it was
    brought, and loading it is for the caller. A run_id names the run that the version must be of: numbers alone repeat
    when a registry starts over. check() is called while many bytes are read and may raise.
    """
    folder = Path(folder)
    description = _parse(folder / "model.json", _read(folder / "model.json"))
    try:
        if description["version"] != version or not isinstance(description["name"], str):
            raise ValueError
        if description.get("kind") != pyfunc_folder.KIND and "predictor" not in description:
            raise ValueError
        found = description.get("run_id", "")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _undescribed(folder, version) from None
    if run_id and found != run_id:
        raise LoadError(
            "run",
            f"{folder} holds another run's version {version}: it is of run {found!r}, expected {run_id!r}; the folder "
            "belongs to an earlier registry, bring this registry's version to the volume",
        )
    if description.get("kind") == pyfunc_folder.KIND:
        _verify_pyfunc(folder, version, description, check)
        return description, None
    return description, _predictor(folder, version, description)


def _verify_pyfunc(folder, version, description, check):
    want = description.get(pyfunc_folder.FOLDER)
    if not isinstance(want, dict) or not isinstance(want.get("sha256"), str):
        raise _undescribed(folder, version)
    path = folder / pyfunc_folder.FOLDER
    if not (path / "MLmodel").is_file():
        raise LoadError("missing", f"{path / 'MLmodel'} is missing")
    try:
        found = pyfunc_folder.digest(path, check)
    except OSError as err:
        raise LoadError("unreadable", f"read {path}: {err.strerror}") from err
    if found["sha256"] != want["sha256"]:
        raise LoadError(
            "digest",
            f"{path} has sha256 {found['sha256']} over {found['files']} files, model.json says {want['sha256']} over "
            f"{want.get('files')}: the files are damaged",
        )


def _predictor(folder, version, description):
    try:
        feature_names, examples = description["feature_names"], description["examples"]
        file = description["predictor"]["file"]
        digest = description["predictor"]["sha256"]
        if not examples or "/" in file:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise _undescribed(folder, version) from None
    raw = _read(folder / file)
    found = hashlib.sha256(raw).hexdigest()
    if found != digest:
        raise LoadError("digest", f"{folder / file} has sha256 {found}, model.json says {digest}: the file is damaged")
    try:
        predictor = Predictor(_parse(folder / file, raw))
        _check(predictor, description, feature_names, examples)
        return predictor
    except (PredictorError, KeyError, TypeError, IndexError) as err:
        raise LoadError("predictor", f"{folder / file} can't be used: {err}") from err


def _undescribed(folder, version):
    return LoadError("description", f"{folder / 'model.json'} does not describe version {version}")


def _check(predictor, description, feature_names, examples):
    if len(feature_names) != predictor.n_features or description["classes"] != predictor.classes:
        raise PredictorError("features or classes differ from model.json")
    if len(description["baseline"]["features"]) != predictor.n_features:
        raise PredictorError("model.json's baseline has another number of features")
    for example in examples:
        got = predictor.predict(example["x"])[1]
        want = example["probabilities"]
        if not all(math.isclose(g, w, abs_tol=TOLERANCE) for g, w in zip(got, want, strict=True)):
            raise PredictorError(f"it predicts {got} where scikit-learn predicted {want}")


def _read(path):
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise LoadError("too_large", f"{path} is larger than {MAX_FILE_BYTES} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        raise LoadError("missing", f"{path} is missing") from None
    except OSError as err:
        raise LoadError("unreadable", f"read {path}: {err.strerror}") from err


def _parse(path, raw):
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as err:
        raise LoadError("json", f"{path} is not JSON: {err}") from err
