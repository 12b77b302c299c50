"""Load the version that ought to be served and follow when another one is named.

Which one that is says a file outside the volume (shared/served.py); the volume only holds versions. A folder gets its
name `versions/<version>` when it is complete, so what is there is whole. The volume's version.txt and the model.json
beside it tell people what was trained last, and nothing here reads them.
"""

import hashlib
import json
import logging
import math
import threading
import time
from pathlib import Path

import served
from inputs import Expected
from predictor import Predictor, PredictorError

log = logging.getLogger("server")

POLL_SECONDS = 0.2
# A version that isn't there may be on its way: it is looked for on every poll at first.
EAGER_SECONDS = 5.0
# A version that failed is tried again, in case the volume was at fault, but not on every poll.
RETRY_SECONDS = 5.0
ABSENT = ("missing", "run")
MAX_FILE_BYTES = 64 << 20
TOLERANCE = 1e-9


class LoadError(Exception):
    """The version can't be served. `reason` is a short label for metrics."""

    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason


class LoadedModel:
    """One immutable version: description, predictor, and what the routes derive from them."""

    def __init__(self, description, predictor):
        self.description = description
        self.predictor = predictor
        self.name = description["name"]
        self.version = description["version"]
        self.run_id = description.get("run_id", "")
        self.classes = predictor.classes
        self.expected = Expected(description["feature_names"], description["examples"][0]["x"])
        self.edges = [bins["edges"] for bins in description["baseline"]["features"]]
        self.loaded_at = time.time()


def load(root, version, run_id=""):
    """Read and verify `versions/<version>` below root; raise LoadError when anything is off.

    A run_id names the run that the version must be of: numbers alone repeat when a registry starts over.
    """
    folder = Path(root) / "versions" / version
    description = _parse(folder / "model.json", _read(folder / "model.json"))
    try:
        name, feature_names, examples = (description[k] for k in ("name", "feature_names", "examples"))
        file = description["predictor"]["file"]
        digest = description["predictor"]["sha256"]
        if description["version"] != version or not isinstance(name, str) or not examples or "/" in file:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise LoadError("description", f"{folder / 'model.json'} does not describe version {version}") from None
    found = description.get("run_id", "")
    if run_id and found != run_id:
        raise LoadError(
            "run",
            f"{folder} holds another run's version {version}: it is of run {found!r}, expected {run_id!r}; the folder "
            "belongs to an earlier registry, bring this registry's version to the volume",
        )
    raw = _read(folder / file)
    found = hashlib.sha256(raw).hexdigest()
    if found != digest:
        raise LoadError("digest", f"{folder / file} has sha256 {found}, model.json says {digest}: the file is damaged")
    try:
        predictor = Predictor(_parse(folder / file, raw))
        _check(predictor, description, feature_names, examples)
        return LoadedModel(description, predictor)
    except (PredictorError, KeyError, TypeError, IndexError) as err:
        raise LoadError("predictor", f"{folder / file} can't be used: {err}") from err


def _check(predictor, description, feature_names, examples):
    if len(feature_names) != predictor.n_features or description["classes"] != predictor.classes:
        raise PredictorError("features or classes differ from model.json")
    if len(description["baseline"]["features"]) != predictor.n_features:
        raise PredictorError("model.json's baseline has another number of features")
    for example in examples:
        got = predictor.predict(example["x"])[1]
        want = example["probabilities"]
        if not all(math.isclose(g, w, abs_tol=TOLERANCE) for g, w in zip(got, want, strict=True)):
            raise PredictorError(f"it predicts {got} where scikit-learn predicted {want}")


def _read(path):
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise LoadError("too_large", f"{path} is larger than {MAX_FILE_BYTES} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        raise LoadError("missing", f"{path} is missing") from None
    except OSError as err:
        raise LoadError("unreadable", f"read {path}: {err.strerror}") from err


def _parse(path, raw):
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as err:
        raise LoadError("json", f"{path} is not JSON: {err}") from err


class ModelStore:
    """Holds the served model and swaps the reference when the file that names the version changes.

    A request takes `current` once and keeps it, so a swap never touches it. Loading happens in the watcher's thread.
    """

    def __init__(self, root, served_path, metrics):
        self.root = Path(root)
        self.served_path = served_path
        self.current = None
        self.wanted = None  # the version that the file names, or None
        self.error = None  # why that version isn't served, or None
        self._metrics = metrics
        self._seen = None
        self._seen_at = 0.0
        self._retry_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-watcher", daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while True:
            try:
                self.poll()
            except Exception:
                # Whatever happens, the loaded model keeps serving and the watch goes on.
                log.exception("watch %s", self.served_path)
            if self._stop.wait(POLL_SECONDS):
                return

    def poll(self):
        """Look once at which version ought to be served and load it if that is another one."""
        raw = problem = want = None
        try:
            raw = served.read(self.served_path)
            want = served.parse(self.served_path, raw) if raw is not None else None
        except served.ServedError as err:
            problem = err
        seen = (raw, str(problem))
        now, again = time.monotonic(), seen == self._seen
        if again and now < self._retry_at:
            return
        if not again:
            self._seen, self._seen_at, self._retry_at = seen, now, 0.0
        self.wanted = want.version if want else None
        if problem:
            self._retry_at = now + RETRY_SECONDS
            self._failed("the version to serve is unknown", problem)
        elif want:
            self._follow(want, again, now)
        else:
            self._idle()

    def _idle(self):
        # Nothing is wrong: nothing was put into service yet, or it was taken out, and what is loaded stays.
        self._settled()
        if self.current is None:
            log.info("waiting for a version to serve: %s does not exist yet", self.served_path)
            self.error = "no model version has been put into service yet"

    def _follow(self, want, again, now):
        before = self.current
        if before and before.version == want.version and want.run_id in ("", before.run_id):
            self._settled()
            return
        try:
            model = load(self.root, want.version, want.run_id)
        except LoadError as err:
            # The first failure of a version may be a read that raced with the pruning of a replaced one.
            eager = not again or (err.reason in ABSENT and now - self._seen_at < EAGER_SECONDS)
            self._retry_at = now if eager else now + RETRY_SECONDS
            self._failed(f"can't serve version {want.version}", err)
            return
        # Metrics first: a request that sees the new version finds its counters.
        self._metrics.loaded(model)
        self.current = model
        self._settled()
        log.info(
            "serving %s version %s%s", model.name, model.version, f" instead of {before.version}" if before else ""
        )

    def _settled(self):
        self.error = None
        self._metrics.load_recovered()
        self._retry_at = math.inf

    def _failed(self, what, err):
        self._metrics.load_failed(err.reason)
        if self.error != str(err):
            keeps = f"; version {self.current.version} keeps serving" if self.current else ""
            log.error("%s: %s%s", what, err, keeps)
        self.error = str(err)
