"""A process that holds one MLflow pyfunc model (pyfunc_worker.py): start it, ask it, end it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

# Read now, not when needed: our folder is a ConfigMap, which may be replaced meanwhile.
WORKER = Path(__file__).with_name("pyfunc_worker.py").read_text()
LOAD_SECONDS = 300.0
STEP_SECONDS = 0.1
# Where the image's environment is: its packages come before the lab's in the model's process, and in no other of ours.
ENVIRONMENT = "BENCHTOP_ENVIRONMENT_PATH"
# The model's process gets none of these: addresses and keys are the lab's, and a model needs none of them.
PRIVATE = ("AWS_", "BENCHTOP_", "MLFLOW_")


class CanNotLoadError(Exception):
    """The model can't be loaded, or not predict its input example; `module` is the module that it misses, or None."""

    def __init__(self, message, module=None):
        super().__init__(message)
        self.module = module


class StoppedError(Exception):
    """The process ended, or was ended because it did not answer."""


class AbandonedError(Exception):
    """Nobody waits for the model any more."""


class Process:
    """A model's process. `described` is what the model says about itself. One thread at a time may call."""

    def __init__(self, folder, seconds=LOAD_SECONDS, abandoned=lambda: False):
        """Load the model; raise CanNotLoadError, or AbandonedError as soon as abandoned() is true."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", WORKER, str(theirs.fileno()), str(folder)],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._connection = Connection(ours.detach())
        try:
            self.described = self._loaded(seconds, abandoned)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self):
        return self._process.pid

    def _loaded(self, seconds, abandoned):
        end = time.monotonic() + seconds
        while not self._connection.poll(STEP_SECONDS):
            if abandoned():
                raise AbandonedError
            if time.monotonic() > end:
                raise CanNotLoadError(f"it was not loaded within {seconds:g} s")
        try:
            first = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise CanNotLoadError(f"its process {self._end()} while loading it") from None
        if not first["loaded"]:
            raise CanNotLoadError(first["message"], first["module"])
        return first

    def call(self, request, body, seconds):
        """(header, body) of the answer; raise StoppedError."""
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            self._connection.send_bytes(body)
            if not self._connection.poll(seconds):
                self._process.kill()
                raise StoppedError(f"did not answer within {seconds:g} s and was ended")
            return json.loads(self._connection.recv_bytes()), self._connection.recv_bytes()
        except (EOFError, OSError):
            raise StoppedError(self._end()) from None

    def alive(self):
        return self._process.poll() is None

    def end(self):
        """How the process ended; only when it did."""
        return self._end()

    def _end(self):
        code = self._process.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")

    def close(self):
        """End the process; what it is doing is lost."""
        self._connection.close()
        self._process.kill()
        self._process.wait()


def _environment():
    kept = {k: v for k, v in os.environ.items() if not k.startswith(PRIVATE)}
    paths = [path for path in (os.environ.get(ENVIRONMENT), os.environ.get("PYTHONPATH")) if path]
    path = {"PYTHONPATH": os.pathsep.join(paths)} if paths else {}
    threads = {k: "1" for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if k not in kept}
    return (
        kept
        | path
        | threads
        | {
            # Without git in the image its Python client would complain on import.
            "GIT_PYTHON_REFRESH": "quiet",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            # The folder is read-only for servers, and its digest covers every file.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
    )
