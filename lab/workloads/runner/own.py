"""The code's own packages: folders with a pyproject.toml, as an editable install would make them known.

Nothing is installed. Their folders are where Python looks, and what installing would leave beside them, names,
versions, entry points and programs, is written into a folder of its own.
"""

import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import packages

_PROGRAM = """#!{python}
import sys
from {module} import {name}
sys.exit({call}())
"""


@dataclass(frozen=True)
class Own:
    """One folder. Without a project file that can be read without being run, it is only a place for modules."""

    folder: Path
    name: str = ""
    version: str = "0"  # "0" if it is told when the package is built
    requires: list | None = None  # None if it does not say
    extras: dict = field(default_factory=dict)
    entry_points: dict = field(default_factory=dict)  # {group: {name: "module:attribute"}}, programs among them
    sources: dict = field(default_factory=dict)  # {canonical name: where uv takes it from}
    python: str | None = None

    @property
    def places(self):
        """The folders in which its modules are."""
        return [path for path in (self.folder / "src", self.folder) if path.is_dir()]


def read(folder):
    """The Own of a folder; raise ValueError and its like if its pyproject.toml is malformed."""
    file = folder / "pyproject.toml"
    if not file.is_file():
        return Own(folder)
    document = tomllib.loads(file.read_text())
    project = document.get("project", {})
    return Own(
        folder,
        name=project.get("name", ""),
        version=project.get("version", "0"),
        requires=project.get("dependencies"),
        extras={packages.canonical(extra): lines for extra, lines in project.get("optional-dependencies", {}).items()},
        entry_points={"console_scripts": project.get("scripts", {})} | project.get("entry-points", {}),
        sources=sources(document),
        python=project.get("requires-python"),
    )


def sources(document):
    """{canonical name: where uv takes it from}, of a project's file or a script's header."""
    return {
        packages.canonical(name): source
        for name, source in document.get("tool", {}).get("uv", {}).get("sources", {}).items()
    }


def lay_out(owns, place):
    """Write what says that they are installed: metadata for Python, and programs into its folder `bin`."""
    (place / "bin").mkdir(parents=True)
    for own in owns:
        if not own.name:
            continue
        info = place / f"{packages.canonical(own.name).replace('-', '_')}-{own.version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {own.name}\nVersion: {own.version}\n")
        points = []
        for group, entries in own.entry_points.items():
            points += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(points) + "\n")
        for name, value in own.entry_points.get("console_scripts", {}).items():
            _program(place / "bin", name, value)


def _program(folder, name, value):
    module, _, attribute = value.partition("[")[0].replace(" ", "").partition(":")
    if not (module and attribute) or name != Path(name).name:
        return
    path = folder / name
    text = _PROGRAM.format(python=sys.executable, module=module, name=attribute.partition(".")[0], call=attribute)
    path.write_text(text)
    path.chmod(0o755)
