"""Bringing versions that the lab's trainer did not make: MLflow models of any kind, and why some can't be served."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import botocore.exceptions
import pytest
import requests
import yaml
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST, UNAUTHENTICATED
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

import access
import bring as bring_program
import config
import incoming
import job
import measure
import model_files
import packages
import private
import publish
import pyfunc_version
import registry
import requirements
from failure import Failure, Invalid, Refused
from pyfunc_process import CanNotLoadError, Process, StoppedError
from support import pyfuncs, versions
from version import verify


@pytest.fixture
def register_model(trainer, pyfunc_models, tmp_path):
    """Register a copy of a saved model after a change of it; the version."""

    def register_model(kind, change=None, run=True):
        folder = tmp_path / "model"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(pyfunc_models / kind, folder)
        if change:
            change(folder)
        return (pyfuncs.register if run else pyfuncs.register_without_run)(trainer, folder)[0]

    return register_model


def description(volume, version):
    return json.loads((volume / "versions" / version / "model.json").read_bytes())


def test_a_model_logged_as_mlflow_shows_it(trainer, volume, start_server, bring):
    """mlflow.sklearn.log_model with registered_model_name, then bring, then serve."""
    done = subprocess.run(
        [sys.executable, str(pyfuncs.SAVER), trainer.mlflow_uri, trainer.name],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=300,
    )
    version, run_id = done.stdout.split("registered ")[1].split()
    code, output, message = trainer.bring(version, fresh=True)
    assert code == 0, output
    assert f"brought {trainer.name} version {version} to {volume}" in output
    assert message.startswith("an old message")
    found = description(volume, version)
    assert (found["kind"], found["name"], found["version"], found["run_id"]) == (
        "pyfunc",
        trainer.name,
        version,
        run_id,
    )
    assert found["source"].startswith("models:/m-")
    assert found["flavors"] == ["python_function", "sklearn"]
    assert len(found["feature_names"]) == 4
    assert [c["type"] for c in found["signature"]["inputs"]] == ["double"] * 4
    assert found["example"]["dataframe_split"]["data"] == [[5.1, 3.5, 1.4, 0.2]]
    assert found["warnings"] == []
    assert verify(volume / "versions" / version, version, run_id) == (found, None)
    assert sorted(p.name for p in volume.iterdir()) == [".lock", "versions"]
    versions.serve(volume, version, run_id)
    server = start_server().wait_ready(version)
    assert server.client.get("/predict?x=5.1,3.5,1.4,0.2").json()["predictions"] == [0]
    # Brought again it stays, unless it is another registry's version of this number.
    inode = (volume / "versions" / version).stat().st_ino
    assert not bring(version)
    assert (volume / "versions" / version).stat().st_ino == inode
    file = volume / "versions" / version / "model.json"
    file.write_bytes(publish.dumps(found | {"registered": 1}))
    assert bring(version)
    assert (volume / "versions" / version).stat().st_ino != inode


def require(*lines):
    return lambda folder: (folder / "requirements.txt").write_text("\n".join(lines) + "\n")


def test_a_version_without_a_run_and_what_differs(trainer, volume, register_model, start_server):
    """What was left by a program that was killed goes, a program at work keeps its folder. All see what differs."""
    (volume / ".incoming-1-2-3").mkdir()
    (volume / ".incoming-4-5-6/version").mkdir(parents=True)
    with (volume / ".incoming-4-5-6/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        version = register_model("classifier", require("numpy==1.0", "no-such-package==2.0", "./a.whl"), run=False)
        code, output, _ = trainer.bring(version)
        assert code == 0, output
        assert sorted(p.name for p in volume.iterdir()) == [".incoming-4-5-6", ".lock", "versions"]
    found = description(volume, version)
    assert found["run_id"] == ""
    assert found["warnings"] == [
        f"it requires numpy==1.0, the lab runtime has {metadata.version('numpy')}",
        "it requires ./a.whl, which is no package name and was not checked",
        "it requires no-such-package==2.0, which the lab runtime lacks; it predicts its input example without it",
    ]
    for warning in found["warnings"]:
        assert f"WARNING version {version} of model {trainer.name}: {warning}\n" in output
    versions.serve(volume, version)
    server = start_server().wait_ready(version)
    assert server.client.get("/").json()["model"]["warnings"] == found["warnings"]


def test_trees_in_skops(volume, register_model, bring):
    """MLflow saves in skops unless told otherwise, and names the types that may be loaded beside the model."""
    version = register_model("forest")
    assert bring(version)
    assert description(volume, version)["warnings"] == []

    def trust_nothing(folder):
        model = yaml.safe_load((folder / "MLmodel").read_text())
        model["flavors"]["sklearn"]["skops_trusted_types"] = None
        (folder / "MLmodel").write_text(yaml.safe_dump(model))

    version = register_model("forest", trust_nothing)
    with pytest.raises(Invalid, match=r"it can't be loaded: UntrustedTypesFoundException: .*sklearn\.tree\._tree"):
        bring(version)


def spoil(text):
    return lambda folder: (folder / "MLmodel").write_text(text)


def other_flavor(folder):
    model = yaml.safe_load((folder / "MLmodel").read_text())
    del model["flavors"]["python_function"]
    (folder / "MLmodel").write_text(yaml.safe_dump(model))


def other_loader(folder):
    model = yaml.safe_load((folder / "MLmodel").read_text())
    model["flavors"]["python_function"]["loader_module"] = "my_own_code"
    (folder / "MLmodel").write_text(yaml.safe_dump(model))


UNSERVABLE = {
    "no model": (
        "unsigned",
        lambda folder: (folder / "MLmodel").unlink(),
        "has no file MLmodel at mlflow-artifacts:/",
        "so it is no MLflow model; log it with mlflow.<flavor>.log_model(…) and register that",
    ),
    "no yaml": ("unsigned", spoil("{"), "has a file MLmodel at mlflow-artifacts:/", "log the model again"),
    "no flavors": ("unsigned", spoil("a: 1"), "that can't be read (KeyError: 'flavors'); log the model again", ""),
    "other flavors": (
        "unsigned",
        other_flavor,
        "has the flavors sklearn, expected python_function among them; log it with an MLflow flavor that can be loaded",
        "",
    ),
    "a package is missing": (
        "unsigned",
        require("no-such-package==2.0", "skops>=0.1", "numpy", "another-one", 'mine==1; python_version < "3"'),
        "requires another-one, no-such-package==2.0, which the lab runtime lacks; log the model with packages that it "
        "has; it has ",
        ", numpy, ",
    ),
    "its own code is missing": (
        "unsigned",
        other_loader,
        "requires my_own_code, which the lab runtime lacks; log the model with packages that it has; it has ",
        "No module named 'my_own_code'; the model's requirements don't name it: if it is a module of yours, log the "
        "model with code_paths)",
    ),
    "no pickle": (
        "unsigned",
        lambda folder: (folder / "model.pkl").write_bytes(b"x"),
        "can't be served: it can't be loaded: UnpicklingError: ",
        "; log it again from packages of the versions that the lab runtime has",
    ),
    "a wrong example": (
        "classifier",
        lambda folder: (folder / "serving_input_example.json").write_text('{"inputs": {"a": [1]}}'),
        "can't be served: it can't predict its input example: Failed to enforce schema",
        "",
    ),
}


@pytest.mark.parametrize("case", UNSERVABLE)
def test_a_model_that_can_not_be_served(trainer, volume, register_model, bring, case):
    kind, change, *said = UNSERVABLE[case]
    version = register_model(kind, change)
    with pytest.raises(Invalid) as caught:
        bring(version)
    assert str(caught.value).startswith(f"version {version} of model {trainer.name} ")
    for text in said:
        assert text in str(caught.value)
    assert [p.name for p in volume.iterdir() if p.name != ".lock"] == []


def test_the_reason_reaches_kubernetes(trainer, volume, register_model):
    version = register_model("unsigned", require("no-such-package==2.0"))
    code, output, kept = trainer.bring(version)
    assert code == 2, output
    assert kept.startswith(f"version {version} of model {trainer.name} requires no-such-package==2.0, which the lab")
    assert kept in output
    assert "Traceback" not in output
    assert [p.name for p in volume.iterdir() if p.name != ".lock"] == []


SPY = """
import os
print('mine:', sorted(k for k in os.environ if k.startswith(('AWS_', 'BENCHTOP_', 'MLFLOW_TRACKING'))), flush=True)
try:
    print('theirs:', b'AWS_SECRET' in open(f'/proc/{os.getppid()}/environ', 'rb').read(), flush=True)
