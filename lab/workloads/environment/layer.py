"""A folder as the uncompressed tar of an image's layer, made while it is read: sorted, dated 1970, owned by root."""

import hashlib
import stat
import tarfile
from pathlib import Path

_CHUNK = 1 << 20


class Layer:
    """The layer of a folder that does not change any more."""

    def __init__(self, root):
        self._root = Path(root)
        self._paths = sorted(self._root.rglob("*"), key=lambda path: path.relative_to(self._root).parts)
        self.bytes = (
            sum(len(header) + _padded(size) for header, size in map(self._entry, self._paths)) + 2 * tarfile.BLOCKSIZE
        )
        self.sha256 = ""  # known when all of it was read

    def chunks(self):
        """The bytes, from the beginning."""
        digest = hashlib.sha256()
        for piece in self._pieces():
            digest.update(piece)
            yield piece
        self.sha256 = digest.hexdigest()

    def _pieces(self):
        for path in self._paths:
            header, size = self._entry(path)
            yield header
            if size:
                with path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        yield chunk
                yield bytes(_padded(size) - size)
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _entry(self, path):
        """(header, size of what follows)."""
        state = path.lstat()
        info = tarfile.TarInfo(str(path.relative_to(self._root)))
        if stat.S_ISDIR(state.st_mode):
            info.type, info.mode = tarfile.DIRTYPE, 0o755
        elif stat.S_ISLNK(state.st_mode):
            info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, str(path.readlink())
        else:
            info.mode, info.size = 0o755 if state.st_mode & 0o111 else 0o644, state.st_size
        return info.tobuf(tarfile.PAX_FORMAT), info.size


def _padded(size):
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
