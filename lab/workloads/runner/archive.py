"""The code as it was pushed: fetch the archive, check it, unpack it."""

import hashlib
import io
import logging
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import access
from failure import Failure, Invalid, Refused
from retry import NotReady, until_ready

log = logging.getLogger("trainer")

# The same as where it is packed.
MAX_PACKED, MAX_UNPACKED, MAX_FILES = 256 << 20, 512 << 20, 20_000
_CHUNK = 1 << 20


@dataclass(frozen=True)
class File:
    """A file of the code, as it was before the script ran."""

    sha256: str
    bytes: int
    modified: int  # ns


def fetch(pushed, place):
    """Download the archive to a file; raise unless it has the digest that it is known by."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client("s3", config=Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2}))

    def download():
        digest, size = hashlib.sha256(), 0
        try:
            body = client.get_object(Bucket=pushed.bucket, Key=pushed.key)["Body"]
            with place.open("wb") as file:
                for chunk in body.iter_chunks(_CHUNK):
                    size += len(chunk)
                    if size > MAX_PACKED:
                        raise Invalid(f"the code at {pushed.uri} has more than {MAX_PACKED >> 20} MiB; push it again")
                    digest.update(chunk)
                    file.write(chunk)
        except ClientError as err:
            if access.refusal(err):
                raise Refused(f"reading the code at {pushed.uri} was refused: {err}; push it again") from err
            if access.key_not_accepted(err):
                raise Failure(f"reading the code at {pushed.uri} failed: {access.said(err)}") from err
            raise NotReady(str(err)) from err
        except BotoCoreError as err:
            raise NotReady(str(err)) from err
        return digest.hexdigest(), size

    found, size = until_ready(f"the object store ({pushed.uri})", download, pushed.wait_seconds)
    if found != pushed.sha256:
        raise Invalid(f"the code at {pushed.uri} has sha256 {found}, expected {pushed.sha256}; push it again")
    return size


def unpack(archive, to):
    """Unpack into a new folder; {path: File}. What `benchtop push` would not pack is refused."""
    to.mkdir()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            return _unpack(tar, to)
    except (tarfile.TarError, EOFError, OSError, UnicodeError) as err:
        if isinstance(err, OSError) and err.errno:
            raise Failure(f"unpacking the code failed: {err}") from err
        raise Invalid(f"the code is no tar.gz archive: {err}; push it again") from err


def _unpack(tar, to):
    found, total, count = {}, 0, 0
    for member in tar:
        count += 1
        total += member.size if member.isreg() else 0
        if count > MAX_FILES or total > MAX_UNPACKED:
            raise Invalid(
                f"the code has more than {MAX_FILES} files or {MAX_UNPACKED >> 20} MiB; data belongs into a dataset"
            )
        path = _inside(member, member.name)
        if path in ("", "."):
            continue
        place = to / path
        _check_parents(to, place, member)
        if member.isdir():
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(place):
            raise _hostile(member, "comes twice")
        if member.issym():
            _inside(member, str(PurePosixPath(path).parent / member.linkname), "leads out of the folder")
            place.symlink_to(member.linkname)
        elif member.isreg():
            digest = hashlib.sha256()
            with place.open("xb") as file:
                source = tar.extractfile(member)
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            place.chmod(0o755 if member.mode & 0o111 else 0o644)
            found[path] = File(digest.hexdigest(), member.size, place.stat().st_mtime_ns)
        else:
            raise _hostile(member, "is neither file nor folder nor link")
    return found


def _inside(member, name, otherwise="is outside of the folder"):
    """A name without dots, below the folder."""
    path = os.path.normpath(name)
    if name.startswith("/") or path == ".." or path.startswith("../") or "\0" in name:
        raise _hostile(member, otherwise)
    if member.issym() and member.linkname.startswith("/"):
        raise _hostile(member, "leads out of the folder")
    return path


def _check_parents(to, place, member):
    """No link on the way may lead the file elsewhere."""
    parent = place.parent
    while parent != to:
        if parent.is_symlink():
            raise _hostile(member, "goes through a link")
        parent = parent.parent


def _hostile(member, why):
    return Invalid(f"the code's archive is refused: {member.name!r} {why}; `benchtop push` makes no such archive")


def written(folder, before):
    """{path: ns of its last change} of files that are new or changed since; in the order in which they changed."""
    found = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in ("mlruns", "__pycache__", ".git")]
        for name in files:
            place = Path(root, name)
            if place.is_symlink() or not place.is_file():
                continue
            state = place.stat()
            known = before.get(str(place.relative_to(folder)))
            if known is None or (known.bytes, known.modified) != (state.st_size, state.st_mtime_ns):
                found[str(place)] = state.st_mtime_ns
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


def digest(path):
    """(sha256, bytes) of a file."""
    found, size = hashlib.sha256(), 0
    with open(path, "rb", buffering=io.DEFAULT_BUFFER_SIZE) as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            size += len(chunk)
    return found.hexdigest(), size
