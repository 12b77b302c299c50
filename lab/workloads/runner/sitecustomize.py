"""Python imports this when it starts, in every process of the script's: it sets up the hooks, and nothing may fail.

It lies in a folder of its own on PYTHONPATH, with the modules benchtop_*.py; a sitecustomize that was there before is
run too.
"""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)


def _theirs():
    paths = [path for path in sys.path if path != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", paths)
    if spec and spec.loader:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


try:
    _theirs()
finally:
    try:
        import benchtop_hooks

        benchtop_hooks.install()
    except Exception as err:
        sys.stderr.write(f"benchtop: what the script reads and fits is not noted: {type(err).__name__}: {err}\n")
