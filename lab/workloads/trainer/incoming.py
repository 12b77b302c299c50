"""A folder on the model volume for a version that is still on its way, so that large models are nowhere else.

    .incoming-<…>/lock      locked by the program that writes here: the kernel drops it when that program dies
    .incoming-<…>/version   gets its name among the versions when it is whole

What programs that were killed left behind goes when the next one writes to the volume (publish.py).
"""

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import publish


@contextmanager
def folder(root, version):
    """An empty folder for a version; what is left of it at the end is removed."""
    root = Path(root)
    with publish.writing(root, version):
        place = root / f"{publish.INCOMING}{version}-{os.getpid()}-{time.time_ns()}"
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


def free(root):
    """The bytes that can still be written to the volume."""
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize
