"""uv, as a process: resolve, install, and what its errors say in a sentence."""

import os
import re
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

from failure import Failure, Invalid

MAX_SAID = 1500
_COLD = re.compile(
    r"error sending request|Connection refused|tcp connect error|dns error|timed out|operation timed out"
)
_FETCH = re.compile(r"Failed to (?:fetch|download)[^:`]*:?\s+`?(https?://[^\s`]+)")
_STATUS = re.compile(r"HTTP status (?:server|client) error \((\d{3})")
_BUILD = re.compile(r"Failed to (?:download and )?build `([^`]+)`")
_END = re.compile(r"(\. And because [^,]*)?, we can conclude that your requirements are unsatisfiable\.?")


class Uv:
    """uv with folders and an index of its own, whatever else is configured on the way."""

    def __init__(self, work, index):
        self._work = work
        self._index = index
        self._program = shutil.which("uv")
        if self._program is None:
            raise Failure("uv is not in this image; environments are made in the image lab-build")
        for folder in ("uv", "home", "tmp"):
            (work / folder).mkdir(exist_ok=True)
        # Wheels that the index need not have, to resolve with.
        self.offered = work / "offered"
        self.offered.mkdir(exist_ok=True)

    def compile(self, asked, output, constraints=None, *options):
        """Resolve a file of requirements into `output`; what pins that has already are kept where they can be."""
        bounds = ["--constraints", constraints] if constraints else []
        known = ["--find-links", self.offered]
        self._run("compile", asked, "--output-file", output, *bounds, *known, "--no-header", "--no-annotate", *options)

    def install(self, lock, target):
        """Install exactly the files that a lock names."""
        options = ["--target", target, "--no-deps", "--require-hashes", "--link-mode", "hardlink"]
        self._run("install", "--requirements", lock, *options)

    def _run(self, command, *arguments):
        words = [self._program, "pip", command, *map(str, arguments), "--python", sys.executable, "--quiet"]
        done = subprocess.run(
            [*words, "--default-index", self._index, "--index-strategy", "first-index"],
            env=self._environment(),
            cwd=self._work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        sys.stdout.write(done.stderr)
        sys.stdout.flush()
        if done.returncode < 0:
            raise Failure(f"uv was ended by signal {-done.returncode}", 137 if done.returncode == -9 else 1)
        if done.returncode:
            raise explained(done.stderr, self._index)

    def _environment(self):
        kept = ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
        return {name: os.environ[name] for name in kept if name in os.environ} | {
            "HOME": str(self._work / "home"),
            "TMPDIR": str(self._work / "tmp"),
            "NO_COLOR": "1",
            "UV_CACHE_DIR": str(self._work / "uv"),
            "UV_HTTP_TIMEOUT": "120",
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }


def explained(text, index):
    """The Failure that uv's errors stand for: an Invalid if the same again would end the same way."""
    fetched, status = _FETCH.search(text), _STATUS.search(text)
    if "No space left on device" in text or "os error 28" in text:
        return Invalid("it does not fit into the room that the builder has; ask for fewer or smaller packages")
    if fetched and urlsplit(fetched[1]).netloc == urlsplit(index).netloc:
        if status and int(status[1]) >= 500:
            name = _package(fetched[1], index)
            return Invalid(
                f"{name} is not in this lab's package index, and the index upstream can't be reached: "
                f"`benchtop packages add {name}` on a machine that reaches it, or from a file"
            )
        if not status and _COLD.search(text):
            return Failure(f"the lab's package index can't be reached: {_flat(text)}")
    built = _BUILD.search(text)
    if built:
        return Invalid(
            f"{built[1]} has no wheel that fits, and building it from its source failed, because there is no compiler "
            f"here or for another reason ({_last(text)}); ask for a version that has a wheel"
        )
    return Invalid(_flat(text))


def _package(url, index):
    """The package that a page or a file of the index is of."""
    rest = url.removeprefix(index).strip("/")
    name = rest.rpartition("/")[2] if "/" in rest else rest
    return re.split(r"-\d", name)[0]


def _flat(text):
    """uv's explanation in one line, without what is clear from where it stands."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    words = " ".join(re.sub(r"^(error|cause|×|╰─▶|├─▶|│|hint):?\s*", "", line) for line in lines)
    words = re.sub(r"^No solution found when resolving dependencies:?\s*", "", words)
    words = _END.sub("", words).replace(", we can conclude that", ", so")
    words = re.sub(r"^Because ", "", words).strip()
    return words if len(words) <= MAX_SAID else words[: MAX_SAID - 1] + "…"


def _last(text):
    lines = [line.strip() for line in text.splitlines() if re.search(r"\berror\b|not found|No such file", line)]
    return (lines[-1] if lines else text.strip().splitlines()[-1].strip())[:300]
