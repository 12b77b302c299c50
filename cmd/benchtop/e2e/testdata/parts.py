"""A file in parts, from a machine that reaches the registry only."""

import os
import tempfile

import mlflow

mlflow.set_experiment("behind a firewall")
with mlflow.start_run() as run:
    path = os.path.join(tempfile.mkdtemp(), "big.bin")
    content = os.urandom(12 * 1024 * 1024 + 1)
    with open(path, "wb") as f:
        f.write(content)
    mlflow.log_artifact(path)
got = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="big.bin", dst_path=tempfile.mkdtemp())
with open(got, "rb") as f:
    assert f.read() == content
print("run", run.info.run_id)
