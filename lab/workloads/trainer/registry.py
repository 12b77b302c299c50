"""Talk to the registry: one run, its metrics and artifacts, and the model version that comes of it."""

import base64
import json
import logging
import os
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import access
from failure import Failure, Invalid
from retry import NotReady, until_ready

log = logging.getLogger("trainer")

# MLflow refuses longer values; a reason's beginning says most.
MAX_TAG = 5000
# MLflow refuses longer dataset digests than 36 characters; the full sha256 is a tag of the input and of the run.
DIGEST_LENGTH = 36


def connect(tracking_uri):
    """The mlflow module, set up for a registry and for a pod."""
    os.environ |= {
        # Without git in the image its Python client would complain on import.
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Within a run a registry that restarts is waited for, but not for minutes.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "6",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri)
    _guard(tracking_uri)
    return mlflow


def _guard(tracking_uri):
    """Let MLflow read files over HTTP from the registry's own server only, because it sends our credentials along.

    Where a version's, a run's or a logged model's files are says whoever registered it. So this is asked where MLflow
    makes the repository of an address, at whatever end of its references that is.
    """
    from mlflow.store.artifact import artifact_repository_registry as repositories
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    parts = urlsplit(tracking_uri)
    # Compared as text: programs disagree about where the host is in an odd address.
    ours = f"{parts.scheme}://{parts.netloc}/"

    def guarded(make):
        def repository(uri, **where):
            made = make(uri, **where)
            if not made.artifact_uri.startswith(ours):
                raise Invalid(
                    f"the files at {uri} are not on the registry's own server, {ours[:-1]}, and its credentials are "
                    "not sent to another; log the model to the registry and register that"
                )
            return made

        return repository

    registered = repositories._artifact_repository_registry
    for scheme in ("http", "https"):
        registered.register(scheme, guarded(HttpArtifactRepository))
    registered.register("mlflow-artifacts", guarded(MlflowArtifactsRepository))


