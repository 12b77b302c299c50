"""The inference server with MLflow models: forms, refusals, and models that misbehave."""

import asyncio
import json
import shutil
import threading
import time
from pathlib import Path

import httpx
import pytest

import expected
import metrics
import model_store
import pyfunc_model
from pyfunc_process import CanNotLoadError
from support import pyfuncs, services, versions

SCALE = (
    'expected the columns a (double), b (double), for example GET /predict?x=1,2 or POST /predict with {"instances": '
    '[{"a": 1.0, "b": 2.0}]}'
)
WORDS = (
    "expected the columns text (string), times (long), mark (string, may be left out), for example POST /predict with "
    '{"instances": [{"text": "text", "times": 0, "mark": "text"}]}'
)
ODD = "expected what the model takes (it has no signature), for example GET /predict?x=1,2,3 or POST /predict with"


def post(server, body, path="/predict"):
    return server.client.post(path, json=body)


FORMS = {
    "scale": [
        ({"instances": [[1, 2], [30, 4]]}, [{"total": 3.0, "big": False}, {"total": 34.0, "big": True}]),
        ({"instances": [{"b": 2, "a": 1}]}, [{"total": 3.0, "big": False}]),
        ({"inputs": {"a": [1, 2], "b": [3, 4]}}, [{"total": 4.0, "big": False}, {"total": 6.0, "big": False}]),
        ({"inputs": {"a": 1, "b": 2}}, [{"total": 3.0, "big": False}]),
        ({"inputs": [[1, 2]]}, [{"total": 3.0, "big": False}]),
        ({"dataframe_split": {"columns": ["b", "a"], "data": [[2, 1]]}}, [{"total": 3.0, "big": False}]),
        ({"dataframe_split": {"data": [[2, 1]]}}, [{"total": 3.0, "big": False}]),
        ({"dataframe_records": [{"a": 1, "b": 2}]}, [{"total": 3.0, "big": False}]),
        ({"a": 1, "b": 2}, [{"total": 3.0, "big": False}]),
        ({"instances": [[1, 2]], "params": {"factor": 5}}, [{"total": 15.0, "big": False}]),
        ({"instances": [[1, None]]}, [{"total": None, "big": False}]),
    ],
    "words": [
        ({"text": "ab", "times": 2}, ["abab"]),
        ({"instances": [["ab", 2, "!"]]}, ["abab!"]),
        ({"instances": [{"text": "ab", "times": 2.0}, {"text": "c", "times": 1, "mark": "?"}]}, ["abab", "c?"]),
    ],
    "odd": [
        ({"inputs": [[0]]}, [0]),
        ({"instances": [[5]]}, [1.0, None, None]),
        ({"inputs": [6]}, ["2026-01-02T03:04:05", "2026-01-02", 7, "text"]),
        ({"inputs": [7]}, [{"n": 1}, {"n": 2}]),
    ],
    "hinted": [({"inputs": ["a", "bcd"]}, [1, 3]), ({"instances": ["ab"]}, [2])],
    "tensor": [({"inputs": [[5.1, 3.5, 1.4, 0.2]]}, [0]), ({"instances": [[6.7, 3.0, 5.2, 2.3]]}, [2])],
    "regressor": [],
}


@pytest.mark.parametrize("kind", FORMS)
def test_forms(served, kind):
    server = served(kind)
    for body, wanted in FORMS[kind]:
        for path in ("/predict", "/batch-predict"):
            answer = post(server, body, path)
            assert answer.status_code == 200, (body, answer.text)
            assert answer.json() == {"model": "iris", "version": "1", "predictions": wanted}, body


