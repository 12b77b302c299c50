"""A folder of packages as a layer has it: the same packages make the same bytes."""

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import packages

# Where it is in the image.
PLACE = "opt/environment"
# Of an installer's, with what differs from one time to the next.
_LEAVINGS = (".lock", "uv_cache.json", "uv_build.json")


def install(resolution, uv, work):
    """Install what the lab's Python does not have; the folder that stands for the image's root."""
    root = work / "root"
    target = root / PLACE
    target.mkdir(parents=True)
    new = resolution.new
    if new:
        lock = work / "install.txt"
        lock.write_text("".join(f"{package.line}\n" for package in new))
        uv.install(lock, target)
    _clean(target)
    _compile(target)
    return root


def sizes(root):
    """{canonical name: bytes} of each package's own files."""
    found = {}
    for dist in metadata.distributions(path=[str(root / PLACE)]):
        files = (Path(file.locate()) for file in dist.files or ())
        found[packages.canonical(dist.metadata["Name"])] = sum(f.stat().st_size for f in files if f.is_file())
    return found


def _clean(target):
    """Remove what an installer leaves, and modules of the standard library's names: elsewhere that comes first."""
    for folder, _, names in os.walk(target):
        for name in names:
            if name in _LEAVINGS:
                Path(folder, name).unlink()
    for entry in list(target.iterdir()):
        if entry.name.partition(".")[0] in sys.stdlib_module_names and not entry.name.endswith(".dist-info"):
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _compile(target):
    """Write bytecode that is not checked against its source: neither changes. Sources that are none are left alone."""
    words = [sys.executable, "-S", "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash"]
    env = {"PATH": os.defpath, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([*words, "-s", str(target), "-p", f"/{PLACE}", str(target)], env=env, check=False)
