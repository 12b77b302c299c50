"""The packages of processes that run other people's code: an environment's, if there is one, before the lab's.

The programs of the lab themselves don't have the environment on their path; they look at it from outside.
"""

import importlib.machinery
import os
import re
import sys
from importlib import metadata
from pathlib import PurePosixPath

# Where an image that has an environment says that it is.
VARIABLE = "BENCHTOP_ENVIRONMENT_PATH"
_HERE = os.path.dirname(os.path.abspath(__file__))


def environment(env):
    """The folder of the image's environment, or None."""
    return env.get(VARIABLE) or None


def places(environment=None):
    """The folders in which such a process finds packages, the first that counts first."""
    lab = [path for path in sys.path if os.path.abspath(path) != _HERE]
    return [environment, *lab] if environment else lab


def canonical(name):
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def all_of(environment=None):
    """{canonical name: distribution}; of two with one name the one that is found first."""
    found = {}
    for dist in metadata.distributions(path=places(environment)):
        name = dist.metadata["Name"]
        if name:
            found.setdefault(canonical(name), dist)
    return found


def has_module(name, environment=None):
    """Whether Python would find a top-level module."""
    return importlib.machinery.PathFinder.find_spec(name, places(environment)) is not None


def by_module(environment=None):
    """{top-level module: names of its packages}. A module that two folders have is the first one's."""
    found = {}
    for place in places(environment):
        here = {}
        for dist in metadata.distributions(path=[place]):
            for module in top_level(dist):
                here.setdefault(module, []).append(dist.metadata["Name"])
        found = here | found
    return found


def top_level(dist):
    """The modules of a package, as it says itself or else by its files."""
    declared = (dist.read_text("top_level.txt") or "").split()
    if declared:
        return set(declared)
    found = set()
    for file in dist.files or ():
        first = PurePosixPath(file).parts[0]
        if len(file.parts) > 1 and not first.endswith((".dist-info", ".data")) and first != "..":
            found.add(first)
        elif first.endswith((".py", ".so")):
            found.add(first.partition(".")[0])
    return found
