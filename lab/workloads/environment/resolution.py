"""Which packages an environment is made of, each by the digest of one file."""

import hashlib
import logging
import platform
import re
import tomllib
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import called
import lab_python
import packages
from failure import Invalid

log = logging.getLogger("trainer")

_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)")


@dataclass(frozen=True)
class Package:
    """One package and the file that it comes from; the lab's come from the base."""

    name: str
    version: str
    file: str = ""
    sha256: str = ""
    url: str = ""  # of a file that the index does not have

    @property
    def line(self):
        what = f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"
        return f"{what} --hash=sha256:{self.sha256}" if self.sha256 else what


@dataclass(frozen=True)
class Resolution:
    """All that the code asks for and what that brings along, sorted by name."""

    packages: list[Package]
    unfit: frozenset[str]  # of the lab's packages, those that don't work with these

    @property
    def lock(self):
        """The text that says it all, as a file of requirements."""
        return "".join(f"{package.line}\n" for package in self.packages)

    def digest(self, base, architecture):
        """What the lock is known by: on another base it is another environment."""
        return hashlib.sha256(f"{self.lock}{base}\n{architecture}\n".encode()).hexdigest()

    @property
    def kept(self):
        """The packages that the lab's Python has already."""
        return [package for package in self.packages if not package.sha256]

    @property
    def new(self):
        """The packages that have to be installed."""
        return [package for package in self.packages if package.sha256]


def resolve(needs, uv, work, lab):
    """The Resolution of what was found that code needs; raise Invalid with uv's reason if there is none."""
    lab.offer(uv.offered)
    resolver = _Resolver(needs, uv, work, lab)
    unfit = resolver.settle()
    return Resolution(resolver.files(), frozenset(unfit))


class _Resolver:
    def __init__(self, needs, uv, work, lab):
        declared = needs.declared
        self._uv, self._work, self._lab = uv, work, lab
        self._hashes = declared.hashes
        self._source = declared.source
        asked = [line for line in (*declared.lines, *declared.brought) if _is_requirement(line)]
        # A lock says all of it; else the lab's mlflow stays as it is where it may.
        met = [] if declared.hashes else [line for line in asked if lab.stands_for(line)]
        self._asked = [line for line in asked if line not in met]
        self._asked += [called.package_of(module) for module in needs.modules]
        self._constraints = [line for line in declared.constraints if _is_requirement(line)]
        self._constraints += [lab.stands_for(line) for line in met]
        self._pins = work / "pins.txt"

    def settle(self):
        """Resolve, and again with what of the lab would not fit any more, until all that is left does.

        The names of those that can't be made to fit.
        """
        added, unfit = {}, set()
        self._compile(added)
        while True:
            broken = self._lab.broken_by(self._resolved())
            broken = {name: line for name, line in broken.items() if name not in added and name not in unfit}
            if not broken:
                return unfit
            log.info("these of the lab's packages have to change with them: %s", ", ".join(sorted(broken)))
            try:
                self._compile(added | broken)
                added |= broken
                continue
            except Invalid:
                # One by one: what can't be had beside the others stays as it is, for code that does not import it.
                pass
            for name, line in sorted(broken.items(), key=lambda entry: entry[0] not in lab_python.NEEDED):
                try:
                    self._compile(added | {name: line})
                    added[name] = line
                except Invalid:
                    if name in lab_python.NEEDED:
                        raise
                    log.warning("%s of the lab does not fit to what is asked for, and may not work with it", name)
                    unfit.add(name)
            self._compile(added)

    def _compile(self, added):
        asked, bounds = self._work / "asked.txt", self._work / "constraints.txt"
        asked.write_text("".join(f"{line}\n" for line in [*self._asked, *added.values()]))
        bounds.write_text("".join(f"{line}\n" for line in self._constraints))
        self._pins.write_text("".join(f"{line}\n" for line in self._lab.preferences()))
        self._uv.compile(asked, self._pins, bounds)

    def _resolved(self):
        """{canonical name: version}."""
        found = [_PINNED.match(line) for line in self._pins.read_text().splitlines()]
        return {packages.canonical(match[1]): match[2] for match in found if match}

    def files(self):
        """The Packages: uv's other format says which files there are."""
        lock = self._work / "pylock.toml"
        self._uv.compile(self._pins, lock, None, "--no-deps", "--format", "pylock.toml")
        entries = tomllib.loads(lock.read_text()).get("packages", [])
        return sorted((self._file(entry) for entry in entries), key=lambda package: package.name)

    def _file(self, entry):
        from packaging.tags import sys_tags

        name = packages.canonical(entry["name"])
        if "archive" not in entry and "vcs" not in entry and self._lab.has(name, entry["version"]):
            return Package(name, entry["version"])
        if "archive" in entry:
            file = entry["archive"]
            url = file.get("url", "")
            return Package(name, entry.get("version", ""), _file_name(file), _sha256(file, name), url)
        if "vcs" in entry:
            raise Invalid(f"{name} comes from a repository, which the lab does not fetch; ask for a version of it")
        allowed = self._hashes.get(name)
        order = {tag: place for place, tag in enumerate(sys_tags())}
        fit = []
        for wheel in entry.get("wheels", []):
            places = [order[tag] for tag in _tags(_file_name(wheel)) if tag in order]
            if places and (not allowed or _sha256(wheel, name) in allowed):
                fit.append((min(places), _file_name(wheel), wheel))
        if fit:
            file = min(fit, key=lambda entry: entry[:2])[2]
        elif "sdist" in entry and (not allowed or _sha256(entry["sdist"], name) in allowed):
            file = entry["sdist"]
        elif allowed:
            raise Invalid(f"{self._source} has other files of {name}=={entry['version']} than the lab's package index")
        else:
            raise Invalid(
                f"{name}=={entry['version']} has no file that fits Python {platform.python_version()} on this machine"
            )
        return Package(name, entry["version"], _file_name(file), _sha256(file, name))


def _is_requirement(line):
    """Whether a line names a package, and not where one is."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(line)
    except InvalidRequirement:
        return False
    return True


def _file_name(file):
    return unquote(file.get("name") or PurePosixPath(urlsplit(file.get("url") or file["path"]).path).name)


def _tags(name):
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        return parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return ()


def _sha256(file, name):
    digest = file.get("hashes", {}).get("sha256")
    if not digest:
        raise Invalid(f"the package index has no sha256 of {_file_name(file)}, so that {name} can't be checked")
    return digest
