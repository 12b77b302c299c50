"""Answer what a script asks of mlflow with the lab's registry: one server, one experiment, one model, the Job's run.

The Job's key reaches nothing else. Whatever the script names instead is kept as a tag and said in the log.
"""

import functools
import importlib.util
import inspect
import logging
import os
import re
import sys

from benchtop_dumps import by_value
from benchtop_notes import callers, claim, note, say, settings

ASKED_EXPERIMENT, ASKED_RUN, ASKED_MODEL = "benchtop.experiment_asked", "benchtop.run_asked", "benchtop.model_asked"
_NAMED = re.compile(r"""(\bname\s*(?:=|I?LIKE)\s*)('[^']*'|"[^"]*")""", re.IGNORECASE)


def patch(mlflow):
    os.environ["MLFLOW_TRACKING_URI"] = settings["tracking_uri"]
    _addresses()
    _experiments(mlflow)
    _runs(mlflow)
    _versions()
    _models(mlflow)


def replace(original, replacement):
    """Put something in the place of a function, whoever of mlflow has taken its name already."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "mlflow" and module is not None:
            for key, value in list(vars(module).items()):
                if value is original:
                    setattr(module, key, replacement)


def _addresses():
    from mlflow.tracking._model_registry import utils as registry
    from mlflow.tracking._tracking_service import utils as tracking
    from mlflow.utils import credentials
    from mlflow.utils.rest_utils import MlflowHostCreds

    ours = settings["tracking_uri"]
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    replace(
        credentials.get_default_host_creds,
        lambda store_uri: MlflowHostCreds(host=store_uri, username=user, password=password, token=token),
    )

    def answered(asked):
        if asked and str(asked).rstrip("/") != ours:
            say(f"the script asks for the tracking server {asked}; it gets the lab's, {ours}")

    def resolve(tracking_uri=None):
        answered(tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"))
        return ours

    def resolve_registry(registry_uri=None, tracking_uri=None):
        answered(registry_uri or tracking_uri)
        return ours

    def set_uri(uri):
        answered(uri)

    tracking.set_tracking_uri(ours)
    for original, replacement in (
        (tracking._resolve_tracking_uri, resolve),
        (tracking.get_tracking_uri, lambda: ours),
        (tracking.set_tracking_uri, set_uri),
        (registry._resolve_registry_uri, resolve_registry),
        (registry.get_registry_uri, lambda: ours),
        (registry.set_registry_uri, set_uri),
    ):
        replace(original, replacement)


def _experiments(mlflow):
    client, ours = mlflow.MlflowClient, settings["experiment_id"]
    set_experiment = mlflow.set_experiment

    def asked(name):
        if name and name != settings["experiment"]:
            note("asked", tag=ASKED_EXPERIMENT, value=str(name))
            say(f"the script asks for the experiment {name}; it gets the project's, {settings['experiment']}")

    def set_ours(experiment_name=None, experiment_id=None, *_others, **_options):
        asked(experiment_name or (experiment_id if str(experiment_id) != ours else None))
        return set_experiment(experiment_id=ours)

    def create(_self, name, *_others, **_options):
        asked(name)
        return ours

    def by_name(self, name):
        asked(name)
        return self.get_experiment(ours)

    def no_deletion(_self, experiment_id, *_others):
        say(f"the script deletes the experiment {experiment_id}; the project's stays")

    replace(set_experiment, functools.wraps(set_experiment)(set_ours))
    client.create_experiment = create
    client.get_experiment_by_name = by_name
    client.delete_experiment = client.rename_experiment = no_deletion


def _runs(mlflow):
    client, job_run = mlflow.MlflowClient, settings["run_id"]
    start_run, create_run = mlflow.start_run, client.create_run
    terminate, update, delete = client.set_terminated, client.update_run, client.delete_run

    def start(run_id=None, experiment_id=None, run_name=None, *others, **options):
        others_given = dict(zip(list(inspect.signature(start_run).parameters)[3:], others, strict=False)) | options
        if run_id is None and not mlflow.active_run() and claim("run"):
            os.environ.pop("MLFLOW_RUN_ID", None)
            others_given["tags"] = (others_given.get("tags") or {}) | ({ASKED_RUN: run_name} if run_name else {})
            return start_run(run_id=job_run, **others_given)
        if run_id is None:
            experiment_id = settings["experiment_id"]
        return start_run(run_id=run_id, experiment_id=experiment_id, run_name=run_name, **others_given)

    def create(self, experiment_id=None, start_time=None, tags=None, run_name=None):
        del experiment_id
        tags = {key: value for key, value in (tags or {}).items() if key != "mlflow.parentRunId" or value}
        if "mlflow.parentRunId" not in tags and claim("run"):
            tags |= {ASKED_RUN: run_name} if run_name else {}
            for key, value in tags.items():
                self.set_tag(job_run, key, value)
            return self.get_run(job_run)
        tags |= settings["run_tags"]
        return create_run(self, settings["experiment_id"], start_time, tags, run_name)

    def end(self, run_id, status=None, end_time=None):
        # The Job ends its run, when it knows how.
        if run_id != job_run:
            return terminate(self, run_id, status, end_time)
        return None

    def change(self, run_id, status=None, name=None):
        if run_id != job_run:
            return update(self, run_id, status, name)
        if name:
            self.set_tag(run_id, ASKED_RUN, name)
        return None

    def remove(self, run_id):
        if run_id != job_run:
            return delete(self, run_id)
        say("the script deletes its run; the Job's stays")
        return None

    replace(start_run, functools.wraps(start_run)(start))
    client.create_run, client.set_terminated, client.update_run, client.delete_run = create, end, change, remove


def _versions():
    from mlflow.exceptions import MlflowException
    from mlflow.tracking._model_registry.client import ModelRegistryClient as Client

    ours = settings["model"]

    def asked(name):
        if name != ours:
            say(f"the script asks for the registered model {name}; it gets the project's, {ours}")

    def renamed(original):
        signature = inspect.signature(original)

        @functools.wraps(original)
        def call(self, *arguments, **options):
            bound = signature.bind(self, *arguments, **options)
            asked(bound.arguments["name"])
            bound.arguments["name"] = ours
            return original(*bound.args, **bound.kwargs)

        return call

    def kept(original):
        signature = inspect.signature(original)

        @functools.wraps(original)
        def call(self, *arguments, **options):
            name = signature.bind(self, *arguments, **options).arguments["name"]
            say(f"{original.__name__}({name!r}) is left out: a script may not take what the project has")

        return call

    def searching(original):
        @functools.wraps(original)
        def call(self, filter_string=None, *arguments, **options):
            if isinstance(filter_string, str):
                filter_string = _NAMED.sub(lambda found: f"{found[1]}'{ours}'", filter_string)
            return original(self, filter_string, *arguments, **options)

        return call

    for name, method in list(vars(Client).items()):
        if not callable(method) or name.startswith("_") or "prompt" in name or "webhook" in name:
            continue
        if "name" not in inspect.signature(method).parameters:
            continue
        if name in ("delete_registered_model", "rename_registered_model", "delete_model_version"):
            setattr(Client, name, kept(method))
        elif name not in ("create_registered_model", "create_model_version"):
            setattr(Client, name, renamed(method))
    Client.search_registered_models = searching(Client.search_registered_models)
    Client.search_model_versions = searching(Client.search_model_versions)
    create_model, create_version, copy = (
        Client.create_registered_model,
        Client.create_model_version,
        Client.copy_model_version,
    )

    def model(self, name, *arguments, **options):
        asked(name)
        try:
            return create_model(self, ours, *arguments, **options)
        except MlflowException as err:
            # It is there since the project is; a script that asks for a new one shall not fail.
            if err.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
                raise
            return self.get_registered_model(ours)

    def version(self, name, source, run_id=None, tags=None, *arguments, **options):
        asked(name)
        tags = dict(tags or {}) | settings["version_tags"] | ({ASKED_MODEL: name} if name != ours else {})
        made = create_version(self, ours, source, run_id, tags, *arguments, **options)
        note("version", version=str(made.version), run_id=run_id, model_id=options.get("model_id"), asked=name)
        return made

    def copied(self, src_mv, dst_name):
        asked(dst_name)
        made = copy(self, src_mv, ours)
        note("version", version=str(made.version), run_id=made.run_id, model_id=None, asked=dst_name)
        return made

    Client.create_registered_model, Client.create_model_version = model, version
    Client.copy_model_version = copied


def _models(mlflow):
    from mlflow.models import Model
    from mlflow.utils import environment

    log = Model.log.__func__

    def by_autolog():
        return "mlflow.utils.autologging_utils.safety" in callers()

    def logged(cls, *arguments, **options):
        auto = by_autolog()
        _complete(options)
        info = log(cls, *arguments, **options)
        fits = sys.modules.get("benchtop_fits")
        if fits:
            fits.cover()
        # Before MLflow 3 a model is a part of its run, and has no id.
        name = getattr(info, "name", None) or getattr(info, "artifact_path", None)
        model_id = getattr(info, "model_id", None)
        note("model", model_id=model_id, run_id=info.run_id, name=name, auto=auto, uri=info.model_uri)
        return info

    Model.log = classmethod(functools.wraps(log)(logged))

    def requirements(_model, _flavor, fallback=None, *_others, **_options):
        # mlflow loads the model once more in another process to find out. What the code imports is known already.
        return sorted(set(fallback or []) | set(settings["requirements"]))

    replace(environment.infer_pip_requirements, requirements)
    _format(mlflow)


def _format(mlflow):
    """Models of scikit-learn are written as they always were, where the script doesn't say how.

    In skops, mlflow's default, a forest can't be logged at all unless its trees are trusted by name.
    """
    if importlib.util.find_spec("sklearn") is None:
        return
    # The format is not the script's choice.
    logging.getLogger("mlflow.sklearn").addFilter(lambda record: "cloudpickle format" not in record.getMessage())

    class Default:
        """Sets the default when mlflow.sklearn is imported, which takes a while."""

        def find_spec(self, name, _path=None, _target=None):
            if name != "mlflow.sklearn":
                return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                module._get_default_serialization_format = lambda: "cloudpickle"

            spec.loader.exec_module = exec_module
            return spec

    if "mlflow.sklearn" in vars(mlflow) and "mlflow.sklearn" in sys.modules:
        sys.modules["mlflow.sklearn"]._get_default_serialization_format = lambda: "cloudpickle"
    else:
        sys.meta_path.insert(0, Default())


def _complete(options):
    """Give a model that is logged what the script has left out and what is known: its code, an example, a signature."""
    by_value()
    fits = sys.modules.get("benchtop_fits")
    if fits is None or "signature" not in options or options.get("input_example") is not None:
        return
    model = next((value for key, value in options.items() if key.endswith("model")), None)
    rows = fits.raw_rows_of(model) if model is not None else None
    if rows is None or not hasattr(rows, "shape") or len(rows.shape) != 2 or not hasattr(rows, "__len__"):
        return
    if options.get("signature") is None:
        from mlflow.models import infer_signature

        try:
            options["signature"] = infer_signature(rows, model.predict(rows))
        except Exception as err:
            say(f"no signature for a {type(model).__name__}: {type(err).__name__}: {err}")
            return
    options["input_example"] = rows