except OSError as err:
    print('theirs:', err.strerror, flush=True)
"""


def test_a_model_finds_no_credentials(trainer, register_model, monkeypatch):
    """Neither in its own environment nor in that of the program that loads it."""

    def spy(folder):
        model = yaml.safe_load((folder / "MLmodel").read_text())
        model["flavors"]["python_function"] |= {"loader_module": "spy", "code": "code"}
        (folder / "MLmodel").write_text(yaml.safe_dump(model))
        (folder / "code").mkdir()
        (folder / "code/spy.py").write_text(SPY)

    code, output, _ = trainer.bring(register_model("unsigned", spy), fresh=True)
    assert code == 2, output
    assert "mine: []" in output
    # Root may read everything; pods never run as root.
    if os.geteuid():
        assert "theirs: Permission denied" in output
    program = "import ctypes, private; private.hide(); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(private.__file__).parent, capture_output=True, check=True
    )
    assert done.stdout == b"0\n"

    def fail():
        raise Failure("hidden first")

    monkeypatch.setattr(private, "hide", fail)
    assert bring_program.run({}) == 1


def no_folder(volume):
    return [p.name for p in volume.iterdir() if p.name.startswith(".incoming-")] == []


@pytest.mark.parametrize("where", ["artifact", "logged model", "logged model's folder"])
def test_a_source_that_names_a_run(trainer, volume, pyfunc_models, bring, where):
    """As create_model_version(name, "runs:/RUN/model", RUN) keeps it; register_model would have resolved it.

    A client of MLflow 2 has the model among the run's artifacts, one of MLflow 3 beside them.
    """
    client, name = trainer.client(), trainer.name
    experiment = client.create_experiment(name)
    run_id = client.create_run(experiment).info.run_id
    path = "model"
    if where == "artifact":
        client.log_artifacts(run_id, str(pyfunc_models / "unsigned"), path)
    else:
        client.create_logged_model(experiment, name="other", source_run_id=run_id)
        model = client.create_logged_model(experiment, name=path, source_run_id=run_id)
        folder = volume.parent / "logged"
        path += "/deep/er" if "folder" in where else ""
        shutil.copytree(pyfunc_models / "unsigned", folder / path.removeprefix("model").strip("/"))
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model(name)
    version = str(client.create_model_version(name, f"runs:/{run_id}/{path}", run_id).version)
    assert client.get_model_version(name, version).source == f"runs:/{run_id}/{path}"
    assert bring(version)
    assert description(volume, version)["source"] == f"runs:/{run_id}/{path}"
    assert (volume / "versions" / version / "pyfunc" / "model.pkl").is_file()
    settings = config.read_bring(trainer.environment(BENCHTOP_MODEL_VERSION=version))
    total = sum(file.stat().st_size for file in (pyfunc_models / "unsigned").rglob("*") if file.is_file())
    assert measure.size(client, settings) == total / 1e6
    nothing = str(client.create_model_version(name, f"runs:/{run_id}/nothing", run_id).version)
    with pytest.raises(Invalid, match=rf"has no file MLmodel at runs:/{run_id}/nothing \(there is nothing\)"):
        bring(nothing)


def test_a_run_with_several_models_of_one_name(trainer, volume, pyfunc_models, bring):
    """The version says which is meant; else only one of them is whole, or the version is refused."""
    client, name = trainer.client(), trainer.name
    experiment = client.create_experiment(name)
    run_id = client.create_run(experiment).info.run_id
    client.create_registered_model(name)

    def log(kind):
        model_id = client.create_logged_model(experiment, name="model", source_run_id=run_id).model_id
        if kind:
            client.log_model_artifacts(model_id, str(pyfunc_models / kind))
            client.finalize_logged_model(model_id, "READY")
        return model_id

    def register():
        return str(client.create_model_version(name, f"runs:/{run_id}/model", run_id).version)

    first = log("unsigned")
    log(None)
    version = register()
    assert bring(version)
    raw = (volume / "versions" / version / "pyfunc/model.pkl").read_bytes()
    assert raw == (pyfunc_models / "unsigned/model.pkl").read_bytes()
    second = log("classifier")
    version = register()
    settings = config.read_bring(trainer.environment(BENCHTOP_MODEL_VERSION=version))
    registry.connect(trainer.mlflow_uri)
    found = client.get_model_version(name, version)
    for model_id in (first, second):
        # Registries differ in whether they let a version name both a run's address and a model.
        found._model_id = model_id
        repository = model_files.repository(settings, client, found, "it")
        assert repository.repo.artifact_uri.endswith(f"/{model_id}/artifacts")
    with pytest.raises(Invalid) as caught:
        bring(version)
    assert str(caught.value) == (
        f"version {version} of model {name} has its files at runs:/{run_id}/model, and run {run_id} has 2 models of "
        f"that name ({', '.join(sorted((first, second)))}), so that it is not known which is meant; register the one "
        "that is meant by its id: models:/<model id>"
    )


NEW_KEY = (
    "; the key of this Job is not accepted: it may have been changed while the Job ran, and the next try gets the new "
    "one"
)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", 403),
        ("InvalidAccessKeyId", 403),
        ("SignatureDoesNotMatch", 403),
        ("RequestTimeTooSkewed", 403),
        ("ExpiredToken", 403),
        ("SlowDown", 503),
        ("NoSuchBucket", 404),
    ],
)
def test_a_store_that_refuses(volume, monkeypatch, code, status):
    """What was looked for, where, and what to do. A store that is busy, or does not know the key, refuses nothing."""
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    settings = config.read_bring(
        versions.ENV | {"BENCHTOP_MODEL_NAME": "m", "BENCHTOP_MODEL_VERSION": "1", "BENCHTOP_MODEL_DIR": str(volume)}
    )
    answer = {"Error": {"Code": code, "Message": f"{code}."}, "ResponseMetadata": {"HTTPStatusCode": status}}

    class S3:
        def get_paginator(self, _):
            raise botocore.exceptions.ClientError(answer, "ListObjectsV2")

    class Version:
        source = "s3://theirs/model"

    repository = S3ArtifactRepository(Version.source)
    monkeypatch.setattr(S3ArtifactRepository, "_get_s3_client", lambda _: S3())
    monkeypatch.setattr(model_files, "repository", lambda *_: repository)
    what = "version 1 of model m"
    if status == 404:
        with pytest.raises(Invalid, match="has no file MLmodel at s3://theirs/model"):
            pyfunc_version.bring(settings, None, Version, what)
        return
    with pytest.raises(Failure) as caught:
        pyfunc_version.bring(settings, None, Version, what)
    assert caught.value.exit_code == (3 if code == "AccessDenied" else 1)
    assert isinstance(caught.value, Refused) == (code == "AccessDenied")
    said = f"Failed to list artifacts in s3://theirs/model: {code}."
    if code == "AccessDenied":
        assert str(caught.value) == (
            "version 1 of model m has its files at s3://theirs/model, and the key of this Job may not read them there: "
            f"{said}; the key reads what was logged to the registry, so log the model with "
            "mlflow.<flavor>.log_model(…) and register that, or have the owner of that place let the key read it"
        )
    else:
        listed = f"the files of version 1 of model m at s3://theirs/model can't be listed: {said}"
        assert str(caught.value).removesuffix(NEW_KEY) == listed
        assert str(caught.value).endswith(NEW_KEY) == (code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"))


def test_a_registry_that_refuses(volume):
    """A project's key reads only what is the project's."""
    settings = config.read_bring(
        versions.ENV | {"BENCHTOP_MODEL_NAME": "m", "BENCHTOP_MODEL_VERSION": "1", "BENCHTOP_MODEL_DIR": str(volume)}
    )
    denied = MlflowException("the key may not", error_code=PERMISSION_DENIED)

    class Client:
        def get_model_version(self, *_):
            raise denied

        def list_artifacts(self, *_):
            raise denied

    with pytest.raises(
        Refused, match="the registry at http://mlflow does not let the key of this Job read version 1 of"
    ):
        bring_program.bring(settings, Client())
    with pytest.raises(Refused, match="v has its files at the artifacts of its run r, and the key of this Job may not"):
        bring_program.exported(Client(), "v", "r")

    # A key that was changed meanwhile refuses nothing: the next try has the new one.
    denied = MlflowException("the access key iris-trainer was revoked", error_code=UNAUTHENTICATED)
    for ask in (
        lambda: bring_program.bring(settings, Client()),
        lambda: bring_program.exported(Client(), "v", "r"),
        lambda: measure._run(type("Client", (), {"get_run": Client.list_artifacts})(), "r", "v"),
    ):
        with pytest.raises(MlflowException) as caught:
            ask()
        assert caught.value is denied


def test_a_key_that_was_changed(tmp_path, caplog):
    """Whoever says that: the Job's last words tell what to expect, and its code is worth a retry."""

    def s3(code):
        answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        return botocore.exceptions.ClientError(answer, "GetObject")

    def http(status):
        response = requests.Response()
        response.status_code = status
        return requests.HTTPError("no", response=response)

    message = tmp_path / "termination-log"
    message.touch()
    for err in (s3("SignatureDoesNotMatch"), http(401), MlflowException("no", error_code=UNAUTHENTICATED)):
        assert access.refusal(err) is None

        def work(_, err=err):
            raise err

        assert job.run({"BENCHTOP_TERMINATION_LOG": str(message)}, work, "") == 1
        assert message.read_text() == f"{err}{NEW_KEY}"
    assert "Traceback" not in caplog.text
    for err in (s3("AccessDenied"), http(403), MlflowException("no", error_code=PERMISSION_DENIED)):
        assert access.refusal(err) == access.DENIED
        assert access.said(err) == str(err)


