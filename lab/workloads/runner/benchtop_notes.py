"""What hooks are told by the runner (settings.json beside this file), and where they note what they saw."""

import json
import os
import sys
import time
from pathlib import Path

_HERE = Path(__file__).parent

# read once; see script.py for the keys
settings = json.loads((_HERE / "settings.json").read_text())

# modules whose frames stand between a caller and a hook
_OURS = ("benchtop_fits", "benchtop_dumps", "benchtop_mlflow", "benchtop_notes", "functools", "contextlib")
_said = set()


def note(event, **fields):
    """Append a line. One write to a file that is opened for appending, so that processes don't mix their lines."""
    line = json.dumps({"event": event, "at": time.time(), **fields}, default=str) + "\n"
    file = os.open(settings["notes"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, line.encode(errors="replace"))
    finally:
        os.close(file)


def say(text):
    """Tell the log something once in this process."""
    if text not in _said:
        _said.add(text)
        sys.stderr.write(f"benchtop: {text}\n")
        sys.stderr.flush()


def new_file(name):
    """A path for something that is too large for a note; different for each process and call."""
    new_file.count = getattr(new_file, "count", 0) + 1
    return os.path.join(settings["kept"], f"{os.getpid()}-{new_file.count}-{name}")


def claim(name):
    """Whether this is the first process that claims this."""
    try:
        os.close(os.open(os.path.join(settings["kept"], f"{name}.claimed"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def callers(skip=_OURS):
    """The names of the modules that called, the nearest first, hooks left out."""
    frame = sys._getframe(1)
    while frame:
        name = frame.f_globals.get("__name__") or ""
        if name not in skip:
            yield name
        frame = frame.f_back
