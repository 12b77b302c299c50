"""/invocations answers what MLflow's own scoring server answers for the same model."""

import json
import math
import warnings

import httpx
import mlflow.sklearn
import pytest

import publish
from support import scoring, services, versions, workloads

JSON, CSV = "application/json", "text/csv"
IRIS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


def records(names, rows):
    return [dict(zip(names, row, strict=True)) for row in rows]


def columns(names, rows):
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def table(names, rows):
    """The forms of a table that MLflow takes."""
    return [
        {"dataframe_split": {"columns": names, "data": rows}},
        {"dataframe_split": {"columns": names[::-1], "data": [row[::-1] for row in rows], "index": [7, 8]}},
        {"dataframe_records": records(names, rows)},
        {"instances": records(names, rows)},
        {"inputs": columns(names, rows)},
    ]


def csv(names, rows):
    return "\n".join(",".join(map(str, row)) for row in [names, *rows])


GOOD = {
    "classifier": [
        *table(IRIS, ROWS),
        csv(IRIS, ROWS),
        {"dataframe_records": [{**r, "spare": "x"} for r in records(IRIS, ROWS)]},
        {"dataframe_split": {"columns": IRIS, "data": ROWS}, "params": {"unknown": 1}},
    ],
    "regressor": [*table(["age", "bmi", "bp"], [[0.1, 0.2, 0.3], [0, 0, 0]]), csv(["age", "bmi", "bp"], [[1, 2, 3]])],
    "tensor": [{"instances": ROWS}, {"inputs": ROWS}],
    "scale": [
        *table(["a", "b"], [[1, 2], [30, 40]]),
        {"dataframe_records": [{"a": 1, "b": 2}], "params": {"factor": 3}},
    ],
    "words": [
        {"dataframe_records": [{"text": "ab", "times": 2}, {"text": "c", "times": 1}]},
        {"dataframe_records": [{"text": "ab", "times": 2, "mark": "!"}]},
        csv(["text", "times", "mark"], [["ab", 2, "?"]]),
    ],
    "hinted": [{"inputs": ["a", "bcd"]}],
    "odd": [{"dataframe_split": {"data": [[0]]}}, *({"inputs": [what]} for what in (0, 5, 6, 7))],
}
BAD = {
    "classifier": [
        "",
        "[1]",
        "{",
        {},
        {"instances": []},
        {"instances": [{"a": 1}]},
        {"instances": ROWS, "inputs": ROWS},
        {"dataframe_split": {"columns": IRIS, "data": [[1, 2, 3, "four"]]}},
        {"dataframe_split": [1]},
        {"dataframe_records": {"a": 1}},
        {"inputs": {"sepal length (cm)": [1]}},
    ],
    "words": [{"dataframe_records": [{"text": "ab"}]}, {"dataframe_records": [{"text": 1, "times": "x"}]}],
    "tensor": [{"inputs": [[1, 2, 3]]}],
    "hinted": [{"inputs": [1]}, {"instances": ["a"]}],
    "scale": [{"dataframe_records": [{"a": 1, "b": 2}], "params": {"factor": "x"}}],
    "odd": [{"inputs": [1]}],
}


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """(model of the lab's trainer on a volume, the same estimator saved by MLflow)."""
    folder = tmp_path_factory.mktemp("light") / "models"
    folder.mkdir()
    description, files, estimator = versions.make(1)
    description["feature_names"] = IRIS
    publish.publish(folder, description, files)
    versions.serve(folder, 1, "run-1")
    signature = mlflow.models.ModelSignature(
        inputs=mlflow.types.Schema([mlflow.types.ColSpec("double", name) for name in IRIS]),
        outputs=mlflow.types.Schema([mlflow.types.ColSpec("long")]),
    )
    saved = folder.parent / "light"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.sklearn.save_model(
            estimator, saved, signature=signature, serialization_format="cloudpickle", pip_requirements=[]
        )
    return folder, saved


@pytest.fixture(scope="module")
def mlflows(pyfunc_models, light, tmp_path_factory):
    """MLflow's scoring server with all the models."""
    models = [pyfunc_models / kind for kind in sorted({*GOOD, *BAD})]
    server = scoring.ScoringServer([*models, light[1]], tmp_path_factory.mktemp("scoring") / "log")
    services.wait_for(
        "MLflow's server", lambda: server.alive() and get(server.url("light"), "/ping").status_code == 200, seconds=180
    )
    yield server
    server.close()


@pytest.fixture(scope="module")
def pair(served, mlflows):
    """Where our server answers, and MLflow's, with the same saved model."""
    return lambda kind: (served(kind).url, mlflows.url(kind))


@pytest.fixture(scope="module")
def light_pair(code, light, mlflows):
    """Where our server answers with a model of the lab's trainer, and MLflow's with the same estimator."""
    ours = workloads.Server(code["server"], light[0], {}).wait_ready("1")
    yield ours.url, mlflows.url("light")
    ours.close()


def get(url, path):
    try:
        return httpx.get(url + path, timeout=60)
    except httpx.TransportError as err:
        raise OSError(err) from err