def test_errors_that_nobody_expected(tmp_path):
    message = tmp_path / "termination-log"
    message.touch()
    cut = ConnectionResetError("cut")
    on_the_way = (cut, requests.ConnectionError("no"), MlflowException("down"), OSError(28, "full"))
    for errors, code in ((on_the_way, 1), ((KeyError("x"), ZeroDivisionError("1")), job.UNEXPECTED)):
        for err in errors:

            def work(_, err=err):
                raise err

            assert job.run({"BENCHTOP_TERMINATION_LOG": str(message)}, work, "") == code, err
            assert message.read_text().startswith(type(err).__name__)


def test_a_model_that_is_renamed(trainer, volume, register_model, monkeypatch):
    """The Job looks for the old name in vain, before it has found the version and after; it says the new one."""
    version = register_model("unsigned")
    client, old = trainer.client(), trainer.name
    run_id = client.get_model_version(old, version).run_id
    settings = config.read_bring(trainer.environment(BENCHTOP_MODEL_VERSION=version, BENCHTOP_MODEL_RUN_ID=run_id))
    client = registry.connect(trainer.mlflow_uri).MlflowClient()
    said = (
        f"model {old} is called {old}-new by now, so that the registry at {trainer.mlflow_uri} has no version {version}"
    )
    described = pyfunc_version.describe

    def describe(*args):
        client.rename_registered_model(old, f"{old}-new")
        return described(*args)

    with monkeypatch.context() as patch:
        patch.setattr(pyfunc_version, "describe", describe)
        with pytest.raises(Invalid) as caught:
            bring_program.bring(settings, client)
    for _ in range(2):
        assert str(caught.value) == f"{said} of model {old}; choose version {version} of model {old}-new"
        with pytest.raises(Invalid) as caught:
            bring_program.bring(settings, client)
    assert no_folder(volume)
    client.delete_registered_model(f"{old}-new")
    with pytest.raises(Invalid, match=f"has no version {version} of model {old}: .*; choose a version that exists"):
        bring_program.bring(settings, client)


