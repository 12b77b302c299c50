"""Serve the delivery model: GET /predict?km=4 answers with minutes."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

with open("/app/coefficients.json") as file:
    MODEL = json.load(file)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/healthz":
            self.answer(200, {"ok": True})
            return
        if url.path != "/predict":
            self.answer(404, {"error": "ask for /predict?km=4"})
            return
        try:
            km = float(parse_qs(url.query)["km"][0])
        except (KeyError, ValueError):
            self.answer(422, {"error": "km must be a number, for example /predict?km=4"})
            return
        minutes = MODEL["intercept"] + MODEL["coefficients"]["km"] * km
        self.answer(200, {"minutes": round(minutes, 1), "pod": os.uname().nodename})

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
print("listening on port 8080", flush=True)
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
