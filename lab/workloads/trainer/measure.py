"""Measure a model version before it is served, for the quality gates that ask for it.

This program's pod is the shadow pod: it brings the candidate, and the version that is served now, to its own folder,
starts the real server on each and asks it. What is measured:

latency_p95_ms                the 95th percentile of 200 requests, one after the other, of the version's own example
model_size_mb                 the bytes of the version's model artifact, in 1,000,000 bytes
feature_importance_stability  Spearman's rank correlation of the features' importances, candidate and served version
accuracy, f1_macro, log_loss  of both versions on the hold-out of the candidate's dataset, by the trainer's split

Environment: as for bring.py; BENCHTOP_SERVED_MODEL and BENCHTOP_SERVED_MODEL_VERSION name the version to compare with
(both empty: nothing is served); BENCHTOP_SERVER is the server's program (default /opt/benchtop-server/serve.py);
BENCHTOP_MEASURE has the metrics that are asked for, with commas (default: all); BENCHTOP_MEASURE_SECONDS is how long
measuring may take once the registry answers (default 420). When that is over, what was measured is reported, and of the
rest what took the time.

The findings are JSON in the container's termination message:

{"candidate": {metric: value}, "errors": [{"metrics": [metric, …], "reason": reason}, …], "holdout": "30 rows of …",
 "against": version, "served": {metric: value}, "served_errors": as errors}

"against" is 0 where nothing is served, and "holdout" is empty where no dataset was read.

Exit codes as of bring.py. A version that can't be measured is a finding, with code 0: its errors say why. A registry or
an object store that can't be reached, or does not accept the key, says nothing about the version: that is code 1, and
nothing is found.
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
import threading
import time
from urllib.parse import urlsplit

# One thread, as in the trainer. Read by numpy on import.
for _key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_key, "1")

# Our own modules are imported now, not when needed: their folder is a ConfigMap, which may be replaced meanwhile.
import access  # noqa: E402
import bring as bring_module  # noqa: E402
import config as config_module  # noqa: E402
import dataset as dataset_module  # noqa: E402
import job  # noqa: E402
import model as model_module  # noqa: E402
import model_files  # noqa: E402
import packages  # noqa: E402
import private  # noqa: E402
import registry as registry_module  # noqa: E402
from config import EVALUATED, LATENCY, SIZE, STABILITY  # noqa: E402
from failure import Failure, Invalid, Refused  # noqa: E402

log = logging.getLogger("trainer")

REQUESTS = 200
WARM_UP = 20
REPEATS = 5  # permutations of each feature
ROWS = 200  # in one request; the server takes more, but a body has its limit too
START_SECONDS = 180
REQUEST_SECONDS = 60
MEGABYTE = 1_000_000
# A reason's bytes, the first that lets the report fit into a termination message.
MAX_ERROR = (400, 250, 150, 80, 40)
MAX_LABEL = 200


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


def is_verdict(err):
    """Whether an error says something about what is measured; else it is worth a retry, and no finding."""
    return isinstance(err, Refused) or (isinstance(err, Failure) and err.exit_code == 2)


class Findings:
    """What was measured of one version, of the metrics that are asked for, and why the rest was not."""

    def __init__(self, asked):
        self.asked = tuple(asked)
        self.metrics = {}
        self.errors = {}

    def wants(self, *names):
        """The names among these that are asked for."""
        return [name for name in names if name in self.asked]

    def missing(self):
        """The names that have neither a value nor an error."""
        return [name for name in self.asked if name not in self.metrics and name not in self.errors]

    def fail(self, names, reason):
        """Note why there is no value for some of the names, unless that is known."""
        for name in self.wants(*names):
            if name not in self.metrics:
                self.errors.setdefault(name, reason)

    def attempt(self, names, action):
        """Note action()'s value for a name, or its {name: value} for several, or why there is none."""
        names = self.wants(*((names,) if isinstance(names, str) else names))
        if not names:
            return
        try:
            value = action()
        except Failure as err:
            if not is_verdict(err):
                raise
            self._failed(names, str(err))
            return
        except (ArithmeticError, LookupError, TypeError, ValueError) as err:
            # What a model answers may be anything. One measurement that stumbles over it must not cost the others.
            log.exception("measuring %s", ", ".join(names))
            self._failed(names, f"measuring it failed: {type(err).__name__}: {err}")
            return
        found = value if isinstance(value, dict) else {names[0]: value}
        found = {name: number for name, number in found.items() if name in names}
        self.metrics |= found
        log.info(", ".join(f"{name} {number:.6g}" for name, number in found.items()))

    def _failed(self, names, reason):
        self.fail(names, reason)
        log.error("%s: not measured: %s", ", ".join(names), reason)


