"""Uploads in parts with MLflow's client: upload_in_parts.py URL DIRECTORY."""

import hashlib
import os
import sys

os.environ.update(MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD="true", MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE=str(10 << 20),
                  MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE=str(5 << 20), MLFLOW_HTTP_REQUEST_MAX_RETRIES="1",
                  MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")

import mlflow  # noqa: E402
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository  # noqa: E402

url, directory = sys.argv[1:]
mlflow.set_tracking_uri(url)
calls = []
for name in ("create_multipart_upload", "complete_multipart_upload", "abort_multipart_upload"):
    def counted(self, *args, _name=name, _call=getattr(HttpArtifactRepository, name), **kwargs):
        calls.append(_name.split("_")[0])
        return _call(self, *args, **kwargs)

    setattr(HttpArtifactRepository, name, counted)


def write(name, size):
    path = os.path.join(directory, name)
    with open(path, "wb") as f:
        f.write(os.urandom(size))
    return path


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


with mlflow.start_run() as run:
    big, small = write("größe 1+1.bin", (22 << 20) + 7), write("small.bin", 1000)
    mlflow.log_artifact(big, "weights/a b")
    assert calls == ["create", "complete"], calls
    mlflow.log_artifact(small, "weights")
    assert calls == ["create", "complete"], f"a small file in parts: {calls}"
    listed = {f.path: f.file_size for f in mlflow.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path="weights/a b")}
    assert listed == {"weights/a b/größe 1+1.bin": os.path.getsize(big)}, listed
    got = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="weights", dst_path=os.path.join(directory, "got"))
    assert digest(os.path.join(got, "a b", "größe 1+1.bin")) == digest(big)
    assert digest(os.path.join(got, "small.bin")) == digest(small)

    # A part that cannot be uploaded: the client gives the upload up.
    del calls[:]
    failing = HttpArtifactRepository._upload_part

    def upload_part(credential, local_file, size, start_byte):
        if credential.part_number == 2:
            raise OSError("the network is gone")
        return failing(credential, local_file, size, start_byte)

    HttpArtifactRepository._upload_part = staticmethod(upload_part)
    lost = write("lost.bin", 12 << 20)
    try:
        mlflow.log_artifact(lost, "weights")
        raise SystemExit("an upload that failed passed for one that succeeded")
    except mlflow.MlflowException as e:
        assert "at least one part" in str(e), e
    assert calls == ["create", "abort"], calls
    names = [f.path for f in mlflow.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path="weights")]
    assert sorted(names) == ["weights/a b", "weights/small.bin"], names
