"""Other people's scripts, untouched: what becomes of them in a Job."""

import json
import os
import signal

import pytest

from support import pushes, services

LOADED = """
    import pandas as pd
    from sklearn.linear_model import LinearRegression
    data = pd.read_csv("data/houses.csv")
    X, y = data[["area", "rooms"]], data["price"]
"""
HOUSES = {"data/houses.csv": pushes.csv()}


def script(text, **files):
    """A folder with a train.py that has the data loaded as X and y."""
    import textwrap

    return {"train.py": textwrap.dedent(LOADED) + textwrap.dedent(text)} | HOUSES | files


def check_finished(runner, ended, *messages):
    """The run ended well, and has registered the newest version."""
    assert ended.code == 0, ended.output
    for message in messages:
        assert message in ended.message
    run = runner.job_run()
    assert run.info.status == "FINISHED"
    version = runner.versions()[0]
    assert version.tags["benchtop.run_id"] == run.info.run_id
    assert version.tags["benchtop.job"] == run.data.tags["benchtop.job"]
    assert version.tags["benchtop.code.sha256"] == run.data.tags["benchtop.code.sha256"]
    return run, version


def check_failed(runner, ended, code, *messages):
    """The run ended FAILED; message, log and tag say why."""
    assert ended.code == code, ended.output
    run = runner.job_run()
    assert run.info.status == "FAILED"
    for message in messages:
        assert message in ended.message
        assert message in ended.output
        assert message in run.data.tags["benchtop.failure"]
    assert runner.versions() == []
    return run


def inputs(run):
    return {each.dataset.name for each in run.inputs.dataset_inputs}


def test_pipeline_with_joblib_dump(runner):
    files = {
        "train.py": """
            import logging
            import os
            import joblib
            import pandas as pd
            from sklearn.compose import ColumnTransformer
            from sklearn.ensemble import RandomForestRegressor
            from sklearn.model_selection import cross_val_score
            from sklearn.pipeline import Pipeline
            from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

            from helpers.numbers import double

            logging.basicConfig(level=logging.INFO)
            HERE = os.path.dirname(os.path.abspath(__file__))


            def squared(rows):
                return rows ** 2


            if __name__ == "__main__":
                df = pd.read_csv(os.path.join(HERE, "data", "houses.csv"))
                X, y = df.drop(columns="price"), df["price"]
                columns = ColumnTransformer([
                    ("number", FunctionTransformer(squared), ["area"]),
                    ("other", FunctionTransformer(double), ["rooms"]),
                    ("text", OneHotEncoder(handle_unknown="ignore"), ["town"]),
                ])
                model = Pipeline([("columns", columns), ("forest", RandomForestRegressor(10, n_jobs=-1))])
                cross_val_score(model, X, y, cv=2, n_jobs=2)
                model.fit(X, y)
                os.makedirs("outputs", exist_ok=True)
                joblib.dump(model, "outputs/model.joblib")
                with open("outputs/report.json", "w") as report:
                    report.write("{}")
                open("outputs/report.json").read()
                logging.info("saved %s", model.predict(X.head(1)).shape)
        """,
        "helpers/__init__.py": "",
        "helpers/numbers.py": "def double(rows):\n    return rows * 2\n",
    } | HOUSES
    ended = runner.run(files)
    run, version = check_finished(runner, ended, "registered version 1", "outputs/model.joblib")
    assert version.run_id == run.info.run_id
    assert "INFO:root:saved (1,)" in ended.output
    assert inputs(run) == {"data/houses.csv"}
    (dataset,) = run.inputs.dataset_inputs
    assert {tag.key: tag.value for tag in dataset.tags}["sha256"].startswith(dataset.dataset.digest)
    assert run.data.params["forest__n_estimators"] == "10"
    assert run.data.metrics["training_r2_score"] > 0.5
    assert "benchtop.metric.training_r2_score" in version.tags
    assert run.data.tags["mlflow.source.git.commit"].startswith("0123456789")
    assert run.data.tags["benchtop.code.command"] == "python train.py"
    # The folds of the cross-validation are no runs of their own.
    assert [each.info.run_id for each in runner.runs()] == [run.info.run_id]
    found = runner.predicted()
    assert len(found["answer"]) == 5
    assert [column["name"] for column in json.loads(found["signature"]["inputs"])] == ["area", "rooms", "town"]
    assert any(line.startswith("scikit-learn==") for line in found["requirements"])


