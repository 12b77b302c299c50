"""What is to be run and for whom: the environment of a push's Job, checked once."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import config
from failure import Invalid

# Who needs the variables, in errors.
WHO = "runner"
# What makes an environment first.
RUNNERS = (("uv", "run"), ("poetry", "run"), ("pipenv", "run"), ("pdm", "run"))
KINDS = ("command", "mlproject", "script", "notebook")


@dataclass(frozen=True)
class Plan:
    """How the code is run, as the appliance found out; see CodePlan in appliance/mlops."""

    command: list[str]
    entry: str
    kind: str
    requirements: list[str]
    environment: str = ""  # "lab": the lab's Python as it is, whatever is missing

    @property
    def what(self):
        """What people call it."""
        return self.entry or " ".join(self.command)


@dataclass(frozen=True)
class Pushed:
    """One run of pushed code."""

    project: str
    experiment: str
    model_name: str
    job: str
    bucket: str
    key: str
    sha256: str
    plan: Plan
    params: dict
    tracking_uri: str
    work: Path
    data: Path
    wait_seconds: float
    tags: dict[str, str]

    @property
    def uri(self):
        return f"s3://{self.bucket}/{self.key}"


def read(env):
    """Build a Pushed from a mapping of environment variables; raise Invalid naming the variable at fault."""
    uri = config.stored(env, "BENCHTOP_CODE_URI", WHO)
    sha256 = config.digest(env, "BENCHTOP_CODE_SHA256", WHO)
    tracking = config.tracking_uri(env, WHO)
    project = config.required(env, "BENCHTOP_PROJECT", WHO)
    plan = read_plan(env, WHO)
    params = _object(env, "BENCHTOP_PARAMS")
    tags = {f"benchtop.{name}": env.get(f"BENCHTOP_{name.upper()}", "") for name in ("job", "pod", "node", "trigger")}
    return Pushed(
        project=project,
        experiment=env.get("BENCHTOP_EXPERIMENT") or project,
        model_name=env.get("BENCHTOP_MODEL_NAME") or project,
        job=env.get("BENCHTOP_JOB", ""),
        bucket=uri.netloc,
        key=uri.path[1:],
        sha256=sha256,
        plan=plan,
        params=params,
        tracking_uri=tracking,
        work=read_work(env),
        data=Path(env.get("BENCHTOP_DATA") or "/data"),
        wait_seconds=config.duration(env, "BENCHTOP_WAIT_SECONDS", 180),
        tags={
            "benchtop.project": project,
            **tags,
            "benchtop.image": env.get("BENCHTOP_IMAGE", ""),
            "benchtop.code.sha256": sha256,
            "benchtop.code.commit": env.get("BENCHTOP_CODE_COMMIT", ""),
            "benchtop.code.dirty": env.get("BENCHTOP_CODE_DIRTY", ""),
            "benchtop.code.command": _said(plan, params),
            "mlflow.source.git.commit": env.get("BENCHTOP_CODE_COMMIT", ""),
            "mlflow.source.name": plan.what,
            "mlflow.source.type": "JOB",
            "mlflow.user": project,
        },
    )


def words(plan, params):
    """A plan's command with parameters as a command takes them: --name value.

    true is a flag, false and null are left out. uv run and its like are left out too: the lab's Python is there.
    """
    given = []
    for name, value in params.items():
        if value is None or value is False:
            continue
        given.append(f"--{name}")
        if value is True:
            continue
        for entry in value if isinstance(value, list) else [value]:
            given.append(entry if isinstance(entry, str) else json.dumps(entry))
    command = list(plan.command)
    if tuple(command[:2]) in RUNNERS and len(command) > 2:
        command = command[2:] if not command[2].endswith(".py") else ["python", *command[2:]]
    if given and len(command) == 3 and command[:2] in (["sh", "-c"], ["/bin/sh", "-c"]):
        return [*command[:2], f"{command[2]} {shlex.join(given)}"]
    return command + given


def _said(plan, params):
    """The command as people write it."""
    if plan.kind == "notebook":
        return shlex.join([plan.entry, *(f"{name}={value}" for name, value in params.items())])
    return shlex.join(words(plan, params))


def read_plan(env, who):
    """The Plan in a mapping of environment variables."""
    text = config.required(env, "BENCHTOP_CODE_PLAN", who)
    wrong = f"BENCHTOP_CODE_PLAN is {text[:200]!r}, expected"
    try:
        plan = json.loads(text)
    except ValueError as err:
        raise Invalid(f"{wrong} JSON ({err})") from None
    if not isinstance(plan, dict):
        raise Invalid(f"{wrong} a JSON object")
    command, entry, kind = plan.get("command") or [], plan.get("entry") or "", plan.get("kind")
    needs = plan.get("requirements") or []
    for name, value in (("command", command), ("requirements", needs)):
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise Invalid(f"{wrong} a list of texts as {name}")
    if kind not in KINDS:
        raise Invalid(f"{wrong} a kind of {', '.join(KINDS)}")
    if not isinstance(entry, str) or (kind == "notebook" and not entry) or (kind != "notebook" and not command):
        raise Invalid(f"{wrong} an entry for a notebook, a command for everything else")
    if entry.startswith("/") or ".." in Path(entry).parts:
        raise Invalid(f"{wrong} an entry below the code's folder, not {entry!r}")
    environment = plan.get("environment") or ""
    if environment not in ("", "lab"):
        raise Invalid(f"{wrong} the environment lab or none, not {environment!r}")
    return Plan(command=command, entry=entry, kind=kind, requirements=needs, environment=environment)


def _object(env, key):
    text = env.get(key, "").strip()
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Invalid(f"{key} is {text[:200]!r}, expected a JSON object")
    return found


def read_work(env):
    """The folder to work in."""
    work = Path(env.get("BENCHTOP_WORK") or "/work")
    if not work.is_dir():
        raise Invalid(f"BENCHTOP_WORK is {str(work)!r}, which is not a directory; mount an empty, writable one there")
    # Links in its path would make two names for each file.
    return work.resolve()
