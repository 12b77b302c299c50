"""Measure a model version before it is served, for the quality gates that ask for it.

This program's pod is the shadow pod: it brings the candidate, and the version that is served now, to its own folder,
starts the real server on each and asks it. What is measured:

latency_p95_ms                the 95th percentile of 200 requests, one after the other, of the version's own example
model_size_mb                 the bytes of the version's model artifact, in 1,000,000 bytes
feature_importance_stability  Spearman's rank correlation of the features' importances, candidate and served version
accuracy, f1_macro, log_loss  of both versions on the hold-out of the candidate's dataset, by the trainer's split

Environment: as for bring.py; BENCHTOP_SERVED_MODEL and BENCHTOP_SERVED_MODEL_VERSION name the version to compare with
(both empty: nothing is served); BENCHTOP_SERVER is the server's program (default /opt/benchtop-server/serve.py).

The findings are JSON in the container's termination message:

{"candidate": {metric: value}, "errors": {metric: reason}, "holdout": "30 rows of …",
 "against": version, "served": {metric: value}, "served_errors": {metric: reason}}

Exit codes as of bring.py. A version that can't be measured is a finding, with code 0: its errors say why.
"""

import contextlib
import dataclasses
import http.client
import json
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

# One thread, as in the trainer. Read by numpy on import.
for _key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_key, "1")

# Our own modules are imported now, not when needed: their folder is a ConfigMap, which may be replaced meanwhile.
import bring as bring_module  # noqa: E402
import config as config_module  # noqa: E402
import dataset as dataset_module  # noqa: E402
import job  # noqa: E402
import model as model_module  # noqa: E402
import private  # noqa: E402
import registry as registry_module  # noqa: E402
from failure import Failure, Invalid  # noqa: E402

log = logging.getLogger("trainer")

LATENCY, SIZE, STABILITY = "latency_p95_ms", "model_size_mb", "feature_importance_stability"
EVALUATED = ("accuracy", "f1_macro", "log_loss")
REQUESTS = 200
WARM_UP = 20
REPEATS = 5  # permutations of each feature
ROWS = 200  # in one request; the server takes more, but a body has its limit too
START_SECONDS = 180
MEGABYTE = 1_000_000
# Ten errors of this length fit into a termination message.
MAX_ERROR = 250


@dataclasses.dataclass(frozen=True)
class HoldOut:
    """The rows that the candidate's training has not seen: `split` has them, `label` says which they are."""

    split: object
    classes: list
    label: str


@dataclasses.dataclass(frozen=True)
class Source:
    """A dataset as dataset.fetch wants it described."""

    dataset_name: str
    dataset_uri: str
    dataset_sha256: str
    wait_seconds: float

    @property
    def dataset_bucket(self):
        return urlsplit(self.dataset_uri).netloc

    @property
    def dataset_key(self):
        return urlsplit(self.dataset_uri).path[1:]


class Findings:
    """What was measured of one version, and why the rest was not."""

    def __init__(self):
        self.metrics = {}
        self.errors = {}

    def attempt(self, names, action):
        """Note action()'s value for a name, or its {name: value} for several, or why there is none."""
        names = (names,) if isinstance(names, str) else names
        try:
            value = action()
        except Failure as err:
            for name in names:
                self.errors[name] = str(err)
            log.error("%s: not measured: %s", ", ".join(names), err)
            return
        found = value if isinstance(value, dict) else {names[0]: value}
        self.metrics |= found
        log.info(", ".join(f"{name} {number:.6g}" for name, number in found.items()))


