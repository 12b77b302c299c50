"""Log models that a script has left in files: python3 -P log_models.py REQUEST.

A program of its own, because models are read with the script's modules, whose names are the script's business, and
because reading one may run anything and end anyhow. It runs without the runner's other files. REQUEST is a JSON file:
{"experiment_id", "code": its folder, "requirements", "like": address of a model that was logged automatically, or null,
"results": path, "models": [{"name", "path", "kind", "kept", "rows", "run_id"}]}. The program appends a line of
JSON to the results for each model: {"name", "model_id", "uri"} or {"name", "error"}; before MLflow 3 a model has no id.
"""

import importlib
import json
import logging
import os
import pickle
import re
import sys
import types
import warnings
from importlib import metadata

# Whose models have a flavor of their own, also when they were pickled.
_FLAVORS = ("xgboost", "lightgbm", "catboost", "statsmodels")
# What mlflow's flavors call a model.
_ARGUMENTS = {
    "catboost": "cb_model",
    "keras": "model",
    "lightgbm": "lgb_model",
    "onnx": "onnx_model",
    "pytorch": "pytorch_model",
    "sklearn": "sk_model",
    "statsmodels": "statsmodels_model",
    "xgboost": "xgb_model",
}
_PACKAGES = ("mlflow-skinny", "cloudpickle", "scikit-learn", "scipy", "numpy", "pandas")


class NoModel(Exception):
    """A file that holds something else."""


def main(request):
    import mlflow  # noqa: F401  sets levels itself

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    for model in request["models"]:
        result = {"name": model["name"]}
        try:
            logged = log_folder(model, request) if model["kind"] == "folder" else log(model, request)
            result["model_id"], result["uri"] = logged
        except NoModel as err:
            result |= {"error": str(err), "none": True}
        except Exception as err:
            result["error"] = f"{type(err).__name__}: {err}"
        with open(request["results"], "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")


def log(model, request):
    kind, rows = model["kind"], None
    value = load(model) if kind == "pickle" else load_native(kind, model["path"])
    by_value(request["code"])
    if model["rows"]:
        with open(model["rows"], "rb") as file:
            rows = pickle.load(file)  # noqa: S301
    example, signature = described(value, fitted_on(value) if rows is None else rows)
    if signature is None and request["like"]:
        example, signature = described_like(request["like"])
    flavor, wanted = flavor_of(value, kind)
    packages = [*_PACKAGES, *wanted]
    options = {
        "name": logged_name(model["name"]),
        "signature": signature,
        "input_example": example,
        "pip_requirements": sorted({*pins(packages), *request["requirements"]}),
    }
    if flavor == "sklearn":
        options["serialization_format"] = "cloudpickle"
    from mlflow.models import Model

    # log_model of a flavor, without an active run: ending that would say that the Job is through.
    options |= {"flavor": importlib.import_module(f"mlflow.{flavor}"), "run_id": model["run_id"], "artifact_path": None}
    if not has_ids():
        options["artifact_path"] = options.pop("name")
    info = Model.log(**options, **{_ARGUMENTS[flavor]: value})
    return getattr(info, "model_id", None), info.model_uri


def has_ids():
    """Whether models are more than parts of runs, as they are from MLflow 3 on."""
    import mlflow

    return hasattr(mlflow.MlflowClient, "create_logged_model")


def log_folder(model, request):
    """A folder that mlflow has written: its files are the model."""
    from mlflow import MlflowClient

    client = MlflowClient()
    name = logged_name(model["name"])
    if not has_ids():
        client.log_artifacts(model["run_id"], model["path"], name)
        return None, f"runs:/{model['run_id']}/{name}"
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    made = client.create_logged_model(request["experiment_id"], name=name, source_run_id=model["run_id"])
    client.log_model_artifacts(made.model_id, model["path"])
    client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
    client.log_outputs(model["run_id"], [LoggedModelOutput(made.model_id, 0)])
    return made.model_id, f"models:/{made.model_id}"


def load(model):
    """The model in a pickle; what it needs of the script's code comes from the script's own modules."""
    if model["kept"]:
        with open(model["kept"], "rb") as file:
            return pickle.load(file)  # noqa: S301
    value = read(model["path"])
    found = model_in(value)
    if found is None:
        raise NoModel(f"it holds a {type(value).__name__}, which has no predict")
    return found


def read(path):
    import joblib

    if path.endswith(".skops"):
        import skops.io

        return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    if path.endswith(".joblib"):
        return joblib.load(path)
    try:
        with open(path, "rb") as file:
            return pickle.load(file)  # noqa: S301
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, UnicodeDecodeError):
        # joblib's files are pickles with arrays in between, and may be compressed.
        return joblib.load(path)