def test_a_version_that_names_no_run(trainer, volume, pyfunc_models, s3):
    """What it names as its run is none, as registries let it. It is brought, and told when it is gone."""
    client, name = trainer.client(), trainer.name
    for file in (pyfunc_models / "unsigned").rglob("*"):
        if file.is_file():
            s3.client().put_object(Bucket="datasets", Key=f"{name}/{file.name}", Body=file.read_bytes())
    client.create_registered_model(name)
    version = str(client.create_model_version(name, f"s3://datasets/{name}", "job#12' or").version)
    assert client.get_model_version(name, version).run_id == "job#12' or"
    code, output, _ = trainer.bring(version, BENCHTOP_MODEL_RUN_ID="job#12' or")
    assert code == 0, output
    assert description(volume, version)["run_id"] == "job#12' or"
    settings = config.read_bring(trainer.environment(BENCHTOP_MODEL_VERSION=version, BENCHTOP_MODEL_RUN_ID="job#12"))
    with pytest.raises(Invalid, match="has no run, so that its dataset is not known; register a version from a run"):
        measure.holdout(client, settings)
    found = client.get_model_version(name, version)
    client.delete_model_version(name, version)
    with pytest.raises(Invalid, match="choose a version that exists"):
        bring_program.bring(settings, client)
    with pytest.raises(Invalid, match="it was deleted while this Job ran"):
        access.check_still_there(settings, client, "it", found)


