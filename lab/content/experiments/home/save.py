"""Stores a tree with the run that is under way: for Python, and as JSON for servers without scikit-learn."""

import logging
import os

import mlflow

logging.getLogger("mlflow").setLevel(logging.ERROR)
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # it is an address within the cluster


def save(model):
    tree = model.tree_
    mlflow.log_dict(
        {
            "feature": tree.feature.tolist(),  # of each node; below 0 for a leaf
            "threshold": tree.threshold.tolist(),  # left if not above
            "left": tree.children_left.tolist(),
            "right": tree.children_right.tolist(),
            "benign": [int(v[0][1] > v[0][0]) for v in tree.value],
        },
        "tree.json",
    )
    # A tree's nodes are read without checks, so MLflow asks whether this type is trusted. It is our own.
    # Without a list of what it requires, MLflow would load it in another process to find out.
    mlflow.sklearn.log_model(
        model, name="model", pip_requirements=["scikit-learn"], skops_trusted_types=["sklearn.tree._tree.Tree"]
    )
