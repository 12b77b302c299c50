"""The inference server as a process: answers, refusals, metrics."""

import json
import socket

import httpx
import pytest

import publish
from support import versions

EXPECTED = "expected 4 finite numbers (sepal length (cm), sepal width (cm), petal length (cm), petal width (cm))"
EXAMPLE = "GET /predict?x=5.1,3.5,1.4,0.2"


@pytest.fixture(scope="module")
def shared(tmp_path_factory, code):
    """One server with version 1 for the tests that don't change it."""
    from support import workloads

    folder = tmp_path_factory.mktemp("volume") / "models"
    folder.mkdir()
    made = versions.make(1)
    publish.publish(folder, made[0], made[1])
    versions.serve(folder, 1, "run-1")
    server = workloads.Server(code["server"], folder, {}).wait_ready("1")
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.logged()
    server.close()


def post(server, body, content_type="application/json"):
    headers = {"content-type": content_type} if content_type is not None else {}
    return server.client.post("/predict", content=body, headers=headers)


def test_predicts_one(shared):
    answer = shared.client.get("/predict", params={"x": "5.1,3.5,1.4,0.2"})
    assert answer.status_code == 200
    document = answer.json()
    assert document["model"] == "iris"
    assert document["version"] == "1"
    assert document["classes"] == ["setosa", "versicolor", "virginica"]
    (prediction,) = document["predictions"]
    assert prediction["class"] == "setosa"
    assert prediction["class_index"] == 0
    assert list(prediction["probabilities"]) == document["classes"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize("query", ["x=5.1,3.5,1.4,0.2", "x=5.1,%203.5,%2B1.4,2e-1", "x=5.1%2C3.5%2C1.4%2C.2&debug=1"])
def test_spellings_of_one(shared, query):
    assert shared.client.get(f"/predict?{query}").json()["predictions"][0]["class"] == "setosa"


def test_predicts_many_as_scikit_learn_does(shared):
    _, _, estimator = versions.make(1)
    rows = versions.rows("iris", 1000)
    answer = post(shared, json.dumps({"instances": rows.tolist()}))
    assert answer.status_code == 200
    predictions = answer.json()["predictions"]
    assert [p["class_index"] for p in predictions] == estimator.predict(rows).tolist()
    for prediction, wanted in zip(predictions, estimator.predict_proba(rows), strict=True):
        assert list(prediction["probabilities"].values()) == pytest.approx(wanted.tolist(), abs=1e-13)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json", None]
)
def test_content_types_that_are_json(shared, content_type):
    assert post(shared, '{"instances": [[5, 3, 1, 0]], "extra": 1}', content_type).status_code == 200


BAD_QUERIES = {
    "": "the query has no x",
    "y=1": "the query has no x",
    "x=": "x has 0 numbers",
    "x=%20": "x has 0 numbers",
    "x=1,2,3": "x has 3 numbers",
    "x=1,2,3,4,5": "x has 5 numbers",
    "x=1,2,3,": "x[3] is the text ''",
    "x=a,b,c,d": "x[0] is the text 'a'",
    "x=1,2,3,four": "x[3] is the text 'four'",
    "x=1;2;3;4": "x has 1 number",
    "x=1,2,3,nan": "x[3] is not a finite number",
    "x=1,-Infinity,3,4": "x[1] is not a finite number",
    "x=1,1e999,3,4": "x[1] is not a finite number",
    "x=1,1e39,3,4": "x[1] is beyond ±3.4e+38",
    "x=1_0,2,3,4": "x[0] is the text '1_0'",
    "x=%D9%A1,2,3,4": "x[0] is the text",
    "x=0x1,2,3,4": "x[0] is the text '0x1'",
    "x=1,2,3,4&x=1,2,3,4": "the query has 2 x, POST takes several instances",
    "x=" + "9" * 5000 + ",1,1,1": "x[0] is not a finite number",
    "x=" + "z" * 5000 + ",1,1,1": "x[0] is the text 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz…'",
    "x=%00,%ff,3,4": "x[0] is the text",
}


@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda q: q[:30])
def test_bad_queries(shared, query):
    check_refused(shared.client.get(f"/predict?{query}"), BAD_QUERIES[query])