def test_a_version_that_is_gone_while_the_registry_goes(volume):
    """Whether it has another name is not known then: no verdict."""
    settings = config.read_bring(
        versions.ENV
        | {"BENCHTOP_MODEL_NAME": "m", "BENCHTOP_MODEL_VERSION": "1", "BENCHTOP_MODEL_DIR": str(volume)}
        | {"BENCHTOP_MODEL_RUN_ID": "r"}
    )

    class Client:
        def get_model_version(self, *_):
            raise MlflowException("there is no version 1", error_code=RESOURCE_DOES_NOT_EXIST)

        def search_model_versions(self, *_):
            raise self.ends

    client = Client()
    client.ends = MlflowException("Connection refused")
    with pytest.raises(MlflowException, match="Connection refused"):
        bring_program.bring(settings, client)
    client.ends = MlflowException("the key may not", error_code=PERMISSION_DENIED)
    with pytest.raises(Invalid, match="there is no version 1; choose a version that exists"):
        bring_program.bring(settings, client)


def test_sizes(volume, register_model, bring):
    version = register_model("unsigned", lambda folder: (folder / "big").write_bytes(b"x" * 3_000_000))
    with pytest.raises(Invalid, match=r" has 3\.0 MB, expected at most 2\.0 MB; train a smaller model"):
        bring(version, BENCHTOP_MAX_MODEL_BYTES="2000000")
    assert [p.name for p in volume.iterdir() if p.name != ".lock"] == []


