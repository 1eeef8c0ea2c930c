"""The page's own files, read once at the start: what a browser is given before it asks for anything else."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vaina.errors import NotFound

FOLDER: Final = Path(__file__).parent / "static"
INDEX: Final = "index.html"
_TYPES: Final = {".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent."""

    data: bytes
    content_type: str
    #: changes when the file does
    etag: str


class StaticFiles:
    """Files by their path below the folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            str(path.relative_to(folder)): _read(path) for path in folder.rglob("*") if path.is_file()
        }

    def get(self, path: str) -> File:
        """Return a file. Raises NotFound."""
        try:
            return self._files[path]
        except KeyError:
            raise NotFound(f"there is no file {path[:64]!r}") from None


def _read(path: Path) -> File:
    data = path.read_bytes()
    content_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(data, content_type, hashlib.sha256(data).hexdigest()[:16])