class Shadow:
    """A version in the real server, which only this program can reach; brought and started by `with`."""

    _running = set()  # noqa: RUF012

    @classmethod
    def end_all(cls):
        """End the servers that another thread has started, and which it does not come to end."""
        for process in list(cls._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

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
        keep += (packages.VARIABLE,)
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
        self._running.add(self._process)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
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
        self._running.discard(self._process)

    def _wait(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise Invalid(f"the server ended with code {self._process.returncode} while it loaded {self.what}")
            try:
                _, answer = self._request("GET", "/healthz", None)
                health = json.loads(answer)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
                continue
            if health["version"] == self.config.version:
                return
            if health["wanted"] == self.config.version and health["load_error"]:
                raise Invalid(f"the server can't load {self.what}: {health['load_error']}")
            time.sleep(0.05)
        raise Invalid(f"the server had not loaded {self.what} after {START_SECONDS} s")

    def ask(self, method, path, body=None):
        """The answer's JSON; raise Invalid when the server refuses, or does not answer."""
        try:
            status, answer = self._request(method, path, body)
        except TimeoutError as err:
            raise Invalid(
                f"{self.what} did not answer {method} {path} within {self._connection.timeout:g} s; a smaller model "
                "answers sooner"
            ) from err
        except (OSError, http.client.HTTPException) as err:
            how = f"{type(err).__name__}: {err}"
            if self._process.poll() is not None:
                how = f"the server ended with code {self._process.returncode}"
            raise Invalid(f"{self.what} broke off while it was to answer {method} {path}: {how}") from err
        if status != 200:
            raise Invalid(f"{self.what} answers {method} {path} with {status}: {answer.decode(errors='replace')[:150]}")
        return json.loads(answer)

    def _request(self, method, path, body):
        try:
            self._connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            # The next request opens another, which does not get this one's answer.
            self._connection.close()
            raise

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
            predictions = self.ask("POST", "/predict", body)["predictions"]
            asked = len(rows[i : i + ROWS])
            if not isinstance(predictions, list) or len(predictions) != asked:
                count = len(predictions) if isinstance(predictions, list) else "no list of"
                raise Invalid(f"{self.what} answers {asked} rows with {count} predictions, expected one for each")
            for found in predictions:
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
    what = f"version {config.version} of model {config.name}"
    version = bring_module.find(config, client, what)
    files = model_files.sizes(model_files.repository(config, client, version, what), version, what)
    total = sum(files.values())
    if not total:
        raise Invalid(f"{what} has no files at {version.source}; log the model, then register it")
    return total / MEGABYTE


def holdout(client, config):
    """The hold-out of the version's run: its dataset, split with the run's own parameters."""
    what = f"version {config.version} of model {config.name}"
    version = bring_module.find(config, client, what)
    if not config_module.run_id(version.run_id or ""):
        raise Invalid(f"{what} has no run, so that its dataset is not known; register a version from a run")
    run = _run(client, version.run_id, what)
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


def _run(client, run_id, what):
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as err:
        if not access.refusal(err):
            raise
        raise Refused(
            f"run {run_id} of {what} can't be read, so that its dataset is not known: {err.message}; register a "
            "version from a run of the project"
        ) from err


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


class Measuring:
    """The measurements of a candidate, the cheap ones first; served is the Bring of the served version, or None.

    Another thread may ask at any time for what was found so far.
    """

    def __init__(self, config, served, client, program, asked):
        self._config, self._served, self._client, self._program = config, served, client, program
        self.ours = Findings(asked)
        self.theirs = Findings([name for name in asked if name != STABILITY] if served else [])
        self._label = ""
        self._held = None
        self._doing = "it began"

    def run(self):
        """Measure all that is asked for."""
        for findings, config in ((self.ours, self._config), (self.theirs, self._served)):
            if findings.wants(SIZE):
                self._do("the files were listed of", config)
                findings.attempt(SIZE, lambda config=config: size(self._client, config))
        if not self.ours.missing():
            return
        try:
            with self._shadow(self._config, "candidate") as candidate:
                self._latency(self.ours, candidate)
                if self._served:
                    self._compare(candidate)
                else:
                    self._evaluate(self.ours, candidate)
        except Failure as err:
            if not is_verdict(err):
                raise
            log.error("%s", err)
            self.ours.fail(self.ours.asked, str(err))

    def _compare(self, candidate):
        try:
            with self._shadow(self._served, "served") as other:
                self._latency(self.theirs, other)
                self._evaluate(self.ours, candidate)
                self._evaluate(self.theirs, other)
                self._do("feature importances were compared of", candidate.config)
                self.ours.attempt(STABILITY, lambda: stability(candidate, other, self._hold_out))
        except Failure as err:
            if not is_verdict(err):
                raise
            log.error("%s", err)
            self.theirs.fail(self.theirs.asked, str(err))
            self.ours.fail([STABILITY], str(err))
            self._evaluate(self.ours, candidate)

    def _shadow(self, config, folder):
        self._do("it was brought and loaded:", config)
        return Shadow(config, self._client, self._program, self._config.model_dir / folder)

    def _latency(self, findings, shadow):
        self._do("the latency was measured of", shadow.config)
        findings.attempt(LATENCY, shadow.latency)

    def _evaluate(self, findings, shadow):
        self._do("the hold-out was evaluated with", shadow.config)
        findings.attempt(EVALUATED, lambda: evaluate(shadow, self._hold_out()))
        if "log_loss" in findings.missing():
            findings.fail(["log_loss"], f"{shadow.what} answers without probabilities")

    def _hold_out(self):
        # Read once, and what is wrong with it kept: several measurements need it.
        if self._held is None:
            try:
                self._held = holdout(self._client, self._config)
                self._label = self._held.label
            except Failure as err:
                if not is_verdict(err):
                    raise
                self._held = err
        if isinstance(self._held, Failure):
            raise self._held
        return self._held

    def _do(self, what, config):
        self._doing = f"{what} version {config.version} of model {config.name}"

    def give_up(self, seconds):
        """Note of what is missing that the time is over, and what took it."""
        reason = (
            f"the {seconds:g} s that measuring may take were over while {self._doing}; a model that is smaller, or "
            "that answers sooner, takes less"
        )
        log.error("%s", reason)
        self.ours.fail([n for n in self.ours.missing() if self._served or n != STABILITY], reason)
        self.theirs.fail(self.theirs.missing(), reason)

    def report(self):
        """What was found so far, as JSON that fits into a termination message."""
        return report(self.ours, self.theirs, self._label, self._served)


def report(ours, theirs, label, served):
    """The findings as one JSON document of at most job.MAX_MESSAGE bytes; reasons are cut as far as that takes."""

    def part(metrics):
        return {name: float(f"{value:.6g}") for name, value in dict(metrics).items() if math.isfinite(value)}

    def errors(found, longest):
        # The same reason for several metrics is said once.
        by_reason = {}
        for name, reason in dict(found).items():
            by_reason.setdefault(job.shorten(reason, longest), []).append(name)
        return [{"metrics": names, "reason": reason} for reason, names in by_reason.items()]

    for longest in MAX_ERROR:
        text = json.dumps(
            {
                "candidate": part(ours.metrics),
                "errors": errors(ours.errors, longest),
                "holdout": job.shorten(label, MAX_LABEL),
                "against": int(served.version) if served else 0,
                "served": part(theirs.metrics),
                "served_errors": errors(theirs.errors, longest),
            },
            ensure_ascii=False,
        )
        if len(job.encode(text)) <= job.MAX_MESSAGE:
            return text
    raise AssertionError("eleven reasons of 40 bytes fit, whatever is in them")


def work(env):
    config, served, asked, seconds = config_module.read_measure(env)
    private.hide()
    registry_module.wait(config)
    client = registry_module.connect(config.tracking_uri).MlflowClient()
    program = env.get("BENCHTOP_SERVER") or "/opt/benchtop-server/serve.py"
    measuring = Measuring(config, served, client, program, asked)
    failed = []

    def measure():
        try:
            measuring.run()
        except BaseException as err:
            failed.append(err)

    # In a thread, since nothing ends a download or a model that hangs: when the time is over it is left behind.
    thread = threading.Thread(target=measure, name="measure", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        # A registry or an object store that is away by now may be what took the time. That is worth a retry, and no
        # finding.
        registry_module.probe(config.tracking_uri)
        dataset_module.probe()
        measuring.give_up(seconds)
    elif failed:
        raise failed[0]
    return measuring.report()


def run(env):
    return job.run(env, work, "the version was not measured")


def main():
    try:
        code = job.main(run)
    except SystemExit as err:
        code = err.code
    finally:
        Shadow.end_all()
    # Neither a thread that was left behind nor one of MLflow's, which wait for their downloads, keeps the process.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
