cat > log.py <<'END'
"""Says what is kept of a trained tree."""
import os

import mlflow

from save import save


def log(model, params, metrics):
    mlflow.set_experiment(os.environ["LAB"])
    with mlflow.start_run():
        mlflow.log_params(params)
        mlflow.log_metrics(metrics)
        save(model)
END
python3 train.py --depth 3
