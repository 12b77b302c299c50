"""Notice what a script does without a change to it: what it opens, what it imports.

A library is hooked when the script imports it; what is not imported costs nothing. Processes that libraries start as
helpers (multiprocessing, joblib) note what they open, and talk to the lab's registry; they log nothing by themselves.
"""

import atexit
import importlib.util
import inspect
import os
import sys
import types

import benchtop_notes
from benchtop_notes import note, settings

# Files that say how something is done, and not what with.
NO_DATA = (
    *(".py", ".pyc", ".pyi", ".pyx", ".so", ".toml", ".cfg", ".ini", ".yaml", ".yml", ".lock", ".md", ".rst"),
    *(".ipynb", ".sh", ".env", ".log"),
)
_WRITES = os.O_WRONLY | os.O_RDWR
_HELPERS = ("multiprocessing", "joblib.externals.loky", "loky.backend")

# What mlflow can log by itself, by the module that the script imports; scikit-learn waits for the first fit
# (benchtop_fits.py). The libraries of language models are left out: they train nothing here.
AUTOLOG = {
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "statsmodels": "statsmodels",
    "pytorch_lightning": "pytorch",
    "lightning": "pytorch",
    "keras": "keras",
    "tensorflow": "tensorflow",
    "fastai": "fastai",
    "paddle": "paddle",
    "pyspark.ml": "spark",
}


def install():
    """Hook this process."""
    watch_files()
    watchers = {"mlflow": ("benchtop_mlflow", "patch")}
    if not is_helper():
        watchers |= {
            "sklearn.base": ("benchtop_fits", "patch_base"),
            "sklearn.model_selection._validation": ("benchtop_fits", "patch_validation"),
            "xgboost.sklearn": ("benchtop_fits", "patch_classes"),
            "lightgbm.sklearn": ("benchtop_fits", "patch_classes"),
            "catboost.core": ("benchtop_fits", "patch_classes"),
        }
        watchers |= dict.fromkeys(
            ("pickle", "joblib.numpy_pickle", "cloudpickle.cloudpickle", "dill._dill", "skops.io._persist"),
            ("benchtop_dumps", "patch"),
        )
        watchers |= dict.fromkeys(AUTOLOG, ("benchtop_hooks", "imported"))
        atexit.register(at_exit)
        os.register_at_fork(after_in_child=forked)
    for name in [name for name in watchers if name in sys.modules]:
        call(watchers.pop(name), sys.modules[name])
    sys.meta_path.insert(0, Watcher(watchers))


def is_helper():
    """Whether a library has started this process, to work or to clean up for another one."""
    arguments = sys.orig_argv[1:5]
    return any(name in argument for argument in arguments for name in _HELPERS) and (
        "-c" in arguments or "-m" in arguments
    )


def forked():
    """A copy of a process that logs by itself must not log the same again."""
    utils = sys.modules.get("mlflow.utils.autologging_utils")
    if utils:
        utils._AUTOLOGGING_GLOBALLY_DISABLED = True


def at_exit():
    if "benchtop_fits" in sys.modules:
        guarded(sys.modules["benchtop_fits"].keep_last)


def guarded(function, *arguments):
    """Call a hook. What goes wrong in it is said, and is no concern of the script's."""
    try:
        return function(*arguments)
    except Exception as err:
        name = getattr(function, "__name__", "a hook")
        benchtop_notes.say(f"{name} does not know this version of a library: {type(err).__name__}: {err}")
        return None


def call(target, module):
    where, what = target
    guarded(lambda: getattr(importlib.import_module(where), what)(module))


class Watcher:
    """Calls hooks right after modules were imported, before anybody has names from them."""

    def __init__(self, targets):
        self._targets = targets

    def find_spec(self, name, _path=None, _target=None):
        target = self._targets.get(name)
        if target is None:
            return None
        del self._targets[name]
        spec = importlib.util.find_spec(name)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return spec
        load = spec.loader.exec_module

        def exec_module(_loader, module):
            load(module)
            call(target, module)

        try:
            # The loader stays what it is: tools ask it for sources and resources.
            spec.loader.exec_module = types.MethodType(exec_module, spec.loader)
        except AttributeError:
            return spec
        return spec


def imported(module):
    """A library that mlflow can watch was imported."""
    autolog(AUTOLOG[module.__name__], log_models=True)


def autolog(flavor, **options):
    """Let mlflow log what is trained, unless the script logs by itself: then both would write the same parameters."""
    if settings["instrumented"] or "mlflow" in sys.modules:
        return
    import mlflow

    call = getattr(getattr(mlflow, flavor), "autolog", None)
    if call is None:
        return
    # The runner notes the files that were read; those are the datasets.
    wanted = {"silent": True, "log_datasets": False, "log_input_examples": True} | options
    known = inspect.signature(call).parameters
    call(**{name: value for name, value in wanted.items() if name in known})
    note("autolog", flavor=flavor)


def watch_files():
    """Note each file below the code's folder or a data mount that is opened, the first time for reading and writing."""
    roots = tuple(root.rstrip("/") + "/" for root in settings["roots"])
    seen = set()

    def opened(event, arguments):
        if event not in ("open", "sqlite3.connect"):
            return
        try:
            path = arguments[0]
            flags = arguments[2] if event == "open" else 0
            if isinstance(path, int) or path is None:
                return
            path = os.fsdecode(path)
            if path.endswith(NO_DATA):
                return
            path = os.path.abspath(path)
            if not path.startswith(roots):
                return
            how = "write" if isinstance(flags, int) and flags & _WRITES else "read"
            if (path, how) not in seen:
                seen.add((path, how))
                note(how, path=path)
        except Exception:
            # Also at the interpreter's very end, when modules are half gone: the open itself must go on.
            return

    sys.addaudithook(opened)
