"""Name what a caller sent, and check single values."""

import math

# Trees compare in single precision, where larger magnitudes have no representation.
MAX_MAGNITUDE = 3.4e38
_SHOWN = 40


class BadValueError(Exception):
    """A value isn't what its column takes; the message ends a sentence that begins with where it is."""


def plain_number(value):
    """A finite number within single precision, as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValueError(f"is {kind(value)}")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise BadValueError("is not a finite number")
    if abs(value) > MAX_MAGNITUDE:
        raise BadValueError(f"is beyond ±{MAX_MAGNITUDE}")
    return value


def of_type(value, type_):
    """A value for a column of an MLflow type; MLflow's own checks follow for what isn't a plain value."""
    if isinstance(value, float) and not math.isfinite(value):
        raise BadValueError("is not a finite number")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match type_:
        case "double" | "float":
            good = number or value is None
        case "integer" | "long":
            good = number and value == int(value)
        case "string":
            good = value is None or isinstance(value, str)
        case "boolean":
            good = isinstance(value, bool)
        case _:
            return value
    if not good:
        raise BadValueError(f"is {kind(value)}, not of type {type_}")
    return int(value) if type_ in ("integer", "long") else value


def parse_number(text):
    """A number as people write it, or None."""
    # float() takes more than that: "1_000" or Arabic digits.
    if "_" in text or not text.isascii():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return int(text) if value.is_integer() and text.strip().lstrip("+-").isdigit() and len(text) < 20 else value


def count(n, noun):
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def clip(text, shown=_SHOWN):
    return text if len(text) <= shown else text[:shown] + "…"


def kind(value):
    """Name a JSON value's type, and show a text's beginning."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return f"the text {clip(value)!r}"
        case list():
            return "a list"
        case _:
            return "an object"
