"""Serve the model on the volume: GET /predict?km=4 answers with minutes."""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

with open("/models/model.json") as file:
    MODEL = json.load(file)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            km = float(parse_qs(urlsplit(self.path).query)["km"][0])
        except (KeyError, ValueError):
            self.answer(422, {"error": "ask for /predict?km=4"})
            return
        minutes = MODEL["intercept"] + MODEL["slope"] * km
        self.answer(200, {"minutes": round(minutes, 1), "trained_by": MODEL["trained_by"]})

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


# The first process of a container ignores SIGTERM unless it says otherwise.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(f"serving a model that {MODEL['trained_by']} has trained", flush=True)
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