BAD_BODIES = [
    ("", "the body is empty"),
    (" \n", "the body is empty"),
    ("hello", "the body is not JSON", "invalid_json"),
    ("{", "the body is not JSON", "invalid_json"),
    (b"\xff\xfe\x00", "the body is not JSON", "invalid_json"),
    ('{"instances": [[1,2,3,4]]', "the body is not JSON", "invalid_json"),
    ("[" * 100000, "the body is not JSON", "invalid_json"),
    ('{"instances": ' + "9" * 5000 + "}", "the body is not JSON", "invalid_json"),
    ("null", "the body is null, not an object"),
    ("[[1,2,3,4]]", "the body is a list, not an object"),
    ('"text"', "the body is the text 'text', not an object"),
    ("{}", "the body has no instances"),
    ('{"instance": [[1,2,3,4]]}', "the body has no instances"),
    ('{"instances": null}', "instances is null, not a list"),
    ('{"instances": {}}', "instances is an object, not a list"),
    ('{"instances": "1,2,3,4"}', "instances is the text '1,2,3,4', not a list"),
    ('{"instances": []}', "instances is empty"),
    ('{"instances": [1,2,3,4]}', "instances[0] is a number, not a list of numbers"),
    ('{"instances": [[]]}', "instances[0] has 0 numbers"),
    ('{"instances": [[1,2,3]]}', "instances[0] has 3 numbers"),
    ('{"instances": [[1,2,3,4],[1,2,3,4,5]]}', "instances[1] has 5 numbers"),
    ('{"instances": [[1,2,3,"4"]]}', "instances[0][3] is the text '4'"),
    ('{"instances": [[1,2,3,null]]}', "instances[0][3] is null"),
    ('{"instances": [[1,2,3,true]]}', "instances[0][3] is a boolean"),
    ('{"instances": [[1,2,3,[4]]]}', "instances[0][3] is a list"),
    ('{"instances": [[1,2,3,{}]]}', "instances[0][3] is an object"),
    ('{"instances": [[1,2,3,NaN]]}', "the body contains NaN, which is not a finite number"),
    ('{"instances": [[1,2,3,-Infinity]]}', "the body contains -Infinity, which is not a finite number"),
    ('{"instances": [[1,2,3,1e999]]}', "instances[0][3] is not a finite number"),
    ('{"instances": [[1,2,3,' + "9" * 400 + "]]}", "instances[0][3] is not a finite number"),
    ('{"instances": [[1,2,3,-4e38]]}', "instances[0][3] is beyond ±3.4e+38"),
    (json.dumps({"instances": [[1, 2, 3, 4]] * 1001}), "1001 instances are more than the 1000", "too_many_instances"),
]


@pytest.mark.parametrize("case", BAD_BODIES, ids=lambda c: str(c[0])[:30])
def test_bad_bodies(shared, case):
    body, message, *code = case
    check_refused(post(shared, body), message, *code)


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "x" * 5000]
)
def test_wrong_content_type(shared, content_type):
    answer = post(shared, '{"instances": [[1,2,3,4]]}', content_type)
    check_refused(
        answer, "not application/json (curl: -H 'Content-Type: application/json')", "unsupported_content_type"
    )


def check_refused(answer, message, code="invalid_input"):
    """400, with what was found, what was expected and an example, in the one error shape."""
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert set(document) == {"error"}
    assert document["error"]["code"] == code
    assert document["error"]["message"].startswith(message) or message in document["error"]["message"]
    assert EXPECTED in document["error"]["message"]
    assert EXAMPLE in document["error"]["message"]
    assert len(answer.content) < 1000


def test_example_in_the_message_works(shared):
    message = shared.client.get("/predict").json()["error"]["message"]
    path = message.split("for example GET ")[1].split(" or POST")[0]
    body = message.split("POST /predict with ")[1]
    assert shared.client.get(path).status_code == 200
    assert post(shared, body).status_code == 200


def test_body_over_the_limit(shared):
    answer = post(shared, b" " * (1 << 20) + b"x")
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"
    assert "larger than 1048576 bytes; send fewer instances" in answer.json()["error"]["message"]


def test_body_over_the_limit_without_a_length(shared):
    """A chunked body is cut off at the limit, however much would follow."""
    sent = 0

    def chunks():
        nonlocal sent
        for _ in range(1000):
            sent += 65536
            yield b" " * 65536

    try:
        status = shared.client.post(
            "/predict", content=chunks(), headers={"content-type": "application/json"}
        ).status_code
    except httpx.WriteError:
        # The connection may be closed under the sender before it looks for an answer.
        status = 413
    assert status == 413
    assert sent < 65536 * 1000
    assert shared.client.get("/healthz").status_code == 200


def test_body_at_the_limit(shared):
    body = b'{"instances": [[5,3,1,0]]}'
    assert post(shared, body + b" " * ((1 << 20) - len(body))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "error", "message"),
    [
        (
            "GET",
            "/nothing",
            404,
            "not_found",
            "there is no /nothing; there are: /, /batch-predict, /docs, /health, /healthz, /invocations, /metrics, "
            "/openapi.json, /ping, /predict, /readyz, /version",
        ),
        ("GET", "/predict/", 404, "not_found", "there is no /predict/"),
        ("GET", "/models/other/predict", 404, "not_found", "there is no /models/other/predict"),
        ("PUT", "/predict", 405, "method_not_allowed", "PUT is not allowed on /predict; allowed: GET, HEAD, POST"),
        ("POST", "/healthz", 405, "method_not_allowed", "POST is not allowed on /healthz; allowed: GET, HEAD"),
    ],
)
def test_wrong_addresses(shared, method, path, status, error, message):
    answer = shared.client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == error
    assert answer.json()["error"]["message"].startswith(message)


