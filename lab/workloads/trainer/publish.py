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
# Of a volume that no trainer writes to. A version of another model may have gigabytes.
KEEP_BROUGHT = 3
LOCK_SECONDS = 60
# How long a version that was brought stays, in service or not: a trainer may see the change of service a minute late.
BROUGHT_SECONDS = 15 * 60
BROUGHT = ".brought"
# The name of a folder of a version on its way begins so (incoming.py).
INCOMING = ".incoming-"
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
            _sweep(root)
            newer = _newer(root, version, description["registered_at"])
            if newer:
                return newer
            _put_version(versions, str(version), description, files)
            _replace(root / "model.json", dumps(description))
            _replace(root / "version.txt", f"{version}\n".encode())
            _prune(root, version, served_path)
    except OSError as err:
        raise Failure(
            f"publishing version {version} to {root} failed: {err}; the version served before stays in service"
        ) from err
    return None


def present(root, version, whole, served_path=served.DEFAULT):
    """Whether a version is on the volume and whole(folder) says that it can be served; if so, it stays for a while.

    What nobody needs any more makes room, so that a version that is to be brought finds it.
    """
    folder = Path(root) / "versions" / version
    with writing(root, version):
        there = whole(folder)
        if there:
            try:
                (folder / BROUGHT).touch()
            except OSError as err:
                # On a full disk too a version that is there can be served.
                log.warning("version %s may make room for newer ones before it is in service: %s", version, err)
        _sweep(Path(root))
        _prune(Path(root), int(version), served_path, trained=False)
        return there


def bring(root, description, files, served_path=served.DEFAULT):
    """Put a version beside the others, whatever was trained last; version.txt and the model.json beside it stay.

    Older versions make room, except those that the file at served_path names. Raises Failure when the volume can't be
    written.
    """
    version = description["version"]
    with writing(root, version):
        versions = Path(root) / "versions"
        versions.mkdir(exist_ok=True)
        _sweep(Path(root))
        _put_version(versions, version, description, files | {BROUGHT: b""})
        _prune(Path(root), int(version), served_path, trained=False)


def bring_folder(root, description, folder, served_path=served.DEFAULT):
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
        _sweep(Path(root))
        _place(versions, version, folder)
        _sync(versions)
        _prune(Path(root), int(version), served_path, trained=False)


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


def _in_service(path):
    """The version numbers that are served or that a rollback may want at once; None if that can't be told."""
    try:
        raw = served.read(path)
        found = served.parse(path, raw) if raw is not None else None
    except served.ServedError as err:
        # It must not fail a training.
        log.warning("can't tell which version is served, so that no version makes room for newer ones: %s", err)
        return None
    return {int(version) for version in (found.version, *found.keep)} if found else set()


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


def _sweep(root):
    """Remove what programs that died left behind; under the lock nobody else is using it."""
    versions = root / "versions"
    for entry in versions.iterdir() if versions.exists() else ():
        if entry.name.startswith("."):
            shutil.rmtree(entry)
    # A version is downloaded without the lock, which others need meanwhile: it has one of its own.
    for left in root.glob(f"{INCOMING}*"):
        try:
            with (left / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left)
        except BlockingIOError:
            continue  # its program is at work
        except FileNotFoundError:
            shutil.rmtree(left, ignore_errors=True)


def _prune(root, version, served_path, trained=True):
    """Remove the versions that nobody needs any more.

    The version stays that is written now, what is in service or may be in a moment, by a rollback too, and what was
    brought a moment ago. So do the newest KEEP that were trained, up to the newest one (numbers above it belong to an
    earlier registry), or the last KEEP_BROUGHT that were brought to a volume without a trainer: their models may be
    large, and each of them was wanted for service once.
    """
    in_service = _in_service(served_path)
    versions = root / "versions"
    if in_service is None or not versions.exists():
        return
    numbers = sorted((int(e.name) for e in versions.iterdir() if _VERSION.fullmatch(e.name)), reverse=True)
    newest = version if trained else published(root)
    if newest is None:
        last = sorted(numbers, key=lambda n: _brought(versions / str(n)), reverse=True)[:KEEP_BROUGHT]
    else:
        last = [n for n in numbers if n <= newest][:KEEP]
    keep = {version, *last, *in_service}
    for number in numbers:
        if number not in keep and _brought(versions / str(number)) <= time.time() - BROUGHT_SECONDS:
            # Renamed first: a reader never sees a version with some of its files gone.
            aside = versions / f".old-{number}-{time.time_ns()}"
            (versions / str(number)).rename(aside)
            shutil.rmtree(aside)
    _sync(versions)


def _brought(folder):
    """When bring.py last wanted a version there, or 0."""
    try:
        return (folder / BROUGHT).stat().st_mtime
    except OSError:
        return 0
