"""Environments made as the appliance has them made: an index of packages, presigned addresses, and the program."""

import base64
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from importlib import metadata
from pathlib import Path

import needs
import packages
import pushed
from support import pushes, workloads

BASE = "benchtop.local/lab-python:1.0.0-0123456789ab"


def wheel(name, version, requires=(), files=None, more=""):
    """(file name, bytes) of a wheel of Python files."""
    top = name.replace("-", "_")
    info = f"{top}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    content = {f"{top}.py": f"VERSION = {version!r}\n"} if files is None else files
    content = content | {
        f"{info}/METADATA": "\n".join(lines) + f"\n{more}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for path, text in (content | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            archive.writestr(path, text)
    return f"{top}-{version}-py3-none-any.whl", raw.getvalue()


def source(name, version, backend):
    """(file name, bytes) of a source distribution that is built by the text of a module."""
    top = f"{name.replace('-', '_')}-{version}"
    files = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": backend,
    }
    return f"{top}.tar.gz", pushes.pack({f"{top}/{path}": text for path, text in files.items()})


class Site:
    """An index of packages at /simple/, code at /code/, and what was put, at any other address."""

    def __init__(self):
        self._files = {}
        self.code = {}
        self.put = {}
        self.down = False  # whether what is not in the index can't be asked for upstream
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.do_GET(head=True)

            def do_GET(self, head=False):
                code, body = site.answer(self.path)
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                if not head:
                    self.wfile.write(body)

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                refused = self.path.startswith("/refused")
                if not refused:
                    site.put[self.path] = body
                self.send_response(403 if refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, path):
        kind, _, name = path.strip("/").partition("/")
        if kind == "code":
            return 200, self.code[name]
        if kind == "files" and name in self._files:
            return 200, self._files[name]
        names = [file for file in sorted(self._files) if packages.canonical(file.split("-")[0]) == name]
        if kind == "simple" and names:
            links = (
                f'<a href="/files/{file}#sha256={hashlib.sha256(self._files[file]).hexdigest()}">{file}</a>'
                for file in names
            )
            return 200, f"<!DOCTYPE html><html><body>{'<br>'.join(links)}</body></html>".encode()
        return (503, b"upstream can't be reached") if self.down else (404, b"")

    def add(self, file):
        """Put a file of (name, bytes) into the index."""
        self._files[file[0]] = file[1]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Built:
    """How a Job that makes an environment has ended."""

    def __init__(self, code, output, message, report, layer):
        self.code = code
        self.output = output
        self.message = message
        self.report = json.loads(report) if report else None
        self.layer = layer

    def names(self):
        """The files of the layer, without bytecode."""
        return [name for name in self.files() if not name.endswith(".pyc")]

    def files(self):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            return {member.name: member for member in tar}

    def unpack(self, place):
        """The environment's folder, as a pod of its image has it."""
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            tar.extractall(place, filter="data")
        return place / "opt/environment"

    def versions(self):
        return {package["name"]: package["version"] for package in self.report["packages"]}

    def kept(self):
        return {package["name"]: package["version"] for package in self.report["kept"]}


class Builder:
    """Makes environments of folders of code."""

    def __init__(self, code, place, site):
        self._code = code
        self._place = place
        self._count = 0
        self.site = site

    def request(self, files, planned=None):
        """What the environment of code is known by."""
        plan = planned or pushes.plan(files)
        plan = pushed.Plan(plan["command"], plan["entry"], plan["kind"], plan["requirements"])
        return needs.check(plan, self._unpacked(files), {"BENCHTOP_BASE_IMAGE": BASE}).request

    def _unpacked(self, files):
        self._count += 1
        root = self._place / f"code-{self._count}"
        with tarfile.open(fileobj=io.BytesIO(pushes.pack(files))) as tar:
            tar.extractall(root, filter="data")
        root.mkdir(exist_ok=True)
        return root

    def build(self, files, planned=None, **env):
        """Make the environment of {name: content}, in a process as in a pod."""
        raw = pushes.pack(files)
        self._count += 1
        request = env.get("BENCHTOP_REQUEST") or self.request(files, planned)
        digest = hashlib.sha256(raw).hexdigest()
        self.site.code[digest] = raw
        self.site.put.clear()
        work = self._place / f"work-{self._count}"
        work.mkdir()
        message = self._place / "termination-log"
        message.write_text("")
        env = (
            workloads.base_env(self._place)
            | {
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
                "BENCHTOP_CODE_URL": f"{self.site.url}/code/{digest}",
                "BENCHTOP_CODE_SHA256": digest,
                "BENCHTOP_CODE_PLAN": json.dumps(planned or pushes.plan(files)),
                "BENCHTOP_WORK": str(work),
                "BENCHTOP_BASE_IMAGE": BASE,
                "BENCHTOP_REQUEST": request,
                "BENCHTOP_INDEX_URL": f"{self.site.url}/simple/",
                "BENCHTOP_LAYER_URL": f"{self.site.url}/layer?signature=1",
                "BENCHTOP_REPORT_URL": f"{self.site.url}/report?signature=2",
                "BENCHTOP_KNOWN_LOCKS": "",
                "BENCHTOP_WAIT_SECONDS": "5",
                "BENCHTOP_TERMINATION_LOG": str(message),
            }
            | env
        )
        done = subprocess.run(
            [sys.executable, str(self._code / "build_environment.py")],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            timeout=300,
            check=False,
        )
        put = {path.partition("?")[0]: body for path, body in self.site.put.items()}
        return Built(done.returncode, done.stdout, message.read_text(), put.get("/report"), put.get("/layer"))


def lab_version(name):
    return metadata.version(name)