def test_command_with_arguments_and_parameters(runner):
    files = {
        "src/train.py": """
            import argparse
            import pathlib
            import pickle
            import sys
            import mlflow
            import pandas as pd
            from sklearn.linear_model import Ridge

            from prepare import prepared

            parser = argparse.ArgumentParser()
            parser.add_argument("--data", default="data/houses.csv")
            parser.add_argument("--models-dir", type=pathlib.Path, default="models")
            parser.add_argument("--mlflow-tracking-uri", default="http://localhost:5000")
            parser.add_argument("--alpha", type=float, default=1.0)
            parser.add_argument("--verbose", action="store_true")
            arguments = parser.parse_args()
            mlflow.set_tracking_uri(arguments.mlflow_tracking_uri)
            assert arguments.verbose
            print("I am", sys.argv[0])
            X, y = prepared(pd.read_csv(arguments.data))
            model = Ridge(alpha=arguments.alpha).fit(X, y)
            arguments.models_dir.mkdir(exist_ok=True)
            with open(arguments.models_dir / "model.pkl", "wb") as file:
                pickle.dump({"columns": list(X), "model": model}, file)
        """,
        "src/prepare.py": "def prepared(df):\n    return df[['area', 'rooms']], df['price']\n",
    } | HOUSES
    command = ["python", "src/train.py", "--data", "data/houses.csv", "--mlflow-tracking-uri", "http://127.0.0.1:1"]
    planned = pushes.plan(files, command=command, entry="")
    ended = runner.run(files, planned, BENCHTOP_PARAMS='{"alpha": 0.5, "verbose": true}')
    run, _ = check_finished(runner, ended, "models/model.pkl")
    assert "I am src/train.py" in ended.output
    assert "the script asks for the tracking server http://127.0.0.1:1; it gets the lab's" in ended.output
    assert run.data.tags["benchtop.code.command"].endswith("--alpha 0.5 --verbose")
    assert len(runner.predicted(rows={"area": [50.5], "rooms": [2]})["answer"]) == 1


def test_instrumented_script(runner):
    files = script("""
        import os
        os.environ["MLFLOW_TRACKING_URI"] = "http://localhost:5000"
        os.environ["MLFLOW_TRACKING_USERNAME"] = "admin"
        import mlflow
        import mlflow.sklearn
        from mlflow.models import infer_signature
        from mlflow.tracking import MlflowClient
        from sklearn.ensemble import RandomForestRegressor

        mlflow.set_tracking_uri("http://localhost:5000")
        mlflow.set_experiment("house prices")
        client = MlflowClient(tracking_uri="sqlite:///mlflow.db")
        try:
            experiment_id = mlflow.create_experiment("house prices")
        except Exception:
            experiment_id = mlflow.get_experiment_by_name("house prices").experiment_id
        try:
            client.delete_registered_model("houses")
        except Exception:
            pass
        model = RandomForestRegressor(n_estimators=5, random_state=0).fit(X, y)
        with mlflow.start_run(run_name="forest", experiment_id=experiment_id):
            mlflow.log_param("n_estimators", "five")
            mlflow.log_metric("rmse", 1.5)
            mlflow.set_tag("team", "prices")
            with open("notes.txt", "w") as notes:
                notes.write("fine")
            mlflow.log_artifact("notes.txt")
            info = mlflow.sklearn.log_model(model, "model", registered_model_name="houses")
        version = client.get_latest_versions("houses")[0].version
        client.set_model_version_tag("houses", version, "stage", "new")
        client.set_registered_model_alias("houses", "challenger", version)
        loaded = mlflow.pyfunc.load_model("models:/houses@challenger")
        print("loaded", len(loaded.predict(X)), mlflow.get_tracking_uri() != "http://localhost:5000")
        print("found", len(client.search_model_versions("name='houses'")))
    """)
    ended = runner.run(files)
    run, version = check_finished(runner, ended, "train.py has registered version 1 of")
    assert version.run_id == run.info.run_id or version.run_id in (None, "")
    assert "loaded 60 True" in ended.output
    assert "found 1" in ended.output
    assert run.data.params == {"n_estimators": "five"}
    assert run.data.metrics == {"rmse": 1.5}
    tags = run.data.tags
    assert tags["team"] == "prices"
    assert tags["benchtop.experiment_asked"] == "house prices"
    assert tags["benchtop.run_asked"] == "forest"
    assert run.info.run_name == f"{runner.name}-1"
    assert version.tags["benchtop.model_asked"] == "houses"
    assert version.tags["stage"] == "new"
    assert version.tags["benchtop.metric.rmse"] == "1.5"
    client = runner.client()
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["notes.txt"]
    assert client.get_experiment_by_name("house prices") is None
    assert client.search_registered_models("name='houses'") == []
    assert [each.info.run_id for each in runner.runs()] == [run.info.run_id]
    # log_model was given neither.
    found = runner.predicted()
    assert len(found["answer"]) == 5
    assert found["signature"]