@pytest.mark.parametrize("kind", ["scale", "tensor", "odd", "regressor", "words", "hinted"])
def test_the_example_works(served, kind):
    """In the description, in the documentation and in every refusal."""
    server = served(kind)
    document = server.client.get("/").json()
    method, path, *body = document["endpoints"]["predict one"].split(" ", 2)
    if kind == "odd":
        path = path.replace("1,2,3", "0")  # the made-up example makes this model raise
    assert server.client.request(method, path, json=json.loads(body[0]) if body else None).status_code == 200
    spec = server.client.get("/openapi.json").json()
    for path in ("/predict", "/batch-predict", "/invocations"):
        example = spec["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
        if kind != "odd":
            assert post(server, example, path).status_code == 200, (path, example)


def test_one_row_of_numbers(served):
    for kind, query, wanted in (
        ("scale", "1,2e1", [{"total": 21.0, "big": True}]),
        ("tensor", "5.1,3.5,1.4,0.2", [0]),
        ("odd", "0", [0]),
    ):
        assert served(kind).client.get("/predict", params={"x": query}).json()["predictions"] == wanted
    (prediction,) = served("regressor").client.get("/predict?x=0,0,0").json()["predictions"]
    assert prediction == pytest.approx(152, abs=2)


REFUSED = [
    (
        "scale",
        {},
        "the body has no instances, inputs, dataframe_split or dataframe_records and none of the columns",
        SCALE,
    ),
    ("scale", {"c": 1}, "the body has no instances", SCALE),
    ("scale", {"a": 1}, "the body lacks b", SCALE),
    ("scale", {"a": 1, "b": 2, "c": 3}, "the body has c, which is no column", SCALE),
    ("scale", {"instances": [[1]]}, "instances[0] has 1 value", SCALE),
    ("scale", {"instances": [{"a": 1, "c": 2}]}, "instances[0] lacks b and has c, which is no column", SCALE),
    ("scale", {"instances": [[1, "x"]]}, "instances[0][1] is the text 'x', not of type double", SCALE),
    ("scale", {"instances": [{"a": True, "b": 1}]}, "instances[0]['a'] is a boolean, not of type double", SCALE),
    (
        "scale",
        {"instances": [[1, 2]], "inputs": [[1, 2]]},
        "the body has instances and inputs; send one of them",
        SCALE,
    ),
    ("scale", {"inputs": {}}, "inputs is empty", SCALE),
    ("scale", {"inputs": {"a": [1, 2], "b": [1]}}, "the columns of inputs differ in length (a has 2, b has 1)", SCALE),
    ("scale", {"inputs": {"a": [1], "b": 1}}, "inputs['b'] is a number, not a list", SCALE),
    ("scale", {"inputs": {"a": [1]}}, "inputs, row 0 lacks b", SCALE),
    ("scale", {"dataframe_split": [1]}, "dataframe_split is not an object", SCALE),
    ("scale", {"dataframe_split": {"data": [[1, 2]], "x": 1}}, "dataframe_split is not an object", SCALE),
    ("scale", {"dataframe_split": {"columns": "ab", "data": [[1, 2]]}}, "dataframe_split.columns is not a list", SCALE),
    (
        "scale",
        {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}},
        "dataframe_split.columns names a twice",
        SCALE,
    ),
    (
        "scale",
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}},
        "dataframe_split.data[0] is 1 value, not",
        SCALE,
    ),
    (
        "scale",
        {"dataframe_split": {"columns": ["a", "b"], "data": [1]}},
        "dataframe_split.data[0] is a number, not",
        SCALE,
    ),
    ("scale", {"dataframe_records": [[1, 2]]}, "dataframe_records[0] is a list, not an object", SCALE),
    ("scale", {"dataframe_records": []}, "dataframe_records is empty", SCALE),
    ("scale", {"a": 1, "b": 2, "params": {"factor": 5}}, "the body has params, which is no column", SCALE),
    ("scale", {"instances": [[1, 2]], "params": {"factor": "x"}}, "MLflow refuses the input: ", SCALE),
    ("words", {"text": 1, "times": 1}, "the body['text'] is a number, not of type string", WORDS),
    ("words", {"text": "a", "times": 1.5}, "the body['times'] is a number, not of type long", WORDS),
    ("words", {"text": "a", "times": None}, "the body['times'] is null, not of type long", WORDS),
    ("odd", {"x": 1}, "the body has no instances, inputs, dataframe_split or dataframe_records", ODD),
    ("odd", {"inputs": []}, "inputs is empty", ODD),
    ("odd", {"inputs": [[1]]}, "the model failed on this input: ValueError: one is not for me", ODD),
    (
        "tensor",
        {"inputs": [[1, 2]]},
        "MLflow refuses the input: ",
        "a tensor (float64 of shape (-1, 4)), for example GET",
    ),
    (
        "hinted",
        {"dataframe_split": {"data": [["a"]]}},
        "the body has dataframe_split, and this model takes inputs",
        "inputs of",
    ),
    ("hinted", {"inputs": [1]}, "MLflow refuses the input: ", "inputs of the type that the model's code names"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda c: f"{c[0]} {json.dumps(c[1])}"[:60])
