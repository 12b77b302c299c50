"""Hyper-parameters: what may be set, to what, and what it is otherwise."""

import json
import math
from dataclasses import dataclass

from failure import Invalid


@dataclass(frozen=True)
class Number:
    """A number from low to high, both included."""

    kind: type
    default: float
    low: float
    high: float

    def accepts(self, value):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return (self.kind is float or value == int(value)) and self.low <= value <= self.high

    def __str__(self):
        what = "whole number" if self.kind is int else "number"
        return f"{what} from {self.low:g} to {self.high:g}, default {self.default:g}"


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    default: object
    options: tuple

    kind = staticmethod(lambda value: value)

    def accepts(self, value):
        # True == 1 in Python, but not in JSON.
        return any(type(value) is type(o) and value == o for o in self.options)

    def __str__(self):
        return f"{' or '.join(json.dumps(o) for o in self.options)}, default {json.dumps(self.default)}"


COMMON = {
    "model": Choice("logistic_regression", ("logistic_regression", "random_forest")),
    "test_size": Number(float, 0.2, 0.1, 0.5),
    "random_state": Number(int, 0, 0, 2**32 - 1),
}
BY_MODEL = {
    "logistic_regression": {
        "C": Number(float, 1.0, 1e-4, 1e4),
        "max_iter": Number(int, 200, 1, 10000),
        "standardize": Choice(True, (True, False)),
    },
    "random_forest": {
        "n_estimators": Number(int, 50, 1, 200),
        "max_depth": Number(int, 5, 1, 20),
        "min_samples_leaf": Number(int, 1, 1, 100),
    },
}


def parse(text):
    """All hyper-parameters from a JSON object (empty text: the defaults); raise Invalid listing what is allowed."""
    try:
        given = json.loads(text, object_pairs_hook=_unique) if text.strip() else {}
    except (ValueError, RecursionError) as err:
        raise Invalid(f"the hyper-parameters are not JSON ({err}): {text[:200]!r}; {_allowed(COMMON)}") from None
    if not isinstance(given, dict):
        raise Invalid(f"the hyper-parameters are not a JSON object: {text[:200]!r}; {_allowed(COMMON)}")
    model = given.get("model", COMMON["model"].default)
    if not COMMON["model"].accepts(model):
        raise Invalid(f"hyper-parameter model is {json.dumps(model)}, expected {COMMON['model']}")
    known = COMMON | BY_MODEL[model]
    params = {}
    for key, value in given.items():
        if key not in known:
            raise Invalid(f"unknown hyper-parameter {key!r} for model {model}; {_allowed(known)}")
        if not known[key].accepts(value):
            raise Invalid(f"hyper-parameter {key} is {json.dumps(value)}, expected {known[key]}")
    for key, rule in known.items():
        params[key] = rule.kind(given.get(key, rule.default))
    return params


def _allowed(rules):
    return "allowed: " + "; ".join(f"{key} ({rule})" for key, rule in rules.items())


def _unique(pairs):
    seen = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"{key!r} appears twice")
        seen[key] = value
    return seen
