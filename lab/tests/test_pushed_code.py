"""What the runner finds out about pushed code before and after it runs: it needs no servers for that."""

import dataclasses
import io
import json
import os
import subprocess
import tarfile
import types

import pandas as pd
import pytest

import archive
import imports
import left
import log_models
import needs
import notebook
import noted
import own
import pushed
from failure import Invalid
from support import pushes


def _member(name, kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([_member("../out.py")], "'../out.py' is outside of the folder"),
        ([_member("/etc/out.py")], "'/etc/out.py' is outside of the folder"),
        ([_member("a", tarfile.SYMTYPE, "../..")], "'a' leads out of the folder"),
        ([_member("a", tarfile.SYMTYPE, "/etc")], "'a' leads out of the folder"),
        ([_member("b", tarfile.SYMTYPE, "."), _member("b/x.py")], "'b/x.py' goes through a link"),
        ([_member("a"), _member("a")], "'a' comes twice"),
        ([_member("a", tarfile.LNKTYPE, "/etc/passwd")], "'a' is neither file nor folder nor link"),
        ([_member("a", tarfile.FIFOTYPE)], "'a' is neither file nor folder nor link"),
    ],
)
def test_hostile_archive(tmp_path, members, message):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b""))
    (tmp_path / "code.tar.gz").write_bytes(raw.getvalue())
    with pytest.raises(Invalid, match="refused") as refused:
        archive.unpack(tmp_path / "code.tar.gz", tmp_path / "code")
    assert message in str(refused.value)


def folder(tmp_path, files):
    for name, text in files.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return tmp_path


def check_needs(tmp_path, files, **planned):
    plan = pushes.plan(files, **planned)
    plan = pushed.Plan(plan["command"], plan["entry"], plan["kind"], plan["requirements"])
    return plan, needs.check(plan, folder(tmp_path, files), {})


def test_imports_without_requirements(tmp_path):
    files = {
        "train.py": """
import os, sklearn.svm, cv2
from features import scale
try:
    import nowhere_fast
except ImportError:
    nowhere_fast = None
if TYPE_CHECKING:
    import nowhere_types
def plot():
    from nowhere_plot import pyplot
""",
        "features/__init__.py": "from .scaling import scale",
        "features/scaling.py": "import numpy, mlflow",
        "tests/test_features.py": "import nowhere_test",
    }
    plan, found = check_needs(tmp_path, files)
    assert found.missing == [
        "cv2 (package opencv-python-headless) (train.py line 2 imports it)",
        "nowhere_plot (train.py line 11 imports it)",
    ]
    assert found.instrumented
    assert [pin.partition("==")[0] for pin in found.pins if "mlflow" not in pin] == ["numpy", "scikit-learn"]
    with pytest.raises(needs.NeedsEnvironment) as raised:
        needs.refuse(plan, found)
    assert json.loads(str(raised.value)) == {
        "environment": {
            "request": found.request,
            "why": "cv2 (package opencv-python-headless) (train.py line 2 imports it), "
            "nowhere_plot (train.py line 11 imports it)",
        }
    }
    assert raised.value.exit_code == 42
    # The lab's Python as it is was asked for.
    plan = dataclasses.replace(plan, environment="lab")
    with pytest.raises(
        Invalid, match=r"train.py needs cv2 \(package .* which the lab's Python does not have; it has: sci"
    ):
        needs.refuse(plan, found)


def test_command_that_does_not_tell_what_it_imports(tmp_path):
    _, found = check_needs(tmp_path, {"a.py": "import nowhere, mlflow"}, command=["sh", "run.sh"], entry="")
    assert found.missing == []
    assert found.instrumented