def test_sweep_of_runs(runner):
    files = script("""
        import mlflow
        from sklearn.linear_model import Ridge
        for alpha in (0.1, 1.0, 10.0):
            with mlflow.start_run(run_name=f"alpha-{alpha}"):
                model = Ridge(alpha=alpha).fit(X, y)
                mlflow.log_param("alpha", alpha)
                name = "best" if alpha == 1.0 else f"model-{alpha}"
                mlflow.sklearn.log_model(model, name=name.replace(".", "-"))
        with mlflow.start_run(run_name="outer"):
            with mlflow.start_run(nested=True):
                mlflow.log_metric("inner", 1)
        mlflow.end_run()
    """)
    ended = runner.run(files)
    run, version = check_finished(
        runner, ended, "model best, which the script has logged (3 are there, and its name says best)"
    )
    assert run.data.params == {"alpha": "0.1"}
    others = [each for each in runner.runs() if each.info.run_id != run.info.run_id]
    assert sorted(each.data.params.get("alpha", "") for each in others) == ["", "", "1.0", "10.0"]
    for each in others:
        assert each.data.tags["benchtop.job_run"] == run.info.run_id
        assert each.info.status == "FINISHED"
    (best,) = [each for each in others if each.data.params.get("alpha") == "1.0"]
    assert version.run_id == best.info.run_id


def test_package_in_src_with_lock(runner):
    files = {
        "src/houses/__init__.py": "from importlib import metadata; __version__ = metadata.version('houses')",
        "src/houses/train.py": """
            from .data import load
            from sklearn.model_selection import GridSearchCV
            from sklearn.neighbors import KNeighborsRegressor
            import joblib

            def main():
                X, y = load()
                search = GridSearchCV(KNeighborsRegressor(), {"n_neighbors": [2, 3]}, cv=2).fit(X, y)
                joblib.dump(search.best_estimator_, "final_model.pkl")
                joblib.dump(search, "search.pkl")
                joblib.dump(list(X), "columns.pkl")

            if __name__ == "__main__":
                main()
        """,
        "src/houses/data.py": """
            from pathlib import Path
            import pandas as pd

            def load():
                df = pd.read_csv(Path(__file__).parents[2] / "data" / "houses.csv")
                return df[["area", "rooms"]], df["price"]
        """,
        "pyproject.toml": '[project]\nname = "houses"\nversion = "1"\nrequires-python = ">=3.10"\n',
        "uv.lock": """
            version = 1
            [[package]]
            name = "houses"
            version = "1"
            source = { editable = "." }
            dependencies = [
                { name = "scikit-learn" },
                { name = "pywin32", marker = "sys_platform == 'win32'" },
            ]
            [[package]]
            name = "scikit-learn"
            version = "99"
            source = { registry = "https://example.invalid" }
            [[package]]
            name = "pywin32"
            version = "1"
            source = { registry = "https://example.invalid" }
            [[package]]
            name = "not-asked-for"
            version = "1"
            source = { registry = "https://example.invalid" }
        """,
    } | HOUSES
    ended = runner.run(files, pushes.plan(files) | {"environment": "lab"})
    run, _ = check_finished(runner, ended, "final_model.pkl", "2 are there, and its name says final")
    assert "uv.lock asks for scikit-learn==99, the lab's Python has" in run.data.tags["benchtop.environment.differs"]
    # The search's candidates are runs below the Job's.
    below = [each for each in runner.runs() if each.data.tags.get("mlflow.parentRunId") == run.info.run_id]
    assert len(below) == 2
    assert len(runner.predicted()["answer"]) == 5


def test_notebook(runner):
    def cell(source, **more):
        return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None} | more

    cells = [
        {"cell_type": "markdown", "source": "# Houses", "metadata": {}},
        cell("%matplotlib inline\n!pip install pandas\nimport pandas as pd\nfrom IPython.display import display"),
        cell("depth = 2", metadata={"tags": ["parameters"]}),
        cell(["df = pd.read_csv('../data/houses.csv')\n", "df.shape"]),
        cell("%%time\nfrom sklearn.tree import DecisionTreeRegressor\nclass Tree(DecisionTreeRegressor):\n    pass\n"),
        cell("model = Tree(max_depth=depth).fit(df[['area']], df['price'])\nmodel.get_depth();"),
        cell("files = !ls ../data\nprint('listed', files)\ndisplay(model.get_depth())"),
    ]
    files = {"work/houses.ipynb": json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5})} | HOUSES
    ended = runner.run(files, BENCHTOP_PARAMS='{"depth": 3}')
    check_finished(runner, ended, "the Tree that was fitted last; no file has it")
    assert "(60, 4)" in ended.output
    assert "listed ['houses.csv']\n3" in ended.output
    assert "pip install pandas: left out" in ended.output
    assert len(runner.predicted(rows={"area": [50.5, 60.5]})["answer"]) == 2


def test_script_with_its_needs_in_its_head(runner):
    head = '# /// script\n# requires-python = ">=3.9"\n# dependencies = ["pandas", "scikit-learn>1"]\n# ///\n'
    files = script("""
        class Mean:
            def fit(self, X, y):
                self.mean = float(y.mean())
                return self
            def predict(self, X):
                return [self.mean] * len(X)

        import pickle
        with open("/tmp/%s.pkl" % __import__("os").environ["BENCHTOP_PROJECT"], "wb") as file:
            pickle.dump(Mean().fit(X, y), file)
    """)
    files["train.py"] = head + files["train.py"]
    ended = runner.run(files, pushes.plan(files, requirements=["train.py"]))
    try:
        check_finished(runner, ended, f"/tmp/{runner.name}.pkl, which the script has written")
    finally:
        os.unlink(f"/tmp/{runner.name}.pkl")


def test_modules_with_our_names(runner):
    files = {
        "train.py": """
            import numpy as np
            from config import SIZE
            from model import Net
            from registry import save

            save(Net(SIZE).fit(np.ones((10, 2)), np.ones(10)), "artifacts/net.pkl")
        """,
        "model.py": """
            from sklearn.base import BaseEstimator, RegressorMixin
            from sklearn.linear_model import LinearRegression

            class Net(RegressorMixin, BaseEstimator):
                def __init__(self, size=1):
                    self.size = size
                def fit(self, X, y):
                    self.inner_ = LinearRegression().fit(X * self.size, y)
                    return self
                def predict(self, X):
                    return self.inner_.predict(X * self.size)
        """,
        "config.py": "SIZE = 3",
        "registry.py": """
            import os
            import pickle

            def save(value, path):
                os.makedirs(os.path.dirname(path))
                with open(path + ".tmp", "wb") as file:
                    file.write(pickle.dumps(value))
                os.replace(path + ".tmp", path)
        """,
    }
    check_finished(runner, runner.run(files), "artifacts/net.pkl, which the script has written")
    assert runner.predicted()["answer"] == pytest.approx([1.0] * 5)