def test_sources_that_pods_can_not_read(trainer, bring):
    class Version:
        source = "/home/me/model"

    with pytest.raises(
        Invalid, match=r"v has its files at /home/me/model, which pods can't read; expected one of s3:,"
    ):
        model_files.repository(None, None, Version, "v")
    version, model_id = pyfuncs.register_without_run(trainer)
    with pytest.raises(Invalid, match=rf"has no file MLmodel at models:/{model_id} \(there is nothing\), so it is no"):
        bring(version)


def test_credentials_go_to_the_registry_only(trainer, register_model, bring):
    """Whoever registers a version says where its files are; MLflow would send the registry's password there."""
    version = register_model("unsigned")
    assert bring(version)  # through mlflow-artifacts:, which is the registry's own
    path = "/api/2.0/mlflow-artifacts/artifacts"
    for source in (
        f"http://stranger{path}/m",
        f"https://stranger{path}/m",
        "mlflow-artifacts://stranger/m",
        f"{trainer.mlflow_uri}@stranger{path}/m",
        f"{trainer.mlflow_uri}.stranger{path}/m",
        f"http://stranger\\@{trainer.mlflow_uri.removeprefix('http://')}{path}/m",
    ):
        # What MLflow asks at the end of every reference: models:, runs: and the places of runs and logged models.
        with pytest.raises(Invalid) as caught:
            get_artifact_repository(source)
        assert f"not on the registry's own server, {trainer.mlflow_uri}, and its credentials" in str(caught.value)
        assert "log the model to the registry and register that" in str(caught.value)
    # Over HTTP the registry's own server may be named.
    own = trainer.client().get_model_version(trainer.name, version).source.removeprefix("mlflow-artifacts:")
    names = [file.path for file in get_artifact_repository(f"{trainer.mlflow_uri}{path}{own}").list_artifacts()]
    assert "MLmodel" in names