@pytest.mark.parametrize(
    ("files", "missing", "differs"),
    [
        ({"pyproject.toml": '[project]\ndependencies = ["nowhere>1", "pandas"]'}, ["nowhere>1 (pyproject.toml)"], []),
        (
            {"environment.yml": "dependencies:\n- python=3.11\n- xgboost\n- pip:\n  - nowhere==1\n"},
            ["nowhere==1 (environment.yml)"],
            [],
        ),
        # conda's own packages are called otherwise: for those the imports tell.
        (
            {"environment.yml": "dependencies: [{pip: [pandas]}]", "train.py": "import nowhere"},
            ["nowhere (train.py line 1 imports it)"],
            [],
        ),
        (
            {"requirements.txt": "pandas\n-c bounds.txt\n", "bounds.txt": "pandas<0.1\nnumpy<0.1\n"},
            [],
            ["requirements.txt asks for pandas<0.1, the lab's Python has "],
        ),
        ({"requirements.txt": "uvicorn[nothing]\nmlflow\n"}, [], []),
        # The code's own packages, and what they ask for.
        (
            {
                "requirements.txt": "-e .[fast]\n./lib\n",
                "pyproject.toml": '[project]\nname = "own"\ndependencies = ["pandas", "lib"]\n'
                '[project.optional-dependencies]\nfast = ["nowhere>1"]\n[tool.uv.sources]\nlib = {path = "lib"}\n',
                "lib/pyproject.toml": '[project]\nname = "lib"\ndependencies = ["elsewhere", "own"]\n'
                '[tool.uv.sources]\nown = {path = ".."}\n',
                "lib/src/lib/__init__.py": "import third",
                "train.py": "import lib",
            },
            ["elsewhere (requirements.txt)", "nowhere>1 (requirements.txt)"],
            [],
        ),
        # What a setup.py asks for is not known: the imports tell.
        (
            {
                "requirements.txt": "--editable=lib\n",
                "lib/setup.py": "",
                "lib/lib.py": "import nowhere",
                "train.py": "import lib",
            },
            ["nowhere (lib.py line 1 imports it)"],
            [],
        ),
        (
            {
                "uv.lock": '[[package]]\nname = "a"\nsource = { virtual = "." }\ndependencies = [{ name = "lib" }]\n'
                '[[package]]\nname = "lib"\nsource = { editable = "lib" }\ndependencies = [{ name = "nowhere" }]\n'
                '[[package]]\nname = "nowhere"\nversion = "2"\nsource = { registry = "https://example.invalid" }\n',
                "lib/lib.py": "",
                "train.py": "import lib",
            },
            ["nowhere==2 (uv.lock)"],
            [],
        ),
        ({"python_env.yaml": "dependencies: [nowhere==1, -r x.txt]"}, ["nowhere==1 (python_env.yaml)"], []),
        # Nothing that pip installs: the imports tell.
        ({"environment.yml": "dependencies: [python, nowhere]"}, [], []),
        (
            {"requirements.txt": "pandas==0.1 \\\n  --hash=sha256:00\n-e .\nnumpy>1,<99\n"},
            [],
            ["requirements.txt asks for pandas==0.1, the lab's Python has "],
        ),
    ],
)
def test_requirement_files(tmp_path, files, missing, differs):
    _, found = check_needs(tmp_path, {"train.py": "import pandas"} | files)
    assert found.missing == missing
    assert len(found.differs) == len(differs)
    for line, begin in zip(found.differs, differs, strict=True):
        assert line.startswith(begin)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (
            {"requirements.txt": "scikit learn\nnumpy>=\n"},
            "requirements.txt asks for 'scikit learn', expected the name of a package and perhaps its versions, such "
            "as xgboost==3.0.0; it asks for 'numpy>=', expected the name",
        ),
        (
            {"requirements.txt": "-e git+https://example.invalid/x.git#egg=x"},
            "asks for git+https://example.invalid/x.git#egg=x, a repository, and the lab fetches none: ask for",
        ),
        (
            {
                "pyproject.toml": '[project]\ndependencies = ["x"]\n[tool.uv.sources]\nX = {git = "https://example.invalid/x"}'
            },
            "pyproject.toml asks for x @ git+https://example.invalid/x, a repository",
        ),
        (
            {"pyproject.toml": '[project]\ndependencies = ["x"]\n[tool.uv.sources]\nx = {workspace = true}'},
            "pyproject.toml asks for x of a workspace without a uv.lock: push that too",
        ),
        (
            {"requirements.txt": "https://example.invalid/x-1-py3-none-any.whl"},
            "an address without a name: write it as NAME @ https://example.invalid/x-1",
        ),
        (
            {"requirements.txt": "-e ../lib"},
            "asks for ../lib, which is no folder of what was pushed: push the folder that",
        ),
        ({"requirements.txt": "./lib[all]"}, "asks for ./lib[all], which is no folder of what was pushed"),
        (
            {"requirements.txt": "./x-1-py3-none-any.whl", "x-1-py3-none-any.whl": ""},
            "asks for ./x-1-py3-none-any.whl, a file: give it to the lab with `benchtop packages add`",
        ),
    ],
)
def test_requirements_that_the_lab_cannot_give(tmp_path, files, why):
    files = {"train.py": "import pandas"} | files
    with pytest.raises(Invalid) as raised:
        check_needs(tmp_path, files)
    assert why in str(raised.value)
    plan = pushes.plan(files)
    plan = pushed.Plan(plan["command"], plan["entry"], plan["kind"], plan["requirements"], environment="lab")
    differs = needs.check(plan, tmp_path, {}).differs
    assert all(line.endswith("; that was not looked at") for line in differs)
    assert differs


def test_own_packages_as_if_they_were_installed(tmp_path):
    folder(
        tmp_path / "code",
        {
            "pyproject.toml": '[project]\nname = "My.Own"\nversion = "3"\n'
            '[project.scripts]\ntell = "own.tell:Teller.tell"\n"../out" = "own:tell"\n',
            "src/own/tell.py": "from importlib.metadata import version\n"
            "class Teller:\n    def tell():\n        print(version('my-own'))\n",
        },
    )
    package = own.read(tmp_path / "code")
    own.lay_out([package, own.Own(tmp_path)], tmp_path / "installed")
    assert not (tmp_path / "installed/out").exists()
    path = os.pathsep.join([str(tmp_path / "installed"), *map(str, package.places)])
    assert subprocess.check_output([tmp_path / "installed/bin/tell"], env={"PYTHONPATH": path}, text=True) == "3\n"


def test_other_python(tmp_path):
    head = '# /// script\n# requires-python = ">=9"\n# ///\n'
    with pytest.raises(Invalid, match=r"train.py asks for Python >=9, and the lab has 3.* change requires-python"):
        check_needs(tmp_path, {"train.py": head}, requirements=["train.py"])


def test_requirements_that_cannot_be_read(tmp_path):
    with pytest.raises(Invalid, match=r"pyproject.toml can't be read: "):
        check_needs(tmp_path, {"train.py": "", "pyproject.toml": "[project"})


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("%load_ext autoreload\nx = 1", "pass\nx = 1"),
        ("if True:\n    %time f(2)", "if True:\n    f(2)"),
        ("!echo $HOME", "_benchtop_shell('echo $HOME')"),
        ("x = !ls", "x = _benchtop_shell('ls', keep=True)"),
        ("pandas?\ny = 2", "pass\ny = 2"),
        ("%cd data", "__import__('os').chdir('data')"),
        ("%env A=b c", "__import__('os').environ['A'] = 'b c'"),
        ("%%capture out\nx = 10 % 3", "x = 10 % 3"),
        ("%%writefile -a notes.txt\na\nb", "open('notes.txt', 'a').write('a\\nb')"),
        ("%%bash\nls", "_benchtop_shell('ls')"),
        ("%%html\n<b>", ""),
        ("x = 5 %3", "x = 5 %3"),
    ],
)
def test_notebook_cells(source, python):
    assert notebook.as_module(json.dumps({"cells": [{"cell_type": "code", "source": source}]})) == python


@pytest.mark.parametrize(("source", "what"), [("%%R\nx <- 1", "%%R"), ("%sql select", "%sql")])
def test_notebook_magic_that_is_not_there(source, what):
    with pytest.raises(SyntaxError, match=f"{what}, which needs IPython; write it as Python"):
        notebook.as_module(json.dumps({"cells": [{"cell_type": "code", "source": source}]}))


