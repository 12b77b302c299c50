"""What is served must be what scikit-learn predicts."""

import copy
import json

import numpy as np
import pytest

import config
import export
from failure import Failure
from predictor import Predictor, PredictorError
from support import services, versions

HYPER = [
    "",
    '{"C": 100, "standardize": false, "max_iter": 2000}',
    '{"max_iter": 2}',
    '{"model": "random_forest"}',
    '{"model": "random_forest", "n_estimators": 120, "max_depth": 20, "random_state": 3}',
    '{"model": "random_forest", "n_estimators": 1, "max_depth": 1}',
]


@pytest.mark.parametrize("name", ["iris", "wine", "breast-cancer"])
@pytest.mark.parametrize("hyper", HYPER)
def test_predicts_what_scikit_learn_predicts(name, hyper):
    data, _, fit = versions.fitted(name, hyper)
    spec = json.loads(json.dumps(export.predictor_spec(fit.estimator, data.classes)))
    predictor = Predictor(spec)
    rows = np.vstack([data.features, versions.rows(name)])
    wanted_classes = fit.estimator.predict(rows)
    wanted = fit.estimator.predict_proba(rows)
    answers = [predictor.predict(row) for row in rows.tolist()]
    assert [index for index, _ in answers] == wanted_classes.tolist()
    # The same doubles up to the order of a sum; forests sum in scikit-learn's order.
    exact = predictor.kind == "forest"
    np.testing.assert_allclose([p for _, p in answers], wanted, rtol=0, atol=0 if exact else 1e-13)
    assert all(abs(sum(p) - 1) < 1e-12 for _, p in answers)


@pytest.mark.parametrize("scale", [1e30, -1e30, 3.4e38])
@pytest.mark.parametrize("hyper", HYPER[:4])
def test_survives_enormous_values(hyper, scale):
    for name in ("iris", "breast-cancer"):
        data, _, fit = versions.fitted(name, hyper)
        predictor = Predictor(export.predictor_spec(fit.estimator, data.classes))
        index, p = predictor.predict([scale] * predictor.n_features)
        assert p[index] == max(p)
        assert abs(sum(p) - 1) < 1e-12


def test_nothing_is_exported_that_disagrees():
    data, _, fit = versions.fitted("iris", "")
    spec = export.predictor_spec(fit.estimator, data.classes)
    export.verify(spec, fit.estimator, data.features)
    spec["intercept"][0] += 1e-6
    with pytest.raises(Failure, match="nothing was published"):
        export.verify(spec, fit.estimator, data.features)


LINEAR = export.predictor_spec(versions.fitted("iris", "")[2].estimator, ["a", "b", "c"])
FOREST = export.predictor_spec(versions.fitted("iris", HYPER[5])[2].estimator, ["a", "b", "c"])


def _with(spec, path, value):
    changed = copy.deepcopy(spec)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([], "format is 'list'"),
        (_with(LINEAR, ["format"], "benchtop.predictor/2"), "expected 'benchtop.predictor/1'"),
        (_with(LINEAR, ["kind"], "svm"), "expected one of linear, forest"),
        (_with(LINEAR, ["classes"], ["a"]), "at least two names"),
        (_with(LINEAR, ["n_features"], 0), "positive integer"),
        (_with(LINEAR, ["n_features"], 5), "mean must be a list of 5 numbers"),
        (_with(LINEAR, ["scale", 1], 0), "must not contain 0"),
        (_with(LINEAR, ["scale", 1], float("nan")), "finite numbers only"),
        (_with(LINEAR, ["mean", 1], "1"), "finite numbers only"),
        (_with(LINEAR, ["intercept"], [1.0]), "intercept must be a list of 3"),
        (_with(LINEAR, ["coef"], [[1.0] * 4]), "coef must have 3 rows"),
        (_with(LINEAR, ["coef", 0], None), "coef must be a list of 4"),
        (_with(FOREST, ["trees"], []), "non-empty list"),
        (_with(FOREST, ["trees", 0], 1), "a tree must be an object"),
        (_with(FOREST, ["trees", 0, "left"], [-1]), "equal length"),
        (_with(FOREST, ["trees", 0, "left", 0], 99), "children outside the tree"),
        (_with(FOREST, ["trees", 0, "right", 0], 0), "children outside the tree"),
        (_with(FOREST, ["trees", 0, "feature", 0], 4), "splits on feature 4, there are 4"),
        (_with(FOREST, ["trees", 0, "value", 1], [1.0]), "leaf must be a list of 3"),
    ],
)
def test_refuses_damaged_parameters(spec, message):
    with pytest.raises(PredictorError, match=message):
        Predictor(spec)


def test_baseline_describes_the_data():
    for name in ("iris", "breast-cancer"):
        data, _, _ = versions.fitted(name, "")
        baseline = export.baseline(data)
        assert baseline["rows"] == len(data.labels)
        assert abs(sum(baseline["classes"].values()) - 1) < 1e-12
        for bins in baseline["features"]:
            assert len(bins["share"]) == len(bins["edges"]) + 1
            assert bins["edges"] == sorted(set(bins["edges"]))
            assert abs(sum(bins["share"]) - 1) < 1e-12


@pytest.mark.parametrize("name", ["iris", "wine", "breast-cancer"])
def test_feature_names_are_those_of_the_embedded_datasets(name):
    info, _ = services.dataset(name)
    assert config.FEATURES[name] == info["features"]
