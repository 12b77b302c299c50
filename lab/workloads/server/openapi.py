"""An OpenAPI document of the server, made from the signature of the model that is served."""

from expected import Columns
from forms import BATCH, ONE_REQUEST

_TYPES = {
    "double": {"type": "number"},
    "float": {"type": "number"},
    "integer": {"type": "integer"},
    "long": {"type": "integer"},
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "binary": {"type": "string", "format": "byte"},
    "array": {"type": "array", "items": {}},
    "object": {"type": "object"},
    "map": {"type": "object"},
}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            "required": ["code", "message"],
        }
    },
}
_MLFLOW_ERROR = {
    "type": "object",
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}


def document(deployment, prefix, model):
    """The document; without a model it has the paths that need none."""
    paths = {
        "/": {"get": _get("What is served, and how to ask it")},
        "/healthz": {"get": _get("Whether the server runs; the version that is served and the one that ought to be")},
        "/readyz": {"get": _get("Whether predictions are answered", {503: "no model is loaded"})},
        "/ping": {"get": _get("MLflow: whether a model is loaded", {404: "no model is loaded"})},
        "/health": {"get": _get("MLflow: whether a model is loaded", {404: "no model is loaded"})},
        "/version": {"get": _get("MLflow: its version")},
        "/metrics": {"get": _get("Metrics for Prometheus")},
    }
    title, version = deployment, "0"
    if model:
        title, version = f"{deployment}: {model.name}", model.version
        paths |= _predicting(model)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": prefix or "/"}],
        "paths": paths,
    }


def _predicting(model):
    rows, example = _rows(model.expected), model.expected.body
    answer = _answer(model)
    predict = {"post": _post("Predict some rows", rows, example, answer, ONE_REQUEST)}
    if model.expected.query:
        predict["get"] = _get("Predict one row of numbers", {400: "the numbers are not as expected"}, answer) | {
            "parameters": [
                {
                    "name": "x",
                    "in": "query",
                    "required": True,
                    "description": f"{model.expected.sentence}, separated by commas",
                    "schema": {"type": "string"},
                    "example": model.expected.query,
                }
            ]
        }
    scoring = {
        "summary": "MLflow's scoring protocol",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"oneOf": _forms(rows)}, "example": mlflow_example(model.expected)},
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "200": _response("The predictions", {"type": "object", "properties": {"predictions": {}}}),
            "400": _response("The input is not as expected", _MLFLOW_ERROR),
            "503": _response("No model is loaded, or too many requests wait for it", _MLFLOW_ERROR),
        },
    }
    return {
        "/predict": predict,
        "/batch-predict": {"post": _post("Predict many rows", rows, example, answer, BATCH)},
        "/invocations": {"post": scoring},
    }


def mlflow_example(expected):
    """A body that /invocations takes: MLflow wants columns by name."""
    body = expected.body
    if isinstance(expected, Columns):
        row = body["instances"][0]
        data = list(row.values()) if isinstance(row, dict) else row
        return {"dataframe_split": {"columns": expected.names, "data": [data]}}
    return body


def _rows(expected):
    """(schema of a list of rows, schema of one row by name or None)."""
    if not isinstance(expected, Columns):
        return {"description": expected.sentence}, None
    columns = [_TYPES.get(type_, {}) for type_ in expected.types]
    named = {
        "type": "object",
        "properties": dict(zip(expected.names, columns, strict=True)),
        "required": [n for n, needed in zip(expected.names, expected.required, strict=True) if needed],
    }
    listed = {"type": "array", "prefixItems": columns, "minItems": len(columns), "maxItems": len(columns)}
    return {"type": "array", "items": {"oneOf": [listed, named]}}, named


def _forms(rows):
    many, named = rows
    split = {"type": "object", "properties": {"columns": {"type": "array"}, "data": {"type": "array"}}}
    return [
        {"type": "object", "properties": {"instances": many}, "required": ["instances"]},
        {"type": "object", "properties": {"inputs": {}}, "required": ["inputs"]},
        {"type": "object", "properties": {"dataframe_split": split}, "required": ["dataframe_split"]},
        {
            "type": "object",
            "properties": {"dataframe_records": {"type": "array", "items": named or {"type": "object"}}},
            "required": ["dataframe_records"],
        },
    ]


def _post(summary, rows, example, answer, limits):
    schema = {"oneOf": _forms(rows) + ([rows[1]] if rows[1] else [])}
    return {
        "summary": f"{summary} (at most {limits.rows})",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}},
        "responses": {
            "200": _response("The predictions, in the order of the rows", answer),
            "400": _response("The input is not as expected: the message says what is", _ERROR),
            "413": _response(f"The body is larger than {limits.bytes} bytes", _ERROR),
            "503": _response("No model is loaded, or too many requests wait for it", _ERROR),
        },
    }


def _answer(model):
    text = {"type": "string"}
    properties = {"model": text, "version": text}
    if model.classes:
        properties["classes"] = {"type": "array", "items": text}
        prediction = {
            "type": "object",
            "properties": {
                "class": {"type": "string", "enum": list(model.classes)},
                "class_index": {"type": "integer"},
                "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
            },
        }
    else:
        prediction = _prediction((model.description.get("signature") or {}).get("outputs") or [])
    return {"type": "object", "properties": properties | {"predictions": {"type": "array", "items": prediction}}}


def _prediction(outputs):
    """One prediction, as far as the signature's outputs say."""
    if outputs and all("name" in s and s["type"] != "tensor" for s in outputs):
        return {"type": "object", "properties": {s["name"]: _TYPES.get(s["type"], {}) for s in outputs}}
    return _TYPES.get(outputs[0]["type"], {}) if len(outputs) == 1 else {}


def _get(summary, failures=None, answer=None):
    responses = {"200": _response("As asked", answer)}
    responses |= {str(status): {"description": text} for status, text in (failures or {}).items()}
    return {"summary": summary, "responses": responses}


def _response(description, schema=None):
    return {"description": description} | ({"content": {"application/json": {"schema": schema}}} if schema else {})
