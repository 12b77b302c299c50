"""A model of the lab's own trainer: evaluated in plain Python (predictor.py), without mlflow or NumPy."""

import asyncio
import json
import time

import invocations
from expected import Features
from version import LoadError

# Rows of a batch that are predicted before others get their turn; a thread would only compete for the same lock.
TURN = 50


class LightModel:
    """One immutable version: description, predictor, and what the routes derive from them."""

    failure = None  # it has no process that could end

    def __init__(self, description, predictor):
        self.description = description
        self.predictor = predictor
        self.name = description["name"]
        self.version = description["version"]
        self.run_id = description.get("run_id", "")
        self.classes = predictor.classes
        self.expected = Features(description["feature_names"], description["examples"][0]["x"])
        self.edges = [bins["edges"] for bins in description["baseline"]["features"]]
        self.loaded_at = time.time()

    async def predict(self, rows, metrics):
        """{"classes", "predictions"} as JSON."""
        predictions = [
            {
                "class": self.classes[index],
                "class_index": index,
                "probabilities": dict(zip(self.classes, probabilities, strict=True)),
            }
            for index, probabilities in await self._evaluate(rows, metrics)
        ]
        return _dumps({"classes": self.classes, "predictions": predictions})

    async def invocations(self, content_type, body, metrics):
        """(status, media type, body), as MLflow's scoring server answers for the same estimator: class numbers."""
        rows, refused = invocations.parse(self.expected, content_type, body)
        if refused:
            return refused
        indexes = [index for index, _ in await self._evaluate(rows, metrics)]
        return 200, "application/json", json.dumps({"predictions": indexes}).encode()

    async def _evaluate(self, table, metrics):
        answers = []
        for i, row in enumerate(table.rows):
            if i % TURN == TURN - 1:
                await asyncio.sleep(0)
            answers.append(self.predictor.predict(row))
        metrics.predicted(self, table.rows, [index for index, _ in answers])
        return answers

    def facts(self):
        """What GET / says about it."""
        return {"features": self.expected.names, "classes": self.classes}

    def close(self):
        """Nothing to let go of."""


def make(folder, description, predictor):
    try:
        return LightModel(description, predictor)
    except (KeyError, TypeError, IndexError) as err:
        raise LoadError("predictor", f"{folder} can't be used: {err!r} is not in model.json as expected") from err


def _dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
