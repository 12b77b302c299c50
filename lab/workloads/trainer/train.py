"""Train a model on a dataset, log it to the registry, register a version and publish it to the model volume.

Everything comes from the environment (config.py). Exit codes: 0 finished; 2 the input is wrong, so that the same again
would fail the same way; 3 the object store refused the dataset; 4 an error that nobody expected; 143 stopped by
SIGTERM; 1 a fault on the way, worth a retry.
"""

import io
import logging
import os
import signal
import sys
import time
from datetime import UTC, datetime

# One thread: on rows this few, threads cost more than they bring, and a pod has a CPU limit. Read by numpy on import.
for _key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_key, "1")

# Our own modules are imported now, not when needed: their folder is a ConfigMap, which may be replaced meanwhile.
import config as config_module  # noqa: E402
import dataset as dataset_module  # noqa: E402
import export  # noqa: E402
import job  # noqa: E402
import model as model_module  # noqa: E402
import params as params_module  # noqa: E402
import plots  # noqa: E402
import publish  # noqa: E402
import registry as registry_module  # noqa: E402
from failure import Failure, Killed  # noqa: E402
from retry import NotReady  # noqa: E402

log = logging.getLogger("trainer")


def now():
    return datetime.now(UTC).isoformat(timespec="seconds")


class Stop:
    """Turns SIGTERM into Killed, except while the end of the work must not be interrupted."""

    def __init__(self):
        self._held = False
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _number, _frame):
        if self._held:
            log.info("SIGTERM: the version is being published, finishing first")
            return
        # Once is enough: what follows is the clean-up.
        self._held = True
        raise Killed

    def hold(self):
        self._held = True


def train(config, registry, stop, log_text):
    """One training from dataset to published version; the run exists already."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    params = params_module.parse(config.params)
    registry.log_params(params)
    log.info("hyper-parameters: %s", ", ".join(f"{k}={v}" for k, v in params.items()))

    raw = dataset_module.fetch(config)
    dataset = dataset_module.parse(raw, config.dataset_features)
    registry.log_dataset(dataset)
    log.info(
        "dataset %s: %d rows, %d features, classes %s; sha256 verified",
        config.dataset_name,
        len(dataset.labels),
        len(dataset.feature_names),
        ", ".join(dataset.classes),
    )

    data = model_module.split(dataset, params)
    fit = model_module.fit(data, params)
    log.info("fitted %s on %d rows in %.3f s", params["model"], len(data.y_train), fit.seconds)
    result = model_module.evaluate(fit.estimator, data, dataset.classes)
    log.info("on %d held-out rows: %s", len(data.y_test), ", ".join(f"{k} {v:.4f}" for k, v in result.metrics.items()))
    registry.log_metrics(
        result.metrics | {"train_seconds": fit.seconds, "train_rows": len(data.y_train), "test_rows": len(data.y_test)},
        fit.curve,
    )

    spec = export.predictor_spec(fit.estimator, dataset.classes)
    export.verify(spec, fit.estimator, dataset.features)
    log.info("the exported predictor agrees with scikit-learn on all %d rows", len(dataset.labels))
    predictor = publish.dumps(spec)
    artifacts = {
        "evaluation/confusion_matrix.json": publish.dumps({"classes": dataset.classes, "matrix": result.confusion}),
        "evaluation/confusion_matrix.svg": plots.confusion_svg(result.confusion, dataset.classes).encode(),
        "evaluation/classification_report.json": publish.dumps(result.report),
        "evaluation/learning_curve.svg": plots.curve_svg(fit.curve, fit.curve_unit).encode(),
        "serving/predictor.json": predictor,
    }
    registry.log_files(artifacts)
    signature = ModelSignature(
        inputs=Schema([ColSpec("double", name) for name in dataset.feature_names]), outputs=Schema([ColSpec("long")])
    )
    model_uri, model_id = registry.log_model(fit.estimator, signature)
    log.info("uploaded %d artifacts and the model (%s)", len(artifacts), model_uri)

    # The next call registers the version, and it may be put into service at once. SIGTERM now waits until its
    # serving/model.json is in the registry too: without that file it could not be brought as a light version.
    stop.hold()
    version, registered_at = registry.register(model_uri, model_id, result.metrics)
    log.info("registered %s version %s", config.model_name, version)
    description = export.description(
        config,
        dataset,
        fit.estimator,
        predictor,
        version=version,
        registered_at=registered_at,
        created_at=now(),
        run_id=registry.run_id,
        model_uri=model_uri,
        signature={"inputs": signature.inputs.to_dict(), "outputs": signature.outputs.to_dict()},
        params=params,
        metrics=result.metrics,
        artifacts={path: publish.sha256(content) for path, content in artifacts.items()},
    )
    # The registry alone is enough to fill a new volume.
    registry.log_files({"serving/model.json": publish.dumps(description)})
    newer = publish.publish(config.model_dir, description, {"predictor.json": predictor}, config.served)
    if newer:
        log.info("version %d is already published; it stays, because it is newer than %s", newer, version)
        registry.tag("benchtop.published", f"no: version {newer} is newer")
    else:
        log.info("published version %s to %s", version, config.model_dir)
        registry.tag("benchtop.published", f"version {version}")
        registry.tag_version(version, "benchtop.published", now())
    registry.log_files({"logs/train.log": log_text().encode()})
    registry.end("FINISHED")


def record_end(registry, status, reason, log_text):
    """End the run with its reason. Each part by itself: what still works shall be recorded."""
    registry.hurry()
    for what, action in (
        ("tag the run with the reason", lambda: registry.tag("benchtop.failure", reason)),
        ("upload the log", lambda: registry.log_files({"logs/train.log": log_text().encode()})),
        (f"set the run {status}", lambda: registry.end(status)),
    ):
        try:
            action()
        except Exception as err:
            log.error("could not %s: %s", what, err)


def run(env, log_text):
    stop = Stop()
    registry = None
    try:
        begun = time.perf_counter()
        config = config_module.read(env)
        registry_module.wait(config)
        registry = registry_module.Registry(config)
        registry.start()
        train(config, registry, stop, log_text)
        log.info("finished in %.1f s", time.perf_counter() - begun)
        return 0
    except Killed:
        status, reason, code = "KILLED", "stopped by SIGTERM", 143
        log.error("%s", reason)
    except (Failure, NotReady) as err:
        status, reason, code = "FAILED", str(err), getattr(err, "exit_code", 1)
        log.error("training failed: %s", reason)
    except Exception as err:
        status, reason, code = "FAILED", f"{type(err).__name__}: {err}", 1
        log.exception("training failed")
    stop.hold()
    if registry and registry.run_id:
        record_end(registry, status, reason, log_text)
    return code


def main():
    kept = io.StringIO()
    job.log_to(sys.stdout, kept)
    return run(os.environ, kept.getvalue)


if __name__ == "__main__":
    sys.exit(main())
