"""A folder on the model volume for a version that is still on its way, so that large models are nowhere else.

    .incoming-<…>/lock      locked by the program that writes here: the kernel drops it when that program dies
    .incoming-<…>/version   gets its name among the versions when it is whole

What programs that were killed left behind goes when the next one comes.
"""

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import publish

_NAME = ".incoming-"


@contextmanager
def folder(root, version):
    """An empty folder for a version; what is left of it at the end is removed."""
    root = Path(root)
    with publish.writing(root, version):
        _sweep(root)
        place = root / f"{_NAME}{version}-{os.getpid()}-{time.time_ns()}"
        place.mkdir()
        lock = (place / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        (place / "version").mkdir()
        yield place / "version"
    finally:
        # Before the lock goes, so that nobody else removes it at the same time.
        shutil.rmtree(place, ignore_errors=True)
        lock.close()


def _sweep(root):
    for left in root.glob(f"{_NAME}*"):
        try:
            with (left / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left)
        except BlockingIOError:
            continue  # its program is at work
        except FileNotFoundError:
            shutil.rmtree(left, ignore_errors=True)


def free(root):
    """The bytes that can still be written to the volume."""
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize
