"""train.py s3://BUCKET/KEY: train on a CSV file, and record what it was trained on."""

import hashlib
import io
import json
import os
import sys
import warnings

import boto3
import mlflow
import pandas
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

warnings.filterwarnings("ignore")
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # it is an address within the cluster

uri = sys.argv[1]
bucket, key = uri.removeprefix("s3://").split("/", 1)
content = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
digest = hashlib.sha256(content).hexdigest()
print(f"{uri} has {len(content)} bytes, sha256 {digest}")

table = pandas.read_csv(io.BytesIO(content))
features, bought = table.drop(columns="bought").astype(float), table["bought"]
model = LogisticRegression(max_iter=500)
accuracy = cross_val_score(model, features, bought, cv=5).mean()
model.fit(features, bought)

mlflow.set_experiment(os.environ["LAB"])
with mlflow.start_run(run_name="visits") as run:
    data = mlflow.data.from_pandas(table, source=uri, name="visits", targets="bought", digest=digest[:32])
    mlflow.log_input(data, context="training")  # which data: name, source and digest
    mlflow.log_param("rows", len(table))
    mlflow.log_metric("accuracy", accuracy)
    mlflow.log_dict({"coefficients": model.coef_[0].tolist(), "intercept": model.intercept_[0]}, "model.json")
    mlflow.log_dict({"uri": uri, "sha256": digest, "bytes": len(content)}, "data.json")
kept = {"run": run.info.run_id, "accuracy": round(accuracy, 3), "artifacts": run.info.artifact_uri}
print(json.dumps(kept, indent=1))
