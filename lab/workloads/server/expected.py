"""What a loaded model takes. Every refusal says it, with an example that works."""

import json

import values
from errors import ApiError

NUMBERS = ("double", "float", "integer", "long")
SAMPLES = {"double": 0.0, "float": 0.0, "integer": 0, "long": 0, "string": "text", "boolean": True}
SAMPLES |= {"datetime": "2026-01-01T00:00:00", "binary": "Ynl0ZXM="}
# A row of a model with hundreds of features would bury what is wrong.
MAX_SHOWN = 600


class Table:
    """Rows of values in the order of columns: what a model with named features gets."""

    def __init__(self, columns, rows, params=None):
        self.columns = columns
        self.rows = rows
        self.params = params

    @property
    def count(self):
        return len(self.rows)

    def document(self):
        """The rows in MLflow's scoring protocol."""
        return _with({"dataframe_split": {"columns": self.columns, "data": self.rows}}, self.params)


class Passed:
    """A document of MLflow's scoring protocol that only MLflow can check."""

    def __init__(self, form, value, params=None):
        self._form, self._value, self._params = form, value, params
        rows = value.get("data") if form == "dataframe_split" and isinstance(value, dict) else value
        if isinstance(rows, dict):
            rows = next(iter(rows.values()), [])
        self.count = len(rows) if isinstance(rows, list) else 1

    def document(self):
        return _with({self._form: self._value}, self._params)


def _with(document, params):
    return document if params is None else document | {"params": params}


class Expected:
    """What every kind of expectation shares. `sentence` names what is expected, `body` is a POST body that works."""

    sentence = ""
    query = None  # an x for GET /predict, or None when one row can't be written as numbers
    body = None

    def error(self, found, code="invalid_input"):
        examples = [f"POST /predict with {json.dumps(self.body, ensure_ascii=False)}"]
        if self.query:
            examples.insert(0, f"GET /predict?x={self.query}")
        expected = values.clip(f"{self.sentence}, for example {' or '.join(examples)}", MAX_SHOWN)
        return ApiError(400, code, f"{found}; expected {expected}")


class Columns(Expected):
    """Named features."""

    def __init__(self, names, types, required, example=None):
        self.names = names
        self.types = types
        self.required = required
        row = example or [SAMPLES.get(t) for t in types]
        if all(t in NUMBERS for t in types):
            self.query = _query(row)
        self.body = {"instances": [dict(zip(names, row, strict=True))]}
        labels = [
            f"{name} ({type_}{'' if needed else ', may be left out'})"
            for name, type_, needed in zip(names, types, required, strict=True)
        ]
        self.sentence = f"the columns {', '.join(labels)}"

    def table(self, records, where, spare=False):
        """Check rows, each a list in the order of the columns or an object by name.

        `where` names row i. With `spare`, further columns are left out, as MLflow does it.
        """
        rows = [
            self._named(r, where(i), spare) if isinstance(r, dict) else self._ordered(r, where(i))
            for i, r in enumerate(records)
        ]
        kept = [i for i, needed in enumerate(self.required) if needed or any(row[i] is not _ABSENT for row in rows)]
        if len(kept) == len(self.names) and all(self.required):
            return Table(self.names, rows)
        return Table(
            [self.names[i] for i in kept], [[None if row[i] is _ABSENT else row[i] for i in kept] for row in rows]
        )

    def _ordered(self, row, where):
        if not isinstance(row, list):
            raise self.error(f"{where} is {values.kind(row)}, not a list of {self.noun}s")
        if len(row) != len(self.names):
            raise self.error(f"{where} has {values.count(len(row), self.noun)}")
        return [self._value(i, v, f"{where}[{i}]") for i, v in enumerate(row)]

    def _named(self, row, where, spare):
        missing = [n for n, needed in zip(self.names, self.required, strict=True) if needed and n not in row]
        unknown = [] if spare else [n for n in row if n not in self.names]
        if missing or unknown:
            said = [
                f"{what} {', '.join(map(values.clip, n))}" for what, n in (("lacks", missing), ("has", unknown)) if n
            ]
            raise self.error(f"{where} {' and '.join(said)}{', which is no column' if unknown else ''}")
        return [
            self._value(i, row[name], f"{where}[{name!r}]") if name in row else _ABSENT
            for i, name in enumerate(self.names)
        ]

    def _value(self, i, value, where):
        try:
            return self.check(value, self.types[i])
        except values.BadValueError as err:
            raise self.error(f"{where} {err}") from None

    noun = "value"

    @staticmethod
    def check(value, type_):
        return values.of_type(value, type_)


