"""What code needs beyond its own files, compared with what the lab's Python has."""

import importlib.machinery
import json
import os
import platform
import re
import sys
import tomllib
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import imports
import requirements
from failure import Invalid

_HERE = os.path.dirname(os.path.abspath(__file__))
_SCRIPT = re.compile(r"(?m)^# /// script\s*$\n((?:^#(?: .*)?$\n)+?)^# ///\s*$")
# What people look for in a list of what there is.
_KNOWN = ("scikit-learn", "numpy", "pandas", "scipy", "mlflow-skinny", "skops", "joblib", "boto3", "requests", "pyyaml")
# Modules whose package is called otherwise, as far as people commonly miss them.
_CALLED = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "bs4": "beautifulsoup4",
    "dotenv": "python-dotenv",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
}
# It is there for notebooks (notebook.py).
_STOOD_IN = ("IPython",)


@dataclass
class Needs:
    """What was found out."""

    missing: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    instrumented: bool = False  # the code uses mlflow by itself
    pins: list[str] = field(default_factory=list)  # what it imports, as requirements


def check(plan, root):
    """The Needs of the code; raise Invalid if its files can't be read."""
    code = imports.Code(root)
    entries = [entry for entry in code.entries(plan) if entry.is_file()]
    found, _ = code.reachable(entries)
    # A command may start anything: then the code's imports are no reason to stop, but tell what is likely used.
    everything = found if entries else code.reachable(code.all())[0]
    needs = Needs(instrumented=any(each.name == "mlflow" for each in everything))
    needs.pins = _pins({each.name for each in everything})
    source, lines, python = _declared(plan, root)
    if python and not _contains(python, platform.python_version()):
        needs.missing.append(f"Python {python} ({source}); it is {platform.python_version()}")
    if source:
        _compare(needs, source, lines)
    else:
        for name, place in sorted(_absent(found, plan).items()):
            called = f" (package {_CALLED[name]})" if name in _CALLED else ""
            needs.missing.append(f"{name}{called} ({place} imports it)")
    return needs


def what_is_there():
    """The packages of the lab's Python, those first that people look for."""
    names = {(dist.metadata["Name"] or "").lower(): dist.version for dist in metadata.distributions()}
    known = [f"{name} {names[name]}" for name in _KNOWN if name in names]
    return ", ".join(known) + f" and {len(names) - len(known)} more"


def refuse(plan, needs):
    """Raise Invalid, with all of it in one message, if something is missing."""
    if needs.missing:
        raise Invalid(
            f"{plan.what} needs {' and '.join(needs.missing)}, which the lab's Python does not have; "
            f"it has: {what_is_there()}"
        )


def _absent(found, plan):
    """{module: where it is imported first} of modules that Python would not find."""
    paths = [path for path in sys.path if os.path.abspath(path) != _HERE]
    absent, asked = {}, {}
    for each in sorted(found, key=lambda entry: (str(entry.file), entry.line)):
        if each.name in absent or (plan.kind == "notebook" and each.name in _STOOD_IN):
            continue
        if each.name not in asked:
            asked[each.name] = importlib.machinery.PathFinder.find_spec(each.name, paths) is not None
        if not asked[each.name]:
            where = each.file.name if each.file.suffix == ".ipynb" else f"{each.file.name} line {each.line}"
            absent[each.name] = where
    return absent


def _pins(modules):
    """The requirements that stand for imported modules."""
    packages = metadata.packages_distributions()
    names = {name for module in modules for name in packages.get(module, ())}
    return sorted(f"{name}=={metadata.version(name)}" for name in names)


def _compare(needs, source, lines):
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            needs.differs.append(f"{source} asks for {line}, which is no package name and was not checked")
            continue
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        there = requirements.installed(wanted.name)
        if there is None:
            needs.missing.append(f"{wanted.name}{wanted.specifier} ({source})")
        elif wanted.specifier and not wanted.specifier.contains(there, prereleases=True):
            needs.differs.append(f"{source} asks for {wanted.name}{wanted.specifier}, the lab's Python has {there}")


def _contains(specifier, version):
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifier).contains(version)
    except InvalidSpecifier:
        return True


def _declared(plan, root):
    """(file's name, requirements, the Python it asks for) of the first file that says something."""
    for name in plan.requirements:
        path = root / name
        if not path.is_file():
            continue
        try:
            found = _read(path, root)
        except (ValueError, UnicodeDecodeError) as err:
            raise Invalid(f"{name} can't be read: {err}") from err
        if found is not None:
            lines, python = found
            return name, lines, python
    return None, [], None


def _read(path, root):
    """(requirements, the Python it asks for), or None if a file says nothing about them."""
    match path.name, path.suffix:
        case "uv.lock", _:
            found = _uv_lock(tomllib.loads(path.read_text()), root)
        case "pyproject.toml", _:
            project = tomllib.loads(path.read_text()).get("project", {})
            known = "dependencies" in project or "requires-python" in project
            found = (project.get("dependencies", []), project.get("requires-python")) if known else None
        case _, ".py":
            found = _header(path)
        case _, ".yml" | ".yaml":
            found = _conda(path)
        case _, ".ipynb":
            found = None
        case _:
            found = _pip(path, set()), None
    return found


def _header(path):
    """What a script says in its first comments (PEP 723)."""
    block = _SCRIPT.search(path.read_text() + "\n")
    if not block:
        return None
    script = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in block[1].splitlines()))
    return script.get("dependencies", []), script.get("requires-python")


def _uv_lock(lock, root):
    """What the project itself asks for, not what that brings along."""
    lines, python = [], None
    for package in lock.get("package", []):
        source = package.get("source", {})
        if source.get("editable", source.get("virtual")) != ".":
            continue
        for wanted in package.get("metadata", {}).get("requires-dist", []):
            marker = f"; {wanted['marker']}" if wanted.get("marker") else ""
            lines.append(f"{wanted['name']}{wanted.get('specifier', '')}{marker}")
    project = root / "pyproject.toml"
    if project.is_file():
        python = tomllib.loads(project.read_text()).get("project", {}).get("requires-python")
    return lines, python or lock.get("requires-python")


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
    if path.name == "python_env.yaml":
        lines = [entry for entry in entries or [] if isinstance(entry, str) and not entry.startswith("-")]
    else:
        lines = [line for entry in entries or [] if isinstance(entry, dict) for line in entry.get("pip") or []]
    return (lines, None) if lines else None


def _pip(path, seen):
    """The requirements of a file for pip, and of the files that it names."""
    if path in seen or not path.is_file():
        return []
    seen.add(path)
    text = re.sub(r"\\\r?\n", " ", path.read_text(encoding="utf-8-sig"))
    found = []
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        other = re.match(r"(?:-r|--requirement)[\s=]+(\S+)", line)
        if other:
            found += _pip(Path(path.parent, other[1]), seen)
        elif line.startswith((".", "/", "-e", "--editable")):
            # The code itself; its folder is where Python looks.
            continue
        elif line and not line.startswith("-"):
            found.append(re.split(r"\s--hash|\s--config|\s--global", line)[0].strip())
    return found


def dumps(needs):
    """What a run's tag says about differences."""
    return json.dumps(needs.differs, ensure_ascii=False)