def test_garbage_instead_of_http(shared):
    with socket.create_connection(("127.0.0.1", shared.port), timeout=5) as sock:
        sock.sendall(b"\x16\x03\x01garbage\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400")
    assert shared.client.get("/healthz").status_code == 200


def test_describes_itself(shared):
    document = shared.client.get("/").json()
    assert document["deployment"] == "iris"
    assert document["ready"] is True
    assert document["model"]["name"] == "iris"
    assert document["model"]["version"] == "1"
    assert document["model"]["run_id"] == "run-1"
    assert len(document["model"]["features"]) == 4
    assert document["endpoints"]["predict one"] == EXAMPLE
    assert shared.client.get("/healthz").json() == {
        "status": "ok",
        "version": "1",
        "wanted": "1",
        "loading": False,
        "load_error": None,
    }
    assert shared.client.get("/readyz").json() == {"status": "ready", "model": "iris", "version": "1"}
    assert shared.client.head("/healthz").status_code == 200


def test_behind_a_prefix(shared):
    """Ingress strips the prefix and says so in a header; without ingress the prefix may still be there."""
    document = shared.client.get("/", headers={"X-Forwarded-Prefix": "/models/iris"}).json()
    assert document["endpoints"]["predict one"] == "GET /models/iris/predict?x=5.1,3.5,1.4,0.2"
    for path in ("/models/iris/healthz", "/models/iris/predict?x=5.1,3.5,1.4,0.2", "/models/iris/", "/models/iris"):
        assert shared.client.get(path).status_code == 200
    assert shared.client.get("/models/irises/healthz").status_code == 404


def test_metrics(shared):
    before = shared.metrics()
    post(shared, json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2], [5.0, 3.4, 1.5, 0.2], [6.7, 3.0, 5.2, 2.3]]}))
    shared.client.get("/predict?x=1,2")
    shared.client.get("/models/iris/predict?x=5.1,3.5,1.4,0.2")
    shared.client.get("/secret/path/1")
    shared.client.request("BREW", "/predict")
    after = shared.metrics()

    def rose(name, **labels):
        key = (name, frozenset({"deployment": "iris", **labels}.items()))
        return after[key] - before.get(key, 0)

    assert rose("benchtop_requests_total", route="/predict", method="POST", status="200") == 1
    assert rose("benchtop_requests_total", route="/predict", method="GET", status="400") == 1
    assert rose("benchtop_requests_total", route="/predict", method="GET", status="200") == 1
    assert rose("benchtop_requests_total", route="other", method="GET", status="404") == 1
    assert rose("benchtop_requests_total", route="/predict", method="other", status="405") == 1
    assert rose("benchtop_request_duration_seconds_count", route="/predict") == 4
    assert rose("benchtop_request_duration_seconds_bucket", route="/predict", le="+Inf") == 4
    assert 0 < rose("benchtop_request_duration_seconds_sum", route="/predict") < 1
    assert rose("benchtop_predictions_total", model="iris", **{"class": "setosa"}) == 3
    assert rose("benchtop_predictions_total", model="iris", **{"class": "virginica"}) == 1
    assert rose("benchtop_predictions_total", model="iris", **{"class": "versicolor"}) == 0
    # Each instance falls into one bin of each feature; a petal of 0.2 cm width is in the second.
    petal = {"model": "iris", "feature": "petal width (cm)"}
    edges = versions.make(1)[0]["baseline"]["features"][3]["edges"]
    assert sum(rose("benchtop_feature_observations_total", **petal, bin=str(b)) for b in range(len(edges) + 1)) == 4
    bin_of = sum(e <= 0.2 for e in edges)
    assert rose("benchtop_feature_observations_total", **petal, bin=str(bin_of)) == 3
    info = [dict(labels) for name, labels in after if name == "benchtop_model_info"]
    sha256 = versions.make(1)[0]["dataset"]["sha256"]
    assert info == [
        {"deployment": "iris", "model": "iris", "version": "1", "run_id": "run-1", "dataset_sha256": sha256}
    ]
    key = frozenset({"deployment": "iris"}.items())
    assert after["benchtop_model_load_error", key] == 0
    assert after["benchtop_model_loads_total", key] == 1
    # The request that asks is itself in flight.
    assert after["benchtop_requests_in_flight", key] == 1
    assert after["process_resident_memory_bytes", frozenset()] > 1e6


def test_stays_lean(shared):
    """Memory of the whole appliance is budgeted: nothing heavy may creep into the server."""
    with open(f"/proc/{shared.process.pid}/maps") as maps:
        mapped = maps.read()
    for heavy in ("numpy", "scipy", "sklearn", "pandas", "pydantic"):
        assert heavy not in mapped
    assert shared.memory_kb()["Pss"] < 45_000
