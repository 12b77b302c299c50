"""Environments for code that needs more than the lab's Python: real uv against an index of our own."""

import hashlib
import json
import subprocess
import sys

import pytest

from failure import Invalid
from support import environments, pushes
from support.environments import source, wheel

LAB_NUMPY = environments.lab_version("numpy")


@pytest.fixture(scope="module")
def site():
    """An index that has the lab's packages in the lab's versions, and some more."""
    found = environments.Site()
    found.add(
        wheel("boosted", "1.0", ["numpy"], {"boosted/__init__.py": "import numpy\n", "boosted/bad.py": "print 1\n"})
    )
    found.add(wheel("boosted", "2.0", ["numpy", "leaf>=1; python_version >= '3'", "winonly; sys_platform == 'win32'"]))
    found.add(
        wheel("leaf", "1.5", (), {"leaf.py": "X = 1\n", "typing.py": "raise SystemExit\n", "enum/__init__.py": ""})
    )
    found.add(wheel("numpy", "1.26.4"))
    found.add(wheel("narrow", "1", ["numpy<2"]))
    found.add(wheel("pandas", "2.2.3", ["numpy>=1.22.4"]))
    found.add(wheel("threadpoolctl", "2.0"))
    found.add(wheel("click", "6.0"))
    yield found
    found.close()


@pytest.fixture
def builder(code, tmp_path, site):
    return environments.Builder(code["environment"], tmp_path, site)


def check_built(built):
    """The layer and the report are there and say the same."""
    assert built.code == 0, built.output
    report = built.report
    assert report["layer"] == {"bytes": len(built.layer), "sha256": hashlib.sha256(built.layer).hexdigest()}
    assert report["known"] is False
    assert report["python"] == "3.11"
    lines = report["lock"].splitlines()
    assert lines == sorted(lines)
    assert len(lines) == len(report["packages"]) + len(report["kept"])
    for package in report["packages"]:
        assert f"{package['name']}=={package['version']} --hash=sha256:{package['sha256']}" in lines
        assert package["from"].startswith(package["name"].replace("-", "_"))
    for member in built.files().values():
        assert (member.uid, member.gid, member.mtime) == (0, 0, 0)
        assert member.mode == (0o755 if member.isdir() or "/bin/" in member.name else 0o644)
        assert member.name in ("opt", "opt/environment") or member.name.startswith("opt/environment/")
    return report


def check_refused(built, code, *messages):
    assert built.code == code, built.output
    for message in messages:
        assert message in built.message
    assert built.report is built.layer is None
    assert "Traceback" not in built.message


def test_package_that_only_an_import_names(builder, tmp_path):
    built = builder.build({"train.py": "import boosted, numpy\n"})
    report = check_built(built)
    assert built.versions() == {"boosted": "2.0", "leaf": "1.5"}
    assert built.kept() == {"numpy": LAB_NUMPY}
    assert report["request"] == builder.request({"train.py": "import boosted, numpy\n"})
    assert report["packages"][0]["from"] == "boosted-2.0-py3-none-any.whl"
    assert report["packages"][0]["bytes"] > 100
    names = built.names()
    assert "opt/environment/boosted.py" in names
    # What the standard library has comes first elsewhere, and must not come last here.
    assert "opt/environment/leaf.py" in names
    assert not [name for name in names if "typing" in name or "enum" in name or name.endswith("/.lock")]
    place = built.unpack(tmp_path / "image")
    program = "import boosted, leaf, numpy; print(boosted.__file__, boosted.__cached__, numpy.__version__)"
    said = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(place)}, text=True, capture_output=True, check=True
    )
    assert said.stdout.split() == [
        f"{place}/boosted.py",
        f"{place}/__pycache__/boosted.cpython-311.pyc",
        LAB_NUMPY,
    ]
    # Bytecode that is not compared with its source, whose time is not the one when it was compiled.
    assert (place / "__pycache__/boosted.cpython-311.pyc").read_bytes()[4:8] == b"\1\0\0\0"


