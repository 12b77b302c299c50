"""A training script of somebody who knows MLflow: a sweep of forests, the best of them registered and loaded by its alias.

It is told where the lab is by MLflow's environment variables alone. Files above 10 MiB go to the object store in parts.
"""

import json
import math
import os
import tempfile

import matplotlib

matplotlib.use("Agg")

import mlflow
import numpy as np
from matplotlib import pyplot
from mlflow.models import infer_signature
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split

MODEL = "digits-forest"

x, y = load_digits(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(x, y, random_state=0)
mlflow.set_experiment("digits/forests")


def log_files(forest, directory):
    """One of each kind that a browser can show, and one that goes up in parts."""
    matrix = confusion_matrix(test_y, forest.predict(test_x))
    figure, axes = pyplot.subplots()
    axes.imshow(matrix)
    figure.savefig(os.path.join(directory, "confusion.png"))
    np.savetxt(os.path.join(directory, "confusion.csv"), matrix, fmt="%d", delimiter=",")
    with open(os.path.join(directory, "importance.json"), "w") as f:
        json.dump(forest.feature_importances_.tolist(), f)
    mlflow.log_artifacts(directory, "report")
    mlflow.log_text("trained\n", "logs/train.log")
    weights = os.path.join(directory, "weights.bin")
    with open(weights, "wb") as f:
        f.write(os.urandom((12 << 20) + 1))
    mlflow.log_artifact(weights)
    back = mlflow.artifacts.download_artifacts(run_id=mlflow.active_run().info.run_id, artifact_path="weights.bin")
    with open(weights, "rb") as a, open(back, "rb") as b:
        assert a.read() == b.read(), "the file came back as another"


with mlflow.start_run(run_name="sweep", description="Forests of growing size."):
    for size in (1, 2, 5, 10, 20):
        with mlflow.start_run(run_name=f"{size} trees", nested=True) as run:
            mlflow.log_params({"n_estimators": size, "criterion": "gini" if size % 2 else "entropy"})
            for step in range(100):
                mlflow.log_metric("train/loss", math.exp(-step / (10 + size)), step=step)
            forest = RandomForestClassifier(n_estimators=size, random_state=0).fit(train_x, train_y)
            mlflow.log_metric("accuracy", forest.score(test_x, test_y))
            if size == 20:
                model = mlflow.sklearn.log_model(forest, name="model", signature=infer_signature(test_x, test_y), serialization_format="cloudpickle",
                                                 registered_model_name=MODEL)
                with tempfile.TemporaryDirectory() as directory:
                    log_files(forest, directory)

client = mlflow.MlflowClient()
client.set_registered_model_alias(MODEL, "champion", model.registered_model_version)
loaded = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
assert (loaded.predict(test_x) == forest.predict(test_x)).all(), "the loaded model predicts something else"
best = mlflow.search_runs(experiment_names=["digits/forests"], filter_string="params.n_estimators != '1'", order_by=["metrics.accuracy DESC"])
assert len(best) == 4 and best.iloc[0]["metrics.accuracy"] > 0.9, best
print(run.info.run_id)