def ask(url, body, media=None):
    if media is None:
        media = CSV if isinstance(body, str) and "\n" in body else JSON
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx.post(f"{url}/invocations", content=content, headers={"content-type": media}, timeout=60)


@pytest.mark.parametrize("kind", GOOD)
def test_the_same_answers(pair, kind):
    ours, theirs = pair(kind)
    for body in GOOD[kind]:
        got, wanted = ask(ours, body), ask(theirs, body)
        assert (got.status_code, got.headers["content-type"]) == (200, wanted.headers["content-type"]), got.text
        assert (wanted.status_code, got.text) == (200, wanted.text), body


@pytest.mark.parametrize("kind", BAD)
def test_the_same_refusals(pair, kind):
    ours, theirs = pair(kind)
    for body in BAD[kind]:
        got, wanted = ask(ours, body), ask(theirs, body)
        assert (got.status_code, wanted.status_code) == (400, 400), (body, got.text, wanted.text)
        assert got.json()["error_code"] == wanted.json()["error_code"], body
        # Sets and tracebacks have no order or other paths.
        assert got.json()["message"][:60] == wanted.json()["message"][:60], body


@pytest.mark.parametrize("media", ["text/plain", "application/json; charset=latin-1", "application/json; q=1", "x/y"])
def test_the_same_media_types(pair, media):
    ours, theirs = pair("classifier")
    got, wanted = ask(ours, {"instances": []}, media), ask(theirs, {"instances": []}, media)
    assert (got.status_code, wanted.status_code) == (415, 415)
    assert got.headers["content-type"] == wanted.headers["content-type"]
    assert got.text == wanted.text


def test_the_same_checks(pair):
    ours, theirs = pair("classifier")
    for path in ("/ping", "/health", "/version"):
        got, wanted = get(ours, path), get(theirs, path)
        assert (got.status_code, got.text) == (wanted.status_code, wanted.text)
        assert got.headers["content-type"] == wanted.headers["content-type"]


def test_a_light_model_answers_the_same(light_pair):
    ours, theirs = light_pair
    for body in GOOD["classifier"]:
        got, wanted = ask(ours, body), ask(theirs, body)
        assert (got.status_code, wanted.status_code) == (200, 200), (body, got.text, wanted.text)
        assert got.text == wanted.text
        assert got.headers["content-type"] == wanted.headers["content-type"]
    for path in ("/ping", "/health", "/version"):
        assert get(ours, path).text == get(theirs, path).text


def test_a_light_model_refuses_the_same(light_pair):
    ours, theirs = light_pair
    for body in BAD["classifier"]:
        got, wanted = ask(ours, body), ask(theirs, body)
        assert (got.status_code, wanted.status_code) == (400, 400), (body, got.text, wanted.text)
        document = got.json()
        assert set(document) == {"error_code", "message"}
        assert document["error_code"] == "BAD_REQUEST"
        assert "expected 4 finite numbers (sepal length (cm)" in document["message"]
    for media in ("text/plain", "application/json; charset=latin-1", "application/json; q=1"):
        got, wanted = ask(ours, {}, media), ask(theirs, {}, media)
        assert (got.status_code, wanted.status_code) == (415, 415)
        assert got.headers["content-type"] == wanted.headers["content-type"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("a,b\n", "the body has no rows below a line of column names"),
        (b"\xff\n1", "the body is not CSV"),
        (",".join(IRIS) + "\n1,2,3,x", "row 0 of the body has the text 'x'"),
        (",".join(IRIS) + "\n1,2,3", "dataframe_split.data[0] is 3 values, not a list of 4 values"),
        ("a,b,c,d\n1,2,3,4", "dataframe_split.data[0] lacks sepal length (cm)"),
    ],
)
def test_csv_that_a_light_model_refuses(light_pair, body, message):
    answer = httpx.post(f"{light_pair[0]}/invocations", content=body, headers={"content-type": CSV})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert answer.json()["message"].startswith(message)


def test_without_a_model(start_server):
    server = start_server().wait_up()
    answer = ask(server.url, {"instances": [[1]]})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "error_code": "TEMPORARILY_UNAVAILABLE",
        "message": "no model is loaded: no model version has been put into service yet",
    }
    assert get(server.url, "/ping").status_code == 404
    assert get(server.url, "/health").status_code == 404


def test_a_body_over_the_limit(light_pair):
    answer = ask(light_pair[0], " " * ((8 << 20) + 1), JSON)
    assert answer.status_code == 413
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert "larger than 8388608 bytes; send fewer instances per request (at most 10000)" in answer.json()["message"]


def test_nan_is_mlflows(pair):
    """MLflow writes NaN, which is no JSON; /predict does not."""
    ours, _ = pair("odd")
    assert math.isnan(json.loads(ask(ours, {"inputs": [5]}).text)["predictions"][1])
    assert httpx.post(f"{ours}/predict", json={"inputs": [5]}).json()["predictions"] == [1.0, None, None]
