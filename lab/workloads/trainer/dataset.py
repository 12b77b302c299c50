"""Read the dataset from the object store, prove that it is the right one, and understand it."""

import csv
import hashlib
import io
import math
from dataclasses import dataclass

import access
from failure import Failure, Invalid, Refused
from retry import NotReady, until_ready

MAX_BYTES = 256 << 20
# Fewer rows of a class can't be spread over a training and a hold-out part.
MIN_ROWS_PER_CLASS = 5
# More is no class but a number: its column is not the one to predict.
MAX_CLASSES = 100


@dataclass(frozen=True)
class Dataset:
    """Rows of finite features and the class index of each."""

    features: list[list[float]]
    labels: list[int]
    feature_names: list[str]
    classes: list[str]
    bytes: int


def fetch(config):
    """Read the dataset's bytes from S3 and verify their sha256."""
    raw = until_ready(f"the object store ({config.dataset_uri})", lambda: _get(config), config.wait_seconds)
    digest = hashlib.sha256(raw).hexdigest()
    if digest != config.dataset_sha256:
        raise Invalid(
            f"{config.dataset_uri} has sha256 {digest}, expected {config.dataset_sha256}: these are not the bytes of "
            f"dataset {config.dataset_name} that this run was asked to train on; upload the dataset again"
        )
    return raw


def probe():
    """Raise NotReady, or Failure, unless the object store answers and knows our key.

    What the answer is does not matter: a key that may not list buckets is refused that, by a store that is there.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    where = "the object store"
    try:
        client = _client(read_timeout=5)
        where = f"the object store ({client.meta.endpoint_url})"
        client.list_buckets()
    except ClientError as err:
        if _is_busy(err):
            raise NotReady(f"{where} answers {_status(err)}") from err
        if access.key_not_accepted(err):
            raise Failure(f"{where} refused: {access.said(err)}") from err
    except BotoCoreError as err:
        raise NotReady(f"{where} does not answer: {err}") from err


def _client(read_timeout):
    # Imported late: 0.3 s, and the checks before it need no S3.
    import boto3
    from botocore.config import Config as BotoConfig

    # A session of our own: the default one must not be shared between threads.
    return boto3.session.Session().client(
        "s3",
        # Retries are ours, so that the log says what is being waited for.
        config=BotoConfig(
            connect_timeout=5,
            read_timeout=read_timeout,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )


def _status(err):
    return err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _is_busy(err):
    return _status(err) >= 500 or _status(err) == 429


def _get(config):
    from botocore.exceptions import BotoCoreError, ClientError

    client = _client(read_timeout=30)
    uri = config.dataset_uri
    try:
        answer = client.get_object(Bucket=config.dataset_bucket, Key=config.dataset_key)
        if answer["ContentLength"] > MAX_BYTES:
            raise Invalid(f"{uri} has {answer['ContentLength']} bytes; the trainer takes at most {MAX_BYTES}")
        return answer["Body"].read()
    except ClientError as err:
        code = err.response.get("Error", {}).get("Code", "")
        if _is_busy(err):
            raise NotReady(f"it answers {_status(err)} {code}") from err
        refusal = access.refusal(err)
        if refusal == access.DENIED:
            raise Refused(
                f"reading {uri} was denied ({code}); the trainer's access key needs s3:GetObject on it"
            ) from err
        if refusal == access.MISSING:
            raise Refused(f"{uri} does not exist ({code}); upload dataset {config.dataset_name} first") from err
        raise Failure(f"reading {uri} failed: {access.said(err)}") from err
    except BotoCoreError as err:
        raise NotReady(str(err)) from err


def parse(raw, feature_names=None):
    """Understand one of two layouts of CSV; raise Invalid naming the line that is wrong.

    scikit-learn's: the first line holds rows, features and the class names, every other line the features and the
    class index. Plain: the first line names the columns, and the last column is the class.
    """
    try:
        lines = [(n, row) for n, row in enumerate(csv.reader(io.StringIO(raw.decode("utf-8-sig"))), 1) if row]
    except (UnicodeDecodeError, csv.Error) as err:
        raise Invalid(f"the dataset is not CSV in UTF-8: {err}") from err
    if not lines:
        raise Invalid("the dataset is empty, expected a first line with rows, features and class names")
    header = [field.strip() for field in lines[0][1]]
    if len(header) >= 2 and not (header[0].isdecimal() and header[1].isdecimal()):
        return _plain(header, lines[1:], len(raw))
    if len(header) < 4 or not (header[0].isdecimal() and header[1].isdecimal()) or int(header[1]) < 1:
        raise Invalid(
            f"line 1 of the dataset is {','.join(header)[:100]!r}, expected the number of rows, the number of features "
            "and at least two class names"
        )
    n_rows, n_features, classes = int(header[0]), int(header[1]), header[2:]
    if len(set(classes)) != len(classes) or "" in classes:
        raise Invalid(f"line 1 of the dataset names the classes {classes}, expected different names")
    if len(lines) - 1 != n_rows:
        raise Invalid(f"the dataset has {len(lines) - 1} rows, its first line says {n_rows}")
    names = feature_names or [f"feature_{i + 1}" for i in range(n_features)]
    if len(names) != n_features:
        raise Invalid(f"the dataset has {n_features} features, but {len(names)} feature names were given")
    features, labels = [], []
    for line, row in lines[1:]:
        values, label = _row(line, row, n_features, len(classes))
        features.append(values)
        labels.append(label)
    _enough(classes, labels)
    return Dataset(features, labels, list(names), classes, len(raw))


def _plain(header, lines, size):
    if "" in header or len(set(header)) != len(header):
        raise Invalid(f"line 1 of the dataset is {','.join(header)[:100]!r}, expected different names for all columns")
    for name in header:
        if _is_number(name):
            raise Invalid(f"line 1 of the dataset names a column {name!r}, expected names and no numbers")
    rows, found = [], []
    for line, row in lines:
        if len(row) != len(header):
            raise Invalid(f"line {line} of the dataset has {len(row)} fields, expected {len(header)}")
        if not row[-1].strip():
            raise Invalid(f"line {line} of the dataset has no {header[-1]}: the last column is the class")
        rows.append(_numbers(line, row[:-1]))
        found.append(row[-1].strip())
    classes = sorted(set(found))
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise Invalid(
            f"the last column of the dataset, {header[-1]}, has {len(classes)} different values, expected 2 to "
            f"{MAX_CLASSES} classes"
        )
    index = {name: i for i, name in enumerate(classes)}
    labels = [index[name] for name in found]
    _enough(classes, labels)
    return Dataset(rows, labels, header[:-1], classes, size)


def _enough(classes, labels):
    for index, name in enumerate(classes):
        if labels.count(index) < MIN_ROWS_PER_CLASS:
            raise Invalid(
                f"class {name} has {labels.count(index)} rows, expected at least {MIN_ROWS_PER_CLASS}, so that "
                "a part of them can be held out"
            )


def _row(line, row, n_features, n_classes):
    if len(row) != n_features + 1:
        raise Invalid(
            f"line {line} of the dataset has {len(row)} fields, expected {n_features} features and a class index"
        )
    label = row[-1].strip()
    values = _numbers(line, row[:-1])
    if not label.isdecimal() or int(label) >= n_classes:
        raise Invalid(f"line {line} of the dataset has class index {label!r}, expected 0 to {n_classes - 1}")
    return values, int(label)


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(line, fields):
    values = []
    for column, field in enumerate(fields, 1):
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise Invalid(f"line {line}, column {column} of the dataset is {field!r}, expected a finite number")
        values.append(value)
    return values
