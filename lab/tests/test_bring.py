"""Bringing a version from the registry to the volume, and every reason why that can't be done."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import bring as bring_program
import config
import incoming
import model_store
import publish
import registry
from failure import Failure, Invalid
from support import pyfuncs, services, versions

DEVICE = Path("/dev/termination-log")


def names(volume):
    return sorted(e.name for e in (volume / "versions").iterdir())


@pytest.fixture
def register(trainer):
    """Register a version as the trainer does, without training: the files are changed by the caller."""
    client, name = trainer.client(), trainer.name
    experiment = client.create_experiment(name)

    def register(change=None):
        run_id = client.create_run(experiment).info.run_id
        source = client.get_run(run_id).info.artifact_uri + "/model"
        if not client.search_registered_models(f"name='{name}'"):
            client.create_registered_model(name)
        version = client.create_model_version(name, source, run_id).version
        description, files, _ = versions.make(version)
        description |= {"name": name, "run_id": run_id}
        files = {"model.json": publish.dumps(description), **files}
        if change:
            change(files)
        for file, raw in files.items():
            local = trainer.volume.parent / "upload" / file
            local.parent.mkdir(exist_ok=True)
            local.write_bytes(raw)
            client.log_artifact(run_id, str(local), "serving")
        return str(version), run_id

    return register


def test_brings_what_the_trainer_trained(trainer, volume, start_server):
    """Byte for byte what the trainer had put there; brought again, nothing changes."""
    code, output = trainer.run()
    assert code == 0, output
    kept = {p.name: p.read_bytes() for p in (volume / "versions/1").iterdir()}
    shutil.rmtree(volume / "versions")
    (volume / "model.json").unlink()
    (volume / "version.txt").unlink()
    (run,) = trainer.runs()
    versions.serve(volume, 1, run.info.run_id)
    server = start_server().wait_up()

    code, output, message = trainer.bring(1)
    assert code == 0, output
    assert f"brought {trainer.name} version 1 to {volume}" in output
    assert "Traceback" not in output
    assert "Warning" not in output
    assert message.startswith("an old message")
    assert {p.name: p.read_bytes() for p in (volume / "versions/1").iterdir()} == kept | {".brought": b""}
    # What was trained last is the trainer's to say.
    assert sorted(p.name for p in volume.iterdir()) == [".lock", "versions"]
    server.wait_ready("1")

    inode = (volume / "versions/1").stat().st_ino
    code, output, _ = trainer.bring(1)
    assert code == 0, output
    assert "version 1 is in" in output
    assert "already, and whole" in output
    assert (volume / "versions/1").stat().st_ino == inode


def damage_predictor(folder):
    (folder / "predictor.json").write_bytes(b"{}")


def another_run(folder):
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"run_id": "0" * 32}))


def another_name(folder):
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"name": "other"}))


@pytest.mark.parametrize("damage", [damage_predictor, another_run, another_name, shutil.rmtree])
def test_replaces_what_is_not_that_version(trainer, volume, register, bring, damage):
    version, run_id = register()
    assert bring(version)
    damage(volume / "versions" / version)
    # What programs that were killed left behind goes too.
    (volume / "versions/.staging-1-2").mkdir()
    assert bring(version)
    assert model_store.load(volume, version, run_id).name == trainer.name
    # The old folder waits for the next writer, so that a reader isn't cut off.
    assert [n for n in names(volume) if not n.startswith(".old-")] == [version]


def test_a_run_that_was_registered_twice(trainer, volume, register, bring, start_server):
    """The artifact describes the run's first version; what is served is the one that was asked for."""
    version, run_id = register()
    client = trainer.client()
    source = client.get_model_version(trainer.name, version).source
    again = str(client.create_model_version(trainer.name, source, run_id).version)
    assert again != version
    code, output, _ = trainer.bring(again)
    assert code == 0, output
    assert f"run {run_id} was registered as {trainer.name} version {version} first" in output
    description = json.loads((volume / "versions" / again / "model.json").read_bytes())
    assert description["version"] == again
    assert description["registered_first_as"] == {"name": trainer.name, "version": version}
    assert description["registered_at"] == client.get_registered_model(trainer.name).creation_timestamp
    versions.serve(volume, again, run_id)
    start_server().wait_ready(again)
    assert not bring(again)


def _put(name, raw):
    return lambda files: files.update({name: raw})


UNSERVABLE = {
    "damaged": (_put("predictor.json", b"{}"), "serving/predictor.json has sha256 44136fa355b3678a1146ad16f7e8649e"),
    "no json": (_put("model.json", b"{"), "does not describe a version (JSONDecodeError("),
    "no object": (_put("model.json", b"[]"), "does not describe a version (TypeError("),
    "too little": (_put("model.json", b'{"name": "x", "version": "1"}'), "does not describe version"),
}