class Registry:
    """An MLflow client bound to one run. Create it when the registry answers."""

    def __init__(self, config):
        mlflow = connect(config.tracking_uri)
        self._mlflow = mlflow
        self._client = mlflow.MlflowClient()
        self._config = config
        self.run_id = None

    def start(self):
        """Create the run, tagged with its lineage."""
        from mlflow.exceptions import MlflowException

        name = self._config.experiment
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            try:
                experiment = self._client.get_experiment(self._client.create_experiment(name))
            except MlflowException as err:
                # Another trainer was a moment earlier.
                experiment = self._client.get_experiment_by_name(name)
                if experiment is None:
                    raise Failure(f"creating experiment {name!r} failed: {err}") from err
        if experiment.lifecycle_stage == "deleted":
            raise Failure(f"experiment {name!r} is deleted; restore it, or train into another one")
        tags = self._config.tags | {
            "mlflow.source.name": "/opt/benchtop/train.py",
            "mlflow.source.type": "JOB",
            "mlflow.user": self._config.project,
        }
        run_name = self._config.tags["benchtop.job"] or f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        run = self._client.create_run(
            experiment.experiment_id, tags={k: v for k, v in tags.items() if v}, run_name=run_name
        )
        self.run_id = run.info.run_id
        # log_model works on the active run.
        self._mlflow.start_run(run_id=self.run_id)
        log.info("run %s (%s) in experiment %s", self.run_id, run_name, name)

    def log_params(self, params):
        from mlflow.entities import Param

        self._client.log_batch(self.run_id, params=[Param(k, str(v)) for k, v in params.items()])

    def log_metrics(self, metrics, curve=()):
        """Final metrics at step 0, and a curve of (step, {metric: value})."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [Metric(k, v, now, step) for step, values in curve for k, v in values.items()]
        points += [Metric(k, float(v), now, 0) for k, v in metrics.items()]
        for i in range(0, len(points), 500):
            self._client.log_batch(self.run_id, metrics=points[i : i + 500])

    def log_dataset(self, dataset):
        """Record the dataset as the run's input."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        config = self._config
        columns = [{"name": n, "type": "double", "required": True} for n in dataset.feature_names]
        columns.append({"name": "class", "type": "long", "required": True})
        entity = Dataset(
            name=config.dataset_name,
            digest=config.dataset_sha256[:DIGEST_LENGTH],
            source_type="s3",
            source=json.dumps({"uri": config.dataset_uri}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps({"num_rows": len(dataset.labels), "num_bytes": dataset.bytes}),
        )
        tags = [InputTag("mlflow.data.context", "training"), InputTag("sha256", config.dataset_sha256)]
        self._client.log_inputs(self.run_id, [DatasetInput(entity, tags)])

    def log_files(self, files):
        """Upload {artifact path: bytes}."""
        with tempfile.TemporaryDirectory() as folder:
            for path, raw in files.items():
                local = Path(folder, path)
                local.parent.mkdir(parents=True, exist_ok=True)
                local.write_bytes(raw)
            self._client.log_artifacts(self.run_id, folder)

    def log_model(self, estimator, signature):
        """Upload the fitted estimator as an MLflow model; return its URI."""
        import mlflow.sklearn

        info = mlflow.sklearn.log_model(
            estimator,
            name="model",
            signature=signature,
            # skops, the default, makes a forest twelve times as large and loads it only where its trees are trusted by
            # name. Reading a cloudpickle back runs code, so only the registry's own clients should; servers read
            # predictor.json.
            serialization_format="cloudpickle",
            # Given, because finding them out means importing the model once more in a second process.
            pip_requirements=_requirements(),
        )
        return info.model_uri, info.model_id

    def register(self, model_uri, model_id, metrics):
        """Create the next version of the registered model; return (version, the model's creation time in ms)."""
        from mlflow.exceptions import MlflowException

        name = self._config.model_name
        try:
            model = self._client.create_registered_model(name)
        except MlflowException as err:
            if err.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
                raise
            model = self._client.get_registered_model(name)
        tags = {k: v for k, v in self._config.tags.items() if v}
        tags |= {"benchtop.run_id": self.run_id} | {f"benchtop.metric.{k}": f"{v:.6g}" for k, v in metrics.items()}
        version = self._client.create_model_version(name, model_uri, self.run_id, tags=tags, model_id=model_id)
        return str(version.version), model.creation_timestamp

    def tag(self, key, value):
        self._client.set_tag(self.run_id, key, value[:MAX_TAG])

    def tag_version(self, version, key, value):
        """Tag a version. One whose model got another name, or was deleted, meanwhile goes without."""
        from mlflow.exceptions import MlflowException

        name = self._config.model_name
        try:
            self._client.set_model_version_tag(name, version, key, value[:MAX_TAG])
        except MlflowException as err:
            if access.refusal(err) != access.MISSING:
                raise
            log.warning(
                "model %s was renamed or deleted while its version %s was published; it goes without the tag %s",
                name,
                version,
                key,
            )

    def end(self, status):
        """End the run as FINISHED, FAILED or KILLED."""
        self._mlflow.end_run(status)

    def hurry(self):
        """Wait less for the registry from now on: Kubernetes kills 30 s after it asked to stop."""
        os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def wait(config):
    """Return once the registry answers with our credentials."""
    until_ready(f"the registry ({config.tracking_uri})", lambda: probe(config.tracking_uri), config.wait_seconds)


def probe(uri):
    """Raise NotReady, or Failure, unless the registry answers with our credentials."""
    request = urllib.request.Request(f"{uri}/api/2.0/mlflow/experiments/search?max_results=1")
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            json.load(answer)
    except urllib.error.HTTPError as err:
        if err.code in (401, 403):
            raise Failure(
                f"the registry at {uri} refused the trainer's credentials ({err.code}); "
                "check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            ) from err
        if err.code < 500 and err.code != 429:
            raise Failure(
                f"{uri} answers {err.code}, which no MLflow registry does; check MLFLOW_TRACKING_URI"
            ) from err
        raise NotReady(f"it answers {err.code}") from err
    except ValueError as err:
        raise Failure(f"{uri} does not answer in JSON; check MLFLOW_TRACKING_URI") from err
    except OSError as err:
        raise NotReady(str(getattr(err, "reason", err))) from err


def _requirements():
    from importlib.metadata import version

    names = ("mlflow-skinny", "scikit-learn", "numpy", "scipy", "pandas", "cloudpickle")
    return [f"{name}=={version(name)}" for name in names]
