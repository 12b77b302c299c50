"""An MLflow pyfunc model: asked in a process of its own, one request at a time, because models need not be thread-safe.

This module is imported when the first such model is loaded.
"""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import expected
from errors import ApiError
from pyfunc_folder import FOLDER
from pyfunc_process import AbandonedError, CanNotLoadError, Process, StoppedError
from version import LoadError

# More would only wait longer than callers do.
MAX_QUEUED = 32


class PyfuncModel:
    """One version with its process. `failure` says why it no longer answers, or is None."""

    classes = ()
    edges = ()

    def __init__(self, description, process, seconds):
        self.description = description
        self.name = description["name"]
        self.version = description["version"]
        self.run_id = description.get("run_id", "")
        self.expected = expected.of_signature(
            description.get("signature"), description.get("example"), description.get("type_hint", False)
        )
        self.loaded_at = time.time()
        self.process = process
        self._seconds = seconds
        self._stopped = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._queued = 0

    @property
    def failure(self):
        if self._stopped is None and not self.process.alive():
            self._stopped = self.process.end()
        return f"the process of version {self.version} {self._stopped}" if self._stopped else None

    async def predict(self, rows, metrics):
        """{"predictions"} as JSON."""
        header, answer = await self._ask({"op": "predict"}, json.dumps(rows.document()).encode())
        if header.get("kind") == "input":
            raise self.expected.error(f"MLflow refuses the input: {header['message']}")
        if "kind" in header:
            raise self.expected.error(f"the model failed on this input: {header['message']}", "model_failed")
        metrics.answered_rows(self, header["rows"])
        return b'{"predictions":' + answer + b"}"

    async def invocations(self, content_type, body, metrics):
        """(status, media type, body) of MLflow's own scoring server."""
        header, answer = await self._ask({"op": "invocations", "content_type": content_type}, body)
        if header["status"] == 200:
            metrics.answered_rows(self, header["rows"])
        return header["status"], header.get("mimetype", "application/json"), answer

    async def _ask(self, request, body):
        if self._queued >= MAX_QUEUED:
            raise ApiError(
                503,
                "busy",
                f"{self._queued} requests are waiting for the model already, which takes one at a time; try again "
                "later, or run more replicas",
                headers={"retry-after": "1"},
            )
        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self.process.call, request, body, self._seconds
            )
        except StoppedError as err:
            self._stopped = str(err)
            raise ApiError(
                503, "model_stopped", f"{self.failure}; it is being loaded again", headers={"retry-after": "5"}
            ) from err
        finally:
            self._queued -= 1

    def facts(self):
        """What GET / says about it."""
        facts = ("flavors", "signature", "warnings", "mlflow_version")
        return {"features": getattr(self.expected, "names", None)} | {k: self.description.get(k) for k in facts}

    def close(self):
        """End the process. Nobody is waiting for it any more."""
        self._thread.shutdown(wait=False)
        self.process.close()


def make(folder, description, abandoned, seconds):
    """Start the version's process; raise LoadError when its model can't be loaded."""
    try:
        return PyfuncModel(description, Process(folder / FOLDER, abandoned=abandoned), seconds)
    except CanNotLoadError as err:
        raise LoadError("model", f"version {description['version']} is not served: {err}") from err
    except AbandonedError as err:
        raise LoadError("abandoned", "another version is wanted by now") from err
    except OSError as err:
        raise LoadError("model", f"a process for version {description['version']} can't be started: {err}") from err
