"""The inference server over time: first model, newer versions, broken versions, shutdown."""

import contextlib
import json
import socket
import threading
import time
import urllib.request

import httpx
import pytest

import publish
from support import services, versions

ROW = "5.9,3.0,4.2,1.5"
# Different answers to ROW, so that a version can be told by its prediction.
HYPER = ["", '{"model": "random_forest", "n_estimators": 20}', '{"C": 0.01}', '{"C": 100}']


def put(volume, version, hyper="", **kwargs):
    description, files, estimator = versions.make(version, hyper, **kwargs)
    assert publish.publish(volume, description, files) is None
    versions.serve(volume, version, description["run_id"])
    return estimator


def ask_anew(server, x):
    """One prediction on a connection of its own."""
    with urllib.request.urlopen(f"{server.url}/predict?x={x}", timeout=10) as answer:
        return httpx.Response(answer.status, content=answer.read())


def test_not_ready_until_a_model_is_there(start_server, volume):
    server = start_server().wait_up()
    assert server.client.get("/healthz").json() == {
        "status": "ok",
        "version": None,
        "wanted": None,
        "loading": False,
        "load_error": "no model version has been put into service yet",
    }
    for answer in (
        server.client.get("/readyz"),
        server.client.get(f"/predict?x={ROW}"),
        server.client.post("/predict", json={"instances": [[1, 2, 3, 4]]}),
    ):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error"] == {
            "code": "model_not_loaded",
            "message": "no model is loaded: no model version has been put into service yet",
        }
    assert server.client.get("/").json()["ready"] is False
    # Nothing is wrong, there just is no model.
    assert server.metric("benchtop_model_load_error") == 0
    put(volume, 1)
    begun = time.monotonic()
    server.wait_ready("1")
    assert time.monotonic() - begun < 10
    assert "waiting for a version to serve" in server.logged()
    assert "serving iris version 1" in server.logged()


def test_a_volume_that_can_not_be_written(start_server, volume):
    """The server's mount is read-only: it must not want to write there."""
    put(volume, 1)
    before = sorted(str(p) for p in volume.rglob("*"))
    server = start_server().wait_ready("1")
    server.client.get(f"/predict?x={ROW}")
    assert sorted(str(p) for p in volume.rglob("*")) == before


def test_new_versions_under_traffic(start_server, volume):
    """Requests without a pause, on old and new connections, while versions come in: all are answered, and rightly."""
    rows = versions.rows("iris", 20, seed=2).tolist()
    wanted = {}

    def publish_next(version):
        # Before it is published, because a server is quick.
        hyper = HYPER[version % len(HYPER)]
        wanted[str(version)] = versions.make(version, hyper)[2].predict_proba(rows)
        put(volume, version, hyper)

    publish_next(1)
    server = start_server().wait_ready("1")
    done = threading.Event()
    seen, failures, counts = [], [], []

    def check(answer):
        if answer.status_code != 200:
            failures.append(answer.text)
            return
        document = answer.json()
        seen.append((time.monotonic(), document["version"]))
        for i, prediction in enumerate(document["predictions"]):
            got = list(prediction["probabilities"].values())
            if got != pytest.approx(wanted[document["version"]][i].tolist(), abs=1e-12):
                failures.append(f"version {document['version']} predicted {got}")

    def ask(keep):
        count = 0
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(httpx.Client(base_url=server.url, timeout=10)) if keep else None
            while not done.is_set():
                try:
                    if keep:
                        check(client.post("/predict", json={"instances": rows}))
                    else:
                        check(ask_anew(server, ",".join(map(repr, rows[0]))))
                except (httpx.HTTPError, OSError) as err:
                    failures.append(repr(err))
                count += 1
        counts.append(count)

    threads = [threading.Thread(target=ask, args=(keep,)) for keep in (True, True, False)]
    for thread in threads:
        thread.start()
    delays = []
    for version in range(2, 8):
        publish_next(version)
        begun = time.monotonic()
        server.wait_ready(str(version))
        delays.append(time.monotonic() - begun)
        time.sleep(0.1)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(counts) > 100
    assert {version for _, version in seen} == set(map(str, range(1, 8)))
    assert max(delays) < 2
    assert server.metric("benchtop_model_loads_total") == 7
    assert server.metric("benchtop_requests_total", status="200", route="/predict") == sum(counts)


def test_a_volume_that_disappears(start_server, volume):
    put(volume, 1)
    server = start_server().wait_ready("1")
    volume.rename(volume.with_name("gone"))
    time.sleep(1.2)
    assert server.client.get(f"/predict?x={ROW}").status_code == 200


