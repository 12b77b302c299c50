"""Load one MLflow pyfunc model and answer for it: the program of a process of its own (pyfunc_process.py starts it).

A model brings code: its modules may be called like ours or like another version's, it may print, crash or hang. In a
process of its own it can do none of this to the server, and what it took of the memory is given back with it.
Nothing of ours is imported here (python -P keeps our folder off the path), and mlflow itself parses and encodes, so
that answers are those of MLflow's own scoring server.

Arguments: a socket's file descriptor and the model's folder. The first message says whether the model was loaded;
then each request is two messages, {"op", …} and a body, and so is each answer.
"""

import json
import logging
import os
import sys
import traceback

MAX_EXAMPLE_BYTES = 16 << 10


class Model:
    """A loaded model with its scoring protocol."""

    def __init__(self, folder):
        import mlflow.pyfunc
        from mlflow.environment_variables import _MLFLOW_IS_IN_SERVING_ENVIRONMENT
        from mlflow.pyfunc import scoring_server

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        os.environ[_MLFLOW_IS_IN_SERVING_ENVIRONMENT.name] = "true"
        self._server = scoring_server
        self._folder = folder
        # What differs from the model's requirements was said when the version was brought.
        self._model = mlflow.pyfunc.load_model(folder, suppress_warnings=True)
        self._schema = self._model.metadata.get_input_schema()

    def describe(self):
        """What the model says about itself; predicts its input example, so that the first request finds it warm."""
        meta = self._model.metadata
        signature = meta.signature.to_dict() if meta.signature else {}
        example = self._example()
        if example is not None:
            self.invocations(example, "application/json")
        return {
            "signature": {k: json.loads(v, parse_constant=lambda _: None) if v else None for k, v in signature.items()},
            "type_hint": bool(getattr(meta, "_is_signature_from_type_hint", bool)()),
            "flavors": sorted(meta.flavors),
            "example": _shorten(example),
            "has_example": example is not None,
            "created_at": meta.utc_time_created,
            "mlflow_version": meta.mlflow_version,
            "python_version": meta.flavors["python_function"].get("python_version"),
        }

    def _example(self):
        meta = self._model.metadata
        if not meta.saved_input_example_info:
            return None
        text = meta.get_serving_input(self._folder)
        if text is None:  # logged by an MLflow before 2.13
            from mlflow.models import convert_input_example_to_serving_input

            text = convert_input_example_to_serving_input(meta.load_input_example(self._folder))
        return text

    def invocations(self, body, content_type):
        """({"status", "mimetype", "rows"}, body): MLflow's scoring protocol."""
        answer = self._server.invocations(body, content_type, self._model, self._schema)
        header = {"status": answer.status, "mimetype": answer.mimetype}
        if answer.status == 200:
            header["rows"] = _count(_predictions(answer.response))
        return header, answer.response.encode()

    def predict(self, body):
        """({"rows": count}, the predictions as JSON)."""
        text = self._server.invocations(body, "application/json", self._model, self._schema).response
        predictions = _predictions(text)
        return {"rows": _count(predictions)}, json.dumps(
            predictions, ensure_ascii=False, separators=(",", ":")
        ).encode()


def _predictions(text):
    """What MLflow answered, without NaN, which is no JSON; chats and the like come without the key."""
    answered = json.loads(text, parse_constant=lambda _: None)
    return answered["predictions"] if isinstance(answered, dict) and set(answered) == {"predictions"} else answered


def _count(predictions):
    return len(predictions) if isinstance(predictions, list) else 1


def _shorten(text):
    """The first row of an example, as an object, or None when that is still long."""
    if text is None:
        return None
    example = json.loads(text, parse_constant=lambda _: None)
    if "dataframe_split" in example:
        split = example["dataframe_split"]
        example["dataframe_split"] = {k: v for k, v in split.items() if k == "columns"} | {"data": split["data"][:1]}
    elif isinstance(example.get("inputs"), list):
        example["inputs"] = example["inputs"][:1]
    elif isinstance(example.get("inputs"), dict):
        example["inputs"] = {k: v[:1] if isinstance(v, list) else v for k, v in example["inputs"].items()}
    return example if len(json.dumps(example)) <= MAX_EXAMPLE_BYTES else None


def failure(err):
    """What a caller needs to know of an exception."""
    from mlflow.exceptions import MlflowException

    if not isinstance(err, MlflowException):
        message = f"{type(err).__name__}: {err}"
        answered = json.dumps({"error_code": "INTERNAL_ERROR", "message": message}).encode()
        return {"kind": "model", "message": message, "status": 500}, answered
    stack = err.json_kwargs.get("stack_trace")
    if stack:
        # The model raised: MLflow keeps what in the traceback, whose last line names it.
        kind, message = "model", stack.strip().splitlines()[-1]
    else:
        # MLflow puts the whole input before what is wrong with it.
        kind, message = "input", err.message.rpartition("\nError: ")[2]
    return {"kind": kind, "message": message, "status": err.get_http_status_code()}, err.serialize_as_json().encode()


def answer(model, request, body):
    try:
        if request["op"] == "predict":
            return model.predict(body)
        return model.invocations(body, request["content_type"])
    except Exception as err:
        traceback.print_exc()
        return failure(err)


def load(folder):
    """(model, first message)."""
    what = "it can't be loaded"
    try:
        model = Model(folder)
        what = "it can't predict its input example"
        return model, {"loaded": True, **model.describe()}
    except Exception as err:
        traceback.print_exc()
        module = err.name if isinstance(err, ModuleNotFoundError) else None
        return None, {"loaded": False, "message": f"{what}: {failure(err)[0]['message']}", "module": module}


def main():
    from multiprocessing.connection import Connection

    connection = Connection(int(sys.argv[1]))
    model, first = load(sys.argv[2])
    connection.send_bytes(json.dumps(first, default=str).encode())
    while model:
        try:
            request, body = json.loads(connection.recv_bytes()), connection.recv_bytes()
        except (EOFError, OSError):
            break
        header, answered = answer(model, request, body)
        connection.send_bytes(json.dumps(header).encode())
        connection.send_bytes(answered)
    sys.stdout.flush()
    # A model's own threads must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
