"""What is looked at from outside: the packages of an image's environment before the lab's."""

import json

import pytest

import packages
import pyfunc_process
import requirements
from pyfunc_process import CanNotLoadError, Process
from support.environments import lab_version


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A folder with a package that the lab does not have, and one that it has in another version."""
    place = tmp_path / "environment"
    for name, version, top in (("Boosted.Trees", "2.0", "boosted"), ("pandas", "0.9", "pandas")):
        info = place / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{top}/__init__.py,,\n{top}-extra.so,,\n../../bin/x,,\n{info.name}/RECORD,,\n")
    (place / "boosted").mkdir()
    (place / "boosted/__init__.py").write_text("")
    monkeypatch.setenv(packages.VARIABLE, str(place))
    return str(place)


def test_environment_comes_first(environment):
    found = packages.all_of(environment)
    assert found["boosted-trees"].version == "2.0"
    assert found["pandas"].version == "0.9"
    assert found["numpy"].version == lab_version("numpy")
    assert packages.all_of()["pandas"].version == lab_version("pandas")
    modules = packages.by_module(environment)
    assert modules["boosted"] == ["Boosted.Trees"]
    assert modules["pandas"] == ["pandas"]
    assert modules["sklearn"] == ["scikit-learn"]
    assert packages.has_module("boosted", environment)
    assert not packages.has_module("boosted")
    assert packages.environment({packages.VARIABLE: ""}) is None


@pytest.mark.usefixtures("environment")
def test_requirements_of_a_model(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("boosted_trees==2.0\npandas>=1\nmlflow\nnowhere\n")
    assert requirements.check(tmp_path) == (["nowhere"], ["it requires pandas>=1, the lab runtime has 0.9"])
    assert {"boosted-trees", "numpy"} <= set(requirements.runtime())
    monkeypatch.delenv(packages.VARIABLE)
    assert requirements.check(tmp_path) == (["boosted_trees==2.0", "nowhere"], [])


@pytest.mark.parametrize("given", ["", "/given"])
def test_process_of_a_model(environment, monkeypatch, given):
    monkeypatch.setenv("PYTHONPATH", given)
    env = pyfunc_process._environment()
    assert env["PYTHONPATH"] == f"{environment}:{given}".rstrip(":")
    assert packages.VARIABLE not in env
    monkeypatch.delenv(packages.VARIABLE)
    assert pyfunc_process._environment().get("PYTHONPATH", "") == given


@pytest.mark.usefixtures("environment")
def test_model_that_needs_its_environment(tmp_path, monkeypatch):
    """The process of a model imports what the server that starts it does not."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "loader_of_boosted.py").write_text("")
    flavor = {"loader_module": "boosted", "python_version": "3.11.2"}
    (folder / "MLmodel").write_text(json.dumps({"flavors": {"python_function": flavor}}))
    text = "class M:\n    def predict(self, rows):\n        return rows\ndef _load_pyfunc(_):\n    return M()\n"
    (tmp_path / "environment/boosted/__init__.py").write_text(text)
    process = Process(folder)
    process.close()
    assert process.described["flavors"] == ["python_function"]
    monkeypatch.delenv(packages.VARIABLE)
    with pytest.raises(CanNotLoadError, match="boosted"):
        Process(folder)