def test_the_same_needs_make_the_same_bytes(builder):
    files = {"train.py": "import boosted\n", "requirements.txt": "boosted\nnumpy\n"}
    first, second = builder.build(files), builder.build(files)
    check_built(first)
    assert first.layer == second.layer
    assert first.report == second.report


def test_a_lock_that_is_known(builder):
    files = {"train.py": "", "requirements.txt": "boosted==1.0\n"}
    first = builder.build(files)
    check_built(first)
    again = builder.build(files, BENCHTOP_KNOWN_LOCKS=f"{'0' * 64} {first.report['lock_sha256']}")
    assert again.code == 0, again.output
    assert again.layer is None
    assert again.report["known"] is True
    assert again.report["layer"] is None
    assert again.report["lock_sha256"] == first.report["lock_sha256"]
    assert again.versions() == first.versions()
    # Another base makes another environment of the same lock.
    other = builder.build(files, BENCHTOP_BASE_IMAGE="benchtop.local/other:1", BENCHTOP_REQUEST="0" * 64)
    check_refused(other, 2, "the code needs the environment ", "train again")


def test_what_a_pinned_version_takes_along(builder):
    """Packages of the lab that do not fit to what is asked for change with it; what fits stays."""
    built = builder.build({"train.py": "import numpy\n", "requirements.txt": "numpy==1.26.4\n"})
    check_built(built)
    assert built.versions() == {"numpy": "1.26.4", "pandas": "2.2.3"}
    assert "these of the lab's packages have to change with them: pandas\n" in built.output


def test_what_does_not_fit_to_a_pinned_version(builder):
    """Without another version of it a package of the lab stays; but mlflow is needed by the lab itself."""
    built = builder.build({"train.py": "", "requirements.txt": "threadpoolctl==2.0\n"})
    check_built(built)
    assert built.versions() == {"threadpoolctl": "2.0"}
    assert "scikit-learn of the lab does not fit to what is asked for, and may not work with it" in built.output
    built = builder.build({"train.py": "import sklearn\n", "requirements.txt": "threadpoolctl==2.0\n"})
    check_refused(
        built, 2, "train.py needs threadpoolctl==2.0", "imports scikit-learn ", "which does not work with that"
    )
    built = builder.build({"train.py": "", "requirements.txt": "click==6.0\n"})
    check_refused(built, 2, "train.py needs click==6.0 (requirements.txt), not ", "mlflow-skinny", "click")


@pytest.mark.parametrize(
    ("files", "versions"),
    [
        (
            {"train.py": '# /// script\n# dependencies = ["boosted<2"]\n# ///\n', "requirements.txt": "leaf"},
            {"boosted": "1.0"},
        ),
        ({"pyproject.toml": '[project]\nname = "x"\ndependencies = ["boosted"]'}, {"boosted": "2.0", "leaf": "1.5"}),
        (
            {
                "requirements.txt": "-r more/a.txt\n-c more/b.txt\n",
                "more/a.txt": "boosted\n",
                "more/b.txt": "boosted<2",
            },
            {"boosted": "1.0"},
        ),
        (
            {"environment.yml": "dependencies: [python=3.11, {pip: [leaf]}]", "train.py": "import boosted"},
            {"boosted": "2.0", "leaf": "1.5"},
        ),
    ],
)
def test_where_needs_are_declared(builder, files, versions):
    files = {"train.py": ""} | files
    planned = pushes.plan(files, requirements=["train.py", *pushes.plan(files)["requirements"]])
    built = builder.build(files, planned)
    check_built(built)
    assert built.versions() == versions


def uv_lock(site, **hashes):
    """A lock as uv writes it, of a project that asks for boosted with an extra and a folder of the code."""

    def entry(name, version, more=""):
        digest = (
            hashes.get(name) or hashlib.sha256(site.answer(f"/files/{name}-{version}-py3-none-any.whl")[1]).hexdigest()
        )
        return f"""
[[package]]
name = "{name}"
version = "{version}"
source = {{ registry = "https://packages.invalid/simple" }}
wheels = [{{ url = "https://packages.invalid/{name}.whl", hash = "sha256:{digest}", size = 1 }}]
{more}"""

    return (
        'version = 1\nrequires-python = ">=3.9"\n'
        + entry("boosted", "1.0", 'dependencies = [{ name = "numpy", marker = "sys_platform == \'linux\'" }]')
        + entry("leaf", "1.5")
        + entry("numpy", LAB_NUMPY)
        + entry("narrow", "1")
        + """
[[package]]
name = "part"
version = "0"
source = { directory = "part" }
dependencies = [{ name = "leaf" }]

[[package]]
name = "house"
version = "0"
source = { virtual = "." }
dependencies = [
    { name = "boosted" },
    { name = "narrow", marker = "sys_platform == 'win32'" },
    { name = "part" },
]
"""
    )


