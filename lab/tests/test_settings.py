"""The trainer's environment, hyper-parameters and dataset: every wrong one is refused with what was expected."""

import json
import re

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST

import config
import dataset
import job
import model
import params
import registry
import served
from failure import Failure, Invalid
from retry import NotReady, until_ready
from support import services, versions


def test_environment_is_read_in_full(tmp_path):
    env = versions.environment("wine") | {
        "BENCHTOP_MODEL_DIR": str(tmp_path),
        "BENCHTOP_JOB": "job-1",
        "BENCHTOP_EXPERIMENT": "other",
        "BENCHTOP_MODEL_NAME": "cellar",
        "BENCHTOP_WAIT_SECONDS": "7",
        "BENCHTOP_SERVED": "/elsewhere/version.json",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000/",
    }
    read = config.read(env)
    assert (read.project, read.experiment, read.model_name) == ("iris", "other", "cellar")
    assert (read.dataset_bucket, read.dataset_key) == ("datasets", f"wine/{read.dataset_sha256}.csv")
    assert read.tracking_uri == "http://mlflow:5000"
    assert read.wait_seconds == 7
    assert str(read.served) == "/elsewhere/version.json"
    assert read.tags["benchtop.job"] == "job-1"
    assert len(read.dataset_features) == 13


def test_names_default_to_the_project():
    read = config.read(versions.environment())
    assert (read.experiment, read.model_name) == ("iris", "iris")
    assert str(read.served) == "/served/version.json"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BENCHTOP_PROJECT": ""}, "BENCHTOP_PROJECT is not set"),
        ({"BENCHTOP_DATASET_NAME": " "}, "BENCHTOP_DATASET_NAME is not set"),
        ({"BENCHTOP_DATASET_URI": "http://x/y"}, "expected s3://<bucket>/<key>"),
        ({"BENCHTOP_DATASET_URI": "s3://bucket"}, "expected s3://<bucket>/<key>"),
        ({"BENCHTOP_DATASET_SHA256": "abc"}, "expected 64 hex digits"),
        ({"MLFLOW_TRACKING_URI": "sqlite:///x"}, "expected an http:// or https:// address"),
        ({"AWS_ENDPOINT_URL_S3": ""}, "AWS_ENDPOINT_URL_S3 is not set"),
        ({"AWS_ACCESS_KEY_ID": ""}, "AWS_ACCESS_KEY_ID is not set"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY is not set"),
        ({"BENCHTOP_MODEL_DIR": "/nowhere"}, "mount the model volume there"),
        ({"BENCHTOP_WAIT_SECONDS": "soon"}, "expected seconds from 0 to 3600"),
        ({"BENCHTOP_WAIT_SECONDS": "nan"}, "expected seconds from 0 to 3600"),
        ({"BENCHTOP_DATASET_FEATURES": "a,b"}, "expected a JSON list of different names"),
        ({"BENCHTOP_DATASET_FEATURES": '["a", "a"]'}, "expected a JSON list of different names"),
    ],
)
def test_wrong_environment(changes, message):
    with pytest.raises(Invalid, match=re.escape(message)) as caught:
        config.read(versions.environment() | changes)
    assert caught.value.exit_code == 2


def test_default_hyper_parameters():
    assert params.parse("") == params.parse("  {} ")
    assert params.parse("") == {
        "model": "logistic_regression",
        "test_size": 0.2,
        "random_state": 0,
        "C": 1.0,
        "max_iter": 200,
        "standardize": True,
    }


def test_given_hyper_parameters():
    given = params.parse('{"model": "random_forest", "n_estimators": 7.0, "test_size": 0.5}')
    assert given["n_estimators"] == 7
    assert isinstance(given["n_estimators"], int)
    assert given["test_size"] == 0.5
    assert "C" not in given


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "are not JSON"),
        ("[1]", "are not a JSON object"),
        ('"x"', "are not a JSON object"),
        ("[" * 100000, "are not JSON"),
        ('{"C": 1, "C": 2}', "'C' appears twice"),
        ('{"c": 1}', "unknown hyper-parameter 'c' for model logistic_regression; allowed: model ("),
        ('{"c": 1}', "C (number from 0.0001 to 10000, default 1); max_iter (whole number from 1 to 10000, "),
        ('{"n_estimators": 5}', "unknown hyper-parameter 'n_estimators' for model logistic_regression"),
        ('{"model": "random_forest", "C": 1}', "allowed: model"),
        ('{"model": "svm"}', 'model is "svm", expected "logistic_regression" or "random_forest"'),
        ('{"model": ["random_forest"]}', "expected"),
        ('{"C": 0}', "C is 0, expected number from 0.0001 to 10000, default 1"),
        ('{"C": "1"}', 'C is "1", expected number'),
        ('{"C": NaN}', "C is NaN, expected number"),
        ('{"C": true}', "C is true, expected number"),
        ('{"C": null}', "C is null, expected number"),
        ('{"max_iter": 1.5}', "max_iter is 1.5, expected whole number from 1 to 10000"),
        ('{"standardize": 1}', "standardize is 1, expected true or false"),
        ('{"test_size": 0.9}', "test_size is 0.9, expected number from 0.1 to 0.5"),
        ('{"random_state": -1}', "random_state is -1, expected whole number"),
    ],
)
def test_wrong_hyper_parameters(text, message):
    with pytest.raises(Invalid, match=re.escape(message)):
        params.parse(text)


