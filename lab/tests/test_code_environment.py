"""Pushed code in an environment that was made for it: what the script, its model and whoever serves that find there."""

import json
import shutil
import subprocess
import sys

import pytest

from support import environments, pushes

TRAIN = """
    import os, sys
    import boosted
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    import shadow
    data = pd.read_csv("data/houses.csv")
    print("FOUND", boosted.VERSION, shadow.WHERE, boosted.__file__)
    os.system("boosted-tool")
    boosted.Wrapped(LinearRegression()).fit(data[["area"]], data["price"]).save("model.pkl")
"""
PACKAGE = """
    import pickle
    VERSION = "2"

    class Wrapped:
        def __init__(self, inner):
            self.inner = inner

        def fit(self, X, y):
            self.inner.fit(X, y)
            return self

        def predict(self, X):
            return self.inner.predict(X)

        def save(self, path):
            with open(path, "wb") as file:
                pickle.dump(self, file)
"""


def package(place, name, version, files):
    """A package as an installer leaves it in the environment's folder."""
    import textwrap

    info = place / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(textwrap.dedent(text))
    return place


def environment_of(runner, files, place):
    """What tells the runner that it runs in the environment of exactly this code."""
    ended = runner.run(files, BENCHTOP_BASE_IMAGE=environments.BASE)
    assert ended.code == 42, ended.output
    request = json.loads(ended.message)["environment"]["request"]
    return {
        "BENCHTOP_BASE_IMAGE": environments.BASE,
        "BENCHTOP_ENVIRONMENT": request,
        "BENCHTOP_ENVIRONMENT_PATH": str(place),
    }


@pytest.fixture
def place(tmp_path):
    place = package(
        tmp_path / "environment",
        "boosted",
        "2",
        {"boosted.py": PACKAGE, "shadow.py": "WHERE = 'environment'", "bin/boosted-tool": "#!/bin/sh\necho TOOL $0\n"},
    )
    (place / "bin/boosted-tool").chmod(0o755)
    return place


@pytest.mark.parametrize("requirements", [None, "boosted==2\npandas\nscikit-learn\n"])
def test_script_in_its_environment(runner, place, requirements):
    files = {"train.py": TRAIN, "shadow.py": "WHERE = 'code'", "data/houses.csv": pushes.csv()}
    files |= {"requirements.txt": requirements} if requirements else {}
    env = environment_of(runner, files, place)
    ended = runner.run(files, **env)
    assert ended.code == 0, ended.output
    # The code's own modules come before packages, as they always do.
    assert f"FOUND 2 code {place}/boosted.py" in ended.output
    assert f"TOOL {place}/bin/boosted-tool" in ended.output
    assert "registered version 1" in ended.message
    run, (version,) = runner.job_run(), runner.versions()
    assert run.data.tags["benchtop.environment"] == env["BENCHTOP_ENVIRONMENT"]
    assert version.tags["benchtop.environment"] == env["BENCHTOP_ENVIRONMENT"]
    # The run of a version's fit says it too: whoever serves the version looks there.
    assert runner.client().get_run(version.run_id).data.tags["benchtop.environment"] == env["BENCHTOP_ENVIRONMENT"]
    lines = (runner.downloaded() / "requirements.txt").read_text().split()
    assert "boosted==2" in lines
    assert [line for line in lines if line.startswith("scikit-learn==")]


def test_environment_of_other_code(runner, place):
    """An image that has an environment is also the lab's Python as it is."""
    env = {"BENCHTOP_ENVIRONMENT": "0" * 64, "BENCHTOP_ENVIRONMENT_PATH": str(place)}
    text = """
        import importlib.util
        assert importlib.util.find_spec("boosted") is None
    """
    ended = runner.run({"train.py": text}, **env)
    assert ended.code == 0, ended.output
    assert "benchtop.environment" not in runner.job_run().data.tags


def test_import_that_nobody_declares(runner, place):
    files = {"train.py": "import boosted\nimport nowhere\n", "requirements.txt": "boosted"}
    ended = runner.run(files, **environment_of(runner, files, place))
    assert ended.code == 2, ended.output
    assert (
        "No module named 'nowhere'; requirements.txt does not name it: add it there; the environment has: "
        in ended.message
    )


@pytest.fixture(scope="module")
def mlflow2(tmp_path_factory):
    """A folder with an MLflow of the generation before, and those versions of other packages that it needs."""
    place = tmp_path_factory.mktemp("mlflow2")
    wanted = ["mlflow-skinny==2.22.1", "cachetools<6", "importlib_metadata<9", "packaging<25", "protobuf<7"]
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target"]
    subprocess.run([*words, str(place), *wanted], check=True)
    yield place
    shutil.rmtree(place)


SAYS = 'import mlflow, warnings\nprint("MLFLOW", mlflow.__version__)\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mlflow.sklearn.log_model(model, "mine", input_example=X[:2])', "model mine, which the script has logged"),
        (
            'with mlflow.start_run():\n    mlflow.log_metric("a", 1)\n'
            '    mlflow.sklearn.log_model(model, "mine", registered_model_name="other")',
            "has registered version 1",
        ),
        ('mlflow.sklearn.save_model(model, "saved")', "saved, which the script has written"),
    ],
)
def test_mlflow_of_the_generation_before(runner, mlflow2, text, message):
    before = f"{SAYS}import pandas as pd\nfrom sklearn.linear_model import LinearRegression\n"
    before += 'data = pd.read_csv("data/houses.csv")\nX = data[["area"]]\n'
    before += 'model = LinearRegression().fit(X, data["price"])\n'
    files = {
        "train.py": before + text,
        "requirements.txt": "mlflow-skinny==2.22.1\npandas\nscikit-learn",
        "data/houses.csv": pushes.csv(),
    }
    ended = runner.run(files, **environment_of(runner, files, mlflow2))
    assert ended.code == 0, ended.output
    assert "MLFLOW 2.22.1" in ended.output
    assert "does not know this version of a library" not in ended.output
    assert message in ended.message
    (version,) = runner.versions()
    assert version.run_id
    # What serves it has the environment's packages too.
    program = "import sys, mlflow.pyfunc, pandas; m = mlflow.pyfunc.load_model(sys.argv[1]); "
    program += "print(mlflow.__version__, len(m.predict(pandas.DataFrame({'area': [1.5, 2.5]}))))"
    said = subprocess.run(
        [sys.executable, "-c", program, str(runner.downloaded())],
        env={"PYTHONPATH": str(mlflow2), "GIT_PYTHON_REFRESH": "quiet"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert said.stdout.split() == ["2.22.1", "2"], said.stderr
