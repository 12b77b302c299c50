"""The HTTP interface: Starlette routes over the model store.

Starlette is the part of FastAPI that this needs. Requests are checked by hand (inputs.py), because FastAPI answers bad
input with 422 and its own shape, and importing it with pydantic costs another 16 MB per server.
"""

import asyncio
import json
import logging
import time

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from errors import ApiError
from inputs import from_body, from_query, read_body

log = logging.getLogger("server")

# Rows of a batch that are predicted before others get their turn; a thread would only compete for the same lock.
TURN = 50
METHODS = {"GET", "HEAD", "POST"}


class Json(Response):
    media_type = "application/json"

    def render(self, content):
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class App:
    """An ASGI application; `draining` makes it not ready and asks clients to let go of their connections."""

    def __init__(self, store, metrics, deployment):
        self.store = store
        self.metrics = metrics
        self.deployment = deployment
        self.draining = False
        routes = [
            Route("/", self.describe),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/predict", self.predict, methods=["GET", "POST"]),
            Route("/metrics", self.exposition),
        ]
        self._routes = {r.path for r in routes}
        self._starlette = Starlette(
            routes=routes,
            exception_handlers={ApiError: _api_error, HTTPException: self._http_error, Exception: _internal_error},
        )
        # /predict/ is not worth a redirect, whose target an ingress prefix would break.
        self._starlette.router.redirect_slashes = False
        self._prefix = f"/models/{deployment}"

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        # Ingress strips /models/<deployment>; a client that comes straight to the pod may not have.
        path = scope["path"]
        if path == self._prefix or path.startswith(self._prefix + "/"):
            path = path[len(self._prefix) :] or "/"
            scope = {**scope, "path": path}
        route = path if path in self._routes else "other"
        method = scope["method"] if scope["method"] in METHODS else "other"
        status = 500
        begun = time.perf_counter()

        async def observed(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.draining:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        in_flight = self.metrics.in_flight.labels(self.deployment)
        in_flight.inc()
        try:
            await self._starlette(scope, receive, observed)
        finally:
            in_flight.dec()
            self.metrics.answered(route, method, status, time.perf_counter() - begun)

    async def describe(self, request):
        model = self.store.current
        # The outside path, so that the links work behind an ingress that strips a prefix.
        prefix = request.headers.get("x-forwarded-prefix", "").split(",")[0].strip().rstrip("/")
        document = {
            "deployment": self.deployment,
            "ready": model is not None and not self.draining,
            "model": None,
            "endpoints": {
                "predict one": f"GET {prefix}/predict?x=<comma-separated features>",
                "predict many": f'POST {prefix}/predict {{"instances": [[…], …]}}',
                "liveness": f"GET {prefix}/healthz",
                "readiness": f"GET {prefix}/readyz",
                "metrics": f"GET {prefix}/metrics",
            },
        }
        if model:
            example = ",".join(f"{v:g}" for v in model.expected.example)
            document["endpoints"]["predict one"] = f"GET {prefix}/predict?x={example}"
            document["model"] = {
                "name": model.name,
                "version": model.version,
                "run_id": model.description.get("run_id"),
                "created_at": model.description.get("created_at"),
                "features": model.expected.feature_names,
                "classes": model.classes,
                "metrics": model.description.get("metrics", {}),
            }
        return Json(document)

    async def healthz(self, _request):
        model = self.store.current
        return Json(
            {
                "status": "ok",
                "version": model.version if model else None,
                "wanted": self.store.wanted,
                "load_error": self.store.error,
            }
        )

    async def readyz(self, _request):
        if self.draining:
            raise ApiError(503, "draining", "the server is shutting down")
        model = self._model()
        return Json({"status": "ready", "model": model.name, "version": model.version})

    async def predict(self, request):
        model = self._model()
        if request.method == "POST":
            body = await read_body(request.stream(), request.headers.get("content-length", ""))
            rows = from_body(model.expected, request.headers.get("content-type", ""), body)
        else:
            rows = [from_query(model.expected, request.query_params.getlist("x"))]
        return await self._predict(model, rows)

    async def exposition(self, _request):
        return Response(self.metrics.exposition(), headers={"content-type": self.metrics.content_type})

    def _model(self):
        model = self.store.current
        if model is None:
            why = self.store.error or "the model is being loaded"
            raise ApiError(503, "model_not_loaded", f"no model is loaded: {why}", headers={"retry-after": "1"})
        return model

    async def _predict(self, model, rows):
        predictions, indexes = [], []
        for i, row in enumerate(rows):
            if i % TURN == TURN - 1:
                await asyncio.sleep(0)
            index, probabilities = model.predictor.predict(row)
            indexes.append(index)
            predictions.append(
                {
                    "class": model.classes[index],
                    "class_index": index,
                    "probabilities": dict(zip(model.classes, probabilities, strict=True)),
                }
            )
        self.metrics.predicted(model, rows, indexes)
        return Json(
            {"model": model.name, "version": model.version, "classes": model.classes, "predictions": predictions}
        )

    async def _http_error(self, request, err):
        path = request.scope["path"]
        if err.status_code == 405:
            allowed = ", ".join(sorted(err.headers.get("Allow", "").split(", ")))
            message = f"{request.method} is not allowed on {path}; allowed: {allowed}"
            return Json({"error": {"code": "method_not_allowed", "message": message}}, 405, headers=err.headers)
        message = f"there is no {path}; there are: {', '.join(sorted(self._routes))}"
        return Json({"error": {"code": "not_found", "message": message}}, err.status_code)


async def _api_error(_request, err):
    return Json(err.body(), err.status, headers=err.headers)


async def _internal_error(request, err):
    log.error("%s %s failed: %r", request.method, request.scope["path"], err)
    return Json({"error": {"code": "internal", "message": "the server failed; its log says why"}}, 500)