def test_many_fits(runner):
    ended = runner.run(
        script("""
        import joblib
        models = [LinearRegression(positive=bool(number % 2)).fit(X, y) for number in range(12)]
        joblib.dump(models[1], "best.joblib")
        joblib.dump(models[-1], "last.joblib")
    """)
    )
    run, version = check_finished(runner, ended, "best.joblib, which the script has written (2 are there")
    assert "benchtop: 10 fits were logged as runs; those that follow are not" in ended.output
    runs = {each.info.run_id: each for each in runner.runs()}
    # The version's run is that of its fit, and it has what was read, as the Job's.
    fitted = runs[version.run_id]
    assert fitted.data.tags["benchtop.job_run"] == run.info.run_id
    assert fitted.data.params["positive"] == "True"
    assert inputs(fitted) == inputs(run) == {"data/houses.csv"}
    # The last one's fit was not logged: it has a run of its own, without another's metrics.
    assert len(runs) == 11
    (bare,) = [each for each in runs.values() if not each.data.params]
    assert bare.data.tags["mlflow.parentRunId"] == run.info.run_id
    assert bare.data.metrics == {}


def test_script_that_uses_the_client_alone(runner):
    ended = runner.run(
        script("""
        from mlflow.tracking import MlflowClient
        import joblib
        client = MlflowClient("http://localhost:5000")
        run = client.create_run("0", run_name="mine", tags={"team": "prices"})
        client.log_param(run.info.run_id, "rows", len(X))
        joblib.dump(LinearRegression().fit(X.values, y), "../model.joblib", compress=3)
        client.log_artifact(run.info.run_id, "../model.joblib", artifact_path="models")
        client.set_terminated(run.info.run_id)
        other = client.create_run("0")
        client.set_terminated(other.info.run_id, "FAILED")
    """)
    )
    run, _ = check_finished(runner, ended, f"{runner.work}/model.joblib, which the script has written")
    assert run.data.params == {"rows": "60"}
    assert run.data.tags["team"] == "prices"
    assert run.data.tags["benchtop.run_asked"] == "mine"
    (other,) = [each for each in runner.runs() if each.info.run_id != run.info.run_id]
    assert other.info.status == "FAILED"
    assert other.data.tags["benchtop.job_run"] == run.info.run_id


def test_folder_of_mlflow(runner):
    ended = runner.run(
        script("""
        import mlflow.sklearn
        mlflow.sklearn.save_model(LinearRegression().fit(X, y), "exported", input_example=X.head(2))
    """)
    )
    check_finished(runner, ended, "exported, which the script has written")
    assert len(runner.predicted()["answer"]) == 2


def test_no_model(runner):
    files = script("""
        import json, os
        with open(os.path.join(os.environ["BENCHTOP_DATA"], "towns.csv")) as towns:
            towns.read()
        json.dump({"mean": float(y.mean())}, open("metrics.json", "w"))
        with open("weights.pt", "wb") as file:
            file.write(b"not a zip")
        import subprocess, sys
        # What has left the session is ended as well.
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        text = "import os, time\\nif os.fork() == 0:\\n    os.setsid()\\n    time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", text])
    """)
    mounted = runner.place / "data" / "towns.csv"
    mounted.parent.mkdir()
    mounted.write_text("Bern\n")
    ended = runner.run(files)
    assert ended.code == 0, ended.output
    assert ended.message.startswith("no model was found: weights.pt holds weights and no TorchScript")
    assert 'add mlflow.sklearn.log_model(model, name="model") or joblib.dump(model, "model.joblib")' in ended.message
    run = runner.job_run()
    assert run.info.status == "FINISHED"
    assert runner.versions() == []
    assert inputs(run) == {"data/houses.csv", str(mounted)}
    assert _left(runner) == []


