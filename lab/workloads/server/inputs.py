"""Turn what a caller sent into lists of finite numbers, or into a 400 that says what was expected."""

import json
import math

from errors import ApiError

MAX_BODY_BYTES = 1 << 20
MAX_INSTANCES = 1000
# Trees compare in single precision, where larger magnitudes have no representation.
MAX_MAGNITUDE = 3.4e38
_SHOWN = 40


class Expected:
    """What a loaded model takes; says so in every error."""

    def __init__(self, feature_names, example):
        self.feature_names = feature_names
        self.example = example

    def error(self, found, code="invalid_input"):
        names = ", ".join(self.feature_names)
        row = ",".join(map(_number, self.example))
        return ApiError(
            400,
            code,
            f"{found}; expected {len(self.feature_names)} finite numbers ({names}), "
            f'for example GET /predict?x={row} or POST /predict with {{"instances": [[{row}]]}}',
        )

    def row(self, values, where):
        """Check one instance that came as parsed JSON."""
        if not isinstance(values, list):
            raise self.error(f"{where} is {_kind(values)}, not a list of numbers")
        if len(values) != len(self.feature_names):
            raise self.error(f"{where} has {_count(len(values), 'number')}")
        return [self._number(v, f"{where}[{i}]") for i, v in enumerate(values)]

    def _number(self, value, where):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"{where} is {_kind(value)}")
        return self.finite(value, where)

    def finite(self, value, where):
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self.error(f"{where} is not a finite number")
        if abs(value) > MAX_MAGNITUDE:
            raise self.error(f"{where} is beyond ±{MAX_MAGNITUDE}")
        return value


def from_query(expected, values):
    """One instance from the query's x parameters (x=5.1,3.5,1.4,0.2)."""
    if not values:
        raise expected.error("the query has no x")
    if len(values) > 1:
        raise expected.error(f"the query has {len(values)} x, POST takes several instances")
    fields = values[0].split(",") if values[0].strip() else []
    if len(fields) != len(expected.feature_names):
        raise expected.error(f"x has {_count(len(fields), 'number')}")
    row = []
    for i, field in enumerate(fields):
        try:
            # float() takes more than numbers as people write them: "1_000" or Arabic digits.
            if "_" in field or not field.isascii():
                raise ValueError
            value = float(field)
        except ValueError:
            raise expected.error(f"x[{i}] is {_kind(field)}") from None
        row.append(expected.finite(value, f"x[{i}]"))
    return row


def from_body(expected, content_type, body):
    """The instances of a POST body ({"instances": [[…], …]})."""
    media = content_type.split(";")[0].strip().lower()
    if media and media != "application/json" and not media.endswith("+json"):
        raise expected.error(
            f"the body's Content-Type is {_clip(media)}, not application/json "
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
            f"the body is not JSON ({_clip(str(err)) or 'nested too deeply'})", "invalid_json"
        ) from None
    if not isinstance(document, dict):
        raise expected.error(f"the body is {_kind(document)}, not an object")
    if "instances" not in document:
        raise expected.error("the body has no instances")
    instances = document["instances"]
    if not isinstance(instances, list):
        raise expected.error(f"instances is {_kind(instances)}, not a list")
    if not instances:
        raise expected.error("instances is empty")
    if len(instances) > MAX_INSTANCES:
        raise expected.error(
            f"{len(instances)} instances are more than the {MAX_INSTANCES} that one request may hold",
            "too_many_instances",
        )
    return [expected.row(row, f"instances[{i}]") for i, row in enumerate(instances)]


async def read_body(stream, content_length):
    """Read a request's body up to MAX_BODY_BYTES; a longer one is refused as soon as that is known."""
    too_large = ApiError(
        413,
        "body_too_large",
        f"the body is larger than {MAX_BODY_BYTES} bytes; send fewer instances per request (at most {MAX_INSTANCES})",
        # The rest of the body is left unread, so the connection can't be used again.
        headers={"connection": "close"},
    )
    if content_length.isdigit() and int(content_length) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    return bytes(body)


class _ConstantError(Exception):
    pass


def _reject_constant(name):
    raise _ConstantError(name)


def _number(value):
    return f"{value:g}"


def _count(n, noun):
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _clip(text):
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _kind(value):
    """Name a JSON value's type, and show a text's beginning."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return f"the text {_clip(value)!r}"
        case list():
            return "a list"
        case _:
            return "an object"
