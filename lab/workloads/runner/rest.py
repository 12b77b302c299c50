"""The registry's REST calls that a run needs from outside of the script.

Not mlflow: that costs 2 s and 100 MB, which the script beside us has better use for.
"""

import base64
import http.client
import json
import logging
import os
import time
import urllib.error
import urllib.parse
import urllib.request

import registry
from failure import Failure, Refused
from retry import NotReady, until_ready

log = logging.getLogger("trainer")

MAX_TAG = registry.MAX_TAG


class Answer(Failure):
    """The registry has answered, with an error."""

    def __init__(self, call, status, code, message):
        super().__init__(f"{call}: the registry answers {status} {code}: {message}")
        self.code = code


class Registry:
    """The registry, and in it the run of this Job."""

    def __init__(self, pushed):
        self._pushed = pushed
        self._seconds = 60
        self.run_id = self.experiment_id = None

    def start(self):
        """Create the run, tagged with its lineage, in an experiment that is made if it must be."""
        name = self._pushed.experiment
        experiment = self._experiment(name)
        if experiment.get("lifecycle_stage") == "deleted":
            raise Failure(f"experiment {name!r} is deleted; restore it, or train into another one")
        self.experiment_id = experiment["experiment_id"]
        job = self._pushed.job or f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        tags = _pairs({key: value for key, value in self._pushed.tags.items() if value})
        body = {
            "experiment_id": self.experiment_id,
            "start_time": _now(),
            "run_name": job,
            "user_id": self._pushed.project,
            "tags": tags,
        }
        run = self.call("runs/create", body)["run"]
        self.run_id = run["info"]["run_id"]
        log.info("run %s (%s) in experiment %s", self.run_id, job, name)

    def _experiment(self, name):
        query = "experiments/get-by-name?" + urllib.parse.urlencode({"experiment_name": name})
        try:
            return self.call(query)["experiment"]
        except Answer as err:
            if err.code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                raise
        try:
            return {"experiment_id": self.call("experiments/create", {"name": name})["experiment_id"]}
        except Answer as err:
            if err.code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Another Job was a moment earlier.
            return self.call(query)["experiment"]

    def run(self, run_id=None):
        """A run as the registry has it."""
        query = urllib.parse.urlencode({"run_id": run_id or self.run_id})
        return self.call(f"runs/get?{query}")["run"]

    def metrics(self, run_id):
        """{name: last value} of a run."""
        return {entry["key"]: float(entry["value"]) for entry in self.run(run_id)["data"].get("metrics", [])}

    def below(self, tags):
        """The id of a new run below the Job's, that has ended."""
        tags = _pairs(tags | {"mlflow.parentRunId": self.run_id})
        body = {"experiment_id": self.experiment_id, "start_time": _now(), "run_name": "model", "tags": tags}
        run_id = self.call("runs/create", body)["run"]["info"]["run_id"]
        self.call("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": _now()})
        return run_id

    def tag(self, key, value):
        self.call("runs/set-tag", {"run_id": self.run_id, "key": key, "value": value[:MAX_TAG]})

    def inputs(self, run_id, datasets):
        """Log datasets as inputs of a run, a hundred at a time."""
        for start in range(0, len(datasets), 100):
            self.call("runs/log-inputs", {"run_id": run_id, "datasets": datasets[start : start + 100]})

    def end(self, status):
        """End the run as FINISHED, FAILED or KILLED."""
        self.call("runs/update", {"run_id": self.run_id, "status": status, "end_time": _now()})

    def register(self, logged, run_id, metrics):
        """Create the next version of the project's model from a model that was logged; return its number."""
        name = self._pushed.model_name
        try:
            self.call("registered-models/create", {"name": name})
        except Answer as err:
            if err.code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
                raise
        tags = self.version_tags() | metric_tags(metrics)
        body = {"name": name, "tags": _pairs(tags)}
        if logged.model_id:
            body |= {"source": f"models:/{logged.model_id}", "model_id": logged.model_id}
        else:
            owner, _, path = logged.uri.removeprefix("runs:/").partition("/")
            body["source"] = f"{self.run(owner)['info']['artifact_uri'].rstrip('/')}/{path}"
        if run_id:
            body["run_id"] = run_id
        return str(self.call("model-versions/create", body)["model_version"]["version"])

    def tag_version(self, version, tags):
        for key, value in tags.items():
            body = {"name": self._pushed.model_name, "version": version, "key": key, "value": value[:MAX_TAG]}
            self.call("model-versions/set-tag", body)

    def version_tags(self):
        """What every version of this Job is tagged with."""
        tags = {key: value for key, value in self._pushed.tags.items() if value and key.startswith("benchtop.")}
        return tags | {"benchtop.run_id": self.run_id}

    def hurry(self):
        """Wait less for the registry from now on: Kubernetes kills 30 s after it asked to stop."""
        self._seconds = 5

    def call(self, path, body=None):
        """The answer to a call; raise Answer for an error of the registry's, NotReady if it can't be asked."""
        uri = f"{self._pushed.tracking_uri}/api/2.0/mlflow/{path}"
        name = path.partition("?")[0]

        def ask():
            request = urllib.request.Request(uri, None if body is None else json.dumps(body).encode())
            request.add_header("Content-Type", "application/json")
            user, password = (os.environ.get(f"MLFLOW_TRACKING_{key}") for key in ("USERNAME", "PASSWORD"))
            if user and password:
                token = base64.b64encode(f"{user}:{password}".encode()).decode()
                request.add_header("Authorization", f"Basic {token}")
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as err:
                text = err.read(4096).decode(errors="replace")
                if err.code >= 500 or err.code == 429:
                    raise NotReady(f"it answers {err.code}: {text[:200]}") from err
                raise _error(name, err.code, text) from err
            except (OSError, http.client.HTTPException) as err:
                raise NotReady(str(getattr(err, "reason", err))) from err
            except ValueError as err:
                raise NotReady("it does not answer in JSON") from err

        return until_ready(f"the registry ({name})", ask, self._seconds)


def _error(name, status, text):
    try:
        found = json.loads(text)
    except ValueError:
        found = {}
    code, message = found.get("error_code", ""), found.get("message", text[:200])
    if code == "PERMISSION_DENIED":
        return Refused(f"{name}: the registry does not let the key of this Job do this: {message}")
    return Answer(name, status, code, message)


def metric_tags(metrics):
    """A run's metrics as tags of its version, as many as people read."""
    return {f"benchtop.metric.{name}": f"{metrics[name]:.6g}" for name in sorted(metrics)[:20]}


def _pairs(values):
    return [{"key": key, "value": str(value)[:MAX_TAG]} for key, value in values.items()]


def _now():
    return int(time.time() * 1000)
