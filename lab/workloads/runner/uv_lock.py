"""What a uv.lock says for this Python and this machine."""


def read(lock):
    """(what the project asks for, what that brings along, {package: sha256 of its files}, folders).

    The first two are requirements, the folders those of the code that are packages of their own, from its root.
    """
    by_name = {}
    for package in lock.get("package", []):
        by_name.setdefault(package["name"], []).append(package)
    direct, brought, hashes, folders = {}, {}, {}, {}
    todo = [(package, True, ()) for packages in by_name.values() for package in packages if _is_project(package)]
    seen = set()
    while todo:
        package, own, extras = todo.pop()
        wanted = list(package.get("dependencies", []))
        for extra in extras:
            wanted += package.get("optional-dependencies", {}).get(extra, [])
        for entry in wanted:
            other = _named(by_name, entry)
            if other is None or not _applies(entry):
                continue
            line, local = _line(other)
            if line:
                (direct if own else brought)[line] = None
                hashes[other["name"]] = sorted(_hashes(other))
            elif not _is_project(other):
                folders[_place(other)] = None
            # A package of the same workspace is the project's own too.
            step = (other["name"], other.get("version"), tuple(entry.get("extra", ())), own and local)
            if step not in seen:
                seen.add(step)
                todo.append((other, own and local, tuple(entry.get("extra", ()))))
    return sorted(direct), sorted(set(brought) - set(direct)), hashes, sorted(folders)


def _is_project(package):
    source = package.get("source", {})
    return source.get("editable", source.get("virtual")) == "."


def _named(by_name, entry):
    """The package that a dependency means; several versions of one are told apart by what the dependency says."""
    found = by_name.get(entry["name"], [])
    version = entry.get("version")
    return next((package for package in found if version in (None, package.get("version"))), None)


def _applies(entry):
    from packaging.markers import Marker

    return not entry.get("marker") or Marker(entry["marker"]).evaluate({"extra": ""})


def _line(package):
    """(the requirement of exactly this package or None, whether it is a folder of the code)."""
    source = package.get("source", {})
    if _place(package) is not None:
        return None, True
    for kind, begin in (("git", "git+"), ("url", "")):
        if kind in source:
            return f"{package['name']} @ {begin}{source[kind]}", False
    return f"{package['name']}=={package['version']}", False


def _place(package):
    """The folder or file of the code that a package is, or None."""
    source = package.get("source", {})
    return next((source[kind] for kind in ("editable", "virtual", "directory", "path") if kind in source), None)


def _hashes(package):
    files = [package["sdist"]] if "sdist" in package else []
    for file in [*files, *package.get("wheels", [])]:
        kind, _, digest = file.get("hash", "").partition(":")
        if kind == "sha256":
            yield digest
