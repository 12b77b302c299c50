"""What a stock MLflow client does around deployments: log models from outside, and move aliases.

    deploy.py log NAME          registers a scikit-learn model that was trained here
    deploy.py log NAME quickly  the same, without an example and telling what it needs: MLflow need not load it to find out
    deploy.py missing NAME      registers a model that needs a package which the lab does not have
    deploy.py alias NAME ALIAS VERSION
"""

import sys

import mlflow


def log(name, quickly=""):
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    data = load_iris(as_frame=True)
    x = data.data.rename(columns=lambda c: c.removesuffix(" (cm)").replace(" ", "_"))
    model = LogisticRegression(max_iter=500).fit(x, data.target)
    more = {"pip_requirements": ["scikit-learn"]} if quickly else {"input_example": x.head(2)}
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model, name="model", registered_model_name=name, signature=infer_signature(x, model.predict(x)), **more
        )


def missing(name):
    import pandas as pd

    class NeedsMore(mlflow.pyfunc.PythonModel):
        def load_context(self, context):
            import lightgbm  # noqa: F401

        def predict(self, context, model_input: pd.DataFrame, params=None):
            return model_input

    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model", python_model=NeedsMore(), registered_model_name=name, pip_requirements=["lightgbm==4.6.0"]
        )


def alias(name, alias, version):
    mlflow.MlflowClient().set_registered_model_alias(name, alias, version)


if __name__ == "__main__":
    {"log": log, "missing": missing, "alias": alias}[sys.argv[1]](*sys.argv[2:])