@pytest.mark.parametrize(
    ("name", "begin", "kind"),
    [
        ("m.json", b'{"learner":{"attributes":', "xgboost"),
        ("metrics.json", b'{"rmse": 1}', None),
        ("m.ubj", b"{L\0learner", "xgboost"),
        ("m.txt", b"tree\nversion=v4", "lightgbm"),
        ("notes.txt", b"a tree", None),
        ("m.onnx", b"", "onnx"),
        ("m.pt", b"", "weights"),
        ("m.pkl", b"", "pickle"),
        ("m.csv", b"", None),
    ],
)
def test_formats_of_models(tmp_path, name, begin, kind):
    (tmp_path / name).write_bytes(begin)
    assert left.sniff(tmp_path / name) == kind


def test_format_whose_library_is_missing(tmp_path):
    path = tmp_path / "m.json"
    path.write_bytes(b'{"learner":{"attributes":')
    found, unread = left.candidates({str(path): 1}, noted.Noted(tmp_path / "none"), str(tmp_path))
    assert found == []
    assert unread == ["m.json looks like an XGBoost model, and the lab's Python does not have xgboost"]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a.pkl", "b.pkl"], "b.pkl"),
        (["best.pkl", "last.pkl"], "best.pkl"),
        (["final.pkl", "model_best.pkl", "z.pkl"], "model_best.pkl"),
        (["best/a.pkl", "b.pkl"], "b.pkl"),
    ],
)
def test_which_of_several(names, chosen):
    found = [left.Candidate(name, name, "pickle", at) for at, name in enumerate(names)]
    assert left.choose(found)[0].name == chosen
    assert len(left.order(found * 9)[0]) == left.MAX_LOGGED


def test_folder_of_many_files_is_one_dataset():
    files = {f"images/{number}.png": ("0" * 64, 10) for number in range(30)} | {"labels.csv": ("1" * 64, 5)}
    made = noted.datasets(files, "s3://code/p/x.tar.gz")
    assert [each["dataset"]["name"] for each in made] == ["images/", "labels.csv"]
    assert json.loads(made[0]["dataset"]["profile"]) == {"num_bytes": 300, "num_files": 30}
    assert json.loads(made[1]["dataset"]["source"]) == {"uri": "labels.csv", "archive": "s3://code/p/x.tar.gz"}
    (mounted,) = noted.datasets({"/data/houses/a.csv": ("2" * 64, 1)}, "s3://code/p/x.tar.gz")
    assert json.loads(mounted["dataset"]["source"]) == {"uri": "/data/houses/a.csv"}


