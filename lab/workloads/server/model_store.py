"""Load the published model version and keep up with newer ones.

The trainer publishes `versions/<version>/` first and `version.txt` last, each by rename, so what version.txt names is
always whole. Everything is read from `versions/<version>/`; the copy of model.json beside version.txt is for people.
"""

import hashlib
import json
import logging
import math
import os
import re
import threading
import time
from pathlib import Path

from inputs import Expected
from predictor import Predictor, PredictorError

log = logging.getLogger("server")

POLL_SECONDS = 0.5
# A version that failed is tried again, in case the volume was at fault, but not on every poll.
RETRY_SECONDS = 5.0
MAX_FILE_BYTES = 64 << 20
TOLERANCE = 1e-9


class LoadError(Exception):
    """A published version can't be served. `reason` is a short label for metrics."""

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
        self.classes = predictor.classes
        self.expected = Expected(description["feature_names"], description["examples"][0]["x"])
        self.edges = [bins["edges"] for bins in description["baseline"]["features"]]
        self.loaded_at = time.time()


def load(root, version):
    """Read and verify `versions/<version>` below root; raise LoadError when anything is off."""
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
    """Holds the served model and swaps the reference when version.txt changes.

    A request takes `current` once and keeps it, so a swap never touches it. Loading happens in the watcher's thread.
    """

    def __init__(self, root, metrics):
        self.root = Path(root)
        self.current = None
        self.error = None  # why the newest published version isn't served, or None
        self._metrics = metrics
        self._seen = None
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
                log.exception("watch %s", self.root)
            if self._stop.wait(POLL_SECONDS):
                return

    def poll(self):
        """Look at version.txt once and load what it names if that is new."""
        path = self.root / "version.txt"
        try:
            with path.open() as file:
                # The inode too: a registry that starts over may publish the same number again.
                info = os.fstat(file.fileno())
                seen = (info.st_ino, info.st_mtime_ns, file.read(32).strip())
        except FileNotFoundError:
            if self._seen is None and self.error is None:
                log.info("waiting for the first model version: %s does not exist yet", path)
                self.error = "no model version has been published yet"
            return
        except (OSError, ValueError) as err:
            self._failed(LoadError("unreadable", f"read {path}: {err}"))
            return
        if seen == self._seen and time.monotonic() < self._retry_at:
            return
        new, self._seen = seen != self._seen, seen
        try:
            if not re.fullmatch(r"[1-9][0-9]{0,17}", seen[2]):
                raise LoadError("version", f"{path} holds {seen[2]!r}, expected a version number")
            model = load(self.root, seen[2])
        except LoadError as err:
            # The first failure of a version may be a read that raced with the pruning of a replaced one.
            self._retry_at = time.monotonic() + (0 if new else RETRY_SECONDS)
            self._failed(err)
            return
        # Metrics first: a request that sees the new version finds its counters.
        self._metrics.loaded(model)
        before, self.current, self.error = self.current, model, None
        self._retry_at = math.inf
        log.info(
            "serving %s version %s%s", model.name, model.version, f" instead of {before.version}" if before else ""
        )

    def _failed(self, err):
        self._metrics.load_failed(err.reason)
        if self.error != str(err):
            keeps = f"; version {self.current.version} keeps serving" if self.current else ""
            log.error("can't serve the newest model version: %s%s", err, keeps)
        self.error = str(err)