GOOD = ["10,2,no,yes"] + [f"{i},{i / 3:.3f},{i % 2}" for i in range(10)]


def _csv(lines):
    return ("\n".join(lines) + "\n").encode()


def test_layout_is_understood():
    parsed = dataset.parse(_csv(GOOD))
    assert parsed.feature_names == ["feature_1", "feature_2"]
    assert parsed.classes == ["no", "yes"]
    assert parsed.labels == [0, 1] * 5
    assert parsed.features[3] == [3.0, 1.0]
    # A byte order mark, Windows line ends and blank lines at the end change nothing.
    assert dataset.parse(b"\xef\xbb\xbf" + _csv(GOOD).replace(b"\n", b"\r\n") + b"\r\n").features == parsed.features


def test_named_columns_are_understood():
    lines = ["age, income,left"] + [f"{i},{i}.5,{'yes' if i % 2 else 'no'}" for i in range(10)]
    parsed = dataset.parse(_csv(lines), ["not", "these"])
    assert parsed.feature_names == ["age", "income"]
    assert parsed.classes == ["no", "yes"]
    assert parsed.labels == [0, 1] * 5
    assert parsed.features[3] == [3.0, 3.5]
    assert dataset.parse(b"\xef\xbb\xbf" + _csv(lines)).feature_names == ["age", "income"]


def _changed(index, line):
    return [*GOOD[:index], line, *GOOD[index + 1 :]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        (["class", "1"], "line 1 of the dataset is 'class', expected the number of rows"),
        (["10,b,class", "1,2,0"], "names a column '10', expected names and no numbers"),
        (["a,a,class", "1,2,0"], "line 1 of the dataset is 'a,a,class', expected different names"),
        (["a,,class", "1,2,0"], "expected different names for all columns"),
        (["a,class", "1"], "line 2 of the dataset has 1 fields, expected 2"),
        (["a,class", "1, "], "line 2 of the dataset has no class: the last column is the class"),
        (["a,class", "old,no"], "line 2, column 1 of the dataset is 'old', expected a finite number"),
        (["a,class", "1,no", "2,no"], "the last column of the dataset, class, has 1 different values"),
        (["a,class", "1,no", "2,yes"], "class no has 1 rows, expected at least 5"),
        (_changed(0, "10,2,no"), "at least two class names"),
        (_changed(0, "10,0,no,yes"), "expected the number of rows, the number of features"),
        (_changed(0, "10,2,no,no"), "expected different names"),
        (_changed(0, "10,2,no,"), "expected different names"),
        (GOOD[:-1], "has 9 rows, its first line says 10"),
        ([*GOOD, "1,1,1"], "has 11 rows, its first line says 10"),
        (_changed(3, "1,0"), "line 4 of the dataset has 2 fields, expected 2 features and a class index"),
        (_changed(3, "1,2,3,0"), "line 4 of the dataset has 4 fields"),
        (_changed(3, "1,high,0"), "line 4, column 2 of the dataset is 'high', expected a finite number"),
        (_changed(3, "nan,1,0"), "line 4, column 1 of the dataset is 'nan'"),
        (_changed(3, "1,-inf,0"), "line 4, column 2 of the dataset is '-inf'"),
        (_changed(3, "1,,0"), "line 4, column 2 of the dataset is ''"),
        (_changed(3, "1,1,2"), "line 4 of the dataset has class index '2', expected 0 to 1"),
        (_changed(3, "1,1,yes"), "has class index 'yes'"),
        (_changed(3, "1,1,-1"), "has class index '-1'"),
        (_changed(1, "0,0,1"), "class no has 4 rows, expected at least 5"),
    ],
)
def test_wrong_dataset(lines, message):
    with pytest.raises(Invalid, match=re.escape(message)):
        dataset.parse(_csv(lines) if lines else b"")


def test_dataset_that_is_no_text():
    with pytest.raises(Invalid, match="not CSV in UTF-8"):
        dataset.parse(b"\x80\x81\x82")


def test_feature_names_must_fit():
    with pytest.raises(Invalid, match="2 features, but 3 feature names"):
        dataset.parse(_csv(GOOD), ["a", "b", "c"])


