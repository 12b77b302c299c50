"""Fit a classifier and measure it on rows it has not seen."""

import math
import time
import warnings
from dataclasses import dataclass

from failure import Invalid

# A chart has no use for more points, and each costs a fit.
MAX_CURVE_POINTS = 40


@dataclass(frozen=True)
class Split:
    """Training and hold-out rows as numpy arrays, stratified by class."""

    x_train: object
    x_test: object
    y_train: object
    y_test: object


@dataclass(frozen=True)
class Fit:
    """A fitted estimator, its learning curve as (step, {metric: value}), and how long fitting took."""

    estimator: object
    curve: list
    curve_unit: str
    seconds: float


def split(dataset, params):
    """Hold out `test_size` of every class; the same random_state gives the same split."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    held_out = math.ceil(len(dataset.labels) * params["test_size"])
    if held_out < len(dataset.classes):
        raise Invalid(
            f"test_size {params['test_size']:g} holds out {held_out} of {len(dataset.labels)} rows, fewer than "
            f"the {len(dataset.classes)} classes; choose a larger test_size"
        )
    x, y = np.array(dataset.features), np.array(dataset.labels)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=params["test_size"], random_state=params["random_state"], stratify=y
    )
    return Split(x_train, x_test, y_train, y_test)


def fit(data, params):
    """Fit on the training rows; the model that is measured is the model that is served, so no refit on all rows."""
    build = {"logistic_regression": _logistic_regression, "random_forest": _random_forest}[params["model"]]
    begun = time.perf_counter()
    estimator, stages, unit = build(params, data)
    seconds = time.perf_counter() - begun
    curve = [(step, _point(stage, data)) for step, stage in stages]
    return Fit(estimator, curve, unit, seconds)


def _logistic_regression(params, data):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def fitted(max_iter):
        model = LogisticRegression(C=params["C"], max_iter=max_iter, random_state=params["random_state"])
        steps = [StandardScaler(), model] if params["standardize"] else [model]
        with warnings.catch_warnings():
            # Stopping early is the point of the curve, and n_iter tells it about the final model.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return make_pipeline(*steps).fit(data.x_train, data.y_train)

    final = fitted(params["max_iter"])
    # lbfgs is deterministic, so a fit stopped after k iterations is exactly the k-th iterate of the full fit.
    iterations = int(final[-1].n_iter_[0])
    return final, ((k, fitted(k)) for k in _steps(iterations)), "iteration"


def _random_forest(params, data):
    from sklearn.ensemble import RandomForestClassifier

    def forest(trees):
        return RandomForestClassifier(
            n_estimators=trees,
            max_depth=params["max_depth"],
            min_samples_leaf=params["min_samples_leaf"],
            random_state=params["random_state"],
            warm_start=True,
            n_jobs=1,
        )

    final = forest(params["n_estimators"]).fit(data.x_train, data.y_train)

    def stages():
        growing = forest(1)
        for trees in _steps(params["n_estimators"]):
            # warm_start keeps the trees there are: step k is the first k trees of the final forest.
            yield trees, growing.set_params(n_estimators=trees).fit(data.x_train, data.y_train)

    return final, stages(), "tree"


def _steps(last):
    """1 to last, thinned out evenly on a logarithmic scale when there are too many."""
    if last <= MAX_CURVE_POINTS:
        return range(1, last + 1)
    ratio = math.log(last) / (MAX_CURVE_POINTS - 1)
    return sorted({round(math.exp(ratio * i)) for i in range(MAX_CURVE_POINTS)} | {1, last})


def _point(estimator, data):
    from sklearn.metrics import log_loss

    labels = estimator.classes_
    return {
        "curve_train_accuracy": float(estimator.score(data.x_train, data.y_train)),
        "curve_test_accuracy": float(estimator.score(data.x_test, data.y_test)),
        "curve_train_log_loss": float(log_loss(data.y_train, estimator.predict_proba(data.x_train), labels=labels)),
        "curve_test_log_loss": float(log_loss(data.y_test, estimator.predict_proba(data.x_test), labels=labels)),
    }


@dataclass(frozen=True)
class Evaluation:
    """How the model did on the hold-out rows."""

    metrics: dict
    confusion: list  # [true class][predicted class] → rows
    report: dict  # per class and averaged: precision, recall, f1-score, support


def metrics(truth, predicted, probabilities, n_classes):
    """How well rows were predicted; without probabilities (None) there is no log_loss."""
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    labels = list(range(n_classes))
    found = {
        "accuracy": float(accuracy_score(truth, predicted)),
        "f1_macro": float(f1_score(truth, predicted, average="macro", labels=labels, zero_division=0)),
    }
    if probabilities is not None:
        found["log_loss"] = float(log_loss(truth, probabilities, labels=labels))
    return found


def evaluate(estimator, data, classes):
    from sklearn.metrics import classification_report, confusion_matrix

    labels = list(range(len(classes)))
    predicted = estimator.predict(data.x_test)
    found = metrics(data.y_test, predicted, estimator.predict_proba(data.x_test), len(classes))
    confusion = confusion_matrix(data.y_test, predicted, labels=labels).tolist()
    report = classification_report(
        data.y_test, predicted, labels=labels, target_names=classes, output_dict=True, zero_division=0
    )
    return Evaluation(found, confusion, report)
