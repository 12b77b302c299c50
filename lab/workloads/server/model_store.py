"""Load the version that ought to be served and follow when another one is named.

Which one that is says a file outside the volume (shared/served.py); the volume only holds versions. A folder gets its
name `versions/<version>` when it is complete, so what is there is whole. The volume's version.txt and the model.json
beside it tell people what was trained last, and nothing here reads them.
"""

import logging
import math
import threading
import time
from pathlib import Path

import served
from inputs import Expected
from version import LoadError, verify

log = logging.getLogger("server")

POLL_SECONDS = 0.2
# A version that isn't there may be on its way: it is looked for on every poll at first.
EAGER_SECONDS = 5.0
# A version that failed is tried again, in case the volume was at fault, but not on every poll.
RETRY_SECONDS = 5.0
ABSENT = ("missing", "run")


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
    """Read and verify `versions/<version>` below root; raise LoadError when anything is off."""
    folder = Path(root) / "versions" / version
    description, predictor = verify(folder, version, run_id)
    try:
        return LoadedModel(description, predictor)
    except (KeyError, TypeError, IndexError) as err:
        raise LoadError("predictor", f"{folder} can't be used: {err!r} is not in model.json as expected") from err


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