class Shadow:
    """A version in the real server, which only this program can reach; brought and started by `with`."""

    def __init__(self, config, client, program, folder):
        self.config = dataclasses.replace(config, model_dir=folder)
        self.what = f"version {config.version} of model {config.name}"
        self._client = client
        self._program = program
        self._process = None
        self._connection = None
        self.description = None

    def __enter__(self):
        folder = self.config.model_dir
        folder.mkdir(parents=True, exist_ok=True)
        bring_module.bring(self.config, self._client)
        self.description = json.loads((folder / "versions" / self.config.version / "model.json").read_bytes())
        served = folder / "served.json"
        served.write_text(json.dumps({"version": self.config.version, "run_id": ""}))
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        # No credentials: what the server loads may be anybody's code.
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONDONTWRITEBYTECODE")
        env = {key: os.environ[key] for key in keep if key in os.environ} | {
            "BENCHTOP_DEPLOYMENT": "shadow",
            "BENCHTOP_MODEL_DIR": str(folder),
            "BENCHTOP_SERVED": str(served),
            "BENCHTOP_HOST": "127.0.0.1",
            "BENCHTOP_PORT": str(port),
            "BENCHTOP_DRAIN_SECONDS": "0",
        }
        command = [sys.executable, str(self._program)]
        # A session of its own, so that whatever it starts can be ended with it.
        self._process = subprocess.Popen(command, env=env, cwd="/", start_new_session=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._connection.close()
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            log.warning("the server of %s does not end, it is killed", self.what)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _wait(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise Invalid(f"the server ended with code {self._process.returncode} while it loaded {self.what}")
            try:
                health = self.ask("GET", "/healthz")
            except (OSError, http.client.HTTPException):
                self._connection.close()
                time.sleep(0.05)
                continue
            if health["version"] == self.config.version:
                return
            if health["wanted"] == self.config.version and health["load_error"]:
                raise Invalid(f"the server can't load {self.what}: {health['load_error']}")
            time.sleep(0.05)
        raise Invalid(f"the server had not loaded {self.what} after {START_SECONDS} s")

    def ask(self, method, path, body=None):
        """The answer's JSON; raise Invalid when the server refuses."""
        status, answer = self._request(method, path, body)
        if status != 200:
            raise Invalid(f"{self.what} answers {method} {path} with {status}: {answer.decode(errors='replace')[:150]}")
        return json.loads(answer)

    def _request(self, method, path, body):
        self._connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        response = self._connection.getresponse()
        return response.status, response.read()

    def latency(self):
        """The 95th percentile of a request's time, in ms, as a client on the same machine sees it."""
        body = self._example()
        times = []
        for n in range(WARM_UP + REQUESTS):
            begun = time.perf_counter()
            self.ask("POST", "/predict", body)
            if n >= WARM_UP:
                times.append(time.perf_counter() - begun)
        return sorted(times)[math.ceil(0.95 * REQUESTS) - 1] * 1000

    def _example(self):
        examples = self.description.get("examples")
        if examples and "x" in examples[0]:
            return json.dumps({"instances": [examples[0]["x"]]})
        # Of any other model the server knows an example of what it takes.
        try:
            document = self.ask("GET", "/openapi.json")
            content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
            return json.dumps(content["application/json"]["example"])
        except (Invalid, KeyError, TypeError) as err:
            raise Invalid(
                f"{self.what} has no example to ask the server for; log the model with input_example"
            ) from err

    def answers(self, rows, classes):
        """(class index per row, probabilities per row or None) as the server predicts them."""
        indexes, probabilities = [], []
        for i in range(0, len(rows), ROWS):
            body = json.dumps({"instances": [list(map(float, row)) for row in rows[i : i + ROWS]]})
            for found in self.ask("POST", "/predict", body)["predictions"]:
                index, probability = self._class(found, classes)
                indexes.append(index)
                probabilities.append(probability)
        return indexes, None if None in probabilities else probabilities

    def _class(self, found, classes):
        if isinstance(found, dict) and found.get("class") in classes and isinstance(found.get("probabilities"), dict):
            probabilities = found["probabilities"]
            return classes.index(found["class"]), [probabilities.get(name, 0.0) for name in classes]
        if isinstance(found, dict) and len(found) == 1:
            (found,) = found.values()  # a table with one column
        if isinstance(found, str) and found in classes:
            return classes.index(found), None
        if isinstance(found, int | float) and found in range(len(classes)):
            return int(found), None
        raise Invalid(
            f"{self.what} predicts {str(found)[:60]!r}, expected one of the dataset's classes "
            f"({', '.join(classes)}) or its index; only classifiers of the dataset can be judged on its hold-out"
        )


def size(client, config):
    """The bytes of the version's model artifact, in MB."""
    from botocore.exceptions import ClientError
    from mlflow.artifacts import list_artifacts
    from mlflow.exceptions import MlflowException

    what = f"version {config.version} of model {config.name}"
    root = f"models:/{config.name}/{config.version}"
    total, folders = 0, [root]
    try:
        while folders:
            for file in list_artifacts(artifact_uri=folders.pop()):
                if file.is_dir:
                    folders.append(f"{root}/{file.path}")
                else:
                    total += file.file_size or 0
    except (MlflowException, ClientError) as err:
        raise Invalid(f"the files of {what} can't be listed: {err}") from err
    if not total:
        source = client.get_model_version(config.name, config.version).source
        raise Invalid(f"{what} has no files at {source}; log the model, then register it")
    return total / MEGABYTE


def holdout(client, config):
    """The hold-out of the version's run: its dataset, split with the run's own parameters."""
    version = client.get_model_version(config.name, config.version)
    what = f"version {config.version} of model {config.name}"
    if not version.run_id:
        raise Invalid(f"{what} has no run, so that its dataset is not known; register a version from a run")
    run = client.get_run(version.run_id)
    sources = []
    for entry in run.inputs.dataset_inputs if run.inputs else []:
        tags = {tag.key: tag.value for tag in entry.tags}
        try:
            uri = json.loads(entry.dataset.source).get("uri", "")
        except (ValueError, AttributeError):
            uri = ""
        if uri.startswith("s3://") and tags.get("sha256"):
            sources.append(Source(entry.dataset.name, uri, tags["sha256"], config.wait_seconds))
    if len(sources) != 1:
        raise Invalid(
            f"run {version.run_id} of {what} names {len(sources)} datasets of the lab's store, expected one: an input "
            "with an s3:// source and the tag sha256, as the lab's trainer logs it"
        )
    try:
        given = run.data.params
        params = {"test_size": float(given["test_size"]), "random_state": int(given["random_state"])}
        if not 0 < params["test_size"] < 1:
            raise ValueError
    except (KeyError, ValueError):
        raise Invalid(
            f"run {version.run_id} of {what} has no parameters test_size (a share of the rows) and random_state (a "
            "whole number), so that its hold-out is not known; log them as the lab's trainer does"
        ) from None
    data = dataset_module.parse(dataset_module.fetch(sources[0]))
    split = model_module.split(data, params)
    return HoldOut(
        split,
        data.classes,
        f"{len(split.y_test)} held-out rows of dataset {sources[0].dataset_name} {sources[0].dataset_sha256[:12]}",
    )


def evaluate(shadow, held):
    """The trainer's metrics, of the server's answers to the hold-out."""
    indexes, probabilities = shadow.answers(held.split.x_test, held.classes)
    return model_module.metrics(held.split.y_test, indexes, probabilities, len(held.classes))


def stability(candidate, served, held):
    """Spearman's rank correlation of both versions' feature importances.

    Those that the models themselves have, if they are of one kind; else permutation importance on the hold-out.
    """
    names = candidate.description.get("feature_names")
    theirs = served.description.get("feature_names")
    if names and theirs and names != theirs:
        raise Invalid(f"{candidate.what} and {served.what} have different features, so that nothing can be compared")
    own = [shadow.description.get("feature_importances") or {} for shadow in (candidate, served)]
    if own[0].get("kind") and own[0]["kind"] == own[1].get("kind"):
        log.info("feature importances: %s", own[0]["kind"])
        values = [found["values"] for found in own]
    else:
        log.info("feature importances: by permutation")
        values = [permuted(shadow, held()) for shadow in (candidate, served)]
    if len(values[0]) < 2 or any(max(v) == min(v) for v in values):
        raise Invalid("every feature is as important as every other, so that there is no order to compare")
    from scipy.stats import spearmanr

    return float(spearmanr(*values).statistic)


def permuted(shadow, held):
    """How much worse the answers get when one feature's values are shuffled among the hold-out's rows."""
    import numpy as np

    x, y = held.split.x_test, held.split.y_test

    def loss(rows):
        indexes, probabilities = shadow.answers(rows, held.classes)
        found = model_module.metrics(y, indexes, probabilities, len(held.classes))
        return found.get("log_loss", -found["accuracy"])

    rng = np.random.default_rng(0)
    base, out = loss(x), []
    for column in range(x.shape[1]):
        worse = []
        for _ in range(REPEATS):
            shuffled = x.copy()
            shuffled[:, column] = rng.permutation(shuffled[:, column])
            worse.append(loss(shuffled) - base)
        out.append(float(np.mean(worse)))
    return out


def measure(config, served, client, program):
    """The findings on a candidate; served is the Bring of the version that is served, or None."""
    ours, theirs = Findings(), Findings()
    label = ""
    known = []

    def held():
        # Read once, and its error kept: several measurements need it.
        nonlocal label
        if not known:
            try:
                known.append(holdout(client, config))
                label = known[0].label
            except Failure as err:
                known.append(err)
        if isinstance(known[0], Failure):
            raise known[0]
        return known[0]

    def observe(findings, shadow):
        findings.attempt(LATENCY, shadow.latency)
        findings.attempt(EVALUATED, lambda: evaluate(shadow, held()))
        if "accuracy" in findings.metrics and "log_loss" not in findings.metrics:
            findings.errors["log_loss"] = f"{shadow.what} answers without probabilities"

    def compare(candidate):
        with Shadow(served, client, program, config.model_dir / "served") as other:
            observe(theirs, other)
            ours.attempt(STABILITY, lambda: stability(candidate, other, held))

    ours.attempt(SIZE, lambda: size(client, config))
    if served:
        theirs.attempt(SIZE, lambda: size(client, served))
    try:
        with Shadow(config, client, program, config.model_dir / "candidate") as candidate:
            observe(ours, candidate)
            if served:
                try:
                    compare(candidate)
                except Failure as err:
                    ours.errors[STABILITY] = str(err)
                    theirs.errors |= dict.fromkeys((LATENCY, *EVALUATED), str(err))
    except Failure as err:
        if err.exit_code != 2:
            raise
        log.error("%s", err)
        ours.errors |= dict.fromkeys((LATENCY, STABILITY, *EVALUATED), str(err))
    return report(ours, theirs, label, served)


def report(ours, theirs, label, served):
    """The findings as one document that fits into a termination message."""

    def part(metrics):
        return {name: float(f"{value:.6g}") for name, value in metrics.items() if math.isfinite(value)}

    def errors(found):
        # The same reason for several metrics is said once.
        by_reason = {}
        for name, reason in found.items():
            short = reason if len(reason) <= MAX_ERROR else reason[: MAX_ERROR - 1] + "…"
            by_reason.setdefault(short, []).append(name)
        return [{"metrics": names, "reason": reason} for reason, names in by_reason.items()]

    return {
        "candidate": part(ours.metrics),
        "errors": errors(ours.errors),
        "holdout": label,
        "against": int(served.version) if served else 0,
        "served": part(theirs.metrics),
        "served_errors": errors(theirs.errors),
    }


def work(env):
    config, served = config_module.read_measure(env)
    private.hide()
    registry_module.wait(config)
    client = registry_module.connect(config.tracking_uri).MlflowClient()
    found = measure(config, served, client, env.get("BENCHTOP_SERVER") or "/opt/benchtop-server/serve.py")
    return json.dumps(found, ensure_ascii=False)


def run(env):
    return job.run(env, work, "the version was not measured")


if __name__ == "__main__":
    sys.exit(job.main(run))
