"""A program that saves MLflow models of several kinds below a folder: the models that users might register."""

import datetime
import os
import sys
import time
import warnings
from pathlib import Path

os.environ |= {"GIT_PYTHON_REFRESH": "quiet", "MLFLOW_DISABLE_TELEMETRY": "true"}
warnings.simplefilter("ignore")

import mlflow.pyfunc  # noqa: E402
import mlflow.sklearn  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow.models import ModelSignature, infer_signature  # noqa: E402
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec  # noqa: E402
from sklearn.datasets import load_diabetes, load_iris  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

PACKAGES = ["cloudpickle", "numpy", "pandas", "scikit-learn"]


class Scale(mlflow.pyfunc.PythonModel):
    """A table out, and a parameter."""

    def predict(self, context, model_input, params=None):  # noqa: ARG002
        factor = (params or {}).get("factor", 1.0)
        total = model_input["a"] + model_input["b"]
        return pd.DataFrame({"total": total * factor, "big": total > 10})


class Words(mlflow.pyfunc.PythonModel):
    """Texts, whole numbers and a column that may be left out."""

    def predict(self, context, model_input):  # noqa: ARG002
        extra = model_input["mark"] if "mark" in model_input else [""] * len(model_input)
        rows = zip(model_input["text"], model_input["times"], extra, strict=True)
        return [f"{text * times}{mark if isinstance(mark, str) else ''}" for text, times, mark in rows]


class Odd(mlflow.pyfunc.PythonModel):
    """What a model should not do, by the value that it is given."""

    def predict(self, context, model_input):  # noqa: ARG002
        what = int(np.asarray(model_input).ravel()[0])
        match what:
            case 1:
                raise ValueError("one is not for me")
            case 2:
                os._exit(3)
            case 3:
                time.sleep(60)
            case 4:
                time.sleep(0.5)
            case 5:
                return np.array([1.0, float("nan"), float("inf")])
            case 6:
                return [datetime.datetime(2026, 1, 2, 3, 4, 5), np.datetime64("2026-01-02"), np.int64(7), "text"]
            case 7:
                return pd.Series([1, 2], name="n")
        print("printed by the model")
        return [what]


class Hinted(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[int]:
        return [len(text) for text in model_input]


def save(root):
    iris, species = load_iris(as_frame=True, return_X_y=True)
    classifier = LogisticRegression(max_iter=500).fit(iris, species)
    sklearn = {"serialization_format": "cloudpickle", "pip_requirements": ["mlflow", *PACKAGES]}
    mlflow.sklearn.save_model(
        classifier,
        root / "classifier",
        signature=infer_signature(iris, classifier.predict(iris)),
        input_example=iris.head(3),
        **sklearn,
    )
    numbers = iris.to_numpy()
    plain = LogisticRegression(max_iter=500).fit(numbers, species)
    mlflow.sklearn.save_model(plain, root / "unsigned", **sklearn)
    tensor = ModelSignature(
        Schema([TensorSpec(np.dtype("float64"), (-1, 4))]), Schema([TensorSpec(np.dtype("int64"), (-1,))])
    )
    mlflow.sklearn.save_model(plain, root / "tensor", signature=tensor, **sklearn)
    diabetes, target = load_diabetes(as_frame=True, return_X_y=True)
    diabetes = diabetes[["age", "bmi", "bp"]]
    regressor = LinearRegression().fit(diabetes, target)
    mlflow.sklearn.save_model(
        regressor,
        root / "regressor",
        signature=infer_signature(diabetes, regressor.predict(diabetes)),
        input_example=diabetes.head(2),
        **sklearn,
    )
    # In skops, MLflow's default, which loads trees only where the model says so.
    mlflow.sklearn.save_model(
        RandomForestClassifier(5, random_state=0).fit(iris, species),
        root / "forest",
        signature=infer_signature(iris, species),
        input_example=iris.head(1),
        skops_trusted_types=["sklearn.tree._tree.Tree"],
        pip_requirements=["mlflow", "skops", *PACKAGES],
    )
    python = {"pip_requirements": ["mlflow", *PACKAGES]}
    mlflow.pyfunc.save_model(
        root / "scale",
        python_model=Scale(),
        signature=ModelSignature(
            Schema([ColSpec("double", "a"), ColSpec("double", "b")]),
            Schema([ColSpec("double", "total"), ColSpec("boolean", "big")]),
            ParamSchema([ParamSpec("factor", "double", 1.0)]),
        ),
        input_example=({"a": [1.0], "b": [2.0]}, {"factor": 2.0}),
        **python,
    )
    mlflow.pyfunc.save_model(
        root / "words",
        python_model=Words(),
        signature=ModelSignature(
            Schema([ColSpec("string", "text"), ColSpec("long", "times"), ColSpec("string", "mark", required=False)]),
            Schema([ColSpec("string")]),
        ),
        **python,
    )
    mlflow.pyfunc.save_model(root / "odd", python_model=Odd(), **python)
    mlflow.pyfunc.save_model(root / "hinted", python_model=Hinted(), input_example=["a", "bcd"], **python)


def log(tracking_uri, name):
    """Log and register a model as the MLflow documentation shows it; print the version."""
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment(name)
    iris, species = load_iris(as_frame=True, return_X_y=True)
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(iris, species)
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            classifier,
            name="model",
            registered_model_name=name,
            input_example=iris.head(2),
            # Given, because finding them out takes a minute on a busy machine.
            pip_requirements=["skops", *PACKAGES],
        )
    print(f"registered {info.registered_model_version} {run.info.run_id}")


if __name__ == "__main__":
    save(Path(sys.argv[1])) if len(sys.argv) == 2 else log(sys.argv[1], sys.argv[2])
