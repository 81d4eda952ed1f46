"""Replies of feeds on disk, one file each, for a start while their vendor cannot be reached."""

from pathlib import Path

import structlog

from connector.adapters.whole_file import write_whole

_log = structlog.get_logger()


class FeedFiles:
    """A folder of files by feed; a disk that refuses is reported, and the feed goes on in memory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._report(name, error)
            return None

    def write(self, name: str, content: bytes) -> None:
        try:
            write_whole(self._path(name), content)
        except OSError as error:
            self._report(name, error)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.feed"

    def _report(self, name: str, error: OSError) -> None:
        _log.warning("feed not kept on disk", feed=name, folder=str(self._directory), error=error.strerror)