@pytest.mark.parametrize("case", UNSERVABLE)
def test_a_version_that_can_not_be_served(trainer, volume, register, bring, case):
    change, message = UNSERVABLE[case]
    version, run_id = register(change)
    with pytest.raises(Invalid) as caught:
        bring(version)
    assert message in str(caught.value)
    assert f"version {version} of model {trainer.name}" in str(caught.value)
    assert run_id in str(caught.value)
    assert not (volume / "versions").exists()


def test_the_reason_reaches_kubernetes(trainer, volume, register):
    version, _ = register(_put("predictor.json", b"{}"))
    code, output, kept = trainer.bring(version)
    assert code == 2, output
    assert "serving/predictor.json has sha256 44136fa355b3678a1146ad16f7e8649e" in kept
    assert kept in output
    assert "Traceback" not in output
    assert "old message" not in kept
    assert not (volume / "versions").exists()


@pytest.mark.parametrize("missing", [["model.json"], ["predictor.json"], ["model.json", "predictor.json"]])
def test_without_what_the_trainer_exports_its_model_is_brought(register, bring, missing):
    """Here there is none either, because nothing was trained."""
    version, _ = register(lambda files: [files.pop(name) for name in missing])
    with pytest.raises(Invalid, match="has no file MLmodel at "):
        bring(version)


def test_a_version_that_does_not_exist(trainer, register, bring):
    register()
    for changes in ({"version": "99"}, {"version": "1", "BENCHTOP_MODEL_NAME": "nobody"}):
        with pytest.raises(Invalid, match="choose a version that exists") as caught:
            bring(**changes)
        assert f"the registry at {trainer.mlflow_uri} has no version" in str(caught.value)


def test_a_registry_that_is_not_there(trainer):
    """Worth a retry, and no termination message is made up where there is no such file."""
    gate = services.Gate(trainer.mlflow_uri)
    code, output, kept = trainer.bring(1, MLFLOW_TRACKING_URI=gate.url, BENCHTOP_WAIT_SECONDS="1")
    assert code == 1
    assert f"the registry ({gate.url}) was not ready within 1 s" in kept
    assert "Traceback" not in output
    existed = DEVICE.exists()
    assert trainer.bring(1, MLFLOW_TRACKING_URI="x")[0] == 2
    assert DEVICE.exists() == existed


def test_a_volume_that_can_not_be_written(trainer, volume, register):
    version, _ = register()
    (volume / "versions").write_text("not a folder")
    code, output, kept = trainer.bring(version)
    assert code == 1, output
    assert f"bringing version {version} to {volume} failed" in kept
    assert "try again when the volume can be written" in kept
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BENCHTOP_MODEL_VERSION": ""}, "BENCHTOP_MODEL_VERSION is not set"),
        ({"BENCHTOP_MODEL_VERSION": "latest"}, "BENCHTOP_MODEL_VERSION is 'latest', expected a version number"),
        ({"BENCHTOP_MODEL_VERSION": "../1"}, "expected a version number"),
        ({"BENCHTOP_MODEL_NAME": ""}, "BENCHTOP_MODEL_NAME is not set"),
        ({"MLFLOW_TRACKING_URI": "sqlite:///x"}, "expected an http:// or https:// address"),
        ({"AWS_ENDPOINT_URL_S3": ""}, "AWS_ENDPOINT_URL_S3 is not set"),
        ({"BENCHTOP_MODEL_DIR": "/nowhere"}, "mount the model volume there"),
    ],
)
def test_wrong_environment(changes, message):
    env = versions.ENV | {"BENCHTOP_MODEL_NAME": "iris", "BENCHTOP_MODEL_VERSION": "7"}
    read = config.read_bring(env)
    assert (read.name, read.version, read.tracking_uri) == ("iris", "7", "http://mlflow")
    with pytest.raises(Invalid) as caught:
        config.read_bring(env | changes)
    assert message in str(caught.value)


def put(volume, made):
    return publish.publish(volume, made[0], made[1], versions.served_path(volume))


def test_what_was_brought_stays_until_it_is_in_service(volume, make_version):
    """The way from the Job to the file that names the version takes a while, and trainers don't stop for it."""
    for version in range(1, 15):
        put(volume, make_version(version))
    publish.bring(volume, *make_version(2)[:2])
    publish.bring(volume, *make_version(40)[:2])
    assert publish.published(volume) == 14
    assert publish.present(volume, "5", lambda folder: folder.exists())
    put(volume, make_version(15))
    assert names(volume) == sorted(map(str, [2, *range(5, 16), 40]))
    # Nobody put them into service.
    long_ago = time.time() - publish.BROUGHT_SECONDS - 1
    for version in (2, 5, 40):
        os.utime(volume / f"versions/{version}/.brought", (long_ago, long_ago))
    put(volume, make_version(16))
    assert names(volume) == sorted(map(str, range(7, 17)))


