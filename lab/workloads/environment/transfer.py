"""Get and put over presigned addresses: the Job has no key of its own."""

import hashlib
import http.client
import urllib.error
import urllib.request

import archive
from failure import Failure, Invalid
from retry import NotReady, until_ready

_CHUNK = 1 << 20


def get(order, place):
    """Download the code's archive to a file; raise unless it has the digest that it is known by."""

    def download():
        digest, size = hashlib.sha256(), 0
        with _open(order.code_url, "the code") as answer, place.open("wb") as file:
            while chunk := answer.read(_CHUNK):
                size += len(chunk)
                if size > archive.MAX_PACKED:
                    raise Invalid(f"the code has more than {archive.MAX_PACKED >> 20} MiB; push it again")
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    found = until_ready("the object store (the code)", _retried(download), order.wait_seconds)
    if found != order.sha256:
        raise Invalid(f"the code has sha256 {found}, expected {order.sha256}; push it again")


def put(url, what, size, chunks, seconds):
    """Upload what chunks(), which is called anew for each try, yields: `size` bytes in all."""

    def upload():
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with _open(url, what, data=chunks(), method="PUT", headers=headers):
            pass

    until_ready(f"the object store ({what})", _retried(upload), seconds)


def _open(url, what, **options):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, **options), timeout=60)
    except urllib.error.HTTPError as err:
        said = err.read(300).decode(errors="replace")
        if err.code >= 500 or err.code == 429:
            raise NotReady(f"it answers {err.code}: {said}") from err
        # An address that has run out is made anew with the next Job.
        raise Failure(f"the object store refuses the address of {what} with {err.code}: {said}") from err


def _retried(action):
    def tried():
        try:
            return action()
        except (OSError, http.client.HTTPException) as err:
            raise NotReady(str(getattr(err, "reason", err))) from err

    return tried
