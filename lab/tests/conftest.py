"""Real servers for the tests: an S3 object store, an MLflow server, and our two programs as pods would run them."""

import os
import sys
from pathlib import Path

LAB = Path(__file__).resolve().parent.parent
# The programs' modules are flat and their names differ, so that tests can import all of them.
# As train.py does: threads cost more than they bring on rows this few.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
sys.path[:0] = [str(LAB / "workloads" / folder) for folder in ("shared", "trainer", "server", "runner", "environment")]

import pytest  # noqa: E402

from support import pushes, pyfuncs, services, versions, workloads, zygote  # noqa: E402


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """An S3 endpoint that holds the embedded datasets in bucket `datasets`."""
    with services.s3(tmp_path_factory.mktemp("s3")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    """The address of a real MLflow server on SQLite."""
    with services.mlflow(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri


@pytest.fixture(scope="session")
def code(tmp_path_factory):
    """The programs' files laid out as the kubelet lays out ConfigMaps: {"trainer": folder, "server": folder, …}."""
    return {name: workloads.mount(tmp_path_factory.mktemp(name), name) for name in workloads.PARTS}


@pytest.fixture(scope="session")
def programs():
    """What starts the trainer's programs quickly."""
    started = zygote.Zygote()
    yield started
    started.close()


@pytest.fixture(scope="session")
def pyfunc_models(tmp_path_factory):
    """A folder with MLflow models of several kinds, by name (support/save_models.py)."""
    return pyfuncs.save(tmp_path_factory.mktemp("pyfuncs"))


@pytest.fixture(scope="session")
def served(pyfunc_models, code, tmp_path_factory):
    """A server for each kind of saved model, started when it is asked for and shared by all tests."""
    started = {}

    def served(kind):
        if kind not in started:
            folder = tmp_path_factory.mktemp(kind) / "models"
            folder.mkdir()
            pyfuncs.put(folder, 1, pyfunc_models / kind)
            started[kind] = workloads.Server(code["server"], folder, {}).wait_ready("1")
        return started[kind]

    yield served
    codes = [server.stop() for server in started.values()]
    for server in started.values():
        server.close()
    assert codes == [0] * len(codes)


@pytest.fixture(scope="session")
def make_version():
    """Build (description, files, estimator) of a version as the trainer does, without registry and object store."""
    return versions.make


@pytest.fixture
def volume(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def start_server(code, volume):
    """Start inference servers on the volume; all are stopped at the end."""
    started = []

    def start(**env):
        server = workloads.Server(code["server"], volume, env)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def trainer(code, volume, s3, mlflow_server, programs):
    """Run the trainer against the real servers."""
    return workloads.Trainer(code["trainer"], code["server"], volume, s3, mlflow_server, programs)


@pytest.fixture
def runner(code, tmp_path, s3, mlflow_server):
    """Run pushed code against the real servers."""
    return pushes.Runner(code["runner"], tmp_path, s3, mlflow_server)


@pytest.fixture
def bring(trainer):
    """Bring a version as bring.py does, in this process: it need not import mlflow each time."""

    import bring as program
    import config
    import registry

    def bring(version, **env):
        settings = config.read_bring(trainer.environment(BENCHTOP_MODEL_VERSION=version, **env))
        return program.bring(settings, registry.connect(trainer.mlflow_uri).MlflowClient())

    return bring
