"""The file that says which version is served: {"version": "7", "run_id": "<the version's run>", "keep": ["6"]}.

"keep", which may be missing, has the versions that were served before and that a rollback may want at once. Further
keys are ignored.

A ConfigMap's mount: the kubelet writes a new folder and swaps a link, so a reader finds the old text or the new one.
"""

import json
import re
from typing import NamedTuple

DEFAULT = "/served/version.json"
MAX_BYTES = 64 << 10
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


class ServedError(Exception):
    """The file doesn't name a version; the message says what was expected. `reason` is a short label for metrics."""

    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason


class Served(NamedTuple):
    """What ought to be served. An empty run_id stands for whichever run the version is of."""

    version: str
    run_id: str
    keep: tuple = ()


def read(path):
    """The file's bytes, or None while it does not exist; raise ServedError when it can't be read."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as err:
        raise ServedError("unreadable", f"read {path}: {err.strerror}") from err
    if len(raw) > MAX_BYTES:
        raise ServedError("too_large", f"{path} is larger than {MAX_BYTES} bytes")
    return raw


def parse(path, raw):
    """What the bytes name; raise ServedError when that is no version."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as err:
        raise ServedError("json", f"{path} is not JSON: {err}") from err
    expected = 'expected {"version": "<number>", "run_id": "<the version\'s run, or empty>"}'
    if not isinstance(document, dict):
        raise ServedError("version", f"{path} holds no object; {expected}")
    version, run_id = document.get("version"), document.get("run_id", "")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ServedError("version", f"{path} names version {version!r}; {expected}")
    if not isinstance(run_id, str):
        raise ServedError("version", f"{path} names run_id {run_id!r}; {expected}")
    keep = document.get("keep", [])
    if not isinstance(keep, list) or not all(isinstance(v, str) and _VERSION.fullmatch(v) for v in keep):
        raise ServedError("version", f"{path} keeps {keep!r}, expected a list of version numbers as texts")
    return Served(version, run_id, tuple(keep))