@pytest.mark.parametrize(
    ("files", "want"),
    [
        ({"requirements.txt": b"\xff\xfe" + "leaf\r\n".encode("utf-16-le")}, {"leaf": "1.5"}),
        ({"requirements.txt": "-r more/a.txt\n", "more/a.txt": "leaf\n-r ../requirements.txt\n"}, {"leaf": "1.5"}),
        ({"environment.yml": "dependencies: [{pip: leaf}]"}, {"leaf": "1.5"}),
        (
            {"environment.yml": "dependencies: [{pip: [5, leaf]}]"},
            "environment.yml asks for 5: expected a list of texts",
        ),
        ({"requirements.txt": b"\xff\xff"}, "requirements.txt can't be read: UnicodeDecodeError"),
    ],
)
def test_files_as_people_have_them(builder, files, want):
    files = {"train.py": ""} | files
    if isinstance(want, str):
        with pytest.raises(Invalid) as refused:
            builder.build(files, pushes.plan(files))
        assert want in str(refused.value)
        return
    built = builder.build(files, pushes.plan(files))
    check_built(built)
    assert built.versions() == want


def test_uv_lock(builder, site):
    files = {"train.py": "import boosted, part\n", "uv.lock": uv_lock(site), "part/src/part.py": ""}
    built = builder.build(files)
    check_built(built)
    assert built.versions() == {"boosted": "1.0", "leaf": "1.5"}
    assert built.kept() == {"numpy": LAB_NUMPY}
    other = builder.build(files | {"uv.lock": uv_lock(site, leaf="0" * 64)})
    check_refused(other, 2, "uv.lock has other files of leaf==1.5 than the lab's package index")


def test_what_can_not_be_had(builder):
    built = builder.build({"train.py": "import cv2, nowhere_boost\n"})
    check_refused(
        built,
        2,
        "train.py needs cv2 (package opencv-python-headless) (train.py line 1 imports it), nowhere_boost (train.py "
        "line 1 imports it), and there is no environment that has all it asks for: ",
        "was not found in the package registry",
    )
    assert "conclude" not in built.message
    assert "and you require opencv-python-headless; neither the lab's package index" in built.message
    files = {"train.py": "", "requirements.txt": "numpy>2\nnarrow\n--extra-index-url https://example.invalid/cpu\n"}
    check_refused(
        builder.build(files),
        2,
        "train.py needs narrow (requirements.txt), and there is",
        "narrow",
        "numpy<2",
        "; requirements.txt also says --extra-index-url https://example.invalid/cpu, and only the lab's index is asked",
    )
    check_refused(builder.build({"train.py": "", "requirements.txt": "boosted>2\n"}), 2, "boosted<=2.0 is available")


def test_upstream_that_can_not_be_reached(builder, site):
    site.down = True
    try:
        built = builder.build({"train.py": "import xgboost_none\n"})
    finally:
        site.down = False
    check_refused(
        built,
        2,
        "xgboost-none is not in this lab's package index, and the index upstream can't be reached: `benchtop packages "
        "add xgboost-none`",
    )


def test_index_that_is_not_there(builder):
    built = builder.build({"train.py": "import boosted\n"}, BENCHTOP_INDEX_URL="http://127.0.0.1:9/simple/")
    check_refused(built, 1, "the lab's package index can't be reached: ")


