"""What the files of code say that it needs: requirements*.txt, pyproject.toml, uv.lock, a script's header, conda's."""

import codecs
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import own as own_module
import packages
import uv_lock
from failure import Invalid

# What pip fetches by a program for repositories.
_REPOSITORY = ("git+", "hg+", "svn+", "bzr+")
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
    own: list[own_module.Own] = field(default_factory=list)  # packages that are folders of the code, as its root
    refused: list[str] = field(default_factory=list)  # what the lab can't give; sentences without their source


def read(plan, root):
    """The Declared of the code; raise Invalid if a file can't be read."""
    found = _first(plan, root) or Declared()
    asked = (*found.lines, *found.brought, *found.constraints)
    found.refused += [why for line in asked if (why := _malformed(line))]
    if not any(each.folder == root.resolve() for each in found.own):
        found.own.append(_of("pyproject.toml", own_module.read, root.resolve()))
    return found


def _of(name, reader, *args):
    """What a reader says of a file; raise Invalid if that can't be read."""
    try:
        return reader(*args)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise Invalid(f"{name} can't be read: {type(err).__name__}: {err}") from err


def _first(plan, root):
    """The Declared of the first file that says something, or None."""
    for name in plan.requirements:
        path = root / name
        if not path.is_file():
            continue
        found = _of(name, _read, path, root)
        if found is not None:
            odd = next((line for line in (*found.lines, *found.constraints) if not isinstance(line, str)), None)
            if odd is not None:
                raise Invalid(f"{name} asks for {odd!r}: expected a list of texts, such as 'xgboost==3.0.0'")
            found.source = name
            return found
    return None


def _malformed(line):
    """Why a line is no requirement, or None."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        if line.startswith(_REPOSITORY):
            return _repository(line)
        if "://" in line:
            return f"asks for {line}, an address without a name: write it as NAME @ {line}"
        return f"asks for {line!r}, expected the name of a package and perhaps its versions, such as xgboost==3.0.0"
    return _repository(line) if (wanted.url or "").startswith(_REPOSITORY) else None


def _repository(line):
    return (
        f"asks for {line}, a repository, and the lab fetches none: ask for a version of the package, or build its "
        "wheel and give that to the lab with `benchtop packages add`"
    )


def _read(path, root):
    """The Declared of a file, or None if it says nothing."""
    match path.name, path.suffix:
        case "uv.lock", _:
            found = _locked(path, root)
        case "pyproject.toml", _:
            found = Declared()
            _own(path.parent.resolve(), (), found, root)
            found.python = found.own[0].python
            found = found if found.own[0].requires is not None or found.python else None
        case _, ".py":
            found = _header(path, root)
        case _, ".yml" | ".yaml":
            found = _conda(path)
        case _, ".ipynb":
            found = None
        case _:
            found = Declared()
            _pip(path, found, set(), found.lines, root)
    return found


def _header(path, root):
    """What a script says in its first comments (PEP 723)."""
    block = _SCRIPT.search(path.read_text() + "\n")
    if not block:
        return None
    script = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in block[1].splitlines()))
    found = Declared(python=script.get("requires-python"))
    _ask(script.get("dependencies", []), own_module.sources(script), path.parent, found, root)
    return found


def _locked(path, root):
    """What uv has locked. Another Python than the project's own file asks for is no reason to stop."""
    lock = tomllib.loads(path.read_text())
    found = Declared()
    found.lines, found.brought, found.hashes, folders = uv_lock.read(lock)
    found.own = [own_module.read(root.resolve())]
    for folder in folders:
        if inside := _inside(root / folder, root, folder, found):
            found.own.append(own_module.read(inside))
    found.python = found.own[0].python or lock.get("requires-python")
    return found


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


def _pip(path, found, seen, lines, root):
    """Add the requirements of a file for pip, and of the files that it names."""
    path = path.resolve()  # files may name each other
    if path in seen or not path.is_file():
        return
    seen.add(path)
    text = re.sub(r"\\\r?\n", " ", _text(path.read_bytes()))
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        other = re.match(r"(-r|--requirement|-c|--constraint)[\s=]*(\S+)", line)
        editable = re.match(r"(-e|--editable)[\s=]*(\S.*)", line)
        asked = re.split(r"\s--hash|\s--config|\s--global", editable[2] if editable else line)[0].strip()
        if other:
            to = found.constraints if other[1] in ("-c", "--constraint") else lines
            _pip(Path(path.parent, other[2]), found, seen, to, root)
        elif asked.startswith((".", "/", "file:")) or (editable and "://" not in asked):
            _folder(asked, found, root)
        elif line.startswith("-") and not editable:
            found.options.append(line)
        elif asked:
            lines.append(asked)


def _folder(asked, found, root):
    """Add a package that is a folder, as pip is told it: from the code's root, with extras perhaps."""
    match = re.fullmatch(r"(?:file:(?://)?)?(.+?)(?:\[([^\]]*)\])?(?:\s*;.*)?", asked)
    extras = [extra.strip() for extra in (match[2] or "").split(",") if extra.strip()]
    if folder := _inside(root / match[1], root, asked, found):
        _own(folder, extras, found, root)


def _inside(path, root, asked, found):
    """The folder if the code has it, else None, and why is kept."""
    folder = path.resolve()
    if folder.is_file():
        found.refused.append(
            f"asks for {asked}, a file: give it to the lab with `benchtop packages add`, and ask for it by its name"
        )
    elif not folder.is_dir() or not folder.is_relative_to(root.resolve()):
        found.refused.append(f"asks for {asked}, which is no folder of what was pushed: push the folder that has both")
    else:
        return folder
    return None


def _own(folder, extras, found, root):
    """Add a folder that is a package, and what it asks for."""
    if any(each.folder == folder for each in found.own):
        return
    package = own_module.read(folder)
    found.own.append(package)
    if package.requires is None:
        # setup.py would have to be run to know. The imports tell.
        found.complete = False
    lines = list(package.requires or [])
    for extra in extras:
        lines += package.extras.get(packages.canonical(extra), [])
    _ask(lines, package.sources, folder, found, root)


def _ask(lines, sources, base, found, root):
    """Add requirements; those that uv takes from elsewhere are folders of the code, or refused."""
    for line in lines:
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) if isinstance(line, str) else None
        source = sources.get(packages.canonical(name[0])) if name else None
        match source:
            case {"path": path}:
                if folder := _inside(base / path, root, path, found):
                    _own(folder, (), found, root)
            case {"git": address}:
                found.refused.append(_repository(f"{name[0]} @ git+{address}"))
            case {"workspace": True}:
                found.refused.append(f"asks for {name[0]} of a workspace without a uv.lock: push that too")
            case _:
                found.lines.append(line)


def _text(raw):
    """What is written in a file, as pip reads it: PowerShell writes UTF-16."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    return raw.decode("utf-8-sig")
