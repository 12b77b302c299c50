"""Load the version that ought to be served and follow when another one is named.

Which one that is says a file outside the volume (shared/served.py); the volume only holds versions. A folder gets its
name `versions/<version>` when it is complete, so what is there is whole. The volume's version.txt and the model.json
beside it tell people what was trained last, and nothing here reads them.
"""

import logging
import math
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import light_model
import served
from version import LoadError, verify

log = logging.getLogger("server")

POLL_SECONDS = 0.2
# A version that isn't there may be on its way: it is looked for on every poll at first.
EAGER_SECONDS = 5.0
# A version that failed is tried again, in case the volume was at fault, but not on every poll.
RETRY_SECONDS = 5.0
ABSENT = ("missing", "run")
# How long a pyfunc model may take for one request; MLflow's server waits as long.
PREDICT_SECONDS = 60.0


def load(root, version, run_id="", abandoned=lambda: False, seconds=PREDICT_SECONDS):
    """Read and verify `versions/<version>` below root; raise LoadError when anything is off.

    Loading a pyfunc model takes a while; it ends early, with the reason "abandoned", once abandoned() is true. That is
    asked when such a model's files were found, and again and again until it is loaded.
    """

    def check():
        if abandoned():
            raise LoadError("abandoned", "another version is wanted by now")

    folder = Path(root) / "versions" / version
    description, predictor = verify(folder, version, run_id, check)
    if predictor is not None:
        return light_model.make(folder, description, predictor)
    # Imported when needed: most servers never serve one, and the memory of the whole appliance is budgeted.
    import pyfunc_model

    return pyfunc_model.make(folder, description, abandoned, seconds)


class ModelStore:
    """Holds the served model and swaps the reference when the file that names the version changes.

    A request takes the model once (`use`) and keeps it, so a swap never touches it. Loading happens in the watcher's
    thread. A pyfunc model whose process ended is loaded again.
    """

    def __init__(self, root, served_path, metrics, predict_seconds=PREDICT_SECONDS):
        self.root = Path(root)
        self.served_path = served_path
        self.current = None
        self.wanted = None  # the version that the file names, or None
        self.error = None  # why that version isn't served, or None
        self.loading = False  # whether that version was found and is being loaded, which may take minutes
        self._metrics = metrics
        self._predict_seconds = predict_seconds
        self._seen = None
        self._seen_at = 0.0
        self._retry_at = 0.0
        self._said = None  # the failure that was logged last, so that the same one isn't logged on every try
        self._mourned = None  # the model whose end was reported
        self._lock = threading.Lock()
        self._uses = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-watcher", daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()
        self._swap(None)

    @contextmanager
    def use(self):
        """The served model, or None. It stays until the last request that uses it is answered."""
        with self._lock:
            model = self.current
            self._uses[model] += 1
        try:
            yield model
        finally:
            with self._lock:
                self._uses[model] -= 1
                last = not self._uses[model] and model is not self.current
                if not self._uses[model]:
                    del self._uses[model]
            if last and model:
                model.close()

    def _swap(self, model):
        with self._lock:
            before, self.current = self.current, model
            unused = before is not None and before not in self._uses
        if unused:
            before.close()

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
        if again and now < self._retry_at and not self._died():
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

    def _died(self):
        """Whether the served model's process has ended; True once for each."""
        model = self.current
        if model is None or model is self._mourned or not model.failure:
            return False
        self._mourned = model
        self._failed("the model stopped", LoadError("stopped", model.failure))
        return True

    def _idle(self):
        # Nothing is wrong: nothing was put into service yet, or it was taken out, and what is loaded stays.
        self._settled()
        if self.current is None:
            log.info("waiting for a version to serve: %s does not exist yet", self.served_path)
            self.error = "no model version has been put into service yet"

    def _follow(self, want, again, now):
        before = self.current
        same = before and before.version == want.version and want.run_id in ("", before.run_id)
        if same and not before.failure:
            self._settled()
            return
        try:
            self._load(want, before, again, now)
        finally:
            # Last: whoever sees that nothing is being loaded also sees what came of it.
            self.loading = False

    def _load(self, want, before, again, now):
        try:
            model = load(self.root, want.version, want.run_id, lambda: self._abandoned(want), self._predict_seconds)
        except LoadError as err:
            if err.reason == "abandoned":
                return
            # The first failure of a version may be a read that raced with the pruning of a replaced one.
            eager = not again or (err.reason in ABSENT and now - self._seen_at < EAGER_SECONDS)
            # Counted from the end: loading may have taken longer than the pause.
            self._retry_at = now if eager else time.monotonic() + RETRY_SECONDS
            self._failed(f"can't serve version {want.version}", err)
            return
        # Metrics first: a request that sees the new version finds its counters.
        self._metrics.loaded(model)
        self._swap(model)
        self._settled()
        log.info(
            "serving %s version %s%s", model.name, model.version, f" instead of {before.version}" if before else ""
        )

    def _abandoned(self, want):
        """Whether what is being loaded is no longer wanted."""
        # The version is there: what was wrong before, mostly that it was missing, is no longer true.
        self.loading = True
        self.error = None
        if self._stop.is_set():
            return True
        try:
            raw = served.read(self.served_path)
            if raw is None or raw == self._seen[0]:
                return raw is None
            # The file says more than which version is served, and only that matters here.
            return served.parse(self.served_path, raw)[:2] != want[:2]
        except served.ServedError:
            return False

    def _settled(self):
        self.error = self._said = None
        self._metrics.load_recovered()
        self._retry_at = math.inf

    def _failed(self, what, err):
        self._metrics.load_failed(err.reason)
        if self._said != str(err):
            keeps = self.current and not self.current.failure
            keeps = f"; version {self.current.version} keeps serving" if keeps else ""
            log.error("%s: %s%s", what, err, keeps)
        self.error = self._said = str(err)
