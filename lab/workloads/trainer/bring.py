"""Bring a model version from the registry to the model volume, so that it can be put into service.

Environment: BENCHTOP_MODEL_NAME, BENCHTOP_MODEL_VERSION, BENCHTOP_MODEL_DIR (default /models),
BENCHTOP_MODEL_RUN_ID (the version's run, by which a model that got another name is found; may be empty),
BENCHTOP_SERVED (default /served/version.json; it says which versions must stay),
BENCHTOP_MAX_MODEL_BYTES (default 4 GiB), and registry and object store as for the trainer. A version that is there and
whole is left alone; versions that nobody needs any more make room (publish.py).

A version whose run has serving/model.json and serving/predictor.json, as the lab's trainer leaves them, is brought as
that. Of any other version its own MLflow model is brought (pyfunc_version.py).

Exit codes: 0 it is there; 2 it can't be served, and the same again would end the same way; 3 registry or object
store refused what it needs; 4 an error that nobody expected; 143 stopped by SIGTERM; 1 a fault on the way, worth a
retry. The reason also goes to the container's termination message.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path

# Our own modules are imported now, not when needed: their folder is a ConfigMap, which may be replaced meanwhile.
import access
import config as config_module
import job
import private
import publish
import pyfunc_version
import registry as registry_module
from failure import Invalid
from version import MAX_FILE_BYTES, LoadError, verify

log = logging.getLogger("trainer")

DESCRIPTION = "serving/model.json"
PREDICTOR = "serving/predictor.json"


def bring(config, client):
    """Bring the version, or return False when it is there; raise Invalid when it can't be served."""
    what = f"version {config.version} of model {config.name}"
    version = find(config, client, what)
    try:
        return _bring(config, client, version, what)
    except Exception:
        # Whatever it was: a model that has got another name meanwhile is why, and says what to do.
        access.check_still_there(config, client, what, version)
        raise


def _bring(config, client, version, what):
    run_id = version.run_id or ""

    def whole(folder):
        try:
            description, predictor = verify(folder, config.version, run_id)
        except LoadError as err:
            log.info("%s has to be brought: %s", what, err)
            return False
        same = description["name"] == config.name
        return same and (predictor is not None or pyfunc_version.is_that(description, version))

    if publish.present(config.model_dir, config.version, whole, config.served):
        return False
    found = exported(client, what, run_id) if config_module.run_id(run_id) else {}
    if {DESCRIPTION, PREDICTOR} <= set(found):
        description, files = download(config, client, what, run_id, found)
        publish.bring(config.model_dir, description, files, config.served)
    else:
        log.info("%s was not exported by the lab's trainer, its MLflow model is brought", what)
        pyfunc_version.bring(config, client, version, what)
    return True


def find(config, client, what):
    """The version as the registry has it."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(config.name, config.version)
    except MlflowException as err:
        refusal = access.refusal(err)
        if refusal == access.MISSING:
            access.check_still_there(config, client, what, None)
        if refusal == access.DENIED:
            raise access.unknown(config, what, err) from err
        raise


def exported(client, what, run_id):
    """{artifact: bytes} of what the lab's trainer exported for servers; nothing if the run is gone."""
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    try:
        return {f.path: f.file_size or 0 for f in client.list_artifacts(run_id, "serving")}
    except (MlflowException, HTTPError) as err:
        refusal = access.refusal(err)
        if refusal == access.DENIED:
            raise access.unreadable(what, f"the artifacts of its run {run_id}", err) from err
        if refusal != access.MISSING:
            raise
        return {}


def download(config, client, what, run_id, found):
    """(description, {file: bytes}) from the version's run, proved to be servable."""
    for path in (DESCRIPTION, PREDICTOR):
        if found[path] > MAX_FILE_BYTES:
            raise Invalid(
                f"artifact {path} of run {run_id} has {found[path]} bytes, expected at most {MAX_FILE_BYTES}; "
                "train a smaller model"
            )
    with tempfile.TemporaryDirectory() as temporary:
        raw, predictor = (
            Path(client.download_artifacts(run_id, path, temporary)).read_bytes() for path in (DESCRIPTION, PREDICTOR)
        )
        folder = Path(temporary, "version")
        folder.mkdir()
        description = own(config, client, what, run_id, raw)
        (folder / "model.json").write_bytes(publish.dumps(description))
        (folder / "predictor.json").write_bytes(predictor)
        try:
            verify(folder, config.version, run_id)
        except LoadError as err:
            message = str(err).replace(f"{folder}/", "serving/")
            raise Invalid(
                f"{what} can't be served, the artifacts of its run {run_id} are not whole: {message}; train again"
            ) from err
    return description, {"predictor.json": predictor}


def own(config, client, what, run_id, raw):
    """The description of the version that was asked for.

    A run can be registered more than once, or a version copied to another model: the run's artifact then describes the
    first of them, and only name, number and the registered model's age differ.
    """
    try:
        description = json.loads(raw)
        first = {key: description[key] for key in ("name", "version")}
    except (ValueError, RecursionError, KeyError, TypeError) as err:
        raise Invalid(
            f"artifact {DESCRIPTION} of run {run_id} does not describe a version ({err!r}), so that {what} can't be "
            "served; train again"
        ) from err
    asked = {"name": config.name, "version": config.version}
    if first == asked:
        return description
    log.info("run %s was registered as %s version %s first", run_id, first["name"], first["version"])
    registered_at = client.get_registered_model(config.name).creation_timestamp
    return description | asked | {"registered_at": registered_at, "registered_first_as": first}


def work(env):
    # First: a model that is loaded may run anybody's code, as the same user.
    private.hide()
    config = config_module.read_bring(env)
    registry_module.wait(config)
    client = registry_module.connect(config.tracking_uri).MlflowClient()
    if bring(config, client):
        log.info("brought %s version %s to %s", config.name, config.version, config.model_dir)
    else:
        log.info("%s version %s is in %s already, and whole", config.name, config.version, config.model_dir)


def run(env):
    return job.run(env, work, "the version was not brought")


if __name__ == "__main__":
    sys.exit(job.main(run))