def test_a_volume_without_a_trainer_keeps_the_last(volume, make_version):
    """And what is served, what a rollback may want at once, and what was brought a moment ago."""

    def bring(version):
        publish.bring(volume, *make_version(version)[:2], versions.served_path(volume))

    def ago(version, seconds):
        then = time.time() - publish.BROUGHT_SECONDS - seconds
        os.utime(volume / f"versions/{version}/.brought", (then, then))

    for version in (9, 1, 8, 2, 7, 3):
        bring(version)
    assert names(volume) == ["1", "2", "3", "7", "8", "9"]
    for n, version in enumerate((9, 1, 8, 2, 7, 3)):
        ago(version, 100 - n)
    versions.serve(volume, 1, keep=["9", "4"])
    bring(6)
    assert names(volume) == ["1", "3", "6", "7", "9"]
    # Version 9 is wanted again while a program at work brings another, and one that was killed has left something.
    with incoming.folder(volume, "5") as folder:
        (volume / ".incoming-4-1-1/version").mkdir(parents=True)
        (volume / "versions/.staging-1-2").mkdir()
        versions.serve(volume, 9)
        assert publish.present(volume, "9", lambda folder: folder.exists(), versions.served_path(volume))
        assert not (volume / ".incoming-4-1-1").exists()
        assert folder.exists()
    assert names(volume) == ["3", "6", "9"]
    # Of what ought to be served nothing is known: nothing goes.
    ago(3, 1)
    versions.serve_text(volume, "{")
    for version in (10, 11, 12):
        bring(version)
    assert names(volume) == ["10", "11", "12", "3", "6", "9"]


def test_what_is_brought_beside_a_trainer(volume, make_version):
    """The trainer's versions are counted as the trainer counts them."""
    for version in range(1, 12):
        put(volume, make_version(version))
    versions.serve(volume, 11, keep=["1"])
    publish.bring(volume, *make_version(1)[:2], versions.served_path(volume))
    publish.bring(volume, *make_version(40)[:2], versions.served_path(volume))
    assert names(volume) == sorted(map(str, [*range(1, 12), 40]))
    long_ago = time.time() - publish.BROUGHT_SECONDS - 1
    for version in (1, 40):
        os.utime(volume / f"versions/{version}/.brought", (long_ago, long_ago))
    assert publish.present(volume, "11", lambda folder: folder.exists(), versions.served_path(volume))
    assert names(volume) == sorted(map(str, range(1, 12)))


def test_room_is_made_before_it_is_needed(trainer, volume, pyfunc_models, make_version):
    """A large version is not refused for want of the room that old ones take; what a killed program left goes too."""
    version, _ = pyfuncs.register(trainer, pyfunc_models / "unsigned")
    for old in range(20, 25):
        publish.bring(volume, *make_version(old)[:2], versions.served_path(volume))
        then = time.time() - publish.BROUGHT_SECONDS - 100 + old
        os.utime(volume / f"versions/{old}/.brought", (then, then))
    (volume / ".incoming-4-1-1").mkdir()
    settings = config.read_bring(trainer.environment(BENCHTOP_MODEL_VERSION=version))
    client = registry.connect(trainer.mlflow_uri).MlflowClient()
    there = []

    def free(_root):
        there.extend(names(volume))
        assert not (volume / ".incoming-4-1-1").exists()
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incoming, "free", free)
        with pytest.raises(Failure, match="make room on the disk"):
            bring_program.bring(settings, client)
    assert there == ["22", "23", "24"]


def test_a_full_disk_keeps_no_version_from_service(volume, make_version, monkeypatch, caplog):
    put(volume, make_version(1))

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", full)
        assert publish.present(volume, "1", lambda folder: folder.exists())
    assert "No space left on device" in caplog.text
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Failure, match=r"bringing version 2 to .* failed: .*No space left on device"):
            publish.bring(volume, *make_version(2)[:2])
    assert names(volume) == ["1"]


def test_stopped_by_sigterm(trainer):
    """While it waits; a container's first process would not be stopped by a signal that it doesn't handle."""
    gate = services.Gate(trainer.mlflow_uri)
    process = subprocess.Popen(
        [sys.executable, str(trainer.code / "bring.py")],
        env=trainer.environment(MLFLOW_TRACKING_URI=gate.url, BENCHTOP_MODEL_VERSION="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    reader.start()
    services.wait_for("waiting", lambda: any("waiting for the registry" in line for line in lines))
    process.terminate()
    assert process.wait(10) == 143
    reader.join()
    process.stdout.close()
    assert "Traceback" not in "".join(lines)
