"""What the hooks have noted while the script ran."""

import hashlib
import json
import os
from collections import defaultdict
from pathlib import Path

import archive
import registry

# A folder with more files than this that were read is one dataset.
MAX_FILES = 20


class Noted:
    """The notes, by what they are about, each in the order in which they were made."""

    def __init__(self, path):
        self._by_event = defaultdict(list)
        self.files = []
        if path.exists():
            for line in path.read_text(errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    # The last words of a process that was killed.
                    continue
                self._by_event[entry["event"]].append(entry)
                if entry["event"] in ("read", "write"):
                    self.files.append(entry)

    def of(self, event):
        return self._by_event[event]

    def asked(self):
        """{tag: what the script has asked for and did not get}."""
        return {entry["tag"]: entry["value"] for entry in self.of("asked")}


def read_files(noted, code, before, data):
    """{name: (sha256, bytes)} of the files that the script has read and not written: what it worked with.

    `before` has the code's files as they were pushed; `data` is where datasets are mounted.
    """
    found, wrote = {}, set()
    for entry in noted.files:
        path = entry["path"]
        if entry["event"] == "write":
            wrote.add(path)
        elif path not in wrote and path not in found:
            name = os.path.relpath(path, code)
            if name in before:
                found[path] = (name, before[name].sha256, before[name].bytes)
            elif Path(path).is_relative_to(data) and os.path.isfile(path):
                found[path] = (path, *archive.digest(path))
    return {name: (sha256, size) for name, sha256, size in found.values()}


def datasets(files, uri):
    """Files that were read as dataset inputs, as the REST API takes them."""
    folders = defaultdict(dict)
    for name, known in sorted(files.items()):
        folders[os.path.dirname(name)][name] = known
    made = []
    for folder, inside in folders.items():
        if len(inside) <= MAX_FILES:
            made += [_dataset(name, sha256, size, uri) for name, (sha256, size) in inside.items()]
            continue
        lines = "".join(f"{sha256}  {name}\n" for name, (sha256, _) in inside.items())
        total = sum(size for _, size in inside.values())
        made.append(_dataset(f"{folder or '.'}/", hashlib.sha256(lines.encode()).hexdigest(), total, uri, len(inside)))
    return made


def _dataset(name, sha256, size, archive_uri, files=1):
    # No s3:// address: there the whole archive is, and measure.py would take that for the dataset.
    pushed = not name.startswith("/")
    source = {"uri": name} | ({"archive": archive_uri} if pushed else {})
    return {
        "dataset": {
            "name": name[-500:],
            "digest": sha256[: registry.DIGEST_LENGTH],
            "source_type": "code" if pushed else "local",
            "source": json.dumps(source),
            "profile": json.dumps({"num_bytes": size, "num_files": files}),
        },
        "tags": [
            {"key": "mlflow.data.context", "value": "training"},
            {"key": "sha256", "value": sha256},
            {"key": "bytes", "value": str(size)},
        ],
    }
