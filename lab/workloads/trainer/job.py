"""What the programs of Jobs have in common: their log, their exit codes and their last words."""

import logging
import os
import signal
import sys
import time

import access
from failure import Failure
from retry import NotReady

log = logging.getLogger("trainer")

# The kubelet keeps no more of a termination message.
MAX_MESSAGE = 4096


def log_to(*streams):
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    for stream in streams:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        log.addHandler(handler)
    log.setLevel(logging.INFO)


def encode(text):
    """The bytes of a text, also of one with halves of characters, as file names and JSON may have them."""
    return text.encode(errors="replace")


def shorten(text, longest):
    """The beginning of a text, of at most that many bytes: whole characters, and a sign that there was more."""
    raw = encode(text)
    if len(raw) <= longest:
        return raw.decode()
    more = "…"
    return raw[: longest - len(more.encode())].decode(errors="ignore") + more


def explain(message, path):
    """Leave the reason where Kubernetes looks for it; it has to exist, so that none is made outside a container."""
    try:
        with open(path, "r+b") as file:
            file.write(encode(shorten(message, MAX_MESSAGE)))
            file.truncate()
    except OSError as err:
        log.info("no termination message at %s: %s", path, err.strerror)


# The exit code for an error that nobody expected: the same again may end the same way, however often it is tried.
UNEXPECTED = 4


def _from_outside(err):
    """Whether an exception comes from the network, the disk or a client of registry and object store."""
    clients = ("mlflow", "boto3", "botocore", "s3transfer", "requests", "urllib3")
    return isinstance(err, OSError) or type(err).__module__.partition(".")[0] in clients


def run(env, work, undone):
    """Do the work and return the exit code. What it returns, or why it failed, goes to the termination message."""
    path = env.get("BENCHTOP_TERMINATION_LOG") or "/dev/termination-log"
    try:
        found = work(env)
        if found:
            explain(found, path)
        return 0
    except (Failure, NotReady) as err:
        reason, code = str(err), getattr(err, "exit_code", 1)
        log.error("%s", reason)
    except Exception as err:
        if access.key_not_accepted(err):
            reason, code = access.said(err), 1
            log.error("%s", reason)
        else:
            reason, code = f"{type(err).__name__}: {err}", 1 if _from_outside(err) else UNEXPECTED
            log.exception(undone)
    explain(reason, path)
    return code


def main(program):
    # A container's first process ignores SIGTERM unless it handles it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    log_to(sys.stdout)
    return program(os.environ)
