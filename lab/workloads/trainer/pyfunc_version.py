"""Bring a version of any MLflow pyfunc model: its own artifacts, checked, loaded once, and put on the model volume."""

import logging
from datetime import UTC, datetime

import incoming
import model_files
import publish
import pyfunc_folder
import requirements
from failure import Failure, Invalid
from pyfunc_process import CanNotLoadError, Process

log = logging.getLogger("trainer")

FLAVOR = "python_function"
# Left free on the volume: the trainers' versions and their renames need some room.
SPARE = 64 << 20


def is_that(description, version):
    """Whether a folder's description is of this registry's version, which may have no run to tell it by."""
    return description.get("source") == version.source and description.get("registered") == _registered(version)


def bring(config, client, version, what):
    """Bring the version; raise Invalid when it can't be served."""
    repository = model_files.repository(config, client, version, what)
    size = _size(repository, config, version, what)
    free = incoming.free(config.model_dir)
    if size + SPARE > free:
        raise Failure(
            f"{what} has {_megabytes(size)}, and {config.model_dir} has {_megabytes(free)} left, of which "
            f"{_megabytes(SPARE)} stay free; make room on the disk, or train a smaller model"
        )
    with incoming.folder(config.model_dir, config.version) as folder:
        place = folder / pyfunc_folder.FOLDER
        place.mkdir()
        log.info("downloading %s of %s from %s", _megabytes(size), what, version.source)
        model_files.download(repository, place, version, what)
        # An HTTP server need not say how large its files are.
        _bound(sum(file.stat().st_size for file in place.rglob("*") if file.is_file()), config, what)
        _check_flavors(place, version, what)
        missing, warnings = requirements.check(place)
        described = _load(place, missing, what)
        warnings += [
            f"it requires {name}, which the lab runtime lacks; it predicts its input example without it"
            for name in missing
        ]
        warnings += _python(described)
        for warning in warnings:
            log.warning("%s: %s", what, warning)
        description = describe(config, client, version, described, warnings, place)
        publish.bring_folder(config.model_dir, description, folder, config.served)


def describe(config, client, version, described, warnings, place):
    """The version's model.json."""
    inputs = (described["signature"] or {}).get("inputs") or []
    named = inputs and all("name" in column and column["type"] != "tensor" for column in inputs)
    return {
        "format": "benchtop.model/1",
        "kind": pyfunc_folder.KIND,
        "name": config.name,
        "version": config.version,
        "run_id": version.run_id or "",
        "source": version.source,
        "registered": _registered(version),
        "registered_at": client.get_registered_model(config.name).creation_timestamp,
        "created_at": datetime.fromtimestamp(_registered(version) / 1000, UTC).isoformat(timespec="seconds"),
        "flavors": described["flavors"],
        "signature": described["signature"],
        "type_hint": described["type_hint"],
        "feature_names": [column["name"] for column in inputs] if named else None,
        "example": described["example"],
        "mlflow_version": described["mlflow_version"],
        "python_version": described["python_version"],
        "warnings": warnings,
        pyfunc_folder.FOLDER: pyfunc_folder.digest(place),
    }


def _registered(version):
    return version.creation_timestamp or 0


def _size(repository, config, version, what):
    """The bytes of the version's files."""
    names = model_files.sizes(repository, version, what)
    if "MLmodel" not in names:
        there = f"there is {', '.join(sorted(names)[:5])}" if names else "there is nothing"
        raise Invalid(
            f"{what} has no file MLmodel at {version.source} ({there}), so it is no MLflow model; log it with "
            "mlflow.<flavor>.log_model(…) and register that"
        )
    total = sum(names.values())
    _bound(total, config, what)
    return total


def _bound(size, config, what):
    if size > config.max_bytes:
        raise Invalid(
            f"{what} has {_megabytes(size)}, expected at most {_megabytes(config.max_bytes)}; train a smaller model"
        )


def _check_flavors(place, version, what):
    import yaml

    try:
        flavors = yaml.safe_load((place / "MLmodel").read_bytes())["flavors"]
        names = sorted(flavors)
        main = flavors.get(FLAVOR, {}).get("loader_module")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as err:
        raise Invalid(
            f"{what} has a file MLmodel at {version.source} that can't be read ({type(err).__name__}: {err}); log the "
            "model again"
        ) from err
    if not main:
        raise Invalid(
            f"{what} has the flavors {', '.join(names) or '(none)'}, expected {FLAVOR} among them; log it with an "
            "MLflow flavor that can be loaded with mlflow.pyfunc, or as a mlflow.pyfunc.PythonModel"
        )


def _load(place, missing, what):
    """What the model says about itself, once it is loaded and has predicted its input example."""
    try:
        process = Process(place)
    except CanNotLoadError as err:
        raise Invalid(_reason(missing, what, err)) from err
    process.close()
    described = process.described
    if missing and not described["has_example"]:
        raise Invalid(_lacks(missing, what))
    return described


def _reason(missing, what, err):
    if missing:
        return f"{_lacks(missing, what)} ({err})"
    if err.module:
        return (
            f"{_lacks([err.module], what)} ({err}; the model's requirements don't name it: if it is a module of yours, "
            "log the model with code_paths)"
        )
    return f"{what} can't be served: {err}; log it again from packages of the versions that the lab runtime has"


def _lacks(missing, what):
    return (
        f"{what} requires {', '.join(missing)}, which the lab runtime lacks; log the model with packages that it has; "
        f"it has {', '.join(requirements.runtime())}"
    )


def _python(described):
    import platform

    theirs, ours = described["python_version"] or "", platform.python_version()
    if not theirs or theirs.split(".")[:2] == ours.split(".")[:2]:
        return []
    return [f"it was logged with Python {theirs}, the lab runtime has {ours}"]


def _megabytes(size):
    return f"{size / 1e6:,.1f} MB"
