"""A file in parts, from a machine that reaches the registry only: parts.py URI…"""

import os
import sys
import tempfile

import mlflow

content = os.urandom(12 * 1024 * 1024 + 1)
path = os.path.join(tempfile.mkdtemp(), "big.bin")
with open(path, "wb") as f:
    f.write(content)
for uri in sys.argv[1:]:
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("behind a firewall")
    with mlflow.start_run() as run:
        mlflow.log_artifact(path)
    got = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="big.bin", dst_path=tempfile.mkdtemp())
    with open(got, "rb") as f:
        assert f.read() == content
    print("run", run.info.run_id)
