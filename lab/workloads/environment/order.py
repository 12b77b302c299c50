"""Which environment is to be made and where it goes: the variables of its Job, checked once."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import config
import pushed
from failure import Invalid

# Who needs the variables, in errors.
WHO = "builder of environments"


@dataclass(frozen=True)
class Order:
    """One environment."""

    code_url: str
    sha256: str
    plan: pushed.Plan
    work: Path
    base: str  # the reference of the image that it comes upon
    request: str
    index: str
    layer_url: str
    report_url: str
    known: frozenset[str]  # digests of locks that there is an environment for
    wait_seconds: float


def read(env):
    """Build an Order from a mapping of environment variables; raise Invalid naming the variable at fault."""
    return Order(
        code_url=_address(env, "BENCHTOP_CODE_URL"),
        sha256=config.digest(env, "BENCHTOP_CODE_SHA256", WHO),
        plan=pushed.read_plan(env, WHO),
        work=pushed.read_work(env),
        base=config.required(env, "BENCHTOP_BASE_IMAGE", WHO),
        request=config.digest(env, "BENCHTOP_REQUEST", WHO),
        index=_address(env, "BENCHTOP_INDEX_URL").rstrip("/") + "/",
        layer_url=_address(env, "BENCHTOP_LAYER_URL"),
        report_url=_address(env, "BENCHTOP_REPORT_URL"),
        known=frozenset(env.get("BENCHTOP_KNOWN_LOCKS", "").split()),
        wait_seconds=config.duration(env, "BENCHTOP_WAIT_SECONDS", 180),
    )


def _address(env, key):
    value = config.required(env, key, WHO)
    if urlsplit(value).scheme not in ("http", "https"):
        raise Invalid(f"{key} is {value[:200]!r}, expected an http:// or https:// address")
    return value