class Features(Columns):
    """The features of the lab's own trainer: finite numbers, all needed."""

    noun = "number"

    def __init__(self, names, example):
        super().__init__(names, ["double"] * len(names), [True] * len(names), example)
        self.sentence = f"{len(names)} finite numbers ({', '.join(names)})"
        self.body = {"instances": [example]}

    def error(self, found, code="invalid_input"):
        row = self.query
        return ApiError(
            400,
            code,
            f"{found}; expected {self.sentence}, for example GET /predict?x={row} or POST /predict with "
            f'{{"instances": [[{row}]]}}',
        )

    @staticmethod
    def check(value, _type):
        return values.plain_number(value)


class Unnamed(Expected):
    """Tensors, columns without names, what a type hint says, or a model without a signature: MLflow checks it."""

    def __init__(self, sentence, body, numbers=False, only_inputs=False):
        self.sentence = sentence
        self.body = body
        self.only_inputs = only_inputs
        if numbers:
            row = body.get("inputs")
            row = row[0] if isinstance(row, list) and row and isinstance(row[0], list) else [1, 2, 3]
            self.query = _query(row)


def _query(row):
    return ",".join(f"{v:g}" if isinstance(v, int | float) else "0" for v in row)


class _Absent:
    pass


_ABSENT = _Absent()


def of_signature(signature, example=None, type_hint=False):
    """The Expected of a model's signature ({"inputs": MLflow's list or None, …}) and input example."""
    inputs = (signature or {}).get("inputs")
    if type_hint:
        body = example or {"inputs": ["text"]}
        return Unnamed("inputs of the type that the model's code names", body, only_inputs=True)
    if not inputs:
        return Unnamed("what the model takes (it has no signature)", example or {"inputs": [[1, 2, 3]]}, numbers=True)
    if all(s["type"] == "tensor" for s in inputs):
        return _tensors(inputs, example)
    if all("name" in s for s in inputs):
        names = [s["name"] for s in inputs]
        return Columns(
            names, [s["type"] for s in inputs], [s.get("required", True) for s in inputs], _row(names, example)
        )
    body = example or {"inputs": [SAMPLES.get(inputs[0]["type"])]}
    return Unnamed(f"{values.count(len(inputs), 'column')} of type {', '.join(s['type'] for s in inputs)}", body)


def _tensors(inputs, example):
    specs = [(s.get("name"), s["tensor-spec"]["dtype"], s["tensor-spec"]["shape"]) for s in inputs]
    labels = [f"{name + ': ' if name else ''}{dtype} of shape {tuple(shape)}" for name, dtype, shape in specs]
    sentence = f"a tensor ({labels[0]})" if len(specs) == 1 else f"the tensors {', '.join(labels)}"
    if specs[0][0] is not None:
        return Unnamed(sentence, example or {"inputs": {name: _zeros(shape) for name, _, shape in specs}})
    _, dtype, shape = specs[0]
    numbers = len(shape) == 2 and dtype.startswith(("int", "uint", "float"))
    return Unnamed(sentence, example or {"inputs": _zeros(shape)}, numbers)


def _zeros(shape):
    size, *rest = shape or [1]
    one = _zeros(rest) if rest else 0
    return [one] * (min(size, 4) if size > 0 else 1)


def _row(names, example):
    """The example's first row in the order of the columns, or None when it isn't complete."""
    example = example or {}
    split, inputs = example.get("dataframe_split") or {}, example.get("inputs")
    if split.get("data"):
        row = dict(zip(split.get("columns") or names, split["data"][0], strict=False))
    elif isinstance(inputs, dict):
        row = {name: value[0] if isinstance(value, list) and value else value for name, value in inputs.items()}
    else:
        row = inputs[0] if isinstance(inputs, list) and inputs and isinstance(inputs[0], dict) else {}
    return [row[name] for name in names] if set(row) == set(names) else None