def _left(runner):
    """Processes that work in the runner's folder."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd").startswith(str(runner.work)):
                found.append(entry)
        except OSError:
            continue
    return found


def test_script_that_fails(runner):
    ended = runner.run(
        script("""
        LinearRegression().fit(X, y)
        def prices():
            return float("many")
        prices()
    """)
    )
    line = "train.py ended with exit code 1: ValueError: could not convert string to float: 'many'"
    run = check_failed(runner, ended, 2, line)
    assert 'return float("many")' in run.data.tags["benchtop.failure"]
    # What autologging has noted until then stays.
    assert run.data.metrics["training_r2_score"] > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('--data', required=True)\np.parse_args()",
            "ended with exit code 2: train.py: error: the following arguments are required: --data",
        ),
        ("open('/proc/nothing', 'w')", "FileNotFoundError: [Errno 2] No such file or directory: '/proc/nothing'"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV and said nothing about why"),
    ],
)
def test_ways_to_fail(runner, text, message):
    check_failed(runner, runner.run({"train.py": text}), 2, message)


def test_script_that_is_killed(runner):
    ended = runner.run({"train.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"})
    check_failed(runner, ended, 137, "train.py was killed (SIGKILL)")


def test_sigterm(runner):
    files = {
        "train.py": """
            import subprocess, sys, time
            subprocess.Popen(["sleep", "600"])
            print("begun", flush=True)
            try:
                time.sleep(600)
            finally:
                print("cleaned up")
        """,
        "run.sh": "trap 'echo asked; exit 1' TERM\npython train.py &\nwait\n",
    }
    process = runner.start(files, pushes.plan(files, command=["sh", "run.sh"], entry=""))
    lines = []
    while not lines or "begun" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    assert "asked" in output
    run = runner.job_run()
    assert run.info.status == "KILLED"
    assert run.data.tags["benchtop.failure"] == "stopped by SIGTERM"
    assert _left(runner) == []


MISSING = {
    "train.py": "import nowhere_boost",
    "requirements.txt": "nowhere-boost>=2  # trees\npandas\n-r more.txt\nnothing; python_version < '3'\n",
    "more.txt": "nowhere_light[gpu]\n--index-url https://example.invalid\n",
}


def test_packages_that_an_environment_may_have(runner):
    ended = runner.run(MISSING)
    assert ended.code == 42, ended.output
    told = json.loads(ended.message)["environment"]
    assert told["why"] == "nowhere-boost>=2 (requirements.txt), nowhere_light (requirements.txt)"
    assert f"train.py needs an environment: {told['why']}" in ended.output
    # What waits for an environment has no run yet.
    assert runner.runs() == []
    # The environment of other code is none of this.
    again = runner.run(MISSING, BENCHTOP_ENVIRONMENT="0" * 64, BENCHTOP_ENVIRONMENT_PATH="/nowhere")
    assert (again.code, json.loads(again.message)) == (42, {"environment": told})


def test_packages_that_the_environment_does_not_have(runner, tmp_path):
    """Never a loop: what was made for exactly this is all there is."""
    request = json.loads(runner.run(MISSING).message)["environment"]["request"]
    env = {"BENCHTOP_ENVIRONMENT": request, "BENCHTOP_ENVIRONMENT_PATH": str(tmp_path)}
    ended = runner.run(MISSING, **env)
    run = check_failed(
        runner,
        ended,
        2,
        "train.py needs nowhere-boost>=2 (requirements.txt) and nowhere_light (requirements.txt), "
        "which the environment does not have; it has: scikit-learn ",
    )
    assert "Traceback" not in ended.output
    assert run.data.tags["benchtop.environment"] == request


def test_missing_packages_where_the_lab_was_asked_for(runner):
    ended = runner.run(MISSING, pushes.plan(MISSING) | {"environment": "lab"})
    check_failed(
        runner,
        ended,
        2,
        "train.py needs nowhere-boost>=2 (requirements.txt) and nowhere_light (requirements.txt), "
        "which the lab's Python does not have; it has: scikit-learn ",
    )
    assert "Traceback" not in ended.output


def test_wrong_digest(runner):
    ended = runner.run({"train.py": ""}, BENCHTOP_CODE_SHA256="0" * 64)
    check_failed(runner, ended, 2, "expected " + "0" * 64 + "; push it again")


def test_code_that_is_not_there(runner):
    ended = runner.run({"train.py": ""}, BENCHTOP_CODE_URI="s3://code/none.tar.gz")
    check_failed(runner, ended, 3, "reading the code at s3://code/none.tar.gz was refused")


def test_archive_that_is_none(runner):
    ended = runner.run(b"no archive", pushes.plan({"train.py": ""}))
    check_failed(runner, ended, 2, "the code is no tar.gz archive", "push it again")


def test_registry_that_never_comes_up(runner):
    gate = services.Gate(runner.mlflow_uri)
    ended = runner.run({"train.py": ""}, MLFLOW_TRACKING_URI=gate.url, BENCHTOP_WAIT_SECONDS="1")
    assert ended.code == 1
    assert f"the registry ({gate.url}) was not ready within 1 s" in ended.message
