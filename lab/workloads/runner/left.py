"""The models that a script has left in files, and which of several is meant."""

import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import packages

# More are logged by no one: a script that keeps every epoch means the last, or the best.
MAX_LOGGED = 10

PICKLES = (".pkl", ".pickle", ".joblib", ".sav", ".skops")
# What has to be importable to read a kind of file: (module, what people call the format).
LIBRARIES = {
    "xgboost": ("xgboost", "an XGBoost model"),
    "lightgbm": ("lightgbm", "a LightGBM model"),
    "torchscript": ("torch", "a TorchScript model"),
    "onnx": ("onnxruntime", "an ONNX model"),
    "keras": ("keras", "a Keras model"),
}


@dataclass(frozen=True)
class Candidate:
    """A file, or a folder of MLflow's, that may hold a model."""

    name: str  # as people know it
    path: str
    kind: str
    at: float  # s, its last change
    kept: str | None = None  # a copy that needs no code of the script's
    rows: str | None = None  # what it was fitted on
    run_id: str | None = None  # the run that has its fit; "" if none has


@dataclass(frozen=True)
class Logged:
    """A model that mlflow has logged."""

    name: str
    model_id: str | None  # None before MLflow 3, where it is a part of its run
    run_id: str | None
    at: float
    uri: str


def candidates(written, noted, code, environment=None):
    """(candidates, sentences about files that look like models and can't be read)."""
    dumps = {entry["path"]: entry for entry in noted.of("dump")}
    # What formats tell nothing about is told by the last fit.
    last = next((entry for entry in reversed(noted.of("rows"))), {"rows": None, "run_id": None})
    rows = last["rows"]
    changed = {path: at / 1e9 for path, at in written.items()}
    # Files outside of the folder are known only from how they were written.
    changed |= {path: entry["at"] for path, entry in dumps.items() if path not in changed and os.path.isfile(path)}
    folders = {os.path.dirname(path) for path in changed if os.path.basename(path) == "MLmodel"}
    found, unread = [], []
    for path, at in sorted(changed.items(), key=lambda entry: entry[1]):
        name = os.path.relpath(path, code) if path.startswith(f"{code}/") else path
        folder = next((folder for folder in folders if path.startswith(f"{folder}/")), None)
        if folder:
            if os.path.basename(path) == "MLmodel":
                found.append(Candidate(os.path.dirname(name), folder, "folder", at))
            continue
        dump = dumps.get(path)
        if dump:
            if dump["model"]:
                found.append(Candidate(name, path, "pickle", at, dump["kept"], dump["rows"] or rows, dump["run_id"]))
            continue
        kind = sniff(path)
        if kind is None:
            continue
        if kind == "weights":
            unread.append(
                f"{name} holds weights and no TorchScript (torch.jit.script(model).save({Path(name).name!r}))"
            )
            continue
        module, what = LIBRARIES.get(kind, (None, None))
        if module and not packages.has_module(module, environment):
            unread.append(f"{name} looks like {what}, and the lab's Python does not have {module}")
            continue
        found.append(Candidate(name, path, kind, at, rows=rows, run_id=last["run_id"]))
    return found, unread


def sniff(path):
    """The kind of model that a file holds by its name and its first bytes, or None."""
    suffix = Path(path).suffix.lower()
    if suffix in PICKLES:
        return "pickle"
    try:
        with open(path, "rb") as file:
            begin = file.read(4096)
    except OSError:
        return None
    match suffix:
        case ".json" | ".ubj" | ".bst" | ".xgb" | ".model" if b"learner" in begin and begin[:1] == b"{":
            kind = "xgboost"
        case ".txt" | ".lgb" | ".model" if begin.startswith(b"tree\n"):
            kind = "lightgbm"
        case ".onnx":
            kind = "onnx"
        case ".keras" if zipfile.is_zipfile(path):
            kind = "keras"
        case ".pt" | ".pth" | ".ts":
            kind = _torch(path)
        case _:
            kind = None
    return kind


def _torch(path):
    if not zipfile.is_zipfile(path):
        return "weights"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return "torchscript" if any(name.endswith("/constants.pkl") for name in names) else "weights"


def choose(found):
    """(the one that is meant, why) of several with a name and a time."""
    if len(found) == 1:
        return found[0], "it is the only one"
    for word in ("best", "final"):
        named = [each for each in found if re.search(word, each.name.rpartition("/")[2], re.IGNORECASE)]
        if named:
            return max(named, key=lambda each: each.at), f"its name says {word}"
    return max(found, key=lambda each: each.at), "it was written last"


def order(found):
    """The candidates that are logged: the one that is meant first, then the newest."""
    meant, why = choose(found)
    others = sorted((each for each in found if each is not meant), key=lambda each: each.at, reverse=True)
    return [meant, *others][:MAX_LOGGED], why