def test_the_same_number_from_a_new_registry(start_server, volume):
    """The old registry's version 1 is not taken for the new one's, whichever comes to the volume first."""
    old, new = versions.make(1, HYPER[0]), versions.make(1, HYPER[2], registered_at=2000)
    old[0]["run_id"], new[0]["run_id"] = "a" * 32, "b" * 32
    publish.publish(volume, old[0], old[1])
    versions.serve(volume, 1, "a" * 32)
    server = start_server().wait_ready("1")
    before = server.client.get(f"/predict?x={ROW}").json()
    versions.serve(volume, 1, "b" * 32)
    services.wait_for("the report", lambda: server.metric("benchtop_model_load_error") == 1, 5)
    error = server.client.get("/healthz").json()["load_error"]
    assert f"holds another run's version 1: it is of run '{'a' * 32}', expected '{'b' * 32}'" in error
    assert server.metric("benchtop_model_load_failures_total", reason="run") >= 1
    assert server.client.get(f"/predict?x={ROW}").json() == before
    publish.publish(volume, new[0], new[1])
    services.wait_for("the swap", lambda: server.client.get(f"/predict?x={ROW}").json() != before, 5)
    assert server.metric("benchtop_model_loads_total") == 2
    assert server.metric("benchtop_model_load_error") == 0


def health(server):
    answer = server.client.get("/healthz").json()
    return answer["version"], answer["wanted"], answer["load_error"]


def test_what_is_trained_is_not_what_is_served(start_server, volume):
    """A published version waits until the file names it, and an earlier one comes back the same way."""
    put(volume, 1)
    server = start_server().wait_ready("1")
    first = server.client.get(f"/predict?x={ROW}").json()
    description, files, _ = versions.make(2, HYPER[2])
    publish.publish(volume, description, files)
    assert publish.published(volume) == 2
    time.sleep(0.8)
    assert health(server) == ("1", "1", None)
    versions.serve(volume, 2, "run-2", deployment="iris", revision=3)
    server.wait_ready("2")
    assert health(server) == ("2", "2", None)
    begun = time.monotonic()
    versions.serve(volume, 1, "run-1")
    server.wait_ready("1")
    assert time.monotonic() - begun < 10
    assert server.client.get(f"/predict?x={ROW}").json() == first
    assert server.metric("benchtop_model_loads_total") == 3
    assert server.metric("benchtop_model_load_failures_total") == 0
    # Another text about the same version is no reason to load it again.
    versions.serve(volume, 1, "", revision=9)
    time.sleep(0.5)
    assert server.metric("benchtop_model_loads_total") == 3


def test_a_wanted_version_that_is_not_there_yet(start_server, volume):
    put(volume, 1)
    server = start_server().wait_ready("1")
    versions.serve(volume, 2, "run-2")
    services.wait_for("the report", lambda: server.metric("benchtop_model_load_error") == 1, 5)
    version, wanted, error = health(server)
    assert (version, wanted) == ("1", "2")
    assert "versions/2/model.json is missing" in error
    assert server.client.get("/readyz").json() == {"status": "ready", "model": "iris", "version": "1"}
    assert server.client.get(f"/predict?x={ROW}").json()["version"] == "1"
    assert "can't serve version 2: " in server.logged()
    description, files, _ = versions.make(2, HYPER[2])
    begun = time.monotonic()
    publish.publish(volume, description, files)
    server.wait_ready("2")
    assert time.monotonic() - begun < 10
    assert health(server) == ("2", "2", None)


def test_back_to_what_is_still_loaded(start_server, volume):
    """Nobody waits for the missing version any more: the error ends, and nothing is loaded again."""
    put(volume, 1)
    server = start_server().wait_ready("1")
    versions.serve(volume, 2, "run-2")
    services.wait_for("the report", lambda: server.metric("benchtop_model_load_error") == 1, 5)
    versions.serve(volume, 1, "run-1")
    services.wait_for("the end of it", lambda: server.metric("benchtop_model_load_error") == 0, 5)
    assert health(server) == ("1", "1", None)
    assert server.metric("benchtop_model_loads_total") == 1


def test_taken_out_of_service(start_server, volume):
    """Without the file what is loaded serves on; a server that starts then waits."""
    put(volume, 1)
    server = start_server().wait_ready("1")
    versions.served_path(volume).unlink()
    services.wait_for("the notice", lambda: health(server) == ("1", None, None), 5)
    assert server.client.get(f"/predict?x={ROW}").status_code == 200
    later = start_server().wait_up()
    assert later.client.get("/readyz").status_code == 503


