"""Predict from the parameters of a fitted scikit-learn classifier, without scikit-learn.

The trainer exports a fitted classifier's parameters as JSON (export.py) and the server evaluates them here in plain
Python: importing scikit-learn costs the server 160 MB of memory, and one prediction through it takes longer than the
arithmetic below. The operations come in scikit-learn's order, on IEEE doubles, so that the predicted class is the same
and the probabilities agree to the last few bits; the trainer checks that on the whole dataset before it publishes,
and the server on a few stored examples before it serves.
"""

import math
from array import array

FORMAT = "benchtop.predictor/1"


class PredictorError(Exception):
    """The exported parameters can't be used; the message says why."""


class Linear:
    """Logistic regression on optionally standardised features."""

    def __init__(self, spec, n_features, n_classes):
        self.mean = _floats(spec, "mean", n_features)
        self.scale = _floats(spec, "scale", n_features)
        # With two classes scikit-learn keeps one row: the log-odds of the second class.
        rows = 1 if n_classes == 2 else n_classes
        self.intercept = _floats(spec, "intercept", rows)
        coef = spec.get("coef")
        if not isinstance(coef, list) or len(coef) != rows:
            raise PredictorError(f"coef must have {rows} rows")
        self.coef = [_floats({"coef": row}, "coef", n_features) for row in coef]
        if any(s == 0 for s in self.scale):
            raise PredictorError("scale must not contain 0")

    def predict(self, x):
        z = [(v - m) / s for v, m, s in zip(x, self.mean, self.scale, strict=True)]
        scores = [
            math.fsum(a * b for a, b in zip(row, z, strict=True)) + c
            for row, c in zip(self.coef, self.intercept, strict=True)
        ]
        if len(scores) == 1:
            second = _expit(scores[0])
            return int(scores[0] > 0), [1.0 - second, second]
        top = max(scores)
        exps = [math.exp(s - top) for s in scores]
        total = sum(exps)
        # The class comes from the scores: two that differ by little can round to one probability.
        return scores.index(top), [e / total for e in exps]


class Forest:
    """The mean of decision trees, each a set of parallel arrays indexed by node; a leaf has left == -1."""

    def __init__(self, spec, n_features, n_classes):
        trees = spec.get("trees")
        if not isinstance(trees, list) or not trees:
            raise PredictorError("trees must be a non-empty list")
        self.trees = [_tree(tree, n_features, n_classes) for tree in trees]
        self.n_classes = n_classes

    def predict(self, x):
        # scikit-learn's trees compare single-precision features with double-precision thresholds.
        x = array("f", x)
        total = [0.0] * self.n_classes
        for feature, threshold, left, right, value in self.trees:
            node = 0
            while left[node] != -1:
                node = left[node] if x[feature[node]] <= threshold[node] else right[node]
            for k, v in enumerate(value[node]):
                total[k] += v
        mean = [t / len(self.trees) for t in total]
        return mean.index(max(mean)), mean


_KINDS = {"linear": Linear, "forest": Forest}


class Predictor:
    """A classifier: feature count, class names and the function between them."""

    def __init__(self, spec):
        """Build from an export; raise PredictorError when it is not one."""
        if not isinstance(spec, dict) or spec.get("format") != FORMAT:
            found = spec.get("format") if isinstance(spec, dict) else type(spec).__name__
            raise PredictorError(f"format is {found!r}, expected {FORMAT!r}")
        if spec.get("kind") not in _KINDS:
            raise PredictorError(f"kind is {spec.get('kind')!r}, expected one of {', '.join(_KINDS)}")
        classes, n_features = spec.get("classes"), spec.get("n_features")
        if not isinstance(classes, list) or len(classes) < 2 or not all(isinstance(c, str) for c in classes):
            raise PredictorError("classes must be a list of at least two names")
        if not isinstance(n_features, int) or n_features < 1:
            raise PredictorError("n_features must be a positive integer")
        self.kind = spec["kind"]
        self.classes = classes
        self.n_features = n_features
        self._impl = _KINDS[self.kind](spec, n_features, len(classes))

    def predict(self, x):
        """(class index, probability per class) for one list of n_features finite numbers within single precision.

        Among equally likely classes the first wins, as in scikit-learn.
        """
        return self._impl.predict(x)


def _expit(score):
    # Two forms, so that neither overflows.
    if score >= 0:
        return 1.0 / (1.0 + math.exp(-score))
    e = math.exp(score)
    return e / (1.0 + e)


def _floats(spec, key, length):
    values = spec.get(key)
    if not isinstance(values, list) or len(values) != length:
        raise PredictorError(f"{key} must be a list of {length} numbers")
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        raise PredictorError(f"{key} must hold finite numbers only")
    return [float(v) for v in values]


def _tree(spec, n_features, n_classes):
    if not isinstance(spec, dict):
        raise PredictorError("a tree must be an object")
    arrays = [spec.get(k) for k in ("feature", "threshold", "left", "right", "value")]
    if not all(isinstance(a, list) and len(a) == len(arrays[0]) and a for a in arrays):
        raise PredictorError("a tree's arrays must be non-empty and of equal length")
    feature, threshold, left, right, value = arrays
    for node in range(len(left)):
        if left[node] == -1:
            _floats({"leaf": value[node]}, "leaf", n_classes)
            continue
        # Children come after their parent, so a walk always ends.
        if not (node < left[node] < len(left) and node < right[node] < len(left)):
            raise PredictorError(f"node {node} has children outside the tree")
        if not 0 <= feature[node] < n_features:
            raise PredictorError(f"node {node} splits on feature {feature[node]}, there are {n_features}")
    return feature, threshold, left, right, value