BACKEND = """
import os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    assert "BENCHTOP_LAYER_URL" not in os.environ
    with zipfile.ZipFile(os.path.join(folder, "pure-1-py3-none-any.whl"), "w") as made:
        made.writestr("pure.py", "X = 1")
        made.writestr("pure-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: pure\\nVersion: 1\\n")
        made.writestr("pure-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        made.writestr("pure-1.dist-info/RECORD", "pure.py,,\\npure-1.dist-info/METADATA,,\\n")
    return "pure-1-py3-none-any.whl"
"""


def test_packages_that_come_as_sources(builder, site):
    site.add(source("pure", "1", BACKEND))
    site.add(source("needs-c", "1", "def build_wheel(*_):\n    raise OSError('No such file or directory: gcc')\n"))
    built = builder.build({"train.py": "import pure\n"})
    check_built(built)
    assert "opt/environment/pure.py" in built.names()
    assert built.report["packages"][0]["from"] == "pure-1.tar.gz"
    failed = builder.build({"train.py": "", "requirements.txt": "needs-c"})
    check_refused(
        failed,
        2,
        "the environment of train.py can't be installed: needs-c==1 has no wheel that fits, and building it from its "
        "source failed, because there is no compiler here or for another reason (",
        "gcc",
        "ask for a version that has a wheel",
    )


def test_request_is_the_same_for_the_same_needs(builder):
    one = builder.request({"train.py": "import x", "requirements.txt": "Boosted>=1, <3\nnumpy  # all\nle_af\n"})
    assert one == builder.request(
        {"a/fit.py": "print()", "pyproject.toml": '[project]\ndependencies = ["numpy", "le-af", "boosted<3,>=1"]'},
        pushes.plan({}, entry="a/fit.py", requirements=["pyproject.toml"]),
    )
    others = [
        builder.request({"train.py": "", "requirements.txt": text})
        for text in ("boosted<3,>=1\nnumpy\n", "boosted<3,>=1\nnumpy\nle_af\n-c b.txt\n")
    ]
    others.append(
        builder.request(
            {"train.py": "", "requirements.txt": "boosted<3,>=1\nnumpy\nle_af\n-c b.txt", "b.txt": "le.af<9"}
        )
    )
    assert one not in (others[0], others[2])
    assert one == others[1]
    by_import = builder.request({"train.py": "import boosted, leaf, pandas"})
    assert by_import == builder.request(
        {"b.py": "import leaf\nimport boosted"}, pushes.plan({}, entry="b.py", requirements=[])
    )
    assert by_import != one


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("BENCHTOP_CODE_URL", "s3://code/x", "expected an http:// or https:// address"),
        ("BENCHTOP_INDEX_URL", "", "the builder of environments needs it"),
        ("BENCHTOP_REQUEST", "12", "expected 64 hex digits"),
        ("BENCHTOP_CODE_PLAN", "{", "expected JSON"),
        ("BENCHTOP_WORK", "/nowhere", "mount an empty, writable one there"),
        ("BENCHTOP_BASE_IMAGE", "", "is not set"),
    ],
)
def test_wrong_order(builder, key, value, message):
    check_refused(builder.build({"train.py": "import boosted"}, **{key: value}), 2, key, message)


def test_code_of_another_digest(builder):
    built = builder.build({"train.py": "import boosted"}, BENCHTOP_CODE_SHA256="0" * 64)
    check_refused(built, 2, "the code has sha256 ", "expected " + "0" * 64)


def test_address_that_has_run_out(builder, site):
    built = builder.build({"train.py": "import boosted"}, BENCHTOP_LAYER_URL=f"{site.url}/refused")
    assert built.code == 1, built.output
    assert "the object store refuses the address of the layer with 403" in built.message
    assert built.report is None


def test_message_for_whoever_makes_environments(builder):
    import needs
    import pushed

    request = builder.request({"train.py": "import boosted"})
    plan = pushed.Plan(["python", "train.py"], "train.py", "script", [])
    found = needs.Needs(request=request, missing=["x" * 2000])
    with pytest.raises(needs.NeedsEnvironment) as raised:
        needs.refuse(plan, found)
    told = json.loads(str(raised.value))["environment"]
    assert told["request"] == request
    assert len(told["why"]) == 1000