def test_another_dataset(start_server, volume):
    """Nothing in the server is about iris."""
    description, files, estimator = versions.make(1, name="breast-cancer")
    publish.publish(volume, description, files)
    versions.serve(volume, 1)
    server = start_server().wait_ready("1")
    rows = versions.rows("breast-cancer", 50)
    answer = server.client.post("/predict", json={"instances": rows.tolist()}).json()
    assert [p["class_index"] for p in answer["predictions"]] == estimator.predict(rows).tolist()
    message = server.client.get("/predict?x=1").json()["error"]["message"]
    assert "expected 30 finite numbers (mean radius, mean texture" in message


def test_batches_let_others_pass(start_server, volume):
    """While a large batch on a large model is predicted, liveness and single predictions are still answered."""
    put(volume, 1, '{"model": "random_forest", "n_estimators": 200, "max_depth": 20}')
    server = start_server().wait_ready("1")
    batch = json.dumps({"instances": versions.rows("iris", 1000).tolist()})
    took = []

    def ask():
        begun = time.monotonic()
        answer = httpx.post(f"{server.url}/predict", content=batch, headers={"content-type": "application/json"})
        assert answer.status_code == 200
        took.append((begun, time.monotonic()))

    thread = threading.Thread(target=ask)
    thread.start()
    services.wait_for("the batch", lambda: server.metric("benchtop_requests_in_flight") == 2, 10, 0)
    answered = []
    while thread.is_alive():
        assert server.client.get(f"/predict?x={ROW}").status_code == 200
        answered.append(time.monotonic())
    thread.join()
    ((begun, end),) = took
    assert sum(begun < moment < end for moment in answered) >= 2


def test_stopping_finishes_what_is_in_flight(start_server, volume):
    put(volume, 1)
    server = start_server(BENCHTOP_DRAIN_SECONDS="1").wait_ready("1")
    body = json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2]]}).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
        slow.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        slow.sendall(body[:10])
        time.sleep(0.1)
        server.process.terminate()
        # While draining: not ready, still answering, and letting go of connections.
        services.wait_for("draining", lambda: server.client.get("/readyz").status_code == 503, 5, 0.01)
        answer = server.client.get(f"/predict?x={ROW}")
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert server.client.get("/readyz").json()["error"]["code"] == "draining"
        # After it: no new connections, but the old request still gets its answer.
        services.wait_for("closing", lambda: _refused(server), 5)
        slow.sendall(body[10:])
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b'"class":"setosa"' in answer
    assert server.process.wait(10) == 0
    assert "SIGTERM: taking requests for 1 s more" in server.logged()
    assert server.logged().rstrip().endswith("stopped")


def _refused(server):
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_no_request_fails_while_draining(start_server, volume):
    """Requests on new connections until the drain ends: a rolling update drops none."""
    put(volume, 1)
    server = start_server(BENCHTOP_DRAIN_SECONDS="2").wait_ready("1")
    server.process.terminate()
    end = time.monotonic() + 1.5
    count = 0
    while time.monotonic() < end:
        assert ask_anew(server, ROW).status_code == 200
        count += 1
    assert count > 10
    assert server.process.wait(10) == 0


def test_asked_twice_it_stops_at_once(start_server, volume):
    put(volume, 1)
    server = start_server(BENCHTOP_DRAIN_SECONDS="60").wait_ready("1")
    server.process.terminate()
    services.wait_for("draining", lambda: server.client.get("/readyz").status_code == 503, 5)
    assert server.stop(10) == 0


def test_idle_connections_outlive_the_ingress(start_server, volume):
    """An ingress that reuses an idle connection must never meet a server that is closing it."""
    put(volume, 1)
    server = start_server().wait_ready("1")
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while b"}\n" not in answer:
            answer += idle.recv(65536)
        idle.settimeout(6)
        with pytest.raises(TimeoutError):
            # uvicorn's default would close it after 5 s.
            idle.recv(1)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"BENCHTOP_DEPLOYMENT": ""}, "BENCHTOP_DEPLOYMENT is not set, expected the deployment's name"),
        ({"BENCHTOP_PORT": "http"}, "BENCHTOP_PORT is 'http', expected a number from 1 to 65535"),
        ({"BENCHTOP_PORT": "70000"}, "BENCHTOP_PORT is '70000', expected a number from 1 to 65535"),
        ({"BENCHTOP_DRAIN_SECONDS": "nan"}, "BENCHTOP_DRAIN_SECONDS is 'nan', expected a number from 0 to 300"),
    ],
)
def test_wrong_environment(start_server, env, message):
    server = start_server(**env)
    assert server.process.wait(30) == 2
    assert message in server.logged()


def test_port_taken(start_server, volume):
    put(volume, 1)
    first = start_server().wait_ready("1")
    second = start_server(BENCHTOP_PORT=str(first.port))
    assert second.process.wait(30) != 0
    assert "address already in use" in second.logged()
    assert first.client.get("/readyz").status_code == 200
