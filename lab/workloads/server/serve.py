"""Serve a model version over HTTP.

Environment: BENCHTOP_DEPLOYMENT (name of the deployment), BENCHTOP_MODEL_DIR (default /models, may be read-only),
BENCHTOP_SERVED (default /served/version.json: the file that names the version to serve, followed while serving),
BENCHTOP_PORT (default 8080), BENCHTOP_HOST (default 0.0.0.0), BENCHTOP_DRAIN_SECONDS (default 3: how long a server that
was told to stop still takes requests, while the cluster stops sending them), BENCHTOP_PREDICT_SECONDS (default 60: how
long a pyfunc model may take for one request; one that takes longer is ended and loaded again).
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys

import uvicorn

import served
from app import App
from metrics import Metrics
from model_store import PREDICT_SECONDS, ModelStore

log = logging.getLogger("server")

# An ingress keeps idle connections for 90 s (Go's default). Closing them first would make it send a request into a
# connection that is just being closed, and a POST is not sent again.
KEEP_ALIVE_SECONDS = 120
# Kubernetes kills 30 s after SIGTERM; what is in flight by then has had its chance.
GRACE_SECONDS = 20


class ConfigError(Exception):
    """The environment is wrong; the message says what was expected."""


class Server(uvicorn.Server):
    """uvicorn, stopped by us instead of by its own signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


def number(env, key, default, low, high, kind=int):
    text = env.get(key, "") or str(default)
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise ConfigError(f"{key} is {text!r}, expected a number from {low} to {high}")
    return value


async def serve(env):
    deployment = env.get("BENCHTOP_DEPLOYMENT", "")
    if not deployment:
        raise ConfigError("BENCHTOP_DEPLOYMENT is not set, expected the deployment's name")
    port = number(env, "BENCHTOP_PORT", 8080, 1, 65535)
    drain = number(env, "BENCHTOP_DRAIN_SECONDS", 3, 0, 300, float)
    patience = number(env, "BENCHTOP_PREDICT_SECONDS", PREDICT_SECONDS, 0.1, 3600, float)
    metrics = Metrics(deployment)
    model_dir = env.get("BENCHTOP_MODEL_DIR") or "/models"
    store = ModelStore(model_dir, env.get("BENCHTOP_SERVED") or served.DEFAULT, metrics, patience)
    app = App(store, metrics, deployment)
    server = Server(
        uvicorn.Config(
            app,
            host=env.get("BENCHTOP_HOST") or "0.0.0.0",
            port=port,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    loop = asyncio.get_running_loop()

    def stop(name):
        if app.draining:  # asked twice: now
            server.should_exit = True
            return
        app.draining = True
        log.info("%s: taking requests for %g s more, then finishing what is in flight", name, drain)
        loop.call_later(drain, setattr, server, "should_exit", True)

    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop, sig.name)
    store.start()
    log.info("deployment %s listens on port %d", deployment, port)
    # What exists now lives as long as the process, but for what imports left; the collector needn't look at it again.
    gc.collect()
    gc.freeze()
    await server.serve()
    store.stop()
    log.info("stopped")


def main():
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(os.environ))
    except ConfigError as err:
        log.error("%s", err)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