@pytest.mark.parametrize(
    ("command", "params", "words"),
    [
        (
            ["python", "a.py"],
            {"n": 3, "deep": True, "off": False, "none": None},
            ["python", "a.py", "--n", "3", "--deep"],
        ),
        (["python", "a.py"], {"sizes": [1, "b"]}, ["python", "a.py", "--sizes", "1", "b"]),
        (["uv", "run", "a.py"], {}, ["python", "a.py"]),
        (["poetry", "run", "python", "-m", "a"], {}, ["python", "-m", "a"]),
        (["sh", "-c", "python a.py"], {"name": "a b"}, ["sh", "-c", "python a.py --name 'a b'"]),
    ],
)
def test_words_of_a_command(command, params, words):
    assert pushed.words(pushed.Plan(command, "", "command", []), params) == words


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("BENCHTOP_CODE_URI", "http://x", "expected s3://<bucket>/<key>"),
        ("BENCHTOP_CODE_SHA256", "12", "expected 64 hex digits"),
        ("BENCHTOP_CODE_PLAN", "{", "expected JSON"),
        ("BENCHTOP_CODE_PLAN", '{"kind": "image", "command": ["a"]}', "expected a kind of command, mlproject"),
        ("BENCHTOP_CODE_PLAN", '{"kind": "script", "command": "a"}', "expected a list of texts as command"),
        ("BENCHTOP_CODE_PLAN", '{"kind": "notebook"}', "expected an entry for a notebook"),
        ("BENCHTOP_CODE_PLAN", '{"kind": "script", "command": ["a"], "entry": "../a"}', "not '../a'"),
        ("BENCHTOP_CODE_PLAN", '{"kind": "script", "command": ["a"], "environment": "conda"}', "not 'conda'"),
        ("BENCHTOP_PARAMS", "[]", "expected a JSON object"),
        ("BENCHTOP_WORK", "/nowhere", "mount an empty, writable one there"),
        ("BENCHTOP_PROJECT", "", "BENCHTOP_PROJECT is not set"),
        ("MLFLOW_TRACKING_URI", "file:/x", "expected an http:// or https:// address"),
        ("BENCHTOP_WAIT_SECONDS", "soon", "expected seconds from 0 to 3600"),
    ],
)
def test_wrong_environment(tmp_path, key, value, message):
    env = {
        "BENCHTOP_PROJECT": "houses",
        "BENCHTOP_CODE_URI": "s3://code/houses/x.tar.gz",
        "BENCHTOP_CODE_SHA256": "0" * 64,
        "BENCHTOP_CODE_PLAN": json.dumps(pushes.plan({"train.py": ""})),
        "BENCHTOP_WORK": str(tmp_path),
        "MLFLOW_TRACKING_URI": "http://mlflow",
        "AWS_ENDPOINT_URL_S3": "http://s3",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    assert pushed.read(env).plan.what == "train.py"
    with pytest.raises(Invalid) as wrong:
        pushed.read(env | {key: value})
    assert key in str(wrong.value)
    assert message in str(wrong.value)


def test_relative_imports_of_an_entry(tmp_path):
    root = folder(
        tmp_path, {"src/pkg/train.py": "from .data import x", "src/pkg/data.py": "x = 1", "a.py": "import os"}
    )
    assert imports.is_relative(root / "src/pkg/train.py")
    assert not imports.is_relative(root / "a.py")


class Predicts:
    def predict(self, rows):
        return rows


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (MODEL := Predicts(), MODEL),
        ({"scaler": object(), "model": MODEL}, MODEL),
        ([1, MODEL], MODEL),
        ({"model": Predicts}, None),
        ("text", None),
    ],
)
def test_model_in_a_pickle(value, found):
    assert log_models.model_in(value) is found


@pytest.mark.parametrize(
    ("path", "name"), [("models/my model.v2.pkl", "my-model-v2"), ("exported/", "exported"), ("/tmp/ü.pkl", "model")]
)
def test_name_of_a_logged_model(path, name):
    assert log_models.logged_name(path) == name


def test_examples():
    rows = pd.DataFrame({"town": pd.Categorical(["Bern"]), "area": [1.5]}, index=[7])
    example = log_models.as_example(rows)
    assert example.to_dict("list") == {"town": ["Bern"], "area": [1.5]}
    assert list(example.index) == [0]
    assert not isinstance(example["town"].dtype, pd.CategoricalDtype)
    assert log_models.as_example(pd.DataFrame([[1, 2]])).tolist() == [[1, 2]]
    assert log_models.as_example(pd.Series(["a", "b"])).tolist() == ["a", "b"]
    assert log_models.as_example(None) is None
    assert log_models.as_example(object()) is None


def test_rows_that_a_result_has_kept_itself():
    data = types.SimpleNamespace(frame=None, orig_exog=pd.DataFrame({"x": range(9)}))
    result = types.SimpleNamespace(model=types.SimpleNamespace(data=data))
    assert list(log_models.fitted_on(result)["x"]) == [0, 1, 2, 3, 4]
    data.frame = pd.DataFrame({"z": range(3)})
    assert list(log_models.fitted_on(result)["z"]) == [0, 1, 2]
    assert log_models.fitted_on(object()) is None


def test_files_that_were_read_and_not_written_first(tmp_path):
    notes = tmp_path / "notes.jsonl"
    entries = [("read", "a.csv"), ("write", "a.csv"), ("write", "b.csv"), ("read", "b.csv"), ("read", "new.csv")]
    lines = [json.dumps({"event": event, "path": str(tmp_path / name), "at": 1}) for event, name in entries]
    notes.write_text("\n".join([*lines, '{"event": "rea']))
    before = {name: archive.File(f"digest of {name}", 3, 0) for name in ("a.csv", "b.csv", "c.csv")}
    found = noted.read_files(noted.Noted(notes), str(tmp_path), before, tmp_path / "data")
    assert found == {"a.csv": ("digest of a.csv", 3)}
