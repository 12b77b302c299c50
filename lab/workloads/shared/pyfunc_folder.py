"""The files of a pyfunc model on the volume, and one digest over all of them.

versions/<version>/model.json   kind "pyfunc", with the digest
versions/<version>/pyfunc/      the model's folder as MLflow logged it
"""

import hashlib
import os
from pathlib import Path

KIND = "pyfunc"
FOLDER = "pyfunc"
_CHUNK = 1 << 20


def digest(folder, check=lambda: None):
    """{"sha256", "files", "bytes"} of a folder: names in order and contents. Large files are never whole in memory.

    check() is called between chunks and may raise.
    """
    folder = Path(folder)
    total, files, size = hashlib.sha256(), 0, 0
    for path in _files(folder):
        name = path.relative_to(folder).as_posix().encode()
        length = path.stat().st_size
        # Lengths first, so that no two different folders share their bytes.
        total.update(b"%d:%s%d:" % (len(name), name, length))
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
                check()
        files, size = files + 1, size + length
    return {"sha256": total.hexdigest(), "files": files, "bytes": size}


def _files(folder):
    found = [Path(where, name) for where, _, names in os.walk(folder) for name in names]
    return sorted(found, key=lambda p: p.relative_to(folder).as_posix())