def model_in(value):
    """A value with predict, or the one in a bundle."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    found = [
        each for each in (value, *inside) if not isinstance(each, type) and callable(getattr(each, "predict", None))
    ]
    return found[0] if found else None


def load_native(kind, path):
    match kind:
        case "xgboost":
            import xgboost

            booster = xgboost.Booster(model_file=path)
            said = booster.attr("scikit_learn") or ""
            for name, made in (("classifier", xgboost.XGBClassifier), ("regressor", xgboost.XGBRegressor)):
                if name in said:
                    value = made()
                    value.load_model(path)
                    return value
            return booster
        case "lightgbm":
            import lightgbm

            return lightgbm.Booster(model_file=path)
        case "torchscript":
            import torch

            return torch.jit.load(path, map_location="cpu")
        case "onnx":
            import onnx

            return onnx.load(path)
        case "keras":
            import keras

            return keras.models.load_model(path)
    raise NoModel(f"{kind} is no kind of model")


def flavor_of(value, kind):
    """(mlflow's flavor, the packages it needs beside the usual ones)."""
    native = {"torchscript": "pytorch", "keras": "keras", "onnx": "onnx"}.get(kind)
    if native:
        return native, {"pytorch": ["torch"], "keras": ["keras"], "onnx": ["onnx", "onnxruntime"]}[native]
    for base in type(value).__mro__:
        top = base.__module__.partition(".")[0]
        if top in _FLAVORS:
            return top, [top]
    # Whatever can be pickled and predicts.
    return "sklearn", []


def described(value, rows):
    """(input example, signature) from the rows that a model was fitted on; (None, None) if they are not its input."""
    from mlflow.models import infer_signature

    example = as_example(rows)
    if example is None or not callable(getattr(value, "predict", None)):
        return None, None
    try:
        return example, infer_signature(example, value.predict(example))
    except Exception as err:
        print(f"benchtop: no signature for a {type(value).__name__}: {type(err).__name__}: {err}", file=sys.stderr)
        return None, None


def fitted_on(value):
    """The first rows that a result of statsmodels has kept itself, or None."""
    data = getattr(getattr(value, "model", None), "data", None)
    frame = getattr(data, "frame", None)
    if frame is not None:
        return _asked(value, frame[:5])
    kept = getattr(data, "orig_exog", None)
    return None if kept is None else kept[:5]


def _asked(value, rows):
    """The columns that a prediction needs: a formula's frame also has what is predicted, and what no term names."""
    for name in list(rows.columns):
        rest = rows.drop(columns=name)
        if _predicts(value, rest):
            rows = rest
    return rows


def _predicts(value, rows):
    try:
        value.predict(rows)
    except Exception:
        return False
    return True


def described_like(uri):
    """(input example, signature) of a model that was trained by the same script."""
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    place = download_artifacts(uri)
    model = Model.load(place)
    return model.load_input_example(place), model.signature


def as_example(rows):
    """Rows in a form that a server's client can send, or None."""
    import numpy as np
    import pandas as pd

    if isinstance(rows, pd.Series):
        rows = rows.tolist()
    if isinstance(rows, pd.DataFrame):
        rows = rows.reset_index(drop=True)
        if not all(isinstance(name, str) for name in rows.columns):
            return rows.to_numpy()
        changed = {
            name: rows[name].astype(str) for name in rows.columns if isinstance(rows[name].dtype, pd.CategoricalDtype)
        }
        return rows.assign(**changed)
    if isinstance(rows, list):
        rows = np.array(rows)
    return rows if isinstance(rows, np.ndarray) and rows.dtype.kind in "biufUO" and len(rows) else None


def by_value(code):
    """Have models take the script's classes and functions along, because its files are not where models are served."""
    import cloudpickle

    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if (
            name != "__main__"
            and isinstance(module, types.ModuleType)
            and file
            and os.path.abspath(file).startswith(f"{code}/")
        ):
            cloudpickle.register_pickle_by_value(module)


def logged_name(name):
    """A file's name as mlflow takes it for a model."""
    stem = os.path.splitext(os.path.basename(name.rstrip("/")))[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") or "model"


def pins(packages):
    import mlflow

    found = []
    for wanted in packages:
        # An environment may have an mlflow that is in one piece, before the lab's.
        whole = wanted == "mlflow-skinny" and metadata.version(wanted) != mlflow.__version__
        name = "mlflow" if whole else wanted
        try:
            found.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        main(json.load(file))
