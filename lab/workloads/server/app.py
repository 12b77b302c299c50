"""The HTTP interface: Starlette routes over the model store.

Starlette is the part of FastAPI that this needs. Requests are checked by hand (forms.py), because FastAPI answers bad
input with 422 and its own shape, and importing it with pydantic costs another 16 MB per server.
"""

import asyncio
import json
import logging
import time
from contextlib import contextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

import invocations
from errors import ApiError
from forms import BATCH, ONE_REQUEST, from_body, from_query, read_body

log = logging.getLogger("server")

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
            Route("/batch-predict", self.batch_predict, methods=["POST"]),
            Route("/invocations", self.invocations, methods=["POST"]),
            Route("/ping", self.ping),
            Route("/health", self.ping),
            Route("/version", self.mlflow_version),
            Route("/docs", self.docs),
            Route("/openapi.json", self.openapi),
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
        prefix = _prefix(request)
        document = {
            "deployment": self.deployment,
            "ready": model is not None and model.failure is None and not self.draining,
            "model": None,
            "endpoints": {
                "predict one": f"GET {prefix}/predict?x=<comma-separated features>",
                "predict many": f'POST {prefix}/predict {{"instances": [[…], …]}}',
                "predict a batch": f'POST {prefix}/batch-predict {{"instances": [[…], …]}}',
                "MLflow's scoring protocol": f"POST {prefix}/invocations",
                "documentation": f"GET {prefix}/docs",
                "OpenAPI": f"GET {prefix}/openapi.json",
                "liveness": f"GET {prefix}/healthz",
                "readiness": f"GET {prefix}/readyz",
                "metrics": f"GET {prefix}/metrics",
            },
        }
        if model:
            one = f"GET {prefix}/predict?x={model.expected.query}"
            if model.expected.query is None:
                one = f"POST {prefix}/predict {json.dumps(model.expected.body, ensure_ascii=False)}"
            document["endpoints"]["predict one"] = one
            document["model"] = {
                "name": model.name,
                "version": model.version,
                "run_id": model.description.get("run_id"),
                "created_at": model.description.get("created_at"),
                **model.facts(),
                "metrics": model.description.get("metrics", {}),
            }
        return Json(document)

    async def healthz(self, _request):
        # First: once it is false, the rest says what came of it.
        loading = self.store.loading
        model = self.store.current
        return Json(
            {
                "status": "ok",
                "version": model.version if model else None,
                "wanted": self.store.wanted,
                "loading": loading,
                "load_error": self.store.error,
            }
        )

    async def readyz(self, _request):
        if self.draining:
            raise ApiError(503, "draining", "the server is shutting down")
        with self._model() as model:
            return Json({"status": "ready", "model": model.name, "version": model.version})

    async def predict(self, request):
        with self._model() as model:
            if request.method == "POST":
                body = await _body(request, ONE_REQUEST)
                rows = from_body(model.expected, request.headers.get("content-type", ""), body, ONE_REQUEST)
            else:
                rows = from_query(model.expected, request.query_params.getlist("x"))
            return _predictions(model, await model.predict(rows, self.metrics))

    async def batch_predict(self, request):
        with self._model() as model:
            body = await _body(request, BATCH)
            # Checking many rows takes a while; in a thread it lets probes and single predictions pass.
            rows = await asyncio.to_thread(
                from_body, model.expected, request.headers.get("content-type", ""), body, BATCH
            )
            return _predictions(model, await model.predict(rows, self.metrics))

    async def invocations(self, request):
        try:
            with self._model() as model:
                body = await _body(request, BATCH)
                status, media, answer = await model.invocations(
                    request.headers.get("content-type", ""), body, self.metrics
                )
                headers = None
        except ApiError as err:
            code = "TEMPORARILY_UNAVAILABLE" if err.status == 503 else "BAD_REQUEST"
            status, media, answer = invocations.error(err.status, code, err.message)
            headers = err.headers
        return Response(answer, status, headers, media)

    async def ping(self, _request):
        model = self.store.current
        return Response("\n", 200 if model and not model.failure else 404, media_type="application/json")

    async def mlflow_version(self, _request):
        from importlib.metadata import version

        return Response(version("mlflow-skinny"), media_type="application/json")

    # Both modules are imported when they are asked for, which few servers are: memory is budgeted.
    async def docs(self, request):
        import docs

        return HTMLResponse(docs.page(self.deployment, _prefix(request), self.store.current))

    async def openapi(self, request):
        import openapi

        return Json(openapi.document(self.deployment, _prefix(request), self.store.current))

    async def exposition(self, _request):
        return Response(self.metrics.exposition(), headers={"content-type": self.metrics.content_type})

    @contextmanager
    def _model(self):
        with self.store.use() as model:
            if model is None:
                why = self.store.error or "the model is being loaded"
                raise ApiError(503, "model_not_loaded", f"no model is loaded: {why}", headers={"retry-after": "1"})
            if model.failure:
                raise ApiError(
                    503, "model_stopped", f"{model.failure}; it is being loaded again", headers={"retry-after": "5"}
                )
            yield model

    async def _http_error(self, request, err):
        path = request.scope["path"]
        if err.status_code == 405:
            allowed = ", ".join(sorted(err.headers.get("Allow", "").split(", ")))
            message = f"{request.method} is not allowed on {path}; allowed: {allowed}"
            return Json({"error": {"code": "method_not_allowed", "message": message}}, 405, headers=err.headers)
        message = f"there is no {path}; there are: {', '.join(sorted(self._routes))}"
        return Json({"error": {"code": "not_found", "message": message}}, err.status_code)


def _prefix(request):
    """The outside path, so that links work behind an ingress that strips a prefix."""
    return request.headers.get("x-forwarded-prefix", "").split(",")[0].strip().rstrip("/")


async def _body(request, limits):
    return await read_body(request.stream(), request.headers.get("content-length", ""), limits)


def _predictions(model, answer):
    """A model's JSON, which stays as it is, below what answered."""
    named = json.dumps({"model": model.name, "version": model.version}, ensure_ascii=False, separators=(",", ":"))
    return Response(named[:-1].encode() + b"," + answer[1:] + b"\n", media_type="application/json")


async def _api_error(_request, err):
    return Json(err.body(), err.status, headers=err.headers)


async def _internal_error(request, err):
    log.error("%s %s failed: %r", request.method, request.scope["path"], err)
    return Json({"error": {"code": "internal", "message": "the server failed; its log says why"}}, 500)
