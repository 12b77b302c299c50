"""The script's process: its command, its environment, what it says last, and its end."""

import contextlib
import ctypes
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import imports
from failure import Failure, Invalid
from pushed import words as words_of

log = logging.getLogger("trainer")

HOOKS = ("sitecustomize.py", "benchtop_notes.py", "benchtop_hooks.py", "benchtop_dumps.py")
HOOKS += ("benchtop_fits.py", "benchtop_mlflow.py")
# Kubernetes gives 30 s; the run has to be ended in them too.
GRACE_SECONDS = 10
_TAIL = 64 << 10
_PYTHON = ("python", "python3", f"python3.{sys.version_info.minor}")
_PR_SET_CHILD_SUBREAPER = 36


class Folders:
    """Where things are, below the work folder."""

    def __init__(self, work):
        self.code = work / "code"
        self.archive = work / "code.tar.gz"
        self.hooks = work / "hooks"
        self.installed = work / "installed"  # what says that the code's own packages are (own.py)
        self.kept = work / "kept"
        self.home = work / "home"
        self.notes = self.kept / "notes.jsonl"


def prepare(folders, sources, settings):
    """Lay out the hooks, for the script's Python to find them, and what they are told."""
    for folder in (folders.hooks, folders.kept, folders.home):
        folder.mkdir()
    for name in HOOKS:
        (folders.hooks / name).write_text(sources[name])
    (folders.hooks / "settings.json").write_text(json.dumps(settings))


def sources():
    """The hooks' text, read at once: the folder is a ConfigMap, which may be replaced meanwhile."""
    here = Path(__file__).parent
    return {name: (here / name).read_text() for name in (*HOOKS, "notebook.py", "log_models.py")}


def command(plan, params, folders, notebook, packages=None):
    """The arguments of the script's process."""
    if plan.kind == "notebook":
        # -P: nothing but the hooks and the notebook's folder is on its path.
        return [sys.executable, "-P", str(notebook), Path(plan.entry).name, json.dumps(params)]
    words = words_of(plan, params)
    if words[0] not in _PYTHON:
        if shutil.which(words[0], path=_path(folders, packages)) is None and not (folders.code / words[0]).is_file():
            raise Invalid(
                f"the command begins with {words[0]!r}, which the lab's Python runtime does not have; it has python, "
                "sh and the programs of busybox"
            )
        return words
    words[0] = sys.executable
    if len(words) > 1 and words[1].endswith(".py"):
        file = folders.code / words[1]
        if not file.is_file():
            raise Invalid(f"{words[1]} is not among the files that were pushed; name a file that is, or push it")
        if imports.is_relative(file):
            words[1:2] = ["-m", _module(file, folders.code)]
    return words


def folder(plan, folders):
    """Where the script runs: a notebook beside its file, as notebooks do, anything else in the code's root."""
    return (folders.code / plan.entry).parent if plan.kind == "notebook" else folders.code


def _module(file, root):
    """The name of a file as a part of its package."""
    base = root / "src" if (root / "src") in file.parents else root
    package = file.parent
    while (package / "__init__.py").is_file() and package != base:
        package = package.parent
    if package == file.parent:
        package = base
    return ".".join(file.relative_to(package).with_suffix("").parts)


def _path(folders, packages):
    """PATH, with a python that is this one, the programs of the code's own packages and of an environment's."""
    places = [os.path.dirname(sys.executable), str(folders.installed / "bin")]
    places += [os.path.join(packages, "bin")] if packages else []
    return os.pathsep.join(
        dict.fromkeys([*places, *os.environ.get("PATH", os.defpath).split(os.pathsep), str(folders.code)])
    )


def places(folders, needs):
    """Where Python looks for modules: the code's own, then those of its environment. The lab's come after them."""
    own = [path for package in needs.declared.own for path in package.places]
    paths = [folders.code / "src", folders.code, *own, folders.installed]
    paths += [Path(needs.environment)] if needs.environment else []
    return list(dict.fromkeys(str(path) for path in paths if path.is_dir()))


def environment(env, folders, run, needs):
    """The script's environment: the Job's own, and what makes the hooks and the registry work."""
    found = dict(env)
    given = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    found["PYTHONPATH"] = os.pathsep.join([str(folders.hooks), *places(folders, needs), *given])
    home = env.get("HOME", "")
    found |= {
        "PATH": _path(folders, needs.environment),
        "HOME": home if home and os.access(home, os.W_OK) else str(folders.home),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
        "MLFLOW_EXPERIMENT_ID": run.experiment_id,
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "6",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    return found


class Script:
    """A process in a session of its own. Its output goes where ours goes; the end of its errors is kept."""

    def __init__(self, words, env, cwd):
        _adopt()
        try:
            self._process = subprocess.Popen(
                words, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as err:
            raise Invalid(f"{words[0]} can't be started: {err.strerror}") from err
        self._tail = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        source = self._process.stderr.fileno()
        while chunk := os.read(source, 1 << 16):
            # The log may be gone; the script goes on.
            with contextlib.suppress(OSError):
                os.write(2, chunk)
            self._tail += chunk
            del self._tail[:-_TAIL]

    def wait(self):
        """Its exit code, negative for a signal; whatever it has left running is ended."""
        code = self._process.wait()
        self.end()
        self._reader.join(5)
        return code

    def stop(self):
        """Ask it to stop, then end it and all its children."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self.end()
        self._process.wait()

    def end(self):
        """Kill what is left of its session, and what has left that: all that descends from us."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while True:
            self._process.poll()
            left = _descendants()
            if not left or time.monotonic() > deadline:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in left:
                # Those whose parents are gone are ours by now; Popen waits for its own.
                if pid != self._process.pid:
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)
            time.sleep(0.01)
        if left:
            log.info("%d processes of the script are still there: they could not be ended", len(left))

    def last_words(self):
        """(the line that says why, the last lines before it) of its errors."""
        lines = [line.rstrip() for line in self._tail.decode(errors="replace").splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith("benchtop: ")]
        begun = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
        if begun:
            found = lines[begun[-1] :]
            ends = [index for index, line in enumerate(found[1:], 1) if not line.startswith((" ", "\t"))]
            if ends:
                return found[ends[0]], found[: ends[0] + 1]
        return (lines[-1] if lines else ""), lines[-5:]


def _adopt():
    """Be the parent of all orphans among our descendants, as a container's first process is anyway."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise Failure(f"adopt orphans: {os.strerror(ctypes.get_errno())}")


def _descendants():
    """The processes below us."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError):
                parent = int(Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
    found, todo = [], [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def out_of_memory():
    """Whether the kernel has killed for memory in this container; None if that can't be known."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with contextlib.suppress(OSError, ValueError):
            fields = dict(line.split() for line in Path(path).read_text().splitlines())
            return int(fields.get("oom_kill", 0)) > 0
    return None


def memory_limit():
    """The container's memory in MiB, or None."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/sys/fs/cgroup/memory.max").read_text()) >> 20
    return None
