"""What registry and object store answer when they refuse, told apart from faults on the way to them.

A refusal is a statement about what was asked for. Anything else that goes wrong, a connection that breaks or a server
that is down, says nothing about it and is worth a retry. So does a key that is not accepted: it may have been changed
while the Job ran, and the Job's next pod gets the new one.
"""

import config as config_module
from failure import Invalid, Refused

DENIED, MISSING = "denied", "missing"
_CODES = {
    "PERMISSION_DENIED": DENIED,
    "RESOURCE_DOES_NOT_EXIST": MISSING,
    "NOT_FOUND": MISSING,
}
_STATUS = {403: DENIED, 404: MISSING}
# S3 says with 403 too that it does not know a key, or that a signature is wrong. Only this is about what was asked for.
_S3_DENIED = "AccessDenied"
_NO_SUCH_KEY = ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
_S3_NO_SUCH_KEY = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "ExpiredToken")


def refusal(err):
    """DENIED or MISSING if that is the answer that an exception of MLflow, requests or boto3 stands for, else None."""
    if type(err).__module__.startswith("mlflow."):
        return _CODES.get(getattr(err, "error_code", None))
    response = getattr(err, "response", None)
    if isinstance(response, dict):  # boto3
        found = _STATUS.get(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        return None if found == DENIED and _s3_code(response) != _S3_DENIED else found
    return _STATUS.get(getattr(response, "status_code", None))  # requests


def key_not_accepted(err):
    """Whether an exception of MLflow, requests or boto3 says that the key of this Job is none."""
    if type(err).__module__.startswith("mlflow."):
        return getattr(err, "error_code", None) in _NO_SUCH_KEY
    response = getattr(err, "response", None)
    if isinstance(response, dict):
        return _s3_code(response) in _S3_NO_SUCH_KEY
    return getattr(response, "status_code", None) == 401


def _s3_code(response):
    return response.get("Error", {}).get("Code")


def said(err):
    """What an exception says, without MLflow's prefix, and what to expect of a key that is not accepted."""
    text = getattr(err, "message", None) or str(err)
    if key_not_accepted(err):
        text += (
            "; the key of this Job is not accepted: it may have been changed while the Job ran, and the next try gets "
            "the new one"
        )
    return text


def unreadable(what, place, err):
    """The Refused for files that the key of this Job may not read."""
    return Refused(
        f"{what} has its files at {place}, and the key of this Job may not read them there: {said(err)}; the key reads "
        "what was logged to the registry, so log the model with mlflow.<flavor>.log_model(…) and register that, or "
        "have the owner of that place let the key read it"
    )


def unknown(config, what, err):
    """The Refused for a version that the key of this Job may not read in the registry."""
    return Refused(
        f"the registry at {config.tracking_uri} does not let the key of this Job read {what}: {said(err)}; choose a "
        "version of a model that belongs to the project"
    )


def check_still_there(config, client, what, version):
    """Raise Invalid if the registry has the version no longer by the name that this Job has for it.

    The version as it was found tells its new name; it is None if it was not found at all.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.get_model_version(config.name, config.version)
    except MlflowException as err:
        if refusal(err) != MISSING:
            return
        name = _new_name(config, client, version)
        if name:
            raise Invalid(
                f"model {config.name} is called {name} by now, so that the registry at {config.tracking_uri} has no "
                f"{what}; choose version {config.version} of model {name}"
            ) from err
        if version is not None:
            raise Invalid(
                f"the registry at {config.tracking_uri} has {what} no longer: it was deleted while this Job ran; "
                "choose a version that exists"
            ) from err
        raise Invalid(
            f"the registry at {config.tracking_uri} has no {what}: {err.message}; choose a version that exists"
        ) from err


def _new_name(config, client, version):
    """The name of the model that has the version by now, or None. A version is told by its run and its number."""
    from mlflow.exceptions import MlflowException

    run_id = config_module.run_id(version.run_id or "") if version is not None else config.run_id
    if not run_id:
        return None
    try:
        found = client.search_model_versions(f"run_id = '{run_id}'")
    except MlflowException as err:
        # Without an answer nothing is known of the version, not even that it is gone.
        if refusal(err) is None:
            raise
        return None
    names = [
        other.name
        for other in found
        if str(other.version) == config.version
        and other.name != config.name
        and (version is None or other.creation_timestamp == version.creation_timestamp)
    ]
    return names[0] if len(names) == 1 else None
