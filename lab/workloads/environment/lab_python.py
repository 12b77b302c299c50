"""The lab's own packages: what an environment comes upon, and what must fit to it."""

import zipfile

import packages

# What the lab puts into every process of the code's: an mlflow that its hooks know, and what writes models.
MLFLOW = "mlflow-skinny"
NEEDED = {MLFLOW: f"{MLFLOW}>=2.16", "cloudpickle": "cloudpickle"}


class LabPython:
    """The packages of the interpreter that runs this."""

    def __init__(self, dists=None):
        self._dists = packages.all_of() if dists is None else dists
        self.versions = {name: dist.version for name, dist in self._dists.items()}

    def preferences(self):
        """Its versions as lines of a lock, which uv keeps to where it can."""
        lines = [f"{name}=={version}" for name, version in sorted(self.versions.items())]
        if "mlflow" not in self.versions and MLFLOW in self.versions:
            # The two are released together.
            lines.append(f"mlflow=={self.versions[MLFLOW]}")
        return lines

    def offer(self, folder):
        """Write what uv has to know of each of its packages to a folder, as wheels without contents.

        So an index need not have what the lab has. Nothing is ever installed from these.
        """
        folder.mkdir(exist_ok=True)
        for name, dist in sorted(self._dists.items()):
            escaped = name.replace("-", "_")
            said = dist.read_text("METADATA")
            if said is None or not _is_version(dist.version):
                continue
            files = {
                "METADATA": said,
                "WHEEL": "Wheel-Version: 1.0\nGenerator: benchtop\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                "RECORD": "",
            }
            with zipfile.ZipFile(folder / f"{escaped}-{dist.version}-py3-none-any.whl", "w") as wheel:
                for file, text in files.items():
                    wheel.writestr(zipfile.ZipInfo(f"{escaped}-{dist.version}.dist-info/{file}"), text)

    def has(self, name, version):
        """Whether a package is there in exactly this version."""
        from packaging.version import InvalidVersion, Version

        there = self.versions.get(name)
        try:
            return there is not None and Version(there) == Version(version)
        except InvalidVersion:
            return there == version

    def stands_for(self, line):
        """The bound on the lab's mlflow that a requirement of mlflow means, or None if it means something else.

        The lab's is mlflow-skinny, which needs no more than the lab has; the rest of mlflow is a server with 400 MB.
        """
        from packaging.requirements import Requirement

        wanted, there = Requirement(line), self.versions.get(MLFLOW)
        if packages.canonical(wanted.name) not in ("mlflow", MLFLOW) or "mlflow" in self.versions or there is None:
            return None
        if wanted.extras or wanted.url or not wanted.specifier.contains(there, prereleases=True):
            return None
        wanted.name = MLFLOW
        return str(wanted)

    def broken_by(self, resolved):
        """{name: requirement} of its packages that don't fit to others that {name: version} would take the place of."""
        found = {}
        changed = {name for name, version in resolved.items() if not self.has(name, version)}
        for name, dist in self._dists.items():
            # What was resolved fits; mlflow holds all that mlflow-skinny does.
            if name in resolved or (name == MLFLOW and "mlflow" in resolved):
                continue
            if any(
                not specifier.contains(resolved[other], prereleases=True) for other, specifier in _asks(dist, changed)
            ):
                found[name] = NEEDED.get(name, name)
        return found


def _is_version(text):
    """Whether a file's name can have it: a '-' would end it there."""
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(text)) == text
    except InvalidVersion:
        return False


def _asks(dist, names):
    """(name, specifier) of what a package requires of others that are among the names."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in dist.requires or ():
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        name = packages.canonical(wanted.name)
        if name in names and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
            yield name, wanted.specifier
