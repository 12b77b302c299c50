"""Put a model version on the model volume, where the servers read it, so that no crash ever shows half of one.

    versions/<version>/   predictor.json, model.json: complete before it gets this name
    versions/<version>/.brought   its time says when bring.py last wanted it there
    model.json            copy of the newest trained version's, for people and tools
    version.txt           the newest trained version, for people and tools: written last
    .lock                 held while writing, so that two trainers take turns

Files are written elsewhere, flushed to the disk and renamed into place, in this order. Which version is served is not
decided here: a file outside the volume names it (served.py).
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import served
from failure import Failure

log = logging.getLogger("trainer")

# Enough to roll back by several versions without asking the registry.
KEEP = 10
LOCK_SECONDS = 60
# How long a version that was brought stays, in service or not: a trainer may see the change of service a minute late.
BROUGHT_SECONDS = 15 * 60
BROUGHT = ".brought"
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


def dumps(value):
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sha256(raw):
    return hashlib.sha256(raw).hexdigest()


def publish(root, description, files, served_path=served.DEFAULT):
    """Publish a version: `description` becomes model.json, `files` ({name: bytes}) lie beside it.

    Older versions make room, except the one that the file at served_path names, if there is such a file.
    Returns None, or the newer version number that is already published and stays. Raises Failure when the volume
    can't be written; what was there before is then still there.
    """
    root = Path(root)
    version = int(description["version"])
    try:
        with _locked(root):
            versions = root / "versions"
            versions.mkdir(exist_ok=True)
            _sweep(versions)
            newer = _newer(root, version, description["registered_at"])
            if newer:
                return newer
            _put_version(versions, str(version), description, files)
            _replace(root / "model.json", dumps(description))
            _replace(root / "version.txt", f"{version}\n".encode())
            _prune(versions, version, _served(served_path))
    except OSError as err:
        raise Failure(
            f"publishing version {version} to {root} failed: {err}; the version served before stays in service"
        ) from err
    return None


def present(root, version, whole):
    """Whether a version is on the volume and whole(folder) says that it can be served; if so, it stays for a while."""
    folder = Path(root) / "versions" / version
    with writing(root, version):
        if not whole(folder):
            return False
        try:
            (folder / BROUGHT).touch()
        except OSError as err:
            # On a full disk too a version that is there can be served.
            log.warning("version %s may make room for newer ones before it is in service: %s", version, err)
        return True


def bring(root, description, files):
    """Put a version beside the others, whatever was trained last; version.txt and the model.json beside it stay.

    Raises Failure when the volume can't be written.
    """
    version = description["version"]
    with writing(root, version):
        versions = Path(root) / "versions"
        versions.mkdir(exist_ok=True)
        _sweep(versions)
        _put_version(versions, version, description, files | {BROUGHT: b""})


def bring_folder(root, description, folder):
    """As bring, for a version whose files are in a folder on the volume already, which becomes the version's own."""
    version = description["version"]
    with writing(root, version):
        _write(folder / "model.json", dumps(description))
        _write(folder / BROUGHT, b"")
        # Before the rename: a folder with a version's name is whole, after a power cut too.
        for where, _, names in os.walk(folder):
            for name in names:
                _sync(Path(where, name))
            _sync(Path(where))
        versions = Path(root) / "versions"
        versions.mkdir(exist_ok=True)
        _sweep(versions)
        _place(versions, version, folder)
        _sync(versions)


@contextmanager
def writing(root, version):
    """Hold the volume's lock; raise Failure when the volume can't be written."""
    try:
        with _locked(Path(root)):
            yield
    except OSError as err:
        raise Failure(
            f"bringing version {version} to {root} failed: {err}; the versions that were there stay, try again when "
            "the volume can be written"
        ) from err


@contextmanager
def _locked(root, seconds=LOCK_SECONDS):
    """Hold the volume's lock. The kernel drops it when the holder dies, so there is no stale lock to clean up."""
    with (root / ".lock").open("a") as file:
        begun = time.monotonic()
        waiting = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - begun > seconds:
                    raise Failure(f"another trainer has been publishing to {root} for {seconds} s; try again") from None
                if not waiting:
                    log.info("waiting for another trainer that is publishing to %s", root)
                    waiting = True
                time.sleep(0.05)
        yield


def published(root):
    """The version number that version.txt names, or None."""
    try:
        text = (Path(root) / "version.txt").read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return int(text) if _VERSION.fullmatch(text) else None


def _newer(root, version, registered_at):
    current = published(root)
    if current is None or current < version:
        return None
    try:
        theirs = json.loads((root / "versions" / str(current) / "model.json").read_bytes())["registered_at"]
    except (OSError, ValueError, KeyError, TypeError):
        log.warning("version.txt names version %d, which is damaged; version %d replaces it", current, version)
        return None
    if theirs < registered_at:
        # The registry was started over, and its numbers with it; a number alone no longer tells which is newer.
        log.info("version %d belongs to an earlier registry; version %d of this one replaces it", current, version)
        return None
    return current


def _served(path):
    """The version number that is served, or None; a file that can't be understood must not fail a training."""
    try:
        raw = served.read(path)
        return int(served.parse(path, raw).version) if raw is not None else None
    except served.ServedError as err:
        log.warning("can't tell which version is served, so that its files may make room for newer ones: %s", err)
        return None


def _put_version(versions, version, description, files):
    staging = versions / f".staging-{os.getpid()}-{time.time_ns()}"
    staging.mkdir()
    try:
        for name, raw in (files | {"model.json": dumps(description)}).items():
            _write(staging / name, raw)
        _sync(staging)
        _place(versions, version, staging)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    _sync(versions)


def _place(versions, version, staging):
    target = versions / version
    if target.exists():
        # Left by a trainer that died before version.txt, or by an earlier registry.
        target.rename(versions / f".old-{time.time_ns()}")
    staging.rename(target)


def _write(path, raw):
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _replace(path, raw):
    temporary = path.with_name(f".{path.name}.new")
    _write(temporary, raw)
    temporary.replace(path)
    _sync(path.parent)


def _sync(path):
    """Make a file's bytes, or the renames within a folder, durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sweep(versions):
    """Remove what trainers that died left behind; under the lock nobody is using it."""
    for entry in versions.iterdir():
        if entry.name.startswith("."):
            shutil.rmtree(entry)


def _prune(versions, current, in_service):
    """Keep the newest KEEP versions up to the current one, the one in service, and what was brought a moment ago.

    Numbers above the current one belong to an earlier registry.
    """
    numbers = sorted((int(e.name) for e in versions.iterdir() if _VERSION.fullmatch(e.name)), reverse=True)
    keep = {*[n for n in numbers if n <= current][:KEEP], in_service}
    for number in numbers:
        if number not in keep and not _brought_lately(versions / str(number)):
            # Renamed first: a reader never sees a version with some of its files gone.
            aside = versions / f".old-{number}-{time.time_ns()}"
            (versions / str(number)).rename(aside)
            shutil.rmtree(aside)
    _sync(versions)


def _brought_lately(folder):
    try:
        return (folder / BROUGHT).stat().st_mtime > time.time() - BROUGHT_SECONDS
    except OSError:
        return False
