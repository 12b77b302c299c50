"""MLflow's scoring protocol for models that are served without mlflow.

The answers are those of mlflow.pyfunc.scoring_server: errors as {"error_code", "message"}, and refusals of a media
type as plain text. Columns that the model does not have are left out, as MLflow does it.
"""

import io
import json

import forms
import values
from errors import ApiError

JSON = "application/json"
CSV = "text/csv"


def parse(expected, content_type, body):
    """(rows, None), or (None, answer) when the body is refused."""
    refused = unsupported(content_type)
    if refused:
        return None, refused
    try:
        return _rows(expected, content_type.split(";")[0].strip(), body), None
    except ApiError as err:
        return None, error(err.status, "BAD_REQUEST", err.message)


def unsupported(content_type):
    """The answer to a Content-Type that MLflow does not take, or None."""
    media, *parameters = (part.strip() for part in content_type.split(";"))
    named = {key: value for key, _, value in (p.partition("=") for p in parameters)}
    if named.get("charset", "utf-8").lower() != "utf-8":
        return _text("The scoring server only supports UTF-8")
    if set(named) - {"charset"}:
        return _text(f"Unrecognized content type parameters: {', '.join(sorted(set(named) - {'charset'}))}.")
    if media not in (JSON, CSV):
        return _text(
            f"This predictor only supports the following content types: Types: {[CSV, JSON]}. Got '{content_type}'."
        )
    return None


def error(status, code, message):
    """An answer in MLflow's shape."""
    return status, JSON, json.dumps({"error_code": code, "message": message}, ensure_ascii=False).encode()


def _text(message):
    return 415, "text/plain", message.encode()


def _rows(expected, media, body):
    if media == CSV:
        return _csv(expected, body)
    document = forms.parse(expected, media, body)
    given = [form for form in forms.FORMS if form in document]
    if len(given) != 1:
        found = f"it has {' and '.join(given)}" if given else "it has none"
        raise expected.error(f"the body needs exactly one of {', '.join(forms.FORMS)}, {found}")
    return forms.table(expected, given[0], document[given[0]], forms.BATCH, spare=True)


def _csv(expected, body):
    import csv  # few callers send it, and memory is budgeted

    try:
        lines = list(csv.reader(io.StringIO(body.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error) as err:
        raise expected.error(f"the body is not CSV ({values.clip(str(err))})") from None
    lines = [line for line in lines if line]
    if len(lines) < 2:
        raise expected.error("the body has no rows below a line of column names")
    data = []
    for i, line in enumerate(lines[1:]):
        row = [values.parse_number(field) for field in line]
        for field, number in zip(line, row, strict=True):
            if number is None:
                raise expected.error(f"row {i} of the body has {values.kind(field)}")
        data.append(row)
    return forms.table(expected, "dataframe_split", {"columns": lines[0], "data": data}, forms.BATCH, spare=True)
