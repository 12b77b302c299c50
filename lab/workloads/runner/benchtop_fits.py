"""Remember what models were fitted on: the first rows, for signature and input example, and the last model itself."""

import collections
import functools
import sys
import weakref

from benchtop_dumps import store
from benchtop_hooks import autolog, guarded
from benchtop_notes import callers, note, say, settings

ROWS = 5
# A script may fit thousands of models to compare them; a run for each would take longer than the fits.
MAX_RUNS = 10
# Code that fits models as a part of something larger.
_WITHIN = ("sklearn", "joblib", "imblearn", "xgboost", "lightgbm", "catboost", "mapie", "skopt", "threading")
_fits = collections.deque(maxlen=32)
_state = {"model": None, "autolog": False, "covered": False, "fits": 0, "stopped": False}


class Fit:
    """First rows that a model was fitted on. The model may go meanwhile."""

    def __init__(self, model, rows, run_id):
        self.rows = rows
        self.run_id = run_id
        self.kept = None
        try:
            self._model = weakref.ref(model)
        except TypeError:
            self._model = lambda: None

    def of(self, model):
        return self._model() is model

    def keep(self):
        """The path of a file that has the rows."""
        if self.kept is None:
            self.kept = store(self.rows, "rows.pkl")
        return self.kept


def patch_base(base):
    """Wrap the fits of all of scikit-learn's estimators: it decorates each of them itself, with this."""
    original = base._fit_context

    @functools.wraps(original)
    def fit_context(*arguments, **options):
        decorate = original(*arguments, **options)
        return lambda method: wrap(decorate(method))

    base._fit_context = fit_context


def patch_classes(module):
    """Wrap the fits of a module's classes."""
    for kind in [value for value in vars(module).values() if isinstance(value, type)]:
        if kind.__module__ == module.__name__ and "fit" in vars(kind):
            kind.fit = wrap(kind.fit)


def patch_validation(module):
    """The models of a cross-validation are measured and thrown away: they are not what was trained."""
    for name in (
        *("cross_validate", "cross_val_score", "cross_val_predict", "learning_curve", "validation_curve"),
        "permutation_test_score",
    ):
        if hasattr(module, name):
            setattr(module, name, _unlogged(getattr(module, name)))


def _unlogged(function):
    @functools.wraps(function)
    def call(*arguments, **options):
        if "mlflow.utils.autologging_utils" not in sys.modules:
            return function(*arguments, **options)
        from mlflow.utils.autologging_utils import disable_autologging

        with disable_autologging():
            return function(*arguments, **options)

    return call


def wrap(method):
    """A fit that is remembered when the script has called it, and not a library."""
    if method.__name__ not in ("fit", "partial_fit"):
        return method

    @functools.wraps(method)
    def fit(model, *arguments, **options):
        if _within():
            return method(model, *arguments, **options)
        # Else a class of the script's has a fit of its own, and this is a step of that, with other data.
        direct = getattr(type(model), method.__name__, None) is fit
        if direct and not _state["autolog"]:
            # Now it is known whether the script uses mlflow by itself.
            _state["autolog"] = True
            # The runner logs the model that counts, in a format that servers can load.
            guarded(lambda: autolog("sklearn", log_models=False, log_input_examples=False))
            return getattr(model, method.__name__)(*arguments, **options)
        result = method(model, *arguments, **options)
        step = getattr(type(model), method.__name__, None)
        outermost = step is fit or getattr(step, "__wrapped__", None) is not None
        guarded(_remember, model, (arguments[0] if arguments else options.get("X")) if outermost else None)
        return result

    return fit


def _within():
    for name in callers():
        top = name.partition(".")[0]
        if top != "mlflow":
            return top in _WITHIN
    return False


def _remember(model, data):
    rows = _head(data)
    if rows is not None:
        _fits.append(Fit(model, rows, _run()))
    if hasattr(model, "predict"):
        _state["model"] = model
    _state["fits"] += 1
    if _state["fits"] == MAX_RUNS and _state["autolog"] and _logging():
        say(f"{MAX_RUNS} fits were logged as runs; those that follow are not")
        sys.modules["mlflow"].sklearn.autolog(disable=True, silent=True)
        _state["stopped"] = True


def _logging():
    return "mlflow" in sys.modules and not settings["instrumented"]


def _run():
    """The run that has what was logged of a fit; "" if none has, None if that is not known."""
    if _state["stopped"]:
        return ""
    active = sys.modules["mlflow"].active_run() if "mlflow" in sys.modules else None
    return active.info.run_id if active else None


def _head(data):
    if hasattr(data, "iloc"):
        return data.iloc[:ROWS].copy()
    if isinstance(data, list | tuple):
        return list(data[:ROWS])
    if hasattr(data, "shape") and len(data.shape) and hasattr(data, "__getitem__"):
        return data[:ROWS].copy() if hasattr(data, "copy") else data[:ROWS]
    return None


def fit_of(model):
    """{rows, run_id} of the fit of a model, or of the last fit: it made a search's best model, say."""
    found = next((fit for fit in reversed(_fits) if fit.of(model)), _fits[-1] if _fits else None)
    return {"rows": found.keep(), "run_id": found.run_id} if found else {"rows": None, "run_id": None}


def raw_rows_of(model):
    """The rows themselves, if exactly this model was fitted on them."""
    for fit in reversed(_fits):
        if fit.of(model):
            return fit.rows
    return None


def cover():
    """A model was logged or written: the one that was fitted last need not be kept."""
    _state["covered"] = True


def keep_last():
    """Keep what was fitted last: its rows, and the model itself, if nothing else tells what came of the script."""
    model = _state["model"]
    if _fits:
        note("rows", **fit_of(model))
    if model is None or _state["covered"]:
        return
    kept = store(model, "fitted.pkl")
    if kept:
        note("fitted", kept=kept, kind=type(model).__name__, **fit_of(model))
