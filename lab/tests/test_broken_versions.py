"""A published version that can't be served is reported, and the one before it serves on."""

import hashlib
import json
import os
import shutil

import pytest

import publish
from support import services, versions

ROW = "5.9,3.0,4.2,1.5"


def put(volume, version, hyper=""):
    description, files, _ = versions.make(version, hyper)
    assert publish.publish(volume, description, files) is None
    versions.serve(volume, version, f"run-{version}")


def _flip(folder):
    file = folder / "predictor.json"
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def _description(folder, **changes):
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _predictor(folder, **changes):
    """Change the predictor and its digest, as a faulty trainer would."""
    file = folder / "predictor.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    _description(folder, predictor={"file": "predictor.json", "sha256": digest})


BROKEN = {
    "flipped bit": (_flip, "digest", "the file is damaged"),
    "no predictor": (lambda f: (f / "predictor.json").unlink(), "missing", "predictor.json is missing"),
    "no description": (lambda f: (f / "model.json").unlink(), "missing", "model.json is missing"),
    "cut off description": (lambda f: (f / "model.json").write_text('{"name": "ir'), "json", "is not JSON"),
    "list for description": (
        lambda f: (f / "model.json").write_text("[]"),
        "description",
        "does not describe version 2",
    ),
    "another version": (lambda f: _description(f, version="3"), "description", "does not describe version 2"),
    "path out of the folder": (
        lambda f: _description(f, predictor={"file": "../1/predictor.json", "sha256": ""}),
        "description",
        "does not describe version 2",
    ),
    "no examples": (lambda f: _description(f, examples=[]), "description", "does not describe version 2"),
    "other classes": (lambda f: _description(f, classes=["a", "b", "c"]), "predictor", "features or classes differ"),
    "other features": (lambda f: _description(f, feature_names=["a"]), "predictor", "features or classes differ"),
    "no baseline": (lambda f: _description(f, baseline={}), "predictor", "can't be used"),
    "other format": (lambda f: _predictor(f, format="pickle"), "predictor", "expected 'benchtop.predictor/1'"),
    "other model": (lambda f: _predictor(f, intercept=[9.0, 0.0, 0.0]), "predictor", "where scikit-learn predicted"),
    "enormous": (lambda f: os.truncate(f / "predictor.json", 65 << 20), "too_large", "is larger than"),
    "folder for file": (
        lambda f: ((f / "predictor.json").unlink(), (f / "predictor.json").mkdir()),
        "unreadable",
        "Is a directory",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_version_is_reported_and_the_old_one_serves_on(start_server, volume, tmp_path, case):
    damage, reason, message = BROKEN[case]
    put(volume, 1)
    server = start_server().wait_ready("1")
    elsewhere = tmp_path / "elsewhere" / "models"
    elsewhere.mkdir(parents=True)
    put(elsewhere, 2, '{"C": 0.01}')
    damage(elsewhere / "versions/2")
    shutil.move(elsewhere / "versions/2", volume / "versions/2")
    versions.serve(volume, 2)

    services.wait_for("the report", lambda: server.metric("benchtop_model_load_error") == 1, 5)
    assert server.metric("benchtop_model_load_failures_total", reason=reason) >= 1
    assert server.client.get(f"/predict?x={ROW}").json()["version"] == "1"
    assert server.client.get("/readyz").json()["version"] == "1"
    assert message in server.client.get("/healthz").json()["load_error"]
    assert message in server.logged()
    assert "version 1 keeps serving" in server.logged()
    # A good one heals it.
    put(volume, 3)
    server.wait_ready("3")
    assert server.metric("benchtop_model_load_error") == 0
    assert server.client.get("/healthz").json()["load_error"] is None
    assert server.logged().count("can't serve version 2") == 1


EXPECTED = 'expected {"version": "<number>", "run_id": "<the version\'s run, or empty>"}'


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("", "json", "is not JSON"),
        ("{", "json", "is not JSON"),
        (b"\xff\xfe", "json", "is not JSON"),
        ("7", "version", f"holds no object; {EXPECTED}"),
        ("{}", "version", f"names version None; {EXPECTED}"),
        ('{"version": 2}', "version", f"names version 2; {EXPECTED}"),
        ('{"version": ""}', "version", f"names version ''; {EXPECTED}"),
        ('{"version": "../1"}', "version", f"names version '../1'; {EXPECTED}"),
        ('{"version": "-1"}', "version", f"names version '-1'; {EXPECTED}"),
        ('{"version": "01"}', "version", f"names version '01'; {EXPECTED}"),
        ('{"version": "1\\n"}', "version", f"names version '1\\n'; {EXPECTED}"),
        ('{"version": "%s"}' % ("9" * 40), "version", "names version '999"),
        ('{"version": "2", "run_id": null}', "version", f"names run_id None; {EXPECTED}"),
        (" " * 70000, "too_large", "is larger than 65536 bytes"),
    ],
)
def test_a_file_that_names_no_version(start_server, volume, text, reason, message):
    put(volume, 1)
    server = start_server().wait_ready("1")
    versions.serve_text(volume, text)
    services.wait_for("the report", lambda: server.metric("benchtop_model_load_error") == 1, 5)
    assert server.metric("benchtop_model_load_failures_total", reason=reason) == 1
    assert server.client.get(f"/predict?x={ROW}").json()["version"] == "1"
    health = server.client.get("/healthz").json()
    assert message in health["load_error"]
    assert health["wanted"] is None
    assert "the version to serve is unknown" in server.logged()
    put(volume, 2)
    server.wait_ready("2")
    assert server.metric("benchtop_model_load_error") == 0


def test_a_folder_for_the_file(start_server, volume):
    versions.served_path(volume).mkdir(parents=True)
    server = start_server().wait_up()
    services.wait_for("the report", lambda: server.metric("benchtop_model_load_error") == 1, 5)
    assert "Is a directory" in server.client.get("/healthz").json()["load_error"]


def test_only_a_broken_version(start_server, volume):
    put(volume, 1)
    _flip(volume / "versions/1")
    server = start_server().wait_up()
    services.wait_for("the report", lambda: server.metric("benchtop_model_load_error") == 1, 5)
    answer = server.client.get("/readyz")
    assert answer.status_code == 503
    assert "the file is damaged" in answer.json()["error"]["message"]
    # Repaired in place, it is taken up without a new version.
    shutil.rmtree(volume / "versions")
    (volume / "version.txt").unlink()
    put(volume, 1)
    server.wait_ready("1")
