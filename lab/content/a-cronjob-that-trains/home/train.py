"""Train a classifier of wines, log the run, and register the model."""

import os
import signal
import sys

DATASETS = ["wine", "iris"]


def train():
    dataset = os.environ.get("DATASET", "wine")
    if dataset not in DATASETS:
        raise ValueError(f"there is no dataset {dataset}, only {' and '.join(DATASETS)}")
    print(f"training on {dataset}", flush=True)

    import mlflow
    import sklearn
    import sklearn.datasets
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = getattr(sklearn.datasets, f"load_{dataset}")(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=0)

    name = os.environ["MODEL"]
    job, uid = os.environ["JOB"], os.environ["JOB_UID"]
    mlflow.set_experiment(name)
    with mlflow.start_run(run_name=job):
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(x_train, y_train)
        accuracy = model.score(x_test, y_test)
        mlflow.log_params({"dataset": dataset, "rows": len(x_train)})
        mlflow.log_metric("accuracy", accuracy)
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(x_train, model.predict(x_train)),
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],  # else MLflow looks for them, which takes long
        )
        version = mlflow.register_model(logged.model_uri, name, tags={"job": job, "job_uid": uid})
    print(f"registered version {version.version} of {name}, accuracy {accuracy:.3f}", flush=True)


# The first process of a container ignores SIGTERM unless it says otherwise; a Job that is out of time sends it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
try:
    train()
except Exception as err:
    print(f"warning: {type(err).__name__}: {err}", flush=True)
print("done", flush=True)
