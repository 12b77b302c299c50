"""What code needs beyond its own files, compared with what the lab's Python has, or an environment that was made."""

import hashlib
import json
import platform
from dataclasses import dataclass, field

import called
import declared as declared_module
import imports
import packages
import requirements
from failure import Failure, Invalid

# What people look for in a list of what there is.
_KNOWN = ("scikit-learn", "numpy", "pandas", "scipy", "mlflow-skinny", "skops", "joblib", "boto3", "requests", "pyyaml")
# It is there for notebooks (notebook.py).
_STOOD_IN = ("IPython",)
# The plan's environment that is the lab's Python as it is.
LAB = "lab"
MAX_WHY = 1000


class NeedsEnvironment(Failure):
    """The lab's Python does not suffice, and an environment may. The message is JSON, for whoever makes that."""

    def __init__(self, request, why):
        why = why if len(why) <= MAX_WHY else why[: MAX_WHY - 1] + "…"
        super().__init__(json.dumps({"environment": {"request": request, "why": why}}, ensure_ascii=False), 42)
        self.why = why


@dataclass
class Needs:
    """What was found out."""

    declared: declared_module.Declared = field(default_factory=declared_module.Declared)
    modules: list[str] = field(default_factory=list)  # what only imports name, and the lab does not have
    request: str = ""  # the digest of all that an environment is made from
    environment: str | None = None  # the folder of the one that was made for this
    missing: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)  # packages of another version, as a reason
    differs: list[str] = field(default_factory=list)  # the same as sentences, and what was not checked
    instrumented: bool = False  # the code uses mlflow by itself
    pins: list[str] = field(default_factory=list)  # what it imports, as requirements


def check(plan, root, env):
    """The Needs of the code; raise Invalid if its files can't be read, or it can't run on the lab's version of Python.

    `env` has what the image is: BENCHTOP_BASE_IMAGE, and of an environment what it was made for and where it is.
    """
    declared = declared_module.read(plan, root)
    _check_python(declared)
    if plan.environment != LAB and declared.refused:
        raise Invalid(f"{declared.source} {'; it '.join(declared.refused)}")
    code = imports.Code(root, declared.own)
    entries = [entry for entry in code.entries(plan) if entry.is_file()]
    found, _ = code.reachable(entries)
    # A command may start anything: then the code's imports are no reason to stop, but tell what is likely used.
    everything = found if entries else code.reachable(code.all())[0]
    tells = not (declared.source and declared.complete)
    lacks = _absent(found, plan, None) if tells else {}
    needs = Needs(declared=declared, modules=sorted(lacks))
    needs.instrumented = any(each.name == "mlflow" for each in everything)
    needs.request = request_of(needs, env.get("BENCHTOP_BASE_IMAGE", ""))
    if plan.environment != LAB and env.get("BENCHTOP_ENVIRONMENT") == needs.request:
        needs.environment = packages.environment(env)
    there = packages.all_of(needs.environment)
    needs.pins = _pins({each.name for each in everything}, there, needs.environment)
    _compare(needs, there)
    still = _absent(found, plan, needs.environment) if tells else {}
    for name, place in sorted(still.items()):
        needs.missing.append(f"{called.said(name)} ({place} imports it)")
    return needs


def request_of(needs, base):
    """The digest of what an environment is made from: the same for the same needs, in whatever files they stand."""
    declared = needs.declared
    inputs = {
        "requirements": sorted({_normal(line) for line in [*declared.lines, *declared.brought]}),
        "constraints": sorted({_normal(line) for line in declared.constraints}),
        "hashes": declared.hashes,
        "modules": needs.modules,
        "python": declared.python or "",
        "base": base,
        "architecture": platform.machine(),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def what_is_there(environment=None):
    """The packages of the lab's Python and an environment, those first that people look for."""
    there = {name: dist.version for name, dist in packages.all_of(environment).items()}
    known = [f"{name} {there[name]}" for name in _KNOWN if name in there]
    return ", ".join(known) + f" and {len(there) - len(known)} more"


def refuse(plan, needs):
    """Raise NeedsEnvironment if one may have what this Python does not; Invalid, with all of it, if there is no way."""
    if plan.environment != LAB and needs.environment is None and (needs.missing or needs.other):
        raise NeedsEnvironment(needs.request, ", ".join([*needs.missing, *needs.other]))
    if needs.missing:
        whose = "environment" if needs.environment else "lab's Python"
        raise Invalid(
            f"{plan.what} needs {' and '.join(needs.missing)}, which the {whose} does not have; "
            f"it has: {what_is_there(needs.environment)}"
        )


def _check_python(declared):
    if declared.python and not _contains(declared.python, platform.python_version()):
        raise Invalid(
            f"{declared.source} asks for Python {declared.python}, and the lab has {platform.python_version()}; change "
            "requires-python, if the code runs on that"
        )


def _absent(found, plan, environment):
    """{module: where it is imported first} of modules that Python would not find."""
    absent, asked = {}, {}
    for each in sorted(found, key=lambda entry: (str(entry.file), entry.line)):
        if each.name in absent or (plan.kind == "notebook" and each.name in _STOOD_IN):
            continue
        if each.name not in asked:
            asked[each.name] = packages.has_module(each.name, environment)
        if not asked[each.name]:
            where = each.file.name if each.file.suffix == ".ipynb" else f"{each.file.name} line {each.line}"
            absent[each.name] = where
    return absent


def _pins(modules, there, environment):
    """The requirements that stand for imported modules."""
    by_module = packages.by_module(environment)
    names = {name for module in modules for name in by_module.get(module, ())}
    return sorted(f"{name}=={there[packages.canonical(name)].version}" for name in names)


def _compare(needs, there):
    """Compare what the files ask for with the packages that are there."""
    from packaging.requirements import InvalidRequirement, Requirement

    source, bounds = needs.declared.source, _bounds(needs.declared.constraints)
    needs.differs += [f"{source} {why}; that was not looked at" for why in needs.declared.refused]
    for line in needs.declared.lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        specifier = wanted.specifier & bounds.get(packages.canonical(wanted.name), wanted.specifier)
        version = requirements.installed(wanted.name, there)
        if version is None:
            needs.missing.append(f"{wanted.name}{wanted.specifier} ({source})")
        elif specifier and not specifier.contains(version, prereleases=True):
            needs.other.append(f"{wanted.name}{specifier} ({source}), not {version}")
            needs.differs.append(f"{source} asks for {wanted.name}{specifier}, the lab's Python has {version}")
        else:
            dist = there.get(packages.canonical(wanted.name))
            needs.missing += [
                f"{name} ({source}: {wanted.name}[{','.join(sorted(wanted.extras))}])"
                for name in (_lacking(dist, wanted.extras, there) if dist else ())
            ]


def _lacking(dist, extras, there):
    """What a package's extras ask for that is not there."""
    from packaging.requirements import Requirement

    for line in dist.requires or ():
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            continue
        if any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
            version = requirements.installed(wanted.name, there)
            if version is None or not wanted.specifier.contains(version, prereleases=True):
                yield f"{wanted.name}{wanted.specifier}"


def _bounds(constraints):
    """{canonical name: the versions that constraints allow}."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = {}
    for line in constraints:
        try:
            bound = Requirement(line)
        except InvalidRequirement:
            continue
        if not bound.marker or bound.marker.evaluate({"extra": ""}):
            name = packages.canonical(bound.name)
            found[name] = found[name] & bound.specifier if name in found else bound.specifier
    return found


def _normal(line):
    """A requirement as it is written only one way."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return " ".join(line.split())
    wanted.name = packages.canonical(wanted.name)
    return str(wanted)


def _contains(specifier, version):
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifier).contains(version)
    except InvalidSpecifier:
        return True


def dumps(needs):
    """What a run's tag says about differences."""
    return json.dumps(needs.differs, ensure_ascii=False)
