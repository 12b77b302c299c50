"""MLflow's own scoring server, for several saved models at once: each answers below the name of its folder.

Run as a program it serves: scoring.py PORT FOLDER….
"""

import os
import sys
from pathlib import Path


class ScoringServer:
    """The server as a process; url(kind) is where a model answers."""

    def __init__(self, models, log):
        from support import services

        self._port = services.free_port()
        self._process = services.Spawned(
            [sys.executable, __file__, str(self._port), *map(str, models)],
            log,
            os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"},
        )
        self._log = log

    def alive(self):
        assert self._process.poll() is None, self._log.read_text()
        return True

    def url(self, kind):
        return f"http://127.0.0.1:{self._port}/{kind}"

    def close(self):
        self._process.close()


def serve(port, folders):
    import uvicorn
    from mlflow.pyfunc import load_model, scoring_server
    from starlette.applications import Starlette
    from starlette.routing import Mount

    # What differs from the models' requirements is not what is tested.
    models = {Path(folder).name: load_model(folder, suppress_warnings=True) for folder in folders}
    routes = [Mount(f"/{name}", scoring_server.init(model)) for name, model in models.items()]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])
