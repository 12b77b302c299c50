"""Notice models that a script writes to files, and keep a copy of those that need the script's own code."""

import functools
import inspect
import io
import os
import pickle
import re
import sys
import types

from benchtop_notes import callers, new_file, note, say, settings

# Who writes files that are not the script's.
_LIBRARIES = ("mlflow", "joblib", "sklearn", "multiprocessing", "skops", "cloudpickle")
_ARGUMENTS = ("file", "filename")


def patch(module):
    """Wrap a module's dump(object, file)."""
    original = module.dump
    parameters = list(inspect.signature(original).parameters)
    what = parameters[0]
    where = next(name for name in parameters if name in _ARGUMENTS)

    @functools.wraps(original)
    def dump(*arguments, **options):
        result = original(*arguments, **options)
        given = dict(zip(parameters, arguments, strict=False)) | options
        try:
            written(given.get(what), given.get(where))
        except Exception as err:
            say(f"the file {given.get(where)!r} was not looked at: {type(err).__name__}: {err}")
        return result

    module.dump = dump


def written(value, file):
    path = _path(file)
    if path is None or next(callers(), "").partition(".")[0] in _LIBRARIES:
        return
    model, key = model_in(value)
    if model is None:
        note("dump", path=path, model=None)
        return
    fits = sys.modules.get("benchtop_fits")
    if fits:
        fits.cover()
    # Any other file can be read as it is, with pickle or joblib.
    copy = key is not None or path.endswith(".skops") or needs_code(model)
    note(
        "dump",
        path=path,
        model=type(model).__name__,
        key=key,
        kept=store(model, "model.pkl") if copy else None,
        **(fits.fit_of(model) if fits else {"rows": None, "run_id": None}),
    )


def _path(file):
    name = file if isinstance(file, str | os.PathLike) else getattr(file, "name", None)
    return os.path.abspath(os.fspath(name)) if isinstance(name, str | os.PathLike) else None


def model_in(value):
    """(the model that is written, its key in what is written): a value with predict, or the one in a bundle."""
    if is_model(value):
        return value, None
    if isinstance(value, dict):
        found = [(str(key), entry) for key, entry in value.items() if is_model(entry)]
    elif isinstance(value, list | tuple):
        found = [(str(index), entry) for index, entry in enumerate(value) if is_model(entry)]
    else:
        return None, None
    if not found:
        return None, None
    found.sort(key=lambda entry: bool(re.search("best|final", entry[0], re.IGNORECASE)))
    key, model = found[-1]
    return model, key


def is_model(value):
    # A module may have a function predict, and a class has one for its instances.
    return not isinstance(value, type | types.ModuleType) and callable(getattr(value, "predict", None))


class _Looking(pickle.Pickler):
    """Pickles to nowhere, and sees whether classes or functions of the script's are needed to read it."""

    def __init__(self):
        super().__init__(_Nowhere(), protocol=5)
        self.found = False

    def reducer_override(self, value):
        if isinstance(value, type | types.FunctionType) and is_local(getattr(value, "__module__", None)):
            self.found = True
        return NotImplemented


class _Nowhere(io.RawIOBase):
    def write(self, data):
        return len(data)


def needs_code(model):
    looking = _Looking()
    try:
        looking.dump(model)
    except Exception:
        # What only a better pickler can write.
        return True
    return looking.found


def is_local(module):
    """Whether a module, by its name, is part of the script's code."""
    if module == "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return bool(file) and os.path.abspath(file).startswith(settings["code"].rstrip("/") + "/")


def by_value():
    """Have models take the script's classes and functions along, because its files are not where models are served."""
    import cloudpickle

    for name, module in list(sys.modules.items()):
        if name != "__main__" and isinstance(module, types.ModuleType) and is_local(name):
            cloudpickle.register_pickle_by_value(module)


def store(value, name):
    """Write a value so that it can be read without the script's code. The file's path, or None if it can't be."""
    try:
        import cloudpickle

        by_value()
        path = new_file(name)
        with open(path, "wb") as file:
            cloudpickle.CloudPickler(file, protocol=5).dump(value)
    except Exception as err:
        say(f"a {type(value).__name__} was not kept: {type(err).__name__}: {err}")
        return None
    return path
