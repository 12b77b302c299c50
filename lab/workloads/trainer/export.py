"""Turn a fitted estimator into what the server needs: parameters, worked examples and a baseline of the data."""

import hashlib
import json
import math

from failure import Failure
from predictor import FORMAT, Predictor

BINS = 10
# Sums are taken in another order than BLAS takes them, which may change the last bits.
TOLERANCE = 1e-9


def predictor_spec(estimator, classes):
    """The estimator's parameters in the form that predictor.py evaluates."""
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    spec = {"format": FORMAT, "classes": list(classes), "n_features": int(estimator.n_features_in_)}
    if hasattr(last, "estimators_"):
        return spec | {"kind": "forest", "trees": [_tree(e.tree_) for e in last.estimators_]}
    scaler = estimator[0] if len(estimator.steps) > 1 else None
    n = spec["n_features"]
    return spec | {
        "kind": "linear",
        "mean": scaler.mean_.tolist() if scaler else [0.0] * n,
        "scale": scaler.scale_.tolist() if scaler else [1.0] * n,
        "coef": last.coef_.tolist(),
        "intercept": last.intercept_.tolist(),
    }


def _tree(tree):
    return {
        "feature": tree.feature.tolist(),
        "threshold": tree.threshold.tolist(),
        "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(),
        "value": tree.value[:, 0, :].tolist(),
    }


def verify(spec, estimator, rows):
    """Compare the exported predictor with scikit-learn on rows; raise Failure at the first difference."""
    # Through JSON, because that is how the server gets it.
    predictor = Predictor(json.loads(json.dumps(spec)))
    for row, index, probabilities in zip(rows, estimator.predict(rows), estimator.predict_proba(rows), strict=True):
        got_index, got = predictor.predict(list(row))
        close = all(math.isclose(g, w, abs_tol=TOLERANCE) for g, w in zip(got, probabilities, strict=True))
        if got_index != index or not close:
            raise Failure(
                f"the exported predictor answers {got_index} {got} for {list(row)}, scikit-learn {int(index)} "
                f"{probabilities.tolist()}; nothing was published"
            )


def examples(estimator, dataset):
    """One row per class with scikit-learn's probabilities: the server checks itself on them before it serves."""
    rows = [dataset.features[dataset.labels.index(i)] for i in range(len(dataset.classes))]
    return [{"x": row, "probabilities": p.tolist()} for row, p in zip(rows, estimator.predict_proba(rows), strict=True)]


def importances(estimator):
    """How much each feature counts by the model's own account, and which kind of account that is."""
    import numpy as np

    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    if hasattr(last, "feature_importances_"):
        return {"kind": "impurity", "values": last.feature_importances_.tolist()}
    # On features of different units, coefficients tell another story than on standardised ones.
    kind = "standardized coefficients" if len(estimator.steps) > 1 else "coefficients"
    return {"kind": kind, "values": np.abs(last.coef_).mean(axis=0).tolist()}


def baseline(dataset):
    """Each feature's decile edges with the share of rows per bin, and the share of rows per class.

    Taken from the whole dataset, so that versions trained on the same bytes have the same bins and a live distribution
    can be compared across them. Values equal to an edge belong to the bin above it.
    """
    import numpy as np

    x = np.array(dataset.features)
    features = []
    for column, name in zip(x.T, dataset.feature_names, strict=True):
        edges = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
        counts = np.bincount(np.searchsorted(edges, column, side="right"), minlength=len(edges) + 1)
        features.append({"name": name, "edges": edges.tolist(), "share": (counts / len(column)).tolist()})
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    return {
        "rows": len(dataset.labels),
        "features": features,
        "classes": dict(zip(dataset.classes, (counts / counts.sum()).tolist(), strict=True)),
    }


def description(config, dataset, estimator, predictor, **facts):
    """A version's model.json: what it is, where it comes from, and what the server needs besides predictor.json.

    `facts` are what only the run knows: version, registered_at (when the registered model was created, in ms: it tells
    this registry's version numbers from an earlier one's), created_at, run_id, model_uri, signature, params, metrics
    and artifacts ({path: sha256}).
    """
    return {
        "format": "benchtop.model/1",
        "name": config.model_name,
        **facts,
        "dataset": {
            "name": config.dataset_name,
            "version": config.dataset_version,
            "sha256": config.dataset_sha256,
            "uri": config.dataset_uri,
        },
        "feature_names": dataset.feature_names,
        "classes": dataset.classes,
        "feature_importances": importances(estimator),
        "predictor": {"file": "predictor.json", "sha256": hashlib.sha256(predictor).hexdigest()},
        "lineage": {k: v for k, v in config.tags.items() if v},
        "examples": examples(estimator, dataset),
        "baseline": baseline(dataset),
    }
