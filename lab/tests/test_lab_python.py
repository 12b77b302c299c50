"""What is decided about environments without uv: what stays of the lab, and what uv's errors mean."""

import types

import pytest

import lab_python
import uv


def lab(**packages):
    """A LabPython of {name: (version, requirements)}."""
    dists = {
        name.replace("_", "-"): types.SimpleNamespace(version=version, requires=requires)
        for name, (version, *requires) in packages.items()
    }
    return lab_python.LabPython(dists)


@pytest.mark.parametrize(
    ("line", "bound"),
    [
        ("mlflow", "mlflow-skinny"),
        ("MLflow>=3,<4", "mlflow-skinny<4,>=3"),
        ("mlflow_skinny==3.17.2", "mlflow-skinny==3.17.2"),
        ("mlflow==2.22.1", None),
        ("mlflow[extras]", None),
        ("mlflow @ https://example.invalid/mlflow.whl", None),
        ("numpy", None),
    ],
)
def test_what_the_labs_mlflow_stands_for(line, bound):
    assert lab(mlflow_skinny=("3.17.2",), numpy=("2.4.6",)).stands_for(line) == bound
    # A Python that has all of mlflow says so.
    assert lab(mlflow_skinny=("3.17.2",), mlflow=("3.17.2",)).stands_for(line) is None


def test_versions_that_are_preferred():
    assert lab(numpy=("2.4.6",), mlflow_skinny=("3.17.2",)).preferences() == [
        "mlflow-skinny==3.17.2",
        "numpy==2.4.6",
        "mlflow==3.17.2",
    ]


def test_what_a_change_breaks():
    found = lab(
        numpy=("2.4.6",),
        pandas=("3.1.1", "numpy>=2", "pytz; extra == 'timezone'", "not a requirement"),
        scipy=("1.17.1", "numpy<3,>=1.26.4"),
        old=("1", "numpy>=2; python_version < '3'"),
        mlflow_skinny=("3.17.2", "numpy>=2"),
        cryptic=("1", "left-out>=1"),
    )
    assert found.broken_by({"numpy": "2.4.6"}) == {}
    assert found.broken_by({"numpy": "1.26.4"}) == {"pandas": "pandas", "mlflow-skinny": "mlflow-skinny>=2.16"}
    assert found.broken_by({"numpy": "1.26.4", "pandas": "2.2.3", "mlflow": "2.22.1"}) == {}
    assert found.has("numpy", "2.4.6.0")
    assert not found.has("numpy", "2.4.6+cpu")


INDEX = "http://packages.benchtop.svc:3141/simple/"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "error: Failed to extract\n  cause: failed to write: No space left on device (os error 28)",
            2,
            "it does not fit into the room that the builder has; ask for fewer or smaller packages",
        ),
        (
            f"error: Request failed after 3 retries in 8.4s\n  cause: Failed to fetch: {INDEX}a-b/\n"
            f"  cause: HTTP status server error (502 Bad Gateway) for url ({INDEX}a-b/)",
            2,
            "a-b is not in this lab's package index, and the index upstream can't be reached: `benchtop packages "
            "add a-b`",
        ),
        (
            "error: Failed to download `a==1`\n  cause: Failed to fetch: `http://packages.benchtop.svc:3141/files/a/00/"
            "a-1-py3-none-any.whl`\n  cause: HTTP status server error (502 Bad Gateway) for url (x)",
            2,
            "a is not in this lab's package index",
        ),
        (
            f"error: Request failed\n  cause: Failed to fetch: {INDEX}a/\n  cause: error sending request for url",
            1,
            "the lab's package index can't be reached: ",
        ),
        (
            "error: Failed to fetch: `https://example.invalid/x.whl`\n  cause: error sending request for url",
            2,
            "example.invalid",
        ),
        (
            "error: No solution found when resolving dependencies\n  cause: Because all versions of a depend on b<2 "
            "and you require b>2, we can conclude that your requirements and all versions of a are incompatible.\n"
            "         And because you require a, we can conclude that your requirements are unsatisfiable.",
            2,
            "all versions of a depend on b<2 and you require b>2, so your requirements and all versions of a are "
            "incompatible",
        ),
        ("error: something else " + "x" * 5000, 2, "something else xx"),
    ],
)
def test_errors_of_uv(text, code, message):
    found = uv.explained(text, INDEX)
    assert found.exit_code == code
    assert message in str(found)
    assert len(str(found)) <= uv.MAX_SAID
