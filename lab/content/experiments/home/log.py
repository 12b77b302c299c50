"""Says what is kept of a trained tree. Nothing yet: that is yours."""

import os

import mlflow

from save import save


def log(model, params, metrics):
    # The experiment is called like the lab: os.environ["LAB"].
    # A run that has begun needs: params, metrics, and save(model).
    pass
