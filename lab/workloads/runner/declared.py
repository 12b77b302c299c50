"""What the files of code say that it needs: requirements*.txt, pyproject.toml, uv.lock, a script's header, conda's."""

import codecs
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import uv_lock
from failure import Invalid

_SCRIPT = re.compile(r"(?m)^# /// script\s*$\n((?:^#(?: .*)?$\n)+?)^# ///\s*$")


@dataclass
class Declared:
    """What the first file says that says something."""

    source: str = ""  # its name; "" if no file says anything
    lines: list[str] = field(default_factory=list)  # what is asked for by name, as requirements
    brought: list[str] = field(default_factory=list)  # of a lock, what those bring along
    constraints: list[str] = field(default_factory=list)  # versions of what somebody else asks for
    hashes: dict[str, list[str]] = field(default_factory=dict)  # of a lock, sha256 of a package's files
    options: list[str] = field(default_factory=list)  # what is said to pip itself
    python: str | None = None
    complete: bool = True  # whether it names everything: conda's packages have names of their own


def read(plan, root):
    """The Declared of the code; raise Invalid if a file can't be read."""
    for name in plan.requirements:
        path = root / name
        if not path.is_file():
            continue
        try:
            found = _read(path, root)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            raise Invalid(f"{name} can't be read: {type(err).__name__}: {err}") from err
        if found is not None:
            odd = next((line for line in (*found.lines, *found.constraints) if not isinstance(line, str)), None)
            if odd is not None:
                raise Invalid(f"{name} asks for {odd!r}: expected a list of texts, such as 'xgboost==3.0.0'")
            found.source = name
            return found
    return Declared()


def _read(path, root):
    """The Declared of a file, or None if it says nothing."""
    match path.name, path.suffix:
        case "uv.lock", _:
            found = _locked(path, root)
        case "pyproject.toml", _:
            project = tomllib.loads(path.read_text()).get("project", {})
            known = "dependencies" in project or "requires-python" in project
            found = Declared(lines=project.get("dependencies", []), python=project.get("requires-python"))
            found = found if known else None
        case _, ".py":
            found = _header(path)
        case _, ".yml" | ".yaml":
            found = _conda(path)
        case _, ".ipynb":
            found = None
        case _:
            found = Declared()
            _pip(path, found, set(), found.lines)
    return found


def _header(path):
    """What a script says in its first comments (PEP 723)."""
    block = _SCRIPT.search(path.read_text() + "\n")
    if not block:
        return None
    script = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in block[1].splitlines()))
    return Declared(lines=script.get("dependencies", []), python=script.get("requires-python"))


def _locked(path, root):
    """What uv has locked. Another Python than the project's own file asks for is no reason to stop."""
    lock = tomllib.loads(path.read_text())
    lines, brought, hashes = uv_lock.read(lock)
    project, python = root / "pyproject.toml", None
    if project.is_file():
        python = tomllib.loads(project.read_text()).get("project", {}).get("requires-python")
    return Declared(lines=lines, brought=brought, hashes=hashes, python=python or lock.get("requires-python"))


def _conda(path):
    """The part of environment.yml that pip installs, or mlflow's python_env.yaml, where that is all.

    conda's names are not pip's; the code's imports tell of those.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as err:
        raise ValueError(str(err)) from err
    entries = document.get("dependencies") if isinstance(document, dict) else None
    own = path.name == "python_env.yaml"
    if own:
        lines = [entry for entry in entries or [] if isinstance(entry, str) and not entry.startswith("-")]
    else:
        parts = [entry.get("pip") or [] for entry in entries or [] if isinstance(entry, dict)]
        # A text instead of a list of texts is an easy mistake, and what is meant is clear.
        lines = [line for part in parts for line in ([part] if isinstance(part, str) else part)]
    return Declared(lines=lines, complete=own) if lines else None


def _pip(path, found, seen, lines):
    """Add the requirements of a file for pip, and of the files that it names."""
    path = path.resolve()  # files may name each other
    if path in seen or not path.is_file():
        return
    seen.add(path)
    text = re.sub(r"\\\r?\n", " ", _text(path.read_bytes()))
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        other = re.match(r"(-r|--requirement|-c|--constraint)[\s=]*(\S+)", line)
        if other:
            to = found.constraints if other[1] in ("-c", "--constraint") else lines
            _pip(Path(path.parent, other[2]), found, seen, to)
        elif line.startswith((".", "/", "-e", "--editable")):
            # The code itself; its folder is where Python looks.
            continue
        elif line.startswith("-"):
            found.options.append(line)
        elif line:
            lines.append(re.split(r"\s--hash|\s--config|\s--global", line)[0].strip())


def _text(raw):
    """What is written in a file, as pip reads it: PowerShell writes UTF-16."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    return raw.decode("utf-8-sig")
