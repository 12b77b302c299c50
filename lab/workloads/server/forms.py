"""The forms in which a caller may send rows, made into what the model gets, or into a 400 that says what was expected.

GET ?x=5.1,3.5         one row of numbers
{"instances": […]}     rows, each a list in the order of the columns, or an object by name
{"inputs": …}          the same, or an object of columns {"a": [1, 2], …}
{"dataframe_split": {"columns": […], "data": […]}}, {"dataframe_records": […]}
{"a": 1, "b": 2}       one row by name
"""

import json
import math
from typing import NamedTuple

import values
from errors import ApiError
from expected import Columns, Features, Passed

FORMS = ("instances", "inputs", "dataframe_split", "dataframe_records")


class Limits(NamedTuple):
    """What one request may hold."""

    rows: int
    bytes: int


ONE_REQUEST = Limits(1000, 1 << 20)
BATCH = Limits(10_000, 8 << 20)


def from_query(expected, given):
    """One row from the query's x parameters (x=5.1,3.5,1.4,0.2)."""
    if expected.query is None:
        raise expected.error("x holds numbers only, and this model takes something else")
    if not given:
        raise expected.error("the query has no x")
    if len(given) > 1:
        raise expected.error(f"the query has {len(given)} x, POST takes several instances")
    fields = given[0].split(",") if given[0].strip() else []
    if not fields or (isinstance(expected, Columns) and len(fields) != len(expected.names)):
        raise expected.error(f"x has {values.count(len(fields), 'number')}")
    row = []
    for i, field in enumerate(fields):
        number = values.parse_number(field)
        if number is None:
            raise expected.error(f"x[{i}] is {values.kind(field)}")
        if not math.isfinite(number):
            raise expected.error(f"x[{i}] is not a finite number")
        row.append(number)
    if isinstance(expected, Columns):
        return expected.table([row], lambda _: "x")
    return Passed("inputs", [row])


def from_body(expected, content_type, body, limits):
    """The rows of a POST body."""
    document = parse(expected, content_type, body)
    params = document.get("params")
    if params is not None and isinstance(expected, Features):
        raise expected.error("the body has params, and this model takes none")
    given = [form for form in FORMS if form in document]
    if len(given) > 1:
        raise expected.error(f"the body has {' and '.join(given)}; send one of them")
    if not given:
        if not isinstance(expected, Columns) or not any(name in document for name in expected.names):
            named = " and none of the columns by name" if isinstance(expected, Columns) else ""
            raise expected.error(f"the body has no instances, inputs, dataframe_split or dataframe_records{named}")
        return expected.table([document], lambda _: "the body")
    (form,) = given
    if isinstance(expected, Columns):
        rows = table(expected, form, document[form], limits)
        rows.params = params
        return rows
    return passed(expected, form, document[form], params, limits)


def parse(expected, content_type, body):
    """The JSON object in a body."""
    media = content_type.split(";")[0].strip().lower()
    if media and media != "application/json" and not media.endswith("+json"):
        raise expected.error(
            f"the body's Content-Type is {values.clip(media)}, not application/json "
            "(curl: -H 'Content-Type: application/json')",
            "unsupported_content_type",
        )
    if not body.strip():
        raise expected.error("the body is empty")
    try:
        document = json.loads(body, parse_constant=_reject_constant)
    except _ConstantError as err:
        raise expected.error(f"the body contains {err}, which is not a finite number") from None
    except (ValueError, RecursionError) as err:  # ValueError: no JSON, or not UTF-8
        raise expected.error(
            f"the body is not JSON ({values.clip(str(err)) or 'nested too deeply'})", "invalid_json"
        ) from None
    if not isinstance(document, dict):
        raise expected.error(f"the body is {values.kind(document)}, not an object")
    return document


def table(expected, form, value, limits, spare=False):
    """Rows for a model with named columns."""
    match form:
        case "dataframe_split":
            records, where = _split(expected, value, limits), lambda i: f"dataframe_split.data[{i}]"
        case "inputs" if isinstance(value, dict):
            records, where = _by_column(expected, value, limits), lambda i: f"inputs, row {i}"
        case _:
            records, where = _rows(expected, form, value, limits), lambda i: f"{form}[{i}]"
    if form == "dataframe_records":
        for i, record in enumerate(records):
            if not isinstance(record, dict):
                raise expected.error(f"dataframe_records[{i}] is {values.kind(record)}, not an object")
    return expected.table(records, where, spare)


def passed(expected, form, value, params, limits):
    """What a model without named columns gets: MLflow looks into it."""
    if expected.only_inputs:
        if form == "dataframe_split":
            raise expected.error("the body has dataframe_split, and this model takes inputs")
        form = "inputs"
    rows = Passed(form, value, params)
    if rows.count > limits.rows:
        raise _too_many(expected, rows.count, limits)
    if not rows.count:
        raise expected.error(f"{form} is empty")
    return rows


def _rows(expected, name, value, limits):
    if not isinstance(value, list):
        raise expected.error(f"{name} is {values.kind(value)}, not a list")
    if not value:
        raise expected.error(f"{name} is empty")
    if len(value) > limits.rows:
        raise _too_many(expected, len(value), limits)
    return value


def _split(expected, value, limits):
    if not isinstance(value, dict) or not {"data"} <= set(value) <= {"data", "columns", "index"}:
        raise expected.error('dataframe_split is not an object {"columns": […], "data": [[…], …]}')
    data = _rows(expected, "dataframe_split.data", value["data"], limits)
    columns = value.get("columns")
    if columns is None:
        return data
    if not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
        raise expected.error("dataframe_split.columns is not a list of names")
    twice = sorted({c for c in columns if columns.count(c) > 1}) if len(set(columns)) < len(columns) else []
    if twice:
        raise expected.error(f"dataframe_split.columns names {', '.join(map(values.clip, twice))} twice")
    for i, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            found = values.count(len(row), "value") if isinstance(row, list) else values.kind(row)
            raise expected.error(
                f"dataframe_split.data[{i}] is {found}, not a list of {values.count(len(columns), 'value')}"
            )
    return [dict(zip(columns, row, strict=True)) for row in data]


def _by_column(expected, value, limits):
    if not value:
        raise expected.error("inputs is empty")
    if not any(isinstance(column, list) for column in value.values()):
        return [value]
    for name, column in value.items():
        _rows(expected, f"inputs[{values.clip(name)!r}]", column, limits)
    lengths = {name: len(column) for name, column in value.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{values.clip(name)} has {length}" for name, length in lengths.items())
        raise expected.error(f"the columns of inputs differ in length ({values.clip(said, 200)})")
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]


def _too_many(expected, count, limits):
    more = f" (POST /batch-predict takes {BATCH.rows})" if limits.rows < BATCH.rows else ""
    return expected.error(
        f"{count} instances are more than the {limits.rows} that one request may hold{more}", "too_many_instances"
    )


async def read_body(stream, content_length, limits):
    """Read a request's body up to a limit; a longer one is refused as soon as that is known."""
    too_large = ApiError(
        413,
        "body_too_large",
        f"the body is larger than {limits.bytes} bytes; send fewer instances per request (at most {limits.rows})",
        # The rest of the body is left unread, so the connection can't be used again.
        headers={"connection": "close"},
    )
    if content_length.isdigit() and int(content_length) > limits.bytes:
        raise too_large
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > limits.bytes:
            raise too_large
    return bytes(body)


class _ConstantError(Exception):
    pass


def _reject_constant(name):
    raise _ConstantError(name)
