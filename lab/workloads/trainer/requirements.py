"""Compare what a model requires with what the lab runtime has, and the image's environment, if it has one."""

import os
import re
from pathlib import Path

import packages

# The runtime has the part of mlflow that loads models, under another name.
STANDS_FOR = {"mlflow": "mlflow-skinny"}
_COMMENT = re.compile(r"(^|\s)#.*$")


def check(folder):
    """(missing, notes): requirements of packages that the runtime lacks, and what else differs, as sentences."""
    from packaging.requirements import InvalidRequirement, Requirement

    missing, notes = [], []
    there = packages.all_of(packages.environment(os.environ))
    for line in read(folder):
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            notes.append(f"it requires {line}, which is no package name and was not checked")
            continue
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        found = installed(wanted.name, there)
        if found is None:
            missing.append(f"{wanted.name}{wanted.specifier}")
        elif wanted.specifier and not wanted.specifier.contains(found, prereleases=True):
            notes.append(f"it requires {wanted.name}{wanted.specifier}, the lab runtime has {found}")
    return sorted(set(missing), key=str.lower), notes


def read(folder):
    """The requirements that a model's folder names, one a line; the first file that is there counts, as for MLflow."""
    folder = Path(folder)
    if (folder / "requirements.txt").is_file():
        text = re.sub(r"\\\n", "", (folder / "requirements.txt").read_text())
        lines = [_COMMENT.sub("", line).strip() for line in text.splitlines()]
        # Options such as --index-url or -c say where from, not what.
        return [line for line in lines if line and not line.startswith(("-", "mlflow-artifacts:"))]
    if (folder / "conda.yaml").is_file():
        entries = _yaml(folder / "conda.yaml").get("dependencies") or []
        return [line for entry in entries if isinstance(entry, dict) for line in entry.get("pip") or []]
    if (folder / "python_env.yaml").is_file():
        entries = _yaml(folder / "python_env.yaml").get("dependencies") or []
        return [line for line in entries if isinstance(line, str) and not line.startswith("-")]
    return []


def installed(name, there):
    """The version of a package among those that are there, as packages.all_of has them, or None."""
    name = packages.canonical(name)
    dist = there.get(name) or there.get(STANDS_FOR.get(name, ""))
    return dist.version if dist else None


def runtime():
    """The names of the packages that the lab runtime has, and the environment."""
    return sorted(packages.all_of(packages.environment(os.environ)))


def _yaml(path):
    import yaml

    try:
        document = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError:
        return {}
    return document if isinstance(document, dict) else {}