def test_hold_out_must_hold_every_class():
    lines = ["15,1,a,b,c"] + [f"{i},{i % 3}" for i in range(15)]
    parsed = dataset.parse(_csv(lines))
    with pytest.raises(Invalid, match=r"holds out 2 of 15 rows, fewer than the 3 classes; choose a larger test_size"):
        model.split(parsed, params.parse('{"test_size": 0.1}'))


def test_split_is_stratified_and_repeatable():
    data, split, _ = versions.fitted("iris", "")
    assert sorted(split.y_test.tolist()) == [0] * 10 + [1] * 10 + [2] * 10
    again = model.split(data, params.parse(""))
    assert (again.x_test == split.x_test).all()


@pytest.mark.parametrize("hyper", ["", '{"model": "random_forest", "n_estimators": 9}'])
def test_the_curve_ends_at_the_model(hyper):
    data, split, fit = versions.fitted("iris", hyper)
    steps = [step for step, _ in fit.curve]
    assert steps == sorted(set(steps))
    assert steps[0] == 1
    result = model.evaluate(fit.estimator, split, data.classes)
    assert fit.curve[-1][1]["curve_test_log_loss"] == pytest.approx(result.metrics["log_loss"], abs=1e-9)
    assert fit.curve[-1][1]["curve_test_accuracy"] == result.metrics["accuracy"]
    assert fit.curve[0][1]["curve_train_log_loss"] > fit.curve[-1][1]["curve_train_log_loss"]


def test_long_curves_are_thinned_out():
    assert list(model._steps(3)) == [1, 2, 3]
    steps = model._steps(5000)
    assert (steps[0], steps[-1]) == (1, 5000)
    assert len(steps) <= model.MAX_CURVE_POINTS + 1


def test_waiting_is_bounded_and_says_for_what(caplog):
    caplog.set_level("INFO", logger="trainer")
    clock = [0.0]

    def sleep(seconds):
        clock[0] += seconds

    def never():
        raise NotReady("connection refused")

    with pytest.raises(NotReady, match=r"the store was not ready within 20 s: connection refused"):
        until_ready("the store", never, 20, sleep=sleep, clock=lambda: clock[0])
    assert 10 < clock[0] <= 20
    assert "waiting for the store: connection refused; next try in 0.5 s" in caplog.text

    answers = iter([NotReady("not yet"), NotReady("not yet"), "here"])

    def third():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert until_ready("the store", third, 20, sleep=sleep, clock=lambda: clock[0]) == "here"


def test_last_words_are_whole(tmp_path):
    """Whole letters, whatever they are, and no more bytes than the kubelet keeps."""
    path = tmp_path / "termination-log"
    path.touch()
    for text, kept in (
        ("ü" * 3000, "ü" * 2046 + "…"),
        ("a" + "ü" * 3000, "a" + "ü" * 2046 + "…"),
        ("🌷" * 1024, "🌷" * 1024),
        ("\ud800x", "?x"),
    ):
        job.explain(text, path)
        assert path.read_text() == kept
        assert len(path.read_bytes()) <= job.MAX_MESSAGE


def test_which_versions_stay():
    """The file that names the served version names those too that a rollback may want."""
    read = served.parse("f", b'{"version": "7", "run_id": "r", "keep": ["6", "2"]}')
    assert read == ("7", "r", ("6", "2"))
    assert served.parse("f", b'{"version": "7"}').keep == ()
    for keep in ("6", [6], ["x"], {"6": 1}, None):
        with pytest.raises(served.ServedError, match=r"f keeps .*, expected a list of version numbers as texts"):
            served.parse("f", json.dumps({"version": "7", "keep": keep}).encode())


def test_a_model_that_is_renamed_while_it_is_published(caplog):
    """The version is registered and published: that it goes without a tag is no failed training."""

    class Client:
        code = RESOURCE_DOES_NOT_EXIST

        def set_model_version_tag(self, *_):
            raise MlflowException("Registered Model with name=iris not found", error_code=self.code)

    made = registry.Registry.__new__(registry.Registry)
    made._config, made._client = config.read(versions.environment()), Client()
    made.tag_version("7", "k", "v")
    assert (
        "model iris was renamed or deleted while its version 7 was published; it goes without the tag k" in caplog.text
    )
    Client.code = PERMISSION_DENIED
    with pytest.raises(MlflowException):
        made.tag_version("7", "k", "v")


def test_other_failures_are_not_waited_for():
    def denied():
        raise Failure("denied")

    with pytest.raises(Failure, match="denied"):
        until_ready("the store", denied, 20, sleep=lambda _: pytest.fail("waited"))


def test_embedded_datasets_parse():
    for name in ("iris", "wine", "breast-cancer"):
        info, raw = services.dataset(name)
        parsed = dataset.parse(raw, info["features"])
        assert len(parsed.labels) == info["rows"]
        assert parsed.classes == info["classes"]