def test_sizes_that_were_not_said(volume, pyfunc_models, monkeypatch):
    settings = config.read_bring(
        versions.ENV
        | {
            "BENCHTOP_MODEL_NAME": "m",
            "BENCHTOP_MODEL_VERSION": "1",
            "BENCHTOP_MODEL_DIR": str(volume),
            "BENCHTOP_MAX_MODEL_BYTES": "100",
        }
    )

    class Version:
        source = "http://x"

    class Repository:
        def list_artifacts(self, _path):
            return [type("File", (), {"path": "MLmodel", "is_dir": False, "file_size": None})]

        def download_artifacts(self, _path, place):
            shutil.copytree(pyfunc_models / "unsigned", place, dirs_exist_ok=True)

    monkeypatch.setattr(model_files, "repository", lambda *_: Repository())
    with pytest.raises(Invalid, match=r"v has 0\.0 MB, expected at most 0\.0 MB; train a smaller model"):
        pyfunc_version.bring(settings, None, Version, "v")
    assert [p.name for p in volume.iterdir()] == [".lock"]


def test_a_full_volume_keeps_nothing(volume, pyfunc_models, monkeypatch):
    """Said before the download; and when the room goes while it is written, nothing stays."""
    settings = config.read_bring(
        versions.ENV | {"BENCHTOP_MODEL_NAME": "m", "BENCHTOP_MODEL_VERSION": "1", "BENCHTOP_MODEL_DIR": str(volume)}
    )

    class Version:
        source, run_id, creation_timestamp = "s3://x", "", 5

    class Client:
        def get_registered_model(self, _name):
            return Version

    class Repository:
        def list_artifacts(self, _path):
            return [type("File", (), {"path": "MLmodel", "is_dir": False, "file_size": 10_000_000})]

        def download_artifacts(self, _path, place):
            shutil.copytree(pyfunc_models / "unsigned", place, dirs_exist_ok=True)

    monkeypatch.setattr(model_files, "repository", lambda *_: Repository())
    with monkeypatch.context() as patch:
        patch.setattr(incoming, "free", lambda _root: 70_000_000)
        with pytest.raises(Failure, match=r"v has 10.0 MB, and .* has 70.0 MB left, of which 67.1 MB stay free; make"):
            pyfunc_version.bring(settings, Client(), Version, "v")

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "download_artifacts", full)
        with pytest.raises(Failure, match=r"downloading v from s3://x failed: OSError: .*No space left on device"):
            pyfunc_version.bring(settings, Client(), Version, "v")
    assert [p.name for p in volume.iterdir()] == [".lock"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Failure, match=r"bringing version 1 to .* failed: .*No space left on device"):
            pyfunc_version.bring(settings, Client(), Version, "v")
    assert [p.name for p in volume.iterdir()] == [".lock"]
    pyfunc_version.bring(settings, Client(), Version, "v")
    assert verify(volume / "versions/1", "1")[0]["registered_at"] == 5


