"""Start programs of the trainer's pod by forking a process that has imported their libraries already.

That import takes two seconds of processor time, and the tests start dozens of programs. Only libraries are shared, no
code of ours: each program runs from its own file, in a process, an environment and a folder of its own, as if python
had been started anew. What can differ is what happens while libraries are imported, and what /proc/<pid>/environ says,
so tests that look at either start a fresh interpreter.

Run as a program it forks: zygote.py SOCKET.
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

LIBRARIES = (
    *("boto3", "numpy", "pandas", "scipy.stats", "yaml"),
    *("mlflow", "mlflow.artifacts", "mlflow.models", "mlflow.sklearn", "mlflow.types"),
    *("mlflow.store.artifact.models_artifact_repo", "mlflow.store.artifact.runs_artifact_repo"),
    *("sklearn.ensemble", "sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection"),
    *("sklearn.pipeline", "sklearn.preprocessing"),
)


class Zygote:
    """The process that is forked."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        # Not the tests' environment, but a pod's, as far as libraries read it while they are imported.
        env = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        env |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GIT_PYTHON_REFRESH": "quiet"}
        env |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], env=env, cwd="/", pass_fds=[theirs.fileno()]
            )
        self._socket = ours
        self._lock = threading.Lock()

    def start(self, program, env):
        """A program that runs, as a Popen: its output is text, its input is empty."""
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        request = json.dumps({"program": str(program), "env": env}).encode()
        with self._lock, theirs:
            socket.send_fds(self._socket, [len(request).to_bytes(4, "big")], [theirs.fileno(), write])
            self._socket.sendall(request)
            os.close(write)
        return Forked(ours, read)

    def close(self):
        """End it; every program has to have ended."""
        self._socket.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()


class Forked:
    """A program that was forked; what the tests need of subprocess.Popen."""

    def __init__(self, control, output):
        self._control = control.makefile("r")
        control.close()
        self.stdout = os.fdopen(output, "r")
        self.pid = int(self._control.readline())
        self.returncode = None
        self._ended = threading.Thread(target=self._wait, daemon=True)
        self._ended.start()

    def _wait(self):
        line = self._control.readline()
        self._control.close()
        self.returncode = int(line)

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        self._ended.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self.returncode

    def communicate(self, timeout=None):
        """(all output, None), as of a process whose errors go the same way."""
        chunks = []
        reader = threading.Thread(target=lambda: chunks.append(self.stdout.read()), daemon=True)
        reader.start()
        reader.join(timeout)
        if reader.is_alive():
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        self.stdout.close()
        self.wait(timeout)
        return chunks[0], None

    def send_signal(self, number):
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def serve(listener):
    """Fork for each request. Returns in the child, (program, its environment); ends with whoever asks."""
    for name in LIBRARIES:
        importlib.import_module(name)
    while True:
        head, fds, _, _ = socket.recv_fds(listener, 4, 2)
        with contextlib.suppress(ChildProcessError):
            # Those that have ended; in the end all of them.
            while os.waitpid(-1, os.WNOHANG if head else 0)[0]:
                pass
        if not head:
            os._exit(0)
        size, raw = int.from_bytes(head, "big"), b""
        while len(raw) < size:
            raw += listener.recv(size - len(raw))
        control, output = fds
        # A process between us and the program waits for it, so that the next request need not.
        if os.fork():
            os.close(control)
            os.close(output)
            continue
        listener.close()
        child = os.fork()
        if child:
            os.close(output)
            os.write(control, b"%d\n" % child)
            _, status = os.waitpid(child, 0)
            os.write(control, b"%d\n" % os.waitstatus_to_exitcode(status))
            os._exit(0)
        os.close(control)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        return json.loads(raw)


def become(request):
    """Be the program: its environment, its arguments and its folder on the path, as python itself sets them up."""
    import runpy

    os.environ.clear()
    os.environ.update(request["env"])
    program = request["program"]
    sys.argv[:] = [program]
    # Python takes the folder of a script that is a link from where the link points.
    sys.path[0] = str(Path(program).resolve().parent)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        request = serve(listener)
    become(request)
