"""Train a committee of 300 models, and register it as a version of the lab's model.

Whether a version goes into service is not decided here.
"""

import os
import warnings

import mlflow
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")
NAME = os.environ["PROJECT"]

data = load_breast_cancer(as_frame=True)
# The split of the lab's own trainer, so that both are tested on the same rows.
x_train, x_test, y_train, y_test = train_test_split(
    data.data, data.target, test_size=0.2, random_state=42, stratify=data.target
)

member = LogisticRegression(C=2, max_iter=200)
committee = make_pipeline(
    StandardScaler(), BaggingClassifier(member, n_estimators=300, max_samples=0.95, bootstrap=False, random_state=7)
).fit(x_train, y_train)

mlflow.set_experiment(os.environ["LAB"])
with mlflow.start_run(run_name="committee") as run:
    mlflow.log_params({"model": "committee", "members": 300, "test_size": 0.2, "random_state": 42})
    mlflow.log_metrics(
        {
            "accuracy": accuracy_score(y_test, committee.predict(x_test)),
            "log_loss": log_loss(y_test, committee.predict_proba(x_test)),
        }
    )
    model = mlflow.sklearn.log_model(
        committee, name="model", input_example=x_test.head(1), pip_requirements=["scikit-learn"]
    )

client = mlflow.MlflowClient()
version = client.create_model_version(
    NAME, model.model_uri, run.info.run_id, tags={"kind": "committee"}, model_id=model.model_id
)
metrics = client.get_run(run.info.run_id).data.metrics
print(f"version {version.version} of {NAME}: accuracy {metrics['accuracy']:.4f}, log loss {metrics['log_loss']:.4f}")