def test_refusals(served, case):
    kind, body, found, expected = case
    answer = post(served(kind), body)
    assert answer.status_code == 400, answer.text
    message = answer.json()["error"]["message"]
    assert message.startswith(found)
    assert expected in message
    assert answer.json()["error"]["code"] == ("model_failed" if "failed on" in found else "invalid_input")


@pytest.mark.parametrize(
    ("kind", "query", "found"),
    [
        ("words", "x=1", "x holds numbers only, and this model takes something else"),
        ("scale", "x=1", "x has 1 number"),
        ("scale", "x=1,nan", "x[1] is not a finite number"),
        ("tensor", "x=", "x has 0 numbers"),
        ("tensor", "x=1,a", "x[1] is the text 'a'"),
    ],
)
def test_refused_queries(served, kind, query, found):
    answer = served(kind).client.get(f"/predict?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(f"{found}; expected ")


def test_many_rows(served):
    server = served("scale")
    rows = [[i, 1] for i in range(10_001)]
    answer = post(server, {"instances": rows[:-1]}, "/batch-predict")
    assert [p["total"] for p in answer.json()["predictions"]] == [i + 1 for i in range(10_000)]
    message = post(server, {"instances": rows}, "/batch-predict").json()["error"]["message"]
    assert message.startswith("10001 instances are more than the 10000 that one request may hold; expected")
    message = post(server, {"instances": rows}).json()["error"]["message"]
    assert "more than the 1000 that one request may hold (POST /batch-predict takes 10000); " in message
    message = post(served("tensor"), {"inputs": rows}).json()["error"]["message"]
    assert message.startswith("10001 instances are more than the 1000 that one request may hold (POST /batch-predict")
    answer = server.client.post("/batch-predict", content=b" " * ((8 << 20) + 1))
    assert answer.status_code == 413
    assert "larger than 8388608 bytes; send fewer instances per request (at most 10000)" in answer.text


def test_describes_itself(served):
    model = served("words").client.get("/").json()["model"]
    assert (model["name"], model["version"], model["run_id"]) == ("iris", "1", "run-1")
    assert model["features"] == ["text", "times", "mark"]
    assert model["flavors"] == ["python_function"]
    assert [c["type"] for c in model["signature"]["inputs"]] == ["string", "long", "string"]
    assert model["warnings"] == ["it requires numpy==1.0, the lab runtime has 2.0"]


def test_openapi_says_what_the_signature_says(served):
    spec = served("words").client.get("/openapi.json", headers={"X-Forwarded-Prefix": "/models/iris"}).json()
    assert spec["openapi"] == "3.1.0"
    assert spec["servers"] == [{"url": "/models/iris"}]
    predict = spec["paths"]["/predict"]
    assert "get" not in predict
    *_, named = predict["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert named["properties"] == {"text": {"type": "string"}, "times": {"type": "integer"}, "mark": {"type": "string"}}
    assert named["required"] == ["text", "times"]
    answer = predict["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["properties"]["predictions"]["items"] == {"type": "string"}
    scale = served("scale").client.get("/openapi.json").json()["paths"]["/predict"]
    assert scale["get"]["parameters"][0]["example"] == "1,2"
    answer = scale["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(answer["properties"]["predictions"]["items"]["properties"]) == {"total", "big"}


def test_a_page_that_needs_no_network(served):
    answer = served("words").client.get("/docs", headers={"X-Forwarded-Prefix": '/models/"><i>'})
    assert answer.headers["content-type"].startswith("text/html")
    for wanted in ("POST", "/batch-predict", "text (string)", '"text": "text"', "openapi.json"):
        assert wanted in answer.text
    for unwanted in ("http://", "https://", "//cdn", "<i>", "TITLE", "EXAMPLES"):
        assert unwanted not in answer.text


def test_metrics(served):
    server = served("regressor")
    before = server.metric("benchtop_predictions_total", model="iris")
    asked = server.metric("benchtop_requests_total", route="/invocations", status="200")
    post(server, {"instances": [[0, 0, 0], [1, 1, 1]]})
    post(server, {"dataframe_records": [{"age": 0, "bmi": 0, "bp": 0}]}, "/invocations")
    assert server.metric("benchtop_predictions_total", model="iris") == before + 3
    assert server.metric("benchtop_feature_observations_total") == 0
    assert server.metric("benchtop_requests_total", route="/invocations", status="200") == asked + 1


def children(server):
    """The process ids of the models of a server."""
    return Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split() + [
        pid
        for task in Path(f"/proc/{server.process.pid}/task").iterdir()
        if task.name != str(server.process.pid)
        for pid in (task / "children").read_text().split()
    ]


def test_a_model_that_ends_is_loaded_again(start_server, volume, pyfunc_models):
    pyfuncs.put(volume, 1, pyfunc_models / "odd")
    server = start_server().wait_ready("1")
    answer = post(server, {"inputs": [2]})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["error"] == {
        "code": "model_stopped",
        "message": "the process of version 1 ended with exit code 3; it is being loaded again",
    }
    services.wait_for("the new process", lambda: post(server, {"inputs": [0]}).status_code == 200)
    services.wait_for("recovery", lambda: server.client.get("/healthz").json()["load_error"] is None)
    assert server.metric("benchtop_model_load_failures_total", reason="stopped") == 1
    assert "the model stopped: the process of version 1 ended with exit code 3" in server.logged()
    assert "printed by the model" in server.logged()
    assert len(children(server)) == 1
    # With the volume gone nothing can be loaded: what is wrong is said, and it is not ready.
    volume.rename(volume.with_name("gone"))
    assert post(server, {"inputs": [2]}, "/invocations").json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    services.wait_for("the report", lambda: "missing" in (server.client.get("/healthz").json()["load_error"] or ""))
    assert server.client.get("/readyz").json()["error"]["code"] == "model_stopped"
    assert server.client.get("/ping").status_code == 404


def test_what_health_says_while_a_model_loads(volume, pyfunc_models, monkeypatch, caplog):
    """Once the files are there the model is no longer missing; and what fails on every try is logged once."""
    store = model_store.ModelStore(volume, versions.served_path(volume), metrics.Metrics("iris"))
    monkeypatch.setattr(model_store, "EAGER_SECONDS", 0)
    monkeypatch.setattr(model_store, "RETRY_SECONDS", 0)
    versions.serve(volume, 1, "run-1")
    store.poll()
    assert "versions/1/model.json is missing" in store.error
    assert not store.loading
    pyfuncs.put(volume, 1, pyfunc_models / "odd")
    seen = []

    def loading(*_args, abandoned):
        assert not abandoned()
        # The file says anew which other versions stay: that is no reason to begin again.
        versions.serve(volume, 1, "run-1", keep=[str(len(seen) + 2)])
        assert not abandoned()
        seen.append((store.loading, store.error))
        versions.serve(volume, 2)
        assert abandoned()
        versions.serve(volume, 1, "run-1")
        raise CanNotLoadError("no")

    monkeypatch.setattr(pyfunc_model, "Process", loading)
    store.poll()
    store.poll()
    assert seen == [(True, None)] * 2
    assert (store.loading, store.error) == (False, "version 1 is not served: no")
    assert caplog.text.count("version 1 is not served: no") == 1
    monkeypatch.undo()
    store._retry_at = 0
    store.poll()
    assert (store.loading, store.error, store.current.version) == (False, None, "1")
    store._swap(None)


def test_a_model_that_hangs(start_server, volume, pyfunc_models):
    pyfuncs.put(volume, 1, pyfunc_models / "odd")
    server = start_server(BENCHTOP_PREDICT_SECONDS="10").wait_ready("1")
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{server.url}/predict", json={"inputs": [3]}, timeout=60))
    )
    thread.start()
    services.wait_for("the request", lambda: server.metric("benchtop_requests_in_flight") >= 2)
    # Others are answered meanwhile.
    assert server.client.get("/healthz").status_code == 200
    thread.join()
    assert answers[0].status_code == 503
    assert "did not answer within 10 s and was ended; it is being loaded again" in answers[0].text
    services.wait_for("the new process", lambda: post(server, {"inputs": [0]}).status_code == 200)


def test_requests_wait_within_bounds():
    """The process takes one at a time; 32 wait for it, and the next is told to come again."""
    free = threading.Event()

    class Held:
        def call(self, _request, _body, _seconds):
            free.wait()
            return {"rows": 1}, b"[1]"

        def close(self):
            pass

    class Metrics:
        rows = 0

        def answered_rows(self, _model, count):
            self.rows += count

    metrics = Metrics()
    model = pyfunc_model.PyfuncModel({"name": "m", "version": "1"}, Held(), 1)

    async def ask():
        tasks = [asyncio.create_task(model.predict(expected.Passed("inputs", [[1]]), metrics)) for _ in range(40)]
        await asyncio.sleep(0.1)  # all have asked
        free.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(ask())
    model.close()
    assert answers[:32] == [b'{"predictions":[1]}'] * 32
    assert metrics.rows == 32
    for refused in answers[32:]:
        assert (refused.status, refused.code, refused.headers) == (503, "busy", {"retry-after": "1"})
        assert "32 requests are waiting for the model already, which takes one at a time" in refused.message


def test_swaps_under_traffic(start_server, volume, pyfunc_models):
    """A light version, then two of MLflow's, then the light one: every request is answered, and processes end."""
    import publish

    description, files, _ = versions.make(1)
    publish.publish(volume, description, files)
    versions.serve(volume, 1, "run-1")
    server = start_server().wait_ready("1")
    done, seen, failures = threading.Event(), set(), []

    def ask():
        while not done.is_set():
            time.sleep(0.01)
            answer = httpx.get(f"{server.url}/predict?x=5.1,3.5,1.4,0.2", timeout=60)
            if answer.status_code == 200:
                seen.add(answer.json()["version"])
            else:
                failures.append(answer.text)

    thread = threading.Thread(target=ask)
    thread.start()
    pyfuncs.put(volume, 2, pyfunc_models / "classifier")
    server.wait_ready("2")
    pyfuncs.put(volume, 3, pyfunc_models / "tensor")
    server.wait_ready("3")
    services.wait_for("the end of version 2", lambda: len(children(server)) == 1)
    # A wish that changes while a version loads ends the loading.
    pyfuncs.put(volume, 4, pyfunc_models / "classifier", serve=False)
    versions.serve(volume, 4, "run-4")
    services.wait_for("the start of version 4", lambda: len(children(server)) == 2, interval=0.005)
    versions.serve(volume, 1, "run-1")
    server.wait_ready("1")
    done.set()
    thread.join()
    assert failures == []
    assert seen == {"1", "2", "3"}
    services.wait_for("the end of the processes", lambda: not children(server))
    assert server.metric("benchtop_model_loads_total") == 4
    assert server.metric("benchtop_model_load_failures_total") == 0


def test_versions_that_can_not_be_served(start_server, volume, pyfunc_models):
    pyfuncs.put(volume, 1, pyfunc_models / "scale")
    server = start_server().wait_ready("1")

    def spoil(version, reason, message, damage):
        elsewhere = volume.with_name(f"elsewhere{version}")
        pyfuncs.put(elsewhere, version, pyfunc_models / "scale", serve=False)
        damage(elsewhere / "versions" / str(version))
        shutil.move(elsewhere / "versions" / str(version), volume / "versions" / str(version))
        versions.serve(volume, version, f"run-{version}")
        services.wait_for(message, lambda: message in (server.client.get("/healthz").json()["load_error"] or ""))
        assert server.metric("benchtop_model_load_failures_total", reason=reason) >= 1
        assert post(server, {"a": 1, "b": 2}).json()["version"] == "1"

    def change(folder, **changes):
        file = folder / "model.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    def resign(folder):
        (folder / "pyfunc/python_model.pkl").write_bytes(b"no pickle")
        change(folder, pyfunc=pyfuncs.pyfunc_folder.digest(folder / "pyfunc"))

    spoil(2, "digest", "the files are damaged", lambda f: (f / "pyfunc/extra").write_text("x"))
    spoil(3, "digest", "the files are damaged", lambda f: (f / "pyfunc/python_model.pkl").write_bytes(b"x"))
    spoil(4, "missing", "pyfunc/MLmodel is missing", lambda f: (f / "pyfunc/MLmodel").unlink())
    spoil(5, "description", "does not describe version 5", lambda f: change(f, pyfunc={}))
    spoil(6, "model", "version 6 is not served: it can't be loaded: UnpicklingError", resign)


def test_wrong_patience(start_server):
    server = start_server(BENCHTOP_PREDICT_SECONDS="0")
    assert server.process.wait(30) == 2
    assert "BENCHTOP_PREDICT_SECONDS is '0', expected a number from 0.1 to 3600" in server.logged()