@pytest.mark.parametrize("size", ["0", "x", "-1", "1e9"])
def test_wrong_bound(size):
    env = versions.ENV | {"BENCHTOP_MODEL_NAME": "m", "BENCHTOP_MODEL_VERSION": "1", "BENCHTOP_MAX_MODEL_BYTES": size}
    with pytest.raises(Invalid, match=f"BENCHTOP_MAX_MODEL_BYTES is '{size}', expected a number of bytes"):
        config.read_bring(env)


def test_requirements_are_read_where_mlflow_writes_them(tmp_path):
    assert requirements.read(tmp_path) == []
    env = {"python": "3.11", "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt", "a==1"]}
    (tmp_path / "python_env.yaml").write_text(yaml.safe_dump(env))
    assert requirements.read(tmp_path) == ["a==1"]
    conda = {"dependencies": ["python=3.11", "pip<=25", {"pip": ["b==2", "c"]}]}
    (tmp_path / "conda.yaml").write_text(yaml.safe_dump(conda))
    assert requirements.read(tmp_path) == ["b==2", "c"]
    (tmp_path / "conda.yaml").write_text("{")
    assert requirements.read(tmp_path) == []
    text = "# all\nd==1 \\\n  ; python_version > '3'\n-c constraints.txt\n--index-url x\ne[extra]>=2 # why\n\n"
    (tmp_path / "requirements.txt").write_text(text)
    assert requirements.read(tmp_path) == ["d==1   ; python_version > '3'", "e[extra]>=2"]
    # The runtime has mlflow under another name.
    there = packages.all_of()
    assert requirements.installed("mlflow", there) == metadata.version("mlflow-skinny")
    assert requirements.installed("no-such-package", there) is None


def test_another_python():
    assert pyfunc_version._python({"python_version": "3.12.1"})[0].startswith(
        "it was logged with Python 3.12.1, the lab runtime has 3."
    )
    assert pyfunc_version._python({"python_version": None}) == []


def test_the_process_of_a_model(pyfunc_models, monkeypatch):
    """It gets none of the lab's keys, ends with its owner's interest, and says when it ended by itself."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("KEPT", "1")
    process = Process(pyfunc_models / "odd")
    env = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"KEPT=1" in env
    assert b"secret" not in env
    header, answer = process.call({"op": "predict"}, b'{"inputs": [0]}', 30)
    assert (header, answer) == ({"rows": 1}, b"[0]")
    with pytest.raises(StoppedError, match="ended with exit code 3"):
        process.call({"op": "predict"}, b'{"inputs": [2]}', 30)
    with pytest.raises(StoppedError, match="ended with exit code 3"):
        process.call({"op": "predict"}, b'{"inputs": [0]}', 30)
    process.close()
    with pytest.raises(CanNotLoadError, match="it was not loaded within 0 s"):
        Process(pyfunc_models / "odd", seconds=0)
