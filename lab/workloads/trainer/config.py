"""The trainer's environment, checked once."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import served
from failure import Invalid

# The names are the only thing that scikit-learn's layout leaves out.
FEATURES = {
    "iris": ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"],
    "wine": [
        "alcohol",
        "malic_acid",
        "ash",
        "alcalinity_of_ash",
        "magnesium",
        "total_phenols",
        "flavanoids",
        "nonflavanoid_phenols",
        "proanthocyanins",
        "color_intensity",
        "hue",
        "od280/od315_of_diluted_wines",
        "proline",
    ],
    "breast-cancer": [
        f"{stat}{what}{unit}"
        for stat, unit in (("mean ", ""), ("", " error"), ("worst ", ""))
        for what in (
            "radius",
            "texture",
            "perimeter",
            "area",
            "smoothness",
            "compactness",
            "concavity",
            "concave points",
            "symmetry",
            "fractal dimension",
        )
    ],
}

MAX_MODEL_BYTES = 4 << 30

# What measure.py can measure. The appliance has the same names (appliance/mlops/measurement.go).
LATENCY, SIZE, STABILITY = "latency_p95_ms", "model_size_mb", "feature_importance_stability"
EVALUATED = ("accuracy", "f1_macro", "log_loss")
MEASURED = (SIZE, LATENCY, *EVALUATED, STABILITY)
MEASURE_SECONDS = 420


@dataclass(frozen=True)
class Config:
    """What one training is about. Everything comes from the environment, because a Job has nothing else."""

    project: str
    experiment: str
    model_name: str
    dataset_name: str
    dataset_version: str
    dataset_bucket: str
    dataset_key: str
    dataset_sha256: str
    dataset_features: list[str] | None
    tracking_uri: str
    model_dir: Path
    served: Path
    params: str
    wait_seconds: float
    tags: dict[str, str]

    @property
    def dataset_uri(self):
        return f"s3://{self.dataset_bucket}/{self.dataset_key}"


def read(env):
    """Build a Config from a mapping of environment variables; raise Invalid naming the variable at fault."""
    uri = stored(env, "BENCHTOP_DATASET_URI")
    sha256 = digest(env, "BENCHTOP_DATASET_SHA256")
    tracking = tracking_uri(env)
    model_dir = _model_dir(env)
    project = required(env, "BENCHTOP_PROJECT")
    name = required(env, "BENCHTOP_DATASET_NAME")
    version = env.get("BENCHTOP_DATASET_VERSION", "")
    return Config(
        project=project,
        experiment=env.get("BENCHTOP_EXPERIMENT") or project,
        model_name=env.get("BENCHTOP_MODEL_NAME") or project,
        dataset_name=name,
        dataset_version=version,
        dataset_bucket=uri.netloc,
        dataset_key=uri.path[1:],
        dataset_sha256=sha256,
        dataset_features=_features(env.get("BENCHTOP_DATASET_FEATURES", ""), name),
        tracking_uri=tracking,
        model_dir=model_dir,
        served=Path(env.get("BENCHTOP_SERVED") or served.DEFAULT),
        params=env.get("BENCHTOP_PARAMS", ""),
        wait_seconds=duration(env, "BENCHTOP_WAIT_SECONDS", 180),
        tags={
            "benchtop.project": project,
            "benchtop.job": env.get("BENCHTOP_JOB", ""),
            "benchtop.pod": env.get("BENCHTOP_POD", ""),
            "benchtop.node": env.get("BENCHTOP_NODE", ""),
            "benchtop.trigger": env.get("BENCHTOP_TRIGGER", ""),
            "benchtop.image": env.get("BENCHTOP_IMAGE", ""),
            "benchtop.code.sha256": env.get("BENCHTOP_CODE_SHA256", ""),
            "benchtop.dataset.name": name,
            "benchtop.dataset.version": version,
            "benchtop.dataset.sha256": sha256,
            "benchtop.dataset.uri": uri.geturl(),
        },
    )


@dataclass(frozen=True)
class Bring:
    """Which model version bring.py brings, from where and to where; run_id is "" if it has no run."""

    name: str
    version: str
    run_id: str
    tracking_uri: str
    model_dir: Path
    served: Path
    wait_seconds: float
    max_bytes: int


def read_bring(env):
    """Build a Bring from a mapping of environment variables; raise Invalid naming the variable at fault."""
    version = required(env, "BENCHTOP_MODEL_VERSION")
    if not re.fullmatch(r"[1-9][0-9]{0,17}", version):
        raise Invalid(f"BENCHTOP_MODEL_VERSION is {version!r}, expected a version number")
    return Bring(
        name=required(env, "BENCHTOP_MODEL_NAME"),
        version=version,
        run_id=run_id(env.get("BENCHTOP_MODEL_RUN_ID", "")),
        tracking_uri=tracking_uri(env),
        model_dir=_model_dir(env),
        served=Path(env.get("BENCHTOP_SERVED") or served.DEFAULT),
        wait_seconds=duration(env, "BENCHTOP_WAIT_SECONDS", 180),
        max_bytes=_bytes(env, "BENCHTOP_MAX_MODEL_BYTES", MAX_MODEL_BYTES),
    )


def read_measure(env):
    """What measure.py is to measure; raise Invalid naming the variable at fault.

    (the candidate's Bring, that of the version to compare with or None, the metrics, the seconds it may take)
    """
    candidate = read_bring(env)
    asked = [name.strip() for name in (env.get("BENCHTOP_MEASURE") or ",".join(MEASURED)).split(",")]
    if not set(asked) <= set(MEASURED):
        raise Invalid(
            f"BENCHTOP_MEASURE is {env['BENCHTOP_MEASURE']!r}, expected some of {', '.join(MEASURED)}, with commas"
        )
    seconds = duration(env, "BENCHTOP_MEASURE_SECONDS", MEASURE_SECONDS)
    name, version = (env.get(key, "").strip() for key in ("BENCHTOP_SERVED_MODEL", "BENCHTOP_SERVED_MODEL_VERSION"))
    if not name and not version:
        return candidate, None, asked, seconds
    if not name or not re.fullmatch(r"[1-9][0-9]{0,17}", version):
        raise Invalid(
            f"BENCHTOP_SERVED_MODEL is {name!r} and BENCHTOP_SERVED_MODEL_VERSION {version!r}, expected a model and a "
            "version number, or nothing in both"
        )
    return candidate, replace(candidate, name=name, version=version, run_id=""), asked, seconds


def run_id(text):
    """The id of a run that a version names, or "" if no run can have it.

    Whoever registers a version whose files are elsewhere may name anything, a job's number for instance.
    """
    return text if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,255}", text) else ""


# What pushed.py reads as well says who needs it.


def stored(env, key, who="trainer"):
    """The parts of an address in the object store."""
    uri = urlsplit(required(env, key, who))
    if uri.scheme != "s3" or not uri.netloc or len(uri.path) < 2:
        raise Invalid(f"{key} is {uri.geturl()!r}, expected s3://<bucket>/<key>")
    return uri


def digest(env, key, who="trainer"):
    """A sha256, in lower case."""
    sha256 = required(env, key, who).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise Invalid(f"{key} is {sha256!r}, expected 64 hex digits")
    return sha256


def tracking_uri(env, who="trainer"):
    """The registry's address; what the object store needs has to be there too."""
    tracking = required(env, "MLFLOW_TRACKING_URI", who).rstrip("/")
    if urlsplit(tracking).scheme not in ("http", "https"):
        raise Invalid(f"MLFLOW_TRACKING_URI is {tracking!r}, expected an http:// or https:// address")
    for key in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        required(env, key, who)
    return tracking


def _model_dir(env):
    model_dir = Path(env.get("BENCHTOP_MODEL_DIR") or "/models")
    if not model_dir.is_dir():
        raise Invalid(
            f"BENCHTOP_MODEL_DIR is {str(model_dir)!r}, which is not a directory; mount the model volume there"
        )
    return model_dir


def required(env, key, who="trainer"):
    value = env.get(key, "").strip()
    if not value:
        raise Invalid(f"{key} is not set; the {who} needs it in its environment")
    return value


def duration(env, key, default):
    """A time from 0 s to an hour."""
    text = env.get(key) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 3600:
        raise Invalid(f"{key} is {text!r}, expected seconds from 0 to 3600")
    return value


def _bytes(env, key, default):
    text = env.get(key) or str(default)
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        raise Invalid(f"{key} is {text!r}, expected a number of bytes")
    return int(text)


def _features(text, name):
    if not text:
        return FEATURES.get(name)
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names) or len(set(names)) != len(names):
        raise Invalid(f"BENCHTOP_DATASET_FEATURES is {text!r}, expected a JSON list of different names")
    return names
