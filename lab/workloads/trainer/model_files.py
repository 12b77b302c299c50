"""A version's own files, wherever the registry says they are: find them, list them, download them."""

from urllib.parse import urlsplit

import access
from failure import Failure, Invalid

# Schemes of places that a pod can reach; a path is one on the machine of whoever registered it.
REMOTE = ("s3", "mlflow-artifacts", "models", "runs", "http", "https")


def repository(config, client, version, what):
    """MLflow's repository of the version's files; raise Invalid or Refused when there can be none."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository
    from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

    scheme = urlsplit(version.source or "").scheme
    if scheme not in REMOTE:
        raise Invalid(
            f"{what} has its files at {version.source or '(no source)'}, which pods can't read; expected one of "
            f"{', '.join(f'{s}:' for s in REMOTE)}; log the model to the registry, mlflow.<flavor>.log_model(…) does it"
        )
    try:
        found = ModelsArtifactRepository(f"models:/{config.name}/{config.version}")
        if isinstance(found.repo, RunsArtifactRepository):
            found.repo = _of_run(client, found.repo, version, what)
    except MlflowException as err:
        refusal = access.refusal(err)
        if refusal == access.DENIED:
            raise access.unreadable(what, version.source, err) from err
        if refusal != access.MISSING and err.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise Invalid(
            f"{what} has its files at {version.source}, which the registry does not have: {err.message}; register a "
            "version whose model is still there"
        ) from err
    return found


def _of_run(client, repository, version, what):
    """The repository at the end of runs:/RUN/PATH, with MLmodel at its root.

    MLflow 3 keeps a run's models apart from its artifacts: PATH then begins with a logged model's name. MLflow's own
    repository of such an address looks into both and puts the models' files a folder deeper. A run may log several
    models by one name: then the version says which it is.
    """
    from mlflow.entities import LoggedModelStatus
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    run_id, path = repository.parse_runs_uri(repository.artifact_uri)
    name, _, rest = (path or "").partition("/")
    experiment, token, found = client.get_run(run_id).info.experiment_id, None, []
    while True:
        page = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'", page_token=token)
        found += [model for model in page if model.name == name]
        token = page.token
        if not token:
            break
    if not found:
        return repository.repo
    found = [model for model in found if model.model_id == version.model_id] or found
    # What a try left that broke off is not meant.
    found = [model for model in found if model.status == LoggedModelStatus.READY] or found
    if len(found) > 1:
        ids = ", ".join(sorted(model.model_id for model in found)[:5])
        raise Invalid(
            f"{what} has its files at {version.source}, and run {run_id} has {len(found)} models of that name ({ids}), "
            "so that it is not known which is meant; register the one that is meant by its id: models:/<model id>"
        )
    return get_artifact_repository(f"{found[0].artifact_location.rstrip('/')}/{rest}".rstrip("/"))


def sizes(repository, version, what):
    """{path: bytes} of the version's files; nothing if the place does not exist. A server need not tell a size: 0."""
    from botocore.exceptions import ClientError
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    found, folders = {}, [None]
    try:
        while folders:
            for file in repository.list_artifacts(folders.pop()):
                if file.is_dir:
                    folders.append(file.path)
                else:
                    found[file.path] = file.file_size or 0
    except (MlflowException, ClientError, HTTPError) as err:
        refusal = access.refusal(err)
        if refusal == access.DENIED:
            raise access.unreadable(what, version.source, err) from err
        if refusal != access.MISSING:
            raise Failure(f"the files of {what} at {version.source} can't be listed: {access.said(err)}") from err
    return found


def download(repository, place, version, what):
    """Download the version's files to a folder."""
    try:
        repository.download_artifacts("", str(place))
    except Invalid:
        raise
    except Exception as err:
        if access.refusal(err) == access.DENIED:
            raise access.unreadable(what, version.source, err) from err
        # MLflow wraps whatever went wrong, also a full disk, in its own exceptions.
        raise Failure(f"downloading {what} from {version.source} failed: {type(err).__name__}: {err}") from err
