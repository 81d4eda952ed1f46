"""Schemas on disk, one file per id below a folder per registry."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec
import structlog

from connector.adapters.whole_file import write_whole

_log = structlog.get_logger()
_Content = tuple[str, ...]


class SchemaCache:
    """Reads and writes; a disk that refuses switches it off, with one warning."""

    def __init__(self, directory: Path, url: str) -> None:
        self._folder = directory / folder_name(url)
        self._on = True

    def read(self, schema_id: int) -> _Content | None:
        """Return what was written for this id; None where nothing, or nothing readable, is."""
        if not self._on:
            return None
        try:
            return msgspec.json.decode(self._path(schema_id).read_bytes(), type=_Content)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeError):
            return None
        except OSError as error:
            self._switch_off(error)
            return None

    def write(self, schema_id: int, schemas: _Content) -> None:
        """Write, whole or not at all."""
        if not self._on:
            return
        try:
            write_whole(self._path(schema_id), msgspec.json.encode(schemas))
        except OSError as error:
            self._switch_off(error)

    def _path(self, schema_id: int) -> Path:
        return self._folder / f"{schema_id}.json"

    def _switch_off(self, error: OSError) -> None:
        if self._on:
            self._on = False
            _log.warning("schema cache on disk is off", folder=str(self._folder), error=error.strerror)


def folder_name(url: str) -> str:
    """Name the folder of a registry by its addresses, without the password that may stand in them."""
    bare = []
    for one in url.split(","):
        parts = urlsplit(one.strip().rstrip("/"))
        bare.append(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
    return hashlib.sha256(",".join(bare).encode()).hexdigest()[:16]
